// The report as a page for people: what was asked, what was chosen and why, what it costs.
#include "compiler/report/report.h"

#include "compiler/schedule/schedule.h"
#include "compiler/target/target.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace volute::compiler {
namespace {

constexpr size_t shown_candidates = 6;

std::string bytes_text(int64_t bytes) {
  if (bytes < 10240) return fmt::format("{} bytes", bytes);
  if (bytes < (int64_t{10} << 20)) return fmt::format("{:.1f} KiB", bytes / 1024.0);
  return fmt::format("{:.1f} MiB", bytes / 1048576.0);
}

// One line of a section: names in a column, values after it.
void row(std::string& text, std::string_view name, std::string_view value) {
  text += fmt::format("  {:<14} {}\n", name, value);
}

std::string indented(std::string_view lines, size_t by) {
  std::string text;
  while (!lines.empty()) {
    const size_t end = std::min(lines.find('\n'), lines.size());
    text += std::string(by, ' ');
    text += lines.substr(0, end);
    text += '\n';
    lines.remove_prefix(std::min(end + 1, lines.size()));
  }
  return text;
}

// A canonical target names every feature; people read what differs from the CPU that it names.
std::string short_target(const std::string& canonical) {
  const Expected<Target> target = parse_target(canonical);
  return target ? short_text(*target) : canonical;
}

std::string executed_text(const NestReport& nest) {
  if (nest.executed_multiply_adds == 0) return "none";
  std::string text = grouped(nest.executed_multiply_adds);
  if (nest.multiply_adds > nest.executed_multiply_adds)
    text += fmt::format(" executed for {} asked for: weights that are 0 are left out",
                        grouped(nest.multiply_adds));
  else if (nest.multiply_adds > 0)
    text +=
        fmt::format(" executed for {} asked for: {:.1f} % are useful", grouped(nest.multiply_adds),
                    100.0 * static_cast<double>(nest.multiply_adds) /
                        static_cast<double>(nest.executed_multiply_adds));
  return text;
}

/// Of a program, what it asks for; of loops, which ask for nothing, what they execute.
std::string work_text(const Report& report) {
  int64_t executed = 0;
  for (const NestReport& nest : report.nests) executed += nest.executed_multiply_adds;
  if (report.multiply_adds == 0 && executed > 0) return grouped(executed) + " executed";
  return grouped(report.multiply_adds) + " (taps in the padding left out)";
}

std::string workspace_text(const Report& report) {
  std::string text = bytes_text(report.workspace_bytes);
  if (report.intermediate_bytes > report.workspace_bytes)
    text += fmt::format(", shared by buffers of {} that are not needed at the same time",
                        bytes_text(report.intermediate_bytes));
  return text;
}

/// "15 of 16 in the inner step; no spills in the code"
std::string registers_text(const NestReport& nest) {
  const int64_t needed = nest.registers_needed, there = nest.registers_available;
  const std::string text =
      needed <= there ? fmt::format("{} of {} in the inner step", needed, there)
                      : fmt::format("{} are too many: the inner step has {}", needed, there);
  if (!nest.spills) return text;
  const auto [stores, reloads] = *nest.spills;
  if (stores + reloads == 0) return text + "; no spills in the code";
  return fmt::format("{}; {} stores and {} reloads in the innermost loops' code are spills", text,
                     stores, reloads);
}

void append(std::string& text, const NestReport& nest) {
  text += fmt::format("\nnest {}{}{}\n", nest.name, nest.origin.empty() ? "" : ": ", nest.origin);
  row(text, "multiply-adds", executed_text(nest));
  row(text, "work items", grouped(nest.work_items));
  if (!nest.register_tile.empty())
    row(text, "register tile",
        nest.registers > 0 ? fmt::format("{} ({} registers)", nest.register_tile, nest.registers)
                           : nest.register_tile);
  if (nest.registers_needed > 0) row(text, "registers", registers_text(nest));
  if (!nest.products.empty()) row(text, "products", nest.products);
  for (const auto& [operand, bytes] : nest.packed)
    row(text, "packed", fmt::format("%{}, {}", operand, bytes_text(bytes)));
  if (nest.code_bytes > 0) row(text, "code", bytes_text(nest.code_bytes));
  text += "  schedule\n";
  text += indented(nest.schedule.empty() ? "// every axis a plain loop" : nest.schedule, 4);
  if (!nest.why.empty()) text += "  why\n";
  for (const std::string& sentence : nest.why) text += fmt::format("    {}\n", sentence);
  if (nest.candidates.empty()) return;
  text += "  candidates, best first: predicted cycles, what bounds them, schedule\n";
  for (size_t i = 0; i < std::min(shown_candidates, nest.candidates.size()); ++i) {
    const Candidate& candidate = nest.candidates[i];
    text += fmt::format("    {:>12}  {:<8}  {}\n", grouped(static_cast<int64_t>(candidate.cycles)),
                        candidate.bound, on_one_line(candidate.schedule));
  }
}

/// ", error at most 0.94 times that of a direct sum"; nothing of what makes no more.
std::string error_text(double error) {
  return error > 0 ? fmt::format(", error at most {} times that of a direct sum", error) : "";
}

void append(std::string& text, const StatementForms& statement) {
  text +=
      fmt::format("  {}: {} ({}){}{}{}\n", statement.nest, statement.chosen, statement.sentence,
                  error_text(statement.error), statement.why.empty() ? "" : "; ", statement.why);
  for (const FormReport& form : statement.forms) {
    if (!form.refused.empty())
      text += fmt::format("    {:<14} {:>10}  {}\n", form.name, "not taken", form.refused);
    else if (form.cycles > 0)
      text += fmt::format("    {:<14} {:>10}  predicted cycles{}\n", form.name,
                          grouped(static_cast<int64_t>(form.cycles)), error_text(form.error));
  }
}

} // namespace

std::string grouped(int64_t number) {
  std::string text = std::to_string(number);
  const size_t sign = number < 0 ? 1 : 0;
  for (size_t at = text.size(); at > 3 + sign; at -= 3) text.insert(at - 3, 1, ',');
  return text;
}

std::string to_string(const Report& report) {
  std::string text = fmt::format("program @{}\n", report.program);
  row(text, "target", short_target(report.target));
  if (!report.llvm.empty()) row(text, "LLVM", report.llvm);
  if (!report.schedule_note.empty()) row(text, "schedule", report.schedule_note);
  row(text, "parameters", grouped(report.parameters));
  row(text, "multiply-adds", work_text(report));
  if (report.multiply_adds > 0)
    row(text, "operations", grouped(2 * report.multiply_adds) + " (a multiply-add is two)");
  row(text, "bytes", grouped(report.bytes) + " (inputs and outputs, each once)");
  row(text, "intensity",
      fmt::format("{:.2f} floating-point operations a byte", report.intensity()));

  if (!report.sizes.empty()) text += "\nsizes\n";
  for (const std::string& line : report.sizes) text += fmt::format("  {}\n", line);
  if (!report.fusion.empty() || !report.bands.empty()) text += "\nfusion\n";
  for (const std::string& sentence : report.fusion) text += fmt::format("  {}\n", sentence);
  for (const std::string& sentence : report.bands) text += fmt::format("  {}\n", sentence);
  if (!report.forms.empty()) text += "\nforms\n";
  for (const StatementForms& statement : report.forms) append(text, statement);
  if (!report.operators.empty()) text += "\noperators\n";
  for (const std::string& sentence : report.operators) text += fmt::format("  {}\n", sentence);
  if (!report.denormals.empty()) text += "\ndenormals\n";
  for (const std::string& sentence : report.denormals) text += fmt::format("  {}\n", sentence);
  if (!report.copies.empty()) text += "\ncopies\n";
  for (const Copy& copy : report.copies)
    text += fmt::format("  {}: {}, {}\n", copy.of, bytes_text(copy.bytes), copy.why);
  for (const NestReport& nest : report.nests) append(text, nest);

  if (!report.prepared.empty()) text += "\nprepared\n";
  for (const std::string& sentence : report.prepared) text += fmt::format("  {}\n", sentence);

  if (report.text_bytes > 0) {
    text += "\nimage\n";
    row(text, "code", bytes_text(report.text_bytes));
    row(text, "constants", bytes_text(report.constant_bytes));
    row(text, "workspace", workspace_text(report));
    row(text, "scratch", bytes_text(report.thread_scratch_bytes) + " a thread");
    if (report.needs_tiles)
      row(text, "needs", "the matrix unit, which Linux grants a process that asks for it");
  }
  text += fmt::format("\ntime\n  {:.1f} ms: lower {:.1f}, emit {:.1f}, object {:.1f}, link {:.1f}",
                      report.total_ms(), report.lower_ms, report.emit_ms, report.object_ms,
                      report.link_ms);
  text += report.cpu_ms > 0 ? fmt::format("; {:.1f} ms of CPU\n", report.cpu_ms) : "\n";
  return text;
}

int64_t NestReport::packed_bytes() const {
  int64_t bytes = 0;
  for (const Packed& operand : packed) bytes += operand.bytes;
  return bytes;
}

} // namespace volute::compiler
