#include "compiler/neutral.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

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

/// Values an accumulator may have when an update meets it. With one update a point, only the first.
std::vector<double> values_before(const Nest& nest, const Accumulator& a) {
  const auto* start = std::get_if<Imm>(&a.initial->is);
  const bool once = std::none_of(nest.axes.begin(), nest.axes.end(), [](const NestAxis& axis) {
    return axis.reduction && axis.extent.constant() > 1;
  });
  if (once && start) return {start->real};
  return {0.0, 2.5, -3.0};
}

} // namespace

std::optional<double> neutral_element(const Nest& nest) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  std::vector<double> candidates = {0.0, -infinity, infinity};
  for (const Accumulator& a : nest.accumulators)
    if (const auto* start = std::get_if<Imm>(&a.initial->is))
      candidates.push_back(start->real); // a copy into a frame
  const auto keeps = [&](double element) {
    for (const Accumulator& a : nest.accumulators)
      for (double value : values_before(nest, a)) {
        const double after = evaluate(nest, a.update, value, element).real;
        if (after != value && !(std::isnan(after) && std::isnan(value))) return false;
      }
    return true;
  };
  for (double element : candidates)
    if (keeps(element)) return element;
  return std::nullopt;
}

} // namespace volute::compiler
