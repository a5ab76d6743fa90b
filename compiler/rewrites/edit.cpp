#include "compiler/rewrites/edit.h"

#include "ir/tensor_data.h"

#include <fmt/format.h>

namespace volute::compiler {

using ir::Program;
using ir::Statement;
using ir::ValueId;

const ir::Const* constant(const Program& program, ValueId value) {
  const Statement* definition = program.definition(value);
  return definition ? std::get_if<ir::Const>(&definition->operation) : nullptr;
}

std::vector<double> numbers_of(const Program& program, ValueId value) {
  return ir::elements_of({program.type(value), *constant(program, value)->bytes});
}

ValueId add_value(Program& program, const std::string& name, ir::TensorType type, Location where) {
  std::string unused = name;
  for (int number = 2; program.find(unused); ++number) unused = fmt::format("{}_{}", name, number);
  program.values.push_back({unused, std::move(type), where});
  return static_cast<ValueId>(program.values.size()) - 1;
}

Statement constant_of(const Program& program, ValueId value, const std::vector<double>& numbers,
                      Location where) {
  ir::TensorData data = ir::tensor_of(program.type(value), numbers);
  auto bytes = std::make_shared<const std::vector<std::byte>>(std::move(data.bytes));
  return {{value}, ir::Const{std::move(bytes), ""}, {}, where};
}

void drop_unread_constants(Program& program) {
  std::vector<bool> is_read(program.values.size());
  for (ValueId id : program.outputs) is_read[static_cast<size_t>(id)] = true;
  for (const Statement& statement : program.statements)
    for (ValueId id : statement.operands) is_read[static_cast<size_t>(id)] = true;
  std::erase_if(program.statements, [&](const Statement& statement) {
    return std::holds_alternative<ir::Const>(statement.operation) &&
           !is_read[static_cast<size_t>(statement.results[0])];
  });
}

} // namespace volute::compiler
