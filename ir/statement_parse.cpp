#include "ir/statement_parse.h"

#include "ir/literals.h"
#include "ir/verify_rules.h"

#include <fmt/format.h>

namespace volute::ir {

namespace {

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

} // namespace

// ---- names --------------------------------------------------------------------------------------

std::optional<Var> StepNames::variable(std::string_view name) const {
  for (size_t i = visible_.size(); i-- > 0;)
    if (step_.vars[static_cast<size_t>(visible_[i].id)] == name) return visible_[i];
  return std::nullopt;
}

Var StepNames::declare(LineCursor& line, Location at, const std::string& name) {
  if (variable(name))
    line.refuse_at(at, fmt::format("{} is the variable of a loop around this one", quoted(name)));
  step_.vars.push_back(name);
  visible_.push_back({static_cast<int32_t>(step_.vars.size()) - 1});
  return visible_.back();
}

int32_t StepNames::view(std::string_view name) const {
  for (size_t i = 0; i < step_.views.size(); ++i)
    if (step_.views[i].name == name) return static_cast<int32_t>(i);
  return -1;
}

int32_t StepNames::array(std::string_view name) const {
  for (size_t i = 0; i < step_.arrays.size(); ++i)
    if (step_.arrays[i].name == name) return static_cast<int32_t>(i);
  return -1;
}

// ---- statements ---------------------------------------------------------------------------------

StatementParser::StatementParser(const StepNames& names)
    : names_(names), variables_([&names](std::string_view name) { return names.variable(name); }),
      values_({variables_, [this](LineCursor& line) { return leaf(line); }}) {}

Stmt StatementParser::parse(LineCursor& line) {
  const bool is_word = line.token(1).kind == LineToken::Kind::word;
  if (line.is("fence") && line.token(1).kind == LineToken::Kind::end) {
    line.advance();
    return stmt(Fence{});
  }
  for (const auto& [word, kind] :
       {std::pair("sums", Fence::Kind::sums), std::pair("numbers", Fence::Kind::numbers)}) {
    if (!line.is("fence") || !line.token(1).is(word) || line.token(2).kind != LineToken::Kind::end)
      continue;
    line.advance(), line.advance();
    return stmt(Fence{kind});
  }
  if (line.is("store") && is_word) return store(line);
  if (line.is("prefetch") && is_word) return prefetch(line);
  if (line.is("tile") && is_word) return tile(line);
  if (line.is("scatter") && !line.token(1).is("[") && !line.token(1).is("=")) return scatter(line);
  if (!line.is_name()) return line.unexpected("a statement"), nullptr;
  return set(line);
}

Stmt StatementParser::set(LineCursor& line) {
  const Location where = line.where();
  const std::string name = line.name("a register");
  const int32_t registers = names_.array(name);
  if (registers < 0)
    return line.refuse_at(where, fmt::format("there are no registers {}", quoted(name))), nullptr;
  const RegisterArray& to = array(registers);
  if (line.is("=") && line.token(1).is("transpose") &&
      line.token(2).kind == LineToken::Kind::word) {
    line.advance(), line.advance();
    return transpose(line, registers);
  }
  Set set{registers, indices(line), nullptr};
  line.expect("=", "'=' and the value");
  set.value = values_.parse(line, {to.type, to.lanes});
  return set.value ? stmt(std::move(set)) : nullptr;
}

std::vector<Affine> StatementParser::indices(LineCursor& line) {
  std::vector<Affine> index;
  while (!line.failed() && line.accept("[")) {
    index.push_back(line.affine(variables_));
    line.expect("]", "']' behind the index");
  }
  return index;
}

// q = transpose acc[0..14][v]
Stmt StatementParser::transpose(LineCursor& line, int32_t to) {
  Transpose turn;
  turn.to = to;
  const Location where = line.where();
  const std::string name = line.name("registers");
  turn.from = names_.array(name);
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
int32_t StatementParser::place(LineCursor& line, Index& index) {
  const Location where = line.where();
  const std::string name = line.name("a view");
  const int32_t found = names_.view(name);
  if (found < 0 && !line.failed())
    line.refuse_at(where, fmt::format("there is no view {}", quoted(name)));
  index = parse_subscripts(line, names_.step().tables.size(), variables_, "'[' behind the view");
  return found;
}

Stmt StatementParser::store(LineCursor& line) {
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
  store.value = values_.parse(line, {view(store.view).element, store.count});
  return store.value ? stmt(std::move(store)) : nullptr;
}

Stmt StatementParser::scatter(LineCursor& line) {
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
  scatter.value = values_.parse(line, {view(scatter.view).element, 1});
  return scatter.value ? stmt(std::move(scatter)) : nullptr;
}

Stmt StatementParser::prefetch(LineCursor& line) {
  line.advance();
  const Location where = line.where();
  const std::string name = line.name("a view");
  Prefetch ahead{names_.view(name), 0};
  if (ahead.view < 0) line.refuse_at(where, fmt::format("there is no view {}", quoted(name)));
  line.expect("+", "'+' and an element");
  ahead.offset = line.affine(variables_);
  return line.failed() ? nullptr : stmt(std::move(ahead));
}

// tile acc[r] = 0 | = load VIEW[...] ROWS | += a[r] * b, tile store VIEW[...] ROWS = acc[r]
Stmt StatementParser::tile(LineCursor& line) {
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
      tile.bypasses = line.accept("bypass");
    } else if (line.integer("0, or load") != 0) {
      line.refuse("a tile is set to 0, or to what is loaded");
    }
  }
  return line.failed() ? nullptr : stmt(std::move(tile));
}

TileRegister StatementParser::tile_register(LineCursor& line) {
  const Location where = line.where();
  const std::string name = line.name("a register with rows");
  TileRegister at{names_.array(name), {}};
  if (at.array < 0 && !line.failed())
    line.refuse_at(where, fmt::format("there are no registers {}", quoted(name)));
  at.index = indices(line);
  return at;
}

// x[0, h, 14*w_t, 0] rows along dim 2 step 2
void StatementParser::rows(LineCursor& line, Tile& tile) {
  tile.view = place(line, tile.index);
  line.expect("rows", "'rows along dim' and a dimension");
  if (!line.is("along")) line.unexpected("'along dim' and a dimension");
  lane_steps(line, tile.index.size(), tile.row_dim, tile.row_step);
}

Expr StatementParser::leaf(LineCursor& line) {
  const bool loads = line.is("load") && line.token(1).kind == LineToken::Kind::word;
  if (loads) line.advance();
  if (!loads) {
    const Location where = line.where();
    const std::string name(line.token().text);
    if (const int32_t registers = names_.array(name); registers >= 0) {
      line.advance();
      const RegisterArray& from = array(registers);
      return reg(from.type, from.lanes, registers, indices(line));
    }
    if (!line.token(1).is("["))
      return line.refuse_at(where, fmt::format("there is no register or value {}", quoted(name))),
             nullptr;
  }
  Load load;
  load.view = place(line, load.index);
  if (line.failed()) return nullptr;
  const ElementType type = view(load.view).element;
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

} // namespace volute::ir
