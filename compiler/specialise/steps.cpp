#include "compiler/specialise/steps.h"

#include "compiler/nests/cut_bands.h"
#include "compiler/nests/evaluate_alone.h"
#include "compiler/nests/expand_math.h"
#include "compiler/specialise/merge_steps.h"

#include <algorithm>
#include <memory>

namespace volute::compiler {

using namespace ir;

Expected<Steps> specialise_each(const NestProgram& pieces, const std::map<std::string, Plan>& plans,
                                const std::function<void(const Nest&, const Specialised&)>& seen) {
  Steps steps;
  steps.loops = {pieces.name, pieces.buffers, pieces.parameters, {}, pieces.sources};
  std::vector<Buffer>& buffers = steps.loops.buffers;
  // Of each step: what its nests pass on, and behind that what they have for themselves.
  const std::vector<size_t> step_of = step_of_each(pieces);
  std::vector<int64_t> scratch(pieces.nests.size());
  for (size_t n = 0; n < pieces.nests.size(); ++n)
    scratch[step_of[n]] =
        std::max(scratch[step_of[n]], scratch_bytes(pieces.nests[n], pieces.buffers));
  Failure refused;
  for (size_t n = 0; n < pieces.nests.size(); ++n) {
    const Nest& nest = pieces.nests[n];
    int64_t& used = scratch[step_of[n]];
    Expected<Specialised> made = specialise(nest, plans.at(nest.name),
                                            {buffers, static_cast<int32_t>(buffers.size()), used});
    if (!made) {
      refused.diagnostics.insert(refused.diagnostics.end(), made.diagnostics().begin(),
                                 made.diagnostics().end());
      continue;
    }
    used = made->step.scratch_bytes;
    seen(nest, *made);
    steps.loops.steps.push_back(std::move(made->step));
    for (Packing& packing : made->packings) {
      buffers.push_back(packing.buffer);
      steps.packings.push_back({nest.name, std::move(packing)});
    }
    buffers.insert(buffers.end(), made->scratch.begin(), made->scratch.end());
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

/// A packed copy of a constant is made now and travels in the image.
void pack_constant(LoopProgram& program, const Packing& packing) {
  Memory memory = evaluate_alone(packing.nest, program.buffers);
  Buffer& packed = program.buffers[static_cast<size_t>(packing.nest.operands[0].buffer)];
  packed.role = Buffer::Role::table;
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
  Expected<Plan> plan = resolve(packing_schedule(nest), nest, target);
  if (!plan) return plan.failure();
  Expected<Specialised> result = specialise(nest, *plan, {{}});
  if (!result) return result.failure();
  return std::move(result->step);
}

} // namespace

Expected<LoopProgram> pack_operands(Steps steps, const Target& target) {
  LoopProgram& loops = steps.loops;
  for (const PendingPacking& pending : steps.packings) {
    const Packing& packing = pending.packing;
    const auto source = static_cast<size_t>(packing.nest.operands[1].buffer);
    if (loops.buffers[source].role == Buffer::Role::table) {
      pack_constant(loops, packing);
      continue;
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
