#include "compiler/nests/slides.h"
#include "compiler/nests/strides.h"
#include "compiler/schedule/resolver.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <set>

namespace volute::compiler {

using namespace ir;

void Resolver::choose_instruction() {
  for (size_t i = 0; i < plan_.schedule.loops.size(); ++i) {
    const LoopDirective& loop = plan_.schedule.loops[i];
    if (!loop.dot) continue;
    const auto no = [&](const std::string& message, std::string hint = "") {
      refuse(loop.at, fmt::format("for {} dot {}: {}", loop.axis, loop.dot, message),
             std::move(hint));
    };
    const std::optional<DotForm>& form = facts_.dot(plan_.loops[i].axis);
    if (!form)
      return no("the nest adds no products of u8 and i8, or of two bf16, that lie one after the "
                "other along this axis");
    if (form->ways != loop.dot)
      return no(fmt::format("its products are added {} at a time", form->ways));
    if (i + 1 != plan_.loops.size()) return no("it must be the innermost loop");
    if (!packs_weight() || !plan_.vector)
      return no("it needs a packed weight and a vector axis",
                "add `pack weight` and `registers o N vector LANES`");
    const PlanTile& vector = plan_.tile[*plan_.vector];
    if (moves(form->image, vector.axis) || !moves(form->weight, vector.axis))
      return no(fmt::format("vectors must run along output channels, not {}", vector.name));
    if (constrained(vector.axis)) // a lane in the padding takes whole groups all the same
      return no(fmt::format("lanes along {} may lie in the padding", vector.name));
    plan_.instruction = {Instruction::Kind::dot, form->ways, 1, form};
  }
}

void Resolver::choose_slide() {
  for (size_t i = 0; i < plan_.schedule.loops.size(); ++i) {
    const LoopDirective& loop = plan_.schedule.loops[i];
    if (!loop.slide) continue;
    const auto no = [&](const std::string& message, std::string hint = "") {
      refuse(loop.at, fmt::format("for {} slide: {}", loop.axis, message), std::move(hint));
    };
    if (!plan_.loops[i].reduction) return no("only taps slide", "a register tile is unrolled");
    if (i + 1 != plan_.loops.size()) return no("it must be the innermost loop");
    if (loop.dot || loop.by > 1 || loop.unroll != 1)
      return no("all taps slide at once, without `by`, `dot` or `unroll`");
    Slide slide;
    slide.taps = plan_.loops[i].trips();
    std::vector<std::string> others;
    bool found = false;
    for (size_t t = 0; t < plan_.tile.size() && !found; ++t) {
      if (plan_.tile[t].lanes) continue;
      others.push_back(plan_.tile[t].name);
      const std::optional<int64_t> step =
          slide_step(nest_, facts_.reads(), plan_.tile[t].axis, plan_.loops[i].axis);
      if (step) slide.tile = t, slide.step = *step, found = true;
    }
    if (!found && others.empty())
      return no("the register tile has no axis beside the vector axis along which they would",
                "add one to `registers`");
    if (!found)
      return no(fmt::format("its taps do not meet the image at places that they share along {}",
                            fmt::join(others, " or ")),
                "elements must be as far apart as taps, or a multiple of that, and run the same "
                "way");
    plan_.slide = slide;
  }
}

void Resolver::plan_slide() {
  if (!plan_.slide) return;
  Slide& slide = *plan_.slide;
  slide.holds = true;
  const Var axis = plan_.tile[slide.tile].axis, tap = plan_.loops.back().axis;
  for (PlannedRead& planned : plan_.reads) {
    const Index& index = planned.read.index;
    if (!moves(index, tap)) continue;
    planned.sliding = moves(index, axis) ? PlannedRead::Sliding::rows : PlannedRead::Sliding::taps;
    if (planned.sliding == PlannedRead::Sliding::rows) {
      planned.moves &= ~(uint32_t{1} << slide.tile);
      planned.registers /= plan_.tile[slide.tile].registers();
    } else {
      planned.registers *= slide.taps;
      planned.residence = Residence::held;
    }
    if (planned.sliding == PlannedRead::Sliding::rows)
      planned.residence = residence(planned.moves, plan_.tile.size());
    if (planned.sliding == PlannedRead::Sliding::rows && planned.is_packed)
      return refuse(plan_.schedule.loops.back().at,
                    fmt::format("for {} slide: {} is packed, tap by tap, and has no rows",
                                plan_.loops.back().name,
                                nest_.operands[static_cast<size_t>(planned.read.operand)].name));
  }
  // Each operand's one read, which moves with the taps, and lanes at most.
  std::set<int32_t> held;
  const uint32_t lanes = plan_.vector ? uint32_t{1} << *plan_.vector : 0;
  for (const PlannedRead& planned : plan_.reads)
    if (planned.sliding == PlannedRead::Sliding::taps)
      slide.holds &= held.insert(planned.read.operand).second && (planned.moves & ~lanes) == 0;
  slide.holds &= plan_.registers_needed(nest_) <= target_.vector_registers - 1;
  if (slide.holds) return;
  for (PlannedRead& planned : plan_.reads)
    if (planned.sliding == PlannedRead::Sliding::taps) { // another one for each element and tap
      planned.moves |= uint32_t{1} << slide.tile;
      planned.registers = planned.registers / slide.taps * plan_.tile[slide.tile].registers();
      planned.residence = residence(planned.moves, plan_.tile.size());
    }
}

} // namespace volute::compiler
