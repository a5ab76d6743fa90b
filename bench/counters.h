// What the processor itself counts while a call runs: cycles, instructions, cache misses.
//
// The kernel of the system hands these out (perf_event_open), to whom it lets; where it does not,
// in most containers and many virtual machines, there are none, and nothing is said of them.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>

namespace volute::bench {

/// Of one call.
struct Counts {
  double cycles = 0, instructions = 0, cache_misses = 0;
  bool operator==(const Counts&) const = default;
};

constexpr size_t counter_count = 3; // in the order of the members of Counts

/// The system's side. Tests bring their own.
struct CounterSystem {
  /// Opens the counter of that place, in the group of another one (-1: a group of its own, which
  /// waits to be started). Below 0: it is not to be had.
  std::function<int(size_t which, int group)> open;
  std::function<void(int group)> start, stop; // from 0
  /// What the group has counted; nothing where it did not count all the time.
  std::function<std::optional<std::array<uint64_t, counter_count>>(int group)> read;
  std::function<void(int counter)> close;
};
CounterSystem perf_events();

class Counters {
public:
  /// Nothing where the system does not let this process count.
  static std::optional<Counters> open(CounterSystem system = perf_events());
  Counters(Counters&& other) noexcept;
  Counters& operator=(Counters&&) = delete;
  ~Counters();

  /// Of each of some calls, on this thread, outside of the system's kernel. Nothing where something
  /// else took the counters away meanwhile.
  std::optional<Counts> of(const std::function<void(int64_t repetitions)>& repeat,
                           int64_t repetitions) const;

private:
  explicit Counters(CounterSystem system) : system_(std::move(system)) {}
  CounterSystem system_;
  std::array<int, counter_count> counters_ = {-1, -1, -1}; // the first one is the group's
};

} // namespace volute::bench
