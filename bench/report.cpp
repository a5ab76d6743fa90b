#include "bench/report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace volute::bench {
namespace {

std::string microseconds(double seconds) {
  const double us = seconds * 1e6;
  return fmt::format("{:.{}f}", us, us < 10 ? 3 : us < 1000 ? 2 : 1);
}

// "115.6 million"
std::string count(double number) {
  if (number >= 1e9) return fmt::format("{:.2f} billion", number / 1e9);
  if (number >= 1e6) return fmt::format("{:.1f} million", number / 1e6);
  return fmt::format("{:.0f}", number);
}

std::string faster(double times) {
  if (times <= 0) return "";
  return times >= 1 ? fmt::format("{:.3g} x faster", times)
                    : fmt::format("{:.3g} x slower", 1 / times);
}

std::string rate_text(const Rate& rate) {
  return fmt::format("{:.{}f} {}", rate.value, rate.value < 100 ? 1 : 0, rate.unit);
}

/// Lines of text without the blanks at their ends.
void add_line(std::string& text, std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  text += line + '\n';
}

/// Rounds that were measured again.
std::string dips(const Benchmark& b) {
  if (b.dipped == 0) return "";
  if (!b.is_steady)
    return fmt::format(
        "the peak fell by up to {:.0f} % and did not come back for long enough: take "
        "these times as upper limits",
        100 * b.deepest);
  return fmt::format("{} rounds were measured again: the peak fell by up to {:.0f} % in them",
                     b.dipped, 100 * b.deepest);
}

std::string lines_of(const Benchmark& b, size_t name_width, size_t by_width) {
  std::string text;
  for (size_t i = 0; i < b.contenders.size(); ++i) {
    const Contender& c = b.contenders[i];
    const std::string label = i == 0 ? b.program : "";
    if (!c.refused.empty()) {
      text +=
          fmt::format("{:{}}  {:{}}  cannot: {}\n", label, name_width, c.name, by_width, c.refused);
      continue;
    }
    const double over = over_bound(b, c);
    add_line(text, fmt::format("{:{}}  {:{}}  {:>11}  {:>5.1f} %  {:>13}  {:>10}  {:14} {}", label,
                               name_width, c.name, by_width, microseconds(c.timing.median()),
                               100 * c.timing.spread(), rate_text(rate_of(b, c.timing.median())),
                               over > 0 ? fmt::format("{:.2f}", over) : "",
                               faster(c.volute_is_faster), c.how));
  }
  for (const Contender& c : b.contenders)
    if (c.counts && c.counts->cycles > 0)
      text += fmt::format("{:{}}  {} counted {:.0f} cycles a call, {:.0f} instructions, {:.2f} a "
                          "cycle; {:.1f} cache misses\n",
                          "", name_width, c.name, c.counts->cycles, c.counts->instructions,
                          c.counts->instructions / c.counts->cycles, c.counts->cache_misses);
  const Preparation& once = b.contenders.front().preparation;
  if (b.bound.seconds() > 0)
    text += fmt::format("{:{}}  bound {}\n", "", name_width, to_string(b.bound));
  if (b.matrix_peak > 0)
    text += fmt::format("{:{}}  {} did {:.0f} G{}/s beside it\n", "", name_width, b.matrix_unit,
                        b.matrix_peak / 1e9, b.bound.unit == Unit::bytes ? "OP" : "FLOP");
  if (const double measured = b.contenders.front().timing.median(); b.predicted > 0 && measured > 0)
    text += fmt::format("{:{}}  predicted {} us by the model, {:.2f} of what was measured\n", "",
                        name_width, microseconds(b.predicted), b.predicted / measured);
  text +=
      fmt::format("{:{}}  compiled in {:.1f} ms, loaded in {:.2f}, weights bound in {:.2f}; first "
                  "call {} us\n",
                  "", name_width, 1e3 * once.compile, 1e3 * once.load, 1e3 * once.bind,
                  microseconds(once.first_call));
  text += fmt::format("{:{}}  verified: {}\n", "", name_width, b.verification);
  if (const std::string again = dips(b); !again.empty())
    text += fmt::format("{:{}}  {}\n", "", name_width, again);
  return text;
}

std::string sums_text(const std::vector<Benchmark>& benchmarks) {
  std::string text;
  for (const Sum& sum : sums_of(benchmarks)) {
    if (sum.programs < 2) continue;
    text += fmt::format("{}, {} programs as often as they are used, ms:", sum.group, sum.programs);
    for (const Sum::Part& part : sum.parts)
      text += part.programs == sum.programs
                  ? fmt::format("  {} {:.2f}", part.name, 1e3 * part.seconds)
                  : fmt::format("  {} - (has {})", part.name, part.programs);
    text += fmt::format("; the best of each {:.2f}", 1e3 * sum.best);
    if (sum.bound > 0) text += fmt::format(", bounds {:.2f}", 1e3 * sum.bound);
    text += '\n';
  }
  return text;
}

// clang-format off
constexpr const char* words =
    "us: the median call, spread: between its quartiles. A rate counts two operations for each multiply-\n"
    "add asked for, taps in the padding left out; where nothing is multiplied, every input and output\n"
    "once. Over bound: time over the larger of two bounds, arithmetic at the peak of the unit for these\n"
    "elements, and each tensor once from the level of memory that holds it; below 1 only by an algorithm\n"
    "with fewer multiplications. Weights are bound (packed once), not timed.\n";
// clang-format on

} // namespace

Rate rate_of(const Benchmark& b, double seconds) {
  const bool multiplies = b.bound.operations > 0;
  const double work = multiplies ? b.bound.operations : b.bound.read + b.bound.written;
  const std::string_view unit = !multiplies                   ? "GB/s"
                                : b.bound.unit == Unit::bytes ? "GOP/s"
                                                              : "GFLOP/s";
  return {seconds > 0 ? work / seconds / 1e9 : 0, unit};
}

double over_bound(const Benchmark& b, const Contender& contender) {
  const double bound = b.bound.seconds();
  return bound > 0 ? contender.timing.median() / bound : 0;
}

double part_of_peak(const Benchmark& b, const Contender& contender) {
  const double seconds = contender.timing.median();
  if (b.bound.peak <= 0 || seconds <= 0) return 0;
  return 2.0 * contender.executed_multiply_adds / seconds / b.bound.peak;
}

std::string to_string(const Bound& bound) {
  const double bytes = bound.read + bound.written;
  const std::string size =
      bytes >= 1e6 ? fmt::format("{:.2f} MB", bytes / 1e6) : fmt::format("{:.1f} kB", bytes / 1e3);
  std::string text = microseconds(bound.seconds()) + " us: ";
  if (bound.operations == 0)
    return text + fmt::format("{} that go once through {}", size, bound.level);
  const std::string arithmetic =
      fmt::format("{} multiply-adds at {:.0f} {}", count(bound.operations / 2), bound.peak / 1e9,
                  bound.unit == Unit::bytes ? "GOP/s" : "GFLOP/s");
  const std::string traffic = fmt::format("{} that go once through {}", size, bound.level);
  return text +
         (bound.is_arithmetic()
              ? fmt::format("{}; {}: {} us", arithmetic, traffic, microseconds(bound.traffic))
              : fmt::format("{}; {}: {} us", traffic, arithmetic, microseconds(bound.arithmetic)));
}

std::vector<Sum> sums_of(const std::vector<Benchmark>& benchmarks) {
  std::vector<Sum> sums;
  for (const Benchmark& b : benchmarks) {
    if (b.group.empty()) continue;
    auto sum =
        std::find_if(sums.begin(), sums.end(), [&](const Sum& s) { return s.group == b.group; });
    if (sum == sums.end()) sum = sums.insert(sums.end(), Sum{b.group, 0, {}, 0, 0});
    ++sum->programs;
    double best = 0;
    for (const Contender& c : b.contenders) {
      auto part = std::find_if(sum->parts.begin(), sum->parts.end(),
                               [&](const Sum::Part& p) { return p.name == c.name; });
      if (part == sum->parts.end())
        part = sum->parts.insert(sum->parts.end(), Sum::Part{c.name, 0, 0});
      if (!c.refused.empty()) continue;
      const double seconds = c.timing.median();
      part->seconds += b.uses * seconds;
      ++part->programs;
      if (best == 0 || seconds < best) best = seconds;
    }
    sum->best += b.uses * best;
    sum->bound += b.uses * b.bound.seconds();
  }
  return sums;
}

std::string head(const Setting& setting, int threads, bool is_cold) {
  std::string text = setting.machine + "\n";
  text += fmt::format("Volute {}, LLVM {}", setting.volute, setting.llvm);
  for (const std::string& peer : setting.peers) text += ", " + peer;
  text += fmt::format("; {} thread{}{}\n", threads, threads == 1 ? "" : "s",
                      is_cold ? ", caches emptied before every call" : "");
  if (!setting.missing.empty())
    text += fmt::format("not in this build: {}; ./quickstart --peers\n",
                        fmt::join(setting.missing, ", "));
  if (const auto& c = setting.ceilings) {
    text += fmt::format("a core's peaks: {:.1f} GFLOP/s ({})", c->f32 / 1e9, c->f32_by);
    if (c->bf16_by != c->f32_by)
      text += fmt::format(", {:.0f} GFLOP/s of bf16 ({})", c->bf16 / 1e9, c->bf16_by);
    text += fmt::format(", {:.0f} GOP/s of bytes ({})\n", c->bytes / 1e9, c->bytes_by);
    text += "loads and stores, GB/s:";
    for (const Level& level : c->levels)
      text += fmt::format(" {} {:.0f} and {:.0f}{}", level.name, level.load / 1e9,
                          level.store / 1e9, &level == &c->levels.back() ? "" : ",");
    text += '\n';
  }
  if (setting.call_overhead > 0)
    text +=
        fmt::format("a call of a kernel costs {:.0f} ns beside its work, which count in its time\n",
                    1e9 * setting.call_overhead);
  return text;
}

std::string foot(const std::vector<Benchmark>& benchmarks, const Setting& setting) {
  std::string text = sums_text(benchmarks);
  if (!text.empty()) text += '\n';
  text += words;
  if (!benchmarks.empty() && benchmarks[0].threads == 1)
    text += "Times are those of the thread on its core: other processes' turns are left out.\n";
  if (setting.ceilings_drift > 2 * tolerated_dip)
    text +=
        fmt::format("At the end of the run the machine's figures differed by up to {:.0f} % from "
                    "those above: it is shared, or its clock moves.\n",
                    100 * setting.ceilings_drift);
  return text;
}

std::string table(const std::vector<Benchmark>& benchmarks) {
  size_t name_width = 7, by_width = 6;
  for (const Benchmark& b : benchmarks) {
    name_width = std::max(name_width, b.program.size());
    for (const Contender& c : b.contenders) by_width = std::max(by_width, c.name.size());
  }
  std::string text =
      fmt::format("{:{}}  {:{}}  {:>11}  {:>7}  {:>13}  {:>10}  {}\n", "program", name_width, "by",
                  by_width, "us", "spread", "rate", "over bound", "volute is");
  for (const Benchmark& b : benchmarks) text += lines_of(b, name_width, by_width) + "\n";
  return text;
}

namespace {

size_t column_width(const std::string& name) { return std::max<size_t>(6, name.size()); }

} // namespace

std::string ShortTable::title() const {
  std::string text;
  std::string line = fmt::format("{:{}}  {:>10}  {:>7}  {:>13}  {:>5}", "program", name_width_,
                                 "volute us", "spread", "rate", "bound");
  for (const std::string& name : others_) line += fmt::format("  {:>{}}", name, column_width(name));
  add_line(text, line);
  return text;
}

std::string ShortTable::row(const Benchmark& b) const {
  const Contender& own = b.contenders.front();
  const double over = over_bound(b, own);
  std::string line = fmt::format(
      "{:{}}  {:>10}  {:>5.1f} %  {:>13}  {:>5}", b.program, name_width_,
      microseconds(own.timing.median()) + (b.is_steady ? "" : "!"), 100 * own.timing.spread(),
      rate_text(rate_of(b, own.timing.median())), over > 0 ? fmt::format("{:.2f}", over) : "");
  for (const std::string& name : others_) {
    const auto c = std::find_if(b.contenders.begin(), b.contenders.end(),
                                [&](const Contender& one) { return one.name == name; });
    const std::string word = c == b.contenders.end() ? "-"
                             : c->refused.empty()    ? fmt::format("{:.3g}", c->volute_is_faster)
                             : c->refused.starts_with("computes") ? "wrong"
                                                                  : "-";
    line += fmt::format("  {:>{}}", word, column_width(name));
  }
  std::string text;
  add_line(text, line);
  return text;
}

std::string ShortTable::legend(const std::vector<Benchmark>& benchmarks) {
  std::string text;
  bool is_steady = true;
  for (const Benchmark& b : benchmarks) {
    is_steady = is_steady && b.is_steady;
    for (const Contender& c : b.contenders)
      if (c.refused.starts_with("computes"))
        text += fmt::format("{} on {} {}\n", c.name, b.program, c.refused);
  }
  if (!is_steady)
    text +=
        "!: the machine's peak did not hold for long enough; take these times as upper limits.\n";
  return text +
         "bound: Volute's time over the bound. Under a contender's name: how many times as long "
         "as Volute it takes; -: it cannot.\n";
}

} // namespace volute::bench
