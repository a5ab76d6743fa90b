#include "runtime/log.h"

#include "compiler/schedule/schedule.h"
#include "compiler/target/target.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <initializer_list>
#include <string_view>
#include <utility>

namespace volute::runtime {
namespace {

std::string quoted(std::string_view text) {
  std::string all = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      all += '\\', all += c;
    else if (byte < 0x20 || byte == 0x7f)
      all += fmt::format("\\u{:04x}", byte);
    else
      all += c;
  }
  return all + '"';
}

/// A value as JSON has it.
struct Value {
  std::string text;
  Value(std::string_view words) : text(quoted(words)) {}   // NOLINT
  Value(const std::string& words) : text(quoted(words)) {} // NOLINT
  Value(const char* words) : text(quoted(words)) {}        // NOLINT
  Value(int64_t number) : text(std::to_string(number)) {}  // NOLINT
  Value(double number)                                     // NOLINT
      : text(std::isfinite(number) ? fmt::format("{}", number) : "null") {}
};

/// One write, so that lines of several threads and processes stay whole.
void write(const std::string& line) { std::fwrite(line.data(), 1, line.size(), stderr); }

void object(std::string_view event,
            std::initializer_list<std::pair<std::string_view, Value>> fields) {
  std::string line = fmt::format("{{\"event\": \"{}\"", event);
  for (const auto& [name, value] : fields) line += fmt::format(", \"{}\": {}", name, value.text);
  write(line + "}\n");
}

std::string target_text(const std::string& canonical) {
  const Expected<compiler::Target> target = compiler::parse_target(canonical);
  return target ? compiler::short_text(*target) : "any machine";
}

} // namespace

void Log::compiled(const compiler::Image& image, const compiler::Report& r) const {
  if (!is_on(1)) return;
  const std::string target = target_text(image.target);
  if (json_)
    object("compiled", {{"program", image.name},
                        {"target", target},
                        {"code_bytes", r.text_bytes},
                        {"constant_bytes", r.constant_bytes},
                        {"workspace_bytes", r.workspace_bytes},
                        {"ms", r.total_ms()},
                        {"lower_ms", r.lower_ms},
                        {"emit_ms", r.emit_ms},
                        {"object_ms", r.object_ms},
                        {"link_ms", r.link_ms}});
  else
    write(fmt::format("volute: @{} for {}: {} bytes of code, {} of workspace, {:.1f} ms (lower "
                      "{:.1f}, emit {:.1f}, object {:.1f}, link {:.1f})\n",
                      image.name, target, r.text_bytes, r.workspace_bytes, r.total_ms(), r.lower_ms,
                      r.emit_ms, r.object_ms, r.link_ms));
  lowered(r);
}

void Log::lowered(const compiler::Report& r) const {
  passes(r);
  if (!is_on(3)) return;
  for (const compiler::NestReport& nest : r.nests) {
    const std::string bound = nest.candidates.empty() ? "" : nest.candidates.front().bound;
    const std::string schedule = compiler::on_one_line(nest.schedule);
    if (json_)
      object("chosen", {{"program", r.program},
                        {"nest", nest.name},
                        {"schedule", schedule},
                        {"predicted_cycles", nest.cycles},
                        {"bound", bound},
                        {"candidates", std::ssize(nest.candidates)}});
    else
      write(fmt::format("volute:   {}: {} cycles predicted{}{}, of {} candidates: {}\n", nest.name,
                        std::llround(nest.cycles), bound.empty() ? "" : ", bound by ", bound,
                        nest.candidates.size(), schedule));
  }
}

void Log::passes(const compiler::Report& r) const {
  if (!is_on(2)) return;
  size_t widest = 0;
  for (const compiler::PassTime& time : r.passes) widest = std::max(widest, time.pass.size());
  for (const compiler::PassTime& time : r.passes) {
    if (json_)
      object("pass", {{"program", r.program},
                      {"pass", time.pass},
                      {"ms", time.ms},
                      {"verify_ms", time.verify_ms}});
    else
      write(fmt::format("volute:   {:{}} {:8.2f} ms, verified in {:.2f}\n", time.pass, widest,
                        time.ms, time.verify_ms));
  }
}

void Log::found_on_disk(const compiler::Image& image, const std::string& folder, double ms) const {
  if (!is_on(1)) return;
  const auto bytes = static_cast<int64_t>(image.text_bytes);
  if (json_)
    object("found", {{"where", "disk"},
                     {"program", image.name},
                     {"folder", folder},
                     {"code_bytes", bytes},
                     {"ms", ms}});
  else
    write(fmt::format("volute: @{} found in {}: {} bytes of code, {:.2f} ms\n", image.name, folder,
                      bytes, ms));
}

void Log::answers_without_code(const std::string& program, double ms) const {
  if (!is_on(1)) return;
  if (json_)
    object("answers", {{"how", "without code"}, {"program", program}, {"ms", ms}});
  else
    write(fmt::format("volute: @{} answers without code until there is some, {:.2f} ms\n", program,
                      ms));
}

void Log::found_in_memory(const std::string& program, double ms) const {
  if (!is_on(2)) return;
  if (json_)
    object("found", {{"where", "memory"}, {"program", program}, {"ms", ms}});
  else
    write(fmt::format("volute: @{} found in memory, {:.3f} ms\n", program, ms));
}

void Log::refused(const std::string& program, const Diagnostic& why) const {
  if (!is_on(1)) return;
  if (json_)
    object("refused", {{"program", program}, {"why", why.message}});
  else
    write(fmt::format("volute: @{} is refused: {}\n", program, why.message));
}

void Log::let_go(int64_t kernels, int64_t bytes_kept) const {
  if (!is_on(1) || kernels <= 0) return;
  if (json_)
    object("evicted", {{"kernels", kernels}, {"bytes_kept", bytes_kept}});
  else
    write(
        fmt::format("volute: {} kernel{} let go to stay within the memory cache's limit; {} bytes "
                    "are kept\n",
                    kernels, kernels == 1 ? "" : "s", bytes_kept));
}

void Log::without_tiles(const std::string& program) const {
  if (!is_on(1)) return;
  if (json_)
    object("without_tiles", {{"program", program}});
  else
    write(fmt::format("volute: @{} is for the vector units: this process may not use a matrix "
                      "unit\n",
                      program));
}

void Log::fell_back(const std::string& program, const std::string& from,
                    const Diagnostic& why) const {
  if (!is_on(1)) return;
  if (json_)
    object("fallback", {{"program", program}, {"from", from}, {"why", why.message}});
  else
    write(fmt::format("volute: @{} is compiled by auto: {} is refused: {}\n", program, from,
                      why.message));
}

} // namespace volute::runtime
