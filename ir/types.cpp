#include "ir/types.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace volute::ir {
namespace {

struct ElementRow {
  std::string_view name;
  int64_t size;
  bool is_float;
};
// In the order of the enumeration.
constexpr std::array<ElementRow, 8> element_rows = {{
    {"f32", 4, true},
    {"f64", 8, true},
    {"f16", 2, true},
    {"bf16", 2, true},
    {"i8", 1, false},
    {"u8", 1, false},
    {"i32", 4, false},
    {"i64", 8, false},
}};
constexpr std::string_view axis_letters = "ncdhwoi"; // in the order of the enumeration

const ElementRow& row(ElementType type) { return element_rows[static_cast<size_t>(type)]; }

} // namespace

int64_t size_of(ElementType type) { return row(type).size; }
bool is_float(ElementType type) { return row(type).is_float; }
std::string_view to_string(ElementType type) { return row(type).name; }

std::optional<ElementType> element_type_from(std::string_view name) {
  for (size_t i = 0; i < element_rows.size(); ++i)
    if (element_rows[i].name == name) return static_cast<ElementType>(i);
  return std::nullopt;
}

char to_char(Axis axis) { return axis_letters[static_cast<size_t>(axis)]; }

std::optional<Axis> axis_from(char letter) {
  const size_t at = axis_letters.find(letter);
  if (at == std::string_view::npos) return std::nullopt;
  return static_cast<Axis>(at);
}

bool TensorType::has(Axis axis) const { return parts(axis) > 0; }

int64_t TensorType::size(Axis axis) const {
  int64_t product = 1;
  for (const Extent& e : extents)
    if (e.axis == axis) product *= e.size;
  return product;
}

int TensorType::parts(Axis axis) const {
  return static_cast<int>(
      std::count_if(extents.begin(), extents.end(), [&](const Extent& e) { return e.axis == axis; }));
}

std::vector<Axis> TensorType::axes() const {
  std::vector<Axis> seen;
  for (const Extent& e : extents)
    if (std::find(seen.begin(), seen.end(), e.axis) == seen.end()) seen.push_back(e.axis);
  return seen;
}

std::vector<Axis> TensorType::spatial_axes() const {
  std::vector<Axis> found;
  for (Axis axis : {Axis::d, Axis::h, Axis::w})
    if (has(axis)) found.push_back(axis);
  return found;
}

int64_t TensorType::elements() const {
  int64_t product = 1;
  for (const Extent& e : extents) product *= e.size;
  return product;
}

std::optional<int64_t> checked_bytes(const TensorType& type) {
  constexpr int64_t limit = int64_t{1} << 62;
  int64_t total = size_of(type.element);
  bool too_large = false;
  for (const Extent& e : type.extents) {
    if (e.size == 0) return 0;
    if (e.size < 0 || __builtin_mul_overflow(total, e.size, &total) || total > limit) too_large = true;
    if (too_large) total = 1; // keep looking: a later extent of 0 makes the tensor empty
  }
  if (too_large) return std::nullopt;
  return total;
}

std::string to_string(const TensorType& type) {
  std::string text = fmt::format("{}[", to_string(type.element));
  for (size_t i = 0; i < type.extents.size(); ++i)
    text += fmt::format("{}{}={}", i ? ", " : "", to_char(type.extents[i].axis), type.extents[i].size);
  return text + "]";
}

} // namespace volute::ir
