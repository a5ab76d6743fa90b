// Statements that make each element from the elements at the same position: folded into the write
// of the nest that makes their operand, or a nest of their own when there is none.

#include "compiler/lower/nest_builder.h"
#include "ir/number.h"

#include <fmt/format.h>

#include <functional>
#include <vector>

namespace volute::compiler {

using ir::Axis;
using ir::BinaryFn;
using ir::Compare;
using ir::ElementType;
using ir::Expr;
using ir::Statement;
using ir::ValueId;

namespace {

/// max(a, b) and min(a, b) are b where either is NaN: a NaN in `a` is put back.
Expr or_nan(const Expr& a, Expr chosen) {
  return is_float(a->type) ? select(Compare::unordered, a, a, a, std::move(chosen)) : chosen;
}

Expr combine(ir::BinaryKind kind, const Expr& a, const Expr& b) {
  switch (kind) {
  case ir::BinaryKind::add: return a + b;
  case ir::BinaryKind::sub: return a - b;
  case ir::BinaryKind::mul: return a * b;
  case ir::BinaryKind::max: return or_nan(a, binary(BinaryFn::max, a, b));
  case ir::BinaryKind::min: return or_nan(a, binary(BinaryFn::min, a, b));
  }
  return a;
}

// ---- batch_norm -------------------------------------------------------------------------------

/// A vector by channel that a nest of its own makes, once for all that read it. It follows from the
/// operands alone, so it is computed when they are bound, or here where they are constants.
int32_t channel_vector(Lowering& lowering, const Statement& statement, const std::string& what,
                       ElementType type, const std::vector<ValueId>& operands,
                       const std::function<Expr(NestBuilder&)>& value) {
  const std::string& result = lowering.program.name_of(statement.results[0]);
  NestBuilder to(lowering, fmt::format("batch_norm_{}_{}", result, what));
  to.nest.origin = fmt::format("batch_norm %{}", result);
  to.nest.statements = {static_cast<size_t>(&statement - lowering.program.statements.data())};
  Boundaries cuts;
  for (const ValueId operand : operands)
    cuts.merge(boundaries(lowering.program.type(operand), Axis::c));
  const int64_t channels = lowering.program.type(operands.front()).size(Axis::c);
  to.at[Axis::c] = to.parallel(Axis::c, channels, cuts);
  to.value = value(to);
  const int32_t buffer =
      lowering.intermediate(fmt::format("{}_{}", spoken(result), what), type, channels);
  to.write_vector(buffer, to.at[Axis::c], to.value);
  to.finish();
  return buffer;
}

/// scale / sqrt(var + epsilon), and shift - mean * that.
Lowering::BatchNorm batch_norm_vectors(Lowering& lowering, const Statement& statement,
                                       ElementType type) {
  const auto [known, is_new] = lowering.batch_norms.try_emplace(statement.results[0]);
  if (!is_new) return known->second;
  const ValueId scale = statement.operands[1], shift = statement.operands[2];
  const ValueId mean = statement.operands[3], var = statement.operands[4];
  const double epsilon = ir::round_to(type, std::get<ir::BatchNorm>(statement.operation).epsilon);
  const int32_t factors =
      channel_vector(lowering, statement, "scale", type, {scale, var}, [&](NestBuilder& to) {
        const Expr variance = computed(to.read(var, to.at));
        const Expr deviation = unary(ir::UnaryFn::sqrt, variance + ir::imm(epsilon, type));
        return computed(to.read(scale, to.at)) / deviation;
      });
  const int32_t shifts =
      channel_vector(lowering, statement, "shift", type, {shift, mean}, [&](NestBuilder& to) {
        const Expr lost = unary(ir::UnaryFn::neg, computed(to.read(mean, to.at)));
        const Expr factor = to.read_vector(factors, to.at[Axis::c]);
        return fma(lost, factor, computed(to.read(shift, to.at)));
      });
  return known->second = {factors, shifts};
}

Expr batch_norm(NestBuilder& to, const Statement& statement, const Expr& x) {
  const auto [scale, shift] = batch_norm_vectors(to.lowering, statement, x->type);
  const Expr factor = to.read_vector(scale, to.at[Axis::c]);
  return fma(x, factor, to.read_vector(shift, to.at[Axis::c]));
}

Expr prelu(NestBuilder& to, const Statement& statement, const Expr& x) {
  const ValueId slope = statement.operands[1];
  Coordinates channel = to.at;
  if (to.lowering.program.type(slope).size(Axis::c) == 1) channel[Axis::c] = 0; // one for all
  return select(Compare::gt, x, number(0, x->type), x, x * computed(to.read(slope, channel)));
}

// ---- quantisation -----------------------------------------------------------------------------

/// An attribute that is one number, or one a channel: then a table.
template <class Number>
Expr per_channel(NestBuilder& to, const Statement& statement, const std::string& attribute,
                 const std::vector<Number>& numbers, ElementType type) {
  if (numbers.size() == 1)
    return is_float(type) ? ir::imm(static_cast<double>(numbers[0]), type)
                          : ir::imm_integer(static_cast<int64_t>(numbers[0]), type);
  const std::string name = spoken(to.lowering.program.name_of(statement.results[0]));
  const int32_t table = to.lowering.table(fmt::format("{}_{}", name, attribute), type,
                                          {numbers.begin(), numbers.end()});
  return to.read_vector(table, to.at[Axis::c]);
}

/// sat(rne(scaled) + zero_point), NaN giving 0. Clamping comes first, in `type`, to where the sum
/// is a number of the result: that makes every number small and exact. A conversion to i32 then
/// rounds, and the sum is one of whole numbers.
Expr quantum(NestBuilder& to, const Statement& statement, const ir::Quantize& op,
             const Expr& scaled, ElementType result) {
  const bool is_byte = size_of(result) == 1;
  const ElementType type = is_byte ? scaled->type : ElementType::f64;
  const auto zero_point = [&](ElementType t) {
    return per_channel(to, statement, "zero_point", op.zero_point, t);
  };
  const auto limit = [&](int64_t bound) {
    return op.zero_point.size() == 1 ? number(bound - op.zero_point[0], type)
                                     : number(bound, type) - zero_point(type);
  };
  const auto plus_zero_point = [&](const Expr& whole) {
    const bool is_zero = op.zero_point.size() == 1 && op.zero_point[0] == 0;
    return is_zero ? whole : whole + zero_point(whole->type);
  };
  const Expr value = converted(type, scaled), low = limit(ir::lowest(result)),
             high = limit(ir::highest(result));
  // max and min give their second operand where either is NaN: where it stands last, a NaN is the
  // lowest number from there on, which for a natural number is 0.
  const bool is_natural = result == ElementType::u8;
  if (is_byte && (is_natural || op.kind == ir::QuantKind::requantize)) {
    const Expr raised = is_natural
                            ? binary(BinaryFn::max, value, low)
                            : binary(BinaryFn::max, low, value); // whole times finite: no NaN
    const Expr inside = binary(BinaryFn::min, high, raised);
    return converted(result, plus_zero_point(converted(ElementType::i32, inside)));
  }
  const Expr whole = unary(ir::UnaryFn::rint, value);
  const Expr inside = binary(BinaryFn::min, high, binary(BinaryFn::max, low, whole));
  return converted(result, plus_zero_point(inside));
}

Expr quantize(NestBuilder& to, const Statement& statement, const ir::Quantize& op, const Expr& x) {
  const ElementType result = to.lowering.program.type(statement.results[0]).element;
  switch (op.kind) {
  case ir::QuantKind::quantize: {
    const Expr scale = per_channel(to, statement, "scale", op.scale, x->type);
    return quantum(to, statement, op, x / scale, result);
  }
  case ir::QuantKind::requantize: {
    const Expr scale = per_channel(to, statement, "scale", op.scale, ElementType::f32);
    return quantum(to, statement, op, converted(ElementType::f32, x) * scale, result);
  }
  case ir::QuantKind::dequantize: {
    // The difference of two bytes fits i32, that of two i32 does not.
    const ElementType wide = size_of(x->type) == 1 ? ElementType::i32 : ElementType::i64;
    const Expr zero_point = per_channel(to, statement, "zero_point", op.zero_point, wide);
    const ElementType type = computed_in(result);
    const Expr scale = per_channel(to, statement, "scale", op.scale, type);
    return converted(type, converted(wide, x) - zero_point) * scale;
  }
  }
  return x;
}

/// The element that an operator makes of the nest's value: one function an element-wise operator.
struct Formula {
  NestBuilder& to;
  const Statement& statement;
  ValueId through; // the operand that the value is the element of

  Expr operator()(const ir::Unary& op) const { return activation(op, x()); }
  Expr operator()(const ir::Binary& op) const { return combine(op.kind, element(0), element(1)); }
  Expr operator()(const ir::Prelu&) const { return prelu(to, statement, x()); }
  Expr operator()(const ir::BatchNorm&) const { return batch_norm(to, statement, x()); }
  Expr operator()(const ir::Quantize& op) const { return quantize(to, statement, op, x()); }
  /// To the element type in one rounding, where the language rounds the result at all.
  Expr operator()(const ir::Convert&) const {
    return converted(to.lowering.stored_as(statement.results[0]), x());
  }
  /// The write's memory order is all of it. Whatever a reorder reads is a stored value: rounded.
  Expr operator()(const ir::Reorder&) const {
    return converted(to.lowering.program.type(through).element, to.value);
  }
  Expr operator()(const auto& op) const {
    throw InternalError(fmt::format("lower: {} is not element-wise", ir::name(op)));
  }

private:
  Expr x() const { return computed(to.value); }
  Expr element(size_t i) const {
    const ValueId operand = statement.operands[i];
    return operand == through ? x() : computed(to.read(operand, to.at));
  }
};

} // namespace

void fold(NestBuilder& to, const Statement& statement, ValueId through) {
  to.value = std::visit(Formula{to, statement, through}, statement.operation);
}

void lower_copy(NestBuilder& to, ValueId operand, const std::function<Boundaries(Axis)>& cuts) {
  constexpr Axis in_order[] = {Axis::n, Axis::c, Axis::d, Axis::h, Axis::w, Axis::o, Axis::i};
  const ir::TensorType& type = to.lowering.program.type(operand);
  for (Axis axis : in_order)
    if (type.has(axis)) to.at[axis] = to.parallel(axis, type.size(axis), cuts(axis));
  to.value = to.read(operand, to.at);
}

void lower_elementwise(const GroupLowering& group) {
  NestBuilder to = group.start();
  const ir::Statement& head = group.head;
  lower_copy(to, head.operands[0], [&](Axis axis) {
    Boundaries all = group.cuts(axis);
    for (ValueId operand : head.operands) all.merge(boundaries(group.program.type(operand), axis));
    return all;
  });
  fold(to, head, head.operands[0]);
  group.finish(std::move(to));
}

} // namespace volute::compiler
