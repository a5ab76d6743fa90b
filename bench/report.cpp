#include "bench/report.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace volute::bench {
namespace {

using Json = nlohmann::ordered_json;

double per_second(double work, const Contender& contender) {
  const double seconds = contender.timing.median();
  return seconds > 0 ? work / seconds : 0;
}

double bytes_per_second(const Benchmark& benchmark, const Contender& contender) {
  return per_second(static_cast<double>(benchmark.report.bytes), contender);
}

std::string or_dash(double value, const char* format) {
  return value > 0 ? fmt::format(fmt::runtime(format), value) : "-";
}

std::string faster(const Contender& contender) {
  const double times = contender.volute_is_faster;
  if (times <= 0) return "";
  return times >= 1 ? fmt::format("{:.3g} x faster", times)
                    : fmt::format("{:.3g} x slower", 1 / times);
}

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
    text += fmt::format("{:{}}  {:{}}  {:>11}  {:>5.1f} %  {:>7}  {:>7}  {:>6}  {}", label,
                        name_width, c.name, by_width, microseconds(c.timing.median()),
                        100 * c.timing.spread(), or_dash(flops(b, c) / 1e9, "{:.1f}"),
                        or_dash(100 * part_of_peak(b, c), "{:.1f} %"),
                        or_dash(bytes_per_second(b, c) / 1e9, "{:.1f}"), faster(c));
    while (text.back() == ' ') text.pop_back();
    text += '\n';
  }
  std::string work = b.report.multiply_adds > 0
                         ? count(static_cast<double>(b.report.multiply_adds)) + " multiply-adds, "
                         : "";
  text += fmt::format("{:{}}  {}compiled in {:.1f} ms, {:.1f} of them on the CPU\n", "", name_width,
                      work, b.report.total_ms(), b.report.cpu_ms);
  text += fmt::format("{:{}}  verified: {}\n", "", name_width, b.verification);
  return text;
}

Json json_of(const Benchmark& b, const Contender& c) {
  Json j;
  j["name"] = c.name;
  if (!c.refused.empty()) {
    j["refused"] = c.refused;
    return j;
  }
  j["median_seconds"] = c.timing.median();
  j["minimum_seconds"] = c.timing.minimum();
  j["spread"] = c.timing.spread();
  j["flops"] = flops(b, c);
  j["part_of_peak"] = part_of_peak(b, c);
  j["bytes_per_second"] = bytes_per_second(b, c);
  j["executed_multiply_adds"] = c.executed_multiply_adds;
  if (c.volute_is_faster > 0) j["volute_is_faster"] = c.volute_is_faster;
  j["calls_a_sample"] = c.timing.repetitions;
  j["samples_seconds"] = c.timing.samples;
  return j;
}

Json json_of(const compiler::NestReport& nest) {
  Json j;
  j["name"] = nest.name;
  j["statements"] = nest.origin;
  j["schedule"] = nest.schedule;
  j["why"] = nest.why;
  j["multiply_adds"] = nest.multiply_adds;
  j["executed_multiply_adds"] = nest.executed_multiply_adds;
  j["register_tile"] = nest.register_tile;
  j["code_bytes"] = nest.code_bytes;
  j["packed_bytes"] = nest.packed_bytes();
  j["work_items"] = nest.work_items;
  return j;
}

Json json_of(const Benchmark& b) {
  Json j;
  j["name"] = b.program;
  j["file"] = b.file;
  if (b.uses > 1) j["uses"] = b.uses;
  j["text"] = b.text;
  j["threads"] = b.threads;
  j["multiply_adds"] = b.report.multiply_adds;
  j["bytes"] = b.report.bytes;
  j["parameters"] = b.report.parameters;
  j["peak_flops_of_a_core"] = b.peak_flops;
  j["verification"] = b.verification;
  j["compile_ms"] = {{"total", b.report.total_ms()}, {"cpu", b.report.cpu_ms},
                     {"lower", b.report.lower_ms},   {"emit", b.report.emit_ms},
                     {"object", b.report.object_ms}, {"link", b.report.link_ms}};
  j["nests"] = Json::array();
  for (const compiler::NestReport& nest : b.report.nests) j["nests"].push_back(json_of(nest));
  j["contenders"] = Json::array();
  for (const Contender& c : b.contenders) j["contenders"].push_back(json_of(b, c));
  return j;
}

} // namespace

double flops(const Benchmark& benchmark, const Contender& contender) {
  return per_second(2.0 * static_cast<double>(benchmark.report.multiply_adds), contender);
}

double part_of_peak(const Benchmark& benchmark, const Contender& contender) {
  if (benchmark.peak_flops <= 0) return 0;
  const bool has_threads = contender.name == "volute" || contender.name == "naive";
  return per_second(2.0 * contender.executed_multiply_adds, contender) /
         (benchmark.peak_flops * (has_threads ? benchmark.threads : 1));
}

std::string table(const std::vector<Benchmark>& benchmarks, const Setting& setting) {
  size_t name_width = 7, by_width = 6;
  std::vector<double> peaks;
  for (const Benchmark& b : benchmarks) {
    name_width = std::max(name_width, b.program.size());
    for (const Contender& c : b.contenders) by_width = std::max(by_width, c.name.size());
    if (b.peak_flops > 0) peaks.push_back(b.peak_flops);
  }
  std::string text = setting.machine + "\n";
  text += fmt::format("Volute {}, LLVM {}", setting.volute, setting.llvm);
  if (!benchmarks.empty())
    text +=
        fmt::format(", {} thread{}", benchmarks[0].threads, benchmarks[0].threads == 1 ? "" : "s");
  if (!peaks.empty())
    text += fmt::format("; FMA peak of a core {:.1f} GFLOP/s, measured in between",
                        median(peaks) / 1e9);
  text += fmt::format("\n\n{:{}}  {:{}}  {:>11}  {:>7}  {:>7}  {:>7}  {:>6}  {}\n", "program",
                      name_width, "by", by_width, "us", "spread", "GFLOP/s", "of peak", "GB/s",
                      "volute is");
  for (const Benchmark& b : benchmarks) text += lines_of(b, name_width, by_width) + "\n";
  text += "us: the median call, spread: between its quartiles. GFLOP/s: two for each multiply-add\n"
          "asked for, taps in the padding left out. Of peak: the multiply-adds executed.\n"
          "GB/s: inputs and outputs, each once. Weights are bound (packed once), not timed.\n";
  if (!benchmarks.empty() && benchmarks[0].threads == 1)
    text += "Times are those of the thread on its core: other processes' turns are left out.\n";
  return text;
}

std::string json(const std::vector<Benchmark>& benchmarks, const Setting& setting) {
  Json j;
  j["volute"] = setting.volute;
  j["llvm"] = setting.llvm;
  j["machine"] = setting.machine;
  j["command"] = setting.command;
  j["programs"] = Json::array();
  for (const Benchmark& b : benchmarks) j["programs"].push_back(json_of(b));
  return j.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

} // namespace volute::bench
