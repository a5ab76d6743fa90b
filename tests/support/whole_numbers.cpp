#include "tests/support/whole_numbers.h"

#include "ir/number.h"
#include "runtime/tensor.h"

#include <fmt/format.h>

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
