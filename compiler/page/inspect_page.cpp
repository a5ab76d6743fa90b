#include "compiler/page/inspect_page.h"

#include "compiler/page/loops_json.h"
#include "compiler/page/report_json.h"
#include "compiler/report/side_by_side.h"
#include "compiler/schedule/cost_model.h"
#include "compiler/schedule/parameters.h"
#include "ir/print.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>

namespace volute::compiler {

extern const char* const inspect_page_template; // inspect_page.html, with @DATA@ in its place

namespace {

using Json = nlohmann::ordered_json;

constexpr size_t most_lines = 30000;      // of a stage: what a browser still scrolls through
constexpr size_t longest_line = 2000;     // characters: the data of tables go on for longer
constexpr size_t most_statements = 20000; // of a step that is to be walked through

/// Lines in columns of their own, with each set of statements once.
class StagePanels {
public:
  void add(const StageText& stage) {
    Json panel = {{"stage", stage.stage}};
    Json text = Json::array(), statements = Json::array(), line = Json::array(),
         nest = Json::array();
    for (size_t i = 0; i < std::min(stage.lines.size(), most_lines); ++i) {
      const StageLine& one = stage.lines[i];
      text.push_back(one.text.size() <= longest_line ? one.text
                                                     : one.text.substr(0, longest_line) + " ...");
      statements.push_back(index_of(one.statements));
      line.push_back(one.loops_line);
      nest.push_back(name_index(one.nest));
    }
    if (stage.lines.size() > most_lines) panel["left_out"] = stage.lines.size() - most_lines;
    panel["text"] = std::move(text);
    panel["statements"] = std::move(statements);
    panel["line"] = std::move(line);
    panel["nest"] = std::move(nest);
    panels_.push_back(std::move(panel));
  }

  Json panels() { return std::move(panels_); }
  Json sets() const {
    Json json = Json::array();
    for (const std::vector<int32_t>& set : sets_) json.push_back(set);
    return json;
  }
  Json names() const { return names_; }

private:
  size_t index_of(const std::vector<int32_t>& set) {
    const auto [found, is_new] = set_index_.emplace(set, sets_.size());
    if (is_new) sets_.push_back(set);
    return found->second;
  }
  size_t name_index(const std::string& name) {
    const auto [found, is_new] = name_index_.emplace(name, names_.size());
    if (is_new) names_.push_back(name);
    return found->second;
  }

  Json panels_ = Json::array();
  std::vector<std::vector<int32_t>> sets_;
  std::map<std::vector<int32_t>, size_t> set_index_;
  std::vector<std::string> names_;
  std::map<std::string, size_t> name_index_;
};

Json axes_of(const ir::TensorType& type) {
  Json axes = Json::array();
  for (const ir::Extent& extent : type.extents)
    axes.push_back({{"axis", std::string(1, ir::to_char(extent.axis))}, {"size", extent.size}});
  return axes;
}

Json json_of(const ir::Buffer& buffer, const Stages& stages) {
  Json json = {{"name", buffer.name},
               {"role", std::string(ir::to_string(buffer.role))},
               {"element", std::string(ir::to_string(buffer.element))},
               {"elements", buffer.elements}};
  const auto value = static_cast<size_t>(buffer.value);
  if (buffer.type)
    json["axes"] = axes_of(*buffer.type), json["type"] = ir::to_string(*buffer.type);
  else if (buffer.role == ir::Buffer::Role::intermediate && buffer.value >= 0 &&
           value < stages.written.values.size())
    json["axes"] = axes_of(stages.written.values[value].type),
    json["type"] = ir::to_string(stages.written.values[value].type),
    json["value"] = stages.written.name_of(buffer.value);
  return json;
}

int64_t statements_in(const ir::LoopsText::StepLines& lines) {
  return static_cast<int64_t>(lines.statements.size());
}

Json json_of(const CodeWork& work) {
  return {{"instructions", work.instructions},
          {"multiply_adds", work.multiply_adds},
          {"products", work.products},
          {"loads", work.loads},
          {"load_bytes", work.load_bytes},
          {"stores", work.stores},
          {"store_bytes", work.store_bytes},
          {"vector_spills", work.vector_spills},
          {"vector_reloads", work.vector_reloads},
          {"scalar_spills", work.scalar_spills},
          {"scalar_reloads", work.scalar_reloads}};
}

/// How a nest reads and writes, for what reaches beyond a tensor (padding), and what one element of
/// a result is made of.
Json json_of(const ir::Nest& nest) {
  const auto affine = [](const ir::Affine& value) {
    Json json = {value.constant_term()};
    for (const ir::Affine::Term& term : value.terms())
      json.push_back(term.var.id), json.push_back(term.coefficient);
    return json;
  };
  Json json = {{"name", nest.name}, {"vars", nest.vars}, {"axes", Json::array()}};
  for (const ir::NestAxis& axis : nest.axes)
    json["axes"].push_back({{"v", axis.var.id},
                            {"n", axis.extent.is_constant() ? axis.extent.number() : 1},
                            {"reduction", axis.reduction}});
  json["where"] = Json::array();
  for (const ir::Constraint& constraint : nest.constraints)
    json["where"].push_back({affine(constraint.value), affine(constraint.extent)});
  json["operands"] = Json::array();
  for (const ir::View& view : nest.operands) {
    Json dims = Json::array();
    for (const ir::Dim& dim : view.dims) dims.push_back({affine(dim.extent), affine(dim.stride)});
    json["operands"].push_back({{"buffer", view.buffer}, {"dims", dims}});
  }
  const auto access = [&](int32_t operand, const ir::Index& index) {
    Json one = {{"o", operand}, {"i", Json::array()}};
    for (const ir::Subscript& subscript : index) {
      one["i"].push_back(affine(subscript.at));
      if (subscript.table >= 0) one["table"] = true;
    }
    return one;
  };
  const auto reads = [&](const ir::Expr& value) {
    Json all = Json::array();
    ir::visit(value, [&](const ir::ExprNode& node) {
      if (const auto* read = std::get_if<ir::Read>(&node.is))
        all.push_back(access(read->operand, read->index));
    });
    return all;
  };
  json["updates"] = Json::array();
  for (const ir::Accumulator& accumulator : nest.accumulators)
    for (Json& read : reads(accumulator.update)) json["updates"].push_back(std::move(read));
  json["writes"] = Json::array();
  for (const ir::Write& write : nest.writes)
    json["writes"].push_back(access(write.operand, write.index));
  return json;
}

/// The terms of the model, by nest.
Json costs_of(const Stages& stages, const Target& target) {
  Json json = Json::object();
  for (const ir::Nest& piece : stages.pieces.nests) {
    const auto plan = stages.plans.find(piece.name);
    if (plan == stages.plans.end()) continue;
    const Cost cost = predict(at_least(piece), plan->second, target);
    Json terms = Json::array();
    for (const CostTerm& term : cost.terms) terms.push_back({term.name, term.cycles});
    json[piece.name] = {{"cycles", cost.cycles},
                        {"bound", cost.bound},
                        {"efficiency", cost.efficiency},
                        {"terms", std::move(terms)}};
  }
  return json;
}

/// Which step computes each nest, and whether that is done once and not on every call.
Json parts_of(const Stages& stages) {
  const std::vector<ir::Nest>& pieces = stages.pieces.nests;
  const auto is_once = [](ir::NestKind kind) {
    return kind == ir::NestKind::pack || kind == ir::NestKind::offset ||
           kind == ir::NestKind::filter_transform;
  };
  Json json = Json::array();
  for (const ir::Nest& piece : pieces) {
    const ir::Nest* at = &piece;
    while (at->placement) at = &pieces[static_cast<size_t>(at->placement->consumer)];
    json.push_back({{"nest", piece.name}, {"step", at->name}, {"once", is_once(piece.kind)}});
  }
  return json;
}

Json steps_of(const Compiled& compiled) {
  const ir::LoopProgram& loops = compiled.stages.loops;
  Json json = Json::array();
  for (size_t i = 0; i < loops.steps.size(); ++i) {
    const ir::LoopsText::StepLines& lines = compiled.listing->loops.steps[i];
    Json step;
    if (statements_in(lines) <= static_cast<int64_t>(most_statements))
      step = compiler::json_of(loops.steps[i], lines);
    else
      step["name"] = loops.steps[i].name, step["too_long"] = true;
    if (i < compiled.listing->steps.size()) {
      const Listing::Step& code = compiled.listing->steps[i];
      step["work"] = json_of(code.work);
      step["innermost"] = Json::array();
      for (const Listing::Loop& loop : code.loops) {
        if (!loop.innermost) continue;
        Json one = json_of(loop.work);
        one["line"] = compiled.listing->lines[loop.end - 1].place.line;
        step["innermost"].push_back(std::move(one));
      }
    }
    json.push_back(std::move(step));
  }
  return json;
}

Json json_of(const Target& target) {
  return {{"name", short_text(target)},
          {"vector_bytes", target.vector_bytes},
          {"vector_registers", target.vector_registers},
          {"fma_per_cycle", target.fma_per_cycle},
          {"loads_per_cycle", target.loads_per_cycle},
          {"stores_per_cycle", target.stores_per_cycle},
          {"l1_bytes", target.l1_bytes},
          {"l2_bytes", target.l2_bytes},
          {"l3_bytes", target.l3_bytes}};
}

/// Nothing in it ends the script element that it stands in, or begins a comment.
std::string inside_script(std::string data) {
  std::string safe;
  safe.reserve(data.size());
  for (const char c : data) {
    if (c == '<')
      safe += "\\u003c";
    else
      safe += c;
  }
  return safe;
}

} // namespace

std::string inspect_page(const Compiled& compiled, const LlvmListing& llvm, const Target& target,
                         const PageSubject& subject) {
  const Stages& stages = compiled.stages;
  StagePanels panels;
  for (const StageText& stage : side_by_side(stages)) panels.add(stage);
  panels.add(stage_of_llvm(llvm.text, llvm.places, stages.loops.sources));
  panels.add(stage_of_assembly(*compiled.listing));

  Json data;
  data["name"] = stages.loops.name;
  data["file"] = subject.file;
  data["command"] = subject.command;
  if (subject.measured)
    data["measured"] = {{"seconds", subject.measured->seconds},
                        {"peak_flops", subject.measured->peak_flops},
                        {"machine", subject.measured->machine}};
  data["target"] = json_of(target);
  data["report"] = compiler::json_of(compiled.report);
  data["panels"] = panels.panels();
  data["sets"] = panels.sets();
  data["names"] = panels.names();
  data["statements"] = Json::array();
  for (const ir::Statement& statement : stages.written.statements)
    data["statements"].push_back(stages.written.name_of(statement.results.front()));
  data["buffers"] = Json::array();
  for (const ir::Buffer& buffer : stages.loops.buffers)
    data["buffers"].push_back(json_of(buffer, stages));
  data["nest_buffers"] = Json::array();
  for (const ir::Buffer& buffer : stages.nests.buffers) data["nest_buffers"].push_back(buffer.name);
  data["nests"] = Json::array();
  for (const ir::Nest& nest : stages.nests.nests) data["nests"].push_back(json_of(nest));
  data["costs"] = costs_of(stages, target);
  data["parts"] = parts_of(stages);
  data["steps"] = steps_of(compiled);

  std::string html = inspect_page_template;
  constexpr std::string_view place = "@DATA@";
  const std::string text =
      data.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  html.replace(html.find(place), place.size(), inside_script(text));
  return html;
}

} // namespace volute::compiler
