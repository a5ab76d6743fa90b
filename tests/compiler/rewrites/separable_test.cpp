#include "compiler/rewrites/separable.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "tests/support/catch.h"

#include <fmt/format.h>

using namespace volute;

namespace {

std::vector<std::string> notes;

std::string separated(const std::string& text) {
  notes.clear();
  return to_string(compiler::separable(ir::parse(text).value(), notes));
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

bool is_kept(const std::string& text) {
  return separated(text) == to_string(ir::parse(text).value()) && notes.empty();
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
  REQUIRE(notes.size() == 1);
  CHECK(notes[0] == "conv %y: the filter %k is a column times a row, and runs as two passes: 11 "
                    "multiply-adds instead of 30");
}

TEST_CASE("a filter runs as it is where two passes cost more, or give something else") {
  CHECK(is_kept(program(3, 3, "pad = 1")));
  CHECK(is_kept(program(1, 20, "")));
  CHECK(!is_kept(program(5, 5, "pad = 2")));
  CHECK(is_kept(program(5, 5, "pad = 2", 1.001)));
  CHECK(is_kept(program(5, 5, "pad = 2, padding_mode = reflect")));
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
  CHECK(is_kept(depthwise("2")));
}

TEST_CASE("a sampled Gaussian is of rank one to the last bit of each weight") {
  std::string taps;
  for (int r = -3; r <= 3; ++r)
    for (int c = -3; c <= 3; ++c)
      taps += fmt::format("{}{}", taps.empty() ? "" : ", ",
                          static_cast<float>(std::exp(-0.1 * r * r) * std::exp(-0.1 * c * c)));
  separated("program @p(%x: f32[n=1, c=1, h=20, w=20]) {\n  %k = const [" + taps +
            "] : f32[o=1, i=1, h=7, w=7]\n  %y = conv %x, %k\n  return %y\n}\n");
  CHECK(notes.size() == 1);
}
