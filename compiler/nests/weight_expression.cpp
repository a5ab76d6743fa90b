#include "compiler/nests/weight_expression.h"

#include "compiler/nests/strides.h"
#include "compiler/nests/sums.h"

#include <algorithm>
#include <array>

namespace volute::compiler {

using namespace ir;

namespace {

bool reads(const Expr& e, int32_t operand) {
  bool found = false;
  visit(e, [&](const ExprNode& node) {
    const auto* read = std::get_if<Read>(&node.is);
    found |= read && read->operand == operand;
  });
  return found;
}

bool is_of_alone(const Expr& e, int32_t operand) {
  bool alone = true;
  visit(e, [&](const ExprNode& node) {
    const auto* read = std::get_if<Read>(&node.is);
    alone &= !std::holds_alternative<Acc>(node.is) && !std::holds_alternative<Position>(node.is) &&
             (!read || read->operand == operand);
  });
  return alone;
}

/// The factors of what is added up, if that is a product.
std::optional<std::array<Expr, 2>> factors_of_sum(const Nest& nest) {
  if (!adds_up(nest)) return std::nullopt;
  const ExprNode& update = *nest.accumulators.front().update;
  if (const auto* product = std::get_if<Fma>(&update.is)) return std::array{product->a, product->b};
  const auto& sum = std::get<BinaryOp>(update.is);
  const Expr& added = std::holds_alternative<Acc>(sum.a->is) ? sum.b : sum.a;
  const auto* product = std::get_if<BinaryOp>(&added->is);
  if (!product || product->fn != BinaryFn::mul) return std::nullopt;
  return std::array{product->a, product->b};
}

/// Which image a result is of, and where in it.
bool is_place(const NestAxis& axis) {
  return !axis.reduction && (axis.role == AxisRole::batch || axis.role == AxisRole::space ||
                             axis.role == AxisRole::band);
}

template <class Is>
bool moves_with(const Nest& nest, const Read& read, Is is_of_interest) {
  return std::any_of(nest.axes.begin(), nest.axes.end(), [&](const NestAxis& axis) {
    return is_of_interest(axis) && moves(read.index, axis.var);
  });
}

} // namespace

int32_t weight_of(const Nest& nest) {
  const auto factors = factors_of_sum(nest);
  if (!factors) return -1;
  int32_t weight = -1;
  int weights = 0;
  for (const Expr& factor : *factors) {
    bool of_image = false, is_summed = false;
    int32_t element = -1; // beside it, there may be the number that is subtracted from all of them
    visit(factor, [&](const ExprNode& node) {
      const auto* read = std::get_if<Read>(&node.is);
      if (!read) return;
      of_image |= moves_with(nest, *read, is_place);
      const bool summed =
          moves_with(nest, *read, [](const NestAxis& axis) { return axis.reduction; });
      if (element < 0 || (summed && !is_summed)) element = read->operand, is_summed = summed;
    });
    if (!of_image && element >= 0) weight = element, ++weights;
  }
  return weights == 1 ? weight : -1;
}

Expr part_of_operand(const Nest& nest, int32_t operand) {
  if (nest.accumulators.empty() || !reads(nest.accumulators.front().update, operand))
    return nullptr;
  Expr at = nest.accumulators.front().update;
  while (!is_of_alone(at, operand))
    for (const Expr& child : children(at))
      if (reads(child, operand)) {
        at = child;
        break;
      }
  return at;
}

const Read& read_in_part(const Expr& part) {
  const Read* found = nullptr;
  visit(part, [&](const ExprNode& node) {
    if (const auto* read = std::get_if<Read>(&node.is)) found = read;
  });
  if (!found) throw InternalError("a part of an expression that reads nothing");
  return *found;
}

Nest with_packed(const Nest& nest, int32_t operand) {
  const Expr whole = part_of_operand(nest, operand);
  const Read& read = read_in_part(whole);
  Nest packed = nest;
  for (Accumulator& a : packed.accumulators)
    a.update = rewrite(a.update, [&](const Expr& node) {
      return node.get() == whole.get() ? ir::read(whole->type, read.operand, read.index) : node;
    });
  return packed;
}

std::optional<DotForm> dot_form(const Nest& nest, Var axis) {
  const int32_t weight = weight_of(nest);
  if (weight < 0) return std::nullopt;
  const Accumulator& a = nest.accumulators.front();
  const auto* product = std::get_if<Fma>(&a.update->is);
  if (!product || !std::holds_alternative<Acc>(product->c->is)) return std::nullopt;
  const auto narrow = [](const Expr& e) -> Expr {
    const auto* op = std::get_if<UnaryOp>(&e->is);
    return op && op->fn == UnaryFn::convert ? op->a : nullptr;
  };
  DotForm form{0, a.type, narrow(product->a), narrow(product->b)};
  if (!form.image || !form.weight) return std::nullopt;
  const auto* image = std::get_if<Read>(&form.image->is);
  if (!image || !is_of_alone(form.weight, weight) || !reads(form.weight, weight))
    return std::nullopt;
  if (a.type == ElementType::i32 && form.image->type == ElementType::u8 &&
      form.weight->type == ElementType::i8)
    form.ways = 4;
  if (a.type == ElementType::f32 && form.image->type == ElementType::bf16 &&
      form.weight->type == ElementType::bf16)
    form.ways = 2;
  if (form.ways == 0 || stride_along(nest, image->operand, image->index, axis) != 1)
    return std::nullopt;
  for (const Constraint& c : nest.constraints)
    if (c.value.depends_on(axis)) return std::nullopt;
  // Lanes run along one dimension.
  const auto along = std::count_if(image->index.begin(), image->index.end(),
                                   [&](const Subscript& s) { return s.at.depends_on(axis); });
  if (along != 1) return std::nullopt;
  return form;
}

} // namespace volute::compiler
