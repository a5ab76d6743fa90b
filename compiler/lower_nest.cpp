#include "compiler/lower_nest.h"

#include <fmt/format.h>

#include <cstring>

namespace volute::compiler {

using ir::Affine;
using ir::Buffer;
using ir::ElementType;
using ir::Expr;
using ir::Index;
using ir::TensorType;
using ir::ValueId;

std::string spoken(const std::string& value_name) {
  const bool is_number = !value_name.empty() && value_name[0] >= '0' && value_name[0] <= '9';
  return is_number ? "%" + value_name : value_name;
}

// ---- where values live ------------------------------------------------------------------------

Lowering::Lowering(const ir::Program& lowered)
    : program(lowered), buffer_of_(lowered.values.size(), -1) {
  nests.name = program.name;
  const auto add = [&](ValueId id, Buffer::Role role) {
    const TensorType& type = program.type(id);
    int32_t& buffer = buffer_of_[static_cast<size_t>(id)];
    // A returned constant lives in a table, and an input or a value returned twice has its buffer.
    if (buffer < 0 && !constant(id)) buffer = static_cast<int32_t>(nests.buffers.size());
    nests.buffers.push_back(
        {program.name_of(id), role, type.element, type.elements(), type, -1, nullptr});
  };
  for (ValueId id : program.inputs) add(id, Buffer::Role::input);
  for (ValueId id : program.outputs) add(id, Buffer::Role::output);
}

const ir::Const* Lowering::constant(ValueId value) const {
  const ir::Statement* definition = program.definition(value);
  return definition ? std::get_if<ir::Const>(&definition->operation) : nullptr;
}

int32_t Lowering::buffer(ValueId value) {
  int32_t& buffer = buffer_of_[static_cast<size_t>(value)];
  if (buffer >= 0) return buffer;
  const int64_t elements = program.type(value).elements();
  buffer = intermediate(spoken(program.name_of(value)), elements);
  if (const ir::Const* data = constant(value)) {
    nests.buffers.back().role = Buffer::Role::table;
    nests.buffers.back().data = data->bytes;
  }
  return buffer;
}

int32_t Lowering::intermediate(std::string name, int64_t elements) {
  nests.buffers.push_back({std::move(name), Buffer::Role::intermediate, ElementType::f32, elements,
                           std::nullopt, -1, nullptr});
  return static_cast<int32_t>(nests.buffers.size()) - 1;
}

int32_t Lowering::table(std::string name, const std::vector<float>& elements) {
  auto bytes = std::make_shared<std::vector<std::byte>>(elements.size() * sizeof(float));
  if (!elements.empty()) std::memcpy(bytes->data(), elements.data(), bytes->size());
  const int32_t buffer = intermediate(std::move(name), static_cast<int64_t>(elements.size()));
  nests.buffers.back().role = Buffer::Role::table;
  nests.buffers.back().data = std::move(bytes);
  return buffer;
}

std::string Lowering::unique(const std::string& nest_name) {
  std::string name = nest_name;
  for (int number = 2; !nest_names_.insert(name).second; ++number)
    name = fmt::format("{}_{}", nest_name, number);
  return name;
}

// ---- a nest in the making ---------------------------------------------------------------------

namespace {

Index index_of(const TensorType& type, const Coordinates& where) {
  Index index;
  for (const ir::Extent& extent : type.extents) index.emplace_back(where[extent.axis]);
  return index;
}

std::vector<int64_t> extents_of(const TensorType& type) {
  std::vector<int64_t> extents;
  for (const ir::Extent& extent : type.extents) extents.push_back(extent.size);
  return extents;
}

} // namespace

NestBuilder::NestBuilder(Lowering& whole, const std::string& nest_name) : lowering(whole) {
  nest.name = lowering.unique(nest_name);
}

Affine NestBuilder::add_axis(std::string name, int64_t extent, bool reduction) {
  const ir::Var var{static_cast<int32_t>(nest.vars.size())};
  nest.vars.push_back(std::move(name));
  nest.axes.push_back({var, extent, reduction});
  return var;
}

Affine NestBuilder::parallel(std::string name, int64_t extent) {
  return add_axis(std::move(name), extent, false);
}

Affine NestBuilder::reduce(std::string name, int64_t extent) {
  return add_axis(std::move(name), extent, true);
}

void NestBuilder::constrain(const Affine& position, int64_t extent, int64_t least, int64_t most) {
  if (least < 0 || most >= extent) nest.constraints.push_back({position, extent});
}

int32_t NestBuilder::view(std::string name, int32_t buffer, const std::vector<int64_t>& extents) {
  for (size_t i = 0; i < nest.operands.size(); ++i)
    if (nest.operands[i].buffer == buffer) return static_cast<int32_t>(i);
  nest.operands.push_back({std::move(name), buffer, ElementType::f32, ir::contiguous(extents)});
  return static_cast<int32_t>(nest.operands.size()) - 1;
}

int32_t NestBuilder::operand(ValueId value) {
  const ir::Program& program = lowering.program;
  return view(spoken(program.name_of(value)), lowering.buffer(value),
              extents_of(program.type(value)));
}

Expr NestBuilder::read(ValueId id, const Coordinates& where) {
  const TensorType& type = lowering.program.type(id);
  return ir::read(ElementType::f32, operand(id), index_of(type, where));
}

Expr NestBuilder::read_vector(int32_t buffer, int64_t extent, const Affine& where) {
  const std::string name = lowering.nests.buffers[static_cast<size_t>(buffer)].name;
  return ir::read(ElementType::f32, view(name, buffer, {extent}), {where});
}

void NestBuilder::accumulate(Expr initial, Expr update) {
  nest.accumulators.push_back({"acc", ElementType::f32, std::move(initial), std::move(update)});
  value = ir::acc(ElementType::f32, 0);
}

void NestBuilder::write(int32_t operand, Index index) {
  nest.writes.push_back({operand, std::move(index), value});
  lowering.nests.nests.push_back(std::move(nest));
}

void NestBuilder::finish(std::string name, int32_t buffer, const TensorType& type) {
  write(view(std::move(name), buffer, extents_of(type)), index_of(type, at));
}

void NestBuilder::finish_vector(int32_t buffer, int64_t extent, const Affine& where) {
  const std::string name = lowering.nests.buffers[static_cast<size_t>(buffer)].name;
  write(view(name, buffer, {extent}), {where});
}

} // namespace volute::compiler
