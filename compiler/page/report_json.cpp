#include "compiler/page/report_json.h"

#include "compiler/target/target.h"

namespace volute::compiler {
namespace {

using Json = nlohmann::ordered_json;

Json json_of(const StatementForms& statement) {
  Json json;
  json["nest"] = statement.nest;
  json["chosen"] = statement.chosen;
  json["what"] = statement.sentence;
  if (!statement.why.empty()) json["why"] = statement.why;
  // In multiples of the error of a direct sum; 0: it is the direct sum's own.
  json["error_bound"] = statement.error;
  json["forms"] = Json::array();
  for (const FormReport& form : statement.forms) {
    Json one = {{"name", form.name}, {"error_bound", form.error}};
    if (form.cycles > 0) one["predicted_cycles"] = form.cycles;
    if (!form.refused.empty()) one["refused"] = form.refused;
    json["forms"].push_back(std::move(one));
  }
  return json;
}

} // namespace

Json json_of(const NestReport& nest) {
  Json json;
  json["name"] = nest.name;
  json["statements"] = nest.origin;
  json["schedule"] = nest.schedule;
  json["why"] = nest.why;
  json["predicted_cycles"] = nest.cycles;
  json["multiply_adds"] = nest.multiply_adds;
  json["executed_multiply_adds"] = nest.executed_multiply_adds;
  json["work_items"] = nest.work_items;
  json["register_tile"] = nest.register_tile;
  if (!nest.matrix_unit.empty()) json["matrix_unit"] = nest.matrix_unit;
  json["registers"] = {{"tile", nest.registers},
                       {"inner_step", nest.registers_needed},
                       {"available", nest.registers_available}};
  if (nest.spills)
    json["spills"] = {{"stores", nest.spills->stores}, {"reloads", nest.spills->reloads}};
  if (!nest.products.empty()) json["products"] = nest.products;
  json["packed"] = Json::array();
  for (const NestReport::Packed& packed : nest.packed)
    json["packed"].push_back({{"operand", packed.operand}, {"bytes", packed.bytes}});
  json["packed_bytes"] = nest.packed_bytes();
  json["code_bytes"] = nest.code_bytes;
  json["candidates"] = Json::array();
  for (const Candidate& candidate : nest.candidates)
    json["candidates"].push_back({{"schedule", candidate.schedule},
                                  {"predicted_cycles", candidate.cycles},
                                  {"bound", candidate.bound}});
  return json;
}

Json json_of(const Report& report) {
  const Expected<Target> target = parse_target(report.target);
  Json json;
  json["program"] = report.program;
  json["target"] = target ? short_text(*target) : report.target;
  if (!report.llvm.empty()) json["llvm"] = report.llvm;
  json["parameters"] = report.parameters;
  json["multiply_adds"] = report.multiply_adds;
  json["operations"] = 2 * report.multiply_adds;
  json["bytes"] = report.bytes;
  json["intensity"] = report.intensity();
  json["sizes"] = report.sizes;
  json["fusion"] = report.fusion;
  json["bands"] = report.bands;
  json["forms"] = Json::array();
  for (const StatementForms& statement : report.forms) json["forms"].push_back(json_of(statement));
  json["operators"] = report.operators;
  json["denormals"] = report.denormals;
  json["copies"] = Json::array();
  for (const Copy& copy : report.copies)
    json["copies"].push_back({{"of", copy.of}, {"bytes", copy.bytes}, {"why", copy.why}});
  json["nests"] = Json::array();
  for (const NestReport& nest : report.nests) json["nests"].push_back(json_of(nest));
  json["prepared"] = report.prepared;
  json["image"] = {{"code_bytes", report.text_bytes},
                   {"constant_bytes", report.constant_bytes},
                   {"workspace_bytes", report.workspace_bytes},
                   {"intermediate_bytes", report.intermediate_bytes},
                   {"thread_scratch_bytes", report.thread_scratch_bytes}};
  json["milliseconds"] = {{"lower", report.lower_ms},   {"emit", report.emit_ms},
                          {"object", report.object_ms}, {"link", report.link_ms},
                          {"total", report.total_ms()}, {"cpu", report.cpu_ms}};
  json["passes"] = Json::array();
  for (const PassTime& pass : report.passes)
    json["passes"].push_back(
        {{"name", pass.pass}, {"milliseconds", pass.ms}, {"verify_milliseconds", pass.verify_ms}});
  return json;
}

} // namespace volute::compiler
