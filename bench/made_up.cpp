#include "bench/made_up.h"

#include "ir/infer.h"
#include "ir/number.h"
#include "ir/tensor_data.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace volute::bench {
namespace {

using ir::Axis;

constexpr double byte_deviation = 40, byte_center = 128; // few of them meet the ends of the range
constexpr double vector_deviation = 0.1;
constexpr double whole_deviation = 100; // of whole numbers that are no bytes

/// The i-th random number of a stream, by itself (splitmix64's mixing function).
uint64_t random_bits(uint64_t stream, uint64_t i) {
  uint64_t z = stream + (i + 1) * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

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
std::optional<Reader> reader_of(const ir::Program& program, ir::ValueId id) {
  for (const ir::Statement& s : program.statements)
    for (size_t i = 0; i < s.operands.size(); ++i)
      if (s.operands[i] == id) return Reader{&s, i};
  return std::nullopt;
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
    const auto [one, other] = normal_pair(random_bits(stream, static_cast<uint64_t>(i)));
    write(i, one);
    if (i + 1 < count) write(i + 1, other);
  }
}

/// Every window's maximum is its first element.
void write_places(runtime::Tensor& tensor, const ir::Program& program, const ir::Statement& s) {
  const std::vector<ir::Window> windows = ir::transposed_windows(program, s);
  const ir::TensorType& type = tensor.type();
  const ir::Strides strides(type);
  const std::vector<Axis> space = type.spatial_axes();
  std::vector<int64_t> at(space.size(), 0);
  const int64_t planes = type.size(Axis::n) * type.size(Axis::c);
  for (bool is_over = type.elements() == 0; !is_over;) {
    int64_t place = 0, offset = 0;
    for (size_t i = 0; i < space.size(); ++i) {
      const ir::Window& w = windows[i];
      const int64_t first = at[i] * w.stride - w.pad_begin;
      place = place * w.output + std::clamp<int64_t>(first, 0, w.output - 1);
      offset += strides.offset(space[i], at[i]);
    }
    for (int64_t plane = 0; plane < planes; ++plane) {
      const int64_t n = plane / type.size(Axis::c), c = plane % type.size(Axis::c);
      ir::write_integer(tensor.data() +
                            8 * (offset + strides.offset(Axis::n, n) + strides.offset(Axis::c, c)),
                        ir::ElementType::i64, place);
    }
    is_over = true;
    for (size_t i = space.size(); i-- > 0 && is_over;) {
      at[i] = (at[i] + 1) % type.size(space[i]);
      is_over = at[i] == 0;
    }
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

void make_up(const ir::Program& program, std::vector<runtime::Tensor>& inputs, uint64_t seed) {
  for (size_t i = 0; i < inputs.size(); ++i) {
    runtime::Tensor& tensor = inputs[i];
    const ir::ElementType element = tensor.type().element;
    const uint64_t stream = random_bits(seed, i);
    const std::optional<Reader> reader = reader_of(program, program.inputs[i]);
    const InputRole role = role_of(program, program.inputs[i]);
    if (role == InputRole::place) {
      write_places(tensor, program, *reader->statement);
    } else if (element == ir::ElementType::u8) {
      write_normal(tensor, byte_center, byte_deviation, stream);
    } else if (element == ir::ElementType::i8) {
      write_normal(tensor, 0, byte_deviation, stream);
    } else if (ir::is_integer(element)) {
      write_normal(tensor, 0, whole_deviation, stream);
    } else {
      switch (role) {
      case InputRole::weight: {
        const double taps = taps_of(*reader->statement, tensor.type());
        write_normal(tensor, 0, 1 / std::sqrt(std::max(1.0, taps)), stream);
        break;
      }
      case InputRole::vector: write_normal(tensor, 0, vector_deviation, stream); break;
      case InputRole::factor: write_normal(tensor, 1, vector_deviation, stream, true); break;
      case InputRole::activation:
      case InputRole::place: write_normal(tensor, 0, 1, stream); break;
      }
    }
  }
}

} // namespace volute::bench
