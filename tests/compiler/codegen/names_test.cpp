// Names are for people: whatever the axes, operands and nests of a program are called, the same
// decisions are taken and the same code comes out. What axes are is what decides.

#include "compiler/codegen/codegen.h"
#include "compiler/pipeline.h"
#include "ir/parse.h"
#include "tests/support/catch.h"
#include "tests/support/names.h"
#include "tests/support/stages.h"

#include <string>
#include <vector>

using namespace volute;

namespace {

struct Case {
  const char* name;
  const char* text;
  const char* target = "x86-64-v3";
};

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {"dense, channels first", R"(program @p(%x: f32[n=2, c=5, h=14, w=19],
          %k: f32[o=9, i=5, h=3, w=3], %b: f32[o=9]) {
        %0 = conv %x, %k, %b {pad = 1}
        %y = relu %0
        return %y })"},
      {"dense, channels last, strided", R"(program @p(%x: f32[n=1, h=23, w=22, c=8],
          %k: f32[o=24, i=8, h=5, w=3]) {
        %y = conv %x, %k {pad = [2, 1], stride = 2, dilation = [1, 2]}
        return %y })"},
      {"in three dimensions", R"(program @p(%x: f32[n=1, d=6, h=7, w=8, c=4],
          %k: f32[o=16, i=4, d=3, h=3, w=3]) {
        %y = conv %x, %k {pad = 1}
        return %y })"},
      {"grouped", R"(program @p(%x: f32[n=1, c=12, h=9, w=20], %k: f32[o=18, i=6, h=3, w=3]) {
        %y = conv %x, %k {groups = 2}
        return %y })"},
      {"depthwise, channels last", R"(program @p(%x: f32[n=1, h=12, w=13, c=20],
          %k: f32[o=20, i=1, h=3, w=3]) {
        %y = conv %x, %k {groups = 20, pad = 1, stride = 2}
        return %y })"},
      {"pointwise, joined axes, image beyond L2", R"(program @p(%x: f32[n=1, c=64, h=112, w=112],
          %k: f32[o=32, i=64, h=1, w=1]) {
        %y = conv %x, %k
        return %y })"},
      {"pointwise, channels last", R"(program @p(%x: f32[n=1, h=112, w=112, c=64],
          %k: f32[o=32, i=64, h=1, w=1]) {
        %y = conv %x, %k
        return %y })"},
      {"split channels", R"(program @p(%x: f32[n=4, c=2, h=9, w=11, c=8],
          %k: f32[o=32, i=16, h=3, w=3]) {
        %y = conv %x, %k {pad = 1} : f32[n=4, c=4, h=9, w=11, c=8]
        return %y })"},
      {"transposed", R"(program @p(%x: f32[n=1, c=6, h=7, w=9], %k: f32[i=6, o=8, h=4, w=4]) {
        %y = conv_transpose %x, %k {stride = 2, pad = 1}
        return %y })"},
      {"transposed, with outputs between", R"(program @p(%x: f32[n=1, h=7, w=9, c=6],
          %k: f32[i=6, o=8, h=2, w=2], %b: f32[o=8]) {
        %y = conv_transpose %x, %k, %b {stride = 3}
        return %y })"},
      {"in bands, channels last", R"(program @p(%x: f32[n=1, h=66, w=66, c=3],
          %k: f32[o=16, i=3, h=3, w=3]) {
        %0 = conv %x, %k
        %1 = relu %0
        %y = max_pool %1 {kernel = 2}
        return %y })"},
      {"in bands, channels first, two images", R"(program @p(%x: f32[n=2, c=3, h=24, w=20],
          %k: f32[o=8, i=3, h=5, w=5]) {
        %0 = conv %x, %k {stride = 2, pad = 2}
        %y = max_pool %0 {kernel = 3, stride = 2, pad = 1}
        return %y })"},
      {"a conversion in bands", R"(program @p(%x: u8[n=1, h=18, w=16, c=3], %m: f32[c=3],
          %k: f32[o=8, i=3, h=3, w=3]) {
        %0 = convert %x : f32[n=1, h=18, w=16, c=3]
        %1 = sub %0, %m
        %2 = conv %1, %k {pad = 1}
        %y = max_pool %2 {kernel = 2, stride = 2}
        return %y })"},
      {"bytes", R"(program @p(%x: i8[n=1, c=6, h=8, w=9], %k: u8[o=16, i=6, h=3, w=3]) {
        %0 = conv %x, %k {pad = 1, x_zero_point = 3, w_zero_point = 5}
        %y = dequantize %0 {scale = 0.25}
        return %y })"},
      {"bytes, by vpdpbusd", R"(program @p(%x: u8[n=1, h=14, w=14, c=32],
          %k: i8[o=32, i=32, h=3, w=3]) {
        %y = conv %x, %k {pad = 1}
        return %y })",
       "icelake-server"},
      {"bf16, by vdpbf16ps", R"(program @p(%x: bf16[n=1, h=9, w=9, c=16],
          %k: bf16[o=32, i=16, h=3, w=3]) {
        %y = conv %x, %k
        return %y })",
       "sapphirerapids"},
      {"numbers in the code", R"(program @p(%x: f32[n=1, c=1, h=30, w=40]) {
        %k = const [-1, 0, 1, -2, 0, 2, -1, 0, 1] : f32[o=1, i=1, h=3, w=3]
        %0 = conv %x, %k
        %y = abs %0
        return %y })"},
      {"arg-max", R"(program @p(%x: f32[n=1, c=5, h=12, w=17]) {
        %y, %i = max_pool %x {kernel = 3, stride = 2, pad = 1}
        return %y, %i })"},
      {"average, whole and adaptive", R"(program @p(%x: f32[n=2, h=12, w=17, c=9]) {
        %a = avg_pool %x {kernel = 3, stride = 2, pad = 1}
        %b = global_avg_pool %x
        %c = adaptive_max_pool %x {output = [5, 4]}
        return %a, %b, %c })"},
      {"paddings", R"(program @p(%x: f32[n=1, c=3, h=9, w=11]) {
        %a = pad %x {pad = 2, mode = reflect}
        %b = pad %x {pad = [(1, 0), (-1, 2)], value = -2}
        return %a, %b })"},
      {"unpooling", R"(program @p(%x: f32[n=1, c=3, h=6, w=7], %i: i64[n=1, c=3, h=6, w=7]) {
        %y = max_unpool %x, %i {kernel = 2}
        return %y })"},
      {"element by element", R"(program @p(%x: f32[n=2, c=7, h=40, w=50], %s: f32[c=7],
          %z: f32[n=2, h=40, w=50, c=7]) {
        %0 = batch_norm %x, %s, %s, %s, %s
        %1 = add %0, %z
        %y = gelu %1
        return %y, %x })"},
  };
  return all;
}

compiler::CompileRequest request_for(const Case& c) {
  compiler::CompileRequest request = tests::request_for(c.target);
  return request;
}

/// The nests that are scheduled, before any is placed in another.
ir::NestProgram nests_of(const Case& c) {
  ir::NestProgram nests =
      compiler::specialise_program(ir::parse(c.text).value(), request_for(c)).value().nests;
  for (ir::Nest& nest : nests.nests) nest.placement.reset();
  return nests;
}

ir::LoopProgram loops_of(const ir::NestProgram& nests, const Case& c) {
  return compiler::specialise_nests(nests, request_for(c)).value().loops;
}

std::vector<std::byte> code_of(const ir::LoopProgram& loops, const Case& c) {
  return compiler::generate(loops, compiler::parse_target(c.target).value()).value().bytes;
}

} // namespace

TEST_CASE("axes, operands and nests of other names give the same loops and the same code") {
  for (const Case& c : cases()) {
    INFO(c.name);
    const ir::NestProgram nests = nests_of(c);
    const ir::LoopProgram loops = loops_of(nests, c);
    const std::string expected = tests::text_without_names(loops);
    for (const auto& renaming : {tests::meaningless, tests::rotated, tests::misleading}) {
      const ir::NestProgram other = tests::renamed(nests, renaming);
      REQUIRE(ir::verify(other).empty());
      REQUIRE(to_string(other) != to_string(nests));
      CHECK(tests::text_without_names(loops_of(other, c)) == expected);
    }
    CHECK(code_of(loops_of(tests::renamed(nests, tests::misleading), c), c) == code_of(loops, c));
  }
}

TEST_CASE("axes of other roles give other loops") {
  // Where nothing is known of the axes, space is not told from channels, nor taps from either.
  size_t changed = 0;
  for (const Case& c : cases()) {
    ir::NestProgram nests = nests_of(c);
    const std::string before = tests::text_without_names(loops_of(nests, c));
    for (ir::Nest& nest : nests.nests)
      for (ir::NestAxis& axis : nest.axes) axis.role = ir::AxisRole::other;
    changed += tests::text_without_names(loops_of(nests, c)) != before;
  }
  CHECK(changed >= cases().size() / 2);
}
