#include "runtime/tensor.h"

#include "ir/number.h"

#include <fmt/format.h>

#include <charconv>
#include <cstring>

namespace volute::runtime {

Expected<Tensor> Tensor::allocate(ir::TensorType type) {
  const std::optional<int64_t> bytes = ir::checked_bytes(type);
  if (!bytes)
    return fail("tensor", fmt::format("{} is larger than 2^62 bytes", ir::to_string(type)));
  AlignedMemory memory = AlignedMemory::allocate(*bytes);
  if (!memory)
    return fail("tensor",
                fmt::format("no memory for the {} bytes of {}", *bytes, ir::to_string(type)));
  return Tensor(std::move(type), std::move(memory));
}

Expected<Tensor> Tensor::copy(const TensorView& view) {
  Expected<Tensor> tensor = allocate(view.type());
  if (!tensor || tensor->bytes() == 0) return tensor;
  if (!view.data()) return fail("tensor", "there is nothing to copy at a null pointer");
  std::memcpy(tensor->data(), view.data(), static_cast<size_t>(tensor->bytes()));
  return tensor;
}

namespace {

// The i-th of a seed's random numbers, by itself (the mixing function is splitmix64's): no state
// to carry along, and the same on every machine.
uint64_t random_bits(uint64_t seed, uint64_t i) {
  uint64_t z = seed + (i + 1) * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

struct Range {
  int64_t lowest, highest;
};

Range random_range(ir::ElementType type) {
  if (ir::is_float(type)) return {-4, 4};
  if (ir::size_of(type) == 1) return {ir::lowest(type), ir::highest(type)};
  return {-1000, 1000};
}

int64_t iota_period(ir::ElementType type) {
  switch (type) {
  case ir::ElementType::bf16: return int64_t{1} << 8;
  case ir::ElementType::f16: return int64_t{1} << 11;
  case ir::ElementType::f32: return int64_t{1} << 24;
  case ir::ElementType::f64: return int64_t{1} << 53;
  default: return INT64_MAX; // integers wrap by themselves
  }
}

template <class Value>
void write_all(const MutableTensorView& tensor, Value value) {
  const ir::ElementType element = tensor.type().element;
  const int64_t size = ir::size_of(element);
  const int64_t count = tensor.type().elements();
  for (int64_t i = 0; i < count; ++i) {
    std::byte* at = tensor.data() + i * size;
    if (ir::is_float(element))
      ir::write_real(at, element, static_cast<double>(value(i)));
    else
      ir::write_integer(at, element, value(i));
  }
}

} // namespace

Expected<Fill> parse_fill(std::string_view text) {
  if (text == "zeros") return Fill{Fill::Kind::zeros, 0};
  if (text == "ones") return Fill{Fill::Kind::ones, 0};
  if (text == "iota") return Fill{Fill::Kind::iota, 0};
  if (text == "random") return Fill{Fill::Kind::random, 0};
  constexpr std::string_view seeded = "random:";
  if (text.substr(0, seeded.size()) == seeded) {
    const std::string_view digits = text.substr(seeded.size());
    Fill how{Fill::Kind::random, 0};
    const auto [end, error] = std::from_chars(digits.begin(), digits.end(), how.seed);
    if (error == std::errc() && end == digits.end()) return how;
    return fail("fill", fmt::format("the seed in '{}' is not a whole number of 64 bits", text),
                "for example random:42");
  }
  return fail("fill", fmt::format("'{}' is not a way to fill a tensor", text),
              "it is zeros, ones, iota, random or random:SEED");
}

void fill(const MutableTensorView& tensor, const Fill& how, uint64_t stream) {
  switch (how.kind) {
  case Fill::Kind::zeros: return write_all(tensor, [](int64_t) -> int64_t { return 0; });
  case Fill::Kind::ones: return write_all(tensor, [](int64_t) -> int64_t { return 1; });
  case Fill::Kind::iota: {
    const int64_t period = iota_period(tensor.type().element);
    return write_all(tensor, [=](int64_t i) { return i % period; });
  }
  case Fill::Kind::random: {
    const Range range = random_range(tensor.type().element);
    const auto values = static_cast<uint64_t>(range.highest - range.lowest + 1);
    const uint64_t seed = random_bits(how.seed, stream);
    return write_all(tensor, [=](int64_t i) {
      // The high 32 bits scaled to the range: even to within 2^-20, and without a division.
      const uint64_t bits = random_bits(seed, static_cast<uint64_t>(i)) >> 32;
      return range.lowest + static_cast<int64_t>((bits * values) >> 32);
    });
  }
  }
}

} // namespace volute::runtime
