// Tensors at run time: views over memory that somebody else owns, and a tensor that owns its own.
//
// A view does not keep its memory alive, and making one copies no element. It is dense, every
// element where the type's extents in memory order say, or a tensor inside a larger one:
//
//     const TensorView image(type, pixels);                    // f32[n=1, h=480, w=640, c=3]
//     const TensorView face = image.narrow(Axis::h, 100, 64).narrow(Axis::w, 200, 64);
//     const TensorView rows(type, pixels, {stride, ...});      // any strides, in elements
//
// A tensor that owns its elements is always dense.
#pragma once

#include "compiler/image/tensor_strides.h"
#include "ir/diagnostic.h"
#include "ir/types.h"
#include "runtime/aligned_memory.h"
#include "runtime/tensor_ref.h"

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

namespace volute::runtime {

using compiler::TensorStrides;

/// Part of a tensor's shape: a view's type, strides, and how far behind the whole one's it begins.
struct Part {
  ir::TensorType type;      // with the part's extents
  TensorStrides strides;    // in elements
  int64_t bytes_behind = 0; // of the whole one's first element
};
/// Every `step`-th of the positions start, start + step, ... along an axis that is not split,
/// `length` of them. Throws Error when there are not so many.
Part narrow(const ir::TensorType& type, const TensorStrides& strides, ir::Axis axis, int64_t start,
            int64_t length, int64_t step);

/// Throws Error unless a T is as large as one of the elements, or is a byte of them.
void require_element(const ir::TensorType& type, size_t bytes);

/// Memory that is only read: a kernel's input.
class TensorView {
public:
  /// `strides`: elements between neighbours along each extent, in the type's order; none: dense.
  /// Throws Error when there are some and not one for each extent, and for a type that no tensor
  /// has: an extent below 0, more than 2^62 bytes.
  TensorView(ir::TensorType type, const void* data, TensorStrides strides = {});

  /// Element, axes and extents.
  const ir::TensorType& type() const noexcept { return type_; }
  const TensorStrides& strides() const noexcept { return strides_; } // as they were given
  /// Whether every element is where the type alone would put it.
  bool is_dense() const noexcept { return compiler::same_strides(type_, strides_, {}); }
  /// Its first element.
  const std::byte* data() const noexcept { return data_; }
  /// The elements as the C++ type that the caller knows them to be: float, uint16_t for bf16.
  /// Throws Error when that has another size than an element, and is no byte.
  template <class T>
  const T* as() const {
    require_element(type_, sizeof(T));
    return reinterpret_cast<const T*>(data_);
  }
  /// As calls take it. Refers to this view.
  operator TensorRef() const noexcept { return ref(type_, strides_, data_); }

  /// The positions start ... start + length - 1 along an axis, as torch.Tensor.narrow; or with a
  /// step every step-th one from start on, `length` in all. Throws Error when there are fewer.
  TensorView narrow(ir::Axis axis, int64_t start, int64_t length, int64_t step = 1) const {
    Part part = runtime::narrow(type_, strides_, axis, start, length, step);
    return {std::move(part.type), data_ + part.bytes_behind, std::move(part.strides)};
  }
  /// An axis of one position seen as `size` equal ones (stride 0), as torch.Tensor.expand. Throws
  /// Error when the axis has more than one.
  TensorView expand(ir::Axis axis, int64_t size) const;

private:
  friend class MutableTensorView;
  friend class Tensor;
  static TensorRef ref(const ir::TensorType& type, const TensorStrides& strides,
                       const std::byte* data, bool writable = false) noexcept {
    return {const_cast<std::byte*>(data),
            type.extents.data(),
            strides.empty() ? nullptr : strides.data(),
            static_cast<int32_t>(type.extents.size()),
            type.element,
            writable};
  }

  ir::TensorType type_;
  TensorStrides strides_;
  const std::byte* data_;
};

/// Memory that is written: a kernel's output. Also serves where a TensorView is asked for.
class MutableTensorView {
public:
  /// `strides` as a TensorView's. No two elements may lie in one place.
  MutableTensorView(ir::TensorType type, void* data, TensorStrides strides = {});

  /// As a TensorView's.
  const ir::TensorType& type() const noexcept { return type_; }
  const TensorStrides& strides() const noexcept { return strides_; }
  std::byte* data() const noexcept { return data_; }
  /// As a TensorView's.
  template <class T>
  T* as() const {
    require_element(type_, sizeof(T));
    return reinterpret_cast<T*>(data_);
  }
  /// As a TensorView's.
  MutableTensorView narrow(ir::Axis axis, int64_t start, int64_t length, int64_t step = 1) const {
    Part part = runtime::narrow(type_, strides_, axis, start, length, step);
    return {std::move(part.type), data_ + part.bytes_behind, std::move(part.strides)};
  }
  /// As calls take it, and for who only reads.
  operator TensorView() const { return {type_, data_, strides_}; }
  operator TensorRef() const noexcept { return TensorView::ref(type_, strides_, data_, true); }

private:
  ir::TensorType type_;
  TensorStrides strides_;
  std::byte* data_;
};

/// Copies every element from where one list of strides (or none: dense) puts it to where the other
/// does. Nothing between the elements is read or written. Both lists fit the type.
void copy_elements(const ir::TensorType& type, const std::byte* from,
                   const TensorStrides& from_strides, std::byte* to,
                   const TensorStrides& to_strides);

/// Owns its elements: 64-byte aligned, on huge pages when large.
class Tensor {
public:
  /// Zero until it is written. Refused when the type exceeds the language's 2^62 bytes or the
  /// system has not got the memory.
  static Expected<Tensor> allocate(ir::TensorType type);
  /// The same with anything in it, for who writes all of it: torch.empty.
  static Expected<Tensor> allocate_unset(ir::TensorType type);
  /// A dense copy that owns its elements.
  static Expected<Tensor> copy(const TensorView& view);

  /// Element, axes and extents; the bytes of its elements; the first of them.
  const ir::TensorType& type() const noexcept { return type_; }
  int64_t bytes() const noexcept { return memory_.size(); }
  std::byte* data() noexcept { return memory_.data(); }
  const std::byte* data() const noexcept { return memory_.data(); }
  /// As a TensorView's.
  template <class T>
  T* as() {
    require_element(type_, sizeof(T));
    return reinterpret_cast<T*>(memory_.data());
  }
  /// As a TensorView's.
  template <class T>
  const T* as() const {
    require_element(type_, sizeof(T));
    return reinterpret_cast<const T*>(memory_.data());
  }
  /// As calls take it, and views of all of it.
  operator TensorView() const { return {type_, memory_.data()}; }
  operator MutableTensorView() { return {type_, memory_.data()}; }
  operator TensorRef() const noexcept { return TensorView::ref(type_, {}, memory_.data()); }
  operator TensorRef() noexcept { return TensorView::ref(type_, {}, memory_.data(), true); }
  /// A view of a part, as a TensorView's.
  TensorView narrow(ir::Axis axis, int64_t start, int64_t length, int64_t step = 1) const {
    return TensorView(*this).narrow(axis, start, length, step);
  }
  MutableTensorView narrow(ir::Axis axis, int64_t start, int64_t length, int64_t step = 1) {
    return MutableTensorView(*this).narrow(axis, start, length, step);
  }

private:
  static Expected<Tensor> in(AlignedMemory (*allocate)(int64_t) noexcept, ir::TensorType type);
  Tensor(ir::TensorType type, AlignedMemory memory)
      : type_(std::move(type)), memory_(std::move(memory)) {}

  ir::TensorType type_;
  AlignedMemory memory_;
};

// ---- made-up contents ---------------------------------------------------------------------------

/// What a tensor is filled with.
struct Fill {
  /// The words of `volute run --fill`.
  enum class Kind : uint8_t {
    zeros,
    ones,
    iota,   // 0, 1, 2, ... in memory order
    random, // whole numbers, uniformly distributed
  };
  Kind kind = Kind::zeros; // which of them
  uint64_t seed = 0;       // random only
  bool operator==(const Fill&) const = default;
};

/// "zeros", "ones", "iota", "random" or "random:SEED", as the command line writes it.
Expected<Fill> parse_fill(std::string_view text);

/// Writes every element, in the order of a dense tensor whatever the strides. The same fill of the
/// same type gives the same values everywhere; tensors with different `stream` numbers (say, the
/// inputs of one program) get unrelated random ones. Throws Error when there is no memory to write:
/// a null pointer, or strides that lead outside any tensor.
///
/// random: floats are whole numbers in -4..4, so that sums of products of hundreds of channels are
/// exact in f32 whatever their order and a result can be compared with ==; i8 and u8 take every
/// value they have; i32 and i64 are in -1000..1000.
/// iota: integers wrap; floats start again at 0 after the last whole number that their type counts
/// to without a gap (256 for bf16, 2048 for f16, 2^24 for f32, 2^53 for f64).
void fill(const MutableTensorView& tensor, const Fill& how, uint64_t stream = 0);

/// How many elements are denormal numbers (ir/denormals.h); none at a null pointer. Throws Error
/// when strides lead outside any tensor.
int64_t count_denormals(const TensorView& tensor);

} // namespace volute::runtime

namespace volute {
using runtime::MutableTensorView;
using runtime::Tensor;
using runtime::TensorStrides;
using runtime::TensorView;
} // namespace volute
