#include "compiler/rewrites/split_products.h"

#include "ir/infer.h"
#include "ir/operators.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

namespace volute::compiler {

using ir::Axis;
using ir::ElementType;
using ir::TensorType;

namespace {

// What the weights of an output channel reach at least: parts that are denormal, which instructions
// take for 0, are then below the digits that count.
constexpr double least_largest_weight = 0x1p-90;

/// The constant that makes a value; null for every other.
const ir::Const* constant(const ir::Program& program, ir::ValueId value) {
  const ir::Statement* made = program.definition(value);
  return made ? std::get_if<ir::Const>(&made->operation) : nullptr;
}

/// Elements from one along an axis to the next, in a type without split axes.
int64_t stride_of(const TensorType& type, Axis axis) {
  int64_t stride = 1;
  for (size_t d = type.extents.size(); d-- > 0 && type.extents[d].axis != axis;)
    stride *= type.extents[d].size;
  return stride;
}

/// Why the numbers of a known weight have no parts.
std::optional<std::string> fault_of_numbers(const std::byte* numbers, const TensorType& type,
                                            const ir::Convolution& conv) {
  const int64_t outputs = type.size(Axis::o), inputs = conv.inputs(type);
  const int64_t o = stride_of(type, Axis::o), i = stride_of(type, Axis::i);
  // A transposed convolution's weight has the output channels of one group, and all inputs.
  std::vector<float> largest(static_cast<size_t>(outputs * (conv.transposed ? conv.groups : 1)));
  for (int64_t at = 0; at < type.elements(); ++at) {
    float number = 0;
    std::memcpy(&number, numbers + at * size_of(type.element), sizeof number);
    if (!std::isfinite(number)) return "a number of its weight is not finite";
    const int64_t group = conv.transposed ? at / i % type.size(Axis::i) / inputs : 0;
    float& most = largest[static_cast<size_t>(group * outputs + at / o % outputs)];
    most = std::max(most, std::abs(number));
  }
  for (const float most : largest)
    if (most > 0 && most < least_largest_weight)
      return fmt::format("the weights of an output channel are at most {:.2g}, and parts of them "
                         "would be denormal",
                         most);
  return std::nullopt;
}

} // namespace

std::optional<std::string> split_products_obstacle(const ir::Program& program,
                                                   const ir::Statement& statement,
                                                   const Target& target, int64_t products) {
  const std::optional<ir::Convolution> conv = ir::convolution(statement.operation);
  if (!conv) return "it is no convolution";
  const TensorType &x = program.type(statement.operands[0]),
                   &w = program.type(statement.operands[1]),
                   &y = program.type(statement.results[0]);
  // Two bf16 have the 11 digits of an f16, and three the 24 of an f32.
  const bool is_half = x.element == ElementType::f16;
  for (const TensorType* type : {&x, &w, &y})
    if (type->element != ElementType::f32 && (!is_half || type->element != ElementType::f16))
      return fmt::format("its elements are {}, not f32{}", to_string(type->element),
                         products == 6 ? "" : " or f16");
  if (is_half && products == 6) return "its elements are f16, not f32";
  if (!is_half && products == 4) return "its elements are f32, not f16";
  if (x.axes().size() != x.extents.size()) return "its image has split axes";
  if (w.axes().size() != w.extents.size()) return "its weight has split axes";
  if (const auto* direct = std::get_if<ir::Conv>(&statement.operation);
      direct && direct->padding_mode != ir::PadMode::zeros)
    return "its padding is not of zeros";
  if (!target.has_fma) return "the target has no fused multiply-add";
  if (y.elements() == 0) return "there is no work";
  const int64_t inputs = conv->inputs(w);
  if (inputs < 2) return "it adds one input channel, so there are no groups";
  if (conv->outputs(w) < 2) return "it has one output channel a group, and vectors run along them";
  if (conv->groups > 1 && inputs % 2 != 0)
    return fmt::format("its groups have {} input channels, an odd number", inputs);
  const ir::Const* weight = constant(program, statement.operands[1]);
  if (weight && weight->bytes && !is_half) return fault_of_numbers(weight->bytes->data(), w, *conv);
  return std::nullopt;
}

double split_products_error(const ir::Program& program, const ir::Statement& statement,
                            int64_t products) {
  // Three parts have every digit, and so have two of an f16. Rounded to the result's digits are the
  // products of the largest parts alone, which are short: 0.4 to 1.2 times a direct sum's error,
  // measured with 2 to 4608 taps. On a matrix unit, whose sums of 32 products begin at 0, it is
  // 0.15 to 0.55.
  if (products > 3) return 1.5;
  // What two parts leave out is up to 3 * 2^-18 of each product, and adds up as roundings do, which
  // grow with the sum besides: 243 (2 taps), 52 (16), 21 (64), 4.5 (576) and 2.4 (4608) times,
  // measured.
  const TensorType& w = program.type(statement.operands[1]);
  auto taps = static_cast<double>(ir::convolution(statement.operation)->inputs(w));
  const auto* transposed = std::get_if<ir::ConvTranspose>(&statement.operation);
  const std::vector<Axis> axes = w.spatial_axes();
  for (size_t i = 0; i < axes.size(); ++i) { // of a transposed convolution, those of one phase
    const int64_t stride = transposed ? transposed->stride[i] : 1;
    taps *= static_cast<double>(std::max<int64_t>(w.size(axes[i]) / stride, 1));
  }
  return 1.5 + 190 / std::sqrt(taps) + 250 / taps;
}

bool split_products_too_slow(const Target& target, int64_t products) {
  return static_cast<double>(products) * target.products_per_cycle(ElementType::f32) >=
         target.products_per_cycle(ElementType::bf16);
}

} // namespace volute::compiler
