#include "bench/doubles.h"

#include "ir/reference.h"

#include <map>
#include <string>

namespace volute::bench {

using namespace ir;

TensorType in_doubles(TensorType type) {
  type.element = ElementType::f64;
  return type;
}

Expected<TensorData> apply_as(const Operation& operation, const std::vector<TensorData>& operands,
                              const TensorType& result) {
  Program program;
  program.name = "bound";
  std::map<std::string, const TensorData*> inputs;
  Statement statement{{}, operation, {}, {}};
  for (const TensorData& operand : operands) {
    const auto id = static_cast<ValueId>(program.values.size());
    program.values.push_back({"x" + std::to_string(id), operand.type, {}});
    program.inputs.push_back(id);
    statement.operands.push_back(id);
    inputs[program.values.back().name] = &operand;
  }
  const auto id = static_cast<ValueId>(program.values.size());
  program.values.push_back({"y", result, {}});
  statement.results = {id};
  program.outputs = {id};
  program.statements.push_back(std::move(statement));
  Expected<std::map<std::string, TensorData>> results = evaluate(program, inputs);
  if (!results) return results.failure();
  const TensorData& y = results->at("y");
  return tensor_of(in_doubles(y.type), elements_of(y));
}

} // namespace volute::bench
