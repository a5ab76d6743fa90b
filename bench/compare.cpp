#include "bench/compare.h"

#include "bench/measure.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

namespace volute::bench {
namespace {

constexpr double smallest_change = 0.02;

const Recorded::Time* time_of(const Recorded::Program& program, const std::string& by) {
  for (const Recorded::Time& time : program.times)
    if (time.by == by) return &time;
  return nullptr;
}

/// The n-th of that name is the partner of the n-th: several files may name a program alike.
const Recorded::Program* partner(const std::vector<Recorded::Program>& programs,
                                 const Recorded::Program& of, size_t nth) {
  for (const Recorded::Program& program : programs)
    if (program.name == of.name && nth-- == 0) return &program;
  return nullptr;
}

size_t position(const std::vector<Recorded::Program>& programs, const Recorded::Program& of) {
  size_t nth = 0;
  for (const Recorded::Program& program : programs) {
    if (&program == &of) break;
    nth += program.name == of.name;
  }
  return nth;
}

double size_of_change(const Change& change) { return std::abs(std::log(change.ratio)); }

} // namespace

RunComparison compare_runs(const Recorded& before, const Recorded& after, const std::string& by) {
  RunComparison all;
  std::vector<double> peaks;
  double logs = 0;
  for (const Recorded::Program& now : after.programs) {
    const Recorded::Program* was = partner(before.programs, now, position(after.programs, now));
    const Recorded::Time* b = was ? time_of(*was, by) : nullptr;
    const Recorded::Time* a = time_of(now, by);
    if (!a || !b || b->median <= 0) {
      all.only_after.push_back(now.name);
      continue;
    }
    const bool has_peaks = was->peak_flops > 0 && now.peak_flops > 0;
    const double peak = has_peaks ? now.peak_flops / was->peak_flops : 1;
    peaks.push_back(peak);
    Change change{now.name, b->median, a->median, a->median * peak / b->median, false};
    const bool apart = a->lower * peak > b->upper || a->upper * peak < b->lower;
    change.is_significant = apart && std::abs(change.ratio - 1) > smallest_change;
    logs += std::log(change.ratio);
    all.changes.push_back(change);
  }
  for (const Recorded::Program& was : before.programs)
    if (!partner(after.programs, was, position(before.programs, was)))
      all.only_before.push_back(was.name);
  if (!all.changes.empty()) {
    all.peak_ratio = median(peaks);
    all.mean_ratio = std::exp(logs / static_cast<double>(all.changes.size()));
  }
  std::stable_sort(all.changes.begin(), all.changes.end(), [](const Change& x, const Change& y) {
    if (x.is_significant != y.is_significant) return x.is_significant;
    return size_of_change(x) > size_of_change(y);
  });
  return all;
}

std::string to_string(const RunComparison& all, const Recorded& before, const Recorded& after) {
  std::string text;
  if (before.machine != after.machine)
    text += fmt::format("before: {}\nafter:  {}\n", before.machine, after.machine);
  else
    text += after.machine + "\n";
  if (std::abs(all.peak_ratio - 1) > tolerated_dip)
    text +=
        fmt::format("the machine's peak was {:.0f} % {} after: times are compared at the same "
                    "peak\n",
                    100 * std::abs(all.peak_ratio - 1), all.peak_ratio > 1 ? "higher" : "lower");
  size_t width = 7;
  for (const Change& change : all.changes) width = std::max(width, change.program.size());
  text += fmt::format("\n{:{}}  {:>11}  {:>11}  {:>8}\n", "program", width, "before us", "after us",
                      "time");
  size_t significant = 0;
  for (const Change& change : all.changes) {
    significant += change.is_significant;
    text += fmt::format("{:{}}  {:>11.2f}  {:>11.2f}  {:>+6.1f} %  {}\n", change.program, width,
                        1e6 * change.before, 1e6 * change.after, 100 * (change.ratio - 1),
                        !change.is_significant ? "within the spread"
                        : change.ratio < 1     ? "faster"
                                               : "slower");
  }
  text +=
      fmt::format("\n{} of {} programs changed by more than their spread; all together {:+.1f} % "
                  "(geometric mean)\n",
                  significant, all.changes.size(), 100 * (all.mean_ratio - 1));
  if (!all.only_before.empty())
    text += fmt::format("only before: {}\n", fmt::join(all.only_before, ", "));
  if (!all.only_after.empty())
    text += fmt::format("only after: {}\n", fmt::join(all.only_after, ", "));
  return text;
}

} // namespace volute::bench
