#include "bench/peers/element_steps.h"

#include <algorithm>
#include <limits>

namespace volute::bench {
namespace {

naive::Function function_of(const Step& step) {
  using naive::Function;
  if (const auto* unary = std::get_if<ir::Unary>(&step.operation)) {
    switch (unary->kind) {
    case ir::UnaryKind::relu: return Function::relu;
    case ir::UnaryKind::relu6: return Function::relu6;
    case ir::UnaryKind::clamp: return Function::clamp;
    case ir::UnaryKind::leaky_relu: return Function::leaky_relu;
    case ir::UnaryKind::elu: return Function::elu;
    case ir::UnaryKind::sigmoid: return Function::sigmoid;
    case ir::UnaryKind::tanh: return Function::tanh;
    case ir::UnaryKind::silu: return Function::silu;
    case ir::UnaryKind::hardsigmoid: return Function::hardsigmoid;
    case ir::UnaryKind::hardswish: return Function::hardswish;
    case ir::UnaryKind::mish: return Function::mish;
    case ir::UnaryKind::gelu: return Function::gelu;
    case ir::UnaryKind::gelu_tanh: return Function::gelu_tanh;
    case ir::UnaryKind::softplus: return Function::softplus;
    case ir::UnaryKind::abs: return Function::abs;
    case ir::UnaryKind::neg: return Function::neg;
    case ir::UnaryKind::sqrt: return Function::sqrt;
    case ir::UnaryKind::exp: return Function::exp;
    }
  }
  switch (std::get<ir::Binary>(step.operation).kind) {
  case ir::BinaryKind::add: return Function::add;
  case ir::BinaryKind::sub: return step.other_is_first ? Function::sub_from : Function::sub;
  case ir::BinaryKind::mul: return Function::mul;
  case ir::BinaryKind::max: return Function::max;
  case ir::BinaryKind::min: return Function::min;
  }
  throw InternalError("naive: a step without a function");
}

Expected<naive::Elements> elements_of(const Step& step, const Problem& problem, float* y,
                                      const Tensors& tensors,
                                      std::vector<std::vector<float>>& constants) {
  naive::Elements e = {{1, 1, 1, 1}, y, {0, 0, 0, 0}, nullptr, {0, 0, 0, 0}, 0, 0};
  if (step.other) {
    const Expected<const float*> other = floats_of(*step.other, tensors, constants);
    if (!other) return other.failure();
    e.other = *other;
  }
  // The innermost of the four loops is along the result's last axis, which is contiguous.
  size_t slot = 4;
  for (size_t i = problem.y_type.extents.size(); i-- > 0;) {
    const ir::Extent& extent = problem.y_type.extents[i];
    --slot;
    e.extent[slot] = extent.size;
    e.y_at[slot] = stride_of(problem.y_type, extent.axis);
    if (!step.other) continue;
    const bool is_one = step.other->type.size(extent.axis) == 1; // absent, or [c=1]
    e.other_at[slot] = is_one ? 0 : stride_of(step.other->type, extent.axis);
  }
  if (const auto* unary = std::get_if<ir::Unary>(&step.operation)) {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    const bool clamps = unary->kind == ir::UnaryKind::clamp;
    e.a = static_cast<float>(unary->a.value_or(clamps ? -infinity : 0));
    e.b = static_cast<float>(unary->b.value_or(clamps ? infinity : 0));
  }
  return e;
}

} // namespace

Expected<const float*> floats_of(const Operand& operand, const Tensors& tensors,
                                 std::vector<std::vector<float>>& copies) {
  if (!operand.constant) {
    const Expected<float*> given = floats_of(tensors, operand.name, operand.type);
    if (!given) return given.failure();
    return static_cast<const float*>(*given);
  }
  std::vector<float> copy(static_cast<size_t>(operand.type.elements()));
  const auto* from = reinterpret_cast<const char*>(operand.constant->data());
  const size_t bytes = std::min(operand.constant->size(), copy.size() * sizeof(float));
  std::copy(from, from + bytes, reinterpret_cast<char*>(copy.data()));
  copies.push_back(std::move(copy));
  return static_cast<const float*>(copies.back().data());
}

Expected<ElementSteps> ElementSteps::prepare(const Problem& problem, float* y,
                                             const Tensors& tensors) {
  ElementSteps all;
  for (const Step& step : problem.steps) {
    if (std::holds_alternative<ir::Quantize>(step.operation))
      return fail("requantize", "these loops compute in f32");
    const Expected<naive::Elements> e = elements_of(step, problem, y, tensors, all.constants_);
    if (!e) return e.failure();
    all.steps_.push_back({function_of(step), *e});
  }
  return all;
}

} // namespace volute::bench
