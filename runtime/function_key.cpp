#include "runtime/function_key.h"

#include <bit>

namespace volute::runtime {

void FunctionKey::add_beyond(int64_t number) {
  if (more_.empty()) more_.assign(few_.begin(), few_.end());
  more_.push_back(number);
}

void FunctionKey::add(double number) { add(std::bit_cast<int64_t>(number)); }

void FunctionKey::add(const TensorRef& tensor) {
  require_readable(tensor);
  add(static_cast<int64_t>(tensor.element));
  add(int64_t{tensor.rank});
  for (int32_t i = 0; i < tensor.rank; ++i) {
    add(static_cast<int64_t>(tensor.extents[i].axis));
    add(tensor.extents[i].size);
  }
  add(int64_t{tensor.strides != nullptr});
  for (int32_t i = 0; tensor.strides && i < tensor.rank; ++i) add(tensor.strides[i]);
}

void FunctionKey::add(const ir::TensorType& type) {
  add(TensorRef{nullptr, type.extents.data(), nullptr, static_cast<int32_t>(type.extents.size()),
                type.element, false});
}

void FunctionKey::add(const std::vector<int64_t>& numbers) {
  add(static_cast<int64_t>(numbers.size()));
  for (const int64_t number : numbers) add(number);
}

void FunctionKey::add(const ir::AxisNumbers& numbers) {
  const auto& [values, is_one_for_all] = numbers;
  add(values);
  add(int64_t{is_one_for_all});
}

void FunctionKey::add(const ir::AxisPadding& padding) {
  const auto& [sides, is_one_for_all] = padding;
  add(static_cast<int64_t>(sides.rule));
  add(static_cast<int64_t>(sides.sides.size()));
  for (const auto& [begin, end] : sides.sides) add(begin), add(end);
  add(int64_t{is_one_for_all});
}

// Every field of the options by a name of its own, so that one added there is missed here by the
// compiler and not by a user.

void FunctionKey::add(const ir::ConvOptions& options) {
  const auto& [stride, padding, dilation, groups, mode, x_zero_point, w_zero_point, type] = options;
  add(stride), add(padding), add(dilation), add(groups), add(static_cast<int64_t>(mode));
  add(x_zero_point), add(w_zero_point), add(type);
}

void FunctionKey::add(const ir::ConvTransposeOptions& options) {
  const auto& [stride, padding, output_padding, groups, dilation, x_zero_point, w_zero_point,
               type] = options;
  add(stride), add(padding), add(output_padding), add(groups), add(dilation);
  add(x_zero_point), add(w_zero_point), add(type);
}

void FunctionKey::add(const ir::MaxPoolOptions& options) {
  const auto& [stride, padding, dilation, ceil_mode, type] = options;
  add(stride), add(padding), add(dilation), add(int64_t{ceil_mode}), add(type);
}

void FunctionKey::add(const ir::AvgPoolOptions& options) {
  const auto& [stride, padding, ceil_mode, count_include_pad, divisor, dilation, type] = options;
  add(stride), add(padding), add(int64_t{ceil_mode}), add(int64_t{count_include_pad});
  add(divisor), add(dilation), add(type);
}

void FunctionKey::add(const ir::LpPoolOptions& options) {
  const auto& [stride, ceil_mode, padding, dilation, type] = options;
  add(stride), add(int64_t{ceil_mode}), add(padding), add(dilation), add(type);
}

void FunctionKey::add(const ir::MaxUnpoolOptions& options) {
  const auto& [stride, padding, output_size, type] = options;
  add(stride), add(padding), add(output_size), add(type);
}

} // namespace volute::runtime
