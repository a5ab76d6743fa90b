#include "compiler/page/loops_json.h"

#include "ir/walk.h"

#include <algorithm>

namespace volute::compiler {
namespace {

using namespace ir;
using Json = nlohmann::ordered_json;

constexpr size_t largest_table = 4096; // entries; the index of what is larger is not told

Json json_of(const Affine& affine) {
  Json json = {affine.constant_term()};
  for (const Affine::Term& term : affine.terms())
    json.push_back(term.var.id), json.push_back(term.coefficient);
  return json;
}

Json json_of(const std::vector<Affine>& affines) {
  Json json = Json::array();
  for (const Affine& affine : affines) json.push_back(json_of(affine));
  return json;
}

Json json_of(const std::vector<Bound>& bounds) {
  Json json = Json::array();
  for (const Bound& bound : bounds) json.push_back({json_of(bound.numerator), bound.divisor});
  return json;
}

Json access(int32_t view, const Index& index, int32_t lane_dim, int64_t lane_step, int64_t lanes,
            int64_t first = 0) {
  Json json = {{"v", view}, {"i", Json::array()}};
  Json tables = Json::array();
  bool has_table = false;
  for (const Subscript& subscript : index) {
    json["i"].push_back(json_of(subscript.at));
    tables.push_back(subscript.table);
    has_table = has_table || subscript.table >= 0;
  }
  if (has_table) json["t"] = std::move(tables);
  if (lane_dim >= 0) json["d"] = lane_dim, json["k"] = lane_step, json["n"] = lanes;
  if (first > 0) json["f"] = first;
  return json;
}

class Writer {
public:
  Writer(const LoopsText::StepLines& lines, const std::vector<RegisterArray>& arrays)
      : lines_(lines), arrays_(arrays) {}

  Json write(const Stmt& s) {
    const int line = lines_.statements.at(next_++);
    return std::visit([&](const auto& is) { return write(is, line); }, s->is);
  }

private:
  /// What a value loads, and how many products it adds.
  void values(Json& json, std::initializer_list<Expr> exprs) {
    Json reads = Json::array();
    int64_t products = 0;
    for (const Expr& expr : exprs)
      visit(expr, [&](const ExprNode& node) {
        if (const auto* load = std::get_if<Load>(&node.is))
          reads.push_back(access(load->view, load->index, load->lane_dim, load->lane_step,
                                 load->count, load->first));
        if (std::holds_alternative<Fma>(node.is)) products += node.lanes;
        if (const auto* dot = std::get_if<Dot>(&node.is)) products += node.lanes * dot->ways;
      });
    if (!reads.empty()) json["r"] = std::move(reads);
    if (products > 0) json["f"] = products;
  }
  /// A value that is elements of memory as they lie: where it comes from.
  static Json origin(const Expr& value) {
    if (const auto* load = std::get_if<Load>(&value->is); load && load->first == 0) return "load";
    if (const auto* reg = std::get_if<Reg>(&value->is)) return {reg->array, json_of(reg->index)};
    return nullptr;
  }

  Json write(const Block& block, int) {
    Json json = {{"t", "block"}, {"s", Json::array()}};
    for (const Stmt& s : block.stmts) json["s"].push_back(write(s));
    return json;
  }
  Json write(const For& loop, int line) {
    Json json = {{"t", "for"},
                 {"v", loop.var.id},
                 {"lo", json_of(loop.range.lo)},
                 {"hi", json_of(loop.range.hi)},
                 {"u", loop.kind == For::Kind::unrolled ? 1 : 0},
                 {"l", line}};
    json["s"] = write(loop.body);
    return json;
  }
  Json write(const When& when, int line) {
    Json json = {
        {"t", "when"}, {"x", json_of(when.value)}, {"lo", when.lo}, {"hi", when.hi}, {"l", line}};
    json["s"] = write(when.body);
    return json;
  }
  Json write(const Set& set, int line) {
    Json json = {{"t", "set"}, {"a", set.array}, {"i", json_of(set.index)}, {"l", line}};
    values(json, {set.value});
    if (Json from = origin(set.value); !from.is_null()) json["o"] = std::move(from);
    return json;
  }
  Json write(const Store& store, int line) {
    Json json = {{"t", "store"}, {"l", line}};
    json["w"] = access(store.view, store.index, store.lane_dim, store.lane_step, store.count);
    values(json, {store.value});
    if (Json from = origin(store.value); !from.is_null()) json["o"] = std::move(from);
    return json;
  }
  Json write(const Scatter& scatter, int line) {
    Json json = {{"t", "scatter"}, {"l", line}};
    json["w"] = access(scatter.view, scatter.index, -1, 1, 1);
    values(json, {scatter.offset, scatter.value});
    return json;
  }
  Json write(const Transpose& turn, int line) {
    return {{"t", "turn"}, {"a", turn.to}, {"l", line}};
  }
  /// Rows of what is read, or stored: each is an access of its own.
  Json write(const Tile& tile, int line) {
    if (tile.kind == Tile::Kind::zero)
      return {{"t", "set"}, {"a", tile.tile.array}, {"i", json_of(tile.tile.index)}, {"l", line}};
    const RegisterArray& array = arrays_.at(static_cast<size_t>(tile.tile.array));
    if (tile.kind == Tile::Kind::multiply)
      return {{"t", "set"},
              {"a", tile.tile.array},
              {"i", json_of(tile.tile.index)},
              {"l", line},
              {"f", array.elements() * arrays_.at(static_cast<size_t>(tile.a.array)).lanes}};
    std::vector<Json> rows;
    for (int64_t r = 0; r < array.rows; ++r) {
      Index index = tile.index;
      index.at(static_cast<size_t>(tile.row_dim)).at += r * tile.row_step;
      rows.push_back(
          access(tile.view, index, static_cast<int32_t>(index.size()) - 1, 1, array.lanes));
    }
    if (tile.kind == Tile::Kind::load)
      return {{"t", "set"},
              {"a", tile.tile.array},
              {"i", json_of(tile.tile.index)},
              {"l", line},
              {"r", rows}};
    Json json = {{"t", "block"}, {"s", Json::array()}};
    for (Json& row : rows)
      json["s"].push_back({{"t", "store"}, {"l", line}, {"w", std::move(row)}});
    return json;
  }
  Json write(const Fence&, int line) { return {{"t", "fence"}, {"l", line}}; }
  Json write(const Prefetch&, int line) { return {{"t", "prefetch"}, {"l", line}}; }

  const LoopsText::StepLines& lines_;
  const std::vector<RegisterArray>& arrays_;
  size_t next_ = 0;
};

} // namespace

Json json_of(const Step& step, const LoopsText::StepLines& lines) {
  Json json;
  json["name"] = step.name;
  json["origin"] = step.origin;
  json["line"] = lines.header;
  json["vars"] = step.vars;
  json["parameters"] = Json::array();
  for (const ParameterVar& parameter : step.parameters)
    json["parameters"].push_back({parameter.var.id, parameter.range.least});
  json["items"] = Json::array();
  for (const ItemLoop& item : step.items)
    json["items"].push_back({item.var.id, json_of(item.count)});
  json["views"] = Json::array();
  for (const View& view : step.views) {
    Json dims = Json::array();
    for (const Dim& dim : view.dims) dims.push_back({json_of(dim.extent), json_of(dim.stride)});
    json["views"].push_back({{"name", view.name}, {"buffer", view.buffer}, {"dims", dims}});
  }
  json["tables"] = Json::array();
  for (const std::vector<int64_t>& table : step.tables)
    json["tables"].push_back(table.size() <= largest_table ? Json(table) : Json(nullptr));
  if (step.body) json["body"] = Writer(lines, step.arrays).write(step.body);
  return json;
}

} // namespace volute::compiler
