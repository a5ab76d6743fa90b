#include "runtime/kernel_state.h"

#include "compiler/image/places.h"
#include "runtime/float_control.h"
#include "runtime/overlap.h"
#include "runtime/parameters.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <limits>

namespace volute::runtime {
namespace {

using compiler::Image;
using compiler::ImageBuffer;
using compiler::ImageStep;
using Role = ImageBuffer::Role;

// Pointer tables of up to this many buffers live on the stack: a kernel of a few operators.
constexpr size_t stack_table = 32;
// Far more than there is, and little enough that sums with scratch and tables do not overflow.
constexpr int64_t most_workspace_bytes = int64_t{1} << 60;

int64_t rounded_up(int64_t bytes, int64_t unit) { return (bytes + unit - 1) / unit * unit; }

bool is_alike(const ImageBuffer& a, const ImageBuffer& b) {
  return a.type == b.type && a.strides == b.strides && a.bytes == b.bytes && a.dims == b.dims;
}

std::optional<std::string> fault_in(const ImageBuffer& buffer, const Image& image) {
  if (buffer.bytes < 0) return fmt::format("has {} bytes", buffer.bytes);
  const auto is = [&](int32_t index, Role role) {
    return index >= 0 && static_cast<size_t>(index) < image.buffers.size() &&
           image.buffers[static_cast<size_t>(index)].role == role;
  };
  if (buffer.role == Role::intermediate) {
    if (!buffer.type || (buffer.dims.empty() && ir::checked_bytes(*buffer.type) == buffer.bytes))
      return std::nullopt;
    return fmt::format("has {} bytes, its value %{} is {}", buffer.bytes, buffer.value,
                       ir::to_string(*buffer.type));
  }
  if (!buffer.type) return "is given by the caller and has no type";
  const auto fault = buffer.role == Role::output
                         ? compiler::fault_in_output_strides(*buffer.type, buffer.strides)
                         : compiler::fault_in_strides(*buffer.type, buffer.strides);
  if (fault) return fault;
  if (buffer.dims.empty() &&
      compiler::checked_span_bytes(*buffer.type, buffer.strides) != buffer.bytes)
    return fmt::format("has {} bytes, its type is {}{}", buffer.bytes, ir::to_string(*buffer.type),
                       buffer.strides.empty()
                           ? ""
                           : fmt::format(" with strides [{}]", fmt::join(buffer.strides, ", ")));
  for (const int32_t alias : buffer.may_alias)
    if (!is(alias, Role::input) || !is_alike(image.buffers[static_cast<size_t>(alias)], buffer))
      return fmt::format("may lie on buffer {}, which is no such input", alias);
  return std::nullopt;
}

std::optional<std::string> fault_in(const ImageStep& step, const Image& image) {
  if (step.work < 0) return fmt::format("has {} items of work", step.work);
  for (const auto* touched : {&step.reads, &step.writes})
    for (const int32_t buffer : *touched)
      if (buffer < 0 || static_cast<size_t>(buffer) >= image.buffers.size())
        return fmt::format("touches buffer {} of {}", buffer, image.buffers.size());
  for (const compiler::ImagePlaces& places : step.places) {
    if (places.buffer < 0) continue;
    if (static_cast<size_t>(places.buffer) >= image.buffers.size())
      return fmt::format("finds places in buffer {} of {}", places.buffer, image.buffers.size());
    const ImageBuffer& buffer = image.buffers[static_cast<size_t>(places.buffer)];
    const std::optional<int64_t> bytes = ir::checked_bytes(places.type);
    if (ir::is_float(places.type.element) || !buffer.dims.empty() ||
        (buffer.type ? *buffer.type != places.type : !bytes || *bytes > buffer.bytes))
      return fmt::format("finds places in buffer {}, which does not hold {}", buffer.name,
                         ir::to_string(places.type));
  }
  return std::nullopt;
}

/// What a step reads is there, and stays as it was read.
std::optional<std::string> fault_in_order(const Image& image) {
  std::vector<bool> is_written(image.buffers.size()), is_read(image.buffers.size());
  for (const ImageStep& step : image.steps) {
    const auto fault = [&](const char* does, int32_t buffer, const char* why) {
      return fmt::format("the image's step {} {} {}, {}", step.name, does,
                         image.buffers[static_cast<size_t>(buffer)].name, why);
    };
    for (const int32_t buffer : step.writes) {
      if (image.buffers[static_cast<size_t>(buffer)].role == Role::input)
        return fault("writes", buffer, "an input");
      if (is_read[static_cast<size_t>(buffer)])
        return fault("writes", buffer, "which a step before has read");
      is_written[static_cast<size_t>(buffer)] = true;
    }
    for (const int32_t buffer : step.reads) {
      if (image.buffers[static_cast<size_t>(buffer)].role != Role::input &&
          !is_written[static_cast<size_t>(buffer)])
        return fault("reads", buffer, "which no step has written");
      is_read[static_cast<size_t>(buffer)] = true;
    }
  }
  return std::nullopt;
}

// ---- a call's arguments -------------------------------------------------------------------------

// The words are made only once something is wrong, and never throw.
template <class Words>
Status refuse(const Image& image, Words words) noexcept {
  return Status::failed(StatusCode::invalid_argument, [&] {
    return Diagnostic{{}, image.name, words(), ""};
  });
}

} // namespace

Status check_tensor(const Image& image, const ImageBuffer& buffer,
                    const TensorRef& argument) noexcept {
  if (buffer.dims.empty() && !has_type(argument, *buffer.type))
    return refuse(image, [&] {
      return fmt::format("%{} is {}, not {}", buffer.name, ir::to_string(*buffer.type),
                         type_text(argument));
    });
  if (buffer.bytes == 0) return {};
  if (!argument.data)
    return refuse(image, [&] { return fmt::format("%{} is a null pointer", buffer.name); });
  if (buffer.role == Role::output && !argument.writable)
    return refuse(image, [&] {
      return fmt::format("%{} is an output and was given memory that is only to be read",
                         buffer.name);
    });
  const auto size = static_cast<uintptr_t>(ir::size_of(buffer.type->element));
  if (reinterpret_cast<uintptr_t>(argument.data) % size != 0)
    return refuse(image, [&] {
      return fmt::format(
          "%{} is at an address that is not a multiple of {}, the size of its elements",
          buffer.name, size);
    });
  return {};
}

Status check_argument(const Image& image, const ImageBuffer& buffer,
                      const TensorRef& argument) noexcept {
  if (Status status = check_tensor(image, buffer, argument); !status) return status;
  if (!buffer.dims.empty()) return {}; // as the parameters were read
  std::span<const int64_t> given;
  if (argument.strides) given = {argument.strides, buffer.type->extents.size()};
  if (compiler::same_strides(*buffer.type, given, buffer.strides)) return {};
  return refuse(image, [&] {
    const auto text = [&](std::span<const int64_t> strides) {
      const TensorStrides dense = compiler::dense_strides(*buffer.type);
      if (strides.empty()) return fmt::format("dense, [{}]", fmt::join(dense, ", "));
      return fmt::format("[{}]", fmt::join(strides, ", "));
    };
    return fmt::format("%{} has the strides {}, and the kernel was compiled for {}", buffer.name,
                       text(given), text(buffer.strides));
  });
}

namespace {

/// Of a tensor whose size its call says: all between its first element and its last.
Footprint span_of(const TensorRef& argument) {
  int64_t last = 0, dense = 1;
  for (int32_t d = argument.rank; d-- > 0;) {
    const int64_t size = argument.extents[d].size;
    if (size == 0) return {};
    last += (size - 1) * (argument.strides ? argument.strides[d] : dense);
    dense *= size;
  }
  return {static_cast<const std::byte*>(argument.data), (last + 1) * ir::size_of(argument.element),
          nullptr, nullptr};
}

Footprint footprint(const ImageBuffer& buffer, const TensorRef& argument) {
  if (!buffer.dims.empty()) return span_of(argument);
  return {static_cast<const std::byte*>(argument.data), buffer.bytes, &*buffer.type,
          &buffer.strides};
}

bool is_allowed_in_place(const KernelState& kernel, std::span<const TensorRef> arguments,
                         size_t output, size_t input) {
  const ImageBuffer& written = kernel.image().buffers[kernel.open[output]];
  const auto index = static_cast<int32_t>(kernel.open[input]);
  return arguments[output].data == arguments[input].data &&
         std::find(written.may_alias.begin(), written.may_alias.end(), index) !=
             written.may_alias.end();
}

Status overlap_status(const KernelState& kernel, std::span<const TensorRef> arguments,
                      size_t output, size_t other) noexcept {
  const Image& image = kernel.image();
  const ImageBuffer& a = image.buffers[kernel.open[output]];
  const ImageBuffer& b = image.buffers[kernel.open[other]];
  return Status::failed(StatusCode::invalid_argument, [&] {
    const bool is_input = other < kernel.open_inputs;
    const bool is_same =
        is_input && arguments[output].data == arguments[other].data && is_alike(a, b);
    return Diagnostic{{},
                      image.name,
                      fmt::format("the output %{} overlaps the {} %{}", a.name,
                                  is_input ? "input" : "output", b.name),
                      is_same ? "the kernel does not run in place here: the result needs memory of "
                                "its own"
                              : ""};
  });
}

Status check_arguments(const KernelState& kernel, std::span<const TensorRef> arguments) noexcept {
  const Image& image = kernel.image();
  if (!arguments.empty() && !arguments.data())
    return refuse(image, [] { return std::string("the list of arguments is a null pointer"); });
  if (arguments.size() != kernel.open.size())
    return refuse(image, [&] {
      return fmt::format("takes {} inputs and {} outputs, {} arguments were given",
                         kernel.open_inputs, kernel.open.size() - kernel.open_inputs,
                         arguments.size());
    });
  for (size_t i = 0; i < arguments.size(); ++i)
    if (Status status = check_argument(image, image.buffers[kernel.open[i]], arguments[i]); !status)
      return status;
  for (size_t out = kernel.open_inputs; out < arguments.size(); ++out)
    for (size_t other = 0; other < out; ++other) {
      const ImageBuffer& a = image.buffers[kernel.open[out]];
      const ImageBuffer& b = image.buffers[kernel.open[other]];
      if (may_overlap(footprint(a, arguments[out]), footprint(b, arguments[other])) &&
          !(other < kernel.open_inputs && is_allowed_in_place(kernel, arguments, out, other)))
        return overlap_status(kernel, arguments, out, other);
    }
  return {};
}

Status check_workspace(const KernelState& kernel, std::span<const TensorRef> arguments,
                       std::span<std::byte> workspace) noexcept {
  const Image& image = kernel.image();
  if (static_cast<int64_t>(workspace.size()) < kernel.workspace_bytes)
    return refuse(image, [&] {
      return fmt::format("the workspace has {} bytes, the kernel needs {}", workspace.size(),
                         kernel.workspace_bytes);
    });
  if (kernel.workspace_bytes == 0) return {};
  if (!workspace.data())
    return refuse(image, [] { return std::string("the workspace is a null pointer"); });
  if (reinterpret_cast<uintptr_t>(workspace.data()) % 64 != 0)
    return refuse(image, [] { return std::string("the workspace is not at a multiple of 64"); });
  for (size_t i = 0; i < arguments.size(); ++i) {
    const ImageBuffer& buffer = image.buffers[kernel.open[i]];
    if (may_overlap({workspace.data(), kernel.workspace_bytes}, footprint(buffer, arguments[i])))
      return refuse(image, [&] { return fmt::format("the workspace overlaps %{}", buffer.name); });
  }
  return {};
}

/// Copies what each step has completed, before a later one takes its memory.
class Keeper {
public:
  Keeper(const KernelState& kernel, std::vector<KeptValue>& kept)
      : kernel_(kernel), kept_(kept), last_writer_(kernel.image().buffers.size()) {
    for (const size_t step : kernel.known.preparation.each_call)
      for (const int32_t buffer : kernel.image().steps[step].writes)
        last_writer_[static_cast<size_t>(buffer)] = step;
  }

  Status after(size_t step, std::byte* const* table) {
    for (const int32_t written : kernel_.image().steps[step].writes) {
      const auto at = static_cast<size_t>(written);
      const ImageBuffer& buffer = kernel_.image().buffers[at];
      if (last_writer_[at] != step || buffer.value.empty()) continue;
      Expected<Tensor> copy = Tensor::allocate(*buffer.type);
      if (!copy) return Status(StatusCode::out_of_memory);
      std::memcpy(copy->data(), table[at], static_cast<size_t>(buffer.bytes));
      kept_.push_back({buffer.value, std::move(*copy)});
    }
    return {};
  }

private:
  const KernelState& kernel_;
  std::vector<KeptValue>& kept_;
  std::vector<size_t> last_writer_; // by buffer
};

Status run_steps(const KernelState& kernel, std::span<const TensorRef> arguments,
                 const ParameterValues& parameters, std::byte* workspace, Keeper* keeper) {
  const FlushDenormals on_this_thread(kernel.flush_denormals); // `threads` take it over
  const Image& image = kernel.image();
  std::array<std::byte*, stack_table> few;
  std::byte** table = few.data();
  if (image.buffers.size() > stack_table)
    table = reinterpret_cast<std::byte**>(workspace + kernel.table_offset);
  for (size_t i = 0; i < image.buffers.size(); ++i)
    // Memory of the kernel's own is only read: the steps that write it have run.
    table[i] =
        kernel.known.owned[i] ? kernel.known.owned[i]->data() : workspace + kernel.plan.offsets[i];
  for (size_t i = 0; i < arguments.size(); ++i)
    table[kernel.open[i]] = static_cast<std::byte*>(arguments[i].data);

  const compiler::StepArguments step_arguments{table, parameters.data()};
  for (const size_t step : kernel.known.preparation.each_call) {
    Status status = run_step(image, image.steps[step], kernel.loaded->steps[step], step_arguments,
                             kernel.threads, workspace + kernel.buffer_bytes, kernel.scratch_bytes);
    if (status && keeper) status = keeper->after(step, table);
    if (!status) return status;
  }
  return {};
}

Status run_steps(const KernelState& kernel, std::span<const TensorRef> arguments,
                 const ParameterValues& parameters, std::byte* workspace,
                 std::vector<KeptValue>* kept) noexcept {
  if (!kept)
    return run_steps(kernel, arguments, parameters, workspace, static_cast<Keeper*>(nullptr));
  try {
    Keeper keeper(kernel, *kept);
    return run_steps(kernel, arguments, parameters, workspace, &keeper);
  } catch (const std::bad_alloc&) {
    return Status(StatusCode::out_of_memory);
  }
}

} // namespace

std::optional<Failure> check_image(const Image& image) {
  const auto refuse = [&](std::string message) { return fail(image.name, std::move(message)); };
  if (image.thread_scratch_bytes < 0 || image.thread_scratch_bytes > (int64_t{1} << 40))
    return refuse(
        fmt::format("the image asks for {} bytes of scratch a thread", image.thread_scratch_bytes));
  if (auto fault = fault_in_parameters(image)) return refuse("the image " + *fault);
  for (const ImageBuffer& buffer : image.buffers)
    if (auto fault = fault_in(buffer, image))
      return refuse(fmt::format("the image's buffer {} {}", buffer.name, *fault));
  for (const ImageStep& step : image.steps)
    if (auto fault = fault_in(step, image))
      return refuse(fmt::format("the image's step {} {}", step.name, *fault));
  if (auto fault = fault_in_order(image)) return refuse(*fault);
  if (compiler::unshared_bytes(compiler::workspace_residents(image, compiler::prepare(image))) >
      most_workspace_bytes)
    return refuse("the image asks for a workspace of more than 2^60 bytes");
  return std::nullopt;
}

std::optional<Failure> check_entries(const Image& image) {
  for (const ImageStep& step : image.steps)
    if (step.entry >= image.text_bytes)
      return fail(image.name, fmt::format("the image's step {} begins at {} of {} bytes of text",
                                          step.name, step.entry, image.text_bytes));
  return std::nullopt;
}

int64_t thread_scratch_bytes(const Image& image) {
  return rounded_up(image.thread_scratch_bytes, thread_scratch_unit);
}

namespace {

template <class T>
int64_t bytes_in(const std::vector<T>& list) {
  return static_cast<int64_t>(list.capacity() * sizeof(T));
}
int64_t bytes_in(const std::string& text) { return static_cast<int64_t>(text.capacity()); }

/// What describes a kernel, near enough: everything that grows with it.
int64_t bytes_of_tables(const KernelState& state) {
  const Image& image = state.image();
  int64_t bytes = sizeof(KernelState) + sizeof(LoadedImage) + bytes_in(image.name) +
                  bytes_in(image.target) + bytes_in(image.buffers) + bytes_in(image.steps) +
                  bytes_in(image.parameters) + bytes_in(state.loaded->steps) +
                  bytes_in(state.open) + bytes_in(state.plan.offsets) + bytes_in(state.known.owned);
  for (const ImageBuffer& buffer : image.buffers) {
    bytes += bytes_in(buffer.name) + bytes_in(buffer.value) + bytes_in(buffer.strides) +
             bytes_in(buffer.may_alias) + bytes_in(buffer.dims);
    if (buffer.type) bytes += bytes_in(buffer.type->extents);
  }
  for (const ImageStep& step : image.steps)
    bytes += bytes_in(step.name) + bytes_in(step.reads) + bytes_in(step.writes) +
             bytes_in(step.places) + bytes_in(step.work_by);
  return bytes;
}

} // namespace

KernelState::KernelState(std::shared_ptr<const LoadedImage> loaded_image, Known known_before,
                         Threads on_threads, bool flush, AlignedMemory workspace)
    : loaded(std::move(loaded_image)), known(std::move(known_before)),
      threads(std::move(on_threads)), flush_denormals(flush) {
  const std::vector<ImageBuffer>& buffers = image().buffers;
  for (const Role role : {Role::input, Role::output})
    for (size_t i = 0; i < buffers.size(); ++i)
      if (buffers[i].role == role && !known.bound[i]) open.push_back(i);
  open_inputs = static_cast<size_t>(std::count_if(
      open.begin(), open.end(), [&](size_t i) { return buffers[i].role == Role::input; }));
  plan = compiler::plan_workspace(compiler::workspace_residents(image(), known.preparation));
  buffer_bytes = rounded_up(plan.bytes, thread_scratch_unit);
  scratch_bytes = thread_scratch_bytes(image());
  table_offset = buffer_bytes + scratch_bytes * threads.count();
  const size_t table = buffers.size() > stack_table ? buffers.size() * sizeof(std::byte*) : 0;
  workspace_bytes = table_offset + rounded_up(static_cast<int64_t>(table), thread_scratch_unit);
  table_bytes = bytes_of_tables(*this);
  workspaces = std::make_unique<WorkspacePool>(workspace_bytes, std::move(workspace));
}

Status KernelState::call(std::span<const TensorRef> arguments,
                         const std::span<std::byte>* workspace,
                         std::vector<KeptValue>* kept) const noexcept {
  ParameterValues parameters;
  if (!image().parameters.empty())
    if (Status status = read_parameters(image(), open, arguments, parameters); !status)
      return status;
  if (Status status = check_arguments(*this, arguments); !status) return status;
  if (workspace) {
    if (Status status = check_workspace(*this, arguments, *workspace); !status) return status;
    return run_steps(*this, arguments, parameters, workspace->data(), kept);
  }
  if (workspace_bytes == 0) return run_steps(*this, arguments, parameters, nullptr, kept);
  const WorkspacePool::Loan loan(*workspaces);
  if (loan.data()) return run_steps(*this, arguments, parameters, loan.data(), kept);
  return Status::failed(StatusCode::out_of_memory, [&] {
    return Diagnostic{{},
                      image().name,
                      fmt::format("no memory for a workspace of {} bytes", workspace_bytes),
                      ""};
  });
}

// ---- steps --------------------------------------------------------------------------------------

namespace {

struct SplitStep {
  const StepRunner& runner;
  const compiler::StepArguments& arguments;
  std::byte* scratch;
  int64_t scratch_bytes;
  int64_t work, pieces;
  // Of the failures so far, the one earliest in the range: the piece above, the code below.
  std::atomic<uint64_t> failure{std::numeric_limits<uint64_t>::max()};

  // Ranges differ by one item at most; the longer ones come first.
  int64_t begin_of(int64_t piece) const {
    return piece * (work / pieces) + std::min(piece, work % pieces);
  }

  void run(int64_t piece) {
    const int32_t code =
        runner(arguments, scratch + piece * scratch_bytes, begin_of(piece), begin_of(piece + 1));
    if (code == 0) return;
    const uint64_t found = static_cast<uint64_t>(piece) << 32 | static_cast<uint32_t>(code);
    uint64_t known = failure.load(std::memory_order_relaxed);
    while (found < known && !failure.compare_exchange_weak(known, found)) {
    }
  }
};

/// Which index is outside its range, as far as the image knows where they are.
std::string words_about_places(const Image& image, const ImageStep& step,
                               const compiler::StepArguments& arguments) {
  for (const compiler::ImagePlaces& places : step.places) {
    if (!places.fault.empty()) return places.fault;
    if (places.buffer < 0) continue;
    const auto buffer = static_cast<size_t>(places.buffer);
    const ImageBuffer& held = image.buffers[buffer];
    if (auto fault = compiler::fault_in_places(places, arguments.buffers[buffer],
                                               held.type ? held.strides : TensorStrides()))
      return *fault;
  }
  return "an index in the data is outside its range";
}

Status step_status(const Image& image, const ImageStep& step,
                   const compiler::StepArguments& arguments, int32_t code) noexcept {
  if (code == 0) return {};
  if (code == static_cast<int32_t>(StatusCode::index_out_of_range))
    return Status::failed(StatusCode::index_out_of_range, [&] {
      return Diagnostic{
          {},
          image.name,
          fmt::format("{}: {}", step.name, words_about_places(image, step, arguments)),
          ""};
    });
  return Status::failed(StatusCode::step_failed, [&] {
    return Diagnostic{
        {}, image.name, fmt::format("{}: the step failed with code {}", step.name, code), ""};
  });
}

} // namespace

Status run_step(const Image& image, const ImageStep& step, const StepRunner& runner,
                const compiler::StepArguments& arguments, const Threads& threads,
                std::byte* scratch, int64_t scratch_bytes) noexcept {
  const int64_t work = compiler::work_of(step, {arguments.parameters, image.parameters.size()});
  if (work == 0) return {};
  const int64_t pieces = std::min<int64_t>(threads.count(), work);
  if (pieces == 1) return step_status(image, step, arguments, runner(arguments, scratch, 0, work));
  SplitStep split{runner, arguments, scratch, scratch_bytes, work, pieces};
  const Status status = threads.run(
      pieces, [](void* context, int64_t piece) { static_cast<SplitStep*>(context)->run(piece); },
      &split);
  if (!status) return status;
  const uint64_t failure = split.failure.load(std::memory_order_relaxed);
  if (failure == std::numeric_limits<uint64_t>::max()) return {};
  return step_status(image, step, arguments, static_cast<int32_t>(static_cast<uint32_t>(failure)));
}

} // namespace volute::runtime
