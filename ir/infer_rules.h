// What the inference functions share: the call they check, the refusals they collect, and the
// rules that more than one operator has. Private to the infer*.cpp files.
#pragma once

#include "ir/infer.h"
#include "ir/operators.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace volute::ir {

/// Wide enough for any sum or product of two sizes and an attribute.
__extension__ typedef __int128 Wide;

/// No size along an axis is larger, nor any tensor in bytes.
inline constexpr int64_t largest_size = int64_t{1} << 62;

/// Collects what is wrong with one statement, each at the part at fault.
class Refusals {
public:
  Refusals(std::string_view subject, const Places& places) : subject_(subject), places_(places) {}
  void at_operator(std::string message, std::string hint = "") {
    add(places_.op, std::move(message), std::move(hint));
  }
  void at_operand(size_t i, std::string message, std::string hint = "") {
    add(places_.operand(i), std::move(message), std::move(hint));
  }
  /// The first fault of an attribute; the same on its other axes would be said again.
  void at_attribute(std::string_view name, std::string message, std::string hint = "") {
    if (std::find(refused_.begin(), refused_.end(), name) != refused_.end()) return;
    refused_.push_back(name);
    add(places_.attribute(name), std::move(message), std::move(hint));
  }
  void at_type(size_t i, std::string message, std::string hint = "") {
    add(places_.type(i), std::move(message), std::move(hint));
  }
  bool none() const { return list_.empty(); }
  std::vector<Diagnostic> take() { return std::move(list_); }

private:
  void add(Location where, std::string message, std::string hint) {
    list_.push_back({where, std::string(subject_), std::move(message), std::move(hint)});
  }
  std::string_view subject_;
  const Places& places_;
  std::vector<Diagnostic> list_;
  std::vector<std::string_view> refused_; // attributes
};

/// One statement under inference: what every rule may look at.
struct Call {
  const Operation& operation;
  const OperatorRow& row;
  std::span<const TensorType> operands;
  std::span<const TensorType> written; // empty, or one a result
  size_t results;
  Refusals& refuse;

  const TensorType& x() const { return operands[0]; }
};

/// A result before its memory order is known. Its axes are those of the first operand.
struct Shape {
  ElementType element = ElementType::f32;
  std::array<int64_t, 7> sizes = {}; // by Axis

  int64_t& operator[](Axis axis) { return sizes[static_cast<size_t>(axis)]; }
  int64_t operator[](Axis axis) const { return sizes[static_cast<size_t>(axis)]; }
};
using Shapes = std::vector<Shape>;

/// The sizes and element type of a tensor, whatever its memory order.
Shape shape_of(const TensorType& type);

// One family of operators each. They return as many shapes as `call.results` asks for, or refuse.
Shapes infer_conv(const Conv& op, const Call& call);
Shapes infer_conv_transpose(const ConvTranspose& op, const Call& call);
Shapes infer_pool(const Pool& op, const Call& call);
Shapes infer_global_pool(const GlobalPool& op, const Call& call);
Shapes infer_adaptive_pool(const AdaptivePool& op, const Call& call);
Shapes infer_max_unpool(const MaxUnpool& op, const Call& call);
Shapes infer_batch_norm(const BatchNorm& op, const Call& call);
Shapes infer_binary(const Binary& op, const Call& call);
Shapes infer_unary(const Unary& op, const Call& call);
Shapes infer_prelu(const Prelu& op, const Call& call);
Shapes infer_convert(const Convert& op, const Call& call);
Shapes infer_reorder(const Reorder& op, const Call& call);
Shapes infer_pad(const PadOp& op, const Call& call);
Shapes infer_quantize(const Quantize& op, const Call& call);

// ---- rules that several have ------------------------------------------------------------------

/// An activation names n, c and w; h, w; or d, h, w, and nothing else.
bool is_activation(const TensorType& type);
/// Refuses a first operand that is no activation.
bool require_activation(const Call& call);
/// Refuses operand i unless it is a vector along `axis` of that size.
bool require_vector(const Call& call, size_t i, Axis axis, int64_t size, std::string_view why);
/// Refuses operand i unless its elements are floats.
bool require_float(const Call& call, size_t i);

/// "h, w", "o, i, h and w": axes for messages.
std::string axes_text(std::span<const Axis> axes);
inline std::string nearest(int64_t value) {
  return fmt::format("the nearest valid value is {}", value);
}
/// "stride = [1, 0]", as the attribute was written.
std::string attribute_text(const Call& call, std::string_view name);

/// Refuses zero points outside their type, and a list whose length is neither 1 nor `channels`.
bool require_zero_points(const Call& call, std::string_view name, std::span<const int64_t> values,
                         ElementType type, int64_t channels);

// ---- windows ----------------------------------------------------------------------------------

struct Side {
  int64_t begin = 0, end = 0;
};

/// The span of a window, which a hostile weight and dilation can take beyond 64 bits.
inline Wide wide_span(int64_t kernel, int64_t dilation) {
  return Wide{dilation} * (kernel - 1) + 1;
}

/// The windows as asked for: input, kernel, stride and dilation, before pads and output size.
std::vector<Window> asked_windows(const Operation& operation, std::span<const TensorType> operands);

/// A window with its pads and output size; the output is below 1 where it does not fit. The span
/// must be at most largest_size.
Window resolve(const Window& asked, const Padding& pad, size_t axis, bool ceil_mode);
Window resolve_transposed(const Window& asked, const Padding& pad, size_t axis,
                          int64_t output_padding);

/// Refuses windows that do not fit the padded input, naming the attribute or operand at fault.
struct Filter {
  std::string_view kernel_name;  // "kernel", or "" when it comes from operand 1
  std::span<const Window> asked; // with input, kernel, stride and dilation
  const Padding& pad;
  bool ceil_mode = false;
};
std::vector<Window> require_windows(const Call& call, const Filter& filter);

/// Refuses pads that the mode cannot fill from an input of that extent: reflect needs pad < extent,
/// circular pad <= extent, replicate an extent.
bool require_pad_mode(const Call& call, PadMode mode, std::string_view attribute, Axis axis,
                      Side side, int64_t extent);

} // namespace volute::ir
