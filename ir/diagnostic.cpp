#include "ir/diagnostic.h"

#include <fmt/format.h>

namespace volute {

std::string to_string(const Diagnostic& d) {
  std::string text = d.subject.empty() ? d.message : fmt::format("{}: {}", d.subject, d.message);
  if (!d.hint.empty()) text += fmt::format(" ({})", d.hint);
  return text;
}

namespace {

std::string_view line_of(std::string_view source, int line) {
  for (int at = 1; at < line; ++at) {
    const size_t newline = source.find('\n');
    if (newline == std::string_view::npos) return {};
    source.remove_prefix(newline + 1);
  }
  return source.substr(0, source.find('\n'));
}

// The caret line repeats the source line's tabs, so that it lines up whatever the tab width is.
std::string caret_under(std::string_view line, int column) {
  std::string caret;
  for (int i = 0; i + 1 < column; ++i)
    caret += i < static_cast<int>(line.size()) && line[static_cast<size_t>(i)] == '\t' ? '\t' : ' ';
  return caret + '^';
}

} // namespace

std::string render(const std::vector<Diagnostic>& diagnostics, std::string_view file,
                   std::string_view source) {
  std::string text;
  for (const Diagnostic& d : diagnostics) {
    if (d.in) {
      Diagnostic there = d;
      there.in = nullptr;
      text += render({there}, d.in->name, d.in->text);
      continue;
    }
    if (d.where.line == 0) {
      text += file.empty() ? fmt::format("error: {}\n", to_string(d))
                           : fmt::format("{}: error: {}\n", file, to_string(d));
      continue;
    }
    text += fmt::format("{}:{}:{}: error: {}\n", file, d.where.line, d.where.column, to_string(d));
    const std::string_view line = line_of(source, d.where.line);
    if (!line.empty()) text += fmt::format("  {}\n  {}\n", line, caret_under(line, d.where.column));
  }
  return text;
}

Error::Error(std::vector<Diagnostic> diagnostics) : diagnostics_(std::move(diagnostics)) {
  for (const Diagnostic& d : diagnostics_) {
    if (!text_.empty()) text_ += '\n';
    if (d.in) text_ += d.in->name + ':';
    text_ += d.where.line ? fmt::format("{}:{}: {}", d.where.line, d.where.column, to_string(d))
                          : to_string(d);
  }
}

} // namespace volute
