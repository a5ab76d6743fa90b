#include "compiler/specialise/pack.h"

#include "compiler/nests/weight_expression.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace volute::compiler {

using namespace ir;

std::vector<int64_t> PackedLayout::extents() const {
  std::vector<int64_t> result;
  for (const Dimension& d : dimensions) result.push_back(d.count);
  return result;
}

namespace {

bool depends(const Read& read, Var axis) {
  return std::any_of(read.index.begin(), read.index.end(),
                     [&](const Subscript& s) { return s.at.depends_on(axis); });
}

/// The name, with a number when it is taken: two loops may tile one axis.
std::string unused_name(const std::vector<std::string>& taken, const std::string& name) {
  std::string numbered = name;
  for (int i = 2; std::find(taken.begin(), taken.end(), numbered) != taken.end(); ++i)
    numbered = fmt::format("{}{}", name, i);
  return numbered;
}

} // namespace

Expr packed_expression(const Nest& nest, const Schedule& schedule) {
  if (!schedule.loops.empty() && schedule.loops.back().dot)
    return dot_form(nest, nest.axis(schedule.loops.back().axis)->var).value().weight;
  return weight_expression(nest);
}

PackedLayout packed_layout(const Nest& nest, const Schedule& schedule) {
  const Expr weight = weight_expression(nest);
  const Read& read = weight_read(weight, nest.weight);
  PackedLayout layout;
  std::map<std::string, int64_t> left; // extent of an axis inside the loops so far
  for (size_t i = 0; i < schedule.loops.size(); ++i) {
    const LoopDirective& loop = schedule.loops[i];
    const NestAxis& axis = *nest.axis(loop.axis);
    if (!depends(read, axis.var)) continue;
    const int64_t extent = left.try_emplace(loop.axis, axis.extent.number()).first->second;
    layout.dimensions.push_back(
        {loop.axis, ceil_div(extent, loop.by), loop.by, static_cast<int32_t>(i)});
    left[loop.axis] = loop.by;
  }
  const auto add_registers = [&](bool vectors) { // lanes are neighbours, so vectors come last
    for (const RegisterDirective& r : schedule.registers) {
      if ((r.lanes > 0) != vectors || !depends(read, nest.axis(r.axis)->var)) continue;
      const int64_t lanes = std::max<int64_t>(r.lanes, 1);
      layout.dimensions.push_back({r.axis, ceil_div(r.size, lanes) * lanes, 1, -1});
    }
  };
  add_registers(false);
  add_registers(true);
  if (!schedule.loops.empty() && schedule.loops.back().dot) {
    const LoopDirective& last = schedule.loops.back();
    layout.group = last.dot;
    layout.dimensions.push_back({last.axis, last.dot, 1, -1});
  }
  return layout;
}

Packing make_packing(const Nest& nest, const Expr& weight, const PackedLayout& layout,
                     int32_t packed_buffer) {
  const Read& read = weight_read(weight, nest.weight);
  const View& source = nest.operands[static_cast<size_t>(nest.weight)];

  Packing packing;
  Nest& copy = packing.nest;
  copy.name = fmt::format("pack_{}", source.name);
  copy.origin = fmt::format("the weight %{} of {}", source.name, nest.name);
  copy.kind = NestKind::pack;
  copy.statements = nest.statements;
  copy.packs = packed_buffer;

  View packed{source.name + "_packed", packed_buffer, weight->type, contiguous(layout.extents())};
  Index to;
  std::map<std::string, Affine> value; // of the nest's axes, by the copy's
  for (const PackedLayout::Dimension& d : layout.dimensions) {
    const Var var{static_cast<int32_t>(copy.vars.size())};
    const std::string name = d.loop < 0 ? d.axis + "_in" : d.step > 1 ? d.axis + "_t" : d.axis;
    copy.vars.push_back(unused_name(copy.vars, name));
    copy.axes.push_back({var, d.count, false, nest.axis(d.axis)->role, d.step});
    to.emplace_back(Affine(var));
    value[d.axis] += Affine(var) * d.step;
  }
  Index index;
  for (const Subscript& s : read.index) {
    Affine at = s.at.constant_term();
    for (const Affine::Term& term : s.at.terms()) {
      const auto known = value.find(nest.vars[static_cast<size_t>(term.var.id)]);
      if (known != value.end()) at += known->second * term.coefficient; // else: an axis of extent 1
    }
    index.emplace_back(std::move(at));
  }
  // Padding of the last tile: points whose axis value lies beyond the axis.
  for (const auto& [name, at] : value) {
    const int64_t extent = nest.axis(name)->extent.number();
    int64_t largest = 0;
    for (const PackedLayout::Dimension& d : layout.dimensions)
      if (d.axis == name) largest += (d.count - 1) * d.step;
    if (largest >= extent) copy.constraints.push_back({at, extent});
  }
  copy.operands = {packed, source};
  const Expr element = rewrite(weight, [&](const Expr& node) {
    return std::holds_alternative<Read>(node->is) ? ir::read(node->type, 1, index) : node;
  });
  copy.accumulators.push_back({"value", weight->type, imm(0, weight->type), element});
  copy.writes.push_back({0, to, acc(weight->type, 0)});

  int64_t elements = 1;
  for (int64_t extent : layout.extents()) elements *= extent;
  packing.buffer = {packed.name,  Buffer::Role::packed, weight->type, elements,
                    std::nullopt, source.buffer,        nullptr};
  return packing;
}

} // namespace volute::compiler
