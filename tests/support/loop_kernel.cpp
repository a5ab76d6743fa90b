#include "tests/support/loop_kernel.h"

#include "compiler/target/target.h"
#include "ir/number.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <limits>

namespace volute::tests {

using ir::Buffer;
using ir::ElementType;

std::vector<std::string> runnable_targets() {
  std::vector<std::string> result;
  for (const char* text :
       {"native", "native-avx512f", "native-avx512vl", "native-avx512bw", "native-avx512dq",
        "native-avx512bf16,-avx512vnni,-avxvnni,-avx512fp16", "x86-64-v4", "x86-64-v3",
        "x86-64-v3-fma", "x86-64-v3-f16c", "x86-64-v2", "x86-64"}) {
    const Expected<compiler::Target> target = compiler::parse_target(text);
    if (target && compiler::runs_on(*target, compiler::host())) result.emplace_back(text);
  }
  return result;
}

LoopKernel::LoopKernel(const ir::LoopProgram& loops, const std::string& target, bool with_assembly)
    : loops_(loops), code_(compiler::generate(loops, compiler::parse_target(target).value(),
                                              {.llvm_text = false, .assembly = with_assembly})
                               .value()),
      mapped_(runtime::ExecutableMemory::map(code_.bytes, code_.text_bytes, loops.name).value()) {}

namespace {

int64_t work_of(const ir::Step& step, const ir::LoopProgram& loops,
                const std::vector<int64_t>& parameters) {
  return step.work([&](ir::Var var) {
    const std::string& name = step.vars[static_cast<size_t>(var.id)];
    for (size_t p = 0; p < loops.parameters.size(); ++p)
      if (loops.parameters[p].name == name) return parameters.at(p);
    throw InternalError(name + " is no parameter");
  });
}

} // namespace

int32_t LoopKernel::run(ir::Memory& memory, const std::vector<int64_t>& parameters) const {
  const std::vector<int32_t> slots = compiler::argument_slots(loops_.buffers);
  std::vector<std::unique_ptr<GuardedBuffer>> buffers;
  std::vector<std::byte*> table;
  for (size_t i = 0; i < memory.size(); ++i) {
    buffers.push_back(std::make_unique<GuardedBuffer>(memory[i].size()));
    if (!memory[i].empty()) std::memcpy(buffers[i]->data(), memory[i].data(), memory[i].size());
    if (slots[i] >= 0) table.push_back(buffers[i]->data());
  }
  const compiler::StepArguments arguments{table.data(), parameters.data()};
  int32_t status = 0;
  for (size_t i = 0; i < loops_.steps.size() && status == 0; ++i) {
    const ir::Step& step = loops_.steps[i];
    const GuardedBuffer scratch(static_cast<size_t>((step.scratch_bytes + 63) / 64 * 64));
    const auto entry = reinterpret_cast<compiler::StepEntry>(
        reinterpret_cast<uintptr_t>(mapped_->data()) + code_.entries[i]);
    status = entry(&arguments, scratch.data(), 0, work_of(step, loops_, parameters));
  }
  for (size_t i = 0; i < memory.size(); ++i)
    if (slots[i] >= 0)
      memory[i].assign(buffers[i]->data(), buffers[i]->data() + buffers[i]->size());
  return status;
}

Buffer plain_buffer(std::string name, Buffer::Role role, ElementType type, int64_t elements) {
  Buffer buffer;
  buffer.name = std::move(name);
  buffer.role = role;
  buffer.element = type;
  buffer.elements = elements;
  return buffer;
}

namespace {

double special_real(Dice& dice) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  // The limits of integer and float types, what is beside them, and the middles between numbers.
  static const std::vector<double> magnitudes = {0,
                                                 infinity,
                                                 0x1p-149,
                                                 0x1p-150,
                                                 0x1.8p-149,
                                                 0x1p-133,
                                                 0x1.8p-133,
                                                 0x1p-134,
                                                 0x1p-24,
                                                 0x1p-25,
                                                 0x1.8p-25,
                                                 0x1p-14,
                                                 0x1.ffcp-15,
                                                 0x1.ffep-15,
                                                 65504,
                                                 65520,
                                                 65519,
                                                 0x1.FFp127,
                                                 0x1.FEp127,
                                                 0x1.fffffep127,
                                                 0x1.ffffffp127,
                                                 0x1p128,
                                                 0x1p1000,
                                                 0x1p-1074,
                                                 127,
                                                 127.5,
                                                 128,
                                                 128.5,
                                                 255,
                                                 255.5,
                                                 256,
                                                 0.5,
                                                 1.5,
                                                 2.5,
                                                 0x1p31,
                                                 0x1.fffffffcp30,
                                                 0x1.fffffffep30,
                                                 2147483647.5,
                                                 0x1p63,
                                                 0x1.fffffep62,
                                                 0x1p53,
                                                 0x1p22,
                                                 0x1.8p23,
                                                 1 + 0x1p-8,
                                                 1 + 0x1p-8 + 0x1p-40,
                                                 1 + 0x1.8p-8,
                                                 1 + 0x1p-11,
                                                 1 + 0x1p-11 + 0x1p-40};
  if (dice.once_in(20)) return std::nan("");
  const double magnitude = dice.one_of(magnitudes);
  return dice.once_in(2) ? magnitude : -magnitude;
}

// Beside powers of two, and beside the middle between a power of two and the next bf16 or f32.
int64_t special_integer(Dice& dice) {
  const int64_t power = dice.between(0, 62);
  const int64_t half = power - dice.one_of({8, 24});
  int64_t number = (int64_t{1} << power) + dice.between(-1, 1);
  if (half >= 0 && dice.once_in(2)) number += int64_t{1} << half;
  return dice.once_in(2) ? number : -number;
}

} // namespace

void fill_randomly(std::vector<std::byte>& bytes, ElementType type, Dice& dice) {
  const auto size = static_cast<size_t>(ir::size_of(type));
  for (size_t at = 0; at + size <= bytes.size(); at += size) {
    const uint64_t bits = dice.bits();
    std::memcpy(&bytes[at], &bits, size);
    const int64_t kind = dice.between(0, 7);
    if (kind < 2 && ir::is_float(type)) ir::write_real(&bytes[at], type, special_real(dice));
    if (kind < 2 && !ir::is_float(type)) ir::write_integer(&bytes[at], type, special_integer(dice));
    // Random bits are mostly far outside every integer type.
    if (kind == 2 && ir::is_float(type)) ir::write_real(&bytes[at], type, 100 * dice.normal());
    if (kind == 3 && ir::is_float(type))
      ir::write_real(&bytes[at], type, 0.5 * static_cast<double>(dice.between(-600, 600)));
  }
}

std::optional<std::string> first_difference(const Buffer& buffer,
                                            const std::vector<std::byte>& found,
                                            const std::vector<std::byte>& wanted) {
  if (found.size() != wanted.size())
    return fmt::format("{} has {} bytes, not {}", buffer.name, found.size(), wanted.size());
  if (found == wanted) return std::nullopt;
  const int64_t size = ir::size_of(buffer.element);
  for (int64_t i = 0; i < static_cast<int64_t>(found.size()) / size; ++i) {
    const std::byte* a = found.data() + i * size;
    const std::byte* b = wanted.data() + i * size;
    if (std::memcmp(a, b, static_cast<size_t>(size)) == 0) continue;
    if (ir::is_integer(buffer.element))
      return fmt::format("{}[{}] is {}, not {}", buffer.name, i,
                         ir::read_integer(a, buffer.element), ir::read_integer(b, buffer.element));
    const double x = ir::read_real(a, buffer.element), y = ir::read_real(b, buffer.element);
    if (std::isnan(x) && std::isnan(y)) continue;
    return fmt::format("{}[{}] is {}, not {}", buffer.name, i, x, y);
  }
  return std::nullopt;
}

std::string disagreement(const ir::LoopProgram& loops, const ir::Memory& memory,
                         const std::vector<std::string>& targets,
                         const std::vector<int64_t>& parameters) {
  for (const Diagnostic& d : ir::verify(loops)) return "verify: " + to_string(d);
  ir::Memory wanted = memory;
  ir::evaluate(loops, wanted, parameters);
  for (const std::string& target : targets) {
    ir::Memory found = memory;
    if (const int32_t status = LoopKernel(loops, target).run(found, parameters))
      return fmt::format("{}: returned {}", target, status);
    for (size_t i = 0; i < memory.size(); ++i) {
      if (loops.buffers[i].role == Buffer::Role::scratch) continue;
      if (const auto words = first_difference(loops.buffers[i], found[i], wanted[i]))
        return fmt::format("{}: {}", target, *words);
    }
  }
  return "";
}

} // namespace volute::tests
