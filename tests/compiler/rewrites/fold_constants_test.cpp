#include "compiler/rewrites/fold_constants.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "tests/support/catch.h"

using namespace volute;

namespace {

std::string folded(const std::string& body) {
  const std::string begin = "program @p(%x: f32[n=1, c=1, w=4], %h: bf16[n=1, c=1, w=2]) {\n";
  const std::string text =
      to_string(compiler::fold_constants(ir::parse(begin + body + "}\n").value()));
  const size_t first = text.find('\n') + 1;
  return text.substr(first, text.rfind('}') - first);
}

} // namespace

TEST_CASE("a weight that is converted, padded and reordered becomes the weight that is read") {
  CHECK(folded("  %k = const [1, 2, 3, 4] : i8[o=1, i=1, h=2, w=2]\n"
               "  %i = const [5, 6, 7, 8] : f32[n=1, c=1, h=2, w=2]\n"
               "  %f = convert %k : f32[o=1, i=1, h=2, w=2]\n"
               "  %r = reorder %f : f32[w=2, o=1, i=1, h=2]\n"
               "  %p = pad %i {pad = [(0, 0), (1, 0)]}\n"
               "  %y = conv %p, %r\n"
               "  %z = conv %i, %f\n"
               "  return %y, %x\n") ==
        "  %i = const [5, 6, 7, 8] : f32[n=1, c=1, h=2, w=2]\n"
        "  %f = const [1, 2, 3, 4] : f32[o=1, i=1, h=2, w=2]\n"
        "  %r = const [1, 3, 2, 4] : f32[w=2, o=1, i=1, h=2]\n"
        "  %p = const [0, 5, 6, 0, 7, 8] : f32[n=1, c=1, h=2, w=3]\n"
        "  %y = conv %p, %r\n" // who writes a convolution of constants wants to see it computed
        "  %z = conv %i, %f\n"
        "  return %y, %x\n");
}

TEST_CASE("what is read by the image's own statements stays a constant of the program") {
  CHECK(folded("  %k = const [1, -2] : i8[o=1, i=1, w=2]\n"
               "  %f = convert %k : f32[o=1, i=1, w=2]\n"
               "  %y = conv %x, %f\n"
               "  return %y\n") == "  %f = const [1, -2] : f32[o=1, i=1, w=2]\n"
                                   "  %y = conv %x, %f\n"
                                   "  return %y\n");
}

TEST_CASE("a narrow float that an element-wise statement would read unrounded is not folded") {
  const std::string sum = "  %a = const [1, 256] : bf16[n=1, c=1, w=2]\n"
                          "  %b = const [0.0039, 1] : bf16[n=1, c=1, w=2]\n"
                          "  %s = add %a, %b\n";
  const std::string kept = sum + "  %y = add %h, %s\n  return %y\n";
  CHECK(folded(kept) == kept);
  // Where it is stored, it is rounded; and where all of the chain is constant, at its end.
  CHECK(folded(sum + "  return %s\n") == "  %s = const [1, 256] : bf16[n=1, c=1, w=2]\n"
                                         "  return %s\n");
  CHECK(folded(sum + "  %t = sub %s, %a\n  return %t\n") ==
        "  %t = const [0.0039, 1] : bf16[n=1, c=1, w=2]\n"
        "  return %t\n");
}

TEST_CASE("what would make the image much larger is computed when it is asked for") {
  const std::string large = "  %k = const [1] : f32[n=1, c=1, h=1, w=1]\n"
                            "  %p = pad %k {pad = [(0, 1023), (0, 511)]}\n"
                            "  return %p\n";
  CHECK(folded(large) == large);
}

TEST_CASE("an index that max_unpool has no element for stays an error of the run") {
  const std::string wrong = "  %v = const [1, 2] : f32[n=1, c=1, w=2]\n"
                            "  %i = const [0, 99] : i64[n=1, c=1, w=2]\n"
                            "  %y = max_unpool %v, %i {kernel = 2}\n"
                            "  return %y\n";
  CHECK(folded(wrong).find("max_unpool") != std::string::npos);
}

TEST_CASE("a program without inputs computes what it says") {
  const std::string text = "program @p() {\n  %k = const [1, 2] : f32[n=1, c=1, w=2]\n"
                           "  %y = neg %k\n  return %y\n}\n";
  CHECK(to_string(compiler::fold_constants(ir::parse(text).value())) == text);
}
