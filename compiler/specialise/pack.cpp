#include "compiler/specialise/pack.h"

#include "compiler/nests/unused_name.h"
#include "compiler/nests/weight_expression.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace volute::compiler {

using namespace ir;

Expr packed_expression(const Nest& nest, const Plan& plan, const PackedLayout& layout) {
  return layout.group > 1 ? plan.instruction.dot->weight : part_of_operand(nest, layout.operand);
}

Packing make_packing(const Nest& nest, const Expr& part, const PackedLayout& layout,
                     int32_t packed_buffer) {
  const Read& read = read_in_part(part);
  const View& source = nest.operands[static_cast<size_t>(layout.operand)];

  Packing packing;
  Nest& copy = packing.nest;
  copy.name = fmt::format("pack_{}", source.name);
  copy.origin =
      fmt::format("the {} %{} of {}", layout.operand == weight_of(nest) ? "weight" : "operand",
                  source.name, nest.name);
  copy.kind = NestKind::pack;
  copy.statements = nest.statements;

  View packed{source.name + "_packed", packed_buffer, part->type, contiguous(layout.extents())};
  Index to;
  std::map<Var, Affine> value; // of the nest's axes, by the copy's
  for (const PackedLayout::Dimension& d : layout.dimensions) {
    const Var var{static_cast<int32_t>(copy.vars.size())};
    const std::string& of = nest.name_of(d.axis);
    const std::string name = d.loop < 0 ? of + "_in" : d.step > 1 ? of + "_t" : of;
    copy.vars.push_back(unused_name(copy.vars, name));
    copy.axes.push_back({var, d.count, false, nest.axis(d.axis)->role, d.step});
    to.emplace_back(Affine(var));
    value[d.axis] += Affine(var) * d.step;
  }
  Index index;
  for (const Subscript& s : read.index) {
    Affine at = s.at.constant_term();
    for (const Affine::Term& term : s.at.terms()) {
      const auto known = value.find(term.var);
      if (known != value.end()) at += known->second * term.coefficient; // else: an axis of extent 1
    }
    index.emplace_back(std::move(at));
  }
  // Padding of the last tile: points whose axis value lies beyond the axis.
  for (const auto& [axis, at] : value) {
    const int64_t extent = nest.axis_of(axis).extent.number();
    int64_t largest = 0;
    for (const PackedLayout::Dimension& d : layout.dimensions)
      if (d.axis == axis) largest += (d.count - 1) * d.step;
    if (largest >= extent) copy.constraints.push_back({at, extent});
  }
  // Taps in the padding, where the image is packed as its taps meet it.
  for (const Constraint& c : nest.constraints) {
    Affine at = c.value.constant_term();
    bool is_known = true;
    for (const Affine::Term& term : c.value.terms()) {
      const auto known = value.find(term.var);
      if (known != value.end())
        at += known->second * term.coefficient;
      else // an axis of extent 1, or one that the operand does not move with
        is_known &= nest.axis_of(term.var).extent == Affine(1);
    }
    if (is_known) copy.constraints.push_back({at, c.extent});
  }
  copy.operands = {packed, source};
  const Expr element = rewrite(part, [&](const Expr& node) {
    return std::holds_alternative<Read>(node->is) ? ir::read(node->type, 1, index) : node;
  });
  copy.accumulators.push_back({"value", part->type, imm(0, part->type), element});
  copy.writes.push_back({0, to, acc(part->type, 0)});

  int64_t elements = 1;
  for (int64_t extent : layout.extents()) elements *= extent;
  packing.buffer = {packed.name, Buffer::Role::intermediate, part->type, elements, std::nullopt,
                    nullptr};
  return packing;
}

} // namespace volute::compiler
