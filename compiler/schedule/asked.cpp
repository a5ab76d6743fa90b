#include "compiler/schedule/asked.h"

#include "compiler/nests/bands.h"
#include "compiler/nests/place_bands.h"
#include "ir/operators.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace volute::compiler {

using namespace ir;

Expected<Asked> Asked::parse(const std::string& text) {
  Asked asked;
  asked.naive_ = text == "naive";
  if (text == "auto" || asked.naive_) return asked;
  Expected<Schedules> parsed = parse_schedules(text);
  if (!parsed) return parsed.failure();
  asked.schedules_ = std::move(*parsed);
  return asked;
}

std::vector<Diagnostic> Asked::misfit(const NestProgram& program) const {
  std::vector<std::string> names;
  for (const Nest& nest : program.nests) names.push_back(nest.name);
  for (const auto& [name, schedule] : schedules_) {
    if (name.empty() && names.size() > 1)
      return fail("schedule",
                  fmt::format(
                      "the program has {} nests, and the text does not say which one it is for",
                      names.size()),
                  fmt::format("write `nest NAME:` above it; the nests are {}",
                              fmt::join(names, ", ")))
          .diagnostics;
    const std::vector<std::string_view> words(names.begin(), names.end());
    const std::string nearest = nearest_word(name, words).value_or("");
    if (!name.empty() && std::find(names.begin(), names.end(), name) == names.end())
      return fail("schedule", fmt::format("there is no nest {}", name),
                  nearest.empty() || names.size() == 1
                      ? fmt::format("the nests are {}", fmt::join(names, ", "))
                      : fmt::format("did you mean {}? the nests are {}", nearest,
                                    fmt::join(names, ", ")))
          .diagnostics;
  }
  return {};
}

Expected<NestProgram> Asked::place(NestProgram program, const Target& target,
                                   std::vector<std::string>& whys) const {
  if (std::vector<Diagnostic> faults = misfit(program); !faults.empty())
    return Failure{std::move(faults)};
  if (is_auto()) return place_bands(std::move(program), target, whys);
  for (Nest& nest : program.nests) nest.placement.reset(); // it is for the schedule to say
  for (size_t consumer = program.nests.size(); consumer-- > 0;) {
    const std::string& name = program.nests[consumer].name;
    auto given = schedules_.find(name);
    if (given == schedules_.end() && program.nests.size() == 1) given = schedules_.find("");
    if (given == schedules_.end()) continue;
    for (const ComputeDirective& compute : given->second.compute) {
      const auto refuse = [&](const std::string& why) {
        return fail("schedule", fmt::format("nest {}: compute {} at {} by {}: {}", name,
                                            compute.nest, compute.axis, compute.by, why));
      };
      const auto producer =
          std::find_if(program.nests.begin(), program.nests.end(),
                       [&](const Nest& nest) { return nest.name == compute.nest; });
      const auto index = static_cast<size_t>(producer - program.nests.begin());
      if (index >= consumer) return refuse("there is no such nest before this one");
      const NestAxis* axis = program.nests[consumer].axis(compute.axis);
      if (!axis) return refuse(fmt::format("{} has no parallel axis {}", name, compute.axis));
      const Placement placement{static_cast<int32_t>(consumer), axis->var, compute.by};
      for (const Nest& other : program.nests)
        if (other.placement && other.placement->consumer == placement.consumer &&
            (other.placement->axis != placement.axis || other.placement->tile != placement.tile))
          return refuse("another nest is computed at other bands");
      if (const auto why = band_obstacle(program, index, placement)) return refuse(*why);
      producer->placement = placement;
    }
  }
  return program;
}

Asked::Inside::Inside(const NestProgram& placed) {
  for (const Nest& inner : placed.nests) {
    if (!inner.placement) continue;
    const Nest& consumer = placed.nests[static_cast<size_t>(inner.placement->consumer)];
    by_consumer_[consumer.name].push_back(
        {inner.name, consumer.vars[static_cast<size_t>(inner.placement->axis.id)],
         inner.placement->tile});
  }
}

std::vector<ComputeDirective> Asked::Inside::of(const std::string& nest) const {
  const auto found = by_consumer_.find(nest);
  return found == by_consumer_.end() ? std::vector<ComputeDirective>() : found->second;
}

Choice Asked::for_nest(const Nest& nest, const std::vector<Buffer>& buffers, const Inside& inside,
                       bool dot_products, const Target& target, SumOrder sums) const {
  Choice choice = own(nest, buffers, dot_products, target, sums);
  const std::vector<ComputeDirective> given = std::move(choice.schedule.compute);
  choice.schedule.compute = inside.of(nest.name);
  for (ComputeDirective& compute : choice.schedule.compute)
    for (const ComputeDirective& asked : given)
      if (asked.nest == compute.nest) compute.overlaps = asked.overlaps, compute.at = asked.at;
  return choice;
}

bool Asked::is_chosen(const std::string& nest) const {
  return !naive_ && schedules_.find(nest) == schedules_.end() &&
         schedules_.find("") == schedules_.end();
}

Choice Asked::own(const Nest& nest, const std::vector<Buffer>& buffers, bool dot_products,
                  const Target& target, SumOrder sums) const {
  if (naive_) return {{}, {"the naive nest was asked for: every axis a plain loop"}, {}};
  for (const std::string& name : {nest.name, std::string()})
    if (const auto found = schedules_.find(name); found != schedules_.end())
      return {found->second, {"the schedule was given"}, {}};
  return choose(nest, target, buffers, dot_products, sums);
}

} // namespace volute::compiler
