#include "tests/support/every_stage.h"

#include "tests/support/reference.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <stdexcept>

namespace volute::tests {

namespace {

/// Tiles run on the processor's matrix unit or the emulator's, all else on this machine alone.
bool is_runnable(const compiler::Target& target) {
  for (const std::string& feature : compiler::missing_features(target, compiler::host()))
    if (!feature.starts_with("amx-")) return false;
  return !compiler::host().name.empty();
}

} // namespace

std::string with_constant(const std::string& text, const std::string& input,
                          const std::vector<double>& numbers) {
  const size_t at = text.find("%" + input + ": ");
  if (at == std::string::npos) throw std::invalid_argument("no input %" + input);
  const size_t type = at + input.size() + 3, end = text.find(']', type) + 1;
  const size_t begin = text.find("{", end) + 1; // of the statements
  std::string result = text;
  result.insert(begin, fmt::format("\n  %{} = const [{}] : {}", input, fmt::join(numbers, ", "),
                                   text.substr(type, end - type)));
  return result.erase(text[at - 1] == '(' ? at : at - 2, end - at + 2);
}

std::vector<std::string> targets_of_users() {
  std::vector<std::string> result;
  for (const char* text : {"native", "x86-64-v4", "x86-64-v3", "x86-64-v2", "x86-64",
                           "native-avx512f", "native-avx512vl", "x86-64-v3-fma"}) {
    const Expected<compiler::Target> target = compiler::parse_target(text);
    if (target && compiler::runs_on(*target, compiler::host())) result.emplace_back(text);
  }
  return result;
}

ir::Memory reference_memory(const ir::Program& program, const Tensors& inputs) {
  const Tensors results = reference(program, inputs);
  ir::Memory memory(program.inputs.size());
  for (const ir::ValueId output : program.outputs)
    memory.push_back(results.at(program.name_of(output)).bytes);
  return memory;
}

std::string difference(const ir::Program& program, const ir::Memory& found,
                       const ir::Memory& wanted, const Closeness& closeness) {
  for (size_t i = 0; i < program.outputs.size(); ++i) {
    const size_t at = program.inputs.size() + i;
    if (auto words = difference(program.type(program.outputs[i]), found[at], wanted[at], closeness))
      return fmt::format("%{}: {}", program.name_of(program.outputs[i]), *words);
  }
  return "";
}

std::string fault_of_kernel(const compiler::Compiled& compiled, const ir::Program& program,
                            const Tensors& inputs, const ir::Memory& wanted, Dice& dice,
                            const Closeness& closeness) {
  if (!is_runnable(compiler::parse_target(compiled.report.target).value())) return "";
  const KernelRun kernel(compiled);
  for (const auto wall : {GuardedBuffer::Wall::at_end, GuardedBuffer::Wall::at_begin}) {
    const bool at_once = wall == GuardedBuffer::Wall::at_end;
    const KernelRun::Result run = kernel.run(program, inputs, wall, at_once ? nullptr : &dice);
    const std::string how = at_once ? "the kernel" : "the kernel in pieces";
    if (!run.fault.empty()) return fmt::format("{}: {}", how, run.fault);
    const std::string words = difference(program, run.buffers, wanted, closeness);
    if (!words.empty()) return fmt::format("{} differs: {}", how, words);
  }
  return "";
}

std::string fault_of_stages(const compiler::Compiled& compiled, const ir::Program& program,
                            const Tensors& inputs, Dice& dice, const Chain& chain) {
  const ir::Memory nests = evaluate_nests(compiled.stages.nests, program, inputs, chain.strides);
  std::string words = difference(program, nests, reference_memory(program, inputs), chain.nests);
  if (!words.empty()) return "nests differ from the reference: " + words;
  const ir::Memory loops = evaluate_loops(compiled.stages.loops, program, inputs, chain.strides);
  words = difference(program, loops, nests, chain.loops);
  if (!words.empty()) return "loops differ from the nests: " + words;
  words = fault_of_kernel(compiled, program, inputs, loops, dice, chain.kernel);
  return words.empty() ? "" : words + " (beside its loops)";
}

} // namespace volute::tests
