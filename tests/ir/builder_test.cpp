#include "ir/builder.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "ir/verify.h"
#include "tests/support/catch.h"

#include <limits>
#include <string>

namespace volute::ir {
namespace {

TensorType type(const char* text) { return parse_type(text).value(); }

std::string faults(const Builder& builder) {
  const auto program = builder.finish();
  std::string text;
  if (!program)
    for (const Diagnostic& d : program.diagnostics()) {
      CHECK(d.where.line == 0);
      text += to_string(d) + '\n';
    }
  return text;
}

TEST_CASE("the builder makes the program that the text makes") {
  Builder b("stem");
  const auto x = b.input("x", type("f32[n=1, c=3, h=224, w=224]"));
  const auto w = b.input("w", type("f32[o=64, i=3, h=7, w=7]"));
  const auto bias = b.input("b", type("f32[o=64]"));
  const auto y = b.relu(b.conv(x, w, bias, {.stride = {2, 2}, .padding = 3}));
  b.output(b.max_pool(y, 3, {.stride = 2, .padding = {{1, 1}, {1, 0}}}), "y");
  const Program built = b.finish().value();
  const Program parsed = parse(R"(program @stem(%x: f32[n=1, c=3, h=224, w=224],
                                              %w: f32[o=64, i=3, h=7, w=7], %b: f32[o=64]) {
    %0 = conv %x, %w, %b {stride = 2, pad = 3}
    %1 = relu %0
    %y = max_pool %1 {kernel = 3, stride = 2, pad = [(1, 1), (1, 0)]}
    return %y
  })")
                             .value();
  CHECK(built == parsed);
}

TEST_CASE("every operator can be built, and prints and verifies") {
  Builder b("all");
  const auto x = b.input("x", type("f32[n=1, c=4, h=8, w=8]"));
  const auto w = b.input("w", type("f32[o=4, i=4, h=3, w=3]"));
  const auto c = b.input("c", type("f32[c=4]"));
  const auto o = b.input("o", type("f32[o=4]"));
  auto y = b.conv(x, w, {.padding = Padding::Rule::same, .padding_mode = PadMode::circular});
  y = b.conv_transpose(y, w, {.padding = 1, .output_padding = {0, 0}});
  y = b.conv_transpose(y, w, o, {.padding = 1});
  const auto [pooled, places] = b.max_pool_with_indices(y, 2);
  y = b.max_unpool(pooled, places, 2);
  y = b.avg_pool(y, 3, {.stride = 1, .padding = 1, .divisor_override = 5});
  y = b.lp_pool(y, 2.5, {3, 3}, {.stride = 1, .padding = 1});
  y = b.batch_norm(y, c, c, c, c, 1e-3);
  y = b.add(b.sub(b.mul(b.max(b.min(y, c), y), c), y), c);
  y = b.clamp(b.relu6(b.relu(y)), std::nullopt, 3.5);
  y = b.prelu(b.elu(b.leaky_relu(y, 0.2), 2), c);
  y = b.mish(b.hardswish(b.hardsigmoid(b.silu(b.tanh(b.sigmoid(y))))));
  y = b.exp(b.sqrt(b.neg(b.abs(b.softplus(b.gelu(b.gelu(y), "tanh"))))));
  y = b.pad(y, {{1, -1}, {0, 0}}, {.value = 2});
  y = b.reorder(y, type("f32[n=1, h=8, w=8, c=4]"));
  const auto q = b.quantize(y, {0.5}, {3}, type("u8[n=1, h=8, w=8, c=4]"));
  const auto i = b.convert(q, type("i32[n=1, h=8, w=8, c=4]"));
  const auto r = b.requantize(i, {1, 2, 3, 4}, {0}, type("i8[n=1, h=8, w=8, c=4]"));
  y = b.dequantize(r, {0.5}, {0});
  b.output(b.global_avg_pool(y));
  b.output(b.global_max_pool(y));
  b.output(b.adaptive_avg_pool(y, {3, 2}));
  b.output(b.adaptive_max_pool(y, 3));
  const auto [most, where] = b.adaptive_max_pool_with_indices(y, {2, 5});
  b.output(most);
  b.output(where);
  const double values[] = {1, 2, 3};
  b.output(b.constant(type("i8[c=3]"), values), "k");
  const Program program = b.finish().value();
  CHECK(verify(program).empty());
  CHECK(parse(to_string(program)).value() == program);
}

TEST_CASE("the builder refuses in the parser's words, and says everything at the end") {
  Builder b("p");
  const auto x = b.input("x", type("f32[n=1, c=63, h=8, w=8]"));
  const auto w = b.input("w", type("f32[o=63, i=21, h=3, w=3]"));
  const auto bad = b.conv(x, w, {.groups = 2});
  b.output(b.relu(bad)); // says nothing more
  b.max_pool(x, {2});
  CHECK(faults(b) == "conv: groups = 2 does not divide the input's 63 channels (the nearest valid "
                     "value is 3)\n"
                     "max_pool: kernel has 1 entry, but the input has 2 spatial axes, h and w\n");
}

TEST_CASE("names are checked when they are given") {
  Builder b("my program");
  const auto x = b.input("x", type("f32[n=1, c=1, w=8]"));
  b.input("x", type("f32[c=1]"));
  b.named(b.relu(x), "a-b");
  b.input("z", {ElementType::f32, {{Axis::n, -1}}});
  b.output(x);
  b.output(x);
  CHECK(faults(b) == "@: 'my program' is no name: names are letters, digits and '_'\n"
                     "%x: is defined twice\n"
                     "%: 'a-b' is no name: names are letters, digits and '_'\n"
                     "%z: the extent n=-1 is below 0\n"
                     "%x: is returned twice\n");
}

TEST_CASE("a program without outputs is refused") {
  CHECK(faults(Builder("p")) == "the program returns nothing (give it an output)\n");
}

TEST_CASE("values without a name are numbered around those that have one") {
  Builder b("p");
  const auto x = b.input("1", type("f32[c=1]"));
  b.output(b.relu(b.relu(b.relu(x))));
  const Program program = b.finish().value();
  CHECK(program.values[1].name == "0");
  CHECK(program.values[2].name == "2");
  CHECK(program.values[3].name == "3");
}

TEST_CASE("constants are checked against their type") {
  Builder b("p");
  const double values[] = {1, 2.5, 300};
  b.constant(type("f32[c=2]"), values);
  b.constant(type("i32[c=3]"), values);
  b.constant(type("u8[c=1]"), std::span(values).subspan(2));
  b.constant(type("f32[c=1]"), std::vector<std::byte>(3));
  CHECK(faults(b) == "const: the list has 3 entries, but f32[c=2] takes 2\n"
                     "const: i32 elements are whole numbers, not '2.5'\n"
                     "const: '300' is outside u8, 0 to 255\n"
                     "const: f32[c=1] takes 4 bytes, but the data have 3\n");
}

TEST_CASE("a constant's NaN is the one that the text has") {
  Builder b("p");
  const double values[] = {-std::numeric_limits<double>::quiet_NaN()};
  b.output(b.constant(type("f32[c=1]"), values));
  const Program program = b.finish().value();
  CHECK(parse(to_string(program)).value() == program);
}

TEST_CASE("gelu's approximation is none or tanh") {
  Builder b("p");
  b.output(b.gelu(b.input("x", type("f32[c=1]")), "erf"));
  CHECK(faults(b) == "gelu: approximate is none or tanh, not 'erf'\n");
}

} // namespace
} // namespace volute::ir
