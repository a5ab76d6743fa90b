#include "compiler/pipeline.h"
#include "compiler/report/kernel_name.h"
#include "ir/parse.h"
#include "tests/support/catch.h"
#include "tests/support/stages.h"

using namespace volute;
using namespace volute::compiler;

namespace {

/// The names of the steps, without the digest of their code.
std::vector<std::string> names(const std::string& program, const std::string& target = "haswell") {
  CompileRequest request = tests::request_for(target);
  const Stages stages = specialise_program(ir::parse(program).value(), request).value();
  std::vector<std::string> all;
  for (size_t i = 0; i < stages.loops.steps.size(); ++i) {
    std::string name = kernel_name(stages.loops, i, stages.written, request.target, {});
    all.push_back(name.substr(0, name.rfind('_')));
  }
  return all;
}

} // namespace

TEST_CASE("a step's name says its configuration") {
  CHECK(names("program @p(%x: f32[n=1, c=64, h=56, w=56], %w: f32[o=64, i=64, h=3, w=3]) {"
              " %y = conv %x, %w {pad = 1, dilation = 2} return %y }",
              "skylake-avx512")
            .back() == "conv2d_3x3s1d2_i64o64_56x56_nchw_avx512");
  CHECK(names("program @p(%x: f32[n=2, h=8, w=9, c=16], %w: f32[o=16, i=1, h=5, w=3]) {"
              " %0 = conv %x, %w {groups = 16, stride = [2, 1]} %y = relu %0 return %y }")
            .back() == "conv2d_5x3s2x1_i16o16g16_n2_8x9_nhwc_avx2");
  CHECK(names("program @p(%x: f32[n=1, c=2, h=8, w=8, c=8]) {"
              " %y = max_pool %x {kernel = 3, stride = 2} return %y }")
            .back() == "max_pool2d_3x3s2_c16_8x8_nchwc8_avx2");
  CHECK(names("program @p(%x: f32[n=1, c=8, d=4, h=6, w=6], %w: f32[i=8, o=4, d=2, h=2, w=2]) {"
              " %y = conv_transpose %x, %w {stride = 2} return %y }")
            .back()
            .find("conv_transpose3d_2x2x2s2_i8o4_4x6x6_ncdhw_avx2") != std::string::npos);
  CHECK(names("program @p(%x: f32[n=1, c=8, w=64]) { %y = sigmoid %x return %y }", "nehalem") ==
        std::vector<std::string>{"sigmoid_c8_64_ncw_sse"});
  // What serves a convolution is called by both.
  CHECK(names("program @p(%x: f32[n=1, h=8, w=8, c=4], %w: f32[o=8, i=4, h=3, w=3]) {"
              " %y = conv %x, %w return %y }")
            .front() == "pack_w_conv2d_3x3s1_i4o8_8x8_nhwc_avx2");
}

TEST_CASE("other code has another name") {
  CompileRequest request = tests::request_for("haswell");
  const Stages stages =
      specialise_program(
          ir::parse("program @p(%x: f32[n=1, c=8, w=64]) { %y = relu %x return %y }").value(),
          request)
          .value();
  const std::vector<std::byte> one(16, std::byte{1}), two(16, std::byte{2});
  const auto name = [&](const std::vector<std::byte>& code) {
    return kernel_name(stages.loops, 0, stages.written, request.target, code);
  };
  CHECK(name(one) == name(one));
  CHECK(name(one) != name(two));
  // Loops by hand come without a program: a step has its own name.
  CHECK(
      kernel_name(stages.loops, 0, ir::Program(), request.target, one).starts_with("relu_y_avx2_"));
}
