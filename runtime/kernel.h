// A compiled kernel: the handle that people hold and call.
//
//     kernel.run({{"x", x}, {"w", w}}, {{"y", y}}).check();  // by name; packs w on each call
//     volute::Kernel bound = kernel.bind("w", w);            // owns w, packed once
//     volute::Status status = bound(x, y);                   // by position: the fast path
//
// A kernel is immutable and cheap to copy (copies share everything), and may be called from any
// number of threads. It works on tensors of exactly the types and strides it was compiled for:
// dense ones, unless CompileOptions::strides said otherwise. Every call checks number, element
// type, extents, strides, alignment (of one element) and overlap. After a failed call the outputs
// hold anything.
//
// An output shares no byte with an input or another output, with one exception: it may be the very
// same tensor (address, type, strides) as an input that the program reads only element by element
// on the way to it, `relu(x)` into x or `conv(...) + r` into r, where runs_in_place says so.
#pragma once

#include "compiler/image/image.h"
#include "runtime/status.h"
#include "runtime/tensor.h"
#include "runtime/threads.h"

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace volute::runtime {

struct KernelState; // kernel_state.h

template <class T>
concept TensorOrView = std::same_as<std::remove_cvref_t<T>, Tensor> ||
    std::same_as<std::remove_cvref_t<T>, TensorView> ||
    std::same_as<std::remove_cvref_t<T>, MutableTensorView>;

class Kernel {
public:
  struct Input {
    std::string_view name;
    TensorView view;
  };
  struct Output {
    std::string_view name;
    MutableTensorView view;
  };
  /// One argument of a call by position. Refers to the caller's view.
  struct Argument {
    Argument(const TensorView& view)
        : type(&view.type()), strides(&view.strides()), data(view.data()) {}
    Argument(const MutableTensorView& view)
        : type(&view.type()), strides(&view.strides()), data(view.data()), writable(view.data()) {}
    Argument(const Tensor& tensor) : type(&tensor.type()), data(tensor.data()) {}
    Argument(Tensor& tensor) : type(&tensor.type()), data(tensor.data()), writable(tensor.data()) {}

    const ir::TensorType* type;
    const TensorStrides* strides = nullptr; // null: dense
    const std::byte* data;
    std::byte* writable = nullptr; // where data is, when it may be written
  };

  /// Makes an image callable. Refused are an image for a machine that this one is not, and one
  /// whose tables do not hold together (a step outside its text, a buffer outside its workspace).
  static Expected<Kernel> load(const compiler::Image& image, Threads threads = {});

  // ---- calls ----

  /// By name, in any order; every input that is not bound, and every output.
  Status run(const std::vector<Input>& inputs, const std::vector<Output>& outputs) const noexcept;
  /// The same in the caller's workspace: workspace_bytes() of it, at a multiple of 64, overlapping
  /// nothing and used by one call at a time.
  Status run(const std::vector<Input>& inputs, const std::vector<Output>& outputs,
             std::span<std::byte> workspace) const noexcept;

  /// By position: the inputs that are not bound, then the outputs, in the program's order. Outputs
  /// are a Tensor or a MutableTensorView. Allocates nothing once the kernel has run before.
  template <TensorOrView... Views>
  Status operator()(Views&&... views) const noexcept {
    const std::array<Argument, sizeof...(Views)> arguments = {Argument(views)...};
    return call(arguments);
  }
  /// The same with the arguments in a list.
  Status call(std::span<const Argument> arguments) const noexcept;
  Status call(std::span<const Argument> arguments, std::span<std::byte> workspace) const noexcept;

  /// A kernel to which the input is a constant: its elements are copied, or packed, here and now,
  /// from a view of any strides. Throws Error when there is no such input or the view does not fit
  /// it.
  Kernel bind(std::string_view input, const TensorView& view) const;
  /// The same with the failure as a value.
  Expected<Kernel> try_bind(std::string_view input, const TensorView& view) const;

  /// The same kernel on other threads. What it computes stays the same, bit for bit.
  Kernel with_threads(Threads threads) const;

  // ---- what it is ----

  const std::string& name() const noexcept;
  /// The inputs still to be given, and the outputs, in the order of a call by position.
  std::vector<std::string> inputs() const;
  std::vector<std::string> outputs() const;
  /// Type of an input or output, bound or not, the largest where parameters say its size; null when
  /// there is none of the name.
  const ir::TensorType* type(std::string_view name) const noexcept;
  /// The strides that views of an input or output must have, in elements; empty: dense.
  TensorStrides strides(std::string_view name) const;
  /// Sizes and strides that each call's tensors give, within the ranges that are known here; none
  /// for a kernel of fixed shapes, which is what `compile` makes of a program.
  const std::vector<ir::Parameter>& parameters() const noexcept;
  /// Whether a call may be given one tensor as this input and as this output.
  bool runs_in_place(std::string_view input, std::string_view output) const noexcept;
  /// What one call needs, all threads together; depends on what is bound and on the threads.
  int64_t workspace_bytes() const noexcept;
  /// Bytes of code and constants that are mapped, shared by all copies.
  int64_t mapped_bytes() const noexcept;

private:
  friend class WeakKernel;
  explicit Kernel(std::shared_ptr<const KernelState> state) : state_(std::move(state)) {}

  std::shared_ptr<const KernelState> state_;
};

/// Finds a kernel again as long as somebody holds it, without holding it.
class WeakKernel {
public:
  WeakKernel() = default;
  explicit WeakKernel(const Kernel& kernel) : state_(kernel.state_) {}
  bool expired() const noexcept { return state_.expired(); }
  /// The kernel in a list of one, or nothing when its last holder is gone.
  std::optional<Kernel> lock() const;

private:
  std::weak_ptr<const KernelState> state_;
};

} // namespace volute::runtime

namespace volute {
using runtime::Kernel;
} // namespace volute
