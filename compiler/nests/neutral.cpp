#include "compiler/nests/neutral.h"

#include "compiler/nests/weight_expression.h"
#include "ir/number.h"
#include "ir/walk.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <unordered_map>
#include <vector>

namespace volute::compiler {

using namespace ir;

namespace {

Scalar as_scalar(double value) {
  const bool fits = std::isfinite(value) && std::abs(value) <= 0x1p62;
  return {value, fits        ? static_cast<int64_t>(value)
                 : value < 0 ? std::numeric_limits<int64_t>::min()
                             : 0};
}

/// As an element of a type has it.
Scalar in_type(ElementType type, double value) {
  const Scalar scalar = as_scalar(value);
  return is_float(type) ? scalar : Scalar{scalar.real, saturate_to(type, value)};
}

double evaluate_constant(const Expr& e) {
  const auto& number = std::get<Imm>(e->is);
  return is_float(e->type) ? number.real : static_cast<double>(number.integer);
}

/// The update with accumulators at `value`, the weight at `weight`, other reads at `element`.
Scalar evaluate(const Expr& e, double value, double element, int32_t weight_operand,
                double weight) {
  std::unordered_map<const ExprNode*, Scalar> known;
  visit(e, [&](const ExprNode& node) {
    Scalar& result = known[&node];
    if (std::holds_alternative<Acc>(node.is)) {
      result = in_type(node.type, value);
    } else if (std::holds_alternative<Position>(node.is)) {
      result = as_scalar(7);
    } else if (const auto* read = std::get_if<Read>(&node.is)) {
      result = in_type(node.type, read->operand == weight_operand ? weight : element);
    } else {
      std::array<Scalar, 4> operands{};
      size_t n = 0;
      for_each_part(node, [&](const Expr& operand) { operands.at(n++) = known.at(operand.get()); });
      result = apply(node, operands.data());
    }
  });
  return known.at(e.get());
}

/// Values an accumulator may have when an update meets it. With one update a point, only the first.
std::vector<double> values_before(const Nest& nest, const Accumulator& a) {
  const bool once = std::none_of(nest.axes.begin(), nest.axes.end(), [](const NestAxis& axis) {
    return axis.reduction && axis.extent.number() > 1;
  });
  if (once && std::holds_alternative<Imm>(a.initial->is)) return {evaluate_constant(a.initial)};
  if (is_float(a.type)) return {0.0, 2.5, -3.0};
  if (a.type == ElementType::u8) return {0, 2, 5};
  return {0, 2, -3};
}

} // namespace

std::optional<double> neutral_element(const Nest& nest) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  std::vector<double> candidates = {0.0, -infinity, infinity};
  // What a maximum starts from, and the zero point that is subtracted from what is read.
  const auto add_numbers = [&](const Expr& e) {
    visit(e, [&](const ExprNode& node) {
      if (const auto* number = std::get_if<Imm>(&node.is))
        candidates.push_back(is_float(node.type) ? number->real
                                                 : static_cast<double>(number->integer));
    });
  };
  for (const Accumulator& a : nest.accumulators) add_numbers(a.initial), add_numbers(a.update);
  // Bytes are few enough to try them all, whatever is done to them.
  for (const View& view : nest.operands)
    if (size_of(view.element) == 1)
      for (int byte = -128; byte < 256; ++byte) candidates.push_back(byte);
  const int32_t weight_operand = weight_of(nest);
  const auto keeps = [&](double element) {
    for (const Accumulator& a : nest.accumulators)
      for (double value : values_before(nest, a))
        // One of two is not the weight's zero point; lanes of a weight may be filled like others.
        for (double weight : {2.0, 3.0, element}) {
          const Scalar after = evaluate(a.update, value, element, weight_operand, weight);
          const bool same = is_float(a.type) ? after.real == value ||
                                                   (std::isnan(after.real) && std::isnan(value))
                                             : after.integer == as_scalar(value).integer;
          if (!same) return false;
        }
    return true;
  };
  for (double element : candidates)
    if (keeps(element)) return element;
  return std::nullopt;
}

} // namespace volute::compiler
