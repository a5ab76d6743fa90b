#include "runtime/kernel.h"

#include "compiler/target/target.h"
#include "runtime/kernel_state.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace volute::runtime {
namespace {

using compiler::Image;
using Role = compiler::ImageBuffer::Role;

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "%" : ", %") + name;
  return text.empty() ? "none" : text;
}

// One role's named views put into the places of a call by position.
template <class Named>
std::optional<Diagnostic> place(const Kernel& kernel, const KernelState& state, Role role,
                                const std::vector<Named>& named,
                                std::vector<std::optional<Kernel::Argument>>& places) {
  const Image& image = state.image();
  const char* word = role == Role::input ? "input" : "output";
  for (const Named& given : named) {
    const std::optional<size_t> index = find_given(image, given.name);
    if (!index || image.buffers[*index].role != role)
      return Diagnostic{
          {},
          image.name,
          fmt::format("there is no {} %{}", word, given.name),
          fmt::format("the {}s are {}", word,
                      listed(role == Role::input ? kernel.inputs() : kernel.outputs()))};
    if (state.owned[*index])
      return Diagnostic{{}, image.name, fmt::format("%{} is bound already", given.name), ""};
    size_t at = 0;
    while (state.open[at] != *index) ++at;
    if (places[at])
      return Diagnostic{{}, image.name, fmt::format("%{} is given twice", given.name), ""};
    places[at] = Kernel::Argument(given.view);
  }
  return std::nullopt;
}

Status run_named(const Kernel& kernel, const KernelState& state,
                 const std::vector<Kernel::Input>& inputs,
                 const std::vector<Kernel::Output>& outputs,
                 const std::span<std::byte>* workspace) noexcept {
  try {
    std::vector<std::optional<Kernel::Argument>> places(state.open.size());
    std::optional<Diagnostic> fault = place(kernel, state, Role::input, inputs, places);
    if (!fault) fault = place(kernel, state, Role::output, outputs, places);
    if (fault) return Status(StatusCode::invalid_argument, *fault);
    std::vector<Kernel::Argument> arguments;
    for (size_t i = 0; i < places.size(); ++i) {
      if (!places[i])
        return Status(
            StatusCode::invalid_argument,
            {{},
             state.image().name,
             fmt::format("the {} %{} is not given", i < state.open_inputs ? "input" : "output",
                         state.image().buffers[state.open[i]].name),
             ""});
      arguments.push_back(*places[i]);
    }
    return state.call(arguments, workspace);
  } catch (...) { // naming the arguments took memory that there was not
    return Status(StatusCode::out_of_memory);
  }
}

// Code for instructions that the host lacks would end the process at the first of them.
std::optional<Failure> check_runs_here(const Image& image) {
  if (image.target.empty()) return std::nullopt; // asks for nothing beyond the architecture
  const Expected<compiler::Target> target = compiler::parse_target(image.target);
  if (!target) return target.failure();
  const std::vector<std::string> missing = compiler::missing_features(*target, compiler::host());
  if (missing.empty()) return std::nullopt;
  return fail(image.name, fmt::format("the code is for {}, and this machine lacks {}",
                                      compiler::short_text(*target), fmt::join(missing, ", ")));
}

} // namespace

std::optional<size_t> find_given(const Image& image, std::string_view name) {
  for (size_t i = 0; i < image.buffers.size(); ++i) {
    const Role role = image.buffers[i].role;
    if ((role == Role::input || role == Role::output) && image.buffers[i].name == name) return i;
  }
  return std::nullopt;
}

Expected<Kernel> Kernel::load(const Image& image, Threads threads) {
  if (auto fault = check_image(image)) return *fault;
  if (auto fault = check_runs_here(image)) return *fault;
  auto memory = ExecutableMemory::map(image.bytes, image.text_bytes, image.name);
  if (!memory) return memory.failure();
  auto loaded = std::make_shared<LoadedImage>();
  loaded->memory = *memory;
  loaded->image.name = image.name;
  loaded->image.target = image.target;
  loaded->image.text_bytes = image.text_bytes;
  loaded->image.buffers = image.buffers;
  loaded->image.steps = image.steps;
  loaded->image.parameters = image.parameters;
  loaded->image.thread_scratch_bytes = image.thread_scratch_bytes;
  for (const compiler::ImageStep& step : image.steps)
    loaded->entries.push_back(reinterpret_cast<compiler::StepEntry>(
        reinterpret_cast<uintptr_t>(loaded->memory->data() + step.entry)));
  std::vector<OwnedMemory> owned(image.buffers.size());
  return Kernel(
      std::make_shared<const KernelState>(std::move(loaded), std::move(owned), std::move(threads)));
}

Status Kernel::run(const std::vector<Input>& inputs,
                   const std::vector<Output>& outputs) const noexcept {
  return run_named(*this, *state_, inputs, outputs, nullptr);
}

Status Kernel::run(const std::vector<Input>& inputs, const std::vector<Output>& outputs,
                   std::span<std::byte> workspace) const noexcept {
  return run_named(*this, *state_, inputs, outputs, &workspace);
}

Status Kernel::call(std::span<const Argument> arguments) const noexcept {
  return state_->call(arguments, nullptr);
}

Status Kernel::call(std::span<const Argument> arguments,
                    std::span<std::byte> workspace) const noexcept {
  return state_->call(arguments, &workspace);
}

Expected<Kernel> Kernel::try_bind(std::string_view input, const TensorView& view) const {
  const Image& image = state_->image();
  const std::optional<size_t> index = find_given(image, input);
  if (!index || image.buffers[*index].role != Role::input)
    return fail(name(), fmt::format("there is no input %{}", input),
                "the inputs are " + listed(inputs()));
  if (state_->owned[*index]) return fail(name(), fmt::format("%{} is bound already", input));
  if (!image.buffers[*index].dims.empty())
    return fail(name(),
                fmt::format("%{} has another size in each call, and cannot be bound", input));
  if (Status status = check_tensor(image, image.buffers[*index], view); !status)
    return status.failure();
  if (auto fault = compiler::fault_in_strides(view.type(), view.strides()))
    return fail(name(), fmt::format("%{} {}", input, *fault));
  Expected<std::vector<OwnedMemory>> owned = own_input(*state_, *index, view);
  if (!owned) return owned.failure();
  return Kernel(
      std::make_shared<const KernelState>(state_->loaded, std::move(*owned), state_->threads));
}

Kernel Kernel::bind(std::string_view input, const TensorView& view) const {
  return std::move(try_bind(input, view)).value();
}

Kernel Kernel::with_threads(Threads threads) const {
  return Kernel(
      std::make_shared<const KernelState>(state_->loaded, state_->owned, std::move(threads)));
}

const std::string& Kernel::name() const noexcept { return state_->image().name; }

std::vector<std::string> Kernel::inputs() const {
  std::vector<std::string> names;
  for (size_t i = 0; i < state_->open_inputs; ++i)
    names.push_back(state_->image().buffers[state_->open[i]].name);
  return names;
}

std::vector<std::string> Kernel::outputs() const {
  std::vector<std::string> names;
  for (size_t i = state_->open_inputs; i < state_->open.size(); ++i)
    names.push_back(state_->image().buffers[state_->open[i]].name);
  return names;
}

const ir::TensorType* Kernel::type(std::string_view name) const noexcept {
  const std::optional<size_t> index = find_given(state_->image(), name);
  return index ? &*state_->image().buffers[*index].type : nullptr;
}

TensorStrides Kernel::strides(std::string_view name) const {
  const std::optional<size_t> index = find_given(state_->image(), name);
  return index ? state_->image().buffers[*index].strides : TensorStrides{};
}

bool Kernel::runs_in_place(std::string_view input, std::string_view output) const noexcept {
  const std::vector<compiler::ImageBuffer>& buffers = state_->image().buffers;
  return std::any_of(buffers.begin(), buffers.end(), [&](const compiler::ImageBuffer& buffer) {
    return buffer.role == Role::output && buffer.name == output &&
           std::any_of(buffer.may_alias.begin(), buffer.may_alias.end(), [&](int32_t alias) {
             return buffers[static_cast<size_t>(alias)].name == input;
           });
  });
}

const std::vector<ir::Parameter>& Kernel::parameters() const noexcept {
  return state_->image().parameters;
}

int64_t Kernel::workspace_bytes() const noexcept { return state_->workspace_bytes; }
int64_t Kernel::mapped_bytes() const noexcept {
  return static_cast<int64_t>(state_->loaded->memory->size());
}

std::optional<Kernel> WeakKernel::lock() const {
  if (auto state = state_.lock()) return Kernel(std::move(state));
  return std::nullopt;
}

} // namespace volute::runtime
