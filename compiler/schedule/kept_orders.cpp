#include "compiler/schedule/kept_orders.h"

#include "compiler/nests/bands.h"
#include "compiler/nests/strides.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string>
#include <vector>

namespace volute::compiler {

using namespace ir;

namespace {

Diagnostic misfit(const Nest& nest, Location at, const std::string& message,
                  std::string hint = "") {
  return {at, "schedule", fmt::format("nest {}: {}", nest.name, message), std::move(hint)};
}

std::string joined(const std::vector<const std::string*>& names) {
  std::string text;
  for (const std::string* name : names) text += (text.empty() ? "" : ", ") + *name;
  return text;
}

bool may_lie_outside(const Nest& nest, const NestAxis& axis) {
  return std::any_of(nest.domain.begin(), nest.domain.end(),
                     [&](const Constraint& c) { return c.value.depends_on(axis.var); });
}

} // namespace

std::optional<Diagnostic> misfit_of_scatter(const Schedule& schedule, const Nest& nest) {
  const auto scattered = std::find_if(nest.writes.begin(), nest.writes.end(),
                                      [](const Write& w) { return w.offset != nullptr; });
  if (scattered == nest.writes.end()) return std::nullopt;
  if (!schedule.registers.empty())
    return misfit(nest, schedule.registers.front().at,
                  "registers: elements are scattered one at a time");
  const auto is_ordered = [&](const NestAxis& axis) {
    return axis.extent != Affine(1) && // which need not be named
           !moves(scattered->index, axis.var);
  };
  std::vector<std::string> ordered, found;
  Location first{};
  for (const NestAxis& axis : nest.axes)
    if (is_ordered(axis)) ordered.push_back(nest.name_of(axis.var));
  for (const LoopDirective& loop : schedule.loops) {
    const NestAxis* axis = nest.axis(loop.axis);
    if (!axis || !is_ordered(*axis)) continue;
    if (loop.parallel)
      return misfit(nest, loop.at,
                    fmt::format("parallel {0}: elements along {0} may be scattered to one place, "
                                "the last one stays",
                                loop.axis));
    if (found.empty()) first = loop.at;
    found.push_back(loop.axis);
  }
  if (found != ordered)
    return misfit(nest, first,
                  fmt::format("for {}: elements are scattered in the order of {}",
                              fmt::join(found, ", "), fmt::join(ordered, ", ")));
  return std::nullopt;
}

std::optional<Diagnostic> misfit_of_parts(const Schedule& schedule, const Nest& nest) {
  if (std::any_of(schedule.loops.begin(), schedule.loops.end(),
                  [](const LoopDirective& loop) { return loop.tile > 0; }))
    return std::nullopt;
  if (std::none_of(nest.axes.begin(), nest.axes.end(),
                   [](const NestAxis& axis) { return axis.role == AxisRole::part; }))
    return std::nullopt;
  const LoopDirective* before = nullptr; // the last loop over taps or channels
  for (const LoopDirective& loop : schedule.loops) {
    const NestAxis* axis = nest.axis(loop.axis);
    if (!axis || !axis->reduction || axis->extent == Affine(1)) continue;
    if (axis->role != AxisRole::part)
      before = &loop;
    else if (before)
      return misfit(nest, loop.at,
                    fmt::format("for {} inside {}: the products of small parts are added up first",
                                loop.axis, before->axis),
                    fmt::format("put {} outside of all that is summed over", loop.axis));
  }
  return std::nullopt;
}

std::optional<Diagnostic> misfit_of_bands(const Schedule& schedule, const Nest& nest) {
  if (!band_axis(nest)) return std::nullopt;
  std::vector<const std::string*> shared, found;
  Location first{};
  for (const NestAxis& axis : nest.axes)
    if (is_shared(nest, axis)) shared.push_back(&nest.name_of(axis.var));
  const auto same = [](const std::string* a, const std::string* b) { return *a == *b; };
  for (const RegisterDirective& r : schedule.registers)
    if (std::any_of(shared.begin(), shared.end(),
                    [&](const auto* name) { return *name == r.axis; }))
      return misfit(nest, r.at,
                    fmt::format("registers {0} {1}: {0} is shared with the other nests of "
                                "the step, and not tiled",
                                r.axis, r.size));
  for (const LoopDirective& loop : schedule.loops)
    if (loop.parallel) {
      if (found.empty()) first = loop.at;
      found.push_back(&loop.axis);
      if (loop.by > 1)
        return misfit(nest, loop.at,
                      fmt::format("parallel {} by {}: the nests of a step share its "
                                  "work items, one {} each",
                                  loop.axis, loop.by, loop.axis));
    }
  if (!std::equal(found.begin(), found.end(), shared.begin(), shared.end(), same))
    return misfit(
        nest, first,
        fmt::format("parallel {}: the nests of a step share its work items", joined(found)),
        fmt::format("write `parallel {}`", joined(shared)));
  if (nest.domain.empty()) return std::nullopt;
  for (const LoopDirective& loop : schedule.loops) {
    const NestAxis* axis = nest.axis(loop.axis);
    if (axis && may_lie_outside(nest, *axis) && !loop.parallel && (loop.by > 1 || loop.unroll != 1))
      return misfit(nest, loop.at,
                    fmt::format("for {0} by {1}: rows of {0} may lie beyond the image, and are "
                                "neither tiled nor unrolled",
                                loop.axis, loop.by));
  }
  return std::nullopt;
}

} // namespace volute::compiler
