#include "compiler/choose_forms.h"

#include "compiler/lower/fuse.h"
#include "compiler/nests/bands.h"
#include "compiler/nests/domain_points.h"
#include "compiler/nests/facts.h"
#include "compiler/nests/flatten.h"
#include "compiler/nests/parts.h"
#include "compiler/nests/place_bands.h"
#include "compiler/rewrites/fold_tables.h"
#include "compiler/rewrites/form.h"
#include "compiler/schedule/choose.h"
#include "compiler/schedule/cost_model.h"
#include "compiler/schedule/overlap.h"
#include "compiler/schedule/plan.h"
#include "ir/def_use.h"
#include "ir/operators.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

namespace volute::compiler {

using ir::Program;
using ir::Statement;
using ir::ValueId;

namespace {

const Form& direct() { return forms().front(); }

// What a core moves to and from beyond its L2. Measured on Zen 4 with images of 8 and 6 MB: one
// nest computes while its next rows arrive, and takes the longer of the two; several nests, each
// with little to compute, take the sum, whether they share bands or not.
constexpr double far_bytes_per_cycle = 6;

// Of a direct sum's cycles, both by arithmetic: with more, a form is not taken by it. It leaves
// room for what arithmetic does not see.
constexpr double most_of_direct = 0.7;
// What such a form takes by arithmetic may be so many times less than what it takes: beside one
// that a model tells of it is looked at by the model too, which adds up more for many nests than
// they cost.
constexpr double most_of_arithmetic = 2, less_of_a_model = 0.9;
// Where numbers in parts promise no more than so much over another form, it is mostly the other
// that is faster; more where their image is turned on the way, and more yet where few steps of the
// unit make a sum, beside which its results are turned too. Measured on Emerald Rapids, times of
// direct over parts, promised and true: 1 step 1.35 and 0.55, 2 steps 1.19 and 0.72, 1.16 and 0.96,
// 8 steps 1.06 and 0.83; 16 steps 1.10 and 1.24, 32 steps 1.11 and 1.26, 40 steps 1.13 and 1.24.
constexpr double close_to_parts = 1.02, close_to_turned_parts = 1.05, turned_for_one_step = 0.32;
// Cycles of a direct sum that is left as it is: nests cost their beginnings and ends, and compile
// time.
constexpr double little_work = 150e3;

/// A statement that begins a nest, and what is fused into it.
struct Head {
  const Fusion::Group& group;
  std::string nest;        // its name
  ir::ValueId result;      // of the head
  bool may_choose = false; // between forms: of a convolution more than one may be worth it

  // Where it may, or a text says that it does: a program of the statements and the constants that
  // they read, all else as inputs, in numbers of its own.
  Program alone = {};
  size_t at = 0; // of the head, in `alone`
  const Statement& statement() const { return alone.statements[at]; }
};

/// Puts what a head needs to be looked at by itself into it.
void set_alone(Head& head, const ir::DefUse& uses) {
  const Program& program = uses.program();
  Program& part = head.alone;
  part.name = program.name;
  std::map<ValueId, ValueId> numbers;
  const auto number = [&](ValueId id) {
    const auto [known, is_new] = numbers.try_emplace(id, static_cast<ValueId>(part.values.size()));
    if (is_new) part.values.push_back(program.values[static_cast<size_t>(id)]);
    return std::pair(known->second, is_new);
  };
  for (const size_t i : head.group.statements) {
    Statement statement = program.statements[i];
    for (ValueId& operand : statement.operands) {
      const auto [own, is_new] = number(operand);
      if (const Statement* made = uses.definition(operand);
          is_new && made && std::holds_alternative<ir::Const>(made->operation))
        part.statements.push_back({{own}, made->operation, {}, made->where});
      else if (is_new)
        part.inputs.push_back(own);
      operand = own;
    }
    for (ValueId& result : statement.results) result = number(result).first;
    if (i == head.group.statements.front()) head.at = part.statements.size();
    part.statements.push_back(std::move(statement));
  }
  part.outputs = {part.statements.back().results.front()};
}

/// A nest's best schedule, with the cycles of it.
Choice predicted(const ir::Nest& nest, const Target& target, const std::vector<ir::Buffer>& buffers,
                 bool dot_products) {
  Choice choice = choose(nest, target, buffers, dot_products);
  if (!choice.candidates.empty()) { // a transform's first is not the one that the model likes most
    choice.cycles =
        std::min_element(choice.candidates.begin(), choice.candidates.end(),
                         [](const auto& a, const auto& b) { return a.cycles < b.cycles; })
            ->cycles;
    return choice;
  }
  ir::Nest flat = nest;
  for (const std::vector<std::string>& axes : choice.schedule.flatten)
    flat = flatten(flat, axes).value();
  choice.cycles = predict(flat, resolve(choice.schedule, flat, target).value(), target).cycles;
  return choice;
}

/// Of nests that run in one step, a band at a time.
double predicted_cycles(const Bands& bands, const Target& target, bool dot_products) {
  std::vector<Choice> choices;
  double cycles = 0;
  for (const ir::Nest& nest : bands.nests) {
    choices.push_back(predicted(nest, target, bands.buffers, dot_products));
    cycles += choices.back().cycles;
  }
  if (choices.size() != 2) return cycles;
  const auto both = overlapping(bands.nests[0], choices[0], bands.nests[1], choices[1]);
  return both ? both->cycles : cycles;
}

/// Of a nest's images on their way from and to where L2 does not hold them, each once.
double far_cycles(const ir::Nest& nest, const std::vector<ir::Buffer>& buffers,
                  const Target& target) {
  const int32_t weight = weight_of(nest);
  double bytes = 0;
  for (size_t i = 0; i < nest.operands.size(); ++i) {
    const ir::Buffer& buffer = buffers[static_cast<size_t>(nest.operands[i].buffer)];
    const int64_t size = buffer.elements * size_of(buffer.element);
    if (buffer.role != ir::Buffer::Role::scratch && static_cast<int32_t>(i) != weight &&
        size > target.l2_bytes)
      bytes += static_cast<double>(size);
  }
  return bytes / far_bytes_per_cycle;
}

double cycles_of(const Program& program, const LowerOptions& options, const Target& target) {
  ir::NestProgram nests = lower(program, options).value();
  nests = fold_tables(std::move(nests));
  std::vector<std::string> whys;
  nests = place_bands(std::move(nests), target, whys);
  double cycles = 0, far = 0;
  int count = 0;
  const Producers producers(nests);
  for (size_t n = 0; n < nests.nests.size(); ++n) {
    // Sums of a weight are made when it is bound.
    if (nests.nests[n].placement || is_of_weight(nests.nests[n])) continue;
    const Bands bands = banded(nests, producers, nests.buffers, n);
    cycles += predicted_cycles(bands, target,
                               !options.dot_products.empty() || !options.split_products.empty());
    for (const ir::Nest& nest : bands.nests) far += far_cycles(nest, bands.buffers, target);
    count += static_cast<int>(bands.nests.size());
  }
  return count == 1 ? std::max(cycles, far) : cycles + far;
}

class FormChooser {
public:
  FormChooser(const Program& program, const LowerOptions& options, const FormRequest& request)
      : request_(request), formed_{program, options, {}}, fusion_(fuse(program)) {
    formed_.options.has_matrix_unit = request.target.has_tiles_for(ir::ElementType::bf16);
    const ir::DefUse uses(program);
    for (const Fusion::Group& group : fusion_.groups) {
      const Statement& head = program.statements[group.statements.front()];
      const ValueId result = program.statements[group.statements.back()].results.front();
      if (program.type(result).elements() == 0) continue;
      heads_.push_back({group, nest_name(program, group), head.results.front()});
      const bool is_asked = request.text.forms.count(heads_.back().nest) > 0;
      heads_.back().may_choose = ir::convolution(head.operation).has_value();
      if (heads_.back().may_choose || is_asked) set_alone(heads_.back(), uses);
    }
  }

  Expected<FormedProgram> run() {
    if (!(request_.accuracy >= 0) || !std::isfinite(request_.accuracy))
      return fail("accuracy", fmt::format("{} is not a number of 0 or more", request_.accuracy));
    for (const auto& [nest, directive] : request_.text.forms)
      if (auto refused = misfit(nest, directive)) return *refused;
    std::vector<std::pair<const Form*, ValueId>> rewritten;
    for (const Head& head : heads_) {
      Expected<const Form*> form = form_of(head);
      if (!form) return form.failure();
      if ((*form)->rewrite) rewritten.emplace_back(*form, head.result);
      if ((*form)->lower) (*form)->lower(formed_.options, head.result);
    }
    if (rewritten.empty()) return std::move(formed_);
    Edit edit(formed_.program);
    for (const auto& [form, result] : rewritten) form->rewrite(edit, result);
    formed_.program = edit.finish();
    return std::move(formed_);
  }

private:
  bool is_too_slow(const Form& form) const {
    return form.too_slow && form.too_slow(request_.target);
  }

  // ---- what the text says -------------------------------------------------------------------

  static Failure refuse(const std::string& nest, const FormDirective& directive,
                        const std::string& why, const std::string& hint) {
    return fail(Diagnostic{directive.where, "schedule",
                           fmt::format("form {} {}: {}", nest, directive.form, why), hint});
  }

  const Head* find(const std::string& nest) const {
    const auto found = std::find_if(heads_.begin(), heads_.end(),
                                    [&](const Head& head) { return head.nest == nest; });
    return found == heads_.end() ? nullptr : &*found;
  }

  std::optional<Failure> misfit(const std::string& nest, const FormDirective& directive) const {
    const auto refused = [&](const std::string& why, const std::string& hint) {
      return std::optional(refuse(nest, directive, why, hint));
    };
    const Head* head = find(nest);
    if (!head) {
      std::vector<std::string> nests;
      for (const Head& other : heads_) nests.push_back(other.nest);
      return refused(fmt::format("no statement is the nest {}", nest),
                     fmt::format("the nests of statements are {}", fmt::join(nests, ", ")));
    }
    const Form* form = find_form(directive.form);
    if (!form) return refused("there is no such form", those_that_apply(*head));
    if (const auto why = obstacle(*form, *head)) return refused(*why, those_that_apply(*head));
    const double error = error_of(*form, *head);
    if (error > most_error())
      return refused(too_inaccurate(error),
                     request_.deterministic
                         ? those_that_apply(*head)
                         : fmt::format("{}; accuracy {} allows {}", those_that_apply(*head), error,
                                       form->name));
    if (const LoopDirective* loop = loop_over_groups(*head); loop && !form->adds_groups)
      if (const Form& other = form_of(*loop); !obstacle(other, *head))
        return refused(fmt::format("it has no `for {}`", words_of(*loop)),
                       fmt::format("write `form {} {}`", nest, other.name));
    return std::nullopt;
  }

  std::optional<std::string> obstacle(const Form& form, const Head& head) const {
    return form.obstacle(head.alone, head.statement(), request_.target);
  }
  /// As it is printed, too: an accuracy of what is printed allows the form.
  double error_of(const Form& form, const Head& head) const {
    return std::ceil(100 * form.error(head.alone, head.statement())) / 100;
  }
  double most_error() const { return request_.deterministic ? 0 : request_.accuracy; }
  std::string too_inaccurate(double error) const {
    if (request_.deterministic) return "a deterministic kernel is a direct sum";
    return fmt::format("its error is up to {} times that of a direct sum, and {} is asked for",
                       error, request_.accuracy);
  }
  std::string those_that_apply(const Head& head) const {
    std::vector<std::string_view> names;
    for (const Form& form : forms())
      if (!obstacle(form, head) && error_of(form, head) <= most_error()) names.push_back(form.name);
    return fmt::format("{} may be {}", head.nest, fmt::join(names, " or "));
  }

  /// The schedule that the text has for a nest.
  const Schedule* scheduled(const Head& head) const {
    for (const std::string& name : {head.nest, std::string()})
      if (const auto found = request_.text.find(name); found != request_.text.end())
        return &found->second;
    return nullptr;
  }
  /// The form that a loop over groups of products is of.
  static const Form& form_of(const LoopDirective& loop) {
    return *find_form(loop.tile > 0 ? "tile" : "dot");
  }
  static std::string words_of(const LoopDirective& loop) {
    return loop.tile > 0 ? fmt::format("{} tile {}", loop.axis, loop.tile)
                         : fmt::format("{} dot {}", loop.axis, loop.dot);
  }
  const LoopDirective* loop_over_groups(const Head& head) const {
    const Schedule* schedule = scheduled(head);
    if (!schedule) return nullptr;
    const auto found =
        std::find_if(schedule->loops.begin(), schedule->loops.end(),
                     [](const LoopDirective& loop) { return loop.dot > 0 || loop.tile > 0; });
    return found == schedule->loops.end() ? nullptr : &*found;
  }

  // ---- what is chosen -----------------------------------------------------------------------

  Expected<const Form*> form_of(const Head& head) {
    if (!head.may_choose) return &direct();
    StatementForms told;
    told.nest = head.nest;
    const Form* best = &direct();
    if (const auto given = request_.text.forms.find(head.nest);
        given != request_.text.forms.end()) {
      best = find_form(given->second.form);
      told.why = "the schedule says so";
    } else if (request_.naive || scheduled(head)) {
      const LoopDirective* loop = loop_over_groups(head);
      if (loop && !obstacle(form_of(*loop), head)) {
        best = &form_of(*loop);
        told.why = fmt::format("the schedule has a loop `{}`", words_of(*loop));
        if (error_of(*best, head) > most_error())
          return fail(Diagnostic{loop->at, "schedule",
                                 fmt::format("nest {}: for {}: {}", head.nest, words_of(*loop),
                                             too_inaccurate(error_of(*best, head))),
                                 those_that_apply(head)});
      } else {
        told.why = request_.naive ? "naive is asked for" : "the schedule says no more of it";
      }
    } else {
      best = &fastest(head, told);
    }
    told.chosen = best->name;
    told.sentence = best->sentence;
    told.error = error_of(*best, head);
    told.value = formed_.program.name_of(head.result);
    told.reach = best->reach;
    told.keeps_whole_numbers = compiler::keeps_whole_numbers(*best, head.alone, head.statement());
    told.parts = best->parts;
    if (best->reach > 0 || is_for_matrices(*best)) told.multiply_adds = asked_of_direct(head);
    formed_.statements.push_back(std::move(told));
    return best;
  }

  /// Of the forms that are accurate enough, the one of the fewest predicted cycles.
  const Form& fastest(const Head& head, StatementForms& told) const {
    std::vector<const Form*> candidates;
    const auto axes = std::ssize(head.alone.type(head.statement().operands[0]).spatial_axes());
    for (const Form& form : forms()) {
      if (is_too_slow(form)) continue;
      if (!form.needs.empty() && !request_.target.has(form.needs)) continue;
      if (form.axes != 0 && form.axes != axes) continue;
      FormReport report{std::string(form.name), 0, 0, ""};
      if (const auto why = obstacle(form, head)) {
        report.refused = *why;
      } else {
        report.error = error_of(form, head);
        if (report.error > most_error())
          report.refused = too_inaccurate(report.error);
        else
          candidates.push_back(&form);
      }
      told.forms.push_back(std::move(report));
    }
    const Clear clear = clearly_fastest(head, candidates, told);
    const bool splits = std::any_of(candidates.begin(), candidates.end(),
                                    [](const Form* form) { return form->parts > 0; });
    if (clear.form && !splits) return *clear.form;
    if (candidates.size() == 1) return *candidates.front();
    const Form* best = nullptr;
    double least = 0;
    // Beside a matrix unit much need not be looked at.
    std::stable_partition(candidates.begin(), candidates.end(),
                          [](const Form* form) { return is_for_matrices(*form); });
    for (const Form* form : candidates) {
      if (best && is_for_matrices(*best) && !is_for_matrices(*form) &&
          margin(*best, *form, head) * least < cycles_of_vectors(head)) {
        report_of(told, *form).refused =
            fmt::format("it would take {:.1f} times {}'s cycles, or more",
                        cycles_of_vectors(head) / least, best->name);
        continue;
      }
      const double cycles = predicted_cycles_of(*form, head);
      report_of(told, *form).cycles = cycles;
      if (!best || cycles < margin(*best, *form, head) * least) best = form, least = cycles;
    }
    if (!clear.form) return *best;
    double cycles = clear.cycles;
    if (cycles < least && least < most_of_arithmetic * cycles)
      cycles = std::max(cycles, less_of_a_model * predicted_cycles_of(*clear.form, head));
    report_of(told, *clear.form).cycles = cycles;
    return cycles < margin(*best, *clear.form, head) * least ? *clear.form : *best;
  }

  /// What a form may take of the cycles of one that splits numbers to be taken in its place.
  static double margin(const Form& best, const Form& other, const Head& head) {
    if (best.parts == 0 || other.parts > 0) return 1;
    const ir::TensorType& image = head.alone.type(head.statement().operands[0]);
    if (image.extents.back().axis == ir::Axis::c) return close_to_parts;
    const ir::TensorType& weight = head.alone.type(head.statement().operands[1]);
    const int64_t taps = weight.elements() / weight.size(ir::Axis::o);
    const int64_t steps = ir::ceil_div(taps, parts_in_a_step);
    return close_to_turned_parts + turned_for_one_step / static_cast<double>(steps);
  }

  /// Whether it is there for what a matrix unit multiplies.
  static bool is_for_matrices(const Form& form) { return !form.needs.empty() || form.parts > 0; }

  static FormReport& report_of(StatementForms& told, const Form& form) {
    return *std::find_if(told.forms.begin(), told.forms.end(),
                         [&](const FormReport& report) { return report.name == form.name; });
  }

  double predicted_cycles_of(const Form& form, const Head& head) const {
    const ValueId result = head.statement().results.front();
    LowerOptions options = formed_.options;
    options.dot_products.clear(); // those are numbers of the whole program
    options.matrix_products.clear();
    options.tiles.clear();
    options.split_products.clear();
    if (form.lower) form.lower(options, result);
    Edit edit(head.alone);
    if (form.rewrite) form.rewrite(edit, result);
    const Program program = form.rewrite ? edit.finish() : head.alone;
    return cycles_of(program, options, request_.target);
  }

  /// No direct sum, and no dot products, take fewer.
  double cycles_of_vectors(const Head& head) const {
    const ir::ElementType element = head.alone.type(head.statement().operands[0]).element;
    double most = 0;
    for (const Unit& unit : request_.target.units())
      if (unit.kind == Unit::Kind::fma || (unit.kind == Unit::Kind::dot && unit.a == element))
        most = std::max(most, unit.products_per_cycle());
    return static_cast<double>(asked_of_direct(head)) / most;
  }

  static int64_t asked_of_direct(const Head& head) {
    int64_t sum = 0;
    const ir::NestProgram direct_nests = lower(head.alone, {}).value();
    for (const ir::Nest& nest : direct_nests.nests) sum += multiply_adds_asked_for(nest);
    return sum;
  }

  /// The form that takes clearly fewer cycles than direct by arithmetic; or none.
  struct Clear {
    const Form* form = nullptr;
    double cycles = 0;
  };

  /// Forms that arithmetic alone tells of are no candidates any more; the one of them that takes
  /// the fewest cycles is taken, where it takes clearly fewer than direct.
  Clear clearly_fastest(const Head& head, std::vector<const Form*>& candidates,
                        StatementForms& told) const {
    const Form* best = nullptr;
    Form::Estimate least;
    for (const Form* form : candidates) {
      if (!form->estimate) continue;
      const Form::Estimate estimate = form->estimate(head.alone, head.statement(), request_.target);
      report_of(told, *form).refused = fmt::format("it would take {:.2f} times direct's cycles",
                                                   estimate.cycles / estimate.direct);
      if (!best || estimate.cycles < least.cycles) best = form, least = estimate;
    }
    std::erase_if(candidates, [](const Form* form) { return form->estimate != nullptr; });
    if (!best || least.cycles > most_of_direct * least.direct || least.direct < little_work)
      return {};
    report_of(told, *best).refused.clear();
    report_of(told, *best).cycles = least.cycles;
    report_of(told, direct()).cycles = least.direct;
    return {best, least.cycles};
  }

  const FormRequest& request_;
  FormedProgram formed_;
  const Fusion fusion_; // of the program as it came
  std::vector<Head> heads_;
};

} // namespace

std::string_view FormedProgram::form_of(const std::string& nest) const {
  for (const StatementForms& statement : statements)
    if (statement.nest == nest) return statement.chosen;
  return direct().name;
}

Expected<FormedProgram> choose_forms(const Program& program, const LowerOptions& options,
                                     const FormRequest& request) {
  return FormChooser(program, options, request).run();
}

} // namespace volute::compiler
