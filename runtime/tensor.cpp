#include "runtime/tensor.h"

#include "ir/denormals.h"
#include "ir/number.h"
#include "runtime/elements.h"
#include "runtime/random.h"

#include <fmt/format.h>

#include <charconv>
#include <cstring>

namespace volute::runtime {
namespace {

/// What no tensor has, or nothing.
std::optional<std::string> fault_in_size(const ir::TensorType& type) {
  for (const ir::Extent& extent : type.extents)
    if (extent.size < 0) return fmt::format("{} has an extent below 0", ir::to_string(type));
  if (!ir::checked_bytes(type))
    return fmt::format("{} is larger than 2^62 bytes", ir::to_string(type));
  return std::nullopt;
}

void require_view(const ir::TensorType& type, const TensorStrides& strides) {
  if (const auto fault = fault_in_size(type)) throw Error(fail("view", *fault).diagnostics);
  if (strides.empty() || strides.size() == type.extents.size()) return;
  throw Error(fail("view", "a tensor " + *compiler::fault_in_strides(type, strides)).diagnostics);
}

} // namespace

void require_element(const ir::TensorType& type, size_t bytes) {
  const int64_t size = ir::size_of(type.element);
  if (bytes == 1 || static_cast<int64_t>(bytes) == size) return;
  throw Error(fail("tensor", fmt::format("{} has elements of {} byte{}, asked for as a type of {}",
                                         ir::to_string(type), size, size == 1 ? "" : "s", bytes))
                  .diagnostics);
}

TensorView::TensorView(ir::TensorType type, const void* data, TensorStrides strides)
    : type_(std::move(type)), strides_(std::move(strides)),
      data_(static_cast<const std::byte*>(data)) {
  require_view(type_, strides_);
}

MutableTensorView::MutableTensorView(ir::TensorType type, void* data, TensorStrides strides)
    : type_(std::move(type)), strides_(std::move(strides)), data_(static_cast<std::byte*>(data)) {
  require_view(type_, strides_);
}

Expected<Tensor> Tensor::allocate(ir::TensorType type) {
  return in(AlignedMemory::allocate, std::move(type));
}

Expected<Tensor> Tensor::allocate_unset(ir::TensorType type) {
  return in(AlignedMemory::allocate_unset, std::move(type));
}

Expected<Tensor> Tensor::in(AlignedMemory (*allocate)(int64_t) noexcept, ir::TensorType type) {
  if (const auto fault = fault_in_size(type)) return fail("tensor", *fault);
  AlignedMemory memory = allocate(type.bytes());
  if (!memory)
    return fail("tensor",
                fmt::format("no memory for the {} bytes of {}", type.bytes(), ir::to_string(type)));
  return Tensor(std::move(type), std::move(memory));
}

Expected<Tensor> Tensor::copy(const TensorView& view) {
  Expected<Tensor> tensor = allocate(view.type());
  if (!tensor || tensor->bytes() == 0) return tensor;
  if (!view.data()) return fail("tensor", "there is nothing to copy at a null pointer");
  if (auto fault = compiler::fault_in_strides(view.type(), view.strides()))
    return fail("tensor", "the view " + *fault);
  copy_elements(view.type(), view.data(), view.strides(), tensor->data(), {});
  return tensor;
}

namespace {

// The one extent of an axis that can be cut or expanded: not split into several.
size_t whole_extent(const ir::TensorType& type, ir::Axis axis, const char* what) {
  const int parts = type.parts(axis);
  if (parts != 1)
    throw Error(fail(what, fmt::format("{} {} the axis {}", ir::to_string(type),
                                       parts == 0 ? "does not name" : "splits", ir::to_char(axis)))
                    .diagnostics);
  size_t at = 0;
  while (type.extents[at].axis != axis) ++at;
  return at;
}

void require_fitting(const ir::TensorType& type, const TensorStrides& strides, const char* what) {
  if (auto fault = compiler::fault_in_strides(type, strides))
    throw Error(fail(what, "the view " + *fault).diagnostics);
}

} // namespace

Part narrow(const ir::TensorType& type, const TensorStrides& strides, ir::Axis axis, int64_t start,
            int64_t length, int64_t step) {
  require_fitting(type, strides, "narrow");
  const size_t at = whole_extent(type, axis, "narrow");
  const int64_t size = type.extents[at].size;
  // The last position is start + (length - 1) * step: told from what is left, it cannot overflow.
  const bool fits = start >= 0 && start <= size && length >= 0 && step >= 1 &&
                    (length == 0 || (start < size && length - 1 <= (size - 1 - start) / step));
  if (!fits)
    throw Error(
        fail("narrow", fmt::format("there are no {} positions from {} on by {} along {} "
                                   "of {}",
                                   length, start, step, ir::to_char(axis), ir::to_string(type)))
            .diagnostics);
  Part part{type, strides.empty() ? compiler::dense_strides(type) : strides, 0};
  part.type.extents[at].size = length;
  if (length > 0) part.bytes_behind = start * part.strides[at] * ir::size_of(type.element);
  if (length > 1) part.strides[at] *= step;
  part.strides = compiler::canonical_strides(part.type, part.strides);
  return part;
}

TensorView TensorView::expand(ir::Axis axis, int64_t size) const {
  require_fitting(type_, strides_, "expand");
  const size_t at = whole_extent(type_, axis, "expand");
  if (type_.extents[at].size != 1 || size < 0)
    throw Error(fail("expand",
                     fmt::format("{} cannot be seen with {} = {}", ir::to_string(type_),
                                 ir::to_char(axis), size),
                     "an axis of one position can be expanded, to 0 or more")
                    .diagnostics);
  TensorView expanded(type_, data_, strides_.empty() ? compiler::dense_strides(type_) : strides_);
  expanded.type_.extents[at].size = size;
  expanded.strides_[at] = 0;
  return expanded;
}

void copy_elements(const ir::TensorType& type, const std::byte* from,
                   const TensorStrides& from_strides, std::byte* to,
                   const TensorStrides& to_strides) {
  const int64_t size = ir::size_of(type.element);
  for_each_row(type, from_strides, to_strides, [&](const Row& row) {
    const std::byte* source = from + row.first * size;
    std::byte* target = to + row.second * size;
    if (row.first_step == 1 && row.second_step == 1) {
      std::memcpy(target, source, static_cast<size_t>(row.count * size));
      return;
    }
    for (int64_t i = 0; i < row.count; ++i)
      std::memcpy(target + i * row.second_step * size, source + i * row.first_step * size,
                  static_cast<size_t>(size));
  });
}

namespace {

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
  int64_t i = 0;
  for_each_element(tensor.type(), tensor.strides(), tensor.data(), [&](std::byte* at) {
    if (ir::is_float(element))
      ir::write_real(at, element, static_cast<double>(value(i++)));
    else
      ir::write_integer(at, element, value(i++));
  });
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
  require_fitting(tensor.type(), tensor.strides(), "fill");
  const std::optional<int64_t> bytes = ir::checked_bytes(tensor.type());
  if (!tensor.data() && bytes && *bytes > 0)
    throw Error(fail("fill", fmt::format("{} is a null pointer", ir::to_string(tensor.type())))
                    .diagnostics);
  switch (how.kind) {
  case Fill::Kind::zeros: return write_all(tensor, [](int64_t) -> int64_t { return 0; });
  case Fill::Kind::ones: return write_all(tensor, [](int64_t) -> int64_t { return 1; });
  case Fill::Kind::iota: {
    const int64_t period = iota_period(tensor.type().element);
    return write_all(tensor, [=](int64_t i) { return i % period; });
  }
  case Fill::Kind::random: {
    const Range range = random_range(tensor.type().element);
    const int64_t values = range.highest - range.lowest + 1;
    const uint64_t seed = random_bits(how.seed, stream);
    return write_all(tensor, [=](int64_t i) {
      return range.lowest + random_below(values, random_bits(seed, static_cast<uint64_t>(i)));
    });
  }
  }
}

int64_t count_denormals(const TensorView& tensor) {
  const ir::ElementType element = tensor.type().element;
  require_fitting(tensor.type(), tensor.strides(), "denormals");
  if (!ir::may_be_denormal(element) || !tensor.data()) return 0;
  const int64_t size = ir::size_of(element);
  int64_t count = 0;
  for_each_row(tensor.type(), tensor.strides(), {}, [&](const Row& row) {
    const std::byte* first = tensor.data() + row.first * size;
    if (row.first_step == 1)
      count += ir::count_denormals(first, row.count, element);
    else
      for (int64_t k = 0; k < row.count; ++k)
        count += ir::count_denormals(first + k * row.first_step * size, 1, element);
  });
  return count;
}

} // namespace volute::runtime
