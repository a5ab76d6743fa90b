#include "compiler/nests/weight_expression.h"

#include "compiler/nests/strides.h"
#include "compiler/nests/sums.h"
#include "ir/normal.h"
#include "ir/walk.h"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <unordered_set>

namespace volute::compiler {

using namespace ir;

namespace {

/// The largest parts of an expression that read an operand, and beside it nothing but constants.
std::vector<Expr> parts_of(const Expr& whole, int32_t operand) {
  struct Of {
    bool operand = false, others = false;
  };
  std::unordered_map<const ExprNode*, Of> known;
  visit(whole, [&](const ExprNode& node) {
    Of of;
    if (const auto* read = std::get_if<Read>(&node.is))
      (read->operand == operand ? of.operand : of.others) = true;
    of.others |= std::holds_alternative<Acc>(node.is) || std::holds_alternative<Position>(node.is);
    for_each_part(node, [&](const Expr& part) {
      of.operand |= known.at(part.get()).operand, of.others |= known.at(part.get()).others;
    });
    known[&node] = of;
  });
  std::vector<Expr> found, left = {whole};
  std::unordered_set<const ExprNode*> seen;
  while (!left.empty()) {
    const Expr here = std::move(left.back());
    left.pop_back();
    const Of of = known.at(here.get());
    if (!of.operand || !seen.insert(here.get()).second) continue;
    if (!of.others)
      found.push_back(here);
    else
      for (const Expr& part : children(here)) left.push_back(part);
  }
  return found;
}

/// The one that all of them are; or the element, where different things are done to it.
Expr common_part(const std::vector<Expr>& parts) {
  if (parts.empty()) return nullptr;
  Interner one;
  const Expr first = one(parts.front());
  if (std::all_of(parts.begin(), parts.end(), [&](const Expr& e) { return one(e) == first; }))
    return parts.front();
  Expr element;
  rewrite(parts.front(), [&](const Expr& node) {
    if (std::holds_alternative<Read>(node->is)) element = node;
    return node;
  });
  return element;
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

/// Whether all that a nest reads of an operand is, for each point, one element, where it sums up.
bool is_read_in_one_place(const Nest& nest, int32_t operand) {
  std::optional<Index> place;
  bool one = true;
  const auto look = [&](const Expr& e, bool in_sums) {
    visit(e, [&](const ExprNode& node) {
      const auto* read = std::get_if<Read>(&node.is);
      if (!read || read->operand != operand) return;
      one &= in_sums && (!place || *place == read->index);
      place = read->index;
    });
  };
  for (const Accumulator& a : nest.accumulators) look(a.update, true), look(a.initial, false);
  for (const Write& w : nest.writes) {
    look(w.value, false);
    if (w.offset) look(w.offset, false);
  }
  return one;
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
  return weights == 1 && is_read_in_one_place(nest, weight) ? weight : -1;
}

Expr part_of_operand(const Nest& nest, int32_t operand) {
  if (nest.accumulators.empty()) return nullptr;
  return common_part(parts_of(nest.accumulators.front().update, operand));
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
  Nest packed = nest;
  Expr& update = packed.accumulators.front().update;
  const std::vector<Expr> parts = parts_of(update, operand);
  const Expr part = common_part(parts);
  if (std::holds_alternative<Read>(part->is)) return packed; // as it is
  const Read& read = read_in_part(part);
  const Expr element = ir::read(part->type, read.operand, read.index);
  update = rewrite(update, [&](const Expr& node) {
    return std::find(parts.begin(), parts.end(), node) == parts.end() ? node : element;
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
  if (!image || parts_of(form.weight, weight) != std::vector{form.weight}) return std::nullopt;
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
