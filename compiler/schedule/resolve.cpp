#include "compiler/schedule/kept_orders.h"
#include "compiler/schedule/parameters.h"
#include "compiler/schedule/resolver.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace volute::compiler {

using namespace ir;

Resolver::Resolver(const Schedule& schedule, const NestFacts& facts, const Target& target,
                   const ConstantWeight* weight, SumOrder sums)
    : facts_(facts), nest_(facts.nest()), target_(target), weight_(weight) {
  plan_.schedule = schedule;
  plan_.sums = sums;
  if (plan_.schedule.loops.empty())
    for (const NestAxis& axis : nest_.axes)
      plan_.schedule.loops.push_back({nest_.name_of(axis.var)});
}

Expected<Plan> Resolver::run() {
  using Rule = void (Resolver::*)();
  // clang-format off
  for (const Rule rule : {
           &Resolver::keep_orders,
           &Resolver::fit_parameters,
           &Resolver::make_tile,
           &Resolver::spread_lanes,
           &Resolver::make_loops,
           &Resolver::cover_every_axis,
           &Resolver::choose_instruction,
           &Resolver::choose_matrices,
           &Resolver::choose_slide,
           &Resolver::pack_operands,
           &Resolver::choose_bypasses,
           &Resolver::use_numbers,
           &Resolver::plan_reads,
           &Resolver::plan_slide,
           &Resolver::plan_store,
           &Resolver::plan_finish,
           &Resolver::keep_lanes_of_sums,
           &Resolver::plan_end,
           &Resolver::plan_streams,
       }) {
    // clang-format on
    (this->*rule)();
    if (refusal_) return *refusal_;
  }
  return std::move(plan_);
}

Resolver::Resolver(Plan plan, const NestFacts& facts, const Target& target)
    : facts_(facts), nest_(facts.nest()), target_(target), weight_(nullptr),
      plan_(std::move(plan)) {}

Expected<Plan> Resolver::with_prefetch(const std::string& operand) {
  plan_.schedule.prefetch.push_back({operand});
  plan_.streams.clear(), plan_.panels.clear();
  plan_streams();
  if (refusal_) return *refusal_;
  return std::move(plan_);
}

void Resolver::refuse(Diagnostic fault) {
  if (!refusal_) refusal_ = fail(std::move(fault));
}

void Resolver::refuse(Location at, const std::string& message, std::string hint) {
  refuse({at, "schedule", fmt::format("nest {}: {}", nest_.name, message), std::move(hint)});
}

std::string Resolver::axes_of_nest() const {
  std::vector<std::string> names;
  for (const NestAxis& axis : nest_.axes) names.push_back(nest_.name_of(axis.var));
  return fmt::format("the axes of {} are {}", nest_.name, fmt::join(names, ", "));
}

void Resolver::keep_orders() {
  const Schedule& schedule = plan_.schedule;
  if (auto fault = misfit_of_scatter(schedule, nest_)) return refuse(std::move(*fault));
  if (plan_.sums == SumOrder::stated)
    if (auto fault = out_of_order(schedule, nest_)) return refuse(std::move(*fault));
  if (auto fault = misfit_of_parts(schedule, nest_)) return refuse(std::move(*fault));
  if (auto fault = misfit_of_bands(schedule, nest_)) return refuse(std::move(*fault));
}

void Resolver::fit_parameters() {
  if (auto failure = misfit_of_parameters(plan_.schedule, nest_)) refusal_ = std::move(failure);
}

Expected<Plan> resolve(const Schedule& schedule, const NestFacts& facts, const Target& target,
                       const ConstantWeight* weight, SumOrder sums) {
  return Resolver(schedule, facts, target, weight, sums).run();
}

Expected<Plan> with_prefetch(Plan plan, const std::string& operand, const NestFacts& facts,
                             const Target& target) {
  return Resolver(std::move(plan), facts, target).with_prefetch(operand);
}

Expected<Plan> resolve(const Schedule& schedule, const Nest& nest, const Target& target,
                       const ConstantWeight* weight, SumOrder sums) {
  return resolve(schedule, NestFacts(nest), target, weight, sums);
}

} // namespace volute::compiler
