#include "tests/support/kernel_run.h"

#include "compiler/image/preparation.h"
#include "runtime/tensor.h"
#include "tests/support/tile_emulator.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <csetjmp>
#include <csignal>
#include <cstring>

namespace volute::tests {

using compiler::ImageBuffer;
using compiler::ImageStep;

namespace {

compiler::TensorStrides strides_of(const compiler::StridesByName& strides,
                                   const std::string& name) {
  const auto found = strides.find(name);
  return found == strides.end() ? compiler::TensorStrides{} : found->second;
}

void fill_inputs(ir::Memory& memory, const ir::Program& program, const Tensors& inputs,
                 const compiler::StridesByName& strides) {
  for (size_t i = 0; i < program.inputs.size(); ++i) {
    const std::string& name = program.name_of(program.inputs[i]);
    const ir::TensorData& tensor = inputs.at(name);
    if (!tensor.bytes.empty())
      runtime::copy_elements(tensor.type, tensor.bytes.data(), {}, memory[i].data(),
                             strides_of(strides, name));
  }
}

void make_dense(ir::Memory& memory, const ir::Program& program,
                const compiler::StridesByName& strides) {
  std::vector<ir::ValueId> values = program.inputs;
  values.insert(values.end(), program.outputs.begin(), program.outputs.end());
  for (size_t i = 0; i < values.size(); ++i) {
    const compiler::TensorStrides apart = strides_of(strides, program.name_of(values[i]));
    const ir::TensorType& type = program.type(values[i]);
    if (apart.empty() || type.elements() == 0) continue;
    std::vector<std::byte> dense(static_cast<size_t>(type.bytes()));
    runtime::copy_elements(type, memory[i].data(), apart, dense.data(), {});
    memory[i] = std::move(dense);
  }
}

void forget(ir::Memory& memory, const std::vector<ir::Buffer>& buffers) {
  for (size_t i = 0; i < buffers.size(); ++i)
    if (buffers[i].role != ir::Buffer::Role::input && buffers[i].role != ir::Buffer::Role::table)
      std::fill(memory[i].begin(), memory[i].end(), std::byte{0xff});
}

// ---- faults -----------------------------------------------------------------------------------

constexpr std::array fatal = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};
sigjmp_buf way_out;
volatile int caught_signal = 0;
const void* volatile caught_address = nullptr;

void catch_fault(int signal, siginfo_t* info, void* context) {
  if (signal == SIGILL && emulate_tile_instruction(context)) return;
  caught_signal = signal;
  caught_address = info->si_addr;
  siglongjmp(way_out, 1);
}

/// While it lives, a fault jumps to `way_out`. Generated code has no frames to unwind.
class FaultTrap {
public:
  FaultTrap() {
    has_tiles(); // asks for them: what this process may not use cannot be emulated half-way
    struct sigaction action {};
    action.sa_sigaction = catch_fault;
    action.sa_flags = SA_SIGINFO;
    for (size_t i = 0; i < fatal.size(); ++i) sigaction(fatal[i], &action, &before_[i]);
  }
  FaultTrap(const FaultTrap&) = delete;
  FaultTrap& operator=(const FaultTrap&) = delete;
  ~FaultTrap() {
    for (size_t i = 0; i < fatal.size(); ++i) sigaction(fatal[i], &before_[i], nullptr);
  }

private:
  std::array<struct sigaction, fatal.size()> before_{};
};

/// The step's code over one piece; false when it faulted.
bool call(compiler::StepEntry entry, const compiler::StepArguments& arguments, std::byte* scratch,
          int64_t begin, int64_t end, int32_t& status) {
  const FaultTrap trap;
  if (sigsetjmp(way_out, 1) != 0) return false;
  status = entry(&arguments, scratch, begin, end);
  return true;
}

using Buffers = std::vector<std::unique_ptr<GuardedBuffer>>;

/// What the caught fault was, told by the nearest buffer.
std::string fault_words(const compiler::Image& image, const Buffers& buffers) {
  if (caught_signal == SIGILL) return "met an instruction that this machine does not have";
  const auto address = reinterpret_cast<intptr_t>(const_cast<const void*>(caught_address));
  std::string words = fmt::format("got signal {}", static_cast<int>(caught_signal));
  for (size_t i = 0; i < buffers.size(); ++i) {
    const auto begin = reinterpret_cast<intptr_t>(buffers[i]->data());
    const intptr_t end = begin + static_cast<intptr_t>(buffers[i]->size());
    if (address >= end && address < end + 4096)
      words += fmt::format(", {} bytes behind {}", address - end, image.buffers[i].name);
    if (address < begin && address >= begin - 4096)
      words += fmt::format(", {} bytes before {}", begin - address, image.buffers[i].name);
  }
  return words;
}

std::vector<std::pair<int64_t, int64_t>> pieces(int64_t work, Dice* split) {
  if (!split || work == 0) return {{0, work}};
  std::vector<int64_t> cuts = {0, work};
  for (int64_t i = split->between(1, 6); i > 0; --i) cuts.push_back(split->between(0, work));
  std::sort(cuts.begin(), cuts.end());
  std::vector<std::pair<int64_t, int64_t>> result;
  for (size_t i = 0; i + 1 < cuts.size(); ++i) result.emplace_back(cuts[i], cuts[i + 1]);
  split->shuffle(result);
  return result;
}

/// The elements of a buffer, without the gaps between them.
std::vector<std::byte> bytes_of(const ImageBuffer& buffer, const std::byte* data) {
  if (buffer.strides.empty()) return {data, data + buffer.bytes};
  std::vector<std::byte> dense(static_cast<size_t>(buffer.type->bytes()));
  runtime::copy_elements(*buffer.type, data, buffer.strides, dense.data(), {});
  return dense;
}

/// Whether the gaps between the elements are as a GuardedBuffer leaves them.
bool gaps_are_untouched(const ImageBuffer& buffer, const std::byte* data) {
  if (buffer.strides.empty()) return true;
  std::vector<std::byte> all(data, data + buffer.bytes);
  const std::vector<std::byte> nothing(static_cast<size_t>(buffer.type->bytes()), std::byte{0xff});
  runtime::copy_elements(*buffer.type, nothing.data(), {}, all.data(), buffer.strides);
  return std::all_of(all.begin(), all.end(), [](std::byte b) { return b == std::byte{0xff}; });
}

} // namespace

ir::Memory evaluate_loops(const ir::LoopProgram& loops, const ir::Program& program,
                          const Tensors& inputs, const compiler::StridesByName& strides) {
  ir::Memory memory = ir::allocate(loops.buffers);
  forget(memory, loops.buffers);
  fill_inputs(memory, program, inputs, strides);
  ir::evaluate(loops, memory);
  make_dense(memory, program, strides);
  return memory;
}

ir::Memory evaluate_nests(const ir::NestProgram& nests, const ir::Program& program,
                          const Tensors& inputs, const compiler::StridesByName& strides) {
  ir::Memory memory = ir::allocate(nests.buffers);
  forget(memory, nests.buffers);
  fill_inputs(memory, program, inputs, strides);
  ir::evaluate(nests, memory);
  make_dense(memory, program, strides);
  return memory;
}

KernelRun::KernelRun(const compiler::Compiled& compiled)
    : image_(compiled.image),
      memory_(
          runtime::ExecutableMemory::map(image_.bytes, image_.text_bytes, image_.name).value()) {}

KernelRun::Result KernelRun::run(const ir::Program& program, const Tensors& inputs,
                                 GuardedBuffer::Wall wall, Dice* split) const {
  Result result;
  Buffers buffers;
  std::vector<std::byte*> table;
  // Between walls of its own each, or all that is intermediate where a call would have it.
  compiler::Preparation every_step; // nothing is known, all steps run
  every_step.known.resize(image_.buffers.size());
  for (size_t i = 0; i < image_.steps.size(); ++i) every_step.each_call.push_back(i);
  const compiler::WorkspacePlan plan =
      compiler::plan_workspace(compiler::workspace_residents(image_, every_step));
  const bool is_shared = split && split->once_in(2);
  const GuardedBuffer workspace(static_cast<size_t>(is_shared ? plan.bytes : 0), wall);
  for (size_t i = 0; i < image_.buffers.size(); ++i) {
    const ImageBuffer& buffer = image_.buffers[i];
    const bool is_in_workspace = is_shared && buffer.role == ImageBuffer::Role::intermediate;
    buffers.push_back(std::make_unique<GuardedBuffer>(
        static_cast<size_t>(is_in_workspace ? 0 : buffer.bytes), wall));
    table.push_back(is_in_workspace ? workspace.data() + plan.offsets[i] : buffers.back()->data());
  }
  for (size_t i = 0; i < program.inputs.size(); ++i) {
    const std::vector<std::byte>& bytes = inputs.at(program.name_of(program.inputs[i])).bytes;
    if (!bytes.empty())
      runtime::copy_elements(*image_.buffers[i].type, bytes.data(), {}, table[i],
                             image_.buffers[i].strides);
  }
  // Scratch is at a multiple of 64 by contract; what lies behind it up to there is the code's too.
  const int64_t scratch_bytes = (image_.thread_scratch_bytes + 63) / 64 * 64;
  GuardedBuffer scratch(static_cast<size_t>(scratch_bytes), wall);

  const compiler::StepArguments arguments{table.data(), nullptr};
  for (const ImageStep& step : image_.steps) {
    const auto entry = reinterpret_cast<compiler::StepEntry>(
        reinterpret_cast<uintptr_t>(memory_->data()) + step.entry);
    for (const auto& [begin, end] : pieces(step.work, split)) {
      int32_t status = 0;
      if (!call(entry, arguments, scratch.data(), begin, end, status))
        result.fault = fmt::format("step {} {}", step.name, fault_words(image_, buffers));
      else if (status != 0)
        result.fault = fmt::format("step {} returned {}", step.name, status);
      if (!result.fault.empty()) return result;
    }
  }
  if (!workspace.margin_is_untouched()) result.fault = "wrote outside the workspace";
  for (size_t i = 0; i < buffers.size(); ++i) {
    if (!buffers[i]->margin_is_untouched() || !gaps_are_untouched(image_.buffers[i], table[i]))
      result.fault = fmt::format("wrote outside {}", image_.buffers[i].name);
    result.buffers.push_back(bytes_of(image_.buffers[i], table[i]));
    if (i < program.inputs.size() &&
        result.buffers[i] != inputs.at(program.name_of(program.inputs[i])).bytes)
      result.fault = fmt::format("wrote to the input {}", image_.buffers[i].name);
  }
  return result;
}

} // namespace volute::tests
