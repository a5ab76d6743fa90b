// A list of small values that is nearly always short: its first elements lie in it, and memory is
// asked for only where there are more.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <type_traits>
#include <vector>

namespace volute::ir {

template <class T, size_t room>
requires std::is_trivially_copyable_v<T>
class ShortList {
public:
  size_t size() const { return more_.empty() ? count_ : more_.size(); }
  bool empty() const { return size() == 0; }

  T* begin() { return more_.empty() ? few_.data() : more_.data(); }
  T* end() { return begin() + size(); }
  const T* begin() const { return more_.empty() ? few_.data() : more_.data(); }
  const T* end() const { return begin() + size(); }
  T& operator[](size_t at) { return begin()[at]; }
  const T& operator[](size_t at) const { return begin()[at]; }
  const T& front() const { return *begin(); }
  T& back() { return end()[-1]; }
  const T& back() const { return end()[-1]; }

  void push_back(const T& value) {
    if (more_.empty() && count_ < room) {
      few_[count_++] = value;
      return;
    }
    const T copy = value; // which may be one of its own
    if (more_.empty()) {
      more_.reserve(2 * room);
      more_.assign(few_.begin(), few_.end());
      count_ = 0;
    }
    more_.push_back(copy);
  }
  void pop_back() { more_.empty() ? static_cast<void>(--count_) : more_.pop_back(); }
  void clear() {
    count_ = 0;
    more_.clear();
  }

  bool operator==(const ShortList& other) const {
    return std::equal(begin(), end(), other.begin(), other.end());
  }

private:
  std::array<T, room> few_{};
  size_t count_ = 0;    // of those
  std::vector<T> more_; // all of them, where they are more; else empty
};

} // namespace volute::ir
