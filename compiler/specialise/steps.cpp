#include "compiler/specialise/steps.h"

#include "compiler/nests/cut_bands.h"
#include "compiler/nests/evaluate_alone.h"
#include "compiler/nests/expand_math.h"
#include "compiler/specialise/merge_steps.h"

#include <algorithm>
#include <memory>

namespace volute::compiler {

using namespace ir;

Expected<Steps> specialise_each(const NestProgram& program, const Schedules& schedules,
                                const std::function<void(const Nest&, const Specialised&)>& seen) {
  Steps steps;
  steps.loops = {program.name, program.buffers, program.parameters, {}};
  Failure refused;
  for (const Nest& nest : program.nests) {
    const auto packed_buffer = static_cast<int32_t>(steps.loops.buffers.size());
    Expected<Specialised> made =
        specialise(nest, schedules.at(nest.name), packed_buffer, steps.loops.buffers);
    if (!made) {
      refused.diagnostics.insert(refused.diagnostics.end(), made.diagnostics().begin(),
                                 made.diagnostics().end());
      continue;
    }
    seen(nest, *made);
    made->step.scratch_bytes = scratch_bytes(nest, program.buffers);
    steps.loops.steps.push_back(std::move(made->step));
    if (!made->packing) continue;
    steps.loops.buffers.push_back(made->packing->buffer);
    steps.packings.push_back({nest.name, std::move(*made->packing)});
  }
  if (!refused.diagnostics.empty()) return refused;
  return steps;
}

Steps merge_placed(Steps steps, const NestProgram& pieces) {
  const std::vector<size_t> step_of = step_of_each(pieces);
  std::vector<Step> merged;
  for (size_t n = 0; n < steps.loops.steps.size(); ++n) {
    Step& step = steps.loops.steps[n];
    if (n > 0 && step_of[n] == step_of[n - 1])
      merged.back() = merge_steps(merged.back(), step);
    else
      merged.push_back(std::move(step));
  }
  steps.loops.steps = std::move(merged);
  for (PendingPacking& pending : steps.packings)
    for (size_t n = 0; n < pieces.nests.size(); ++n)
      if (pieces.nests[n].name == pending.step) {
        pending.step = pieces.nests[step_of[n]].name;
        break;
      }
  return steps;
}

namespace {

/// A packed copy of a constant weight is made now and travels in the image.
void pack_constant(LoopProgram& program, const Packing& packing) {
  Memory memory = evaluate_alone(packing.nest, program.buffers);
  Buffer& packed = program.buffers[static_cast<size_t>(packing.nest.operands[0].buffer)];
  packed.role = Buffer::Role::table;
  packed.packed_from = -1;
  packed.data = std::make_shared<const std::vector<std::byte>>(
      std::move(memory[static_cast<size_t>(packing.nest.operands[0].buffer)]));
}

/// Packing is a plain copy; its work items are the outermost loop's tiles.
Schedule packing_schedule(const Nest& nest) {
  Schedule schedule;
  for (const NestAxis& axis : nest.axes)
    schedule.loops.push_back(
        {nest.vars[static_cast<size_t>(axis.var.id)], 0, 1, schedule.loops.empty()});
  return schedule;
}

Expected<Step> packing_step(Nest nest, const Target& target) {
  nest = with_expressions(std::move(nest), expand_math);
  if (!target.has_fma) nest = with_expressions(std::move(nest), split_fma);
  Expected<Schedule> schedule = resolve(packing_schedule(nest), nest);
  if (!schedule) return schedule.failure();
  Expected<Specialised> result = specialise(nest, *schedule, -1);
  if (!result) return result.failure();
  return std::move(result->step);
}

} // namespace

Expected<LoopProgram> pack_weights(Steps steps, const Target& target) {
  LoopProgram& loops = steps.loops;
  for (PendingPacking& pending : steps.packings) {
    Packing& packing = pending.packing;
    const auto packed = static_cast<size_t>(packing.nest.operands[0].buffer);
    const Buffer::Role source = loops.buffers[static_cast<size_t>(packing.buffer.packed_from)].role;
    if (source == Buffer::Role::table) {
      pack_constant(loops, packing);
      continue;
    }
    if (source != Buffer::Role::input) {
      // A weight that the program computes cannot be bound: it is packed on each run, after that.
      loops.buffers[packed].role = Buffer::Role::intermediate;
      loops.buffers[packed].packed_from = -1;
      packing.nest.packs = -1;
    }
    Expected<Step> step = packing_step(packing.nest, target);
    if (!step) return step.failure();
    const auto reader = std::find_if(loops.steps.begin(), loops.steps.end(),
                                     [&](const Step& other) { return other.name == pending.step; });
    loops.steps.insert(reader, std::move(*step));
  }
  return std::move(loops);
}

} // namespace volute::compiler
