#include "runtime/kernel.h"

#include "compiler/plain_program.h"
#include "compiler/target/target.h"
#include "ir/operators.h"
#include "runtime/kernel_state.h"
#include "runtime/tell_tools.h"
#include "runtime/tile_permission.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace volute::runtime {
namespace {

using compiler::Image;
using Role = compiler::ImageBuffer::Role;

// The names of the given roles, the one most like `wanted` in front; bound inputs only on request.
std::string names_for(std::string_view wanted, const KernelState& state,
                      std::initializer_list<Role> roles, bool with_bound) {
  std::vector<std::string_view> names;
  const std::vector<compiler::ImageBuffer>& buffers = state.image().buffers;
  for (const Role role : roles)
    for (size_t i = 0; i < buffers.size(); ++i)
      if (buffers[i].role == role && (with_bound || !state.known.bound[i]))
        names.push_back(buffers[i].name);
  if (const auto nearest = ir::nearest_word(wanted, names))
    std::stable_partition(names.begin(), names.end(),
                          [&](std::string_view name) { return name == *nearest; });
  std::string text;
  for (const std::string_view name : names)
    text += fmt::format("{}%{}", text.empty() ? "" : ", ", name);
  return text.empty() ? "none" : text;
}

Diagnostic no_such(const char* word, std::string_view name, const KernelState& state, Role role) {
  return {{},
          state.image().name,
          fmt::format("there is no {} %{}", word, name),
          fmt::format("the {}s are {}", word, names_for(name, state, {role}, false))};
}

// The input or output of the name, or an Error with the names there are.
const compiler::ImageBuffer& require_given(const KernelState& state, std::string_view name) {
  if (const std::optional<size_t> index = find_given(state.image(), name))
    return state.image().buffers[*index];
  throw Error(fail(state.image().name, fmt::format("there is no input or output %{}", name),
                   "there are " + names_for(name, state, {Role::input, Role::output}, true))
                  .diagnostics);
}

// The arguments of a call by position, as far as names have given them.
struct Places {
  std::span<TensorRef> tensors;
  std::span<bool> taken;
};

template <class Words>
Status refuse(const KernelState& state, Words words) noexcept {
  return Status::failed(StatusCode::invalid_argument, [&] {
    return Diagnostic{{}, state.image().name, words(), ""};
  });
}

// One role's named tensors put where they belong.
Status place(const KernelState& state, Role role, std::span<const Kernel::Named> named,
             const Places& places) noexcept {
  const char* word = role == Role::input ? "input" : "output";
  if (!named.empty() && !named.data())
    return refuse(state, [&] { return fmt::format("the list of {}s is a null pointer", word); });
  for (const Kernel::Named& given : named) {
    const std::optional<size_t> index = find_given(state.image(), given.name);
    if (!index || state.image().buffers[*index].role != role)
      return Status::failed(StatusCode::invalid_argument,
                            [&] { return no_such(word, given.name, state, role); });
    if (state.known.bound[*index])
      return refuse(state, [&] { return fmt::format("%{} is bound already", given.name); });
    size_t at = 0;
    while (state.open[at] != *index) ++at;
    if (places.taken[at])
      return refuse(state, [&] { return fmt::format("%{} is given twice", given.name); });
    places.taken[at] = true;
    places.tensors[at] = given.tensor;
  }
  return {};
}

Status run_placed(const KernelState& state, std::span<const Kernel::Named> inputs,
                  std::span<const Kernel::Named> outputs, const std::span<std::byte>* workspace,
                  const Places& places) noexcept {
  if (Status status = place(state, Role::input, inputs, places); !status) return status;
  if (Status status = place(state, Role::output, outputs, places); !status) return status;
  for (size_t i = 0; i < places.taken.size(); ++i)
    if (!places.taken[i])
      return refuse(state, [&] {
        return fmt::format("the {} %{} is not given", i < state.open_inputs ? "input" : "output",
                           state.image().buffers[state.open[i]].name);
      });
  return state.call(places.tensors, workspace);
}

Status run_named(const KernelState& state, std::span<const Kernel::Named> inputs,
                 std::span<const Kernel::Named> outputs,
                 const std::span<std::byte>* workspace) noexcept {
  constexpr size_t few = 32;
  const size_t count = state.open.size();
  std::array<TensorRef, few> tensors;
  std::array<bool, few> taken = {};
  if (count <= few)
    return run_placed(state, inputs, outputs, workspace,
                      {{tensors.data(), count}, {taken.data(), count}});
  try {
    std::vector<TensorRef> more(count);
    const auto flags = std::make_unique<bool[]>(count);
    return run_placed(state, inputs, outputs, workspace, {more, {flags.get(), count}});
  } catch (...) {
    return Status(StatusCode::out_of_memory);
  }
}

// Code for instructions that the host lacks would end the process at the first of them.
std::optional<Failure> check_runs_here(const Image& image) {
  if (image.needs_tiles && !may_use_tiles())
    return fail(image.name, "the code multiplies on a matrix unit, and this process has none");
  if (image.target.empty()) return std::nullopt; // asks for nothing beyond the architecture
  const Expected<compiler::Target> target = compiler::parse_target(image.target);
  if (!target) return target.failure();
  std::vector<std::string> missing = compiler::missing_features(*target, compiler::host());
  if (!image.needs_tiles)
    std::erase_if(missing, [](const std::string& feature) { return feature.starts_with("amx-"); });
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

namespace {

/// The tables of an image, for calls.
std::shared_ptr<LoadedImage> with_tables_of(const Image& image) {
  auto loaded = std::make_shared<LoadedImage>();
  loaded->image.name = image.name;
  loaded->image.target = image.target;
  loaded->image.text_bytes = image.text_bytes;
  loaded->image.buffers = image.buffers;
  loaded->image.steps = image.steps;
  loaded->image.parameters = image.parameters;
  loaded->image.thread_scratch_bytes = image.thread_scratch_bytes;
  loaded->image.needs_tiles = image.needs_tiles;
  return loaded;
}

} // namespace

Expected<Kernel> Kernel::start(std::shared_ptr<const LoadedImage> loaded, Threads threads,
                               bool flush_denormals) {
  Expected<Learned> learned = learned_at_load(*loaded, threads, flush_denormals);
  if (!learned) return learned.failure();
  return Kernel(std::make_shared<const KernelState>(std::move(loaded), std::move(learned->known),
                                                    std::move(threads), flush_denormals,
                                                    std::move(learned->workspace)));
}

Expected<Kernel> Kernel::load(const Image& image, Threads threads, bool flush_denormals) {
  if (auto fault = check_entries(image)) return *fault;
  if (auto fault = check_image(image)) return *fault;
  if (auto fault = check_runs_here(image)) return *fault;
  auto memory = ExecutableMemory::map(image.bytes, image.text_bytes, image.name);
  if (!memory) return memory.failure();
  const std::shared_ptr<LoadedImage> loaded = with_tables_of(image);
  loaded->memory = *memory;
  for (const compiler::ImageStep& step : image.steps)
    loaded->steps.push_back({reinterpret_cast<compiler::StepEntry>(
                                 reinterpret_cast<uintptr_t>(loaded->memory->data() + step.entry)),
                             nullptr});
  loaded->told = tell_tools(image, loaded->memory->data());
  return start(loaded, std::move(threads), flush_denormals);
}

Expected<Kernel> Kernel::without_code(const compiler::PlainProgram& plain, Threads threads,
                                      bool flush_denormals) {
  if (auto fault = check_runs_here(plain.image)) return *fault;
  Image image = plain.image;
  std::vector<NestRunner> nests;
  for (size_t i = 0; i < image.steps.size(); ++i) {
    Expected<NestRunner> runner =
        NestRunner::make(plain.nests.nests[i], plain.nests.buffers, plain.slots);
    if (!runner) return runner.failure();
    image.steps[i].work = runner->work();
    image.thread_scratch_bytes = std::max(image.thread_scratch_bytes, runner->scratch_bytes());
    nests.push_back(std::move(*runner));
  }
  if (auto fault = check_image(image)) return *fault;
  auto memory = ExecutableMemory::map({}, 0, image.name);
  if (!memory) return memory.failure();
  const std::shared_ptr<LoadedImage> loaded = with_tables_of(image);
  loaded->memory = *memory;
  loaded->nests = std::move(nests);
  for (const NestRunner& nest : loaded->nests) loaded->steps.push_back({nullptr, &nest});
  return start(loaded, std::move(threads), flush_denormals);
}

Status Kernel::run(NamedList inputs, NamedList outputs) const noexcept {
  return run_named(*state_, inputs.items(), outputs.items(), nullptr);
}

Status Kernel::run(NamedList inputs, NamedList outputs,
                   std::span<std::byte> workspace) const noexcept {
  return run_named(*state_, inputs.items(), outputs.items(), &workspace);
}

Status Kernel::call(std::span<const TensorRef> arguments) const noexcept {
  return state_->call(arguments, nullptr);
}

Status Kernel::call(std::span<const TensorRef> arguments,
                    std::span<std::byte> workspace) const noexcept {
  return state_->call(arguments, &workspace);
}

Status Kernel::call_keeping(std::span<const TensorRef> arguments,
                            std::vector<KeptValue>& kept) const noexcept {
  return state_->call(arguments, nullptr, &kept);
}

Expected<Kernel> Kernel::try_bind(std::string_view input, const TensorView& view) const {
  const Image& image = state_->image();
  const std::optional<size_t> index = find_given(image, input);
  if (!index || image.buffers[*index].role != Role::input)
    return fail(no_such("input", input, *state_, Role::input));
  if (state_->known.bound[*index]) return fail(name(), fmt::format("%{} is bound already", input));
  if (!image.buffers[*index].dims.empty())
    return fail(name(),
                fmt::format("%{} has another size in each call, and cannot be bound", input));
  if (Status status = check_tensor(image, image.buffers[*index], view); !status)
    return status.failure();
  if (auto fault = compiler::fault_in_strides(view.type(), view.strides()))
    return fail(name(), fmt::format("%{} {}", input, *fault));
  Expected<Learned> learned = learned_by_binding(*state_, *index, view);
  if (!learned) return learned.failure();
  return Kernel(std::make_shared<const KernelState>(state_->loaded, std::move(learned->known),
                                                    state_->threads, state_->flush_denormals,
                                                    std::move(learned->workspace)));
}

Kernel Kernel::bind(std::string_view input, const TensorView& view) const {
  return std::move(try_bind(input, view)).value();
}

Kernel Kernel::with_threads(Threads threads) const {
  return Kernel(std::make_shared<const KernelState>(state_->loaded, state_->known,
                                                    std::move(threads), state_->flush_denormals));
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

const ir::TensorType& Kernel::type(std::string_view name) const {
  return *require_given(*state_, name).type;
}

const ir::TensorType& Kernel::type_at(size_t position) const {
  if (position < state_->open.size()) return *state_->image().buffers[state_->open[position]].type;
  throw Error(fail(name(), fmt::format("a call has {} tensors, and there is none at position {}",
                                       state_->open.size(), position))
                  .diagnostics);
}

const TensorStrides& Kernel::strides(std::string_view name) const {
  return require_given(*state_, name).strides;
}

bool Kernel::runs_in_place(std::string_view input, std::string_view output) const {
  const std::vector<compiler::ImageBuffer>& buffers = state_->image().buffers;
  (void)require_given(*state_, input);
  const std::vector<int32_t>& allowed = require_given(*state_, output).may_alias;
  return std::any_of(allowed.begin(), allowed.end(), [&](int32_t alias) {
    return buffers[static_cast<size_t>(alias)].name == input;
  });
}

std::vector<std::string> Kernel::steps() const {
  std::vector<std::string> names;
  for (const size_t step : state_->known.preparation.each_call)
    names.push_back(state_->image().steps[step].name);
  return names;
}

std::vector<std::string> Kernel::values_on_the_way() const {
  std::vector<std::string> names;
  for (const size_t step : state_->known.preparation.each_call)
    for (const int32_t written : state_->image().steps[step].writes) {
      const std::string& name = state_->image().buffers[static_cast<size_t>(written)].value;
      const bool is_new = std::find(names.begin(), names.end(), name) == names.end();
      if (!name.empty() && is_new) names.push_back(name);
    }
  return names;
}

bool Kernel::flushes_denormals() const noexcept { return state_->flush_denormals; }

const std::vector<Denormals>& Kernel::denormals() const noexcept { return state_->known.denormals; }

int64_t Kernel::owned_bytes() const noexcept {
  int64_t bytes = 0;
  for (const OwnedMemory& memory : state_->known.owned)
    if (memory) bytes += memory->size();
  return bytes;
}

void Kernel::mark_used() const noexcept {
  // A store that changes nothing would still take the line from the other threads.
  if (!state_->used.load(std::memory_order_relaxed))
    state_->used.store(true, std::memory_order_relaxed);
}

bool Kernel::take_used() const noexcept {
  return state_->used.exchange(false, std::memory_order_relaxed);
}

const std::vector<ir::Parameter>& Kernel::parameters() const noexcept {
  return state_->image().parameters;
}

int64_t Kernel::workspace_bytes() const noexcept { return state_->workspace_bytes; }
int64_t Kernel::mapped_bytes() const noexcept {
  return static_cast<int64_t>(state_->loaded->memory->size());
}

int64_t Kernel::fixed_bytes() const noexcept {
  int64_t bytes = mapped_bytes() + state_->table_bytes;
  for (const OwnedMemory& memory : state_->known.owned)
    if (memory) bytes += AlignedMemory::taken_by(memory->size());
  return bytes;
}

int64_t Kernel::held_bytes() const noexcept {
  return fixed_bytes() + state_->workspaces->taken_bytes();
}

void Kernel::count_workspaces_in(ByteTotal total) const noexcept {
  state_->workspaces->count_in(std::move(total));
}

std::optional<Kernel> WeakKernel::lock() const {
  if (auto state = state_.lock()) return Kernel(std::move(state));
  return std::nullopt;
}

} // namespace volute::runtime
