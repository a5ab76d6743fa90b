#include "ir/literals.h"
#include "ir/memory_text.h"
#include "ir/nest.h"
#include "ir/value_parse.h"
#include "ir/verify_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

namespace volute::ir {
namespace {

constexpr std::array axis_roles = {AxisRole::other,   AxisRole::batch, AxisRole::group,
                                   AxisRole::channel, AxisRole::space, AxisRole::residue,
                                   AxisRole::tap,     AxisRole::part,  AxisRole::band};
constexpr std::array nest_kinds = {
    NestKind::compute, NestKind::copy,       NestKind::pack,      NestKind::stage,
    NestKind::offset,  NestKind::window_sum, NestKind::transform, NestKind::filter_transform};

/// `as KIND`, a word or two.
template <class Kinds>
auto kind_behind_as(LineCursor& line, const Kinds& kinds, std::string_view what) {
  for (const auto kind : kinds) {
    const std::string_view text = to_string(kind);
    const size_t space = text.find(' ');
    if (!line.is(text.substr(0, space))) continue;
    line.advance();
    if (space != text.npos) line.expect(text.substr(space + 1), fmt::format("'{}'", text));
    return kind;
  }
  line.unexpected(what);
  return kinds.front();
}

class NestParser {
public:
  explicit NestParser(const MemoryParser& memory)
      : memory_(memory), variables_([this](std::string_view name) { return variable(name); }),
        values_({variables_, [this](LineCursor& line) { return leaf(line); }}) {}

  /// `nest NAME as KIND {`
  void head(LineCursor& line, const std::string& comment) {
    line.advance();
    nest.origin = comment;
    nest.name = line.name("the nest's name");
    if (line.accept("as")) nest.kind = kind_behind_as(line, nest_kinds, "what the nest is for");
    line.expect("{", "'{' behind the nest's name");
    line.end_of_line();
  }

  void line(LineCursor& line) {
    if (line.is("let") && line.token(1).kind == LineToken::Kind::word) {
      line.advance();
      return values_.parse_let(line);
    }
    statement(line);
    if (!line.failed()) line.end_of_line();
    values_.forget_lets();
  }

  struct Placed {
    Location where;
    std::string axis, consumer;
  };
  std::optional<Placed> placed; // to be resolved when all nests are known

  Nest nest;

private:
  std::optional<Var> variable(std::string_view name) const {
    const auto found = std::find(nest.vars.begin(), nest.vars.end(), name);
    if (found == nest.vars.end()) return std::nullopt;
    return Var{static_cast<int32_t>(found - nest.vars.begin())};
  }

  Var declare(LineCursor& line, Location at, const std::string& name) {
    if (variable(name))
      line.refuse_at(at, fmt::format("there is an axis or a parameter {} already", quoted(name)));
    nest.vars.push_back(name);
    return {static_cast<int32_t>(nest.vars.size()) - 1};
  }

  void statement(LineCursor& line) {
    const bool is_word = line.token(1).kind == LineToken::Kind::word;
    if (line.is("for") && line.token(1).is("any")) return parameters(line);
    if (line.is("parallel") && is_word) return axes(line, false);
    if (line.is("reduce") && is_word) return axes(line, true);
    if (line.is("within") && !is_place(line)) return constraints(line, nest.domain);
    if (line.is("where") && !is_place(line)) return constraints(line, nest.constraints);
    if (line.is("form") && is_word) return form(line);
    if (line.is("computed") && is_word) return placement(line);
    if (line.is("scatter") && !line.token(1).is("[") && !line.token(1).is(":"))
      return scatter(line);
    if (!line.is_name()) return line.unexpected("a line of a nest");
    if (line.token(1).is("[")) return write(line);
    if (line.token(1).is("=") && line.token(2).is("[")) return table(line);
    if (line.token(1).is("<-")) return update(line);
    const Location at = line.where();
    std::string name = line.name("a name");
    if (line.accept("=")) return accumulator(line, at, std::move(name), ElementType::f32);
    line.expect(":", "':', '=', '<-' or '[' behind the name");
    if (line.failed()) return;
    if (const auto type = line.type(); type && type->lanes == 1) {
      line.advance();
      line.expect("=", "'=' and what the accumulator starts from");
      return accumulator(line, at, std::move(name), type->element);
    }
    operand(line, at, std::move(name));
  }

  static bool is_place(const LineCursor& line) {
    return line.token(1).is("[") || line.token(1).is(":") || line.token(1).is("=");
  }

  // ---- what the nest is

  void parameters(LineCursor& line) {
    line.advance(), line.advance();
    do {
      const Location at = line.where();
      const std::string name = line.name("a parameter");
      if (line.failed()) return;
      const std::optional<Var> known = memory_.parameter_called(name);
      if (!known)
        return line.refuse_at(at, fmt::format("the program has no parameter {}", quoted(name)));
      nest.parameters.push_back(
          {declare(line, at, name), memory_.parameters[static_cast<size_t>(known->id)].range});
    } while (line.accept(","));
  }

  void operand(LineCursor& line, Location at, std::string name) {
    const bool known = std::any_of(nest.operands.begin(), nest.operands.end(),
                                   [&](const View& view) { return view.name == name; });
    if (known) line.refuse_at(at, fmt::format("there is an operand {} already", quoted(name)));
    View view = memory_.view(line, std::move(name), variables_);
    if (!line.failed()) nest.operands.push_back(std::move(view));
  }

  void table(LineCursor& line) {
    const std::string wanted = fmt::format("table{}", nest.tables.size());
    if (!line.is(wanted))
      return line.refuse(fmt::format("expected {}, the next table, but found {}", wanted,
                                     described(line.token())));
    line.advance(), line.advance();
    nest.tables.push_back(parse_entries(line));
  }

  void form(LineCursor& line) {
    line.advance();
    nest.form = line.name("the algorithm that the nest is of");
  }

  // computed for every 5 of h of max_pool_y
  void placement(LineCursor& line) {
    const Location at = line.where();
    line.advance();
    line.expect("for", "'for every'"), line.expect("every", "'every'");
    Placement placement;
    placement.tile = line.integer("how many elements of the axis");
    line.expect("of", "'of' and an axis");
    std::string axis = line.name("an axis");
    line.expect("of", "'of' and the nest that reads this one");
    std::string consumer = line.name("a nest");
    if (line.failed()) return;
    nest.placement = placement;
    placed = Placed{at, std::move(axis), std::move(consumer)};
  }

  void axes(LineCursor& line, bool reduction) {
    line.advance();
    do {
      NestAxis axis;
      axis.reduction = reduction;
      const Location at = line.where();
      const std::string name = line.name("an axis");
      line.expect("in", "'in 0..' and the extent");
      if (line.integer("0, where every axis starts") != 0) line.refuse("every axis starts at 0");
      line.expect("..", "'..' and the extent");
      axis.extent = line.affine(variables_);
      axis.role = usual_role(name);
      if (line.accept("by")) axis.digit = line.integer("elements to the next one of this digit");
      if (line.accept("as")) axis.role = kind_behind_as(line, axis_roles, "the role of the axis");
      if (line.failed()) return;
      axis.var = declare(line, at, name);
      nest.axes.push_back(std::move(axis));
    } while (line.accept(","));
  }

  void constraints(LineCursor& line, std::vector<Constraint>& to) {
    line.advance();
    do {
      Constraint constraint;
      if (line.integer("0, where every range starts") != 0) line.refuse("every range starts at 0");
      line.expect("<=", "'<=' and an index");
      constraint.value = line.affine(variables_);
      line.expect("<", "'<' and the end of the range");
      constraint.extent = line.affine(variables_);
      if (line.failed()) return;
      to.push_back(std::move(constraint));
    } while (line.accept(","));
  }

  // ---- what it computes

  int32_t operand_called(std::string_view name) const {
    for (size_t i = 0; i < nest.operands.size(); ++i)
      if (nest.operands[i].name == name) return static_cast<int32_t>(i);
    return -1;
  }

  int32_t accumulator_called(std::string_view name) const {
    for (size_t i = 0; i < nest.accumulators.size(); ++i)
      if (nest.accumulators[i].name == name) return static_cast<int32_t>(i);
    return -1;
  }

  void accumulator(LineCursor& line, Location at, std::string name, ElementType type) {
    if (accumulator_called(name) >= 0)
      return line.refuse_at(at, fmt::format("there is an accumulator {} already", quoted(name)));
    Expr initial = values_.parse(line, {type, 1});
    if (initial) nest.accumulators.push_back({std::move(name), type, std::move(initial), nullptr});
  }

  void update(LineCursor& line) {
    const Location at = line.where();
    const std::string name = line.name("an accumulator");
    const int32_t found = accumulator_called(name);
    if (found < 0)
      return line.refuse_at(at, fmt::format("there is no accumulator {}", quoted(name)),
                            fmt::format("`{} = ` and what it starts from comes first", name));
    line.advance();
    Accumulator& accumulator = nest.accumulators[static_cast<size_t>(found)];
    if (accumulator.update)
      return line.refuse_at(at, fmt::format("{} has an update already", quoted(name)));
    accumulator.update = values_.parse(line, {accumulator.type, 1});
  }

  // x[n, i, h + kh - 1, table0[w]], the cursor at the name.
  int32_t place(LineCursor& line, Index& index) {
    const Location at = line.where();
    const std::string name = line.name("an operand");
    const int32_t operand = operand_called(name);
    if (operand < 0 && !line.failed())
      line.refuse_at(at, fmt::format("there is no operand {}", quoted(name)));
    index = parse_subscripts(line, nest.tables.size(), variables_, "'[' behind the operand");
    return operand;
  }

  Expr leaf(LineCursor& line) {
    if (line.token(1).is("[")) {
      Index index;
      const int32_t operand = place(line, index);
      if (line.failed()) return nullptr;
      return read(nest.operands[static_cast<size_t>(operand)].element, operand, std::move(index));
    }
    const Location at = line.where();
    const std::string name = line.name("a value");
    const int32_t found = accumulator_called(name);
    if (found < 0) {
      const bool is_operand = operand_called(name) >= 0;
      line.refuse_at(at, fmt::format("there is no accumulator or value {}", quoted(name)),
                     is_operand ? fmt::format("an element of it is {}[...]", name) : "");
      return nullptr;
    }
    return acc(nest.accumulators[static_cast<size_t>(found)].type, found);
  }

  void write(LineCursor& line) {
    Write write;
    write.operand = place(line, write.index);
    line.expect("=", "'=' and the value");
    if (line.failed()) return;
    write.value =
        values_.parse(line, {nest.operands[static_cast<size_t>(write.operand)].element, 1});
    if (write.value) nest.writes.push_back(std::move(write));
  }

  // scatter OFFSET behind y[n, c, 0], 0 <= it < 81: VALUE
  void scatter(LineCursor& line) {
    line.advance();
    Write write;
    write.offset = values_.parse(line, {ElementType::i64, 1});
    line.expect("behind", "'behind' and the place that is counted from");
    write.operand = place(line, write.index);
    line.expect(",", "', 0 <= it <' and how many elements there are");
    if (line.integer("0") != 0) line.refuse("the offset starts at 0");
    line.expect("<=", "'<= it <'"), line.expect("it", "'it'"), line.expect("<", "'<'");
    write.extent = line.integer("how many elements there are");
    line.expect(":", "':' and the value");
    if (line.failed()) return;
    write.value =
        values_.parse(line, {nest.operands[static_cast<size_t>(write.operand)].element, 1});
    if (write.value) nest.writes.push_back(std::move(write));
  }

  const MemoryParser& memory_;
  LineCursor::Variables variables_;
  ValueParser values_;
};

class NestProgramParser {
public:
  explicit NestProgramParser(std::string_view text) : lines_(lines_of(text)), memory_(faults_) {}

  Expected<NestProgram> run() {
    if (lines_.empty() || !head()) {
      if (!faults_.any()) faults_.add({1, 1}, "expected `nests NAME`, but the text is empty");
      return Failure{faults_.take()};
    }
    size_t at = 1;
    while (at < lines_.size() && !faults_.enough()) at = part(at);
    memory_.finish({lines_.back().number, 1});
    place_nests();
    if (faults_.any()) return Failure{faults_.take()};
    program_.buffers = std::move(memory_.buffers);
    program_.parameters = std::move(memory_.parameters);
    std::vector<Diagnostic> found = ir::verify(program_);
    for (Diagnostic& d : found)
      if (const auto line = nest_lines_.find(d.subject); line != nest_lines_.end())
        d.where = {line->second, 1};
    if (!found.empty()) return Failure{std::move(found)};
    return std::move(program_);
  }

private:
  bool head() {
    LineCursor line(lines_[0], faults_);
    line.expect("nests", "`nests NAME`");
    program_.name = line.name("the program's name");
    return line.end_of_line();
  }

  size_t part(size_t at) {
    LineCursor line(lines_[at], faults_);
    if (line.is("nest")) return nest(at);
    if (line.is("data") && !MemoryParser::starts_buffer(line)) return memory_.data(lines_, at);
    if (MemoryParser::starts_buffer(line))
      memory_.buffer(line);
    else if (MemoryParser::starts_parameter(line))
      memory_.parameter(line);
    else
      line.unexpected("a buffer, `parameter`, `nest` or `data`");
    return at + 1;
  }

  size_t nest(size_t at) {
    NestParser parser(memory_);
    LineCursor first(lines_[at], faults_);
    parser.head(first, lines_[at].comment);
    const int number = lines_[at].number;
    for (++at; at < lines_.size() && !faults_.enough(); ++at) {
      LineCursor line(lines_[at], faults_);
      if (line.is("}") || (line.is("nest") && line.token(1).kind == LineToken::Kind::word)) break;
      parser.line(line);
    }
    const bool closed = at < lines_.size() && LineCursor(lines_[at], faults_).is("}");
    if (!closed && !faults_.any())
      faults_.add({number, 1}, fmt::format("nest {} has no '}}'", quoted(parser.nest.name)));
    for (const Accumulator& a : parser.nest.accumulators)
      if (!a.update && !faults_.any())
        faults_.add({number, 1},
                    fmt::format("accumulator {} of nest {} has no update", quoted(a.name),
                                quoted(parser.nest.name)),
                    fmt::format("`{} <- ` and a value", a.name));
    const bool known = std::any_of(program_.nests.begin(), program_.nests.end(),
                                   [&](const Nest& n) { return n.name == parser.nest.name; });
    if (known)
      faults_.add({number, 1}, fmt::format("there is a nest {} already", quoted(parser.nest.name)));
    nest_lines_[fmt::format("nest {}", parser.nest.name)] = number;
    program_.nests.push_back(std::move(parser.nest));
    placed_.push_back(std::move(parser.placed));
    return closed ? at + 1 : at;
  }

  void place_nests() {
    for (size_t i = 0; i < placed_.size(); ++i) {
      if (!placed_[i]) continue;
      const auto& [where, axis, consumer] = *placed_[i];
      const auto found = std::find_if(program_.nests.begin(), program_.nests.end(),
                                      [&name = consumer](const Nest& n) { return n.name == name; });
      const NestAxis* of = found == program_.nests.end() ? nullptr : found->axis(axis);
      if (!of) {
        faults_.add(
            where, fmt::format("there is no axis {} of a nest {}", quoted(axis), quoted(consumer)));
        continue;
      }
      program_.nests[i].placement->consumer = static_cast<int32_t>(found - program_.nests.begin());
      program_.nests[i].placement->axis = of->var;
    }
  }

  Faults faults_;
  std::vector<Line> lines_;
  MemoryParser memory_;
  NestProgram program_;
  std::vector<std::optional<NestParser::Placed>> placed_; // by nest
  std::map<std::string, int> nest_lines_;                 // where its text begins
};

} // namespace

Expected<NestProgram> parse_nests(std::string_view text) { return NestProgramParser(text).run(); }

} // namespace volute::ir
