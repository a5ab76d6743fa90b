// Two plans are made and the smaller one is taken. Finding the smallest is as hard as packing bins;
// each of these two is the right one for a shape of program that is common:
//
// - the largest first, each in the smallest gap that holds it: a few large buffers and many small
//   ones (weights packed on each call beside activations). Its total never exceeds the sum.
// - in the order of the steps, within the least memory that can do: what has a free end goes to
//   that end, so a chain of operators alternates between bottom and top and needs not a byte more
//   than its busiest step.
#include "compiler/image/workspace.h"

#include <algorithm>
#include <bit>
#include <map>

namespace volute::compiler {
namespace {

int64_t rounded(int64_t bytes) {
  return (bytes + workspace_alignment - 1) / workspace_alignment * workspace_alignment;
}

struct Interval {
  int64_t begin, end;
};

/// Lifetimes, found by the steps that they meet without a look at all others: those of a length
/// between two powers of two begin no farther than the larger one before what they meet.
class Timeline {
public:
  void add(const Lifetime& lifetime, size_t resident) {
    const auto steps = static_cast<uint32_t>(lifetime.last_step - lifetime.first_step);
    by_length_[std::bit_width(steps)].emplace(lifetime.first_step, resident);
  }

  template <class Fn>
  void for_each_meeting(const Lifetime& lifetime, const Fn& fn) const {
    for (const auto& [bits, beginning] : by_length_) {
      const int64_t longest = (int64_t{1} << bits) - 1;
      const auto end = beginning.upper_bound(lifetime.last_step);
      for (auto at = beginning.lower_bound(lifetime.first_step - longest); at != end; ++at)
        fn(at->second);
    }
  }

private:
  std::map<int, std::multimap<int64_t, size_t>> by_length_; // by the bits of it: by first step
};

class Plan {
public:
  explicit Plan(const std::vector<Resident>& residents) : residents_(residents) {
    plan_.offsets.resize(residents.size());
  }

  /// In the smallest gap below `capacity`, else above everything that is in the way. In a gap that
  /// reaches up to the capacity from something, at its top.
  void place(size_t resident, int64_t capacity) {
    const int64_t bytes = rounded(residents_[resident].bytes);
    int64_t free = 0; // everything below is looked at
    int64_t best = -1, best_bytes = 0;
    const auto try_gap = [&](int64_t end) {
      const int64_t gap = end - free;
      if (gap < bytes || (best >= 0 && gap >= best_bytes)) return;
      best = end == capacity && free > 0 ? end - bytes : free;
      best_bytes = gap;
    };
    for (const Interval& taken : in_the_way(resident)) {
      if (taken.begin > free) try_gap(taken.begin);
      free = std::max(free, taken.end);
    }
    if (capacity > free) try_gap(capacity);
    if (best < 0) best = free;
    plan_.offsets[resident] = best;
    placed_.add(residents_[resident].lifetime, resident);
    plan_.bytes = std::max(plan_.bytes, best + bytes);
  }

  WorkspacePlan finish() { return std::move(plan_); }

private:
  std::vector<Interval> in_the_way(size_t resident) const {
    std::vector<Interval> taken;
    placed_.for_each_meeting(residents_[resident].lifetime, [&](size_t i) {
      if (residents_[i].lifetime.meets(residents_[resident].lifetime))
        taken.push_back({plan_.offsets[i], plan_.offsets[i] + rounded(residents_[i].bytes)});
    });
    std::sort(taken.begin(), taken.end(),
              [](const Interval& a, const Interval& b) { return a.begin < b.begin; });
    return taken;
  }

  const std::vector<Resident>& residents_;
  Timeline placed_;
  WorkspacePlan plan_;
};

template <class Before>
std::vector<size_t> ordered(const std::vector<Resident>& residents, Before before) {
  std::vector<size_t> order;
  for (size_t i = 0; i < residents.size(); ++i)
    if (residents[i].bytes > 0 && residents[i].lifetime.meets(residents[i].lifetime))
      order.push_back(i);
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return before(residents[a], residents[b]); });
  return order;
}

} // namespace

WorkspacePlan plan_workspace(const std::vector<Resident>& residents) {
  Plan by_size(residents);
  for (const size_t i :
       ordered(residents, [](const Resident&a, const Resident&b) { return a.bytes > b.bytes; }))
    by_size.place(i, 0);
  Plan by_step(residents);
  const int64_t capacity = busiest_step_bytes(residents);
  for (const size_t i : ordered(residents, [](const Resident&a, const Resident&b) {
         return a.lifetime.first_step < b.lifetime.first_step;
       }))
    by_step.place(i, capacity);
  WorkspacePlan first = by_size.finish(), second = by_step.finish();
  return first.bytes < second.bytes ? first : second;
}

int64_t unshared_bytes(const std::vector<Resident>& residents) {
  int64_t sum = 0;
  for (const Resident& resident : residents)
    if (resident.bytes > INT64_MAX - workspace_alignment ||
        __builtin_add_overflow(sum, rounded(resident.bytes), &sum))
      return INT64_MAX;
  return sum;
}

int64_t busiest_step_bytes(const std::vector<Resident>& residents) {
  // What begins at a step and ends at it is there at once: first all that begins.
  std::map<int64_t, int64_t> change; // of the sum, at each step and behind it
  for (const Resident& resident : residents) {
    if (!resident.lifetime.meets(resident.lifetime)) continue;
    change[resident.lifetime.first_step] += rounded(resident.bytes);
    change[int64_t{resident.lifetime.last_step} + 1] -= rounded(resident.bytes);
  }
  int64_t sum = 0, most = 0;
  for (const auto& [step, bytes] : change) most = std::max(most, sum += bytes);
  return most;
}

} // namespace volute::compiler
