// Random choices that a seed repeats on every machine.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <initializer_list>
#include <random>
#include <utility>
#include <vector>

namespace volute::tests {

class Dice {
public:
  explicit Dice(uint64_t seed) : engine_(seed) {}

  /// A number from `least` to `most`, both included.
  int64_t between(int64_t least, int64_t most) {
    return least + static_cast<int64_t>(engine_() % static_cast<uint64_t>(most - least + 1));
  }
  /// True once in `n` throws.
  bool once_in(int64_t n) { return between(1, n) == 1; }
  template <class T>
  T one_of(const std::vector<T>& values) {
    return values[static_cast<size_t>(between(0, static_cast<int64_t>(values.size()) - 1))];
  }
  int64_t one_of(std::initializer_list<int64_t> values) { return one_of(std::vector(values)); }
  template <class T>
  void shuffle(std::vector<T>& values) {
    for (size_t i = values.size(); i > 1; --i)
      std::swap(values[i - 1],
                values[static_cast<size_t>(between(0, static_cast<int64_t>(i) - 1))]);
  }
  /// A number from the standard normal distribution (the sum of twelve uniform ones less six).
  double normal() {
    double sum = -6;
    for (int i = 0; i < 12; ++i) sum += static_cast<double>(engine_() >> 11) * 0x1p-53;
    return sum;
  }
  uint64_t bits() { return engine_(); }

private:
  std::mt19937_64 engine_;
};

/// A number that the environment gives, or another.
inline uint64_t number_from(const char* variable, uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

} // namespace volute::tests
