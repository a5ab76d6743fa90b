#include "compiler/pipeline.h"

#include "compiler/choose_forms.h"
#include "compiler/given.h"
#include "compiler/lower/copy_limit.h"
#include "compiler/lower/legalise.h"
#include "compiler/lower/lower.h"
#include "compiler/nests/constant_weight.h"
#include "compiler/nests/cut_bands.h"
#include "compiler/nests/expand_math.h"
#include "compiler/nests/flatten.h"
#include "compiler/nests/parts.h"
#include "compiler/nests/turned_copies.h"
#include "compiler/report/explain.h"
#include "compiler/report/nest_report.h"
#include "compiler/rewrites/fold_batch_norm.h"
#include "compiler/rewrites/fold_constants.h"
#include "compiler/rewrites/fold_tables.h"
#include "compiler/rewrites/form.h"
#include "compiler/rewrites/sources.h"
#include "compiler/schedule/overlap.h"
#include "compiler/schedule/plan.h"
#include "compiler/schedule/sum_order.h"
#include "compiler/within_budget.h"
#include "ir/normal.h"
#include "ir/print.h"
#include "ir/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>

namespace volute::compiler {

using namespace ir;

namespace {

// ---- levels -----------------------------------------------------------------------------------

constexpr Level program_level = {"program",
                                 [](const Stages& s) { return verify(s.program, Gaps::allowed); },
                                 [](const Stages& s) { return to_string(s.program); }};

constexpr Level nest_level = {"nests", [](const Stages& s) { return verify(s.nests); },
                              [](const Stages& s) { return to_string(s.nests); }};

/// Nests that are the pieces of steps: only what a schedule does to them is still missing.
constexpr Level piece_level = {"pieces", [](const Stages& s) { return verify(s.pieces); },
                               [](const Stages& s) { return to_string(s.pieces); }};

constexpr Level schedule_level = {"schedules",
                                  [](const Stages&) { return std::vector<Diagnostic>(); },
                                  [](const Stages& s) { return to_string(s.schedules); }};

/// A plan's text is that of its schedule, every default filled in.
constexpr Level plan_level = {"plans", schedule_level.verify, schedule_level.text};

constexpr Level loop_level = {"loops", [](const Stages& s) { return verify(s.loops); },
                              [](const Stages& s) { return to_string(s.loops); }};

constexpr Level report_level = {"report", [](const Stages&) { return std::vector<Diagnostic>(); },
                                [](const Stages& s) { return to_string(s.report); }};

// ---- passes -----------------------------------------------------------------------------------
// What a row needs around a pass of another shape.

using Request = const CompileRequest&;

/// Statements hand on where they come from, whatever the rewrite.
void become(Stages& s, Program after) {
  hand_on_sources(s.program, after);
  s.program = std::move(after);
}

template <Program (*pass)(const Program&)>
Expected<Stages> on_program(Stages s, Request) {
  become(s, pass(s.program));
  return s;
}

template <Program (*pass)(const Program&, std::vector<std::string>& notes)>
Expected<Stages> on_program(Stages s, Request) {
  become(s, pass(s.program, s.report.fusion));
  return s;
}

Expected<Stages> into_legal_statements(Stages s, Request request) {
  s.lowering.strides = request.strides;
  become(s, legalise(s.program, s.lowering));
  return s;
}

Expected<Stages> in_chosen_forms(Stages s, Request request) {
  Expected<FormedProgram> formed =
      choose_forms(s.program, s.lowering,
                   {request.target, request.accuracy, request.deterministic, s.asked.is_naive(),
                    s.asked.text()});
  if (!formed) return formed.failure();
  become(s, std::move(formed->program));
  s.lowering = std::move(formed->options);
  for (const StatementForms& statement : formed->statements)
    if (statement.chosen != "direct") s.schedules.forms[statement.nest] = {statement.chosen, {}};
  s.report.forms = std::move(formed->statements);
  return s;
}

Expected<Stages> into_nests(Stages s, Request) {
  s.lowering.names = folded_names(s.written, s.program);
  Expected<NestProgram> nests = lower(s.program, s.lowering);
  if (!nests) return nests.failure();
  s.nests = std::move(*nests);
  std::map<size_t, std::string> of_parts; // by statement: its form, of which each phase is
  for (Nest& nest : s.nests.nests) {
    const auto form = s.schedules.forms.find(nest.name);
    if (form != s.schedules.forms.end())
      nest.form = form->second.form;
    else if (has_parts(nest))
      nest.form = of_parts[nest.statements.front()];
    if (has_parts(nest)) of_parts[nest.statements.front()] = nest.form;
  }
  return s;
}

template <NestProgram (*pass)(NestProgram)>
Expected<Stages> on_nests(Stages s, Request) {
  s.nests = pass(std::move(s.nests));
  return s;
}

/// Of nests that came as such: their forms were chosen when they were made.
std::optional<Failure> form_misfit(const Stages& s) {
  if (!s.program.outputs.empty()) return std::nullopt;
  for (const auto& [name, directive] : s.asked.text().forms) {
    const auto nest = std::find_if(s.nests.nests.begin(), s.nests.nests.end(),
                                   [&](const Nest& n) { return n.name == name; });
    if (nest == s.nests.nests.end())
      return fail(Diagnostic{
          directive.where, "schedule",
          fmt::format("form {} {}: there is no nest {}", name, directive.form, name), ""});
    const std::string_view form = nest->form.empty() ? forms().front().name : nest->form;
    if (directive.form != form)
      return fail(Diagnostic{directive.where, "schedule",
                             fmt::format("form {} {}: the nest was made in its form, which is {}",
                                         name, directive.form, form),
                             "another is chosen where the program is lowered"});
  }
  return std::nullopt;
}

Expected<Stages> in_bands(Stages s, Request request) {
  if (auto refused = form_misfit(s)) return *refused;
  Expected<NestProgram> placed = s.asked.place(std::move(s.nests), request.target, s.report.bands);
  if (!placed) return placed.failure();
  s.nests = std::move(*placed);
  s.unchanged = std::none_of(s.nests.nests.begin(), s.nests.nests.end(),
                             [](const Nest& nest) { return nest.placement.has_value(); });
  return s;
}

Expected<Stages> with_small_copies(Stages s, Request) {
  s.unchanged = true;
  if (s.program.outputs.empty()) return s; // nests that came as such: every copy was written
  if (auto refused = refuse_large_copies(s.written, s.program, s.nests)) return *refused;
  return s;
}

Expected<Stages> into_pieces(Stages s, Request) {
  s.pieces = cut_bands(s.nests);
  s.unchanged = std::none_of(s.nests.nests.begin(), s.nests.nests.end(),
                             [](const Nest& nest) { return nest.placement.has_value(); });
  return s;
}

template <Expr (*pass)(const Expr&)>
Expected<Stages> on_expressions(Stages s, Request) {
  s.unchanged = true;
  for (Nest& piece : s.pieces.nests) {
    const auto changing = [&](const Expr& before) {
      Expr after = pass(before);
      s.unchanged &= after == before;
      return after;
    };
    piece = with_expressions(std::move(piece), changing);
  }
  return s;
}

Expected<Stages> with_turned_copies(Stages s, Request) {
  for (Nest& piece : s.pieces.nests) piece = with_turned_copy(std::move(piece));
  return s;
}

SumOrder sum_order(Request request) {
  return request.deterministic ? SumOrder::stated : SumOrder::any;
}

Expected<Stages> with_ordered_sums(Stages s, Request request) {
  s.unchanged = !request.deterministic;
  if (request.deterministic)
    for (Nest& piece : s.pieces.nests) piece = in_stated_order(std::move(piece));
  return s;
}

Expected<Stages> without_fma(Stages s, Request request) {
  s.unchanged = true;
  return request.target.has_fma ? std::move(s) : on_expressions<split_fma>(std::move(s), request);
}

Expected<Stages> into_schedules(Stages s, Request request) {
  const Asked::Inside inside(s.nests);
  for (const Nest& piece : s.pieces.nests) {
    const Form* form = find_form(piece.form);
    Choice choice = s.asked.for_nest(piece, s.pieces.buffers, inside, form && form->adds_groups,
                                     request.target, sum_order(request));
    if (request.deterministic && order_matters(piece))
      choice.why.emplace_back("sums are added up in one order, taps, then channels, whatever the "
                              "schedule: deterministic was asked for");
    s.schedules[piece.name] = choice.schedule;
    s.why[piece.name] = std::move(choice);
  }
  return s;
}

/// Stages that are chosen, in nests that multiply matrices, or whose own schedules say so.
Expected<Stages> with_overlaps(Stages s, Request) {
  s.unchanged = true;
  for (size_t n = 1; n < s.pieces.nests.size(); ++n) {
    const Nest &stage = s.pieces.nests[n - 1], &consumer = s.pieces.nests[n];
    Schedule& of_consumer = s.schedules.at(consumer.name);
    if (of_consumer.compute.size() != 1 || of_consumer.compute.front().nest != stage.name) continue;
    if (!s.asked.is_chosen(stage.name)) continue;
    if (!of_consumer.compute.front().overlaps && !s.asked.is_chosen(consumer.name)) continue;
    if (s.asked.is_chosen(consumer.name)) {
      std::optional<Overlapping> both =
          overlapping(stage, s.why.at(stage.name), consumer, s.why.at(consumer.name));
      if (!both) continue;
      both->consumer.compute = std::move(of_consumer.compute);
      if (both->consumer.loops != of_consumer.loops)
        s.why.at(consumer.name).why = {fmt::format("of its candidates the one that takes the "
                                                   "fewest cycles together with {}, which is made "
                                                   "amid its products",
                                                   stage.name)};
      s.schedules.at(stage.name) = std::move(both->stage);
      of_consumer = std::move(both->consumer);
    } else {
      Schedule& of_stage = s.schedules.at(stage.name);
      std::optional<Schedule> plain = overlapping_stage(stage, of_stage, consumer, of_consumer);
      if (!plain) continue;
      of_stage = std::move(*plain);
    }
    s.unchanged = false;
    of_consumer.compute.front().overlaps = true;
    s.why.at(stage.name).why = {fmt::format(
        "plain loops: each row is made amid the products of {} for the row before, which a matrix "
        "unit computes meanwhile",
        consumer.name)};
  }
  return s;
}

/// Those of all pieces together, so that a schedule's faults are all told at once.
void add(Failure& refused, const std::vector<Diagnostic>& faults) {
  refused.diagnostics.insert(refused.diagnostics.end(), faults.begin(), faults.end());
}

Expected<Nest> flattened(Nest piece, const Schedule& schedule) {
  for (const std::vector<std::string>& axes : schedule.flatten) {
    Expected<Nest> flat = flatten(piece, axes);
    if (!flat) return flat;
    piece = std::move(*flat);
  }
  return piece;
}

Expected<Stages> with_joined_axes(Stages s, Request) {
  Failure refused;
  s.unchanged = std::all_of(s.pieces.nests.begin(), s.pieces.nests.end(), [&](const Nest& piece) {
    return s.schedules.at(piece.name).flatten.empty();
  });
  for (Nest& piece : s.pieces.nests) {
    Expected<Nest> flat = flattened(piece, s.schedules.at(piece.name));
    if (flat)
      piece = std::move(*flat);
    else
      add(refused, flat.diagnostics());
  }
  if (!refused.diagnostics.empty()) return refused;
  return s;
}

Expected<Stages> into_plans(Stages s, Request request) {
  Failure refused;
  for (const Nest& piece : s.pieces.nests) {
    const std::optional<ConstantWeight> weight = ConstantWeight::of(piece, s.pieces.buffers);
    Schedule& schedule = s.schedules.at(piece.name);
    Expected<Plan> plan =
        resolve(schedule, piece, request.target, weight ? &*weight : nullptr, sum_order(request));
    if (plan) {
      schedule = plan->schedule;
      s.plans.insert_or_assign(piece.name, std::move(*plan));
    } else {
      add(refused, plan.diagnostics());
    }
  }
  if (!refused.diagnostics.empty()) return refused;
  return s;
}

Expected<Stages> into_loops(Stages s, Request request) {
  std::unordered_map<std::string_view, const Nest*> whole; // before they were cut into bands
  for (const Nest& nest : s.nests.nests) whole.emplace(nest.name, &nest);
  const auto report = [&](const Nest& piece, const Specialised& made) {
    s.report.nests.push_back(report_of(piece, *whole.at(piece.name), s.plans.at(piece.name),
                                       s.why.at(piece.name), made, request.target));
  };
  // Nobody asked for a schedule that was chosen, so it is not refused.
  const auto plain = [&](const Nest& piece) -> const Plan* {
    if (!s.asked.is_chosen(piece.name)) return nullptr;
    Schedule& schedule = s.schedules.at(piece.name);
    Expected<Plan> plan = resolve(plain_schedule(piece, schedule), piece, request.target, nullptr,
                                  sum_order(request));
    if (!plan) return nullptr;
    schedule = plan->schedule;
    s.why.at(piece.name).why = {"what was chosen became too much code: every axis a plain loop"};
    return &s.plans.insert_or_assign(piece.name, std::move(*plan)).first->second;
  };
  Expected<Steps> steps = specialise_each(s.pieces, s.plans, report, plain);
  if (!steps) return steps.failure();
  s.loops = std::move(steps->loops);
  s.packings = std::move(steps->packings);
  return s;
}

Expected<Stages> into_steps(Stages s, Request) {
  s.unchanged = std::none_of(s.pieces.nests.begin(), s.pieces.nests.end(),
                             [](const Nest& piece) { return piece.placement.has_value(); });
  if (s.unchanged) return s;
  const auto directive = [&](const Nest& nest) -> ComputeDirective* {
    for (Schedule* schedule : {&s.schedules.at(nest.name), &s.plans.at(nest.name).schedule})
      for (ComputeDirective& compute : schedule->compute)
        if (compute.overlaps) return &compute;
    return nullptr;
  };
  Failure refused;
  const auto is_asked = [&](const Nest& nest) { return directive(nest) != nullptr; };
  const auto refuse = [&](const Nest& nest, const std::string& misfit) {
    const ComputeDirective asked = *directive(nest);
    const std::string text =
        fmt::format("compute {} at {} by {} overlap: {}", asked.nest, asked.axis, asked.by, misfit);
    if (!s.asked.is_chosen(nest.name))
      add(refused,
          fail(Diagnostic{asked.at, "schedule", fmt::format("nest {}: {}", nest.name, text),
                          "leave out `overlap`"})
              .diagnostics);
    // Nobody asked for what was chosen: one nest after the other, and the report says so.
    while (ComputeDirective* compute = directive(nest)) compute->overlaps = false;
    for (NestReport& report : s.report.nests) {
      if (report.name == nest.name) report.schedule = to_string(s.plans.at(nest.name).schedule);
      if (report.name == asked.nest) report.why = {text};
    }
  };
  Steps merged =
      merge_placed({std::move(s.loops), std::move(s.packings)}, s.pieces, {is_asked, refuse});
  if (!refused.diagnostics.empty()) return refused;
  s.loops = std::move(merged.loops);
  s.packings = std::move(merged.packings);
  return s;
}

Expected<Stages> with_packed_operands(Stages s, Request request) {
  s.unchanged = s.packings.empty();
  if (s.unchanged) return s;
  Expected<LoopProgram> packed =
      pack_operands({std::move(s.loops), std::move(s.packings)}, request.target);
  if (!packed) return packed.failure();
  s.loops = std::move(*packed);
  s.packings.clear();
  return s;
}

Expected<Stages> in_normal_form(Stages s, Request) {
  s.loops = normal_form(std::move(s.loops));
  return s;
}

Expected<Stages> with_words(Stages s, Request request) {
  explain(s.written, request.target, s);
  return s;
}

// ---- the table --------------------------------------------------------------------------------
// clang-format off

constexpr Pass passes[] = {
    {"fold_constants", "program", program_level,
     "what depends on constants only is computed now", on_program<fold_constants>},
    {"fold_batch_norm", "program", program_level,
     "a batch_norm after a convolution disappears into a constant weight", on_program<fold_batch_norm>},
    {"legalise", "program", program_level,
     "copies are put in where an operator is not one nest over its operands' memory", into_legal_statements},
    {"fold_copies", "program", program_level,
     "copies of constants that legalising has put in are made now", on_program<fold_constants>},
    {"choose_forms", "program", program_level,
     "which algorithm computes each statement: as asked, or the fewest predicted cycles", in_chosen_forms},

    {"lower", "program", nest_level,
     "statements become nests: domains, accesses and what is combined", into_nests},
    {"fold_tables", "nests", nest_level,
     "nests that read nothing but constant tables are run now", on_nests<fold_tables>},
    {"number_nests", "nests", nest_level,
     "variables, names and equal values are brought into the form that a text of nests stands for", on_nests<normal_form>},
    {"place_bands", "nests", nest_level,
     "which nests are computed inside which, a band of rows at a time", in_bands},
    {"limit_copies", "nests", nest_level,
     "a copy that nobody wrote is refused where it is out of all proportion", with_small_copies},

    {"cut_bands", "nests", piece_level,
     "the nests of one step share an axis of bands, with scratch between them", into_pieces},
    {"turn_copies", "pieces", piece_level,
     "a copy whose result lies along another axis goes through registers, which are turned", with_turned_copies},
    {"order_sums", "pieces", piece_level,
     "sums of a deterministic kernel get the one order that it adds up in: taps, then channels", with_ordered_sums},
    {"choose", "pieces", schedule_level,
     "each nest gets the schedule that was asked for, or the cheapest by the model", into_schedules},
    {"overlap", "schedules", schedule_level,
     "a stage's rows are made amid the products of the row before, where a matrix unit has some", with_overlaps},
    {"expand_math", "pieces", piece_level,
     "exp, log, tanh and erf become exactly rounded operations", on_expressions<expand_math>},
    {"split_fma", "pieces", piece_level,
     "a multiply-add becomes a product and a sum where the target has no such instruction", without_fma},
    {"flatten", "pieces", piece_level,
     "axes that every access walks together are joined, as the schedules say", with_joined_axes},
    {"resolve", "schedules", plan_level,
     "what a schedule means for its nest is worked out: loops, tiles, registers, how operands arrive", into_plans},

    {"specialise", "plans", loop_level,
     "a nest and its schedule become loops: borders split off, tiles in registers", into_loops},
    {"merge_steps", "loops", loop_level,
     "nests that are computed inside others run in the steps of those", into_steps},
    {"pack", "loops", loop_level,
     "operands are brought into the order in which loops read them, constant ones now", with_packed_operands},
    {"number_loops", "loops", loop_level,
     "variables, names and equal values are brought into the form that a text of loops stands for", in_normal_form},
    {"explain", "loops", report_level,
     "what was done and why is read off all of it, in words", with_words},
};

// clang-format on

constexpr size_t row_of(std::string_view name) {
  size_t row = 0;
  while (passes[row].name != name) ++row;
  return row;
}

/// The rows at which nests come in that were lowered before, and loops that were specialised.
constexpr size_t first_of_nests = row_of("fold_tables"), first_of_loops = row_of("number_loops");
/// Behind those that a nest needs to be run as it is.
constexpr size_t end_of_plain = row_of("flatten");

/// Throws what a verifier found: a bug of the pass before it.
void require(std::vector<Diagnostic> found, std::string_view pass) {
  if (found.empty()) return;
  for (Diagnostic& d : found) d.message = fmt::format("after {}: {}", pass, d.message);
  throw InternalError(std::move(found));
}

class Stopwatch {
public:
  /// Milliseconds since the last lap.
  double lap() {
    const auto now = std::chrono::steady_clock::now();
    const double ms = std::chrono::duration<double, std::milli>(now - last_).count();
    last_ = now;
    return ms;
  }

private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

} // namespace

std::span<const Pass> passes_to_loops() { return passes; }

Expected<Stages> run(std::span<const Pass> table, Stages value, const CompileRequest& request) {
  for (const Pass& pass : table) {
    Stopwatch watch;
    ir::check_budget();
    value.unchanged = false;
    Expected<Stages> made = pass.run(std::move(value), request);
    if (!made) return made;
    value = std::move(*made);
    const double ms = watch.lap();
    if (!value.unchanged) require(pass.makes.verify(value), pass.name);
    value.report.passes.push_back({std::string(pass.name), ms, watch.lap()});
    if (request.watch) request.watch(pass, value);
  }
  return value;
}

namespace {

/// Runs passes, from one of them to before another, with the schedules that were asked for.
Expected<Stages> run_from(size_t first, Stages start, const CompileRequest& request,
                          size_t end = std::size(passes)) {
  Expected<Asked> asked = Asked::parse(request.schedule);
  if (!asked) return asked.failure();
  start.asked = std::move(*asked);
  Expected<Stages> made =
      run(std::span(passes).subspan(first, end - first), std::move(start), request);
  if (!made) {
    Failure refused = made.failure();
    for (Diagnostic& d : refused.diagnostics) // a schedule's faults are shown in its text
      if (d.subject == "schedule" && d.where.line > 0)
        d.in =
            std::make_shared<const NamedText>(NamedText{request.schedule_name, request.schedule});
    return refused;
  }
  for (const PassTime& pass : made->report.passes) made->report.lower_ms += pass.total_ms();
  made->report.schedule_note = request.schedule_note;
  return made;
}

} // namespace

namespace {

Expected<Stages> run_program(const Program& program, const CompileRequest& request, size_t end) {
  if (std::vector<Diagnostic> faults = verify(program); !faults.empty())
    return Failure{std::move(faults)};
  Stages start;
  start.written = program;
  start.program = with_own_sources(program);
  return within(request.budget, program.name,
                [&] { return run_from(0, std::move(start), request, end); });
}

} // namespace

Expected<Stages> specialise_program(const Program& program, const CompileRequest& request) {
  return run_program(program, request, std::size(passes));
}

Expected<Stages> lower_program(const Program& program, const CompileRequest& request) {
  CompileRequest plain = request;
  plain.schedule = "naive"; // of which choosing takes no time
  return run_program(program, plain, end_of_plain);
}

Expected<Stages> specialise_nests(const NestProgram& nests, const CompileRequest& request) {
  if (std::vector<Diagnostic> faults = faults_of_given(nests); !faults.empty())
    return Failure{std::move(faults)};
  Stages start;
  start.written.name = start.program.name = nests.name;
  start.nests = nests;
  for (const Nest& nest : nests.nests)
    if (!nest.form.empty()) start.schedules.forms[nest.name] = {nest.form, {}};
  return within(request.budget, nests.name,
                [&] { return run_from(first_of_nests, std::move(start), request); });
}

Expected<Stages> finish_loops(const LoopProgram& loops, const CompileRequest& request) {
  if (std::vector<Diagnostic> faults = faults_of_given(loops); !faults.empty())
    return Failure{std::move(faults)};
  if (request.schedule != "auto")
    return fail("schedule", "loops have every decision taken: nothing is left to schedule");
  Stages start;
  start.written.name = start.program.name = loops.name;
  start.loops = loops;
  for (const Step& step : loops.steps) start.report.nests.push_back(report_of(step));
  return run_from(first_of_loops, std::move(start), request);
}

std::string to_string(std::span<const Pass> table) {
  const auto levels = [](const Pass& pass) {
    return fmt::format("{} -> {}", pass.takes, pass.makes.name);
  };
  size_t name = 0, level = 0;
  for (const Pass& pass : table) {
    name = std::max(name, pass.name.size());
    level = std::max(level, levels(pass).size());
  }
  std::string text;
  for (const Pass& pass : table)
    text += fmt::format("{:{}}  {:{}}  {}\n", pass.name, name, levels(pass), level, pass.sentence);
  return text;
}

} // namespace volute::compiler
