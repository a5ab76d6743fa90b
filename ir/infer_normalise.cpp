// Filling in what a program left out, from the table of operators.
#include "ir/enumerations.h"
#include "ir/infer_rules.h"
#include "ir/literals.h"

#include <algorithm>

namespace volute::ir {
namespace {

/// The default of a per-axis attribute: a number for each axis, or another attribute's values where
/// those are sound, so that a fault of theirs is not found twice.
PerAxis fallback_of(const AttributeRow& row, const OperatorRow& owner, Operation& operation,
                    size_t rank) {
  if (const auto number = parse_integer(row.fallback)) return PerAxis(rank, *number);
  const AttributeRow* other =
      row.fallback.starts_with("= ") ? find_attribute(owner, row.fallback.substr(2)) : nullptr;
  if (!other) return {};
  const PerAxis& values = *std::get<EachAxis>(other->field(operation)).values;
  const bool sound =
      values.size() == rank && std::all_of(values.begin(), values.end(), [&](int64_t value) {
        return value >= other->least && value <= largest_attribute;
      });
  return sound ? values : PerAxis();
}

/// The output size of an unpool whose every part is there, unless it is below 1.
PerAxis unpooled_size(const MaxUnpool& op, std::span<const TensorType> operands, size_t rank) {
  if (op.kernel.size() != rank || op.stride.size() != rank || op.pad.sides.size() != rank)
    return {};
  PerAxis sizes;
  for (size_t i = 0; i < rank; ++i) {
    const auto in_range = [](int64_t value) {
      return value >= -largest_attribute && value <= largest_attribute;
    };
    if (!in_range(op.kernel[i]) || !in_range(op.stride[i]) || !in_range(op.pad.sides[i].first) ||
        !in_range(op.pad.sides[i].second))
      return {};
  }
  for (const Window& window : transposed_windows(op, operands)) {
    if (window.output < 1) return {};
    sizes.push_back(window.output);
  }
  return sizes;
}

} // namespace

Operation normalise(Operation operation, std::span<const TensorType> operands) {
  if (operands.empty() || fault_of(operands[0]) || fault_in_enumerations(operation))
    return operation;
  const size_t rank = operands[0].spatial_axes().size();
  const OperatorRow& row = row_of(operation);
  for (const AttributeRow& attribute : row.attributes) {
    const Field field = attribute.field(operation);
    if (!is_empty(field)) continue;
    if (const auto* each = std::get_if<EachAxis>(&field))
      *each->values = fallback_of(attribute, row, operation, rank);
    if (Padding* const* pad = std::get_if<Padding*>(&field); pad && !attribute.fallback.empty())
      (*pad)->sides.assign(rank, {0, 0});
    if (std::optional<double>* const* real = std::get_if<std::optional<double>*>(&field))
      **real = parse_real(attribute.fallback, ElementType::f64);
    if (const auto* channels = std::get_if<ChannelIntegers>(&field)) *channels->values = {0};
  }
  if (auto* unpool = std::get_if<MaxUnpool>(&operation); unpool && unpool->output_size.empty())
    unpool->output_size = unpooled_size(*unpool, operands, rank);
  return operation;
}

} // namespace volute::ir
