#include "compiler/page/inspect_page.h"

#include "compiler/page/loops_json.h"
#include "compiler/page/nest_json.h"
#include "compiler/page/report_json.h"
#include "compiler/report/side_by_side.h"
#include "compiler/schedule/cost_model.h"
#include "compiler/schedule/parameters.h"
#include "ir/base64.h"
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
constexpr size_t most_value_bytes = size_t{1} << 24; // of a tensor that the page holds
constexpr size_t most_table_bytes = size_t{1} << 20;

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

/// The nests as they are evaluated, and the buffers that they read and write.
Json json_of(const ir::NestProgram& nests, const ir::Program& written) {
  Json json = {{"buffers", Json::array()}, {"nests", Json::array()}};
  for (const ir::Buffer& buffer : nests.buffers) {
    Json one = {{"name", buffer.name}, {"element", std::string(ir::to_string(buffer.element))}};
    const auto value = static_cast<size_t>(buffer.value);
    if (buffer.role == ir::Buffer::Role::intermediate && buffer.value >= 0 &&
        value < written.values.size())
      one["value"] = written.name_of(buffer.value);
    if (buffer.data && buffer.data->size() <= most_table_bytes)
      one["data"] = ir::base64(buffer.data->data(), buffer.data->size());
    json["buffers"].push_back(std::move(one));
  }
  for (const ir::Nest& nest : nests.nests) json["nests"].push_back(compiler::json_of(nest));
  return json;
}

std::string_view to_string(PageValue::Role role) {
  switch (role) {
  case PageValue::Role::input: return "input";
  case PageValue::Role::constant: return "constant";
  case PageValue::Role::on_the_way: return "value on the way";
  case PageValue::Role::output: return "result";
  }
  return "";
}

Json json_of(const PageValue& value) {
  const ir::TensorType& type = value.data.type;
  Json json = {{"name", value.name},
               {"role", std::string(to_string(value.role))},
               {"type", ir::to_string(type)},
               {"element", std::string(ir::to_string(type.element))},
               {"axes", axes_of(type)}};
  if (value.data.bytes.size() <= most_value_bytes)
    json["data"] = ir::base64(value.data.bytes.data(), value.data.bytes.size());
  else
    json["bytes"] = value.data.bytes.size();
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
  data["meaning"] = json_of(subject.meaning ? *subject.meaning : stages.nests, stages.written);
  if (!subject.values.empty()) {
    data["computed_on"] = subject.computed_on;
    data["values"] = Json::array();
    for (const PageValue& value : subject.values) data["values"].push_back(json_of(value));
  }
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
