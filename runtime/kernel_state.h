// What a Kernel holds: everything decided before the call, so that a call only checks and jumps.
// Not installed: kernel.cpp and its neighbours share it.
#pragma once

#include "compiler/image/image.h"
#include "compiler/image/preparation.h"
#include "compiler/image/workspace.h"
#include "runtime/aligned_memory.h"
#include "runtime/executable_memory.h"
#include "runtime/kernel.h"
#include "runtime/nest_runner.h"
#include "runtime/threads.h"
#include "runtime/workspace.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace volute::runtime {

/// What runs a step: the code of an image, or a nest that is run without.
struct StepRunner {
  compiler::StepEntry entry = nullptr;
  const NestRunner* nest = nullptr;

  int32_t operator()(const compiler::StepArguments& arguments, std::byte* scratch, int64_t begin,
                     int64_t end) const noexcept {
    return nest ? nest->run(arguments, scratch, begin, end)
                : entry(&arguments, scratch, begin, end);
  }
};

/// An image that is mapped; shared by a kernel, its bound descendants, and every copy.
struct LoadedImage {
  compiler::Image image; // without its bytes: they are in `memory`
  std::shared_ptr<const ExecutableMemory> memory;
  std::vector<NestRunner> nests;    // of an image without code, one a step
  std::vector<StepRunner> steps;    // one a step
  std::shared_ptr<const void> told; // ends what a debugger knows, before the memory goes
};

/// Whether an image's tables hold together, its code left out; the reason why not.
std::optional<Failure> check_image(const compiler::Image& image);
/// The same of where its steps are in its code.
std::optional<Failure> check_entries(const compiler::Image& image);

/// Memory of a kernel's own: an input as it was bound, or what was computed of such.
using OwnedMemory = std::shared_ptr<const AlignedMemory>;

/// What a kernel knows before it is called.
struct Known {
  std::vector<bool> bound;           // by buffer: the inputs that are part of the kernel
  compiler::Preparation preparation; // follows from what is bound
  std::vector<OwnedMemory> owned;    // by buffer: not null where preparation.kept
  std::vector<Denormals> denormals;  // of bound inputs
};

/// What binding has found out, and the memory that it needed on the way: the first workspace, if it
/// is of a size that calls can do with.
struct Learned {
  Known known;
  AlignedMemory workspace;
};

struct KernelState {
  KernelState(std::shared_ptr<const LoadedImage> loaded, Known known, Threads threads,
              bool flush_denormals, AlignedMemory workspace = {});

  const compiler::Image& image() const { return loaded->image; }
  /// Checks a call's tensors and runs the steps. `arguments` are in the order of `open`; without a
  /// workspace of the caller's (null), one of the kernel's own is used. `kept` is given a copy of
  /// each value on the way.
  Status call(std::span<const TensorRef> arguments, const std::span<std::byte>* workspace,
              std::vector<KeptValue>* kept = nullptr) const noexcept;

  const std::shared_ptr<const LoadedImage> loaded;
  const Known known;
  const Threads threads;
  const bool flush_denormals;
  mutable std::atomic<bool> used{false}; // Kernel::mark_used

  // Derived from the above.
  std::vector<size_t> open; // buffers that a call gives: inputs that are not bound, then outputs
  size_t open_inputs = 0;   // how many of them are inputs

  // A workspace: [intermediate buffers | scratch of thread 0 | of thread 1 | ... | pointer table].
  // The table is here only when it does not fit the stack. What is known has memory of its own, and
  // no place in the plan.
  compiler::WorkspacePlan plan;
  int64_t buffer_bytes = 0;
  int64_t scratch_bytes = 0; // of one thread, rounded up so that no two share a cache line
  int64_t table_offset = 0;
  int64_t workspace_bytes = 0;
  int64_t table_bytes = 0; // what describes the kernel: names, types, steps, this
  mutable std::unique_ptr<WorkspacePool> workspaces; // locks for itself
};

/// Whether a tensor has the type of the input or output that it is given for, and an address; its
/// strides may be any that are valid.
Status check_tensor(const compiler::Image& image, const compiler::ImageBuffer& buffer,
                    const TensorRef& argument) noexcept;
/// The same for a call, where the strides must be those that were compiled for.
Status check_argument(const compiler::Image& image, const compiler::ImageBuffer& buffer,
                      const TensorRef& argument) noexcept;

/// The input or output of the name.
std::optional<size_t> find_given(const compiler::Image& image, std::string_view name);

/// Runs one step over its whole range, split among the threads; the scratch of piece p begins at
/// scratch + p * scratch_bytes. Of several failures the one earliest in the range counts, so that
/// the status does not depend on the threads either.
Status run_step(const compiler::Image& image, const compiler::ImageStep& step,
                const StepRunner& runner, const compiler::StepArguments& arguments,
                const Threads& threads, std::byte* scratch, int64_t scratch_bytes) noexcept;

/// Two cache lines: the prefetcher of neighbouring lines does not reach across.
constexpr int64_t thread_scratch_unit = 128;
/// Scratch of one thread, rounded up so that no two share a cache line.
int64_t thread_scratch_bytes(const compiler::Image& image);

/// What follows from constants alone; runs the steps that compute it.
Expected<Learned> learned_at_load(const LoadedImage& loaded, const Threads& threads,
                                  bool flush_denormals);
/// What a kernel knows once the input is bound too.
Expected<Learned> learned_by_binding(const KernelState& kernel, size_t input,
                                     const TensorView& view);

} // namespace volute::runtime
