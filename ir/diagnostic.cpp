#include "ir/diagnostic.h"

#include "ir/literals.h"

#include <fmt/format.h>

#include <algorithm>

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
  source = source.substr(0, source.find('\n'));
  if (source.ends_with('\r')) source.remove_suffix(1);
  return source;
}

constexpr size_t most_shown = 20; // refusals; nobody reads further
constexpr size_t longest_line = 160, longest_message = 2000;

std::string cut(std::string text) {
  if (text.size() > longest_message) text = text.substr(0, longest_message) + "...";
  return text;
}

/// A line of the source and a caret under one of its characters. Of a long line the part around
/// that; what a terminal would obey is shown as \x1b; tabs are repeated below, so that it
/// stands right whatever their width.
std::string echo(std::string_view line, int column) {
  const size_t at = std::min(static_cast<size_t>(std::max(column, 1)) - 1, line.size());
  const bool fits = line.size() <= longest_line;
  const size_t begin = fits || at < longest_line / 2 ? 0 : at - longest_line / 2;
  const size_t end = fits ? line.size() : std::min(line.size(), begin + longest_line);
  std::string text = begin > 0 ? "..." : "";
  std::string caret(text.size(), ' ');
  for (size_t i = begin; i < end;) {
    const size_t bytes = ir::first_character(line.substr(i)).bytes;
    const std::string character = ir::shown(line.substr(i, bytes));
    const bool is_plain = character.size() == bytes;
    text += character;
    if (i + bytes <= at)
      caret += character == "\t" ? "\t" : std::string(is_plain ? 1 : character.size(), ' ');
    i += bytes;
  }
  return fmt::format("  {}{}\n  {}^\n", text, end < line.size() ? "..." : "", caret);
}

/// How many of a list are shown: one more is shown rather than counted.
size_t shown_of(size_t count) { return count <= most_shown + 1 ? count : most_shown; }

} // namespace

std::string render(const std::vector<Diagnostic>& diagnostics, std::string_view file,
                   std::string_view source) {
  const std::string name = ir::shown(file);
  const size_t shown = shown_of(diagnostics.size());
  std::string text;
  for (size_t i = 0; i < shown; ++i) {
    const Diagnostic& d = diagnostics[i];
    if (d.in) {
      Diagnostic there = d;
      there.in = nullptr;
      text += render({there}, d.in->name, d.in->text);
      continue;
    }
    const std::string words = cut(ir::shown(to_string(d)));
    if (d.where.line == 0) {
      text += name.empty() ? fmt::format("error: {}\n", words)
                           : fmt::format("{}: error: {}\n", name, words);
      continue;
    }
    text += fmt::format("{}:{}:{}: error: {}\n", name, d.where.line, d.where.column, words);
    const std::string_view line = line_of(source, d.where.line);
    if (!line.empty()) text += echo(line, d.where.column);
  }
  if (shown < diagnostics.size())
    text += fmt::format("error: and {} more\n", diagnostics.size() - shown);
  return text;
}

Error::Error(std::vector<Diagnostic> diagnostics) : diagnostics_(std::move(diagnostics)) {
  const size_t shown = shown_of(diagnostics_.size());
  for (size_t i = 0; i < shown; ++i) {
    const Diagnostic& d = diagnostics_[i];
    if (!text_.empty()) text_ += '\n';
    if (d.in) text_ += d.in->name + ':';
    text_ += d.where.line ? fmt::format("{}:{}: {}", d.where.line, d.where.column, to_string(d))
                          : to_string(d);
  }
  if (shown < diagnostics_.size())
    text_ += fmt::format("\nand {} more", diagnostics_.size() - shown);
}

} // namespace volute
