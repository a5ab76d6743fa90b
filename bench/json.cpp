#include "bench/json.h"

#include "compiler/page/report_json.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace volute::bench {
namespace {

using Json = nlohmann::ordered_json;

Json json_of(const Benchmark& b, const Contender& c) {
  Json j;
  j["name"] = c.name;
  if (!c.refused.empty()) {
    j["refused"] = c.refused;
    return j;
  }
  const double seconds = c.timing.median();
  const Rate rate = rate_of(b, seconds);
  if (!c.how.empty()) j["how"] = c.how;
  j["median_seconds"] = seconds;
  j["lower_quartile_seconds"] = c.timing.lower_quartile();
  j["upper_quartile_seconds"] = c.timing.upper_quartile();
  j["minimum_seconds"] = c.timing.minimum();
  j["rate"] = rate.value;
  j["rate_unit"] = rate.unit;
  if (const double over = over_bound(b, c); over > 0) j["over_bound"] = over;
  if (c.executed_multiply_adds > 0) j["executed_of_peak"] = part_of_peak(b, c);
  j["executed_multiply_adds"] = c.executed_multiply_adds;
  if (c.volute_is_faster > 0) {
    j["volute_is_faster"] = c.volute_is_faster;
    j["volute_is_faster_quartiles"] = {c.faster_low, c.faster_high};
  }
  if (c.counts)
    j["counts_a_call"] = {{"cycles", c.counts->cycles},
                          {"instructions", c.counts->instructions},
                          {"cache_misses", c.counts->cache_misses}};
  const Preparation& once = c.preparation;
  j["once_seconds"] = {{"compile", once.compile},
                       {"load", once.load},
                       {"bind", once.bind},
                       {"first_call", once.first_call}};
  j["calls_a_sample"] = c.timing.repetitions;
  j["samples_seconds"] = c.timing.samples;
  return j;
}

Json json_of(const Bound& bound) {
  Json j;
  j["seconds"] = bound.seconds();
  j["arithmetic_seconds"] = bound.arithmetic;
  j["traffic_seconds"] = bound.traffic;
  j["operations"] = bound.operations;
  j["unit"] = name(bound.unit);
  j["peak_operations_a_second"] = bound.peak;
  j["read_bytes"] = bound.read;
  j["written_bytes"] = bound.written;
  j["level"] = bound.level;
  return j;
}

Json json_of(const Benchmark& b) {
  Json j;
  j["name"] = b.program;
  j["file"] = b.file;
  if (!b.group.empty()) j["group"] = b.group;
  j["uses"] = b.uses;
  j["text"] = b.text;
  j["threads"] = b.threads;
  j["cold"] = b.is_cold;
  j["multiply_adds"] = b.report.multiply_adds;
  j["bytes"] = b.report.bytes;
  j["parameters"] = b.report.parameters;
  j["bound"] = json_of(b.bound);
  j["peak_flops_of_a_core"] = b.peak_flops;
  if (!b.matrix_unit.empty())
    j["matrix_unit"] = {{"instruction", b.matrix_unit}, {"operations_a_second", b.matrix_peak}};
  if (b.predicted > 0) j["predicted_seconds"] = b.predicted;
  j["rounds"] = {{"kept", b.rounds},
                 {"measured_again", b.dipped},
                 {"deepest_dip", b.deepest},
                 {"steady", b.is_steady}};
  j["verification"] = b.verification;
  j["compile_ms"] = {{"total", b.report.total_ms()}, {"cpu", b.report.cpu_ms},
                     {"lower", b.report.lower_ms},   {"emit", b.report.emit_ms},
                     {"object", b.report.object_ms}, {"link", b.report.link_ms}};
  j["nests"] = Json::array();
  for (const compiler::NestReport& nest : b.report.nests) {
    Json one = compiler::json_of(nest);
    one.erase("candidates"); // schedules that were not taken have no part in a measurement
    j["nests"].push_back(std::move(one));
  }
  j["contenders"] = Json::array();
  for (const Contender& c : b.contenders) j["contenders"].push_back(json_of(b, c));
  return j;
}

Json json_of(const Ceilings& c) {
  Json j;
  j["f32_operations_a_second"] = c.f32;
  j["f32_by"] = c.f32_by;
  j["bf16_operations_a_second"] = c.bf16;
  j["bf16_by"] = c.bf16_by;
  j["bytes_operations_a_second"] = c.bytes;
  j["bytes_by"] = c.bytes_by;
  j["levels"] = Json::array();
  for (const Level& level : c.levels)
    j["levels"].push_back({{"name", level.name},
                           {"bytes", level.bytes},
                           {"load_bytes_a_second", level.load},
                           {"store_bytes_a_second", level.store}});
  return j;
}

/// A field as CSV wants it: in quotes where it holds what separates.
std::string field(const std::string& text) {
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

} // namespace

std::string json(const std::vector<Benchmark>& benchmarks, const Setting& setting) {
  Json j;
  j["volute"] = setting.volute;
  j["llvm"] = setting.llvm;
  j["machine"] = setting.machine;
  j["command"] = setting.command;
  j["peers"] = setting.peers;
  if (!setting.missing.empty()) j["peers_missing"] = setting.missing;
  if (setting.ceilings) {
    j["ceilings_of_a_core"] = json_of(*setting.ceilings);
    j["ceilings_drift"] = setting.ceilings_drift;
  }
  if (setting.call_overhead > 0) j["call_overhead_seconds"] = setting.call_overhead;
  j["programs"] = Json::array();
  for (const Benchmark& b : benchmarks) j["programs"].push_back(json_of(b));
  return j.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string csv(const std::vector<Benchmark>& benchmarks) {
  std::string text = "file,program,uses,by,median_us,lower_quartile_us,upper_quartile_us,rate,"
                     "rate_unit,over_bound,volute_is_faster,bound_us,bound_by,how,refused\n";
  for (const Benchmark& b : benchmarks)
    for (const Contender& c : b.contenders) {
      const Rate rate = rate_of(b, c.timing.median());
      const bool has_time = c.refused.empty();
      const auto number = [&](double value) {
        return has_time && value > 0 ? fmt::format("{:.6g}", value) : "";
      };
      text += fmt::format(
          "{},{},{},{},{},{},{},{},{},{},{},{:.6g},{},{},{}\n", field(b.file), b.program, b.uses,
          field(c.name), number(1e6 * c.timing.median()), number(1e6 * c.timing.lower_quartile()),
          number(1e6 * c.timing.upper_quartile()), number(rate.value), rate.unit,
          number(over_bound(b, c)), number(c.volute_is_faster), 1e6 * b.bound.seconds(),
          b.bound.is_arithmetic() ? "arithmetic" : "traffic", field(c.how), field(c.refused));
    }
  return text;
}

Expected<Recorded> read_json(std::string_view text) {
  const auto parsed = nlohmann::json::parse(text, nullptr, false);
  const auto refused = [] { return fail("", "this is not what `volute bench --json` writes"); };
  if (!parsed.is_object() || !parsed.contains("programs")) return refused();
  try {
    Recorded recorded;
    recorded.machine = parsed.at("machine");
    recorded.volute = parsed.at("volute");
    for (const auto& program : parsed.at("programs")) {
      Recorded::Program one;
      one.name = program.at("name");
      one.file = program.at("file");
      one.peak_flops = program.at("peak_flops_of_a_core");
      for (const auto& c : program.at("contenders")) {
        if (c.contains("refused")) continue;
        one.times.push_back({c.at("name"), c.at("median_seconds"), c.at("lower_quartile_seconds"),
                             c.at("upper_quartile_seconds")});
      }
      recorded.programs.push_back(std::move(one));
    }
    return recorded;
  } catch (const nlohmann::json::exception&) {
    return refused();
  }
}

} // namespace volute::bench
