#include "compiler/lower/lower.h"
#include "compiler/rewrites/fold_tables.h"
#include "ir/parse.h"
#include "tests/support/catch.h"
#include "tests/support/lowered.h"

#include <cstring>
#include <string>

using namespace volute;
using tests::lowered;

namespace {

/// Every nest, printed, one after the other.
std::string nests_of(const std::string& text) {
  const ir::NestProgram program = lowered(text);
  std::string printed;
  for (const ir::Nest& nest : program.nests)
    printed += (printed.empty() ? "" : "\n") + to_string(nest, program.buffers);
  return printed;
}

std::vector<float> floats(const ir::Buffer& buffer) {
  std::vector<float> values(static_cast<size_t>(buffer.elements));
  REQUIRE(buffer.data);
  REQUIRE(buffer.data->size() == values.size() * sizeof(float));
  std::memcpy(values.data(), buffer.data->data(), buffer.data->size());
  return values;
}

const ir::Buffer& buffer_named(const ir::NestProgram& program, const std::string& name) {
  for (const ir::Buffer& buffer : program.buffers)
    if (buffer.name == name) return buffer;
  throw Error("no buffer " + name);
}

} // namespace

TEST_CASE("a dense conv is the plain seven loops, its layouts only in the subscripts") {
  CHECK(nests_of(R"(program @p(%x: f32[n=2, c=3, h=9, w=7], %k: f32[o=5, i=3, h=3, w=3]) {
    %y = conv %x, %k {stride = [2, 1], pad = [(1, 1), (0, 0)]} : f32[n=2, h=5, w=5, c=5]
    return %y
  })") == R"(// conv %y
nest conv_y {
  x: input f32[2][3][9][7]
  k: input f32[5][3][3][3]
  y: output f32[2][5][5][5]
  parallel n in 0..2, o in 0..5, h in 0..5, w in 0..5
  reduce i in 0..3, kh in 0..3, kw in 0..3
  where 0 <= 2*h + kh - 1 < 9
  acc = 0
  acc <- fma(x[n, i, 2*h + kh - 1, w + kw], k[o, i, kh, kw], acc)
  y[n, h, w, o] = acc
}
)");
}

TEST_CASE("a grouped conv has an axis for the groups and counts channels within them") {
  CHECK(nests_of(R"(program @p(%x: f32[n=1, c=4, w=9], %k: f32[w=3, o=6, i=2], %b: f32[o=6]) {
    %y = conv %x, %k, %b {groups = 2, dilation = 2, pad = [(0, 3)]}
    return %y
  })") == R"(// conv %y
nest conv_y {
  x: input f32[1][4][9]
  k: input f32[3][6][2]
  b: input f32[6]
  y: output f32[1][6][8]
  parallel n in 0..1, g in 0..2, o in 0..3, w in 0..8
  reduce i in 0..2, kw in 0..3
  where 0 <= w + 2*kw < 9
  acc = b[3*g + o]
  acc <- fma(x[n, 2*g + i, w + 2*kw], k[kw, 3*g + o, i], acc)
  y[n, 3*g + o, w] = acc
}
)");
}

TEST_CASE("a depthwise conv with a multiplier has channels, their outputs, and no input channels") {
  CHECK(nests_of(R"(program @p(%x: f32[n=1, h=6, w=6, c=5], %k: f32[h=3, w=3, i=1, o=10]) {
    %y = conv %x, %k {groups = 5, pad = same}
    return %y
  })") == R"(// conv %y
nest conv_y {
  x: input f32[1][6][6][5]
  k: input f32[3][3][1][10]
  y: output f32[1][6][6][10]
  parallel n in 0..1, c in 0..5, o in 0..2, h in 0..6, w in 0..6
  reduce kh in 0..3, kw in 0..3
  where 0 <= h + kh - 1 < 6, 0 <= w + kw - 1 < 6
  acc = 0
  acc <- fma(x[n, h + kh - 1, w + kw - 1, c], k[kh, kw, 0, 2*c + o], acc)
  y[n, h, w, 2*c + o] = acc
}
)");
}

TEST_CASE("a depthwise conv without a multiplier has channels only") {
  const ir::NestProgram program = lowered(R"(
    program @p(%x: f32[n=1, c=5, d=3, h=6, w=6], %k: f32[o=5, i=1, d=1, h=1, w=2]) {
      %y = conv %x, %k {groups = 5}
      return %y
    })");
  std::string axes;
  for (const ir::NestAxis& axis : program.nests.at(0).axes)
    axes +=
        program.nests[0].vars.at(static_cast<size_t>(axis.var.id)) + (axis.reduction ? "* " : " ");
  CHECK(axes == "n c d h w kd* kh* kw* ");
}

TEST_CASE("a depthwise conv of bytes is summed up in f32 where no sum can be inexact") {
  const auto summed_in = [](const std::string& taps, const std::string& attributes) {
    return lowered("program @p(%x: u8[n=1, h=40, w=40, c=3], %w: u8[o=3, i=1, " + taps +
                   "]) { %y = conv %x, %w {groups = 3" + attributes + "} return %y }")
        .nests.back()
        .accumulators[0]
        .type;
  };
  // 256 and 272 products of 255 by 255: 2^24 lies between.
  CHECK(summed_in("h=16, w=16", "") == ir::ElementType::f32);
  CHECK(summed_in("h=17, w=16", "") == ir::ElementType::i32);
  CHECK(summed_in("h=17, w=16", ", x_zero_point = 128, w_zero_point = 128") ==
        ir::ElementType::f32);
}

TEST_CASE("a stem keeps relu in the conv's nest and pools what that stores") {
  CHECK(nests_of(R"(program @stem(%x: f32[n=1, c=3, h=32, w=32],
                                  %w: f32[o=8, i=3, h=7, w=7], %b: f32[o=8]) {
    %0 = conv %x, %w, %b {stride = [2, 2], pad = [3, 3]}
    %1 = relu %0
    %y = max_pool %1 {kernel = [3, 3], stride = [2, 2], pad = [1, 1]}
    return %y
  })") == R"(// conv %0, relu %1
nest conv_1 {
  x: input f32[1][3][32][32]
  w: input f32[8][3][7][7]
  b: input f32[8]
  %1: intermediate f32[1][8][16][16]
  parallel n in 0..1, o in 0..8, h in 0..16, w in 0..16
  reduce i in 0..3, kh in 0..7, kw in 0..7
  where 0 <= 2*h + kh - 3 < 32, 0 <= 2*w + kw - 3 < 32
  acc = b[o]
  acc <- fma(x[n, i, 2*h + kh - 3, 2*w + kw - 3], w[o, i, kh, kw], acc)
  %1[n, o, h, w] = max(0, acc)
}

// max_pool %y
nest max_pool_y {
  %1: intermediate f32[1][8][16][16]
  y: output f32[1][8][8][8]
  parallel n in 0..1, c in 0..8, h in 0..8, w in 0..8
  reduce kh in 0..3, kw in 0..3
  where 0 <= 2*h + kh - 1 < 16, 0 <= 2*w + kw - 1 < 16
  acc = -inf
  let t1 = %1[n, c, 2*h + kh - 1, 2*w + kw - 1]
  acc <- unordered(t1, t1) ? t1 : max(t1, acc)
  y[n, c, h, w] = acc
}
)");
}

TEST_CASE("an average that does not count padding divides by counts of each axis") {
  const std::string text = R"(program @p(%x: f32[n=1, c=2, h=5, w=6]) {
    %y = avg_pool %x {kernel = [3, 2], stride = 2, pad = [1, 0], ceil_mode = true,
                      count_include_pad = false}
    return %y
  })";
  CHECK(nests_of(text) == R"(// avg_pool %y
nest avg_pool_y {
  x: input f32[1][2][5][6]
  y_count_h: table f32[3]
  y: output f32[1][2][3][3]
  parallel n in 0..1, c in 0..2, h in 0..3, w in 0..3
  reduce kh in 0..3, kw in 0..2
  where 0 <= 2*h + kh - 1 < 5
  acc = 0
  acc <- acc + x[n, c, 2*h + kh - 1, 2*w + kw]
  y[n, c, h, w] = acc / (y_count_h[h] * 2)
}
)");
  CHECK(floats(buffer_named(lowered(text), "y_count_h")) == std::vector<float>{2, 3, 2});
}

TEST_CASE("an average that counts padding stops counting where ceil_mode goes beyond it") {
  const std::string text = R"(program @p(%x: f32[n=1, c=1, w=4]) {
    %y = avg_pool %x {kernel = 3, stride = 2, pad = 1, ceil_mode = true}
    return %y
  })";
  CHECK(floats(buffer_named(lowered(text), "y_count_w")) == std::vector<float>{3, 3, 2});
}

TEST_CASE("an average that divides by one number everywhere has no table") {
  const auto value_of = [](const std::string& attributes) {
    const std::string text =
        nests_of("program @p(%x: f32[n=1, c=1, h=9, w=9]) { %y = avg_pool %x {" + attributes +
                 "} return %y }");
    const size_t at = text.find("= acc /");
    return at == std::string::npos ? text : text.substr(at + 2, text.find('\n', at) - at - 2);
  };
  CHECK(value_of("kernel = 3") == "acc / 9");
  CHECK(value_of("kernel = 3, pad = 1") == "acc / 9");
  CHECK(value_of("kernel = [3, 2], pad = 1, divisor = -7, count_include_pad = false") ==
        "acc / -7");
  // Both windows miss one tap: the count is 2 everywhere.
  CHECK(nests_of(R"(program @p(%x: f32[n=1, c=1, w=2]) {
    %y = avg_pool %x {kernel = 3, stride = 1, pad = 1, count_include_pad = false}
    return %y })")
            .find("y[n, c, w] = acc / 2\n") != std::string::npos);
}

TEST_CASE("a residual block is one nest, and the vectors of its batch_norm others") {
  CHECK(nests_of(R"(program @p(%x: f32[n=1, c=8, h=4, w=4], %w: f32[o=6, i=8, h=1, w=1],
                               %s: f32[c=6], %t: f32[c=6], %m: f32[c=6], %v: f32[c=6],
                               %res: f32[n=1, h=4, w=4, c=6]) {
    %0 = conv %x, %w
    %1 = batch_norm %0, %s, %t, %m, %v {epsilon = 0.5}
    %2 = add %res, %1
    %y = relu6 %2
    return %y
  })") == R"(// batch_norm %1
nest batch_norm_1_scale {
  v: input f32[6]
  s: input f32[6]
  %1_scale: intermediate f32[6]
  parallel c in 0..6
  %1_scale[c] = s[c] / sqrt(v[c] + 0.5)
}

// batch_norm %1
nest batch_norm_1_shift {
  m: input f32[6]
  %1_scale: intermediate f32[6]
  t: input f32[6]
  %1_shift: intermediate f32[6]
  parallel c in 0..6
  %1_shift[c] = fma(-m[c], %1_scale[c], t[c])
}

// conv %0, batch_norm %1, add %2, relu6 %y
nest conv_y {
  x: input f32[1][8][4][4]
  w: input f32[6][8][1][1]
  %1_scale: intermediate f32[6]
  %1_shift: intermediate f32[6]
  res: input f32[1][4][4][6]
  y: output f32[1][4][4][6]
  parallel n in 0..1, o in 0..6, h in 0..4, w in 0..4
  reduce i in 0..8, kh in 0..1, kw in 0..1
  acc = 0
  acc <- fma(x[n, i, h + kh, w + kw], w[o, i, kh, kw], acc)
  y[n, h, w, o] = min(6, max(0, res[n, h, w, o] + fma(acc, %1_scale[o], %1_shift[o])))
}
)");
}

TEST_CASE("the vectors of a batch_norm of constants are tables") {
  ir::NestProgram program = lowered(R"(program @p(%x: f32[n=1, c=2, w=3]) {
    %s = const [6, 10] : f32[c=2]
    %t = const [1, 2] : f32[c=2]
    %m = const [4, -5] : f32[c=2]
    %v = const [3.75, 24.75] : f32[c=2]
    %y = batch_norm %x, %s, %t, %m, %v {epsilon = 0.25}
    return %y
  })");
  CHECK(program.nests.size() == 3);
  program = volute::compiler::fold_tables(std::move(program));
  CHECK(program.nests.size() == 1);
  CHECK(floats(buffer_named(program, "y_scale")) == std::vector<float>{3, 2});
  CHECK(floats(buffer_named(program, "y_shift")) == std::vector<float>{-11, 12});
}

TEST_CASE("pad is a window of one tap that starts from the padding's value") {
  CHECK(nests_of(R"(program @p(%x: f32[n=1, c=2, h=4, w=5]) {
    %y = pad %x {pad = [(1, 0), (-1, 2)], value = -2}
    return %y
  })") == R"(// pad %y
nest pad_y as copy {
  x: input f32[1][2][4][5]
  y: output f32[1][2][5][6]
  parallel n in 0..1, c in 0..2, h in 0..5, w in 0..6
  reduce kh in 0..1, kw in 0..1
  where 0 <= h + kh - 1 < 4, 0 <= w + kw + 1 < 5
  acc = -2
  acc <- x[n, c, h + kh - 1, w + kw + 1]
  y[n, c, h, w] = acc
}
)");
}

TEST_CASE("a chain of element-wise statements over an input is one nest") {
  CHECK(nests_of(R"(program @p(%x: f32[n=2, c=3, w=4], %a: f32[c=3]) {
    %0 = reorder %x : f32[n=2, w=4, c=3]
    %1 = prelu %0, %a
    %y = sub %x, %1
    return %y
  })") == R"(// reorder %0, prelu %1, sub %y
nest reorder_y {
  x: input f32[2][3][4]
  a: input f32[3]
  y: output f32[2][3][4]
  parallel n in 0..2, c in 0..3, w in 0..4
  y[n, c, w] = x[n, c, w] - (x[n, c, w] > 0 ? x[n, c, w] : x[n, c, w] * a[c])
}
)");
}

TEST_CASE("buffers are the inputs, the outputs, then what lies between and the tables") {
  const ir::NestProgram program = lowered(R"(
    program @p(%x: f32[n=1, c=1, w=4], %unread: f32[c=9]) {
      %k = const [1, 2] : f32[o=1, i=1, w=2]
      %0 = conv %x, %k
      %y = max_pool %0 {kernel = 2, stride = 1}
      %z = neg %y
      return %z, %y
    })");
  std::string roles;
  for (const ir::Buffer& buffer : program.buffers)
    roles += buffer.name + ":" + std::to_string(static_cast<int>(buffer.role)) + " ";
  using Role = ir::Buffer::Role;
  CHECK(static_cast<int>(Role::input) == 0);
  CHECK(static_cast<int>(Role::table) == 4);
  CHECK(roles == "x:0 unread:0 z:1 y:1 k:4 %0:2 ");
  CHECK(floats(buffer_named(program, "k")) == std::vector<float>{1, 2});
  REQUIRE(program.buffers[2].type.has_value());
  CHECK(to_string(*program.buffers[2].type) == "f32[n=1, c=1, w=2]");
}

TEST_CASE("what no nest writes is copied to its output") {
  CHECK(nests_of(R"(program @p(%x: f32[n=1, c=2, w=3]) {
    %c = const [1, 2, 3, 4] : f32[o=2, i=2]
    return %x, %c
  })") == R"(// return %x
nest copy_x as copy {
  x: input f32[1][2][3]
  x_returned: output f32[1][2][3] of x
  parallel n in 0..1, c in 0..2, w in 0..3
  x_returned[n, c, w] = x[n, c, w]
}

// return %c
nest copy_c as copy {
  c: table f32[2][2]
  c_returned: output f32[2][2] of c
  parallel o in 0..2, i in 0..2
  c_returned[o, i] = c[o, i]
}
)");
}

TEST_CASE("a value that a built program returns twice is computed once and copied") {
  ir::Program program =
      ir::parse("program @p(%x: f32[n=1, c=2, w=3]) { %y = relu %x return %y }").value();
  program.outputs.push_back(program.outputs[0]);
  program.outputs.push_back(program.outputs[0]);
  const ir::NestProgram nests = compiler::lower(program).value();
  CHECK(ir::verify(nests).empty());
  REQUIRE(nests.nests.size() == 3);
  CHECK(nests.nests[0].writes[0].operand == 1);
  CHECK(nests.nests[1].name == "copy_y");
  CHECK(nests.nests[2].name == "copy_y_2");
  CHECK(nests.nests[2].operands.at(0).buffer == 1);
  CHECK(nests.nests[2].operands.at(1).buffer == 3);
}

TEST_CASE("an empty batch has buffers and no nests") {
  const ir::NestProgram program = lowered(R"(
    program @p(%x: f32[n=0, c=3, h=9, w=7], %k: f32[o=5, i=3, h=3, w=3]) {
      %0 = conv %x, %k
      %y = global_avg_pool %0
      return %y, %x
    })");
  CHECK(program.nests.empty());
  CHECK(program.buffers.size() == 4);
}
