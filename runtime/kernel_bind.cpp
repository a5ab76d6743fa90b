// Making an input part of a kernel: a copy of its elements, and its packed forms made once.
#include "runtime/kernel_state.h"

#include <fmt/format.h>

namespace volute::runtime {
namespace {

Failure no_memory(const KernelState& kernel, size_t input) {
  const compiler::Image& image = kernel.image();
  return fail(image.name, fmt::format("no memory to bind %{}", image.buffers[input].name));
}

} // namespace

Expected<std::vector<OwnedMemory>> own_input(const KernelState& kernel, size_t input,
                                             const TensorView& view) {
  const compiler::Image& image = kernel.image();
  std::vector<OwnedMemory> owned = kernel.owned;
  std::vector<std::byte*> table(image.buffers.size(), nullptr);

  // An image does not say whether its computing steps read the input itself too, so it is kept.
  AlignedMemory copy = AlignedMemory::allocate(image.buffers[input].bytes);
  if (!copy) return no_memory(kernel, input);
  // Element by element: what lies between those of the view is not ours to read.
  copy_elements(view.type(), view.data(), view.strides(), copy.data(),
                image.buffers[input].strides);
  table[input] = copy.data();
  owned[input] = std::make_shared<const AlignedMemory>(std::move(copy));

  // Packing may go by way of intermediate buffers, which live as long as the packing does.
  const AlignedMemory workspace = AlignedMemory::allocate(kernel.plan.bytes);
  const AlignedMemory scratch =
      AlignedMemory::allocate(kernel.scratch_bytes * kernel.threads.count());
  if (!workspace || !scratch) return no_memory(kernel, input);
  for (size_t i = 0; i < image.buffers.size(); ++i) {
    const compiler::ImageBuffer& buffer = image.buffers[i];
    if (buffer.role == compiler::ImageBuffer::Role::intermediate)
      table[i] = workspace.data() + kernel.plan.offsets[i];
    if (buffer.packed_from != static_cast<int32_t>(input) ||
        buffer.role != compiler::ImageBuffer::Role::packed)
      continue;
    AlignedMemory packed = AlignedMemory::allocate(buffer.bytes);
    if (!packed) return no_memory(kernel, input);
    table[i] = packed.data();
    owned[i] = std::make_shared<const AlignedMemory>(std::move(packed));
  }

  const compiler::StepArguments arguments{table.data(), nullptr};
  for (const size_t index : kernel.steps) {
    const compiler::ImageStep& step = image.steps[index];
    const bool packs_input = step.packs >= 0 && owned[static_cast<size_t>(step.packs)] &&
                             !kernel.owned[static_cast<size_t>(step.packs)];
    if (!packs_input) continue;
    const Status status = run_step(image, step, kernel.loaded->entries[index], arguments,
                                   kernel.threads, scratch.data(), kernel.scratch_bytes);
    if (!status) return status.failure();
  }
  return owned;
}

} // namespace volute::runtime
