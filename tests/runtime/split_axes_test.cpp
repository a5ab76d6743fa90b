// Axes cut at other places by every tensor of a program: it is compiled, by any schedule and in any
// form, and gives the reference's numbers.
#include "ir/parse.h"
#include "ir/reference.h"
#include "runtime/session.h"
#include "tests/support/catch.h"

#include <fmt/format.h>

#include <cstring>
#include <map>
#include <string>
#include <vector>

using namespace volute;

namespace {

const char* const programs[] = {
    // Groups, transposed: the weight, the bias and the result each cut the channels elsewhere.
    R"((%x: bf16[n=1, c=30, h=12, w=6, n=2], %w: bf16[i=10, o=2, h=7, w=2, i=3],
        %b: bf16[o=6, o=10]) {
         %0 = conv_transpose %x, %w, %b {stride = [1, 4], groups = 30, pad = [(2, 1), (0, 1)]}
         %y = global_max_pool %0)",
    R"((%x: f32[n=6, c=36, w=4, w=2], %w: f32[w=1, o=2, i=9, i=2, i=2], %b: f32[o=6, o=12]) {
         %0 = abs %x
         %y = conv_transpose %0, %w, %b {stride = 5, output_padding = 3, groups = 36}
              : f32[n=2, c=3, w=39, n=3, c=24])",
    R"((%x: f32[n=1, c=4, w=9, c=6], %w: f32[o=6, i=2, w=3, o=8, i=2], %b: f32[o=3, o=16]) {
         %y = conv %x, %w, %b {groups = 6, pad = 1} : f32[n=1, c=4, w=9, c=12])",
    // Vectors and residuals that are folded in.
    R"((%x: f32[n=1, c=12, h=5, w=5], %w: f32[o=24, i=2, h=3, w=3], %s: f32[c=8, c=3],
        %r: f32[n=1, c=6, h=5, w=5, c=4]) {
         %0 = conv %x, %w {groups = 6, pad = 1}
         %1 = prelu %0, %s
         %y = add %1, %r : f32[n=1, c=12, h=5, w=5, c=2])",
    R"((%x: f32[n=4, c=12, w=20], %s: f32[c=4, c=3]) {
         %0 = max_pool %x {kernel = 3, pad = 1, stride = 2} : f32[n=2, c=2, w=5, n=2, c=6, w=2]
         %y = mul %0, %s : f32[n=2, c=6, w=10, c=2, n=2])",
    // Sums over windows of a batch in parts.
    R"((%x: u8[n=4, n=2, w=10, c=8], %w: i8[o=8, i=8, w=3]) {
         %y = conv %x, %w {w_zero_point = 3, x_zero_point = 7})",
    R"((%x: u8[n=4, w=10, n=2, c=8], %w: u8[o=4, o=2, i=8, w=3], %b: i32[o=2, o=4]) {
         %y = conv %x, %w, %b {w_zero_point = [1, 2, 3, 4, 5, 6, 7, 8]}
              : i32[n=2, w=8, c=4, n=4, c=2])",
    R"((%x: i8[n=2, w=10, c=2, c=8], %w: i8[o=8, i=8, w=3]) {
         %y = conv %x, %w {w_zero_point = 3, groups = 2, pad = 1} : i32[n=2, w=10, c=2, c=4])",
};

} // namespace

TEST_CASE("axes that tensors cut at different places are computed with, by any schedule") {
  Session session;
  for (const char* text : programs)
    for (const char* target : {"native", "x86-64-v3"})
      for (const char* schedule : {"auto", "naive"}) {
        CAPTURE(text, target, schedule);
        const ir::Program program = *ir::parse(fmt::format("program @p{} return %y }}", text));
        std::vector<Tensor> inputs;
        std::map<std::string, ir::TensorData> data;
        std::map<std::string, const ir::TensorData*> values;
        for (const ir::ValueId input : program.inputs) {
          inputs.push_back(*Tensor::allocate(program.type(input)));
          runtime::fill(inputs.back(), {runtime::Fill::Kind::random, 3}, inputs.size());
          ir::TensorData& one = data[program.name_of(input)];
          one = {inputs.back().type(),
                 {inputs.back().data(), inputs.back().data() + inputs.back().bytes()}};
          values[program.name_of(input)] = &one;
        }
        Tensor y = *Tensor::allocate(program.type(program.outputs[0]));
        std::vector<TensorRef> arguments(inputs.begin(), inputs.end());
        arguments.emplace_back(y);
        session.compile(program, {.target = target, .schedule = schedule}).call(arguments).check();
        const ir::TensorData expected = ir::evaluate(program, values)->at("y");
        CHECK(std::memcmp(y.data(), expected.bytes.data(), expected.bytes.size()) == 0);
      }
}
