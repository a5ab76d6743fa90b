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

TEST_CASE("the weight's expression is the weight in f32 and its widening in narrow types") {
  CHECK(printed(weight_expression(nest_of(conv("f32[n=1, c=3, w=9]", "f32[o=4, i=3, w=3]")))) ==
        "w");
  const ir::Nest half = nest_of(conv("f16[n=1, c=3, w=9]", "f16[o=4, i=3, w=3]"));
  const ir::Expr widened = weight_expression(half);
  CHECK(printed(widened) == "f32(w)");
  CHECK(widened->type == ir::ElementType::f32);
  CHECK(read_in_part(widened, half.weight).operand == half.weight);
}

TEST_CASE("what is done to the weight alone goes into its packing, and no more") {
  // A transposed convolution of bytes keeps its zero points in the nest.
  const ir::Nest nest =
      nest_of("program @p(%x: u8[n=1, c=3, w=9], %w: i8[i=3, o=4, w=3]) {"
              " %y = conv_transpose %x, %w {x_zero_point = 3, w_zero_point = 7} return %y }");
  const ir::Expr whole = weight_expression(nest);
  CHECK(printed(whole) == "i32(w) - 7");
  const ir::Nest packed = with_packed(nest, nest.weight);
  const ir::Expr left = weight_expression(packed);
  CHECK(printed(left) == "w");
  CHECK(left->type == ir::ElementType::i32);
  CHECK(std::get<ir::Read>(left->is).operand == nest.weight);
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
  nest.weight = -1;
  CHECK_FALSE(form_along(nest, "i"));
  ir::Nest rounded = dot_nest_of(conv("bf16[n=1, w=9, c=6]", "bf16[o=4, i=6, w=3]"));
  REQUIRE(form_along(rounded, "i"));
  for (ir::Accumulator& a : rounded.accumulators) a.update = split_fma(a.update);
  CHECK_FALSE(form_along(rounded, "i"));
}
