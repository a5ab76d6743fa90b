#include "compiler/schedule/schedule.h"

#include "compiler/nests/bands.h"
#include "compiler/nests/strides.h"
#include "compiler/nests/weight_expression.h"
#include "compiler/schedule/directive_hint.h"
#include "ir/literals.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace volute::compiler {

// ---- printing ---------------------------------------------------------------------------------

namespace {

std::string loop_text(const LoopDirective& loop) {
  std::string text = loop.axis;
  if (loop.by > 1 && !loop.dot) text += fmt::format(" by {}", loop.by);
  if (loop.dot) text += fmt::format(" dot {}", loop.dot);
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

} // namespace

std::string to_string(const Schedule& schedule) {
  std::string text;
  for (const ComputeDirective& c : schedule.compute)
    text += fmt::format("compute {} at {} by {}\n", c.nest, c.axis, c.by);
  for (const auto& axes : schedule.flatten)
    text += fmt::format("flatten {}\n", fmt::join(axes, ", "));
  text += loops_line("parallel", schedule.loops, true);
  text += loops_line("for", schedule.loops, false);
  if (!schedule.registers.empty()) {
    std::vector<std::string> parts;
    for (const RegisterDirective& r : schedule.registers)
      parts.push_back(r.lanes ? fmt::format("{} {} vector {}", r.axis, r.size, r.lanes)
                              : fmt::format("{} {}", r.axis, r.size));
    text += fmt::format("registers {}\n", fmt::join(parts, ", "));
  }
  if (schedule.pack_weight) text += "pack weight\n";
  if (!schedule.prefetch.empty())
    text += fmt::format("prefetch {}\n", fmt::join(schedule.prefetch, ", "));
  return text;
}

std::string to_string(const Schedules& schedules) {
  std::string text;
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
Expected<std::string> parse_operand(Words& words, std::string_view directive) {
  Words ahead = words;
  std::string_view name = ahead.next();
  if (name.size() < 2 || name[0] != '%') return parse_axis(words, directive);
  words = ahead;
  if (name[1] < '0' || name[1] > '9') name.remove_prefix(1);
  return std::string(name);
}

Expected<LoopDirective> parse_loop(Words& words, bool parallel) {
  const std::string_view directive = parallel ? "parallel" : "for";
  LoopDirective loop;
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
  const Location where = words.here();
  if (words.take("unroll")) {
    if (parallel) return refuse(where, "parallel: work items cannot be unrolled");
    const auto copies = words.number();
    if (copies && *copies < 1) return want_size(words, "unroll");
    loop.unroll = copies.value_or(LoopDirective::full);
  }
  return loop;
}

Expected<RegisterDirective> parse_register(Words& words) {
  RegisterDirective r;
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
      return refuse(where, "registers: the lanes of a vector are a power of two from 2 to 64");
    r.lanes = *lanes;
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

Expected<bool> parse_directive(Words& words, Schedules& schedules, std::string& nest) {
  const Location where = words.here();
  const std::string_view word = words.next();
  Schedule& schedule = schedules[nest];
  if (word == "nest") {
    Expected<std::string> name = parse_axis(words, "nest");
    if (!name) return name.failure();
    const bool may_go_on = words.take(":");
    nest = *name;
    if (schedule == Schedule{} && schedules.size() == 1) schedules.clear();
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
    if (!words.take("weight")) return refuse(words.here(), "pack: only `pack weight` is known");
    schedule.pack_weight = true;
  } else if (word == "compute") {
    ComputeDirective compute;
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
    schedule.compute.push_back(std::move(compute));
  } else if (word == "prefetch") {
    auto operands =
        parse_list<std::string>(words, [&] { return parse_operand(words, "prefetch"); });
    if (!operands) return operands.failure();
    schedule.prefetch.insert(schedule.prefetch.end(), operands->begin(), operands->end());
  } else {
    return refuse(where, fmt::format("unknown directive {}", ir::quoted(word)),
                  directive_hint(word));
  }
  if (!words.at_end()) {
    const Location rest = words.here(); // before next() moves on
    return refuse(rest, fmt::format("{} is unexpected here", ir::quoted(words.next())));
  }
  return true;
}

} // namespace

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
  if (schedules.empty()) schedules[""];
  return schedules;
}

// ---- fitting a nest ---------------------------------------------------------------------------

namespace {

std::string axes_of(const ir::Nest& nest) {
  std::vector<std::string> names;
  for (const ir::NestAxis& axis : nest.axes)
    names.push_back(nest.vars[static_cast<size_t>(axis.var.id)]);
  return fmt::format("the axes of {} are {}", nest.name, fmt::join(names, ", "));
}

bool constrained(const ir::Nest& nest, ir::Var axis) {
  return std::any_of(nest.constraints.begin(), nest.constraints.end(),
                     [&](const ir::Constraint& c) { return c.value.depends_on(axis); });
}

Failure misfit(const ir::Nest& nest, std::string message, std::string hint = "") {
  return fail("schedule", fmt::format("nest {}: {}", nest.name, message), std::move(hint));
}

} // namespace

namespace {

/// Elements that are scattered over one part of memory are written in the nest's order: their axes
/// are neither shared among threads, nor tiled, nor in another order.
std::optional<Failure> misfit_of_scatter(const Schedule& schedule, const ir::Nest& nest) {
  const auto scattered = std::find_if(nest.writes.begin(), nest.writes.end(),
                                      [](const ir::Write& w) { return w.offset != nullptr; });
  if (scattered == nest.writes.end()) return std::nullopt;
  if (!schedule.registers.empty())
    return misfit(nest, "registers: elements are scattered one at a time");
  const auto is_ordered = [&](const ir::NestAxis& axis) {
    return std::none_of(scattered->index.begin(), scattered->index.end(),
                        [&](const ir::Subscript& s) { return s.at.depends_on(axis.var); });
  };
  std::vector<std::string> ordered, found;
  for (const ir::NestAxis& axis : nest.axes)
    if (is_ordered(axis)) ordered.push_back(nest.vars[static_cast<size_t>(axis.var.id)]);
  for (const LoopDirective& loop : schedule.loops) {
    const ir::NestAxis* axis = nest.axis(loop.axis);
    if (!axis || !is_ordered(*axis)) continue;
    if (loop.parallel)
      return misfit(nest, fmt::format("parallel {0}: elements along {0} may be scattered to one "
                                      "place, the last one stays",
                                      loop.axis));
    found.push_back(loop.axis);
  }
  if (found == ordered) return std::nullopt;
  return misfit(nest, fmt::format("for {}: elements are scattered in the order of {}",
                                  fmt::join(found, ", "), fmt::join(ordered, ", ")));
}

bool in_domain(const ir::Nest& nest, ir::Var axis) {
  return std::any_of(nest.domain.begin(), nest.domain.end(),
                     [&](const ir::Constraint& c) { return c.value.depends_on(axis); });
}

/// Nests that are computed in one step share its work items: the batch and the bands, no more. Rows
/// beyond the image are left out of the loop over rows, which is a plain one.
std::optional<Failure> misfit_of_bands(const Schedule& schedule, const ir::Nest& nest) {
  if (!band_axis(nest)) return std::nullopt;
  std::vector<std::string> shared, found;
  for (const ir::NestAxis& axis : nest.axes)
    if (is_shared(nest, axis)) shared.push_back(nest.vars[static_cast<size_t>(axis.var.id)]);
  for (const RegisterDirective& r : schedule.registers)
    if (std::find(shared.begin(), shared.end(), r.axis) != shared.end())
      return misfit(nest,
                    fmt::format("registers {0} {1}: {0} is shared with the other nests of the "
                                "step, and not tiled",
                                r.axis, r.size));
  for (const LoopDirective& loop : schedule.loops)
    if (loop.parallel) {
      found.push_back(loop.axis);
      if (loop.by > 1)
        return misfit(nest, fmt::format("parallel {} by {}: the nests of a step share its work "
                                        "items, one {} each",
                                        loop.axis, loop.by, loop.axis));
    }
  if (found != shared)
    return misfit(nest,
                  fmt::format("parallel {}: the nests of a step share its work items",
                              fmt::join(found, ", ")),
                  fmt::format("write `parallel {}`", fmt::join(shared, ", ")));
  for (const LoopDirective& loop : schedule.loops) {
    const ir::NestAxis* axis = nest.axis(loop.axis);
    if (axis && in_domain(nest, axis->var) && !loop.parallel && (loop.by > 1 || loop.unroll != 1))
      return misfit(nest, fmt::format("for {0} by {1}: rows of {0} may lie beyond the image, and "
                                      "are neither tiled nor unrolled",
                                      loop.axis, loop.by));
  }
  return std::nullopt;
}

/// `dot` is for the innermost loop, over an axis along which narrow products can be grouped.
std::optional<Failure> misfit_of_dot(const Schedule& schedule, size_t at, const ir::Nest& nest) {
  const LoopDirective& loop = schedule.loops[at];
  const auto refuse = [&](const std::string& message, std::string hint = "") {
    return misfit(nest, fmt::format("for {} dot {}: {}", loop.axis, loop.dot, message),
                  std::move(hint));
  };
  const std::optional<DotForm> form = dot_form(nest, nest.axis(loop.axis)->var);
  if (!form)
    return refuse("the nest adds no products of u8 and i8, or of two bf16, that lie one after the "
                  "other along this axis");
  if (form->ways != loop.dot)
    return refuse(fmt::format("its products are added {} at a time", form->ways));
  if (at + 1 != schedule.loops.size()) return refuse("it must be the innermost loop");
  const auto vector = std::find_if(schedule.registers.begin(), schedule.registers.end(),
                                   [](const RegisterDirective& r) { return r.lanes > 0; });
  if (!schedule.pack_weight || vector == schedule.registers.end())
    return refuse("it needs a packed weight and a vector axis",
                  "add `pack weight` and `registers o N vector LANES`");
  const auto moves = [&](const ir::Expr& e) {
    bool found = false;
    const ir::NestAxis* axis = nest.axis(vector->axis);
    visit(e, [&](const ir::ExprNode& node) {
      if (const auto* read = std::get_if<ir::Read>(&node.is))
        for (const ir::Subscript& s : read->index) found |= axis && s.at.depends_on(axis->var);
    });
    return found;
  };
  if (moves(form->image) || !moves(form->weight))
    return refuse(fmt::format("vectors must run along output channels, not {}", vector->axis));
  return std::nullopt;
}

// Far beyond what a machine can hold or a person would ask for: what is more is a slip, or malice.
constexpr int64_t most_registers = 1024;
constexpr int64_t most_copies = 16384; // of the innermost statement

} // namespace

Expected<Schedule> resolve(const Schedule& schedule, const ir::Nest& nest) {
  Schedule full = schedule;
  if (full.loops.empty())
    for (const ir::NestAxis& axis : nest.axes)
      full.loops.push_back({nest.vars[static_cast<size_t>(axis.var.id)]});

  if (auto failure = misfit_of_scatter(full, nest)) return *failure;
  if (auto failure = misfit_of_bands(full, nest)) return *failure;

  std::map<std::string, int64_t> tile; // of register axes
  bool has_vector = false;
  for (const RegisterDirective& r : full.registers) {
    const ir::NestAxis* axis = nest.axis(r.axis);
    if (!axis)
      return misfit(nest, fmt::format("registers {}: no such axis", r.axis), axes_of(nest));
    if (axis->reduction)
      return misfit(nest, fmt::format("registers {0}: {0} is a reduction axis", r.axis),
                    "a register tile is made of parallel axes");
    if (in_domain(nest, axis->var))
      return misfit(nest,
                    fmt::format("registers {0} {1}: rows of {0} may lie beyond the image, and "
                                "are not tiled",
                                r.axis, r.size));
    if (r.size > 1 && shares_border(nest, axis->var))
      return misfit(nest, fmt::format("registers {0} {1}: {0} reaches into the padding together "
                                      "with another axis, and such an axis is not tiled",
                                      r.axis, r.size));
    if (!tile.emplace(r.axis, r.size).second)
      return misfit(nest, fmt::format("registers {}: the axis is named twice", r.axis));
    if (r.lanes && has_vector)
      return misfit(nest, "registers: only one axis can be the vector axis");
    has_vector |= r.lanes != 0;
  }

  int64_t registers = 1;
  for (const RegisterDirective& r : full.registers) {
    registers *= std::min(ir::ceil_div(r.size, std::max<int64_t>(r.lanes, 1)), most_registers + 1);
    if (registers > most_registers)
      return misfit(nest,
                    fmt::format("registers {} {}: the tile has more than {} registers", r.axis,
                                r.size, most_registers),
                    "no machine here has more than 32");
  }

  std::map<std::string, int64_t> covered; // extent still to be covered by inner loops
  std::vector<LoopDirective> loops;
  std::string reduction_seen;
  for (size_t at = 0; at < full.loops.size(); ++at) {
    LoopDirective loop = full.loops[at];
    const ir::NestAxis* axis = nest.axis(loop.axis);
    const std::string written = fmt::format("{} {}", loop.parallel ? "parallel" : "for", loop.axis);
    if (!axis) return misfit(nest, fmt::format("{}: no such axis", written), axes_of(nest));
    if (!axis->extent.is_constant())
      return misfit(nest,
                    fmt::format("{}: extents that are parameters are not compiled yet", written));
    if (axis->reduction) {
      reduction_seen = loop.axis;
      if (loop.parallel)
        return misfit(nest, fmt::format("parallel {0}: {0} is a reduction axis", loop.axis));
      if (loop.by > 1 && !loop.dot && constrained(nest, axis->var))
        return misfit(
            nest,
            fmt::format("for {0} by {1}: the taps of {0} that lie in the padding are left "
                        "out, and such an axis is not tiled",
                        loop.axis, loop.by),
            fmt::format("`{} unroll {}` copies the body", loop.axis, loop.by));
    } else if (!reduction_seen.empty()) {
      return misfit(
          nest,
          fmt::format("{}: a parallel axis inside the reduction axis {}", written, reduction_seen),
          "accumulators live in registers: put parallel axes first");
    }
    const bool last = std::none_of(full.loops.begin() + static_cast<long>(at) + 1, full.loops.end(),
                                   [&](const LoopDirective& l) { return l.axis == loop.axis; });
    const auto in_tile = tile.find(loop.axis);
    const int64_t inner = in_tile == tile.end() ? 1 : in_tile->second;
    if (loop.dot) {
      if (auto failure = misfit_of_dot(full, at, nest)) return *failure;
      loop.by = loop.dot;
    }
    if (loop.by == 0) loop.by = last ? inner : 1;
    if (last && loop.by != inner && !loop.dot)
      return misfit(nest,
                    in_tile == tile.end()
                        ? fmt::format("{} by {}: nothing loops over the {} elements of a tile",
                                      written, loop.by, loop.by)
                        : fmt::format("{} by {}: the register tile holds {} of {}", written,
                                      loop.by, inner, loop.axis),
                    in_tile == tile.end()
                        ? fmt::format("add `registers {} {}`, or a second loop over {}", loop.axis,
                                      loop.by, loop.axis)
                        : fmt::format("write `{} by {}`", loop.axis, inner));
    if (!last && loop.by < inner)
      return misfit(nest, fmt::format("{} by {}: smaller than the register tile's {}", written,
                                      loop.by, inner));
    const auto outer = covered.find(loop.axis);
    const int64_t extent = outer == covered.end() ? axis->extent.number() : outer->second;
    if (!last && inner > 1 && loop.by % inner != 0)
      return misfit(nest, fmt::format("{} by {}: not a multiple of the register tile's {}", written,
                                      loop.by, inner));
    covered[loop.axis] = std::min(loop.by, extent);
    // A loop over one tap decides nothing, unless that tap may lie in the padding.
    if (extent > 1 || loop.parallel || loop.dot || in_domain(nest, axis->var) ||
        in_domain(nest, axis->var) || (axis->reduction && constrained(nest, axis->var)))
      loops.push_back(loop);
  }
  int64_t copies = registers;
  for (const LoopDirective& loop : loops) {
    const int64_t extent = nest.axis(loop.axis)->extent.number();
    const int64_t unrolled =
        loop.unroll == LoopDirective::full ? ir::ceil_div(extent, loop.by) : loop.unroll;
    copies *= std::min(std::max<int64_t>(unrolled, 1), most_copies + 1);
    if (copies > most_copies)
      return misfit(
          nest,
          fmt::format("for {} unroll: the innermost statement is copied more than {} times",
                      loop.axis, most_copies),
          "unroll fewer loops, or `unroll N` for N copies");
  }
  full.loops = std::move(loops);

  for (const ir::NestAxis& axis : nest.axes) {
    const std::string& name = nest.vars[static_cast<size_t>(axis.var.id)];
    const auto in_tile = tile.find(name);
    const int64_t held = in_tile == tile.end() ? 1 : in_tile->second;
    if (axis.reduction && !covered.count(name) && axis.extent.number() == 1 &&
        constrained(nest, axis.var)) {
      const bool before_dot = !full.loops.empty() && full.loops.back().dot;
      full.loops.insert(full.loops.end() - (before_dot ? 1 : 0), {name, 1});
    }
    if (!covered.count(name) && axis.extent.number() > held)
      return misfit(nest,
                    fmt::format("axis {} of extent {} is in no loop", name, axis.extent.number()),
                    fmt::format("add it: `for {}`", name));
  }
  for (const std::string& operand : full.prefetch)
    if (std::none_of(nest.operands.begin(), nest.operands.end(),
                     [&](const ir::View& v) { return v.name == operand; }))
      return misfit(nest, fmt::format("prefetch {}: this nest has no such operand", operand));
  if (full.pack_weight && nest.weight < 0)
    return misfit(nest, "pack weight: this nest has no weight");
  return full;
}

} // namespace volute::compiler
