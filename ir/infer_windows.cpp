// Where windows lie: the output-size arithmetic of every framework that the language follows.
#include "ir/infer_rules.h"

namespace volute::ir {
namespace {

Wide floor_divide(Wide a, Wide b) { return a / b - (a % b < 0); } // b > 0

// Half of the total at each side, the odd element at the end or at the begin.
Side halves(Wide total, bool odd_at_end) {
  const auto less = static_cast<int64_t>(total / 2), more = static_cast<int64_t>(total - total / 2);
  return odd_at_end ? Side{less, more} : Side{more, less};
}

std::vector<Window> with_kernel(const TensorType& x, const PerAxis& kernel, const PerAxis& stride,
                                const PerAxis& dilation) {
  std::vector<Window> asked;
  for (const Axis axis : x.spatial_axes()) {
    const size_t i = asked.size();
    asked.push_back({x.size(axis), kernel[i], stride[i], dilation.empty() ? 1 : dilation[i]});
  }
  return asked;
}

PerAxis kernel_of(const TensorType& weight) {
  PerAxis kernel;
  for (const Axis axis : weight.spatial_axes()) kernel.push_back(weight.size(axis));
  return kernel;
}

std::vector<TensorType> operand_types(const Program& program, const Statement& statement) {
  std::vector<TensorType> types;
  for (const ValueId id : statement.operands) types.push_back(program.type(id));
  return types;
}

} // namespace

std::vector<Window> asked_windows(const Operation& operation,
                                  std::span<const TensorType> operands) {
  const TensorType& x = operands[0];
  if (const auto* conv = std::get_if<Conv>(&operation))
    return with_kernel(x, kernel_of(operands[1]), conv->stride, conv->dilation);
  if (const auto* conv = std::get_if<ConvTranspose>(&operation))
    return with_kernel(x, kernel_of(operands[1]), conv->stride, conv->dilation);
  if (const auto* pool = std::get_if<Pool>(&operation))
    return with_kernel(x, pool->kernel, pool->stride, pool->dilation);
  if (const auto* unpool = std::get_if<MaxUnpool>(&operation))
    return with_kernel(x, unpool->kernel, unpool->stride, {});
  const PerAxis extents = kernel_of(x); // a global pool: one window over all space
  return with_kernel(x, extents, PerAxis(extents.size(), 1), {});
}

Window resolve(const Window& asked, const Padding& pad, size_t axis, bool ceil_mode) {
  Window window = asked;
  const Wide input = asked.input, stride = asked.stride;
  const Wide span = wide_span(asked.kernel, asked.dilation);
  Side side;
  switch (pad.rule) {
  case Padding::Rule::numbers: side = {pad.sides[axis].first, pad.sides[axis].second}; break;
  case Padding::Rule::valid: break;
  case Padding::Rule::same: side = halves(span - 1, true); break;
  case Padding::Rule::same_upper:
  case Padding::Rule::same_lower: {
    const Wide outputs = (input + stride - 1) / stride;
    const Wide total = (outputs - 1) * stride + span - input;
    side = halves(total > 0 ? total : 0, pad.rule == Padding::Rule::same_upper);
    break;
  }
  }
  window.pad_begin = side.begin;
  window.pad_end = side.end;
  const Wide room = input + side.begin + side.end - span;
  Wide outputs = floor_divide(room + (ceil_mode ? stride - 1 : 0), stride) + 1;
  // Under ceil_mode the last window may hang over the end, but must start inside the input or the
  // padding in front of it.
  if (ceil_mode && (outputs - 1) * stride >= input + side.begin) --outputs;
  window.output = static_cast<int64_t>(outputs);
  return window;
}

Window resolve_transposed(const Window& asked, const Padding& pad, size_t axis,
                          int64_t output_padding) {
  Window window = asked;
  window.pad_begin = pad.sides[axis].first;
  window.pad_end = pad.sides[axis].second;
  const Wide output = Wide{asked.input - 1} * asked.stride - window.pad_begin - window.pad_end +
                      wide_span(asked.kernel, asked.dilation) + output_padding;
  window.output = output > largest_size ? largest_size + 1 : static_cast<int64_t>(output);
  return window;
}

namespace {

// Says that a window is wider than the padded input, at the attribute or operand at fault, with the
// largest value that would fit.
void refuse_window(const Call& call, const Filter& filter, const Window& window, size_t i) {
  const char axis = to_char(call.x().spatial_axes()[i]);
  const int64_t padded = window.input + window.pad_begin + window.pad_end;
  std::string sum;
  if (window.pad_begin || window.pad_end)
    sum = fmt::format(" ({} + {} + {})", window.pad_begin, window.input, window.pad_end);
  const std::string message = fmt::format(
      "the window spans {} along {} ({} taps at dilation {}), but the padded input has {}{}",
      window.span(), axis, window.kernel, window.dilation, padded, sum);
  if (window.dilation > 1 && window.kernel <= padded)
    call.refuse.at_attribute("dilation", message, nearest((padded - 1) / (window.kernel - 1)));
  else if (!filter.kernel_name.empty())
    call.refuse.at_attribute(filter.kernel_name, message,
                             nearest((padded - 1) / window.dilation + 1));
  else
    call.refuse.at_operand(
        1, message,
        fmt::format("a pad of {} on both sides is enough", (window.span() - window.input + 1) / 2));
}

} // namespace

std::vector<Window> require_windows(const Call& call, const Filter& filter) {
  std::vector<Window> found;
  for (size_t i = 0; i < filter.asked.size(); ++i) {
    const Window& asked = filter.asked[i];
    if (wide_span(asked.kernel, asked.dilation) > largest_size) {
      call.refuse.at_attribute("dilation", fmt::format("{} taps at dilation {} span more than 2^62",
                                                       asked.kernel, asked.dilation));
      continue;
    }
    found.push_back(resolve(asked, filter.pad, i, filter.ceil_mode));
    if (found.back().output < 1) refuse_window(call, filter, found.back(), i);
  }
  return found;
}

std::vector<Window> windows(const Operation& operation, std::span<const TensorType> operands) {
  const Padding none{Padding::Rule::valid, {}};
  const Padding* pad = &none;
  bool ceil_mode = false;
  if (const auto* conv = std::get_if<Conv>(&operation)) pad = &conv->pad;
  if (const auto* pool = std::get_if<Pool>(&operation))
    pad = &pool->pad, ceil_mode = pool->ceil_mode;
  std::vector<Window> all = asked_windows(operation, operands);
  for (size_t i = 0; i < all.size(); ++i) all[i] = resolve(all[i], *pad, i, ceil_mode);
  return all;
}

std::vector<Window> transposed_windows(const Operation& operation,
                                       std::span<const TensorType> operands) {
  std::vector<Window> all = asked_windows(operation, operands);
  const auto* conv = std::get_if<ConvTranspose>(&operation);
  const auto* unpool = std::get_if<MaxUnpool>(&operation);
  for (size_t i = 0; i < all.size(); ++i) {
    if (conv) all[i] = resolve_transposed(all[i], conv->pad, i, conv->output_padding[i]);
    if (unpool) {
      all[i] = resolve_transposed(all[i], unpool->pad, i, 0);
      if (!unpool->output_size.empty()) all[i].output = unpool->output_size[i];
    }
  }
  return all;
}

std::vector<Window> windows(const Program& program, const Statement& statement) {
  return windows(statement.operation, operand_types(program, statement));
}

std::vector<Window> transposed_windows(const Program& program, const Statement& statement) {
  return transposed_windows(statement.operation, operand_types(program, statement));
}

int64_t output_channels(const Operation& operation, const TensorType& weight) {
  const auto* transposed = std::get_if<ConvTranspose>(&operation);
  return weight.size(Axis::o) * (transposed ? transposed->groups : 1);
}

} // namespace volute::ir
