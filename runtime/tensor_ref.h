// A tensor as plain data: what every call takes.
//
// Nothing but numbers and addresses, so that a caller of any language fills it in place;
// TensorView, MutableTensorView and Tensor convert to it without an allocation. What it points to
// is the caller's and need not outlive the call.
//
//     const ir::Extent extents[] = {{Axis::n, 1}, {Axis::c, 3}, {Axis::w, 100}};
//     const TensorRef x = {pixels, extents, nullptr, 3, ElementType::f32, false};
#pragma once

#include "ir/types.h"

#include <cstdint>
#include <string>
#include <type_traits>

namespace volute::runtime {

/// A tensor of the caller's, as plain data.
struct TensorRef {
  void* data = nullptr;                // its first element; written to only when `writable`
  const ir::Extent* extents = nullptr; // `rank` of them, in memory order, outermost first
  const int64_t* strides = nullptr;    // `rank` of them, in elements; null: dense
  int32_t rank = 0;                    // how many extents there are
  ir::ElementType element = ir::ElementType::f32; // of each
  bool writable = false;                          // an output asks for it
};

static_assert(std::is_standard_layout_v<TensorRef> && std::is_trivially_copyable_v<TensorRef>);
static_assert(std::is_standard_layout_v<ir::Extent> && sizeof(ir::Extent) == 16,
              "an extent is a byte, the axis, and the size at the next multiple of 8");

/// Whether the reference has exactly the type. Whatever its fields hold, only the extents of a
/// right rank are looked at.
bool has_type(const TensorRef& tensor, const ir::TensorType& type) noexcept;
/// Throws Error unless there are as many extents to look at as it says.
void require_readable(const TensorRef& tensor);
/// Its type. Throws Error when its fields are no tensor's.
ir::TensorType type_of(const TensorRef& tensor);
/// Its type for people, or what is wrong with its fields: "a tensor of rank -1".
std::string type_text(const TensorRef& tensor);

} // namespace volute::runtime

namespace volute {
using runtime::TensorRef;
} // namespace volute
