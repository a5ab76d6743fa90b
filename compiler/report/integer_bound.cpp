#include "compiler/report/integer_bound.h"

#include "compiler/report/report.h"
#include "ir/number.h"
#include "ir/operators.h"
#include "ir/tensor_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <numeric>

namespace volute::compiler {

using ir::Axis;
using ir::Const;
using ir::Program;
using ir::Statement;
using ir::TensorType;
using ir::ValueId;

namespace {

constexpr int64_t most = (int64_t{1} << 31) - 1; // what an i32 holds of either sign
// No product of bytes is larger than 2^17, so sums of so many neither fit 32 bits nor pass 64.
constexpr int64_t many = int64_t{1} << 40;

/// Taps along one axis that reach one output: of a transposed convolution, every so many-th.
int64_t taps_along(const Statement& statement, size_t axis, int64_t kernel) {
  const auto* op = std::get_if<ir::ConvTranspose>(&statement.operation);
  if (!op) return kernel;
  const int64_t repeat = op->stride[axis] / std::gcd(op->stride[axis], op->dilation[axis]);
  return (kernel - 1) / repeat + 1;
}

int64_t farthest(ir::ElementType type, int64_t zero_point) {
  return std::max(ir::highest(type) - zero_point, zero_point - ir::lowest(type));
}

/// The value's own constant, behind reorders, which change no element.
const Const* constant(const ir::DefUse& uses, ValueId& value) {
  const Statement* made = uses.definition(value);
  while (made && traits_of(made->operation).copies && traits_of(made->operation).elementwise) {
    value = made->operands[0];
    made = uses.definition(value);
  }
  return made ? std::get_if<Const>(&made->operation) : nullptr;
}

/// The magnitudes of a constant weight: the largest one, and the largest sum over an output
/// channel.
struct Magnitudes {
  int64_t largest = 0, largest_sum = 0;
};

Magnitudes magnitudes(const Const& weight, const TensorType& type, const ir::Convolution& form) {
  const ir::Strides strides(type);
  const int64_t inputs_a_group = form.inputs(type), outputs_a_group = form.outputs(type);
  Magnitudes found;
  for (int64_t channel = 0; channel < outputs_a_group * form.groups; ++channel) {
    const int64_t group = channel / outputs_a_group;
    const int64_t o = form.transposed ? channel % outputs_a_group : channel;
    const int64_t first = form.transposed ? group * inputs_a_group : 0;
    const int64_t zero_point =
        form.w_zero_points[form.w_zero_points.size() > 1 ? static_cast<size_t>(channel) : 0];
    int64_t sum = 0;
    for (int64_t i = first; i < first + inputs_a_group; ++i)
      for (int64_t d = 0; d < type.size(Axis::d); ++d)
        for (int64_t h = 0; h < type.size(Axis::h); ++h)
          for (int64_t w = 0; w < type.size(Axis::w); ++w) {
            const int64_t at = strides.offset(Axis::o, o) + strides.offset(Axis::i, i) +
                               strides.offset(Axis::d, d) + strides.offset(Axis::h, h) +
                               strides.offset(Axis::w, w);
            const int64_t magnitude =
                std::abs(ir::read_integer(weight.bytes->data() + at, type.element) - zero_point);
            found.largest = std::max(found.largest, magnitude);
            sum = std::min(sum + magnitude, many);
          }
    found.largest_sum = std::max(found.largest_sum, sum);
  }
  return found;
}

} // namespace

std::optional<int64_t> IntegerBound::safe_taps() const {
  const int64_t product = largest_x * largest_w;
  if (product == 0) return std::nullopt;
  return (most - std::min(bias.value_or(0), most)) / product;
}

bool IntegerBound::is_proven() const { return largest_sum <= most - bias.value_or(0); }

std::optional<IntegerBound> integer_bound(const ir::DefUse& uses, const Statement& statement) {
  const Program& program = uses.program();
  const std::optional<ir::Convolution> form = convolution(statement.operation);
  if (!form || ir::is_float(program.type(statement.operands[0]).element)) return std::nullopt;
  const TensorType& x = program.type(statement.operands[0]);
  const TensorType& w = program.type(statement.operands[1]);
  IntegerBound bound;
  bound.taps = form->inputs(w);
  const std::vector<Axis> axes = x.spatial_axes();
  for (size_t i = 0; i < axes.size(); ++i) bound.taps *= taps_along(statement, i, w.size(axes[i]));
  bound.largest_x = farthest(x.element, form->x_zero_point);
  ValueId weight = statement.operands[1];
  if (const Const* values = constant(uses, weight)) {
    const Magnitudes actual = magnitudes(*values, program.type(weight), *form);
    bound.weight_is_constant = true;
    bound.largest_w = actual.largest;
    bound.largest_sum =
        bound.largest_x * std::min(actual.largest_sum, std::min(bound.taps, many) * actual.largest);
  } else {
    for (int64_t point : form->w_zero_points)
      bound.largest_w = std::max(bound.largest_w, farthest(w.element, point));
    bound.largest_sum = std::min(bound.taps, many) * bound.largest_x * bound.largest_w;
  }
  bound.bias = 0;
  if (statement.operands.size() > 2) {
    ValueId bias = statement.operands[2];
    bound.bias.reset();
    if (const Const* values = constant(uses, bias)) {
      bound.bias = 0;
      for (size_t at = 0; at < values->bytes->size(); at += 4)
        bound.bias =
            std::max(*bound.bias,
                     std::abs(ir::read_integer(values->bytes->data() + at, ir::ElementType::i32)));
    }
  }
  return bound;
}

std::string to_string(const IntegerBound& bound) {
  const std::string product =
      fmt::format("{} * {}", grouped(bound.largest_x), grouped(bound.largest_w));
  if (!bound.is_proven())
    return fmt::format("i32: may wrap above {} taps ({} of up to {} are added{})",
                       grouped(bound.safe_taps().value_or(0)), grouped(bound.taps), product,
                       bound.bias ? *bound.bias ? ", and the bias" : "" : "; the bias aside");
  std::string text = fmt::format("i32: proven ({} taps of up to {}", grouped(bound.taps), product);
  if (bound.weight_is_constant)
    text += fmt::format("; with this weight their sum is within {}", grouped(bound.largest_sum));
  else
    text += fmt::format(" are within {}", grouped(bound.largest_sum));
  if (!bound.bias)
    text += fmt::format(", which leaves {} to the bias", grouped(most - bound.largest_sum));
  return text + ")";
}

} // namespace volute::compiler
