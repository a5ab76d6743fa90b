#include "compiler/pipeline.h"

#include "compiler/choose_forms.h"
#include "compiler/lower/copy_limit.h"
#include "compiler/lower/lower.h"
#include "compiler/nests/bands.h"
#include "compiler/nests/domain_points.h"
#include "compiler/nests/expand_math.h"
#include "compiler/nests/flatten.h"
#include "compiler/report/explain.h"
#include "compiler/rewrites/fold_tables.h"
#include "compiler/rewrites/rewrites.h"
#include "compiler/schedule/choose.h"
#include "compiler/schedule/parameters.h"
#include "compiler/specialise/merge_steps.h"
#include "compiler/specialise/specialise.h"
#include "ir/normal.h"
#include "ir/verify.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>

namespace volute::compiler {

using namespace ir;

namespace {

/// Throws what a verifier found: a bug of the pass before it.
void require(const std::vector<Diagnostic>& found, std::string_view pass) {
  if (found.empty()) return;
  std::vector<Diagnostic> diagnostics = found;
  for (Diagnostic& d : diagnostics) d.message = fmt::format("after {}: {}", pass, d.message);
  throw InternalError(std::move(diagnostics));
}

Nest expand(Nest nest, const Target& target) {
  const auto expand_one = [&](Expr& e) {
    e = expand_math(e);
    if (!target.has_fma) e = split_fma(e);
  };
  for (Accumulator& a : nest.accumulators) expand_one(a.initial), expand_one(a.update);
  for (Write& w : nest.writes) {
    expand_one(w.value);
    if (w.offset) expand_one(w.offset);
  }
  return nest;
}

/// The schedules that were asked for, by nest.
class Requested {
public:
  static Expected<Requested> from(const NestProgram& program, const Schedules& text, bool naive) {
    Requested requested;
    requested.naive_ = naive;
    requested.schedules_ = text;
    std::vector<std::string> names;
    for (const Nest& nest : program.nests) names.push_back(nest.name);
    for (const auto& [name, schedule] : requested.schedules_) {
      if (name.empty() && names.size() > 1)
        return fail(
            "schedule",
            fmt::format("the program has {} nests, and the text does not say which one it is for",
                        names.size()),
            fmt::format("write `nest NAME:` above it; the nests are {}", fmt::join(names, ", ")));
      if (!name.empty() && std::find(names.begin(), names.end(), name) == names.end())
        return fail("schedule", fmt::format("there is no nest {}", name),
                    fmt::format("the nests are {}", fmt::join(names, ", ")));
    }
    return requested;
  }

  /// Which nests are computed inside which: as `auto` chooses, or as the texts say.
  Expected<NestProgram> place(NestProgram program, const Target& target,
                              std::vector<std::string>& whys) const {
    if (naive_) return program;
    if (schedules_.empty()) return place_bands(std::move(program), target, whys);
    for (size_t consumer = program.nests.size(); consumer-- > 0;) {
      const std::string& name = program.nests[consumer].name;
      const auto given = schedules_.find(name);
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

  Choice for_nest(const Nest& nest, const Target& target, const std::vector<Buffer>& buffers,
                  bool dot_products) const {
    if (naive_) return {{}, {"the naive nest was asked for: every axis a plain loop"}, {}};
    for (const std::string& name : {nest.name, std::string()})
      if (const auto found = schedules_.find(name); found != schedules_.end())
        return {found->second, {"the schedule was given"}, {}};
    return choose(nest, target, buffers, dot_products);
  }

private:
  bool naive_ = false;
  Schedules schedules_;
};

/// A packed copy of a constant weight is made now and travels in the image.
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

Expected<Step> specialise_packing(const Packing& packing, const Target& target) {
  const Nest nest = expand(packing.nest, target);
  Expected<Plan> plan = resolve(packing_schedule(nest), nest, target);
  if (!plan) return plan.failure();
  Expected<Specialised> result = specialise(nest, *plan, {{}});
  if (!result) return result.failure();
  return std::move(result->step);
}

/// Work items for the least that every parameter may be.
int64_t least_work(const Step& step) {
  return step.work([&](Var var) { return span_of(Affine(var), step.parameters).value().least; });
}

std::string tile_text(const Step& step, const Plan& plan) {
  if (plan.tile.empty()) return "one scalar";
  std::vector<std::string> sizes;
  for (const PlanTile& t : plan.tile) sizes.push_back(fmt::format("{} {}", t.registers(), t.name));
  const ElementType type = step.arrays.empty() ? ElementType::f32 : step.arrays.front().type;
  return fmt::format("{} of {}x{}", fmt::join(sizes, " x "), to_string(type), plan.lanes);
}

class Pipeline {
public:
  Pipeline(const Program& program, const CompileRequest& request)
      : program_(program), request_(request) {}

  Expected<Stages> run() {
    const auto start = std::chrono::steady_clock::now();
    const bool naive = request_.schedule == "naive";
    const Expected<Schedules> text = schedules_given();
    if (!text) return text.failure();
    Expected<NestProgram> nests = lowered(*text, naive);
    if (!nests) return in_the_schedule(nests.failure());
    Expected<Requested> requested = Requested::from(*nests, *text, naive);
    if (!requested) return requested.failure();
    if (auto added = add_steps(std::move(*nests), *requested); !added) return added.failure();
    explain(program_, request_.target, stages_);
    stages_.report.lower_ms =
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    return std::move(stages_);
  }

  /// The same from nests that somebody else has made: `program` has nothing in it.
  Expected<Stages> run(const NestProgram& nests) {
    if (auto found = verify(nests); !found.empty()) return Failure{std::move(found)};
    const Expected<Schedules> text = schedules_given();
    if (!text) return text.failure();
    Expected<Requested> requested = Requested::from(nests, *text, request_.schedule == "naive");
    if (!requested) return requested.failure();
    if (auto added = add_steps(normal_form(nests), *requested); !added) return added.failure();
    return std::move(stages_);
  }

private:
  Expected<Schedules> schedules_given() const {
    if (request_.schedule == "naive" || request_.schedule == "auto") return Schedules{};
    return parse_schedules(request_.schedule);
  }

  Expected<bool> add_steps(NestProgram program, const Requested& requested) {
    Expected<NestProgram> nests =
        requested.place(std::move(program), request_.target, stages_.report.bands);
    if (!nests) return nests.failure();
    if (auto refused = refuse_large_copies(program_, stages_.program, *nests)) return *refused;
    stages_.nests = std::move(*nests);

    stages_.loops.name = stages_.nests.name;
    stages_.loops.buffers = stages_.nests.buffers;
    stages_.loops.parameters = stages_.nests.parameters;
    Failure failures;
    for (size_t n = 0; n < stages_.nests.nests.size(); ++n) {
      if (stages_.nests.nests[n].placement) continue; // part of its consumer's step
      if (auto added = add_step(n, requested); !added)
        failures.diagnostics.insert(failures.diagnostics.end(), added.diagnostics().begin(),
                                    added.diagnostics().end());
    }
    if (!failures.diagnostics.empty()) return in_the_schedule(std::move(failures));
    stages_.loops = normal_form(std::move(stages_.loops));
    require(verify(stages_.loops), "specialising");
    return true;
  }

  /// Places of what the schedule's text is refused for are places in that.
  Failure in_the_schedule(Failure failure) const {
    for (Diagnostic& d : failure.diagnostics)
      if (d.subject == "schedule" && d.where.line > 0)
        d.in =
            std::make_shared<const NamedText>(NamedText{request_.schedule_name, request_.schedule});
    return failure;
  }

  /// The program's nests, in the forms that were chosen or asked for.
  Expected<NestProgram> lowered(const Schedules& text, bool naive) {
    const LowerOptions options{request_.strides, {}};
    const Program direct = rewrite(program_, options, stages_.report.fusion);
    Expected<FormedProgram> formed =
        choose_forms(direct, options, {request_.target, request_.accuracy, naive, text});
    if (!formed) return formed.failure();
    for (const StatementForms& statement : formed->statements)
      if (statement.chosen != "direct")
        stages_.schedules.forms[statement.nest] = {statement.chosen, {}};
    stages_.program = std::move(formed->program);
    stages_.report.forms = std::move(formed->statements);
    Expected<NestProgram> nests = lower(stages_.program, formed->options);
    if (!nests) return nests;
    fold_tables(*nests);
    nests = normal_form(std::move(*nests));
    require(verify(*nests), "lowering");
    return nests;
  }

  /// The step of a nest and of all that is computed inside it.
  Expected<bool> add_step(size_t consumer, const Requested& requested) {
    Bands bands = banded(stages_.nests, stages_.loops.buffers, consumer);
    require(verify(NestProgram{"bands", bands.buffers, stages_.nests.parameters, bands.nests}),
            "cutting into bands");
    stages_.loops.buffers = std::move(bands.buffers);
    std::optional<Step> whole;
    for (const Nest& nest : bands.nests) {
      Choice choice = requested.for_nest(nest, request_.target, stages_.loops.buffers,
                                         stages_.schedules.forms.contains(nest.name) &&
                                             stages_.schedules.forms.at(nest.name).form == "dot");
      choice.schedule.compute = computed_inside(nest.name);
      Expected<Step> step = specialised(nest, choice, bands.scratch_bytes);
      if (!step) return step.failure();
      whole = whole ? merge_steps(*whole, *step) : std::move(*step);
    }
    stages_.loops.steps.push_back(std::move(*whole));
    return true;
  }

  std::vector<ComputeDirective> computed_inside(const std::string& consumer) const {
    std::vector<ComputeDirective> all;
    for (const Nest& nest : stages_.nests.nests)
      if (nest.placement &&
          stages_.nests.nests[static_cast<size_t>(nest.placement->consumer)].name == consumer)
        all.push_back({nest.name,
                       as_lowered(consumer).vars[static_cast<size_t>(nest.placement->axis.id)],
                       nest.placement->tile});
    return all;
  }

  /// The nest before it was cut into bands.
  const Nest& as_lowered(const std::string& name) const {
    return *std::find_if(stages_.nests.nests.begin(), stages_.nests.nests.end(),
                         [&](const Nest& nest) { return nest.name == name; });
  }

  /// A nest's own loops; its weight's packing becomes a step or a table on the way.
  Expected<Step> specialised(const Nest& lowered, const Choice& choice, int64_t scratch_bytes) {
    Nest nest = expand(lowered, request_.target);
    for (const std::vector<std::string>& axes : choice.schedule.flatten) {
      Expected<Nest> flat = flatten(nest, axes);
      if (!flat) return flat.failure();
      nest = std::move(*flat);
    }
    const std::optional<ConstantWeight> weight = ConstantWeight::of(nest, stages_.loops.buffers);
    Expected<Plan> plan =
        resolve(choice.schedule, nest, request_.target, weight ? &*weight : nullptr);
    if (!plan) return plan.failure();
    std::vector<Buffer>& buffers = stages_.loops.buffers;
    Expected<Specialised> result =
        specialise(nest, *plan, {buffers, static_cast<int32_t>(buffers.size()), scratch_bytes});
    if (!result) return result.failure();

    NestReport report;
    if (result->packing) {
      const Packing& packing = *result->packing;
      const auto source = static_cast<size_t>(packing.nest.operands[1].buffer);
      stages_.loops.buffers.push_back(packing.buffer);
      report.packed_bytes = packing.buffer.elements * size_of(packing.buffer.element);
      if (stages_.loops.buffers[source].role == Buffer::Role::table) {
        pack_constant(stages_.loops, packing);
      } else {
        Expected<Step> step = specialise_packing(packing, request_.target);
        if (!step) return step.failure();
        stages_.loops.steps.push_back(std::move(*step));
      }
    }
    buffers.insert(buffers.end(), result->scratch.begin(), result->scratch.end());
    report.name = lowered.name;
    report.origin = lowered.origin;
    report.schedule = to_string(plan->schedule);
    report.why = choice.why;
    report.candidates = choice.candidates;
    const Cost cost = predict(at_least(nest), *plan, request_.target);
    report.cycles = cost.cycles;
    report.registers_needed = plan->registers_needed(nest);
    if (choice.candidates.empty()) {
      const std::vector<std::string> told = in_words(at_least(nest), *plan, cost, request_.target);
      report.why.insert(report.why.end(), told.begin(), told.end());
    }
    report.multiply_adds = multiply_adds_asked_for(at_least(as_lowered(lowered.name)));
    report.executed_multiply_adds = count_fmas(result->step);
    report.registers = result->step.arrays.empty() ? 0 : result->step.arrays.front().count();
    report.register_tile = tile_text(result->step, *plan);
    report.work_items = least_work(result->step);
    stages_.report.nests.push_back(std::move(report));
    stages_.schedules[lowered.name] = std::move(plan->schedule);
    return std::move(result->step);
  }

  const Program& program_;
  const CompileRequest& request_;
  Stages stages_;
};

} // namespace

Expected<Stages> specialise_program(const Program& program, const CompileRequest& request) {
  if (std::vector<Diagnostic> faults = verify(program); !faults.empty())
    return Failure{std::move(faults)};
  return Pipeline(program, request).run();
}

Expected<Stages> specialise_nests(const NestProgram& nests, const CompileRequest& request) {
  return Pipeline(Program(), request).run(nests);
}

} // namespace volute::compiler
