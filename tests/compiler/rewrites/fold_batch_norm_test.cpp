#include "compiler/rewrites/fold_batch_norm.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "tests/support/catch.h"

using namespace volute;

namespace {

struct Folded {
  std::string text;
  std::vector<std::string> notes;
};

Folded folded(const std::string& text) {
  Folded result;
  result.text = to_string(compiler::fold_batch_norm(ir::parse(text).value(), result.notes));
  return result;
}

std::string norm(const std::string& type) {
  return "  %scale = const [2, 3] : " + type + "[c=2]\n  %shift = const [1, 1] : " + type +
         "[c=2]\n  %mean = const [4, 5] : " + type + "[c=2]\n  %var = const [4, 9] : " + type +
         "[c=2]\n  %y = batch_norm %0, %scale, %shift, %mean, %var {epsilon = 0}\n";
}

} // namespace

TEST_CASE("a batch_norm goes into the constant weight and the bias before it") {
  const Folded result = folded("program @p(%x: f32[n=1, c=1, w=4]) {\n"
                               "  %w = const [1, 2, 3, 4] : f32[o=2, i=1, w=2]\n"
                               "  %b = const [10, 20] : f32[o=2]\n"
                               "  %0 = conv %x, %w, %b {pad = [(1, 0)]}\n" +
                               norm("f32") + "  return %y\n}\n");
  CHECK(result.text == "program @p(%x: f32[n=1, c=1, w=4]) {\n"
                       "  %y_bias = const [7, 16] : f32[o=2]\n"
                       "  %w_scaled = const [1, 2, 3, 4] : f32[o=2, i=1, w=2]\n"
                       "  %y = conv %x, %w_scaled, %y_bias {pad = [(1, 0)]}\n"
                       "  return %y\n}\n");
  REQUIRE(result.notes.size() == 1);
  CHECK(result.notes[0] == "batch_norm %y is part of the weight and the bias of conv %0");
}

TEST_CASE("each output channel of a transposed convolution's groups has its own factor") {
  // Groups of one output each: the factor follows the input channel.
  const Folded result = folded("program @p(%x: f64[n=1, c=2, w=4]) {\n"
                               "  %w = const [1, 2, 3, 4] : f64[i=2, o=1, w=2]\n"
                               "  %0 = conv_transpose %x, %w {groups = 2}\n"
                               "  %scale = const [2, 30] : f64[c=2]\n"
                               "  %one = const [1, 1] : f64[c=2]\n"
                               "  %y = batch_norm %0, %scale, %one, %one, %one {epsilon = 0}\n"
                               "  return %y\n}\n");
  CHECK(result.text.find("%w_scaled = const [2, 4, 90, 120] : f64[i=2, o=1, w=2]") !=
        std::string::npos);
  CHECK(result.text.find("%y_bias = const [-1, -29] : f64[o=2]") != std::string::npos);
}

TEST_CASE("a batch_norm stays where its convolution is needed as it is, or is not constant") {
  const std::string conv = "  %w = const [1, 2] : f32[o=2, i=1, w=1]\n  %0 = conv %x, %w\n";
  const std::string begin = "program @p(%x: f32[n=1, c=1, w=4]) {\n";
  const auto is_kept = [](const std::string& text) {
    const Folded result = folded(text);
    return result.notes.empty() && result.text == to_string(ir::parse(text).value());
  };
  CHECK(!is_kept(begin + conv + norm("f32") + "  return %y\n}\n"));
  CHECK(is_kept(begin + conv + norm("f32") + "  return %y, %0\n}\n"));
  CHECK(is_kept(begin + conv + norm("f32") + "  %z = relu %0\n  return %y, %z\n}\n"));
  CHECK(
      is_kept("program @p(%x: f32[n=1, c=1, w=4], %w: f32[o=2, i=1, w=1]) {\n  %0 = conv %x, %w\n" +
              norm("f32") + "  return %y\n}\n"));
  // A bf16 weight would be rounded a second time.
  CHECK(is_kept("program @p(%x: bf16[n=1, c=1, w=4]) {\n  %w = const [1, 2] : bf16[o=2, i=1, w=1]\n"
                "  %0 = conv %x, %w\n" +
                norm("bf16") + "  return %y\n}\n"));
}

TEST_CASE("a narrow weight is not scaled: it would be rounded once more") {
  for (const char* narrow : {"bf16", "f16"}) {
    const std::string element = narrow;
    const Folded result = folded("program @p(%x: " + element +
                                 "[n=1, c=1, w=4]) {\n  %w = const [1, 3] : " + element +
                                 "[o=2, i=1, w=1]\n  %0 = conv %x, %w : f32[n=1, c=2, w=4]\n" +
                                 norm("f32") + "  return %y\n}\n");
    CAPTURE(narrow);
    CHECK(result.text.find("batch_norm") != std::string::npos);
    CHECK(result.notes.empty());
  }
}

TEST_CASE("factors that are not finite leave the formula as it is written") {
  const Folded result = folded("program @p(%x: f32[n=1, c=1, w=4]) {\n"
                               "  %w = const [1] : f32[o=1, i=1, w=1]\n  %0 = conv %x, %w\n"
                               "  %one = const [1] : f32[c=1]\n  %zero = const [0] : f32[c=1]\n"
                               "  %y = batch_norm %0, %one, %one, %one, %zero {epsilon = 0}\n"
                               "  return %y\n}\n");
  CHECK(result.notes.empty());
  CHECK(result.text.find("batch_norm") != std::string::npos);
}
