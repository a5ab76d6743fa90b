// Tensors at run time: views over memory that somebody else owns, and a tensor that owns its own.
//
// All are dense: the type's extents in memory order say where every element is. A view does not
// keep its memory alive, and making one copies no element.
#pragma once

#include "ir/diagnostic.h"
#include "ir/types.h"
#include "runtime/aligned_memory.h"

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

namespace volute::runtime {

/// Memory that is only read: a kernel's input.
class TensorView {
public:
  TensorView(ir::TensorType type, const void* data)
      : type_(std::move(type)), data_(static_cast<const std::byte*>(data)) {}

  const ir::TensorType& type() const noexcept { return type_; }
  const std::byte* data() const noexcept { return data_; }
  /// The elements as the C++ type that the caller knows them to be.
  template <class T>
  const T* as() const noexcept {
    return reinterpret_cast<const T*>(data_);
  }

private:
  ir::TensorType type_;
  const std::byte* data_;
};

/// Memory that is written: a kernel's output. Also serves where a TensorView is asked for.
class MutableTensorView {
public:
  MutableTensorView(ir::TensorType type, void* data)
      : type_(std::move(type)), data_(static_cast<std::byte*>(data)) {}

  const ir::TensorType& type() const noexcept { return type_; }
  std::byte* data() const noexcept { return data_; }
  template <class T>
  T* as() const noexcept {
    return reinterpret_cast<T*>(data_);
  }
  operator TensorView() const { return {type_, data_}; }

private:
  ir::TensorType type_;
  std::byte* data_;
};

/// Owns its elements: 64-byte aligned, on huge pages when large, zero until written.
class Tensor {
public:
  /// Refused when the type exceeds the language's 2^62 bytes or the system has not got the memory.
  static Expected<Tensor> allocate(ir::TensorType type);
  /// A copy that owns its elements.
  static Expected<Tensor> copy(const TensorView& view);

  const ir::TensorType& type() const noexcept { return type_; }
  int64_t bytes() const noexcept { return memory_.size(); }
  std::byte* data() noexcept { return memory_.data(); }
  const std::byte* data() const noexcept { return memory_.data(); }
  template <class T>
  T* as() noexcept {
    return reinterpret_cast<T*>(memory_.data());
  }
  template <class T>
  const T* as() const noexcept {
    return reinterpret_cast<const T*>(memory_.data());
  }
  operator TensorView() const { return {type_, memory_.data()}; }
  operator MutableTensorView() { return {type_, memory_.data()}; }

private:
  Tensor(ir::TensorType type, AlignedMemory memory)
      : type_(std::move(type)), memory_(std::move(memory)) {}

  ir::TensorType type_;
  AlignedMemory memory_;
};

// ---- made-up contents ---------------------------------------------------------------------------

struct Fill {
  enum class Kind : uint8_t {
    zeros,
    ones,
    iota,   // 0, 1, 2, ... in memory order
    random, // whole numbers, uniformly distributed
  };
  Kind kind = Kind::zeros;
  uint64_t seed = 0; // random only
  bool operator==(const Fill&) const = default;
};

/// "zeros", "ones", "iota", "random" or "random:SEED", as the command line writes it.
Expected<Fill> parse_fill(std::string_view text);

/// Writes every element. The same fill of the same type gives the same values everywhere; tensors
/// with different `stream` numbers (say, the inputs of one program) get unrelated random ones.
///
/// random: floats are whole numbers in -4..4, so that sums of products of hundreds of channels are
/// exact in f32 whatever their order and a result can be compared with ==; i8 and u8 take every
/// value they have; i32 and i64 are in -1000..1000.
/// iota: integers wrap; floats start again at 0 after the last whole number that their type counts
/// to without a gap (256 for bf16, 2048 for f16, 2^24 for f32, 2^53 for f64).
void fill(const MutableTensorView& tensor, const Fill& how, uint64_t stream = 0);

} // namespace volute::runtime

namespace volute {
using runtime::MutableTensorView;
using runtime::Tensor;
using runtime::TensorView;
} // namespace volute
