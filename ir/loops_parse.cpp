#include "ir/literals.h"
#include "ir/loops.h"
#include "ir/memory_text.h"
#include "ir/statement_parse.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace volute::ir {
namespace {

constexpr int deepest = 200; // loops inside each other
constexpr int32_t far_ahead = 1 << 24;

class StepParser {
public:
  StepParser(const std::vector<Line>& lines, const MemoryParser& memory, Faults& faults)
      : lines_(lines), memory_(memory), faults_(faults) {}

  /// Reads the step that begins at a line; gives the first line behind it.
  size_t run(size_t at) {
    const int indent = lines_[at].indent;
    step.origin = lines_[at].comment;
    head(at);
    for (++at; at < lines_.size() && lines_[at].indent > indent && !faults_.enough(); ++at) {
      LineCursor line(lines_[at], faults_);
      if (!declaration(line)) break;
    }
    if (at < lines_.size() && lines_[at].indent > indent)
      step.body = block(at, lines_[at].indent, 0);
    else
      step.body = stmt(Block{});
    return at;
  }

  Step step;

private:
  // ---- the step's head and what it declares

  // step conv: 2 x 56 items of o_t, h, for any N
  void head(size_t at) {
    LineCursor line(lines_[at], faults_);
    line.advance();
    step.name = line.name("the step's name");
    line.expect(":", "':' behind the step's name");
    std::vector<Affine> counts;
    do counts.push_back(line.affine([this](std::string_view name) { return ahead(name); }));
    while (line.accept("x"));
    if (!line.accept("item")) line.expect("items", "'items of' and their variables");
    if (line.accept("of")) {
      for (size_t i = 0; i < counts.size() && !line.failed(); ++i) {
        if (i > 0)
          line.expect(",", fmt::format("',' and a name for each of {} counts", counts.size()));
        const Location at = line.where();
        const std::string name = line.name("a variable");
        step.items.push_back({names_.declare(line, at, name), counts[i]});
      }
    } else if (counts != std::vector<Affine>{1}) {
      line.unexpected("'of' and the variables of the items");
    }
    if (line.accept(",")) {
      line.expect("for", "'for any' and a parameter"), line.expect("any", "'any' and a parameter");
      do parameter(line);
      while (line.accept(","));
    }
    line.end_of_line();
    for (ItemLoop& item : step.items) item.count = over_parameters(line, item.count);
  }

  // The counts of items may name parameters that the line declares behind them: these stand for
  // them until then.
  std::optional<Var> ahead(std::string_view name) const {
    const std::optional<Var> known = memory_.parameter_called(name);
    return known ? std::optional(Var{far_ahead + known->id}) : std::nullopt;
  }

  Affine over_parameters(LineCursor& line, const Affine& affine) const {
    Affine result = affine.constant_term();
    for (const Affine::Term& term : affine.terms()) {
      const std::string& name =
          memory_.parameters[static_cast<size_t>(term.var.id - far_ahead)].name;
      const std::optional<Var> var = names_.variable(name);
      if (!var) line.refuse(fmt::format("{} is not one of the step's parameters", quoted(name)));
      result += Affine(var.value_or(Var{0})) * term.coefficient;
    }
    return result;
  }

  void parameter(LineCursor& line) {
    const Location where = line.where();
    const std::string name = line.name("a parameter");
    if (line.failed()) return;
    const std::optional<Var> known = memory_.parameter_called(name);
    if (!known)
      return line.refuse_at(where, fmt::format("the program has no parameter {}", quoted(name)));
    step.parameters.push_back({names_.declare(line, where, name),
                               memory_.parameters[static_cast<size_t>(known->id)].range});
  }

  // False at the first statement.
  bool declaration(LineCursor& line) {
    const Location where = line.where();
    if (line.is("registers") && line.token(1).kind == LineToken::Kind::word) {
      line.advance();
      RegisterArray array;
      array.name = line.name("a name for the registers");
      while (line.accept("[")) {
        array.shape.push_back(line.integer("how many registers"));
        line.expect("]", "']' behind the number of registers");
      }
      line.expect(":", "':' and the type of a register");
      const LineCursor::Type type = line.expect_type();
      array.type = type.element, array.lanes = type.lanes;
      if (line.accept("rows")) {
        const int64_t rows = line.integer("how many rows a register has");
        if (rows < 1 || rows > most_tile_rows)
          line.refuse(fmt::format("a register has 1 to {} rows", most_tile_rows));
        array.rows = static_cast<int32_t>(rows);
      }
      line.end_of_line();
      if (names_.array(array.name) >= 0 || names_.view(array.name) >= 0)
        line.refuse_at(where,
                       fmt::format("there is something called {} already", quoted(array.name)));
      step.arrays.push_back(std::move(array));
      return true;
    }
    if (line.is("scratch") && line.token(1).kind == LineToken::Kind::number) {
      line.advance();
      step.scratch_bytes = line.integer("how many bytes");
      line.expect("bytes", "'bytes'");
      line.end_of_line();
      return true;
    }
    if (!line.is_name()) return false;
    if (line.token(1).is("=") && line.token(2).is("[")) {
      const std::string wanted = fmt::format("table{}", step.tables.size());
      line.expect(wanted, fmt::format("{}, the next table", wanted));
      line.advance();
      step.tables.push_back(parse_entries(line));
      return true;
    }
    if (!line.token(1).is(":")) return false;
    std::string name = line.name("a view");
    line.advance();
    if (names_.view(name) >= 0)
      line.refuse_at(where, fmt::format("there is a view {} already", quoted(name)));
    step.views.push_back(memory_.view(line, std::move(name), statements_.variables()));
    return true;
  }

  // ---- statements

  /// The statements from `at` on that are indented by `indent`.
  Stmt block(size_t& at, int indent, int depth) {
    std::vector<Stmt> stmts;
    std::string note; // of lets
    while (at < lines_.size() && lines_[at].indent >= indent && !faults_.enough()) {
      LineCursor line(lines_[at], faults_);
      if (lines_[at].indent > indent) line.refuse("is indented further than what it stands beside");
      if (depth > deepest)
        line.refuse(fmt::format("more than {} loops inside each other", deepest));
      if (note.empty()) note = lines_[at].comment;
      if (line.is("let") && line.token(1).kind == LineToken::Kind::word) {
        line.advance();
        statements_.values().parse_let(line);
        ++at;
        continue;
      }
      if (line.failed()) return stmt(Block{});
      Stmt s = statement(line, at, indent, depth);
      if (s && !note.empty()) s = stmt(s->is, note);
      if (s) stmts.push_back(std::move(s));
      note.clear();
      statements_.values().forget_lets();
    }
    return stmts.size() == 1 ? stmts.front() : stmt(Block{std::move(stmts)});
  }

  /// The body of the statement on line `at`, which is moved behind it.
  Stmt body(size_t& at, int indent, int depth) {
    ++at;
    if (at >= lines_.size() || lines_[at].indent <= indent) return stmt(Block{});
    return block(at, lines_[at].indent, depth + 1);
  }

  Stmt statement(LineCursor& line, size_t& at, int indent, int depth) {
    const bool is_word = line.token(1).kind == LineToken::Kind::word;
    const bool has_body = (line.is("for") || line.is("unroll")) && is_word;
    if ((has_body || (line.is("when") && !line.token(1).is("[") && !line.token(1).is("="))) &&
        statements_.values().has_lets())
      line.refuse("let names a value of the statement below it, which has none");
    if (has_body) return loops(line, at, indent, depth);
    if (line.is("when") && !line.token(1).is("[") && !line.token(1).is("="))
      return when(line, at, indent, depth);
    Stmt s = statements_.parse(line);
    line.end_of_line();
    ++at;
    return s;
  }

  Stmt loops(LineCursor& line, size_t& at, int indent, int depth) {
    const For::Kind kind = line.is("for") ? For::Kind::serial : For::Kind::unrolled;
    line.advance();
    std::vector<For> nested;
    const size_t visible = names_.depth();
    do {
      const Location here = line.where();
      const std::string name = line.name("the loop's variable");
      line.expect("in", "'in' and the loop's range");
      Range range;
      range.lo = side(line, "max");
      line.expect("..", "'..' and where the loop ends");
      range.hi = side(line, "min");
      if (line.failed()) break;
      nested.push_back({names_.declare(line, here, name), std::move(range), kind, nullptr});
      if (static_cast<int>(nested.size()) + depth > deepest)
        line.refuse(fmt::format("more than {} loops inside each other", deepest));
    } while (kind == For::Kind::unrolled && line.accept(","));
    line.expect(":", "':' behind the loop's range");
    Stmt inner;
    if (line.failed()) {
      ++at;
    } else if (line.at_end()) {
      inner = body(at, indent, depth + static_cast<int>(nested.size()));
    } else {
      inner = statements_.parse(line);
      line.end_of_line();
      ++at;
    }
    names_.leave(visible);
    if (!inner) return nullptr;
    for (auto loop = nested.rbegin(); loop != nested.rend(); ++loop) {
      loop->body = std::move(inner);
      inner = stmt(std::move(*loop));
    }
    return inner;
  }

  // 0 or max(0, 1 - h)
  std::vector<Bound> side(LineCursor& line, std::string_view pick) {
    std::vector<Bound> bounds;
    if (!line.is(pick) || !line.token(1).is("(")) return {bound(line)};
    line.advance(), line.advance();
    do bounds.push_back(bound(line));
    while (line.accept(","));
    line.expect(")", "')' behind the bounds");
    return bounds;
  }

  // 57 - h, ceil(5/2), ceil((57 - h)/2)
  Bound bound(LineCursor& line) {
    if (!line.is("ceil") || !line.token(1).is("("))
      return {line.affine(statements_.variables()), 1};
    line.advance(), line.advance();
    Bound bound;
    const bool parentheses = line.accept("(");
    bound.numerator = line.affine(statements_.variables());
    if (parentheses) line.expect(")", "')'");
    line.expect("/", "'/' and a number");
    bound.divisor = line.integer("a number");
    line.expect(")", "')' behind the quotient");
    return bound;
  }

  Stmt when(LineCursor& line, size_t& at, int indent, int depth) {
    line.advance();
    When when;
    when.lo = line.integer("a number");
    line.expect("<=", "'<=' and an index");
    when.value = line.affine(statements_.variables());
    line.expect("<", "'<' and a number");
    when.hi = line.integer("a number");
    line.expect(":", "':' behind the condition");
    line.end_of_line();
    if (line.failed()) return ++at, nullptr;
    when.body = body(at, indent, depth);
    return stmt(std::move(when));
  }

  const std::vector<Line>& lines_;
  const MemoryParser& memory_;
  Faults& faults_;
  StepNames names_{step};
  StatementParser statements_{names_};
};

class LoopProgramParser {
public:
  explicit LoopProgramParser(std::string_view text) : lines_(lines_of(text)), memory_(faults_) {}

  Expected<LoopProgram> run() {
    if (lines_.empty() || !head()) {
      if (!faults_.any()) faults_.add({1, 1}, "expected `loops NAME`, but the text is empty");
      return Failure{faults_.take()};
    }
    size_t at = 1;
    while (at < lines_.size() && !faults_.enough()) at = part(at);
    memory_.finish({lines_.back().number, 1});
    if (faults_.any()) return Failure{faults_.take()};
    program_.buffers = std::move(memory_.buffers);
    program_.parameters = std::move(memory_.parameters);
    std::vector<Diagnostic> found = ir::verify(program_);
    for (Diagnostic& d : found)
      if (const auto line = step_lines_.find(d.subject); line != step_lines_.end())
        d.where = {line->second, 1};
    if (!found.empty()) return Failure{std::move(found)};
    return std::move(program_);
  }

private:
  bool head() {
    LineCursor line(lines_[0], faults_);
    line.expect("loops", "`loops NAME`");
    program_.name = line.name("the program's name");
    return line.end_of_line();
  }

  size_t part(size_t at) {
    LineCursor line(lines_[at], faults_);
    if (line.is("step") && line.token(1).kind == LineToken::Kind::word) {
      StepParser parser(lines_, memory_, faults_);
      const size_t end = parser.run(at);
      step_lines_.emplace(fmt::format("step {}", parser.step.name), lines_[at].number);
      program_.steps.push_back(std::move(parser.step));
      return end;
    }
    if (line.is("data")) return memory_.data(lines_, at);
    if (MemoryParser::starts_buffer(line)) {
      memory_.buffer(line);
    } else if (MemoryParser::starts_parameter(line)) {
      memory_.parameter(line);
    } else {
      line.unexpected("a buffer, `parameter`, `step` or `data`");
    }
    return at + 1;
  }

  Faults faults_;
  std::vector<Line> lines_;
  MemoryParser memory_;
  LoopProgram program_;
  std::map<std::string, int> step_lines_; // where its text begins
};

} // namespace

Expected<LoopProgram> parse_loops(std::string_view text) { return LoopProgramParser(text).run(); }

} // namespace volute::ir
