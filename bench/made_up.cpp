#include "bench/made_up.h"

#include "ir/number.h"
#include "runtime/made_up.h"
#include "runtime/random.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <optional>

namespace volute::bench {
namespace {

using ir::Axis;

constexpr double byte_deviation = 40, byte_center = 128; // few of them meet the ends of the range
constexpr double vector_deviation = 0.1;
constexpr double whole_deviation = 100; // of whole numbers that are no bytes

/// Two independent normally distributed numbers from one random number (Box and Muller).
std::pair<double, double> normal_pair(uint64_t bits) {
  const double radius = std::sqrt(-2 * std::log((static_cast<double>(bits >> 32) + 1) * 0x1p-32));
  const double angle = 2 * std::numbers::pi * static_cast<double>(bits & 0xffffffffu) * 0x1p-32;
  return {radius * std::cos(angle), radius * std::sin(angle)};
}

/// How many products go into one sum over this weight.
double taps_of(const ir::Statement& s, const ir::TensorType& weight) {
  const double all = static_cast<double>(weight.elements());
  if (const auto* transposed = std::get_if<ir::ConvTranspose>(&s.operation)) {
    double strides = 1; // of so many taps, one meets a given output
    for (const int64_t stride : transposed->stride) strides *= static_cast<double>(stride);
    return all / static_cast<double>(weight.size(Axis::o) * transposed->groups) / strides;
  }
  return all / static_cast<double>(weight.size(Axis::o));
}

struct Reader {
  const ir::Statement* statement;
  size_t operand;
};

/// Who reads a value, laid out anew or not.
void find_readers(const ir::Program& program, ir::ValueId id, std::vector<Reader>& found) {
  for (const ir::Statement& s : program.statements)
    for (size_t i = 0; i < s.operands.size(); ++i) {
      if (s.operands[i] != id) continue;
      if (std::holds_alternative<ir::Reorder>(s.operation))
        find_readers(program, s.results.front(), found);
      else
        found.push_back({&s, i});
    }
}

/// The reader that an input is drawn for: whoever takes it for places, else the first.
std::optional<Reader> reader_of(const ir::Program& program, ir::ValueId id) {
  std::vector<Reader> readers;
  find_readers(program, id, readers);
  for (const Reader& reader : readers)
    if (std::holds_alternative<ir::MaxUnpool>(reader.statement->operation) && reader.operand == 1)
      return reader;
  if (readers.empty()) return std::nullopt;
  return readers.front();
}

void write_normal(runtime::Tensor& tensor, double center, double deviation, uint64_t stream,
                  bool is_positive = false) {
  const ir::ElementType type = tensor.type().element;
  const int64_t count = tensor.type().elements(), size = ir::size_of(type);
  const auto write = [&](int64_t at, double normal) {
    double value = center + deviation * normal;
    if (is_positive) value = std::max(std::abs(value), 0.1);
    std::byte* place = tensor.data() + at * size;
    if (ir::is_float(type))
      ir::write_real(place, type, value);
    else
      ir::write_integer(place, type, ir::saturate_to(type, value));
  };
  for (int64_t i = 0; i < count; i += 2) {
    const auto [one, other] = normal_pair(runtime::random_bits(stream, static_cast<uint64_t>(i)));
    write(i, one);
    if (i + 1 < count) write(i + 1, other);
  }
}

} // namespace

InputRole role_of(const ir::Program& program, ir::ValueId input) {
  const std::optional<Reader> reader = reader_of(program, input);
  if (reader) {
    const ir::Operation& operation = reader->statement->operation;
    const bool is_conv = std::holds_alternative<ir::Conv>(operation) ||
                         std::holds_alternative<ir::ConvTranspose>(operation);
    if (is_conv && reader->operand == 1) return InputRole::weight;
    if (std::holds_alternative<ir::MaxUnpool>(operation) && reader->operand == 1)
      return InputRole::place;
    if (std::holds_alternative<ir::BatchNorm>(operation) &&
        (reader->operand == 1 || reader->operand == 4))
      return InputRole::factor;
  }
  return program.type(input).has(Axis::n) ? InputRole::activation : InputRole::vector;
}

void make_up(const ir::Program& program, size_t input, runtime::Tensor& tensor, uint64_t seed) {
  const ir::ValueId id = program.inputs[input];
  const ir::ElementType element = tensor.type().element;
  const uint64_t stream = runtime::random_bits(seed, input);
  const InputRole role = role_of(program, id);
  if (role == InputRole::place)
    return runtime::make_up(tensor, program, id, {runtime::Fill::Kind::random, seed}, input);
  if (element == ir::ElementType::u8)
    return write_normal(tensor, byte_center, byte_deviation, stream);
  if (element == ir::ElementType::i8) return write_normal(tensor, 0, byte_deviation, stream);
  if (ir::is_integer(element)) return write_normal(tensor, 0, whole_deviation, stream);
  switch (role) {
  case InputRole::weight: {
    const double taps = taps_of(*reader_of(program, id)->statement, tensor.type());
    return write_normal(tensor, 0, 1 / std::sqrt(std::max(1.0, taps)), stream);
  }
  case InputRole::vector: return write_normal(tensor, 0, vector_deviation, stream);
  case InputRole::factor: return write_normal(tensor, 1, vector_deviation, stream, true);
  case InputRole::activation:
  case InputRole::place: return write_normal(tensor, 0, 1, stream);
  }
}

void make_up(const ir::Program& program, std::vector<runtime::Tensor>& inputs, uint64_t seed) {
  for (size_t i = 0; i < inputs.size(); ++i) make_up(program, i, inputs[i], seed);
}

} // namespace volute::bench
