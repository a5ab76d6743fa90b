#include "compiler/specialise/specialise.h"

#include "compiler/specialise/pack.h"
#include "compiler/specialise/specialiser.h"
#include "ir/walk.h"

#include <algorithm>

namespace volute::compiler {

using namespace ir;

Specialiser::Specialiser(const Nest& nest, const Plan& plan, const Surroundings& around)
    : nest_(nest), plan_(plan), borders_(nest_), prefetcher_(nest, plan), budget_(nest_, plan),
      next_buffer_(around.next_buffer), scratch_bytes_(around.scratch_bytes) {
  step_.name = nest.name;
  step_.vars = nest.vars;
  step_.parameters = nest.parameters;
  step_.views = nest.operands;
  step_.tables = nest.tables;
  step_.origin = nest.origin;
  step_.statements = nest.statements;
  ranges_.resize(nest.vars.size());
  for (const ParameterVar& p : nest.parameters) ranges_[id(p.var)] = {p.range.least, p.range.most};
  for (const PackedLayout& layout : plan.packed) {
    packings_.push_back(
        make_packing(nest, packed_expression(nest, plan, layout), layout, next_buffer_++));
    nest_ = with_packed(nest_, layout.operand);
    View packed = packings_.back().nest.operands[0];
    if (layout.group > 1) { // each lane's group is part of the vector
      packed.dims.pop_back();
      packed.dims.back().extent *= layout.group;
      packed.dims.back().stride = 1;
    }
    step_.views[static_cast<size_t>(layout.operand)] = std::move(packed); // read in its place
  }
  make_frame();
  if (plan_.weight != WeightUse::loaded) weight_ = ConstantWeight::of(nest, around.buffers).value();
}

Specialised Specialiser::run() {
  State state;
  bool has_work = true;
  for (size_t i = 0; i < nest_.vars.size(); ++i)
    state.places.push_back({Affine(Var{static_cast<int32_t>(i)}), 1, 0, 1});
  for (const NestAxis& axis : nest_.axes) {
    // Of a parameter the most: along such an axis there is only a loop over its elements.
    const int64_t extent = bounds(axis.extent, ranges_).hi;
    state.places[id(axis.var)] = {0, extent, 0, extent};
    has_work &= extent > 0;
  }
  state.loops.resize(plan_.loops.size());
  if (has_work) {
    for (const PlanLoop& loop : plan_.loops)
      if (loop.parallel) add_items(loop);
    step_.body = with_source(parallel_loops(0, state), source());
  } else { // an empty batch
    step_.items = {{new_var("nothing", {0, 0}), Affine(0)}};
    step_.body = block({});
  }
  step_.scratch_bytes = scratch_bytes_;
  return {std::move(step_), std::move(packings_), std::move(scratch_)};
}

Var Specialiser::new_var(std::string name, Interval range) {
  step_.vars.push_back(std::move(name));
  ranges_.resize(step_.vars.size());
  ranges_.back() = range;
  return {static_cast<int32_t>(step_.vars.size()) - 1};
}

int32_t Specialiser::add_view(View view) {
  nest_.operands.push_back(view);
  step_.views.push_back(std::move(view));
  return static_cast<int32_t>(step_.views.size()) - 1;
}

void Specialiser::make_frame() {
  if (plan_.matrix) return make_matrices();
  frame_.lanes = plan_.lanes;
  frame_.vector = plan_.vector.value_or(0);
  frame_.store = plan_.store;
  frame_.across = plan_.across;
  for (const PlanTile& t : plan_.tile) {
    frame_.axes.push_back({t.axis, t.lanes, {}, t.name + (t.lanes ? "_v" : "_r")});
    frame_.shape.push_back(t.registers());
  }
  for (const Accumulator& a : nest_.accumulators) {
    frame_.accumulators.push_back(static_cast<int32_t>(step_.arrays.size()));
    step_.arrays.push_back({a.name, a.type, frame_.lanes, frame_.shape});
  }
  if (plan_.ends_in_loop) {
    SumsInScratch waiting{"waiting", {}};
    frame_.reads_numbers = plan_.end_reads_numbers;
    frame_.waiting =
        view_scratch({std::max<int64_t>(plan_.tile_registers(), plan_.lanes), plan_.lanes},
                     "the end of a tile", waiting);
  }
  if (!plan_.slide || !plan_.slide->holds) return;
  for (const PlannedRead& read : plan_.reads) {
    if (read.sliding != PlannedRead::Sliding::taps) continue;
    const View& view = nest_.operands[static_cast<size_t>(read.read.operand)];
    HeldTaps held{read.read.operand, plan_.vector && (read.moves >> *plan_.vector & 1),
                  static_cast<int32_t>(step_.arrays.size())};
    std::vector<int64_t> shape = {plan_.slide->taps};
    if (held.moves_along_lanes) shape.push_back(frame_.shape[frame_.vector]);
    ElementType type = view.element; // or what the read makes of it
    for (const Accumulator& a : nest_.accumulators)
      visit(a.update, [&](const ExprNode& node) {
        const auto* it = std::get_if<Read>(&node.is);
        if (it && it->operand == held.operand) type = node.type;
      });
    step_.arrays.push_back({view.name + "_taps", type, frame_.lanes, shape});
    held_.push_back(held);
  }
}

void Specialiser::add_items(const PlanLoop& loop) {
  const std::string& name = loop.name;
  const Affine& extent = nest_.axis_of(loop.axis).extent;
  step_.items.push_back({new_var(loop.tile > 1 ? name + "_t" : name, {0, loop.trips() - 1}),
                         extent.is_constant() ? Affine(loop.trips()) : extent});
}

Expected<Specialised> specialise(const Nest& nest, const Plan& plan, const Surroundings& around) {
  try {
    return Specialiser(nest, plan, around).run();
  } catch (const InternalError&) {
    throw;
  } catch (const Error& error) {
    return Failure{error.diagnostics()};
  }
}

} // namespace volute::compiler
