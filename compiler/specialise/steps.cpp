#include "compiler/specialise/steps.h"

#include "compiler/nests/cut_bands.h"
#include "compiler/nests/evaluate_alone.h"
#include "compiler/nests/expand_math.h"
#include "compiler/specialise/amid_products.h"
#include "compiler/specialise/merge_steps.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <numeric>
#include <set>
#include <string_view>
#include <unordered_map>

namespace volute::compiler {

using namespace ir;

Expected<Steps> specialise_each(const NestProgram& pieces, const std::map<std::string, Plan>& plans,
                                const std::function<void(const Nest&, const Specialised&)>& seen,
                                const std::function<const Plan*(const Nest&)>& other_plan) {
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
    const Surroundings around = {buffers, static_cast<int32_t>(buffers.size()), used};
    Expected<Specialised> made = specialise(nest, plans.at(nest.name), around);
    if (!made)
      if (const Plan* other = other_plan(nest)) made = specialise(nest, *other, around);
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

namespace {

/// Makes the buffer of rows that a step keeps in scratch as small as those that it keeps of them,
/// and moves what lies behind it.
void keep_rows(Step& step, std::vector<Buffer>& buffers, const KeptRows& kept) {
  Buffer& buffer = buffers[static_cast<size_t>(kept.buffer)];
  const int64_t before = buffer.elements * size_of(buffer.element);
  for (View& view : step.views) { // all of them alike
    if (view.buffer != kept.buffer) continue;
    const int64_t rows = view.dims[kept.dim].extent.number();
    const int64_t row = view.dims[kept.dim].stride.number();
    view.dims[kept.dim].extent = kept.rows;
    for (size_t d = 0; d < kept.dim; ++d) // which have all rows of one in each of theirs
      view.dims[d].stride = view.dims[d].stride.number() / (rows * row) * kept.rows * row;
    buffer.elements = view.dims.front().extent.number() * view.dims.front().stride.number();
  }
  const int64_t less =
      scratch_aligned(before) - scratch_aligned(buffer.elements * size_of(buffer.element));
  std::set<int32_t> behind;
  for (const View& view : step.views) {
    const Buffer& other = buffers[static_cast<size_t>(view.buffer)];
    if (other.role == Buffer::Role::scratch && other.scratch_offset > buffer.scratch_offset)
      behind.insert(view.buffer);
  }
  for (const int32_t other : behind) buffers[static_cast<size_t>(other)].scratch_offset -= less;
  step.scratch_bytes -= less;
}

} // namespace

Steps merge_placed(Steps steps, const NestProgram& pieces, const Overlap& overlap) {
  const std::vector<size_t> step_of = step_of_each(pieces);
  std::vector<Step> merged;
  size_t together = 0; // nests of the last step so far
  for (size_t n = 0; n < steps.loops.steps.size(); ++n) {
    Step& step = steps.loops.steps[n];
    if (n > 0 && step_of[n] == step_of[n - 1]) {
      merged.back() = merge_steps(merged.back(), step);
      ++together;
    } else {
      merged.push_back(std::move(step));
      together = 1;
    }
    if (!overlap.is_asked(pieces.nests[n])) continue;
    if (together != 2) {
      overlap.refuse(pieces.nests[n], "several nests are computed inside");
      continue;
    }
    AmidProducts amid = amid_products(std::move(merged.back()));
    merged.back() = std::move(amid.step);
    if (!amid.misfit.empty()) overlap.refuse(pieces.nests[n], amid.misfit);
    // Where more nests follow, theirs is behind it too.
    if (amid.kept && step_of[n] == n) keep_rows(merged.back(), steps.loops.buffers, *amid.kept);
  }
  steps.loops.steps = std::move(merged);
  std::unordered_map<std::string_view, size_t> numbers;
  for (size_t n = 0; n < pieces.nests.size(); ++n) numbers.emplace(pieces.nests[n].name, n);
  for (PendingPacking& pending : steps.packings)
    pending.step = pieces.nests[step_of[numbers.at(pending.step)]].name;
  return steps;
}

namespace {

/// A packed copy of a constant is made now and travels in the image.
void pack_constant(LoopProgram& program, const Packing& packing) {
  const int32_t written = packing.nest.operands[0].buffer;
  auto memory = evaluate_alone(packing.nest, program.buffers);
  Buffer& packed = program.buffers[static_cast<size_t>(written)];
  packed.role = Buffer::Role::table;
  packed.data = std::make_shared<const std::vector<std::byte>>(std::move(memory.at(written)));
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

/// Equal for packings that fill their memory with the same: the copy, but for what it is called.
std::string content_of(const Packing& packing, const std::vector<Buffer>& buffers) {
  Nest copy = packing.nest;
  copy.origin.clear();
  return fmt::format("{} {}", copy.operands[1].buffer, to_string(copy, buffers));
}

/// One packed copy of an operand serves all steps that would make it alike. Of inputs and
/// constants, which no step changes.
void share_packings(Steps& steps) {
  std::vector<Buffer>& buffers = steps.loops.buffers;
  std::unordered_map<std::string, int32_t> made; // by content: the packed buffer
  std::vector<int32_t> place(buffers.size());    // by buffer: the one that stands for it
  std::iota(place.begin(), place.end(), 0);
  std::vector<PendingPacking> kept;
  for (PendingPacking& pending : steps.packings) {
    const auto source = static_cast<size_t>(pending.packing.nest.operands[1].buffer);
    const int32_t packed = pending.packing.nest.operands[0].buffer;
    if (buffers[source].role == Buffer::Role::input ||
        buffers[source].role == Buffer::Role::table) {
      const auto [first, is_new] = made.emplace(content_of(pending.packing, buffers), packed);
      place[static_cast<size_t>(packed)] = first->second;
      if (!is_new) continue;
    }
    kept.push_back(std::move(pending));
  }
  const bool all_differ = kept.size() == steps.packings.size();
  steps.packings = std::move(kept);
  if (all_differ) return;

  // Close the gaps in the list of buffers.
  std::vector<int32_t> number(buffers.size());
  std::vector<Buffer> left;
  for (size_t b = 0; b < buffers.size(); ++b) {
    number[b] = static_cast<int32_t>(left.size());
    if (place[b] == static_cast<int32_t>(b)) left.push_back(std::move(buffers[b]));
  }
  buffers = std::move(left);
  const auto renumber = [&](std::vector<View>& views) {
    for (View& view : views)
      view.buffer = number[static_cast<size_t>(place[static_cast<size_t>(view.buffer)])];
  };
  for (Step& step : steps.loops.steps) renumber(step.views);
  for (PendingPacking& pending : steps.packings) renumber(pending.packing.nest.operands);
}

} // namespace

Expected<LoopProgram> pack_operands(Steps steps, const Target& target) {
  share_packings(steps);
  LoopProgram& loops = steps.loops;
  std::unordered_map<std::string_view, std::vector<Step>> before; // by the name of the reader
  for (const PendingPacking& pending : steps.packings) {
    const Packing& packing = pending.packing;
    const auto source = static_cast<size_t>(packing.nest.operands[1].buffer);
    if (loops.buffers[source].role == Buffer::Role::table) {
      pack_constant(loops, packing);
      continue;
    }
    Expected<Step> step = packing_step(packing.nest, target);
    if (!step) return step.failure();
    before[pending.step].push_back(std::move(*step));
  }
  std::vector<Step> all;
  for (Step& step : loops.steps) {
    if (const auto packing = before.find(step.name); packing != before.end())
      std::move(packing->second.begin(), packing->second.end(), std::back_inserter(all));
    all.push_back(std::move(step));
  }
  loops.steps = std::move(all);
  return std::move(loops);
}

} // namespace volute::compiler
