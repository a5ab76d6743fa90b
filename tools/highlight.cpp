#include "tools/highlight.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <set>
#include <unistd.h>

namespace volute::tools {
namespace {

constexpr std::string_view plain = "\x1b[0m";
constexpr std::string_view comment = "\x1b[2m";
constexpr std::string_view keyword = "\x1b[35m";
constexpr std::string_view number = "\x1b[33m";
constexpr std::string_view name = "\x1b[36m";
constexpr std::string_view type = "\x1b[32m";
constexpr std::string_view heading = "\x1b[1m";
constexpr std::string_view gone = "\x1b[31m";
constexpr std::string_view come = "\x1b[32m";
constexpr std::string_view place = "\x1b[36m";

using Words = std::set<std::string_view>;

const Words& keywords(std::string_view stage) {
  static const Words program = {"program", "return", "const", "file"};
  static const Words nest = {"nests", "nest",     "input",  "output", "intermediate",
                             "table", "reduce",   "where",  "let",    "weight",
                             "form",  "parallel", "within", "scatter"};
  static const Words schedule = {
      "nest", "parallel", "for",    "registers", "pack", "prefetch", "compute", "form",   "flatten",
      "by",   "unroll",   "vector", "slide",     "dot",  "at",       "bypass",  "overlap"};
  static const Words loops = {"loops",   "step",         "items", "item",      "input",
                              "output",  "scratch",      "table", "registers", "for",
                              "unroll",  "intermediate", "when",  "load",      "store",
                              "splat",   "transpose",    "fence", "prefetch",  "let",
                              "scatter", "fma",          "in",    "of",        "bypass"};
  static const Words llvm = {
      "define",        "ret",    "br",      "label",    "load",    "store",         "getelementptr",
      "phi",           "icmp",   "call",    "add",      "mul",     "sub",           "fmul",
      "fadd",          "select", "declare", "constant", "private", "shufflevector", "insertelement",
      "extractelement"};
  static const Words none;
  return stage == "program"    ? program
         : stage == "nest"     ? nest
         : stage == "schedule" ? schedule
         : stage == "loops"    ? loops
         : stage == "llvm"     ? llvm
                               : none;
}

bool is_type(std::string_view word) {
  static const Words types = {"f32", "f64", "f16", "bf16",  "i8",     "u8",   "i32",
                              "i64", "ptr", "i1",  "float", "double", "half", "void"};
  const std::string_view element = word.substr(0, word.find('x'));
  return types.count(word) > 0 || (types.count(element) > 0 && element.size() < word.size());
}

bool is_letter(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

class Painter {
public:
  Painter(std::string_view stage, std::string_view line)
      : stage_(stage), line_(line), is_report_(stage == "report") {}

  std::string paint() {
    if (is_report_) return report();
    while (at_ < line_.size()) next();
    return std::move(text_);
  }

private:
  void take(size_t count, std::string_view colour) {
    text_ += colour;
    text_ += line_.substr(at_, count);
    text_ += plain;
    at_ += count;
  }
  size_t word_from(size_t at) const {
    while (at < line_.size() && (is_letter(line_[at]) || line_[at] == '.')) ++at;
    return at;
  }

  bool begins_comment() const {
    const std::string_view rest = line_.substr(at_);
    if (stage_ == "asm") return rest.starts_with("#");
    if (stage_ == "llvm") return rest.starts_with(";");
    return rest.starts_with("//");
  }

  void next() {
    const char c = line_[at_];
    if (begins_comment()) return take(line_.size() - at_, comment);
    if (c == '%' || (c == '@' && stage_ != "asm")) return take(word_from(at_ + 1) - at_, name);
    if (c == '$' && stage_ == "asm")
      return take(word_from(at_ + 1 + (line_[at_ + 1] == '-')) - at_, number);
    if (std::isdigit(static_cast<unsigned char>(c))) {
      // `0..14` is two numbers.
      size_t end = at_;
      while (end < line_.size() && is_letter(line_[end])) ++end;
      return take(end - at_, number);
    }
    if (!is_letter(c) && !(c == '.' && stage_ == "asm")) {
      text_ += c;
      ++at_;
      return;
    }
    size_t end = at_ + 1;
    while (end < line_.size() && (is_letter(line_[end]) || (stage_ == "asm" && line_[end] == '.')))
      ++end;
    const std::string_view word = line_.substr(at_, end - at_);
    const bool is_mnemonic =
        stage_ == "asm" && at_ > 0 && std::isspace(static_cast<unsigned char>(line_[at_ - 1])) &&
        line_.substr(0, at_).find_first_not_of(" \t") == std::string_view::npos;
    if (is_mnemonic || keywords(stage_).count(word) > 0) return take(word.size(), keyword);
    if (is_type(word)) return take(word.size(), type);
    text_ += word;
    at_ = end;
  }

  std::string report() {
    const bool is_section = !line_.empty() && line_.front() != ' ';
    if (is_section) return take(line_.size(), heading), std::move(text_);
    return std::string(line_);
  }

  std::string_view stage_, line_;
  bool is_report_;
  size_t at_ = 0;
  std::string text_;
};

template <class Paint>
std::string by_line(std::string_view text, Paint paint) {
  std::string all;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    all += paint(text.substr(0, end));
    if (end == std::string_view::npos) break;
    all += '\n';
    text.remove_prefix(end + 1);
  }
  return all;
}

} // namespace

bool wants_colour(std::string_view option) {
  if (option != "auto") return option == "always";
  const char* without = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  return isatty(STDOUT_FILENO) && !(without && *without) &&
         !(terminal && std::string_view(terminal) == "dumb");
}

std::string highlighted(std::string_view stage, std::string_view text) {
  return by_line(text, [&](std::string_view line) {
    // Between the stages of `all`.
    if (line.starts_with("==== "))
      return std::string(heading) + std::string(line) + std::string(plain);
    return Painter(stage, line).paint();
  });
}

std::string highlighted_diff(std::string_view diff) {
  return by_line(diff, [](std::string_view line) {
    const std::string_view colour = line.starts_with("@@")  ? place
                                    : line.starts_with("-") ? gone
                                    : line.starts_with("+") ? come
                                                            : std::string_view();
    if (colour.empty()) return std::string(line);
    return std::string(colour) + std::string(line) + std::string(plain);
  });
}

} // namespace volute::tools
