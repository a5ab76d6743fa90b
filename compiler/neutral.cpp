#include "compiler/neutral.h"

#include <array>
#include <limits>

namespace volute::compiler {

using namespace ir;

namespace {

/// The update with accumulators at `value`, the weight at a finite number, other reads at
/// `element`.
Scalar evaluate(const Nest& nest, const Expr& e, double value, double element) {
  if (std::holds_alternative<Acc>(e->is)) return {value, static_cast<int64_t>(value)};
  if (const auto* read = std::get_if<Read>(&e->is))
    return read->operand == nest.weight ? Scalar{1.5, 2} : Scalar{element, 0};
  std::array<Scalar, 4> operands{};
  size_t n = 0;
  for (const Expr& child : children(e)) operands.at(n++) = evaluate(nest, child, value, element);
  return apply(*e, operands.data());
}

} // namespace

std::optional<double> neutral_element(const Nest& nest) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const auto keeps = [&](double element) {
    for (const Accumulator& a : nest.accumulators)
      for (double value : {0.0, 2.5, -3.0})
        if (evaluate(nest, a.update, value, element).real != value) return false;
    return true;
  };
  for (double element : {0.0, -infinity, infinity})
    if (keeps(element)) return element;
  return std::nullopt;
}

} // namespace volute::compiler
