#include "compiler/page/nest_json.h"

#include "ir/walk.h"

#include <cmath>
#include <unordered_map>

namespace volute::compiler {
namespace {

using namespace ir;
using Json = nlohmann::ordered_json;

Json json_of(const Affine& affine) {
  Json json = {affine.constant_term()};
  for (const Affine::Term& term : affine.terms())
    json.push_back(term.var.id), json.push_back(term.coefficient);
  return json;
}

Json access(int32_t operand, const Index& index) {
  Json one = {{"o", operand}, {"i", Json::array()}};
  Json tables = Json::array();
  bool has_table = false;
  for (const Subscript& subscript : index) {
    one["i"].push_back(json_of(subscript.at));
    tables.push_back(subscript.table);
    has_table = has_table || subscript.table >= 0;
  }
  if (has_table) one["t"] = std::move(tables);
  return one;
}

/// What JSON has no number for is a word.
Json number(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  return value;
}

/// The nodes of all expressions of a nest, each once.
class Nodes {
public:
  size_t add(const Expr& root) {
    visit(root, [&](const ExprNode& node) {
      if (places_.contains(&node)) return;
      Json one = {"", std::string(to_string(node.type))};
      std::visit([&](const auto& is) { one[0] = write(one, node, is); }, node.is);
      places_.emplace(&node, json_.size());
      json_.push_back(std::move(one));
    });
    return places_.at(root.get());
  }
  Json take() { return std::move(json_); }

private:
  size_t at(const Expr& operand) const { return places_.at(operand.get()); }

  std::string write(Json& one, const ExprNode& node, const Imm& imm) const {
    one.push_back(is_float(node.type) ? number(imm.real) : Json(imm.integer));
    return "number";
  }
  std::string write(Json& one, const ExprNode&, const Position& position) const {
    one.push_back(json_of(position.value));
    return "position";
  }
  std::string write(Json& one, const ExprNode&, const Read& read) const {
    one.push_back(access(read.operand, read.index));
    return "read";
  }
  std::string write(Json& one, const ExprNode&, const Acc& acc) const {
    one.push_back(acc.accumulator);
    return "acc";
  }
  std::string write(Json& one, const ExprNode&, const UnaryOp& op) const {
    one.push_back(at(op.a));
    return std::string(to_string(op.fn));
  }
  std::string write(Json& one, const ExprNode&, const BinaryOp& op) const {
    one.push_back(at(op.a)), one.push_back(at(op.b));
    return std::string(to_string(op.fn));
  }
  std::string write(Json& one, const ExprNode&, const Fma& fma) const {
    for (const Expr& operand : {fma.a, fma.b, fma.c}) one.push_back(at(operand));
    return "fma";
  }
  std::string write(Json& one, const ExprNode&, const Select& select) const {
    one.push_back(std::string(to_string(select.compare)));
    for (const Expr& operand : {select.a, select.b, select.then, select.otherwise})
      one.push_back(at(operand));
    return "select";
  }
  // Of loops alone.
  std::string write(Json&, const ExprNode&, const Load&) const { return "load"; }
  std::string write(Json&, const ExprNode&, const Reg&) const { return "reg"; }
  std::string write(Json&, const ExprNode&, const Dot&) const { return "dot"; }

  std::unordered_map<const ExprNode*, size_t> places_;
  Json json_ = Json::array();
};

} // namespace

Json json_of(const Nest& nest) {
  Json json = {
      {"name", nest.name}, {"origin", nest.origin}, {"vars", nest.vars}, {"axes", Json::array()}};
  for (const NestAxis& axis : nest.axes)
    json["axes"].push_back({{"v", axis.var.id},
                            {"n", axis.extent.is_constant() ? axis.extent.number() : 1},
                            {"reduction", axis.reduction},
                            {"role", std::string(to_string(axis.role))}});
  json["where"] = Json::array();
  for (const Constraint& constraint : nest.constraints)
    json["where"].push_back({json_of(constraint.value), json_of(constraint.extent)});
  json["operands"] = Json::array();
  for (const View& view : nest.operands) {
    Json dims = Json::array();
    for (const Dim& dim : view.dims) dims.push_back({json_of(dim.extent), json_of(dim.stride)});
    json["operands"].push_back({{"buffer", view.buffer}, {"dims", dims}});
  }
  json["tables"] = nest.tables;
  Nodes nodes;
  json["accumulators"] = Json::array();
  for (const Accumulator& accumulator : nest.accumulators)
    json["accumulators"].push_back({{"name", accumulator.name},
                                    {"initial", nodes.add(accumulator.initial)},
                                    {"update", nodes.add(accumulator.update)}});
  json["writes"] = Json::array();
  for (const Write& write : nest.writes) {
    Json one = access(write.operand, write.index);
    one["value"] = nodes.add(write.value);
    if (write.offset) one["scattered"] = true;
    json["writes"].push_back(std::move(one));
  }
  json["nodes"] = nodes.take();
  return json;
}

} // namespace volute::compiler
