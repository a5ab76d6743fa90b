#include "compiler/lower/nest_builder.h"

#include "ir/number.h"
#include "ir/operators.h"
#include "ir/walk.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace volute::compiler {

using ir::Affine;
using ir::Axis;
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

ElementType computed_in(ElementType element) {
  return element == ElementType::f16 || element == ElementType::bf16 ? ElementType::f32 : element;
}

Expr converted(ElementType to, const Expr& value) {
  return value->type == to ? value : ir::convert_to(to, value);
}

Expr computed(const Expr& value) { return converted(computed_in(value->type), value); }

Expr number(int64_t value, ElementType type) {
  return is_float(type) ? ir::imm(static_cast<double>(value), type) : ir::imm_integer(value, type);
}

// ---- where values live ------------------------------------------------------------------------

Lowering::Lowering(const ir::Program& lowered, const LowerOptions& lower_options)
    : program(lowered), options(lower_options), uses(lowered),
      buffer_of_(lowered.values.size(), -1) {
  nests.name = program.name;
  const auto add = [&](ValueId id, Buffer::Role role) {
    const TensorType& type = program.type(id);
    int32_t& buffer = buffer_of_[static_cast<size_t>(id)];
    // A returned constant lives in a table, and an input or a value returned twice has its buffer.
    if (buffer < 0 && !constant(id)) buffer = static_cast<int32_t>(nests.buffers.size());
    int64_t elements = type.elements() > 0 ? 1 : 0;
    for (const ir::Dim& dim : dims_of_output(id))
      if (elements) elements += (dim.extent.number() - 1) * dim.stride.number();
    nests.buffers.push_back({program.name_of(id), role, type.element, elements, type, nullptr});
  };
  for (ValueId id : program.inputs) add(id, Buffer::Role::input);
  for (ValueId id : program.outputs) add(id, Buffer::Role::output);
}

namespace {

std::vector<ir::Dim> dense(const TensorType& type) {
  std::vector<int64_t> extents;
  for (const ir::Extent& extent : type.extents) extents.push_back(extent.size);
  return ir::contiguous(extents);
}

} // namespace

std::vector<ir::Dim> Lowering::dims(ValueId value) const {
  return constant(value) ? dense(program.type(value)) : dims_of_output(value);
}

std::vector<ir::Dim> Lowering::dims_of_output(ValueId value) const {
  std::vector<ir::Dim> dims = dense(program.type(value));
  const bool is_callers = !uses.definition(value) || uses.is_returned(value);
  const auto given = options.strides.find(program.name_of(value));
  if (given != options.strides.end() && is_callers)
    for (size_t i = 0; i < dims.size(); ++i) dims[i].stride = given->second.at(i);
  return dims;
}

const ir::Const* Lowering::constant(ValueId value) const { return uses.constant(value); }

/// A narrow float that only an element-wise statement reads is not rounded, so it is stored wide
/// where it is stored at all.
ElementType Lowering::stored_as(ValueId value) const {
  const ElementType element = program.type(value).element;
  const std::vector<const ir::Statement*>& readers = uses.readers(value);
  if (computed_in(element) == element || readers.size() != 1) return element;
  if (uses.is_returned(value)) return element;
  const ir::OperatorTraits& reader = traits_of(readers.front()->operation);
  return reader.elementwise && !reader.copies ? computed_in(element) : element;
}

int32_t Lowering::buffer(ValueId value) {
  int32_t& buffer = buffer_of_[static_cast<size_t>(value)];
  if (buffer >= 0) return buffer;
  const ir::Const* data = constant(value);
  buffer = intermediate(spoken(program.name_of(value)),
                        data ? program.type(value).element : stored_as(value),
                        program.type(value).elements());
  if (!data && stored_as(value) == program.type(value).element) nests.buffers.back().value = value;
  if (data) {
    nests.buffers.back().role = Buffer::Role::table;
    nests.buffers.back().data = data->bytes;
  }
  return buffer;
}

int32_t Lowering::intermediate(std::string name, ElementType element, int64_t elements) {
  nests.buffers.push_back(
      {std::move(name), Buffer::Role::intermediate, element, elements, std::nullopt, nullptr});
  return static_cast<int32_t>(nests.buffers.size()) - 1;
}

Lowering::Memory Lowering::memory(const std::string& name, ElementType element,
                                  const std::vector<int64_t>& extents) {
  return memory(name, element, extents, extents.back());
}

Lowering::Memory Lowering::memory(const std::string& name, ElementType element,
                                  std::vector<int64_t> extents, int64_t apart) {
  const int64_t row = std::exchange(extents.back(), apart);
  int64_t elements = 1;
  for (const int64_t extent : extents) elements *= extent;
  Memory made{name, intermediate(name, element, elements), ir::contiguous(extents)};
  made.dims.back().extent = row;
  return made;
}

int32_t Lowering::table(std::string name, ElementType element, const std::vector<double>& numbers) {
  const auto size = static_cast<size_t>(size_of(element));
  auto bytes = std::make_shared<std::vector<std::byte>>(numbers.size() * size);
  for (size_t i = 0; i < numbers.size(); ++i)
    if (is_float(element))
      ir::write_real(bytes->data() + i * size, element, numbers[i]);
    else
      ir::write_integer(bytes->data() + i * size, element, static_cast<int64_t>(numbers[i]));
  const int32_t buffer = intermediate(std::move(name), element, std::ssize(numbers));
  nests.buffers.back().role = Buffer::Role::table;
  nests.buffers.back().data = std::move(bytes);
  return buffer;
}

void require_table(const ir::Statement& statement, int64_t entries, int64_t numbers) {
  constexpr int64_t most_entries = int64_t{1} << 24;
  if (entries <= most_entries / std::max<int64_t>(numbers, 1)) return;
  if (__builtin_mul_overflow(entries, numbers, &entries))
    entries = std::numeric_limits<int64_t>::max();
  throw Error({Diagnostic{statement.where, std::string(ir::name(statement.operation)),
                          fmt::format("its kernel would carry a table of {} entries, more than {}",
                                      entries, most_entries),
                          "cut the axis into several tensors"}});
}

std::string Lowering::unique(const std::string& nest_name) {
  std::string name = nest_name;
  for (int number = 2; !nest_names_.insert(name).second; ++number)
    name = fmt::format("{}_{}", nest_name, number);
  return name;
}

// ---- a nest in the making ---------------------------------------------------------------------

NestBuilder::NestBuilder(Lowering& whole, const std::string& nest_name) : lowering(whole) {
  nest.name = lowering.unique(nest_name);
}

namespace {

ir::AxisRole role_of(Axis axis) {
  if (axis == Axis::n) return ir::AxisRole::batch;
  return is_spatial(axis) ? ir::AxisRole::space : ir::AxisRole::channel;
}

} // namespace

Affine NestBuilder::add_axis(ir::AxisRole role, const std::string& name, int64_t extent,
                             const Boundaries& cuts, bool reduction) {
  Affine position;
  int64_t left = extent, digits = 0;
  const auto add = [&](int64_t inner) {
    const ir::Var var{static_cast<int32_t>(nest.vars.size())};
    nest.vars.push_back(digits ? fmt::format("{}{}", name, digits) : name);
    nest.axes.push_back({var, left / inner, reduction, role, inner});
    position += Affine(var) * inner;
    left = inner;
    ++digits;
  };
  for (auto cut = cuts.rbegin(); cut != cuts.rend(); ++cut)
    if (left % *cut == 0 && *cut < left) add(*cut);
  add(1);
  return position;
}

Affine NestBuilder::parallel(Axis axis, int64_t extent, const Boundaries& cuts) {
  return add_axis(role_of(axis), std::string(1, ir::to_char(axis)), extent, cuts, false);
}

Affine NestBuilder::reduce(Axis axis, int64_t extent, const Boundaries& cuts) {
  return add_axis(role_of(axis), std::string(1, ir::to_char(axis)), extent, cuts, true);
}

Affine NestBuilder::parallel_groups(int64_t extent, const Boundaries& cuts) {
  return add_axis(ir::AxisRole::group, "g", extent, cuts, false);
}

Affine NestBuilder::parallel_residues(Axis axis, int64_t extent) {
  return add_axis(ir::AxisRole::residue, fmt::format("r{}", ir::to_char(axis)), extent, {}, false);
}

Affine NestBuilder::reduce_taps(Axis axis, int64_t extent) {
  return add_axis(ir::AxisRole::tap, fmt::format("k{}", ir::to_char(axis)), extent, {}, true);
}

void NestBuilder::constrain(const Affine& position, int64_t extent) {
  int64_t least = position.constant_term(), most = position.constant_term();
  for (const ir::NestAxis& axis : nest.axes) {
    const int64_t reach = position.coefficient(axis.var) * (axis.extent.number() - 1);
    (reach < 0 ? least : most) += reach;
  }
  if (least < 0 || most >= extent) nest.constraints.push_back({position, extent});
}

Affine NestBuilder::parallel(ir::AxisRole role, const std::string& name, int64_t extent) {
  return add_axis(role, name, extent, {}, false);
}

Affine NestBuilder::reduce(ir::AxisRole role, const std::string& name, int64_t extent) {
  return add_axis(role, name, extent, {}, true);
}

int32_t NestBuilder::view(std::string name, int32_t buffer, const std::vector<ir::Dim>& dims) {
  for (size_t i = 0; i < nest.operands.size(); ++i)
    if (nest.operands[i].buffer == buffer && nest.operands[i].dims == dims)
      return static_cast<int32_t>(i);
  const Buffer& memory = lowering.nests.buffers[static_cast<size_t>(buffer)];
  nest.operands.push_back({std::move(name), buffer, memory.element, dims});
  return static_cast<int32_t>(nest.operands.size()) - 1;
}

int32_t NestBuilder::operand(ValueId value) {
  return view(spoken(lowering.program.name_of(value)), lowering.buffer(value),
              lowering.dims(value));
}

Index NestBuilder::index(const TensorType& type, const Coordinates& where) const {
  const auto extent_of = [&](ir::Var var) {
    for (const ir::NestAxis& axis : nest.axes)
      if (axis.var == var) return axis.extent.number();
    throw InternalError(fmt::format("nest {}: a position over no axis of it", nest.name));
  };
  Index index(type.extents.size(), ir::Subscript(0));
  for (Axis axis : type.axes()) {
    const int parts = type.parts(axis);
    int64_t inner = 1;
    int part = 0; // from the innermost
    for (size_t i = type.extents.size(); i-- > 0;) {
      if (type.extents[i].axis != axis) continue;
      const bool most_significant = ++part == parts;
      if (parts == 1) {
        index[i] = where[axis];
        continue;
      }
      const auto at = digit(where[axis], inner, type.extents[i].size, most_significant, extent_of);
      if (!at)
        throw InternalError(fmt::format("nest {}: the parts of axis {} of {} do not follow from {}",
                                        nest.name, ir::to_char(axis), to_string(type),
                                        to_string(where[axis], nest.vars)));
      index[i] = *at;
      inner *= type.extents[i].size;
    }
  }
  return index;
}

namespace {

/// A dimension of stride 0 is one element seen as many: the one is read, so that an access which
/// goes nowhere in memory does not seem to move.
Expr read_at(const ir::View& view, int32_t operand, Index index) {
  for (size_t i = 0; i < index.size(); ++i)
    if (view.dims[i].stride == Affine(0)) index[i] = 0;
  return ir::read(view.element, operand, std::move(index));
}

} // namespace

Expr NestBuilder::read(ValueId id, const Coordinates& where) {
  const int32_t from = operand(id);
  return read_at(nest.operands[static_cast<size_t>(from)], from,
                 index(lowering.program.type(id), where));
}

Expr NestBuilder::read_through(ValueId id, const Coordinates& where,
                               const std::array<int32_t, 7>& tables) {
  const TensorType& type = lowering.program.type(id);
  const int32_t from = operand(id);
  Index subscripts = index(type, where);
  for (size_t i = 0; i < subscripts.size(); ++i)
    subscripts[i].table = tables[static_cast<size_t>(type.extents[i].axis)];
  return read_at(nest.operands[static_cast<size_t>(from)], from, std::move(subscripts));
}

Expr NestBuilder::read(std::string name, int32_t buffer, const std::vector<ir::Dim>& dims,
                       Index subscripts) {
  const int32_t from = view(std::move(name), buffer, dims);
  return ir::read(nest.operands[static_cast<size_t>(from)].element, from, std::move(subscripts));
}

Expr NestBuilder::read(const Lowering::Memory& from, Index subscripts) {
  return read(from.name, from.buffer, from.dims, std::move(subscripts));
}

Expr NestBuilder::read_vector(int32_t buffer, const Affine& where) {
  const Buffer& memory = lowering.nests.buffers[static_cast<size_t>(buffer)];
  const int32_t from = view(memory.name, buffer, ir::contiguous({memory.elements}));
  return ir::read(memory.element, from, {where});
}

Expr NestBuilder::accumulate(Expr initial, const std::function<Expr(Expr)>& update) {
  const auto id = static_cast<int32_t>(nest.accumulators.size());
  const ElementType type = initial->type;
  const Expr so_far = ir::acc(type, id);
  nest.accumulators.push_back(
      {id ? fmt::format("acc{}", id) : "acc", type, std::move(initial), update(so_far)});
  if (id == 0) value = so_far;
  return so_far;
}

void NestBuilder::write(std::string name, ValueId id, const Expr& element) {
  write(std::move(name), lowering.buffer(id), lowering.dims(id),
        index(lowering.program.type(id), at), element);
}

void NestBuilder::write(std::string name, int32_t buffer, const std::vector<ir::Dim>& dims,
                        Index subscripts, const Expr& element) {
  const int32_t to = view(std::move(name), buffer, dims);
  const ElementType stored = nest.operands[static_cast<size_t>(to)].element;
  const bool rounds = stored == ElementType::bf16 && element->type == ElementType::f32;
  nest.writes.push_back(
      {to, std::move(subscripts),
       flushes && rounds ? ir::flushed_bf16(element) : converted(stored, element)});
}

void NestBuilder::write(const Lowering::Memory& to, Index subscripts, const Expr& element) {
  write(to.name, to.buffer, to.dims, std::move(subscripts), element);
}

void NestBuilder::write_vector(int32_t buffer, const Affine& where, const Expr& element) {
  const Buffer& memory = lowering.nests.buffers[static_cast<size_t>(buffer)];
  const int32_t to = view(memory.name, buffer, ir::contiguous({memory.elements}));
  nest.writes.push_back({to, {where}, converted(memory.element, element)});
}

void NestBuilder::is_of(size_t statement) {
  ir::SourceGiver give(static_cast<ir::SourceId>(statement));
  ir::for_each_expression(nest, [&](Expr& e) { e = give(e); });
  value = give(value);
}

void NestBuilder::finish() {
  if (!nest.statements.empty()) is_of(nest.statements.front());
  lowering.nests.nests.push_back(std::move(nest));
}

} // namespace volute::compiler
