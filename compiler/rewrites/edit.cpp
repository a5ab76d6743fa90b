#include "compiler/rewrites/edit.h"

#include "ir/def_use.h"
#include "ir/tensor_data.h"

#include <iterator>
#include <utility>

namespace volute::compiler {

using ir::Program;
using ir::Statement;
using ir::ValueId;

namespace {

size_t at(ValueId id) { return static_cast<size_t>(id); }

} // namespace

const ir::Const* constant(const Program& program, ValueId value) {
  const Statement* definition = program.definition(value);
  return definition ? std::get_if<ir::Const>(&definition->operation) : nullptr;
}

std::vector<double> numbers_of(const Program& program, ValueId value) {
  return ir::elements_of({program.type(value), *constant(program, value)->bytes});
}

void drop_unread_constants(Program& program) {
  std::vector<bool> is_read(program.values.size());
  for (ValueId id : program.outputs) is_read[at(id)] = true;
  for (const Statement& statement : program.statements)
    for (ValueId id : statement.operands) is_read[at(id)] = true;
  std::erase_if(program.statements, [&](const Statement& statement) {
    return std::holds_alternative<ir::Const>(statement.operation) &&
           !is_read[at(statement.results[0])];
  });
}

Edit::Edit(const Program& program)
    : program_(program), made_at_(program.values.size()), is_input_(program.values.size(), true) {
  for (const ir::Value& value : program.values) names_.take(value.name);
  const ir::DefUse uses(program);
  for (size_t i = 0; i < program.values.size(); ++i)
    uses_.push_back(uses.uses(static_cast<ValueId>(i)));
  for (size_t s = 0; s < program.statements.size(); ++s) {
    in_place_of_.push_back({program.statements[s]});
    for (const ValueId id : program.statements[s].results)
      made_at_[at(id)] = {s, 0}, is_input_[at(id)] = false;
  }
}

const Statement* Edit::definition(ValueId id) const {
  if (is_input_[at(id)]) return nullptr;
  const Place& place = made_at_[at(id)];
  return &in_place_of_[place.statement][place.index];
}

const ir::Const* Edit::constant(ValueId id) const {
  const Statement* made = definition(id);
  return made ? std::get_if<ir::Const>(&made->operation) : nullptr;
}

std::vector<double> Edit::numbers_of(ValueId id) const {
  return ir::elements_of({type(id), *constant(id)->bytes});
}

ValueId Edit::add_value(const std::string& name, ir::TensorType type, Location where) {
  program_.values.push_back({names_.unused(name), std::move(type), where});
  made_at_.emplace_back();
  is_input_.push_back(true);
  uses_.push_back(0);
  return static_cast<ValueId>(program_.values.size()) - 1;
}

Statement Edit::constant_of(ValueId value, const std::vector<double>& numbers,
                            Location where) const {
  ir::TensorData data = ir::tensor_of(type(value), numbers);
  auto bytes = std::make_shared<const std::vector<std::byte>>(std::move(data.bytes));
  return {{value}, ir::Const{std::move(bytes), ""}, {}, where};
}

void Edit::replace(ValueId made, std::vector<Statement> by) {
  const Place place = made_at_[at(made)];
  std::vector<Statement>& here = in_place_of_[place.statement];
  const auto old = here.begin() + static_cast<std::ptrdiff_t>(place.index);
  here.insert(here.erase(old), std::make_move_iterator(by.begin()),
              std::make_move_iterator(by.end()));
  for (size_t i = 0; i < here.size(); ++i)
    for (const ValueId id : here[i].results)
      made_at_[at(id)] = {place.statement, i}, is_input_[at(id)] = false;
}

Program Edit::finish() {
  program_.statements.clear();
  for (std::vector<Statement>& statements : in_place_of_)
    for (Statement& statement : statements) program_.statements.push_back(std::move(statement));
  drop_unread_constants(program_);
  return std::move(program_);
}

} // namespace volute::compiler
