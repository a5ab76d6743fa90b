#include "bench/counters.h"

#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace volute::bench {
namespace {

constexpr std::array<uint64_t, counter_count> events = {
    PERF_COUNT_HW_CPU_CYCLES, PERF_COUNT_HW_INSTRUCTIONS, PERF_COUNT_HW_CACHE_MISSES};

int open_event(size_t which, int group) {
  perf_event_attr asked{};
  asked.size = sizeof asked;
  asked.type = PERF_TYPE_HARDWARE;
  asked.config = events.at(which);
  asked.disabled = group < 0;
  asked.exclude_kernel = asked.exclude_hv = 1;
  asked.read_format =
      PERF_FORMAT_GROUP | PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING;
  return static_cast<int>(syscall(SYS_perf_event_open, &asked, 0, -1, group, PERF_FLAG_FD_CLOEXEC));
}

std::optional<std::array<uint64_t, counter_count>> read_group(int group) {
  struct {
    uint64_t count, enabled, running;
    std::array<uint64_t, counter_count> values;
  } counted{};
  if (::read(group, &counted, sizeof counted) != static_cast<ssize_t>(sizeof counted))
    return std::nullopt;
  // More counters were asked for on this machine than it has: these took turns with others.
  if (counted.running == 0 || counted.running < counted.enabled) return std::nullopt;
  return counted.values;
}

} // namespace

CounterSystem perf_events() {
  return {open_event,
          [](int group) {
            ioctl(group, PERF_EVENT_IOC_RESET, PERF_IOC_FLAG_GROUP);
            ioctl(group, PERF_EVENT_IOC_ENABLE, PERF_IOC_FLAG_GROUP);
          },
          [](int group) { ioctl(group, PERF_EVENT_IOC_DISABLE, PERF_IOC_FLAG_GROUP); }, read_group,
          [](int counter) { ::close(counter); }};
}

std::optional<Counters> Counters::open(CounterSystem system) {
  Counters counters(std::move(system));
  for (size_t i = 0; i < counter_count; ++i) {
    counters.counters_[i] = counters.system_.open(i, i == 0 ? -1 : counters.counters_[0]);
    if (counters.counters_[i] < 0) return std::nullopt;
  }
  return counters;
}

Counters::Counters(Counters&& other) noexcept
    : system_(std::move(other.system_)), counters_(other.counters_) {
  other.counters_.fill(-1);
}

Counters::~Counters() {
  for (const int counter : counters_)
    if (counter >= 0) system_.close(counter);
}

std::optional<Counts> Counters::of(const std::function<void(int64_t)>& repeat,
                                   int64_t repetitions) const {
  system_.start(counters_[0]);
  repeat(repetitions);
  system_.stop(counters_[0]);
  const auto counted = system_.read(counters_[0]);
  if (!counted) return std::nullopt;
  const auto calls = static_cast<double>(repetitions);
  return Counts{static_cast<double>((*counted)[0]) / calls,
                static_cast<double>((*counted)[1]) / calls,
                static_cast<double>((*counted)[2]) / calls};
}

} // namespace volute::bench
