#include "tests/support/whole_numbers.h"

#include "ir/number.h"
#include "ir/operators.h"
#include "runtime/tensor.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace volute::tests {

Tensors whole_numbers(const ir::Program& program, uint64_t seed) {
  Tensors tensors;
  for (size_t i = 0; i < program.inputs.size(); ++i) {
    ir::TensorData tensor = ir::zeros(program.type(program.inputs[i]));
    runtime::fill({tensor.type, tensor.bytes.data()}, {runtime::Fill::Kind::random, seed}, i);
    tensors.emplace(program.name_of(program.inputs[i]), std::move(tensor));
  }
  return tensors;
}

Tensors arbitrary_numbers(const ir::Program& program, Dice& dice, int64_t one_in) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> special = {infinity, -infinity, std::nanf(""), -0.0F, 0.0F,
                                      1e-40F,   -3e-45F,   3e38F,         -2e38F};
  Tensors tensors;
  for (const ir::ValueId input : program.inputs) {
    ir::TensorData tensor = ir::zeros(program.type(input));
    const int64_t size = ir::size_of(tensor.type.element);
    for (int64_t i = 0; i < tensor.type.elements(); ++i) {
      std::byte* at = tensor.bytes.data() + i * size;
      if (ir::is_integer(tensor.type.element))
        ir::write_integer(at, tensor.type.element, static_cast<int64_t>(dice.bits()));
      else
        ir::write_real(at, tensor.type.element,
                       one_in > 0 && dice.once_in(one_in)
                           ? static_cast<double>(dice.one_of(special))
                           : dice.normal());
    }
    tensors.emplace(program.name_of(input), std::move(tensor));
  }
  return tensors;
}

std::optional<Tensors> not_finite(const ir::Program& program, uint64_t seed, Dice& dice) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  for (const ir::Statement& statement : program.statements) {
    const int weight = traits_of(statement.operation).weight;
    if (weight < 0) continue;
    const ir::ValueId value = statement.operands[static_cast<size_t>(weight)];
    if (std::find(program.inputs.begin(), program.inputs.end(), value) == program.inputs.end())
      return std::nullopt;
  }
  Tensors tensors = whole_numbers(program, seed);
  bool any = false;
  for (auto& [name, tensor] : tensors) {
    if (!tensor.type.has(ir::Axis::n) || ir::is_integer(tensor.type.element)) continue;
    const int64_t size = ir::size_of(tensor.type.element);
    for (int64_t i = 0; i < tensor.type.elements(); ++i)
      if (dice.once_in(12)) {
        any = true;
        ir::write_real(tensor.bytes.data() + i * size, tensor.type.element,
                       dice.one_of<double>({infinity, -infinity, std::nan("")}));
      }
  }
  if (!any) return std::nullopt;
  return tensors;
}

void see_through(Tensors& tensors, const compiler::StridesByName& strides) {
  for (auto& [name, tensor] : tensors) {
    const auto given = strides.find(name);
    if (given == strides.end() || tensor.bytes.empty()) continue;
    std::vector<std::byte> memory(
        static_cast<size_t>(*compiler::checked_span_bytes(tensor.type, given->second)));
    runtime::copy_elements(tensor.type, tensor.bytes.data(), {}, memory.data(), given->second);
    runtime::copy_elements(tensor.type, memory.data(), given->second, tensor.bytes.data(), {});
  }
}

namespace {

bool agree(double found, double wanted, const Closeness& closeness) {
  if (std::isnan(found) || std::isnan(wanted)) return std::isnan(found) && std::isnan(wanted);
  if (found == wanted)
    return closeness.kind != Closeness::Kind::bits || std::signbit(found) == std::signbit(wanted);
  return closeness.kind == Closeness::Kind::near && std::fabs(found - wanted) <= closeness.slack;
}

} // namespace

std::optional<std::string> difference(const ir::TensorType& type,
                                      const std::vector<std::byte>& found,
                                      const std::vector<std::byte>& wanted,
                                      const Closeness& closeness) {
  if (found.size() != wanted.size())
    return fmt::format("{} bytes, not {}", found.size(), wanted.size());
  const int64_t size = ir::size_of(type.element);
  int64_t differ = 0;
  std::string words;
  for (int64_t i = 0; i < type.elements(); ++i) {
    const std::byte* a = found.data() + i * size;
    const std::byte* b = wanted.data() + i * size;
    if (std::memcmp(a, b, static_cast<size_t>(size)) == 0) continue;
    if (ir::is_float(type.element)) {
      const double x = ir::read_real(a, type.element), y = ir::read_real(b, type.element);
      if (agree(x, y, closeness)) continue;
      if (differ++ == 0) words = fmt::format("element {} is {:.9g}, not {:.9g}", i, x, y);
    } else if (differ++ == 0) {
      words = fmt::format("element {} is {}, not {}", i, ir::read_integer(a, type.element),
                          ir::read_integer(b, type.element));
    }
  }
  if (differ == 0) return std::nullopt;
  return fmt::format("{} ({} of {} differ)", words, differ, type.elements());
}

} // namespace volute::tests
