#include "ir/literals.h"
#include "ir/loops.h"
#include "ir/memory_text.h"
#include "ir/value_parse.h"
#include "ir/verify_rules.h"

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
      : lines_(lines), memory_(memory), faults_(faults),
        variables_([this](std::string_view name) { return variable(name); }),
        values_({variables_, [this](LineCursor& line) { return leaf(line); }}) {}

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
  // ---- names

  std::optional<Var> variable(std::string_view name) const {
    for (size_t i = visible_.size(); i-- > 0;)
      if (step.vars[static_cast<size_t>(visible_[i].id)] == name) return visible_[i];
    return std::nullopt;
  }

  Var declare(LineCursor& line, Location at, const std::string& name) {
    if (variable(name))
      line.refuse_at(at, fmt::format("{} is the variable of a loop around this one", quoted(name)));
    step.vars.push_back(name);
    visible_.push_back({static_cast<int32_t>(step.vars.size()) - 1});
    return visible_.back();
  }

  int32_t view_called(std::string_view name) const {
    for (size_t i = 0; i < step.views.size(); ++i)
      if (step.views[i].name == name) return static_cast<int32_t>(i);
    return -1;
  }

  int32_t array_called(std::string_view name) const {
    for (size_t i = 0; i < step.arrays.size(); ++i)
      if (step.arrays[i].name == name) return static_cast<int32_t>(i);
    return -1;
  }

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
        step.items.push_back({declare(line, at, name), counts[i]});
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
      const std::optional<Var> var = variable(name);
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
    step.parameters.push_back(
        {declare(line, where, name), memory_.parameters[static_cast<size_t>(known->id)].range});
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
      if (array_called(array.name) >= 0 || view_called(array.name) >= 0)
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
    if (view_called(name) >= 0)
      line.refuse_at(where, fmt::format("there is a view {} already", quoted(name)));
    step.views.push_back(memory_.view(line, std::move(name), variables_));
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
        values_.parse_let(line);
        ++at;
        continue;
      }
      if (line.failed()) return stmt(Block{});
      Stmt s = statement(line, at, indent, depth);
      if (s && !note.empty()) s = stmt(s->is, note);
      if (s) stmts.push_back(std::move(s));
      note.clear();
      values_.forget_lets();
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
        values_.has_lets())
      line.refuse("let names a value of the statement below it, which has none");
    if (has_body) return loops(line, at, indent, depth);
    if (line.is("when") && !line.token(1).is("[") && !line.token(1).is("="))
      return when(line, at, indent, depth);
    Stmt s = simple(line);
    line.end_of_line();
    ++at;
    return s;
  }

  Stmt loops(LineCursor& line, size_t& at, int indent, int depth) {
    const For::Kind kind = line.is("for") ? For::Kind::serial : For::Kind::unrolled;
    line.advance();
    std::vector<For> nested;
    const size_t visible = visible_.size();
    do {
      const Location here = line.where();
      const std::string name = line.name("the loop's variable");
      line.expect("in", "'in' and the loop's range");
      Range range;
      range.lo = side(line, "max");
      line.expect("..", "'..' and where the loop ends");
      range.hi = side(line, "min");
      if (line.failed()) break;
      nested.push_back({declare(line, here, name), std::move(range), kind, nullptr});
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
      inner = simple(line);
      line.end_of_line();
      ++at;
    }
    visible_.resize(visible);
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
    if (!line.is("ceil") || !line.token(1).is("(")) return {line.affine(variables_), 1};
    line.advance(), line.advance();
    Bound bound;
    const bool parentheses = line.accept("(");
    bound.numerator = line.affine(variables_);
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
    when.value = line.affine(variables_);
    line.expect("<", "'<' and a number");
    when.hi = line.integer("a number");
    line.expect(":", "':' behind the condition");
    line.end_of_line();
    if (line.failed()) return ++at, nullptr;
    when.body = body(at, indent, depth);
    return stmt(std::move(when));
  }

  Stmt simple(LineCursor& line) {
    const bool is_word = line.token(1).kind == LineToken::Kind::word;
    if (line.is("fence") && line.token(1).kind == LineToken::Kind::end) {
      line.advance();
      return stmt(Fence{});
    }
    if (line.is("fence") && line.token(1).is("sums") &&
        line.token(2).kind == LineToken::Kind::end) {
      line.advance(), line.advance();
      return stmt(Fence{true});
    }
    if (line.is("store") && is_word) return store(line);
    if (line.is("prefetch") && is_word) return prefetch(line);
    if (line.is("tile") && is_word) return tile(line);
    if (line.is("scatter") && !line.token(1).is("[") && !line.token(1).is("="))
      return scatter(line);
    if (!line.is_name()) return line.unexpected("a statement"), nullptr;
    return set(line);
  }

  Stmt set(LineCursor& line) {
    const Location where = line.where();
    const std::string name = line.name("a register");
    const int32_t array = array_called(name);
    if (array < 0)
      return line.refuse_at(where, fmt::format("there are no registers {}", quoted(name))), nullptr;
    const RegisterArray& to = step.arrays[static_cast<size_t>(array)];
    if (line.is("=") && line.token(1).is("transpose") &&
        line.token(2).kind == LineToken::Kind::word) {
      line.advance(), line.advance();
      return transpose(line, array);
    }
    Set set{array, indices(line), nullptr};
    line.expect("=", "'=' and the value");
    set.value = values_.parse(line, {to.type, to.lanes});
    return set.value ? stmt(std::move(set)) : nullptr;
  }

  std::vector<Affine> indices(LineCursor& line) {
    std::vector<Affine> index;
    while (!line.failed() && line.accept("[")) {
      index.push_back(line.affine(variables_));
      line.expect("]", "']' behind the index");
    }
    return index;
  }

  // q = transpose acc[0..14][v]
  Stmt transpose(LineCursor& line, int32_t to) {
    Transpose turn;
    turn.to = to;
    const Location where = line.where();
    const std::string name = line.name("registers");
    turn.from = array_called(name);
    if (turn.from < 0)
      return line.refuse_at(where, fmt::format("there are no registers {}", quoted(name))), nullptr;
    turn.from_axis = -1;
    while (!line.failed() && line.accept("[")) {
      turn.from_index.push_back(line.affine(variables_));
      if (line.accept("..")) {
        const Affine count = line.affine(variables_) - turn.from_index.back();
        if (turn.from_axis >= 0 || !count.is_constant() || count.number() < 1 ||
            count.number() > max_lanes)
          return line.refuse(fmt::format("takes 1 to {} registers along one dimension", max_lanes)),
                 nullptr;
        turn.from_axis = static_cast<int32_t>(turn.from_index.size()) - 1;
        turn.count = static_cast<int32_t>(count.number());
      }
      line.expect("]", "']' behind the index");
    }
    if (turn.from_axis < 0) line.unexpected("registers from..to along one dimension");
    return line.failed() ? nullptr : stmt(std::move(turn));
  }

  // x[0, 3*band + h, table0[w]], the cursor at the name
  int32_t place(LineCursor& line, Index& index) {
    const Location where = line.where();
    const std::string name = line.name("a view");
    const int32_t view = view_called(name);
    if (view < 0 && !line.failed())
      line.refuse_at(where, fmt::format("there is no view {}", quoted(name)));
    index = parse_subscripts(line, step.tables.size(), variables_, "'[' behind the view");
    return view;
  }

  /// `x16`; nothing when something else is next.
  std::optional<int32_t> lanes(LineCursor& line) {
    if (!line.is_name() || !line.token().text.starts_with('x')) return std::nullopt;
    const auto count = parse_integer(line.token().text.substr(1));
    if (!count || *count < 0 || *count > max_lanes) return std::nullopt;
    line.advance();
    return static_cast<int32_t>(*count);
  }

  /// `along dim 0 step 2`
  void lane_steps(LineCursor& line, size_t dims, int32_t& lane_dim, int64_t& lane_step) {
    lane_dim = static_cast<int32_t>(dims) - 1;
    if (line.accept("along")) {
      line.expect("dim", "'dim'");
      const int64_t dim = line.integer("a dimension");
      if (dim < 0 || dim >= static_cast<int64_t>(dims))
        line.refuse(fmt::format("dimension {} of {}", dim, dims));
      lane_dim = static_cast<int32_t>(dim);
    }
    if (line.accept("step")) lane_step = line.integer("elements to the next lane");
  }

  Stmt store(LineCursor& line) {
    line.advance();
    Store store;
    store.view = place(line, store.index);
    if (const auto count = lanes(line)) {
      store.count = *count;
      lane_steps(line, store.index.size(), store.lane_dim, store.lane_step);
      if (store.count <= 1) store.lane_dim = -1, store.lane_step = 1;
    }
    line.expect("=", "'=' and the value");
    if (line.failed()) return nullptr;
    store.value =
        values_.parse(line, {step.views[static_cast<size_t>(store.view)].element, store.count});
    return store.value ? stmt(std::move(store)) : nullptr;
  }

  Stmt scatter(LineCursor& line) {
    line.advance();
    Scatter scatter;
    scatter.offset = values_.parse(line, {ElementType::i64, 1});
    line.expect("behind", "'behind' and the place that is counted from");
    scatter.view = place(line, scatter.index);
    line.expect(",", "', 0 <= it <' and how many elements there are");
    if (line.integer("0") != 0) line.refuse("the offset starts at 0");
    line.expect("<=", "'<= it <'"), line.expect("it", "'it'"), line.expect("<", "'<'");
    scatter.extent = line.integer("how many elements there are");
    line.expect(":", "':' and the value");
    if (line.failed()) return nullptr;
    scatter.value = values_.parse(line, {step.views[static_cast<size_t>(scatter.view)].element, 1});
    return scatter.value ? stmt(std::move(scatter)) : nullptr;
  }

  Stmt prefetch(LineCursor& line) {
    line.advance();
    const Location where = line.where();
    const std::string name = line.name("a view");
    Prefetch ahead{view_called(name), 0};
    if (ahead.view < 0) line.refuse_at(where, fmt::format("there is no view {}", quoted(name)));
    line.expect("+", "'+' and an element");
    ahead.offset = line.affine(variables_);
    return line.failed() ? nullptr : stmt(std::move(ahead));
  }

  // tile acc[r] = 0 | = load VIEW[...] ROWS | += a[r] * b, tile store VIEW[...] ROWS = acc[r]
  Stmt tile(LineCursor& line) {
    line.advance();
    Tile tile;
    if (line.is("store") && line.token(1).kind == LineToken::Kind::word) {
      line.advance();
      tile.kind = Tile::Kind::store;
      rows(line, tile);
      line.expect("=", "'=' and the register that is stored");
      tile.tile = tile_register(line);
      return line.failed() ? nullptr : stmt(std::move(tile));
    }
    tile.tile = tile_register(line);
    if (line.accept("+")) {
      tile.kind = Tile::Kind::multiply;
      line.expect("=", "'+=' and two registers");
      tile.a = tile_register(line);
      line.expect("*", "'*' and another register");
      tile.b = tile_register(line);
    } else {
      line.expect("=", "'= 0', '= load', or '+=' and a product");
      if (line.accept("load")) {
        tile.kind = Tile::Kind::load;
        rows(line, tile);
      } else if (line.integer("0, or load") != 0) {
        line.refuse("a tile is set to 0, or to what is loaded");
      }
    }
    return line.failed() ? nullptr : stmt(std::move(tile));
  }

  TileRegister tile_register(LineCursor& line) {
    const Location where = line.where();
    const std::string name = line.name("a register with rows");
    TileRegister at{array_called(name), {}};
    if (at.array < 0 && !line.failed())
      line.refuse_at(where, fmt::format("there are no registers {}", quoted(name)));
    at.index = indices(line);
    return at;
  }

  // x[0, h, 14*w_t, 0] rows along dim 2 step 2
  void rows(LineCursor& line, Tile& tile) {
    tile.view = place(line, tile.index);
    line.expect("rows", "'rows along dim' and a dimension");
    if (!line.is("along")) line.unexpected("'along dim' and a dimension");
    lane_steps(line, tile.index.size(), tile.row_dim, tile.row_step);
  }

  Expr leaf(LineCursor& line) {
    const bool loads = line.is("load") && line.token(1).kind == LineToken::Kind::word;
    if (loads) line.advance();
    if (!loads) {
      const Location where = line.where();
      const std::string name(line.token().text);
      if (const int32_t array = array_called(name); array >= 0) {
        line.advance();
        const RegisterArray& from = step.arrays[static_cast<size_t>(array)];
        return reg(from.type, from.lanes, array, indices(line));
      }
      if (!line.token(1).is("["))
        return line.refuse_at(where, fmt::format("there is no register or value {}", quoted(name))),
               nullptr;
    }
    Load load;
    load.view = place(line, load.index);
    if (line.failed()) return nullptr;
    const ElementType type = step.views[static_cast<size_t>(load.view)].element;
    if (!loads) return ir::load(type, 1, std::move(load));
    const auto count = lanes(line);
    if (!count || *count < 1) return line.unexpected("x and a number of lanes"), nullptr;
    load.count = *count;
    lane_steps(line, load.index.size(), load.lane_dim, load.lane_step);
    if (line.accept("lanes")) {
      const int64_t first = line.integer("the first lane");
      line.expect("..", "'..' and the end of the lanes");
      const int64_t end = line.integer("the end of the lanes");
      if (first < 0 || first > end || end > *count)
        line.refuse(fmt::format("lanes {}..{} of {}", first, end, *count));
      line.expect("else", "'else' and what the other lanes have");
      const std::string text = line.number("a number");
      const auto fill = parse_real(text, ElementType::f64);
      if (!fill && !line.failed()) line.refuse(fmt::format("{} is no number", quoted(text)));
      if (line.failed()) return nullptr;
      load.first = static_cast<int32_t>(first), load.count = static_cast<int32_t>(end - first);
      load.fill = *fill;
    }
    if (line.failed()) return nullptr;
    if (load.first == 0 && load.count <= 1) {
      load.lane_step = 1;
      if (*count == 1) load.lane_dim = -1;
    }
    return ir::load(type, *count, std::move(load));
  }

  const std::vector<Line>& lines_;
  const MemoryParser& memory_;
  Faults& faults_;
  LineCursor::Variables variables_;
  ValueParser values_;
  std::vector<Var> visible_; // items, parameters and the loops around
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
