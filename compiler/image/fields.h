// Structs as blocks of bytes, and back: a struct says once which fields it has and in what order,
// and both ways follow from that.
//
//     template <> struct FieldsOf<ir::Extent> {
//       static auto of(auto& extent) { return std::tie(extent.axis, extent.size); }
//     };
//
// A struct that grows a field without it does not compile (field_count).
//
// Numbers are little-endian, lists stand after their length. Reading trusts nothing: what does not
// fit fails the reader, and nothing is read or reserved beyond the bytes that are there.
#pragma once

#include "ir/affine.h"

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace volute::compiler {

static_assert(std::endian::native == std::endian::little, "numbers are written as they lie");

template <class T>
struct FieldsOf;

template <class T>
concept Fields = requires(T& value) {
  FieldsOf<std::remove_const_t<T>>::of(value);
};

/// The last value of an enumeration whose values count from 0.
template <class Enumeration>
struct LastOf;

/// Stands for a field of any type, where none is made.
struct AnyField {
  template <class T>
  operator T() const; // NOLINT: never defined
};
/// How many fields a struct has: as many as can be written between its braces.
template <class T, class... Given>
constexpr size_t field_count() {
  if constexpr (requires { T{Given{}..., AnyField{}}; })
    return field_count<T, Given..., AnyField>();
  else
    return sizeof...(Given);
}

/// Those that are not written: FieldsOf says how many, if it leaves any out.
template <class T>
constexpr size_t left_out() {
  if constexpr (requires { FieldsOf<T>::left_out; })
    return FieldsOf<T>::left_out;
  else
    return 0;
}

class FieldWriter {
public:
  void put(const void* from, size_t size) {
    const auto* bytes = static_cast<const std::byte*>(from);
    bytes_.insert(bytes_.end(), bytes, bytes + size);
  }
  template <class T>
  requires(std::integral<T> || std::is_enum_v<T>) void write(T value) { put(&value, sizeof value); }
  void write(double value) { write(std::bit_cast<uint64_t>(value)); }
  void write(const std::string& text) {
    write(uint64_t{text.size()});
    put(text.data(), text.size());
  }
  void write(const std::vector<std::byte>& block) {
    write(uint64_t{block.size()});
    put(block.data(), block.size());
  }
  template <class T>
  void write(const std::vector<T>& list) {
    write(uint64_t{list.size()});
    for (const T& element : list) write(element);
  }
  template <class T>
  void write(const std::optional<T>& value) {
    write(uint8_t{value.has_value()});
    if (value) write(*value);
  }
  void write(const ir::Affine& affine) {
    write(affine.constant_term());
    write(uint64_t{affine.terms().size()});
    for (const ir::Affine::Term& term : affine.terms()) {
      write(term.var.id);
      write(term.coefficient);
    }
  }
  template <Fields T>
  void write(const T& value) {
    static_assert(!std::is_aggregate_v<T> ||
                      std::tuple_size_v<decltype(FieldsOf<T>::of(value))> + left_out<T>() ==
                          field_count<T>(),
                  "FieldsOf names fewer fields than there are");
    std::apply([&](const auto&... field) { (write(field), ...); }, FieldsOf<T>::of(value));
  }

  std::vector<std::byte> finish() { return std::move(bytes_); }

private:
  std::vector<std::byte> bytes_;
};

/// Reads as long as nothing is wrong; after that every value stays as it is.
class FieldReader {
public:
  explicit FieldReader(std::span<const std::byte> bytes) : rest_(bytes) {}

  bool failed() const { return failed_; }
  bool at_end() const { return rest_.empty(); }
  /// The next `size` bytes, where they lie.
  std::span<const std::byte> take(uint64_t size) {
    failed_ |= size > rest_.size();
    if (failed_) return {};
    const std::span<const std::byte> taken = rest_.first(size);
    rest_ = rest_.subspan(size);
    return taken;
  }

  void get(void* to, size_t size) {
    if (failed_ || size > rest_.size()) {
      failed_ = true;
      return;
    }
    if (size > 0) std::memcpy(to, rest_.data(), size);
    rest_ = rest_.subspan(size);
  }
  template <std::integral T>
  void read(T& value) {
    get(&value, sizeof value);
  }
  void read(bool& value) {
    uint8_t number = 0;
    read(number);
    failed_ |= number > 1;
    if (!failed_) value = number == 1;
  }
  void read(double& value) {
    uint64_t bits = 0;
    read(bits);
    if (!failed_) value = std::bit_cast<double>(bits);
  }
  template <class T>
  requires std::is_enum_v<T>
  void read(T& value) {
    std::underlying_type_t<T> number{};
    read(number);
    failed_ |= number > static_cast<std::underlying_type_t<T>>(LastOf<T>::value);
    if (!failed_) value = static_cast<T>(number);
  }
  void read(std::string& text) {
    if (const uint64_t size = length(); !failed_) {
      text.resize(size);
      get(text.data(), size);
    }
  }
  void read(std::vector<std::byte>& block) {
    if (const uint64_t size = length(); !failed_) {
      block.assign(rest_.begin(), rest_.begin() + static_cast<std::ptrdiff_t>(size));
      rest_ = rest_.subspan(size);
    }
  }
  template <class T>
  void read(std::vector<T>& list) {
    // Not reserved: a list grows with what is really there.
    for (uint64_t left = length(); left > 0 && !failed_; --left) read(list.emplace_back());
  }
  template <class T>
  void read(std::optional<T>& value) {
    uint8_t is_there = 0;
    read(is_there);
    failed_ |= is_there > 1;
    if (!failed_ && is_there) read(value.emplace());
  }
  /// In normal form: variables in order, no coefficient of 0.
  void read(ir::Affine& affine) {
    int64_t constant = 0;
    read(constant);
    affine = constant;
    ir::Var before;
    for (uint64_t left = length(); left > 0 && !failed_; --left) {
      ir::Var var;
      int64_t coefficient = 0;
      read(var.id);
      read(coefficient);
      failed_ |= coefficient == 0 || var <= before;
      if (!failed_) affine += ir::Affine(var) * coefficient;
      before = var;
    }
  }
  template <Fields T>
  void read(T& value) {
    std::apply([&](auto&... field) { (read(field), ...); }, FieldsOf<T>::of(value));
  }

private:
  /// Of a list whose elements take a byte at least.
  uint64_t length() {
    uint64_t count = 0;
    read(count);
    failed_ |= count > rest_.size();
    return failed_ ? 0 : count;
  }

  std::span<const std::byte> rest_;
  bool failed_ = false;
};

} // namespace volute::compiler
