#include "compiler/report/annotate.h"

#include "ir/print.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

namespace volute::compiler {
namespace {

using ir::Program;
using ir::Sources;
using ir::Statement;
using Line = Listing::Line;
using Kind = Line::Kind;

constexpr size_t mnemonic_width = 13;
constexpr size_t widest_code = 60; // comments of what is wider stand behind it
constexpr size_t widest_data = 100;
constexpr size_t widest_statement = 100;
constexpr size_t widest_tag = 12;

std::string shortened(std::string text, size_t width) {
  if (text.size() <= width) return text;
  text.resize(width - 3);
  return text + "...";
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

std::string trimmed(const std::string& text) {
  const size_t first = text.find_first_not_of(' ');
  return first == std::string::npos ? "" : text.substr(first);
}

std::string counted(int64_t count, std::string_view thing) {
  if (count == 0) return fmt::format("no {}s", thing);
  return fmt::format("{} {}{}", count, thing, count == 1 ? "" : "s");
}

/// "vmovups\t(%rsi), %ymm8" in columns.
std::string in_columns(std::string_view code) {
  code.remove_prefix(1);
  const size_t end = std::min(code.find('\t'), code.size());
  if (end == code.size()) return fmt::format("        {}", code);
  return fmt::format("        {:<{}} {}", code.substr(0, end), mnemonic_width - 1,
                     code.substr(end + 1));
}

/// The statements of a program, by number: what they are called, and where they stand.
class Statements {
public:
  explicit Statements(const Program& program) : program_(program) {
    const bool is_built = std::any_of(program.statements.begin(), program.statements.end(),
                                      [](const Statement& s) { return s.where.line == 0; });
    if (!is_built) return;
    // Lines of its text, on which each statement takes one.
    const std::vector<std::string> lines = lines_of(ir::to_string(program));
    for (size_t i = 0, s = 0; i < lines.size() && s < program.statements.size(); ++i)
      if (lines[i].starts_with(fmt::format("  %{}", name(s))) &&
          lines[i].find(" = ") != std::string::npos)
        line_[s++] = static_cast<int>(i) + 1;
  }

  bool none() const { return program_.statements.empty(); }
  bool has(int32_t id) const {
    return id >= 0 && static_cast<size_t>(id) < program_.statements.size();
  }
  /// "%0", or "%0 %1" for what comes from two.
  std::string tag(const Sources& sources) const {
    std::string text;
    for (const int32_t id : sources.statements) {
      if (!has(id)) continue;
      text += fmt::format("{}%{}", text.empty() ? "" : " ", name(static_cast<size_t>(id)));
    }
    return shortened(text, widest_tag);
  }
  int line(int32_t id) const {
    const auto at = static_cast<size_t>(id);
    const auto built = line_.find(at);
    return built != line_.end() ? built->second : program_.statements[at].where.line;
  }
  std::string text(int32_t id) const {
    const Statement& statement = program_.statements[static_cast<size_t>(id)];
    return shortened(trimmed(ir::to_string(program_, statement)), widest_statement);
  }

private:
  const std::string& name(size_t s) const {
    return program_.name_of(program_.statements[s].results.front());
  }

  const Program& program_;
  std::map<size_t, int> line_; // of a program that was built
};

class Page {
public:
  Page(const Listing& listing, const ir::LoopProgram& loops, const Program& written)
      : listing_(listing), loops_(loops), statements_(written),
        loops_lines_(lines_of(listing.loops.text)) {
    number_width_ = std::to_string(loops_lines_.size()).size();
  }

  std::string print() {
    comment(
        fmt::format("{}, behind each instruction: its line of the loops, {}and the line where a "
                    "block comes to it first",
                    loops_.name, statements_.none() ? "" : "the result of its statement, "));
    for (size_t i = 0; i < listing_.lines.size(); ++i) {
      if (next_ < listing_.steps.size() && listing_.steps[next_].begin == i) begin_step();
      print(i);
    }
    return text_;
  }

private:
  const Listing::Step* step() const { return next_ > 0 ? &listing_.steps[next_ - 1] : nullptr; }

  void comment(std::string_view words, bool apart = false) {
    text_ += apart ? "\n# " : "# ";
    text_ += words;
    text_ += '\n';
  }

  void begin_step() {
    const Listing::Step& now = listing_.steps[next_];
    const ir::Step& of = loops_.steps[next_];
    ++next_;
    ends_.clear();
    for (const Listing::Loop& loop : now.loops) ends_.emplace(loop.end, &loop);
    measure(now);
    const int header = listing_.loops.steps[next_ - 1].header;
    comment(fmt::format("{}", loops_lines_[static_cast<size_t>(header) - 1]), true);
    if (!of.origin.empty()) comment(fmt::format("  {}", of.origin));
    std::set<int32_t> ids;
    for (size_t i = now.begin; i < now.end; ++i)
      for (const int32_t id : listing_.sources_of(listing_.lines[i]).statements) ids.insert(id);
    for (const int32_t id : ids)
      if (statements_.has(id))
        comment(fmt::format("    line {:>3}  {}", statements_.line(id), statements_.text(id)));
    comment(fmt::format("  {} in {}; {}", counted(now.work.instructions, "instruction"),
                        now.loops.empty() ? "no loop" : counted(std::ssize(now.loops), "loop"),
                        spills(now.work)));
  }

  /// The columns of a step: as wide as its code and its tags ask for.
  void measure(const Listing::Step& now) {
    code_width_ = tag_width_ = 0;
    for (size_t i = now.begin; i < now.end; ++i) {
      const Line& line = listing_.lines[i];
      if (line.kind != Kind::instruction) continue;
      const size_t width = in_columns(line.text).size();
      if (width <= widest_code) code_width_ = std::max(code_width_, width);
      tag_width_ = std::max(tag_width_, tag(line).size());
    }
  }

  std::string tag(const Line& line) const { return statements_.tag(listing_.sources_of(line)); }

  static std::string spills(const CodeWork& work) {
    if (work.vector_spills + work.vector_reloads + work.scalar_spills + work.scalar_reloads == 0)
      return "nothing is kept on the stack";
    std::vector<std::string> parts;
    const auto tell = [&](int64_t stores, int64_t reloads, std::string_view of) {
      if (stores + reloads > 0)
        parts.push_back(fmt::format("{} and {} of {}", counted(stores, "store"),
                                    counted(reloads, "reload"), of));
    };
    tell(work.vector_spills, work.vector_reloads, "vector registers");
    tell(work.scalar_spills, work.scalar_reloads, "addresses and counters");
    return fmt::format("on the stack: {}", fmt::join(parts, ", "));
  }

  /// The loop's line of the loops text: that of the jump back.
  std::string loop_text(const Listing::Loop& loop) const {
    const int line = listing_.lines[loop.end - 1].place.line;
    if (line == 0) return "a loop";
    if (line == listing_.loops.steps[next_ - 1].header) return "each work item";
    std::string text = with_note(line);
    if (const size_t colon = text.find(":  //"); colon != std::string::npos) text.erase(colon, 1);
    while (!text.empty() && text.back() == ':') text.pop_back();
    return text;
  }

  static std::string indent(const Listing::Loop& loop) {
    return std::string(2 * (static_cast<size_t>(loop.depth) - 1), ' ');
  }

  void begin_loop(const Listing::Loop& loop) {
    comment(indent(loop) + loop_text(loop) +
                (loop.innermost ? ": innermost, a trip is " + in_words(loop.work) : ""),
            true);
    if (loop.innermost && loop.work.vector_spills + loop.work.vector_reloads > 0)
      comment(fmt::format("{}  {}", indent(loop), spills(loop.work)));
  }

  void print(size_t i) {
    const Line& line = listing_.lines[i];
    if (line.kind == Kind::label) {
      if (step())
        for (const Listing::Loop& loop : step()->loops)
          if (loop.begin == i) begin_loop(loop);
      told_.clear();
      text_ += line.text + '\n';
    } else if (line.kind == Kind::instruction) {
      instruction(line);
    } else if (line.text == "\t#APP" || line.text == "\t#NO_APP") {
      // what keeps values apart for the code generator has no instruction
    } else if (line.text.size() > widest_data) {
      text_ += fmt::format("\t# {} ({} characters of data)\n",
                           shortened(trimmed(line.text.substr(1)), 60), line.text.size());
    } else {
      text_ += line.text + '\n';
    }
    if (const auto [first, last] = ends_.equal_range(i + 1); first != last && step()) {
      for (auto loop = first; loop != last; ++loop)
        if (!loop->second->innermost)
          comment(fmt::format("{}end of {}", indent(*loop->second), loop_text(*loop->second)));
      told_.clear();
    }
  }

  void instruction(const Line& line) {
    const std::string code = in_columns(line.text);
    if (line.place.line == 0) {
      text_ += code + '\n';
      return;
    }
    std::string note =
        fmt::format("{:<{}}  # {:>{}}", code, code_width_, line.place.line, number_width_);
    const std::string of = tag(line);
    const bool is_new = told_.insert(line.place.line).second;
    if (tag_width_ > 0) note += fmt::format("  {:<{}}", of, is_new ? tag_width_ : of.size());
    if (is_new) note += "  " + with_note(line.place.line);
    while (note.back() == ' ') note.pop_back();
    text_ += note + '\n';
  }

  /// A line of the loops text, and what is said of it on the line above.
  std::string with_note(int line) const {
    const auto at = static_cast<size_t>(line) - 1;
    std::string text = trimmed(loops_lines_[at]);
    const std::string above = at > 0 ? trimmed(loops_lines_[at - 1]) : "";
    const bool is_header = line == listing_.loops.steps[next_ - 1].header;
    return above.starts_with("//") && !is_header ? fmt::format("{}  {}", text, above) : text;
  }

  const Listing& listing_;
  const ir::LoopProgram& loops_;
  Statements statements_;
  std::vector<std::string> loops_lines_;
  size_t number_width_ = 1, code_width_ = 0, tag_width_ = 0;
  size_t next_ = 0;                                  // step
  std::multimap<size_t, const Listing::Loop*> ends_; // of the step's loops, by line
  std::set<int> told_; // in this block: lines, and for which statements
  std::string text_;
};

} // namespace

std::string in_words(const CodeWork& work) {
  std::vector<std::string> parts;
  if (work.multiply_adds > 0) parts.push_back(counted(work.multiply_adds, "multiply-add"));
  if (work.multiplications > 0) parts.push_back(counted(work.multiplications, "multiplication"));
  parts.push_back(work.loads > 0
                      ? fmt::format("{} of {} bytes", counted(work.loads, "load"), work.load_bytes)
                      : "no loads");
  parts.push_back(work.stores > 0 ? fmt::format("{} of {} bytes", counted(work.stores, "store"),
                                                work.store_bytes)
                                  : "no stores");
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string annotated(const Listing& listing, const ir::LoopProgram& loops,
                      const Program& written) {
  return Page(listing, loops, written).print();
}

} // namespace volute::compiler
