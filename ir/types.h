// Element types, axes and tensor types: the vocabulary that every language here shares.
//
// A tensor type is an element type and its extents *in memory order*, outermost first:
// f32[n=1, c=64, h=56, w=56] is NCHW and f32[n=1, h=56, w=56, c=64] is NHWC. A layout therefore
// needs no name of its own. An axis may be split: f32[n=1, c=4, h=56, w=56, c=16] is NCHW16c, its
// channel count is the product 64, and the part written first is the most significant.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace volute::ir {

/// What elements are. f16 and bf16 are 16-bit patterns in the machine's byte order.
enum class ElementType : uint8_t { f32, f64, f16, bf16, i8, u8, i32, i64 };

/// Bytes one element takes in memory.
int64_t size_of(ElementType type);
/// Whether it is f32, f64, f16 or bf16, or one of the others.
bool is_float(ElementType type);
inline bool is_integer(ElementType type) { return !is_float(type); }
/// Its word in the program text, and the type of a word.
std::string_view to_string(ElementType type);
std::optional<ElementType> element_type_from(std::string_view name);

/// n batch; c channel of an activation; d, h, w space; o and i output and input channels of a
/// weight.
enum class Axis : uint8_t { n, c, d, h, w, o, i };

/// Its letter in the program text, and the axis of a letter.
char to_char(Axis axis);
std::optional<Axis> axis_from(char letter);
/// Whether it is d, h or w.
inline bool is_spatial(Axis axis) { return axis == Axis::d || axis == Axis::h || axis == Axis::w; }

/// One extent in memory: `h=56`.
struct Extent {
  Axis axis;    // which, or a part of which
  int64_t size; // positions
  bool operator==(const Extent&) const = default;
};

/// The type of a tensor, `f32[n=1, c=64, h=56, w=56]`, and so its layout.
struct TensorType {
  ElementType element = ElementType::f32; // of each
  std::vector<Extent> extents;            // memory order, outermost first

  bool operator==(const TensorType&) const = default;

  /// Whether the type names it.
  bool has(Axis axis) const;
  /// Size of an axis: the product of its parts; 1 when the type does not name it.
  int64_t size(Axis axis) const;
  /// Number of parts the axis is split into: 0 when absent, 1 when whole.
  int parts(Axis axis) const;
  /// The axes in order of first appearance, split axes once.
  std::vector<Axis> axes() const;
  /// The spatial axes among d, h, w, in that order whatever the memory order.
  std::vector<Axis> spatial_axes() const;
  /// Number of elements. Only for types that passed `checked_bytes`.
  int64_t elements() const;
  /// Bytes of all of them.
  int64_t bytes() const { return elements() * size_of(element); }
};

/// Bytes of the whole tensor, or nothing when they exceed 2^62 (the language's limit), computed
/// without overflow. An extent of 0 gives 0 whatever the others are.
std::optional<int64_t> checked_bytes(const TensorType& type);

/// `f32[n=1, c=3, h=224, w=224]`, as the program text writes it.
std::string to_string(const TensorType& type);

} // namespace volute::ir
