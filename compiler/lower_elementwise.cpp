// Statements that make each element from the elements at the same position: folded into the write
// of the nest that makes their operand, or a nest of their own when there is none.

#include "compiler/lower_nest.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>

namespace volute::compiler {

using ir::Axis;
using ir::BinaryFn;
using ir::Compare;
using ir::Expr;
using ir::Statement;
using ir::ValueId;

namespace {

Expr larger(Expr a, Expr b) { return binary(BinaryFn::max, std::move(a), std::move(b)); }
Expr smaller(Expr a, Expr b) { return binary(BinaryFn::min, std::move(a), std::move(b)); }

/// max(a, b) and min(a, b) are b where either is NaN: a NaN in `a` is put back.
Expr or_nan(const Expr& a, Expr chosen) {
  return select(Compare::unordered, a, a, a, std::move(chosen));
}

Expr combine(ir::BinaryKind kind, const Expr& a, const Expr& b) {
  switch (kind) {
  case ir::BinaryKind::add: return a + b;
  case ir::BinaryKind::sub: return a - b;
  case ir::BinaryKind::mul: return a * b;
  case ir::BinaryKind::max: return or_nan(a, larger(a, b));
  case ir::BinaryKind::min: return or_nan(a, smaller(a, b));
  }
  return a;
}

std::vector<float> floats_of(const ir::Const& constant) {
  std::vector<float> elements(constant.bytes->size() / sizeof(float));
  if (!elements.empty())
    std::memcpy(elements.data(), constant.bytes->data(), elements.size() * sizeof(float));
  return elements;
}

/// The factor scale / sqrt(var + epsilon) of each channel, computed once a run: a nest before this
/// one, or a table when scale and var are constants.
int32_t batch_norm_scale(NestBuilder& to, const Statement& statement, int64_t channels) {
  Lowering& lowering = to.lowering;
  const ValueId scale = statement.operands[1];
  const ValueId var = statement.operands[4];
  const auto epsilon = static_cast<float>(std::get<ir::BatchNorm>(statement.operation).epsilon);
  const std::string& result = lowering.program.name_of(statement.results[0]);
  const std::string name = fmt::format("{}_scale", spoken(result));
  if (lowering.constant(scale) && lowering.constant(var)) {
    std::vector<float> factors = floats_of(*lowering.constant(scale));
    const std::vector<float> vars = floats_of(*lowering.constant(var));
    for (size_t c = 0; c < factors.size(); ++c) factors[c] /= std::sqrt(vars[c] + epsilon);
    return lowering.table(name, factors);
  }
  NestBuilder factors(lowering, fmt::format("batch_norm_{}_scale", result));
  factors.nest.origin = fmt::format("batch_norm %{}", result);
  factors.at[Axis::c] = factors.parallel("c", channels);
  const Expr deviation = unary(ir::UnaryFn::sqrt, factors.read(var, factors.at) + ir::imm(epsilon));
  factors.value = factors.read(scale, factors.at) / deviation;
  const int32_t buffer = lowering.intermediate(name, channels);
  factors.finish_vector(buffer, channels, factors.at[Axis::c]);
  return buffer;
}

Expr batch_norm(NestBuilder& to, const Statement& statement, const Expr& x) {
  const int64_t channels = to.lowering.program.type(statement.operands[1]).size(Axis::c);
  const int32_t scale = batch_norm_scale(to, statement, channels);
  const Expr mean = to.read(statement.operands[3], to.at);
  const Expr factor = to.read_vector(scale, channels, to.at[Axis::c]);
  return fma(x - mean, factor, to.read(statement.operands[2], to.at));
}

Expr prelu(NestBuilder& to, const Statement& statement, const Expr& x) {
  const ValueId slope = statement.operands[1];
  Coordinates channel = to.at;
  if (to.lowering.program.type(slope).size(Axis::c) == 1) channel[Axis::c] = 0; // one for all
  return select(Compare::gt, x, ir::imm(0), x, x * to.read(slope, channel));
}

} // namespace

void fold(NestBuilder& to, const Statement& statement, ValueId through) {
  const auto element = [&](size_t i) {
    const ValueId operand = statement.operands[i];
    return operand == through ? to.value : to.read(operand, to.at);
  };
  if (const auto* unary = std::get_if<ir::Unary>(&statement.operation))
    to.value = activation(*unary, to.value);
  else if (const auto* binary = std::get_if<ir::Binary>(&statement.operation))
    to.value = combine(binary->kind, element(0), element(1));
  else if (std::holds_alternative<ir::Prelu>(statement.operation))
    to.value = prelu(to, statement, to.value);
  else if (std::holds_alternative<ir::BatchNorm>(statement.operation))
    to.value = batch_norm(to, statement, to.value);
  // Reorder, and convert to the same element type: the write's memory order is all of it.
}

void lower_copy(NestBuilder& to, ValueId operand) {
  constexpr Axis in_order[] = {Axis::n, Axis::c, Axis::d, Axis::h, Axis::w, Axis::o, Axis::i};
  const ir::TensorType& type = to.lowering.program.type(operand);
  for (Axis axis : in_order)
    if (type.has(axis))
      to.at[axis] = to.parallel(std::string(1, ir::to_char(axis)), type.size(axis));
  to.value = to.read(operand, to.at);
}

} // namespace volute::compiler
