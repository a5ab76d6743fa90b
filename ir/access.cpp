#include "ir/access.h"

#include "ir/diagnostic.h"
#include "ir/number.h"

#include <fmt/format.h>

#include <algorithm>

namespace volute::ir {
namespace {

[[noreturn]] void refuse(const std::string& message) {
  throw InternalError("evaluate: " + message);
}

} // namespace

Access::Access(const AccessContext& context, int32_t view_id, const Index& index, int32_t lane_dim,
               int64_t lane_step)
    : values_(&context.values) {
  if (view_id < 0 || static_cast<size_t>(view_id) >= context.views.size())
    refuse(fmt::format("view {} of {} does not exist", view_id, context.views.size()));
  const View& view = context.views[static_cast<size_t>(view_id)];
  if (view.buffer < 0 || static_cast<size_t>(view.buffer) >= context.memory.size())
    refuse(fmt::format("{}: buffer {} of {} does not exist", view.name, view.buffer,
                       context.memory.size()));
  if (index.size() != view.dims.size())
    refuse(fmt::format("{}: {} subscripts for {} dimensions", view.name, index.size(),
                       view.dims.size()));
  if (lane_dim >= static_cast<int32_t>(view.dims.size()))
    refuse(
        fmt::format("{}: lanes along dimension {} of {}", view.name, lane_dim, view.dims.size()));
  name_ = view.name;
  type_ = view.element;
  buffer_ = view.buffer, watch_ = context.watch;
  bytes_ = &context.memory[static_cast<size_t>(view.buffer)];

  const size_t variables = context.values.size();
  Affine offset;
  for (size_t i = 0; i < index.size(); ++i) {
    const int64_t stride = Linear(view.dims[i].stride, variables)(context.values);
    if (static_cast<int32_t>(i) == lane_dim) lane_stride_ = stride * lane_step;
    const int32_t table = index[i].table;
    if (table < 0) {
      offset += index[i].at * stride;
    } else if (static_cast<size_t>(table) < context.tables.size()) {
      looked_.push_back(
          {&context.tables[static_cast<size_t>(table)], Linear(index[i].at, variables), stride});
    } else {
      refuse(fmt::format("{}: table {} of {} does not exist", view.name, table,
                         context.tables.size()));
    }
  }
  offset_ = Linear(offset, variables);
}

void Access::locate() {
  base_ = offset_(*values_);
  for (const Looked& looked : looked_) {
    const int64_t at = looked.at(*values_);
    if (at < 0 || static_cast<size_t>(at) >= looked.table->size())
      refuse(fmt::format("{}: entry {} of a table of {}", name_, at, looked.table->size()));
    base_ += looked.stride * (*looked.table)[static_cast<size_t>(at)];
  }
}

std::byte* Access::element(int64_t lane, int64_t behind) const {
  const int64_t at = base_ + lane * lane_stride_ + behind;
  const int64_t elements = static_cast<int64_t>(bytes_->size()) / size_of(type_);
  if (at < 0 || at >= elements)
    refuse(fmt::format("{}: element {} of a buffer of {}", name_, at, elements));
  if (watch_) (*watch_)(buffer_, at * size_of(type_));
  return bytes_->data() + at * size_of(type_);
}

Scalar Access::read(int64_t lane) const {
  const std::byte* at = element(lane);
  return is_float(type_) ? Scalar{read_real(at, type_), 0} : Scalar{0, read_integer(at, type_)};
}

void Access::write(Scalar value, int64_t lane) const { write(element(lane), value); }

void Access::scatter(Scalar value, int64_t offset, int64_t extent,
                     const std::string& subject) const {
  if (offset < 0 || offset >= extent)
    throw Error(
        {Diagnostic{{}, subject, fmt::format("index {} is outside 0..{}", offset, extent), ""}});
  write(element(0, offset), value);
}

void Access::write(std::byte* at, Scalar value) const {
  if (is_float(type_))
    write_real(at, type_, value.real);
  else
    write_integer(at, type_, value.integer);
}

std::vector<int64_t> initial_values(const std::vector<std::string>& names,
                                    const std::vector<ParameterVar>& parameters,
                                    const std::vector<Parameter>& program_parameters,
                                    const std::vector<int64_t>& given) {
  std::vector<int64_t> values(names.size(), 0);
  for (const ParameterVar& parameter : parameters) {
    const auto id = static_cast<size_t>(parameter.var.id);
    if (parameter.var.id < 0 || id >= names.size())
      refuse(fmt::format("parameter {} of {} variables does not exist", parameter.var.id,
                         names.size()));
    const auto found = std::find_if(program_parameters.begin(), program_parameters.end(),
                                    [&](const Parameter& p) { return p.name == names[id]; });
    const auto at = static_cast<size_t>(found - program_parameters.begin());
    if (at >= given.size())
      throw Error({Diagnostic{{},
                              "evaluate",
                              fmt::format("parameter {} has no value", names[id]),
                              fmt::format("{} values were given", given.size())}});
    if (const auto fault = fault_in({names[id], parameter.range}, given[at]))
      throw Error({Diagnostic{{}, "evaluate", "parameter " + *fault, ""}});
    values[id] = given[at];
  }
  return values;
}

} // namespace volute::ir
