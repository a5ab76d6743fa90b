// What a kernel knows before it is called: bound inputs, and the results of the steps that follow
// from them and from constants alone. Those run here, once; what no step of a call reads is not
// kept, so a weight that is packed is in memory packed and not twice.
#include "runtime/float_control.h"
#include "runtime/kernel_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace volute::runtime {
namespace {

using compiler::Image;
using compiler::ImageStep;
using compiler::Preparation;

struct NewInput {
  size_t buffer;
  const TensorView& view;
};

class Preparer {
public:
  /// `before` is what is known already, `after` what follows from the input too (null at load).
  Preparer(const LoadedImage& loaded, const Threads& threads, const Known& before,
           const Preparation& after, const NewInput* input)
      : loaded_(loaded), image_(loaded.image), threads_(threads), before_(before), after_(after),
        input_(input), memory_(image_.buffers.size()), table_(image_.buffers.size()) {
    const std::vector<size_t>& done = before.preparation.once;
    std::set_difference(after.once.begin(), after.once.end(), done.begin(), done.end(),
                        std::back_inserter(steps_));
  }

  Expected<std::vector<OwnedMemory>> run() {
    for (size_t i = 0; i < before_.owned.size(); ++i)
      if (before_.owned[i]) table_[i] = before_.owned[i]->data();
    find_lifetimes();
    if (input_ && !take_input()) return no_memory();
    if (!steps_.empty() && !place_passing()) return no_memory();
    for (size_t i = 0; i < steps_.size(); ++i)
      if (auto failure = run_step_number(i)) return *failure;
    return keep();
  }

  /// The memory of what was needed on the way alone, laid out as a workspace is: calls may go on
  /// with it, whose first pages are there.
  AlignedMemory take_workspace() { return std::move(workspace_); }

private:
  Failure no_memory() const {
    return fail(image_.name,
                input_ ? fmt::format("no memory to bind %{}", image_.buffers[input_->buffer].name)
                       : "no memory for what it computes once");
  }

  template <class Visit>
  void for_each_touched(const ImageStep& step, Visit visit) const {
    for (const auto* buffers : {&step.reads, &step.writes})
      for (const int32_t buffer : *buffers) visit(static_cast<size_t>(buffer));
  }

  void find_lifetimes() {
    lifetimes_.resize(image_.buffers.size());
    for (size_t i = 0; i < steps_.size(); ++i)
      for_each_touched(image_.steps[steps_[i]], [&](size_t buffer) {
        compiler::Lifetime& lifetime = lifetimes_[buffer];
        if (lifetime.last_step < 0) lifetime.first_step = static_cast<int32_t>(i);
        lifetime.last_step = static_cast<int32_t>(i);
      });
  }

  bool allocate(size_t buffer) {
    memory_[buffer] = AlignedMemory::allocate_unset(image_.buffers[buffer].bytes);
    table_[buffer] = memory_[buffer].data();
    return static_cast<bool>(memory_[buffer]);
  }

  /// Results that are kept get memory of their own; those that pass share a workspace.
  bool place_passing() {
    std::vector<compiler::Resident> passing(image_.buffers.size());
    for (const size_t step : steps_)
      for (const int32_t written : image_.steps[step].writes) {
        const auto buffer = static_cast<size_t>(written);
        if (!after_.kept[buffer])
          passing[buffer] = {image_.buffers[buffer].bytes, lifetimes_[buffer]};
        else if (!memory_[buffer] && !allocate(buffer))
          return false;
      }
    const compiler::WorkspacePlan plan = compiler::plan_workspace(passing);
    scratch_at_ =
        (plan.bytes + thread_scratch_unit - 1) / thread_scratch_unit * thread_scratch_unit;
    workspace_ = AlignedMemory::allocate_unset(scratch_at_ +
                                               thread_scratch_bytes(image_) * threads_.count());
    if (!workspace_) return false;
    for (size_t i = 0; i < passing.size(); ++i)
      if (passing[i].lifetime.last_step >= 0) table_[i] = workspace_.data() + plan.offsets[i];
    return true;
  }

  /// An input that only the steps now to be run read is read where the caller has it.
  bool take_input() {
    const auto& [buffer, view] = *input_;
    const compiler::ImageBuffer& as_compiled = image_.buffers[buffer];
    if (!after_.kept[buffer]) {
      if (lifetimes_[buffer].last_step < 0) return true; // nobody reads it
      if (compiler::same_strides(view.type(), view.strides(), as_compiled.strides)) {
        table_[buffer] = const_cast<std::byte*>(view.data());
        return true;
      }
    }
    if (!allocate(buffer)) return false;
    // Element by element: what lies between those of the view is not ours to read.
    copy_elements(view.type(), view.data(), view.strides(), table_[buffer], as_compiled.strides);
    return true;
  }

  std::optional<Failure> run_step_number(size_t i) {
    const ImageStep& step = image_.steps[steps_[i]];
    const compiler::StepArguments arguments{table_.data(), nullptr};
    const Status status = run_step(image_, step, loaded_.steps[steps_[i]], arguments, threads_,
                                   workspace_.data() + scratch_at_, thread_scratch_bytes(image_));
    if (!status) return status.failure();
    return std::nullopt;
  }

  std::vector<OwnedMemory> keep() {
    std::vector<OwnedMemory> owned(image_.buffers.size());
    for (size_t i = 0; i < owned.size(); ++i) {
      if (!after_.kept[i]) continue;
      owned[i] = memory_[i] ? std::make_shared<const AlignedMemory>(std::move(memory_[i]))
                            : before_.owned[i];
    }
    return owned;
  }

  const LoadedImage& loaded_;
  const Image& image_;
  const Threads& threads_;
  const Known& before_;
  const Preparation& after_;
  const NewInput* input_;
  std::vector<size_t> steps_;                 // to be run, of the image's
  std::vector<compiler::Lifetime> lifetimes_; // by buffer, in numbers of steps_
  std::vector<AlignedMemory> memory_;         // by buffer: what is made here
  std::vector<std::byte*> table_;             // by buffer: where it is
  AlignedMemory workspace_;                   // [results that pass | scratch of the threads]
  int64_t scratch_at_ = 0;
};

Expected<Learned> learn(const LoadedImage& loaded, const Threads& threads, const Known& before,
                        const NewInput* input) {
  Learned learned;
  Known& after = learned.known;
  after.bound = before.bound;
  if (input) after.bound[input->buffer] = true;
  after.preparation = compiler::prepare(loaded.image, after.bound);
  Preparer preparer(loaded, threads, before, after.preparation, input);
  Expected<std::vector<OwnedMemory>> owned = preparer.run();
  if (!owned) return owned.failure();
  after.owned = std::move(*owned);
  learned.workspace = preparer.take_workspace();
  return learned;
}

} // namespace

Expected<Learned> learned_at_load(const LoadedImage& loaded, const Threads& threads,
                                  bool flush_denormals) {
  const FlushDenormals on_this_thread(flush_denormals);
  Known nothing;
  nothing.bound.resize(loaded.image.buffers.size());
  nothing.owned.resize(loaded.image.buffers.size());
  return learn(loaded, threads, nothing, nullptr);
}

Expected<Learned> learned_by_binding(const KernelState& kernel, size_t input,
                                     const TensorView& view) {
  const NewInput added{input, view};
  Expected<Learned> learned = [&] {
    const FlushDenormals on_this_thread(kernel.flush_denormals);
    return learn(*kernel.loaded, kernel.threads, kernel.known, &added);
  }();
  if (!learned) return learned;
  learned->known.denormals = kernel.known.denormals;
  if (const int64_t count = count_denormals(view); count > 0)
    learned->known.denormals.push_back(
        {kernel.image().buffers[input].name, count, view.type().elements()});
  if (!learned->workspace) learned->workspace = kernel.workspaces->hand_on();
  return learned;
}

} // namespace volute::runtime
