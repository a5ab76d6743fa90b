#include "compiler/lower/legalise.h"
#include "compiler/lower/lower.h"
#include "compiler/nests/expand_math.h"
#include "compiler/nests/weight_expression.h"
#include "ir/parse.h"
#include "tests/support/catch.h"

#include <optional>
#include <string>

using namespace volute;
using namespace volute::compiler;

namespace {

/// The nest of a convolution, which comes last.
ir::Nest nest_of(const std::string& text) {
  const ir::Program program = legalise(ir::parse(text).value());
  return lower(program).value().nests.back();
}
/// The same lowered for dot products.
ir::Nest dot_nest_of(const std::string& text) {
  const ir::Program program = legalise(ir::parse(text).value());
  LowerOptions options;
  options.dot_products = {program.outputs.front()};
  return lower(program, options).value().nests.back();
}

std::string conv(const std::string& x, const std::string& w, const std::string& attributes = "") {
  return "program @p(%x: " + x + ", %w: " + w + ") { %y = conv %x, %w {" + attributes +
         "} return %y }";
}

ir::Expr weight_expression(const ir::Nest& nest) { return part_of_operand(nest, weight_of(nest)); }

std::string printed(const ir::Expr& e) {
  ir::ExprNames names;
  names.leaf = [](const ir::ExprNode& node) {
    return std::holds_alternative<ir::Read>(node.is) ? std::string("w") : std::string("?");
  };
  return to_string(e, names);
}

std::optional<DotForm> form_along(const ir::Nest& nest, const std::string& axis) {
  REQUIRE(nest.axis(axis) != nullptr);
  return dot_form(nest, nest.axis(axis)->var);
}

} // namespace

TEST_CASE("the weight is the factor that is the same for all images and places") {
  const auto weight = [](const ir::Nest& nest) {
    const int32_t operand = weight_of(nest);
    return operand < 0 ? std::string() : nest.operands[static_cast<size_t>(operand)].name;
  };
  CHECK(weight(nest_of(conv("f32[n=1, c=3, w=9]", "f32[o=4, i=3, w=3]"))) == "w");
  CHECK(weight(nest_of(conv("f32[n=1, c=1, w=1]", "f32[o=1, i=1, w=1]"))) == "w");
  CHECK(weight(nest_of(conv("f32[n=2, h=5, w=5, c=6]", "f32[h=3, w=3, i=1, o=6]", "groups = 6"))) ==
        "w");
  // The vector of zero points is subtracted from the weight, and is none.
  CHECK(weight(nest_of(
            conv("u8[n=1, c=2, w=5]", "i8[o=3, i=2, w=1]", "w_zero_point = [1, 2, 3]"))) == "w");
  CHECK(weight(nest_of("program @p(%x: f32[n=1, c=3, w=9], %w: f32[i=3, o=4, w=5]) {"
                       " %y = conv_transpose %x, %w {stride = 2} return %y }")) == "w");
  CHECK(weight(nest_of("program @p(%x: f32[n=1, c=3, w=9]) {"
                       " %y = avg_pool %x {kernel = 3} return %y }")) == "");
  CHECK(weight(nest_of("program @p(%x: f32[n=1, c=3, w=9]) {" // a square of one operand
                       " %y = lp_pool %x {kernel = 3} return %y }")) == "");
  CHECK(weight(nest_of("program @p(%x: f32[n=1, c=3, w=9], %z: f32[c=3]) {"
                       " %y = mul %x, %z return %y }")) == "");
}

TEST_CASE("the weight of a nest is found whichever way it is written, or there is none") {
  const auto weight = [](const std::string& a, const std::string& b, const std::string& update) {
    const ir::NestProgram program =
        ir::parse_nests("nests p\n\ninput a: f32[512]\ninput b: f32[512]\noutput y: f32[64]\n\n"
                        "nest y {\n  a: input f32[8][8][8]\n  b: input f32[8][8][8]\n"
                        "  y: output f32[8][8]\n  parallel o in 0..8, w in 0..8\n"
                        "  reduce i in 0..8\n  acc = 0\n  let s = a" +
                        a + "\n  let t = b" + b + "\n  acc <- " + update + "\n  y[o, w] = acc\n}\n")
            .value();
    const ir::Nest& nest = program.nests.front();
    const int32_t operand = weight_of(nest);
    return operand < 0 ? std::string() : nest.operands[static_cast<size_t>(operand)].name;
  };
  const std::string image = "[0, w, i]", channels = "[0, o, i]", both = "[o, w, i]";
  for (const char* update : {"fma(s, t, acc)", "fma(t, s, acc)", "acc + s * t", "t * s + acc"}) {
    CAPTURE(update);
    CHECK(weight(image, channels, update) == "b");
    CHECK(weight(channels, image, update) == "a");
    CHECK(weight(both, channels, update) == "b");
    CHECK(weight(image, both, update) == "");
    CHECK(weight(channels, channels, update) == "");
  }
  CHECK(weight(image, channels, "acc + s + t") == "");
  // Read in one place, where it is summed up: of what is packed or known by number there is one.
  CHECK(weight(image, channels, "fma(s * 2, t * 3 + t, acc)") == "b");
  CHECK(weight(image, channels, "fma(s, t + b[1, o, i], acc)") == "");
  CHECK(weight(image, channels, "fma(s + b[o, w, i], t, acc)") == "");
  CHECK(weight(image, channels, "max(acc, s * t)") == "");
  CHECK(weight(image, channels, "fma(s, acc, t)") == "");
}

TEST_CASE("the weight's part is the weight in f32 and its widening in narrow types") {
  CHECK(printed(weight_expression(nest_of(conv("f32[n=1, c=3, w=9]", "f32[o=4, i=3, w=3]")))) ==
        "w");
  const ir::Nest half = nest_of(conv("f16[n=1, c=3, w=9]", "f16[o=4, i=3, w=3]"));
  const ir::Expr widened = weight_expression(half);
  CHECK(printed(widened) == "f32(w)");
  CHECK(widened->type == ir::ElementType::f32);
  CHECK(read_in_part(widened).operand == weight_of(half));
}

TEST_CASE("what is done to the weight alone goes into its packing, and no more") {
  // A transposed convolution of bytes keeps its zero points in the nest.
  const ir::Nest nest =
      nest_of("program @p(%x: u8[n=1, c=3, w=9], %w: i8[i=3, o=4, w=3]) {"
              " %y = conv_transpose %x, %w {x_zero_point = 3, w_zero_point = 7} return %y }");
  const ir::Expr whole = weight_expression(nest);
  CHECK(printed(whole) == "i32(w) - 7");
  const ir::Nest packed = with_packed(nest, weight_of(nest));
  const ir::Expr left = weight_expression(packed);
  CHECK(printed(left) == "w");
  CHECK(left->type == ir::ElementType::i32);
  CHECK(std::get<ir::Read>(left->is).operand == weight_of(nest));
}

TEST_CASE("an operand to which different things are done is packed as it is") {
  const auto packed = [](const std::string& update) {
    const ir::NestProgram program =
        ir::parse_nests("nests p\n\ninput a: u8[8]\ninput b: u8[8]\noutput y: f32[8]\n\n"
                        "nest y {\n  a: input u8[8]\n  b: input u8[8]\n  y: output f32[8]\n"
                        "  parallel o in 0..8\n  acc = 0\n  acc <- " +
                        update + "\n  y[o] = acc\n}\n")
            .value();
    const ir::Nest after = with_packed(program.nests.front(), 0);
    ir::ExprNames names;
    names.leaf = [](const ir::ExprNode& node) {
      const auto* read = std::get_if<ir::Read>(&node.is);
      return std::string(!read ? "acc" : read->operand == 0 ? "a" : "b");
    };
    return printed(part_of_operand(program.nests.front(), 0)) + ": " +
           to_string(after.accumulators.front().update, names);
  };
  const std::string b = "f32(b[o])", one = "f32(a[o])", half = "f32(a[o]) * 0.5";
  CHECK(packed(b + " + " + half) == "f32(w) * 0.5: f32(b) + a");
  CHECK(packed(half + " + (" + b + " + " + half + ")") == "f32(w) * 0.5: a + (f32(b) + a)");
  CHECK(packed(half + " + (" + b + " + " + one + ")") == "w: f32(a) * 0.5 + (f32(b) + f32(a))");
  CHECK(packed(half + " + " + one) == "f32(w) * 0.5 + f32(w): a");
}

TEST_CASE("bytes are added four at a time along channels that lie one after the other") {
  const ir::Nest nest = dot_nest_of(conv("u8[n=1, h=5, w=5, c=8]", "i8[o=4, i=8, h=3, w=3]"));
  const auto form = form_along(nest, "i");
  REQUIRE(form);
  CHECK(form->ways == 4);
  CHECK(form->type == ir::ElementType::i32);
  CHECK(form->image->type == ir::ElementType::u8);
  CHECK(form->weight->type == ir::ElementType::i8);
  CHECK_FALSE(form_along(nest, "kw"));
  CHECK_FALSE(form_along(nest, "o"));
}

TEST_CASE("any pair of byte types comes to u8 times i8, whatever the order of the image") {
  for (const char* x : {"u8", "i8"})
    for (const char* w : {"u8", "i8"})
      for (const char* extents : {"[n=1, c=6, h=5, w=5]", "[n=1, h=5, w=5, c=6]"}) {
        CAPTURE(x, w, extents);
        const ir::Nest nest =
            dot_nest_of(conv(std::string(x) + extents, std::string(w) + "[o=4, i=6, h=3, w=3]",
                             "pad = 1, x_zero_point = 5, w_zero_point = 9"));
        const auto form = form_along(nest, "i");
        REQUIRE(form);
        CHECK(form->ways == 4);
      }
}

TEST_CASE("bf16 is added two at a time where that is asked for, and f16 never is") {
  const std::string channels_first = conv("bf16[n=1, c=6, w=9]", "bf16[o=4, i=6, w=3]");
  CHECK_FALSE(form_along(nest_of(channels_first), "i"));
  const auto form = form_along(dot_nest_of(channels_first), "i");
  REQUIRE(form);
  CHECK(form->ways == 2);
  CHECK_FALSE(form_along(nest_of(conv("f16[n=1, w=9, c=6]", "f16[o=4, i=6, w=3]")), "i"));
}

TEST_CASE("products that are not fused, or have an axis in a border, are not added in groups") {
  ir::Nest nest = dot_nest_of(conv("u8[n=1, h=5, w=5, c=8]", "i8[o=4, i=8, h=1, w=1]"));
  REQUIRE(form_along(nest, "i"));
  ir::Nest bordered = nest;
  bordered.constraints.push_back({ir::Affine(nest.axis("i")->var), 8});
  CHECK_FALSE(form_along(bordered, "i"));
  // Without an axis along which the image alone moves, no factor is the weight.
  for (ir::NestAxis& axis : nest.axes)
    if (!axis.reduction) axis.role = ir::AxisRole::channel;
  CHECK_FALSE(form_along(nest, "i"));
  ir::Nest rounded = dot_nest_of(conv("bf16[n=1, w=9, c=6]", "bf16[o=4, i=6, w=3]"));
  REQUIRE(form_along(rounded, "i"));
  for (ir::Accumulator& a : rounded.accumulators) a.update = split_fma(a.update);
  CHECK_FALSE(form_along(rounded, "i"));
}
