// A compiled kernel: the handle that people hold and call.
//
//     kernel.run({{"x", x}, {"w", w}}, {{"y", y}}).check();  // by name; packs w on each call
//     volute::Kernel bound = kernel.bind("w", w);            // has w, packed once
//     volute::Status status = bound(x, y);                   // by position: the fast path
//
// A kernel is immutable and cheap to copy (copies share everything), and may be called from any
// number of threads. It works on tensors of exactly the types and strides it was compiled for:
// dense ones, unless CompileOptions::strides said otherwise. Every call checks number, element
// type, extents, strides, alignment (of one element) and overlap. After a failed call the outputs
// hold anything. A call takes tensors as plain data (TensorRef), which views and tensors become by
// themselves; it refers to them and keeps nothing.
//
// An output shares no byte with an input or another output, with one exception: it may be the very
// same tensor (address, type, strides) as an input that the program reads only element by element
// on the way to it, `relu(x)` into x or `conv(...) + r` into r, where runs_in_place says so.
#pragma once

#include "compiler/image/image.h"
#include "runtime/status.h"
#include "runtime/tensor.h"
#include "runtime/tensor_ref.h"
#include "runtime/threads.h"

#include <array>
#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace volute::compiler {
struct PlainProgram; // compiler/plain_program.h
} // namespace volute::compiler

namespace volute::runtime {

struct KernelState; // kernel_state.h
struct LoadedImage;

/// An input that holds denormal numbers.
struct Denormals {
  /// Its name, how many of its elements are denormal, and how many it has.
  std::string input;
  int64_t count = 0, elements = 0;
};

/// A value of the program, by its name there, as a call has computed it on the way to its outputs.
struct KeptValue {
  std::string name; // without the %
  Tensor value;     // dense
};

/// What a call by position takes.
template <class T>
concept TensorOrView = std::same_as<std::remove_cvref_t<T>, TensorRef> ||
    std::same_as<std::remove_cvref_t<T>, Tensor> ||
    std::same_as<std::remove_cvref_t<T>, TensorView> ||
    std::same_as<std::remove_cvref_t<T>, MutableTensorView>;

/// A program made callable: native code for its shapes.
class Kernel {
public:
  // Copied and never moved from: every object is a kernel that can be called.
  Kernel(const Kernel&) = default;
  Kernel& operator=(const Kernel&) = default;

  /// An input or an output of a call by name.
  struct Named {
    std::string_view name; // without the %
    TensorRef tensor;      // its memory
  };
  /// Several: in braces, or in anything that lies in one piece of memory. Refers to the list.
  class NamedList {
  public:
    /// Refers to the list, which is to outlive it.
    NamedList(std::initializer_list<Named> list) : items_(list.begin(), list.size()) {}
    NamedList(std::span<const Named> list) : items_(list) {}
    NamedList(const std::vector<Named>& list) : items_(list) {}
    /// All of them, in order.
    std::span<const Named> items() const noexcept { return items_; }

  private:
    std::span<const Named> items_;
  };

  /// Makes an image callable. Refused are an image for a machine that this one is not, and one
  /// whose tables do not hold together (a step outside its text, a buffer outside its workspace).
  /// With `flush_denormals` everything that it computes takes denormal numbers for 0.
  static Expected<Kernel> load(const compiler::Image& image, Threads threads = {},
                               bool flush_denormals = false);

  // ---- calls ----

  /// By name, in any order; every input that is not bound, and every output. Allocates nothing
  /// once the kernel has run before, unless it has more than 32 tensors.
  Status run(NamedList inputs, NamedList outputs) const noexcept;
  /// The same in the caller's workspace: workspace_bytes() of it, at a multiple of 64, overlapping
  /// nothing and used by one call at a time.
  Status run(NamedList inputs, NamedList outputs, std::span<std::byte> workspace) const noexcept;

  /// By position: the inputs that are not bound, then the outputs, in the program's order. Outputs
  /// are a Tensor, a MutableTensorView or a writable TensorRef. Allocates nothing once the kernel
  /// has run before.
  template <TensorOrView... Views>
  Status operator()(Views&&... views) const noexcept {
    const std::array<TensorRef, sizeof...(Views)> arguments = {static_cast<TensorRef>(views)...};
    return call(arguments);
  }
  /// The same with the arguments in a list.
  Status call(std::span<const TensorRef> arguments) const noexcept;
  Status call(std::span<const TensorRef> arguments, std::span<std::byte> workspace) const noexcept;
  /// The same, and keeps a copy of each value that lies whole in memory between two steps, in the
  /// order in which they are made: the very steps of a call, looked at on the way. Values that are
  /// computed inside a step have no such place, and those of what is bound have been made before.
  Status call_keeping(std::span<const TensorRef> arguments,
                      std::vector<KeptValue>& kept) const noexcept;

  /// A kernel to which the input is a constant, from a view of any strides. All that follows from
  /// what is bound, and from constants, is computed here and now, on this kernel's threads: packed
  /// weights, weights that the program computes, factors of a batch_norm. The kernel keeps what its
  /// calls still read, and nothing else: of a packed weight, the packed form. In whatever order
  /// inputs are bound, the result is the same, and so are the bits of its calls. Throws Error when
  /// there is no such input, the view does not fit it, or a step fails (an index in the data is
  /// outside its range).
  Kernel bind(std::string_view input, const TensorView& view) const;
  /// The same with the failure as a value.
  Expected<Kernel> try_bind(std::string_view input, const TensorView& view) const;

  /// The same kernel on other threads. What it computes stays the same, bit for bit.
  Kernel with_threads(Threads threads) const;

  // ---- what it is ----

  /// Its program's name.
  const std::string& name() const noexcept;
  /// The inputs still to be given, and the outputs, in the order of a call by position.
  std::vector<std::string> inputs() const;
  std::vector<std::string> outputs() const;
  /// Type of the tensor at a position of a call. Throws Error when there are fewer.
  const ir::TensorType& type_at(size_t position) const;
  // The three below throw Error with the names there are when there is none of the name.
  /// Type of an input or output, bound or not, the largest where parameters say its size.
  const ir::TensorType& type(std::string_view name) const;
  /// The strides that views of an input or output must have, in elements; empty: dense.
  const TensorStrides& strides(std::string_view name) const;
  /// Sizes and strides that each call's tensors give, within the ranges that are known here; none
  /// for a kernel of fixed shapes, which is what `compile` makes of a program.
  const std::vector<ir::Parameter>& parameters() const noexcept;
  /// Whether a call may be given one tensor as this input and as this output.
  bool runs_in_place(std::string_view input, std::string_view output) const;
  /// The steps that a call runs, in order; those that follow from what is bound have run.
  std::vector<std::string> steps() const;
  /// The values of the program that `call_keeping` keeps.
  std::vector<std::string> values_on_the_way() const;
  /// Whether denormal numbers are taken for 0 by whatever thread works on it; otherwise that is as
  /// the calling thread has it.
  bool flushes_denormals() const noexcept;
  /// What is bound and holds denormal numbers, which many CPUs take a hundred times as long for.
  const std::vector<Denormals>& denormals() const noexcept;
  /// What one call needs, all threads together; depends on what is bound and on the threads.
  int64_t workspace_bytes() const noexcept;
  /// Bytes of what is bound and what was computed of it, as far as calls read it.
  int64_t owned_bytes() const noexcept;
  /// Bytes of code and constants that are mapped, shared by all copies.
  int64_t mapped_bytes() const noexcept;
  /// All that it takes in memory: the two above, a workspace for each call that there was at one
  /// time (one at least), and the tables that describe it.
  int64_t held_bytes() const noexcept;

private:
  friend class WeakKernel;
  friend class FunctionTable;
  friend class ProgramTable;
  friend class MemoryCache;
  friend class Session;
  explicit Kernel(std::shared_ptr<const KernelState> state) : state_(std::move(state)) {}
  /// One that runs nests as they are: there at once, and slower than code by an order of magnitude.
  static Expected<Kernel> without_code(const compiler::PlainProgram& program, Threads threads,
                                       bool flush_denormals);
  static Expected<Kernel> start(std::shared_ptr<const LoadedImage> loaded, Threads threads,
                                bool flush_denormals);
  /// Somebody has found it otherwise than by its key; the cache asks once before it lets go.
  void mark_used() const noexcept;
  bool take_used() const noexcept;
  /// held_bytes() without the workspaces, and those counted in a total as long as it is given.
  int64_t fixed_bytes() const noexcept;
  void count_workspaces_in(std::shared_ptr<std::atomic<int64_t>> total) const noexcept;

  std::shared_ptr<const KernelState> state_;
};

/// Finds a kernel again as long as somebody holds it, without holding it.
class WeakKernel {
public:
  /// Of no kernel.
  WeakKernel() = default;
  /// Of this one.
  explicit WeakKernel(const Kernel& kernel) : state_(kernel.state_) {}
  /// Whether its last holder is gone.
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
