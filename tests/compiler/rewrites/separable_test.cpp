#include "compiler/rewrites/separable.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "tests/support/catch.h"

#include <fmt/format.h>

using namespace volute;

namespace {

/// Why %y cannot be computed so; empty when it can.
std::string obstacle(const std::string& text) {
  const ir::Program program = ir::parse(text).value();
  return compiler::separable_obstacle(program, *program.definition(*program.find("y")),
                                      compiler::host())
      .value_or("");
}

std::string separated(const std::string& text) {
  REQUIRE(obstacle(text) == "");
  const ir::Program program = ir::parse(text).value();
  compiler::Edit edit(program);
  compiler::separable(edit, *program.find("y"));
  return to_string(edit.finish());
}

/// A filter of so many rows and columns: the product of two counts from 1, and `odd` in its corner.
std::string program(int rows, int columns, const std::string& attributes, double odd = 1) {
  std::string taps;
  for (int r = 1; r <= rows; ++r)
    for (int c = 1; c <= columns; ++c)
      taps += fmt::format("{}{}", r * c == 1 ? "" : ", ", r * c == 1 ? odd : r * c);
  return fmt::format("program @p(%x: f32[n=1, c=1, h=20, w=20]) {{\n"
                     "  %k = const [{}] : f32[o=1, i=1, h={}, w={}]\n"
                     "  %y = conv %x, %k {{{}}}\n  return %y\n}}\n",
                     taps, rows, columns, attributes);
}

} // namespace

TEST_CASE("a filter of rank one runs along w, then along h, each with its stride and padding") {
  CHECK(separated(program(5, 6, "stride = [2, 3], pad = [(1, 2), (3, 0)], dilation = [2, 1]")) ==
        "program @p(%x: f32[n=1, c=1, h=20, w=20]) {\n"
        "  %k_row = const [8, 16, 24, 32, 40, 48] : f32[o=1, i=1, h=1, w=6]\n"
        "  %k_column = const [0.125, 0.25, 0.375, 0.5, 0.625] : f32[o=1, i=1, h=5, w=1]\n"
        "  %y_rows = conv %x, %k_row {stride = [1, 3], pad = [(0, 0), (3, 0)]}\n"
        "  %y = conv %y_rows, %k_column {stride = [2, 1], pad = [(1, 2), (0, 0)], "
        "dilation = [2, 1]}\n"
        "  return %y\n}\n");
}

TEST_CASE("what is no product of a column and a row, or no such convolution, is named") {
  const auto with = [](const std::string& text, const std::string& what, const std::string& other) {
    std::string changed = text;
    for (size_t at; (at = changed.find(what)) != std::string::npos;)
      changed.replace(at, what.size(), other);
    return changed;
  };
  CHECK(obstacle(program(3, 3, "pad = 1")) == "");
  CHECK(obstacle(program(5, 5, "pad = 2", 1.001)) == "its filter %k is no column times a row");
  CHECK(obstacle(program(1, 20, "")) == "its filter is 1 x 20, one pass already");
  CHECK(obstacle(program(5, 5, "pad = 2, padding_mode = reflect")) ==
        "its padding is not of zeros");
  CHECK(obstacle(with(program(3, 3, "pad = 1"), "f32", "f16")) ==
        "its elements are f16, not f32 or f64");
  const auto conv = [](const std::string& x, const std::string& w) {
    return "program @p(%x: " + x + ", %k: " + w + ") { %y = conv %x, %k return %y }";
  };
  CHECK(obstacle(conv("f32[n=1, c=1, h=9, w=9]", "f32[o=1, i=1, h=3, w=3]")) ==
        "its filter %k is not a constant");
  CHECK(obstacle("program @p(%x: f32[n=1, c=1, w=9]) { %k = const [1, 2] : f32[o=1, i=1, w=2]\n"
                 "%y = conv %x, %k return %y }") == "its image is not of two dimensions");
  CHECK(obstacle("program @p(%x: f32[n=1, c=2, h=9, w=9]) {\n"
                 "%k = const [1, 2, 2, 4, 1, 2, 2, 4] : f32[o=1, i=2, h=2, w=2]\n"
                 "%y = conv %x, %k return %y }") == "it sums over 2 input channels");
  CHECK(obstacle("program @p(%x: f32[n=1, c=2, h=4, w=4, c=2]) {\n"
                 "%k = const [1, 2, 2, 4, 1, 2, 2, 4, 1, 2, 2, 4, 1, 2, 2, 4] : "
                 "f32[o=4, i=1, h=2, w=2]\n"
                 "%y = conv %x, %k {groups = 4} return %y }") == "a type of it has split axes");
  CHECK(obstacle("program @p(%x: f32[n=1, w=9]) { %y = relu %x return %y }") ==
        "it is no convolution");
}

TEST_CASE("whole numbers have factors of whole numbers, so that sums of them stay exact") {
  const std::string text =
      separated("program @p(%x: f32[n=1, c=1, h=20, w=20]) {\n"
                "  %k = const [-9, 15, 6, -15, 25, 10, 21, -35, -14] : f32[o=1, i=1, h=3, w=3]\n"
                "  %y = conv %x, %k\n  return %y\n}\n");
  CHECK(text.find("%k_row = const [-24, 40, 16]") != std::string::npos);
  CHECK(text.find("%k_column = const [0.375, 0.625, -0.875]") != std::string::npos);
}

TEST_CASE("every channel of a depthwise filter must be of rank one") {
  const auto depthwise = [](const std::string& last) {
    std::string taps;
    for (int i = 0; i < 2 * 49 - 1; ++i) taps += "1, ";
    return "program @p(%x: f64[n=1, h=9, w=9, c=2]) {\n  %k = const [" + taps + last +
           "] : f64[o=2, i=1, h=7, w=7]\n  %y = conv %x, %k {groups = 2}\n  return %y\n}\n";
  };
  const std::string two = separated(depthwise("1"));
  CHECK(two.find("%y_rows = conv %x, %k_row {groups = 2}") != std::string::npos);
  CHECK(two.find("%y = conv %y_rows, %k_column {groups = 2}") != std::string::npos);
  CHECK(obstacle(depthwise("2")) ==
        "of its filters %k, that of channel 1 is no column times a row");
}

TEST_CASE("a sampled Gaussian is of rank one to the last bit of each weight") {
  std::string taps;
  for (int r = -3; r <= 3; ++r)
    for (int c = -3; c <= 3; ++c)
      taps += fmt::format("{}{}", taps.empty() ? "" : ", ",
                          static_cast<float>(std::exp(-0.1 * r * r) * std::exp(-0.1 * c * c)));
  CHECK(obstacle("program @p(%x: f32[n=1, c=1, h=20, w=20]) {\n  %k = const [" + taps +
                 "] : f32[o=1, i=1, h=7, w=7]\n  %y = conv %x, %k\n  return %y\n}\n") == "");
}
