// What a function is called with, as plain numbers: how volute::conv2d finds its kernel without
// making a program or a line of text.
//
// Two calls have one key exactly when they are the same function with the same options on operands
// of the same types and strides. A key is hashed as it lies and compared whole.
#pragma once

#include "ir/builder.h"
#include "runtime/tensor_ref.h"

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace volute::runtime {

class FunctionKey {
public:
  FunctionKey() = default;
  FunctionKey(const FunctionKey&) = delete; // it lies on the stack of one call
  FunctionKey& operator=(const FunctionKey&) = delete;

  void add(int64_t number) {
    if (size_ < few_.size())
      few_[size_] = number;
    else
      add_beyond(number);
    ++size_;
  }
  void add(double number);
  /// Element type, extents and strides; not where it lies.
  void add(const TensorRef& tensor);
  void add(const ir::TensorType& type);
  void add(const ir::AxisNumbers& numbers);
  void add(const ir::AxisPadding& padding);
  void add(const ir::ConvOptions& options);
  void add(const ir::ConvTransposeOptions& options);
  void add(const ir::MaxPoolOptions& options);
  void add(const ir::AvgPoolOptions& options);
  void add(const ir::LpPoolOptions& options);
  void add(const ir::MaxUnpoolOptions& options);
  void add(const std::vector<int64_t>& numbers);
  template <class T>
  void add(const std::optional<T>& value) {
    add(int64_t{value.has_value()});
    if (value) add(*value);
  }

  std::span<const int64_t> numbers() const noexcept {
    if (size_ <= few_.size()) return {few_.data(), size_};
    return more_;
  }

private:
  void add_beyond(int64_t number);

  size_t size_ = 0;
  std::array<int64_t, 128> few_; // the first `size_` are set
  std::vector<int64_t> more_;    // all of them, once they are more than that
};

} // namespace volute::runtime
