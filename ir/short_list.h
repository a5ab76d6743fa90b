// A list of small values that is nearly always short: its first elements lie in it, and memory is
// asked for only where there are more.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <type_traits>
#include <vector>

namespace volute::ir {

/// As much of std::vector as is needed here; `room` elements lie in the list itself.
template <class T, size_t room>
requires std::is_trivially_copyable_v<T>
class ShortList {
public:
  /// How many there are.
  size_t size() const { return more_.empty() ? count_ : more_.size(); }
  /// Whether there is none.
  bool empty() const { return size() == 0; }

  /// The first; they lie one behind the other. Adding one may move them.
  T* begin() { return more_.empty() ? few_.data() : more_.data(); }
  /// Behind the last.
  T* end() { return begin() + size(); }
  /// The first.
  const T* begin() const { return more_.empty() ? few_.data() : more_.data(); }
  /// Behind the last.
  const T* end() const { return begin() + size(); }
  /// One that there is, counted from 0.
  T& operator[](size_t at) { return begin()[at]; }
  /// One that there is, counted from 0.
  const T& operator[](size_t at) const { return begin()[at]; }
  /// The first of at least one.
  const T& front() const { return *begin(); }
  /// The last of at least one.
  T& back() { return end()[-1]; }
  /// The last of at least one.
  const T& back() const { return end()[-1]; }

  /// Adds one at the end, which may be one of its own.
  void push_back(const T& value) {
    if (more_.empty() && count_ < room) {
      few_[count_++] = value;
      return;
    }
    const T copy = value;
    if (more_.empty()) {
      more_.reserve(2 * room);
      more_.assign(few_.begin(), few_.end());
      count_ = 0;
    }
    more_.push_back(copy);
  }
  /// Takes away the last of at least one.
  void pop_back() { more_.empty() ? static_cast<void>(--count_) : more_.pop_back(); }
  /// Takes away all.
  void clear() {
    count_ = 0;
    more_.clear();
  }

  /// Whether both hold the same, in the same order.
  bool operator==(const ShortList& other) const {
    return std::equal(begin(), end(), other.begin(), other.end());
  }

private:
  std::array<T, room> few_{};
  size_t count_ = 0;    // of those
  std::vector<T> more_; // all of them, where they are more; else empty
};

} // namespace volute::ir
