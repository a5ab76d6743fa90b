#include "compiler/schedule/schedule.h"

#include "compiler/schedule/directive_hint.h"
#include "ir/literals.h"
#include "ir/loops.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace volute::compiler {

// ---- printing ---------------------------------------------------------------------------------

namespace {

std::string loop_text(const LoopDirective& loop) {
  std::string text = loop.axis;
  if (loop.by > 1 && !loop.dot && !loop.tile) text += fmt::format(" by {}", loop.by);
  if (loop.dot) text += fmt::format(" dot {}", loop.dot);
  if (loop.tile) text += fmt::format(" tile {}", loop.tile);
  if (loop.slide) text += " slide";
  if (loop.unroll == LoopDirective::full) text += " unroll";
  if (loop.unroll > 1) text += fmt::format(" unroll {}", loop.unroll);
  return text;
}

std::string loops_line(std::string_view word, const std::vector<LoopDirective>& loops,
                       bool parallel) {
  std::vector<std::string> parts;
  for (const LoopDirective& loop : loops)
    if (loop.parallel == parallel) parts.push_back(loop_text(loop));
  return parts.empty() ? "" : fmt::format("{} {}\n", word, fmt::join(parts, ", "));
}

std::string operands_line(std::string_view word, const std::vector<OperandDirective>& all) {
  std::vector<std::string> names;
  for (const OperandDirective& directive : all) names.push_back(directive.operand);
  return names.empty() ? "" : fmt::format("{} {}\n", word, fmt::join(names, ", "));
}

} // namespace

std::string to_string(const Schedule& schedule) {
  std::string text;
  for (const ComputeDirective& c : schedule.compute)
    text += fmt::format("compute {} at {} by {}{}\n", c.nest, c.axis, c.by,
                        c.overlaps ? " overlap" : "");
  for (const auto& axes : schedule.flatten)
    text += fmt::format("flatten {}\n", fmt::join(axes, ", "));
  text += loops_line("parallel", schedule.loops, true);
  text += loops_line("for", schedule.loops, false);
  if (!schedule.registers.empty()) {
    std::vector<std::string> parts;
    for (const RegisterDirective& r : schedule.registers)
      parts.push_back(r.lanes  ? fmt::format("{} {} vector {}", r.axis, r.size, r.lanes)
                      : r.rows ? fmt::format("{} {} rows {}", r.axis, r.size, r.rows)
                               : fmt::format("{} {}", r.axis, r.size));
    text += fmt::format("registers {}\n", fmt::join(parts, ", "));
  }
  text += operands_line("pack", schedule.pack);
  text += operands_line("bypass", schedule.bypass);
  text += operands_line("prefetch", schedule.prefetch);
  return text;
}

std::string to_string(const Schedules& schedules) {
  std::string text;
  for (const auto& [name, directive] : schedules.forms)
    text += fmt::format("form {} {}\n", name, directive.form);
  for (const auto& [name, schedule] : schedules) {
    if (!name.empty()) text += fmt::format("nest {}:\n", name);
    text += to_string(schedule);
  }
  return text;
}

// ---- parsing ----------------------------------------------------------------------------------

namespace {

constexpr int64_t largest_number = int64_t{1} << 31;

/// Words, numbers and punctuation of one directive.
class Words {
public:
  Words(std::string_view text, int line, int column) : text_(text), line_(line), column_(column) {
    skip_space();
  }

  bool at_end() const { return at_ >= text_.size(); }
  Location here() const { return {line_, column_ + static_cast<int>(at_)}; }

  bool take(std::string_view token) {
    const size_t saved = at_;
    if (next() == token) return true;
    at_ = saved;
    return false;
  }

  /// The next word, number or single punctuation character; empty at the end.
  std::string_view next() {
    const size_t begin = at_;
    if (at_ < text_.size() && text_[at_] == '%') ++at_; // a value without a name: %0
    while (at_ < text_.size() && is_word(text_[at_])) ++at_;
    if (at_ == begin && at_ < text_.size()) ++at_;
    const std::string_view token = text_.substr(begin, at_ - begin);
    skip_space();
    return token;
  }

  std::optional<int64_t> number() {
    const size_t saved = at_;
    const std::string_view token = next();
    int64_t value = 0;
    for (char c : token) {
      if (c < '0' || c > '9' || value > largest_number) return at_ = saved, std::nullopt;
      value = value * 10 + (c - '0');
    }
    if (token.empty() || value > largest_number) return at_ = saved, std::nullopt;
    return value;
  }

private:
  static bool is_word(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  }
  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\r'))
      ++at_;
  }

  std::string_view text_;
  size_t at_ = 0;
  int line_, column_;
};

Failure refuse(Location where, std::string message, std::string hint = "") {
  return fail(Diagnostic{where, "schedule", std::move(message), std::move(hint)});
}

Failure want_size(const Words& words, std::string_view after) {
  return refuse(words.here(),
                fmt::format("a size from 1 to {} is wanted after {}", largest_number, after));
}

Expected<std::string> parse_axis(Words& words, std::string_view directive) {
  const Location where = words.here();
  const std::string_view axis = words.next();
  const bool letter = !axis.empty() && ((axis[0] >= 'a' && axis[0] <= 'z') || axis[0] == '_');
  if (!letter) return refuse(where, fmt::format("{}: a name is wanted", directive));
  return std::string(axis);
}

/// An operand by its name, `x` or `%x`; one that is only numbered is called `%0`.
Expected<OperandDirective> parse_operand(Words& words, std::string_view directive) {
  const Location at = words.here();
  Words ahead = words;
  std::string_view name = ahead.next();
  if (name.size() < 2 || name[0] != '%') {
    Expected<std::string> plain = parse_axis(words, directive);
    if (!plain) return plain.failure();
    return OperandDirective{std::move(*plain), at};
  }
  words = ahead;
  if (name[1] < '0' || name[1] > '9') name.remove_prefix(1);
  return OperandDirective{std::string(name), at};
}

Expected<LoopDirective> parse_loop(Words& words, bool parallel) {
  const std::string_view directive = parallel ? "parallel" : "for";
  LoopDirective loop;
  loop.at = words.here();
  loop.parallel = parallel;
  Expected<std::string> axis = parse_axis(words, directive);
  if (!axis) return axis.failure();
  loop.axis = *axis;
  if (words.take("by")) {
    const auto size = words.number();
    if (!size || *size < 1) return want_size(words, "by");
    loop.by = *size;
  }
  if (words.take("dot")) {
    const Location dot = words.here();
    const auto ways = words.number();
    if (!ways || (*ways != 2 && *ways != 4))
      return refuse(dot, "dot: products are added 2 (bf16) or 4 (bytes) at a time");
    if (loop.by > 0) return refuse(dot, "dot: says the tile's size itself, without by");
    loop.dot = *ways;
  }
  if (words.take("tile")) {
    const Location tile = words.here();
    const auto elements = words.number();
    if (!elements || *elements < 2 || *elements > ir::most_tile_row_bytes)
      return refuse(tile, fmt::format("tile: a matrix unit takes 2 to {} elements of a sum at a "
                                      "time",
                                      ir::most_tile_row_bytes));
    if (loop.by > 0 || loop.dot)
      return refuse(tile, "tile: says the tile's size itself, without by or dot");
    loop.tile = *elements;
  }
  const Location where = words.here();
  if (words.take("slide")) {
    if (parallel) return refuse(where, "parallel: taps slide, and work items do not");
    if (loop.by > 0) return refuse(where, "slide: all taps of an axis slide at once, without by");
    loop.slide = true;
    return loop;
  }
  if (words.take("unroll")) {
    if (parallel) return refuse(where, "parallel: work items cannot be unrolled");
    const auto copies = words.number();
    if (copies && *copies < 1) return want_size(words, "unroll");
    loop.unroll = copies.value_or(LoopDirective::full);
  }
  return loop;
}

/// "write `vector 8` or `vector 16`": around a number of lanes that is none.
std::string lanes_near(int64_t lanes) {
  if (lanes < 2) return lanes == 0 ? "" : "write `vector 2`, or leave it out";
  if (lanes > 64) return "write `vector 64`";
  int64_t below = 2;
  while (2 * below < lanes) below *= 2;
  return fmt::format("write `vector {}` or `vector {}`", below, 2 * below);
}

Expected<RegisterDirective> parse_register(Words& words) {
  RegisterDirective r;
  r.at = words.here();
  Expected<std::string> axis = parse_axis(words, "registers");
  if (!axis) return axis.failure();
  r.axis = *axis;
  const auto size = words.number();
  if (!size || *size < 1) return want_size(words, r.axis);
  r.size = *size;
  if (words.take("vector")) {
    const Location where = words.here();
    const auto lanes = words.number();
    if (!lanes || *lanes < 2 || *lanes > 64 || (*lanes & (*lanes - 1)) != 0)
      return refuse(where, "registers: the lanes of a vector are a power of two from 2 to 64",
                    lanes_near(lanes.value_or(0)));
    r.lanes = *lanes;
  } else if (words.take("rows")) {
    const Location where = words.here();
    const auto rows = words.number();
    if (!rows || *rows < 1 || *rows > ir::most_tile_rows)
      return refuse(where, fmt::format("registers: a tile of a matrix unit has 1 to {} rows",
                                       ir::most_tile_rows));
    r.rows = *rows;
  } else {
    words.take("unroll"); // what an element of a register tile is, said aloud
  }
  return r;
}

/// item { , item }, then the end of the directive.
template <class Item, class Parse>
Expected<std::vector<Item>> parse_list(Words& words, Parse parse) {
  std::vector<Item> items;
  do {
    Expected<Item> item = parse();
    if (!item) return item.failure();
    items.push_back(std::move(*item));
  } while (words.take(","));
  return items;
}

Expected<bool> expect_end(Words& words) {
  if (words.at_end()) return true;
  const Location rest = words.here(); // before next() moves on
  const std::string_view word = words.next();
  const bool is_name = !word.empty() && ((word[0] >= 'a' && word[0] <= 'z') || word[0] == '_');
  return refuse(rest, fmt::format("{} is unexpected here", ir::quoted(word)),
                !is_name             ? ""
                : is_directive(word) ? "directives stand on lines of their own, or after `;`"
                                     : "a list has commas between what it names");
}

/// Adds a list of operands to a directive's, each once.
Expected<bool> parse_operands(Words& words, std::string_view directive,
                              std::vector<OperandDirective>& all) {
  auto operands =
      parse_list<OperandDirective>(words, [&] { return parse_operand(words, directive); });
  if (!operands) return operands.failure();
  for (OperandDirective& operand : *operands) {
    if (std::any_of(all.begin(), all.end(),
                    [&](const OperandDirective& o) { return o.operand == operand.operand; }))
      return refuse(operand.at,
                    fmt::format("{} {}: it is named twice", directive, operand.operand));
    all.push_back(std::move(operand));
  }
  return true;
}

/// `form NEST NAME`, in any section: it says itself which nest it is for.
Expected<bool> parse_form(Words& words, Location where, Schedules& schedules) {
  Expected<std::string> nest = parse_axis(words, "form");
  Expected<std::string> form = parse_axis(words, "form");
  if (!nest || !form)
    return refuse(where, "form: a nest and one of its forms are wanted",
                  "as in `form conv_y direct`");
  if (!schedules.forms.emplace(*nest, FormDirective{*form, where}).second)
    return refuse(where, fmt::format("nest {} has a form already", *nest));
  return true;
}

Expected<bool> parse_directive(Words& words, Schedules& schedules, std::string& nest) {
  const Location where = words.here();
  const std::string_view word = words.next();
  if (word == "form") {
    if (auto form = parse_form(words, where, schedules); !form) return form;
    return expect_end(words);
  }
  Schedule& schedule = schedules[nest];
  if (word == "nest") {
    Expected<std::string> name = parse_axis(words, "nest");
    if (!name) return name.failure();
    const bool may_go_on = words.take(":");
    if (nest.empty() && schedule == Schedule{}) schedules.erase(nest); // it had no section
    nest = *name;
    if (!schedules.try_emplace(nest).second)
      return refuse(where, fmt::format("nest {} has a schedule already", nest));
    if (may_go_on) return true; // its first directive may stand on the same line
  } else if (word == "parallel" || word == "for") {
    auto loops =
        parse_list<LoopDirective>(words, [&] { return parse_loop(words, word == "parallel"); });
    if (!loops) return loops.failure();
    if (word == "parallel" && !schedule.loops.empty() && !schedule.loops.back().parallel)
      return refuse(where, "parallel comes before for: work items are the outermost loops");
    schedule.loops.insert(schedule.loops.end(), loops->begin(), loops->end());
  } else if (word == "registers") {
    auto registers = parse_list<RegisterDirective>(words, [&] { return parse_register(words); });
    if (!registers) return registers.failure();
    schedule.registers.insert(schedule.registers.end(), registers->begin(), registers->end());
  } else if (word == "flatten") {
    auto axes = parse_list<std::string>(words, [&] { return parse_axis(words, "flatten"); });
    if (!axes) return axes.failure();
    if (axes->size() < 2) return refuse(where, "flatten: two axes or more are joined");
    schedule.flatten.push_back(std::move(*axes));
  } else if (word == "pack") {
    if (auto parsed = parse_operands(words, "pack", schedule.pack); !parsed) return parsed;
  } else if (word == "compute") {
    ComputeDirective compute;
    compute.at = where;
    Expected<std::string> inner = parse_axis(words, "compute");
    if (!inner) return inner.failure();
    compute.nest = *inner;
    if (!words.take("at")) return refuse(words.here(), "compute: `at AXIS` is wanted");
    Expected<std::string> axis = parse_axis(words, "compute");
    if (!axis) return axis.failure();
    compute.axis = *axis;
    if (words.take("by")) {
      const auto size = words.number();
      if (!size || *size < 1) return want_size(words, "by");
      compute.by = *size;
    }
    compute.overlaps = words.take("overlap");
    schedule.compute.push_back(std::move(compute));
  } else if (word == "bypass") {
    if (auto parsed = parse_operands(words, "bypass", schedule.bypass); !parsed) return parsed;
  } else if (word == "prefetch") {
    if (auto parsed = parse_operands(words, "prefetch", schedule.prefetch); !parsed) return parsed;
  } else {
    return refuse(where, fmt::format("unknown directive {}", ir::quoted(word)),
                  directive_hint(word));
  }
  return expect_end(words);
}

} // namespace

std::string on_one_line(std::string_view schedule) {
  std::string line;
  for (const char c : schedule) {
    if (c != '\n')
      line += c;
    else if (!line.empty() && line.back() != ':')
      line += "; ";
    else
      line += ' ';
  }
  while (line.ends_with(' ') || line.ends_with(';')) line.pop_back();
  return line;
}

Expected<Schedules> parse_schedules(std::string_view text) {
  constexpr size_t most_failures = 1000; // a text with more is no schedule
  Schedules schedules;
  std::string nest;
  Failure failures;
  size_t begin = 0;
  for (int line = 1; begin <= text.size() && failures.diagnostics.size() < most_failures; ++line) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    std::string_view rest = text.substr(begin, end - begin);
    rest = rest.substr(0, rest.find("//"));
    for (size_t at = 0; at <= rest.size() && failures.diagnostics.size() < most_failures;) {
      const size_t stop = std::min(rest.find(';', at), rest.size());
      Words words(rest.substr(at, stop - at), line, static_cast<int>(at) + 1);
      while (!words.at_end())
        if (auto parsed = parse_directive(words, schedules, nest); !parsed) {
          failures.diagnostics.push_back(parsed.diagnostics().front());
          break;
        }
      at = stop + 1;
    }
    begin = end + 1;
  }
  if (!failures.diagnostics.empty()) return failures;
  if (schedules.empty() && schedules.forms.empty()) schedules[""];
  return schedules;
}

} // namespace volute::compiler
