// Random numbers without a state to carry along, the same on every machine.
#pragma once

#include <cstdint>

namespace volute::runtime {

/// The i-th of a seed's random numbers, by itself (the mixing function is splitmix64's).
constexpr uint64_t random_bits(uint64_t seed, uint64_t i) {
  uint64_t z = seed + (i + 1) * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

/// One of [0, count), from the high half of random bits: even to within count / 2^32, and without a
/// division.
constexpr int64_t random_below(int64_t count, uint64_t bits) {
  return static_cast<int64_t>(((bits >> 32) * static_cast<uint64_t>(count)) >> 32);
}

} // namespace volute::runtime
