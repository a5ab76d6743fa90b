#include "ir/enumerations.h"

#include <fmt/format.h>

#include <variant>

namespace volute::ir {
namespace {

using Fault = std::optional<std::string>;

template <class Enum>
Fault within(const char* what, Enum value, Enum last) {
  if (value <= last) return std::nullopt;
  return fmt::format("has the {} {}, of which there is none", what, static_cast<int>(value));
}

Fault fault_in(const Padding& pad) {
  return within("pad rule", pad.rule, Padding::Rule::same_lower);
}
Fault fault_in(PadMode mode) { return within("padding mode", mode, PadMode::circular); }
Fault fault_in(PoolKind kind) { return within("kind", kind, PoolKind::lp); }

struct FaultIn {
  Fault operator()(const Conv& op) const {
    if (Fault fault = fault_in(op.pad)) return fault;
    return fault_in(op.padding_mode);
  }
  Fault operator()(const ConvTranspose& op) const { return fault_in(op.pad); }
  Fault operator()(const Pool& op) const {
    if (Fault fault = fault_in(op.pad)) return fault;
    return fault_in(op.kind);
  }
  Fault operator()(const GlobalPool& op) const { return fault_in(op.kind); }
  Fault operator()(const AdaptivePool& op) const { return fault_in(op.kind); }
  Fault operator()(const MaxUnpool& op) const { return fault_in(op.pad); }
  Fault operator()(const Binary& op) const { return within("kind", op.kind, BinaryKind::min); }
  Fault operator()(const Unary& op) const { return within("kind", op.kind, UnaryKind::exp); }
  Fault operator()(const PadOp& op) const {
    if (Fault fault = fault_in(op.pad)) return fault;
    return fault_in(op.mode);
  }
  Fault operator()(const Quantize& op) const {
    return within("kind", op.kind, QuantKind::requantize);
  }
  Fault operator()(const Const&) const { return std::nullopt; }
  Fault operator()(const BatchNorm&) const { return std::nullopt; }
  Fault operator()(const Prelu&) const { return std::nullopt; }
  Fault operator()(const Convert&) const { return std::nullopt; }
  Fault operator()(const Reorder&) const { return std::nullopt; }
};

} // namespace

Fault fault_in_enumerations(const Operation& operation) {
  if (operation.valueless_by_exception()) return "is no operation";
  return std::visit(FaultIn{}, operation);
}

Fault fault_in_enumerations(const TensorType& type) {
  if (Fault fault = within("element type", type.element, ElementType::i64)) return fault;
  for (const Extent& extent : type.extents)
    if (Fault fault = within("axis", extent.axis, Axis::i)) return fault;
  return std::nullopt;
}

} // namespace volute::ir
