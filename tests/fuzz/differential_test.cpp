// Random programs under random schedules on every target that this machine runs:
//
//     reference(program) == evaluate(nests) == evaluate(loops) == kernel    whole numbers, exactly
//                                             evaluate(loops) == kernel    any numbers, every bit
//
// (Sums of bf16 products by the instruction for them are compared within a bound, and programs
// without floats are compared all the way whatever their numbers.) The kernel runs between walls,
// from NaN, in one piece and in random pieces.
//
//     VOLUTE_FUZZ_SECONDS=1200 VOLUTE_FUZZ_SEED=7 ctest -R fuzz/differential
//
// runs each of the two longer, and from another seed. Each case has a seed of its own, told when it
// fails.
//
// What the generators draw was widened where faults were found that they could not find:
//
// - views whose elements share memory (strides of 0): strides were drawn as gaps only, since data
// is
//   filled in by elements, and those of one place have to agree (see_through);
// - tensors cut at many places, beside groups, transposed filters and zero points: cuts were drawn
//   for each tensor alone, one in four, so that those of all operands hardly ever met (Splits); and
//   still one program in twenty has any of them, so these are drawn once more by themselves;
// - an axis in several loops at several levels, far from each other: a second loop was drawn
//   right inside the first one only, and tiles at one level;
// - sums of few bf16 (bf16x3): they err more than is allowed by default, but not on numbers of few
//   digits;
// - infinities and NaN from the reference down: the first stages were compared on whole numbers
//   only, for which alone sums are exact, but sums of these are the same in every order too.

#include "ir/operators.h"
#include "ir/parse.h"
#include "tests/support/catch.h"
#include "tests/support/cut_convolutions.h"
#include "tests/support/dice.h"
#include "tests/support/every_stage.h"
#include "tests/support/random_program.h"
#include "tests/support/random_schedule.h"
#include "tests/support/stages.h"
#include "tests/support/tile_emulator.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

using namespace volute;
using namespace volute::tests;

namespace {

std::vector<std::string> targets() {
  std::vector<std::string> result = targets_of_users();
  result.push_back(native_with_tiles()); // KernelRun has an emulator
  return result;
}

/// What allows the forms that a schedule names: one that errs more than by default is drawn where
/// it is exact.
double accuracy_for(const std::string& schedule) {
  const bool names_one = schedule.find("bf16x3") != std::string::npos ||
                         schedule.find("winograd") != std::string::npos;
  return names_one ? 1e6 : compiler::CompileRequest().accuracy;
}

/// One compilation: everything that a failure needs to happen again.
struct Case {
  RandomProgram program;
  std::string schedule, target;
  compiler::StridesByName strides; // of inputs and outputs inside larger tensors
  uint64_t seed = 0;               // of data and pieces

  std::string command() const {
    std::string one_line = schedule;
    while (one_line.ends_with('\n')) one_line.pop_back();
    for (size_t at; (at = one_line.find('\n')) != std::string::npos;) one_line.replace(at, 1, "; ");
    const char* accuracy = accuracy_for(schedule) > 2 ? " --accuracy 1000000" : "";
    return fmt::format("volute run -e {} --fill random:{} --schedule '{}' --target {}{} --check",
                       program.quoted(), seed, one_line, target, accuracy) +
           apart();
  }
  /// What the command line cannot say.
  std::string apart() const {
    std::string words;
    for (const auto& [name, list] : strides)
      words += fmt::format("{} %{} {}", words.empty() ? "  # with strides" : ",", name,
                           fmt::join(list, " "));
    return words;
  }
};

struct Verdict {
  std::string fault;                   // what differs; empty: nothing
  std::string refused;                 // by the compiler, in these words
  std::vector<std::string> forms = {}; // "conv_transpose of bf16: tile", of the kernel
};

Closeness closeness(const RandomProgram& program) {
  if (program.is_exact) return {Closeness::Kind::values, 0};
  return {Closeness::Kind::near, program.slack};
}

/// Whether the code has the instruction that adds two products of bf16, which rounds in its own
/// way.
bool adds_pairs(const compiler::Compiled& compiled) {
  const compiler::Target target = compiler::parse_target(compiled.report.target).value();
  return target.has("avx512bf16") &&
         to_string(compiled.stages.loops).find("dot2(") != std::string::npos;
}

/// "conv_transpose of bf16: tile" for each convolution of a program that was compiled.
std::vector<std::string> forms_of(const compiler::Compiled& compiled, const ir::Program& program) {
  std::vector<std::string> all;
  for (const compiler::StatementForms& form : compiled.report.forms) {
    const std::optional<ir::ValueId> value = program.find(form.value);
    const ir::Statement* made = value ? program.definition(*value) : nullptr;
    if (!made) continue;
    const ir::ElementType element = program.type(made->operands.front()).element;
    all.push_back(fmt::format("{} of {}: {}", ir::name(made->operation),
                              ir::is_integer(element) ? "bytes" : ir::to_string(element),
                              form.chosen));
  }
  return all;
}

/// Every stage against the one before it.
std::string check_stages(const Case& one, const compiler::Compiled& compiled,
                         const ir::Program& program, const Tensors& inputs, Dice& dice) {
  const Closeness close = closeness(one.program);
  Chain chain{close, close, {}, one.strides};
  if (adds_pairs(compiled))
    chain.kernel = {one.program.is_exact ? Closeness::Kind::bits : close.kind, close.slack};
  return fault_of_stages(compiled, program, inputs, dice, chain);
}

/// The kernel with data that no sum is exact for, some of them not finite.
std::string check_arbitrary(const Case& one, const compiler::Compiled& compiled,
                            const ir::Program& program, Dice& dice) {
  const bool is_bounded = adds_pairs(compiled);
  for (const int64_t one_in : {0, 20}) {
    Tensors any = arbitrary_numbers(program, dice, one_in);
    see_through(any, one.strides);
    std::string words;
    if (one.program.is_whole) {
      words = check_stages(one, compiled, program, any, dice);
    } else if (!is_bounded) {
      words =
          fault_of_kernel(compiled, program, any,
                          evaluate_loops(compiled.stages.loops, program, any, one.strides), dice);
    }
    if (!words.empty()) return words + " (arbitrary numbers, not those of --fill)";
  }
  return "";
}

Verdict check(const Case& one) {
  Verdict verdict;
  try {
    const ir::Program program = ir::parse(one.program.text()).value();
    compiler::CompileRequest request = request_for(one.target, one.schedule);
    request.strides = one.strides;
    request.accuracy = accuracy_for(one.schedule);
    const Expected<compiler::Compiled> compiled = compiler::compile(program, request);
    if (!compiled) {
      verdict.refused = Error(compiled.diagnostics()).what();
      const bool is_ours = one.schedule == "auto" || one.schedule == "naive";
      if (is_ours || verdict.refused.find("not compiled") != std::string::npos)
        verdict.fault = "refused: " + verdict.refused;
      return verdict;
    }
    // A shorter schedule may leave a form to the compiler, which knows nothing of the numbers.
    const bool is_chosen = std::any_of(
        compiled->report.forms.begin(), compiled->report.forms.end(), [](const auto& f) {
          return f.error > compiler::CompileRequest().accuracy && f.why.empty();
        });
    if (is_chosen) return verdict;
    verdict.forms = forms_of(*compiled, program);
    Dice dice(one.seed);
    Tensors whole = whole_numbers(program, one.seed);
    see_through(whole, one.strides);
    verdict.fault = check_stages(one, *compiled, program, whole, dice);
    // A form that takes numbers apart makes NaN of infinity (docs/semantics.md).
    const bool is_direct = std::all_of(compiled->report.forms.begin(), compiled->report.forms.end(),
                                       [](const compiler::StatementForms& f) {
                                         return f.chosen == "direct" || f.chosen == "dot";
                                       });
    if (verdict.fault.empty() && is_direct)
      if (std::optional<Tensors> infinite = not_finite(program, one.seed, dice)) {
        see_through(*infinite, one.strides);
        verdict.fault = check_stages(one, *compiled, program, *infinite, dice);
        if (!verdict.fault.empty()) verdict.fault += " (infinities and NaN, not those of --fill)";
      }
    if (verdict.fault.empty()) verdict.fault = check_arbitrary(one, *compiled, program, dice);
  } catch (const std::exception& error) {
    verdict.fault = fmt::format("the compiler or an evaluator threw: {}", error.what());
  }
  return verdict;
}

// ---- drawing and shrinking ----------------------------------------------------------------------

/// Gaps between the elements of some inputs and outputs, and inputs whose elements share memory.
compiler::StridesByName draw_strides(Dice& dice, const RandomProgram& random) {
  compiler::StridesByName strides;
  const ir::Program program = ir::parse(random.text()).value();
  std::vector<ir::ValueId> values = program.inputs;
  values.insert(values.end(), program.outputs.begin(), program.outputs.end());
  for (const ir::ValueId value : values) {
    if (!dice.once_in(3)) continue;
    const ir::TensorType& type = program.type(value);
    compiler::TensorStrides list(type.extents.size());
    const bool is_input =
        std::find(program.inputs.begin(), program.inputs.end(), value) != program.inputs.end() &&
        std::find(program.outputs.begin(), program.outputs.end(), value) == program.outputs.end();
    int64_t step = dice.one_of({1, 1, 2});
    for (size_t i = list.size(); i-- > 0;) {
      list[i] = step;
      step = std::max<int64_t>(step * type.extents[i].size, 1) + dice.one_of({0, 0, 1, 3});
    }
    if (is_input && dice.once_in(2)) // one element seen as many, or a window that moves by one
      for (int64_t shared = dice.one_of({1, 1, 2}); shared > 0; --shared)
        list[static_cast<size_t>(dice.between(0, std::ssize(list) - 1))] =
            dice.one_of({0, 0, 0, 1});
    strides[program.name_of(value)] = std::move(list);
  }
  return strides;
}

/// A schedule for the nests that the pipeline makes of the program for the target.
std::string draw_schedule(Dice& dice, const Case& one) {
  switch (dice.between(0, 7)) {
  case 0:
  case 1: return "auto";
  case 2: return "naive";
  default: break;
  }
  try {
    compiler::CompileRequest request = tests::request_for(one.target);
    request.strides = one.strides;
    request.accuracy = 1e6;
    const compiler::Schedules schedules =
        random_schedules(dice, ir::parse(one.program.text()).value(), request);
    return schedules.empty() ? "auto" : to_string(schedules);
  } catch (const std::exception&) {
    return "naive"; // fails again where it is told
  }
}

/// The texts with one directive, or one entry of a directive's list, left out.
std::vector<std::string> shorter(const std::string& text) {
  std::vector<std::string> result;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size() - 1) + 1;
    result.push_back(text.substr(0, begin) + text.substr(end));
    for (size_t comma = text.find(", ", begin); comma < end; comma = text.find(", ", comma + 2)) {
      const size_t next = std::min(text.find(", ", comma + 2), end - 1);
      result.push_back(text.substr(0, comma) + text.substr(next));
    }
    begin = end;
  }
  return result;
}

bool mentions(const std::string& text, const std::string& name) {
  for (size_t at = 0; (at = text.find(name, at)) != std::string::npos; at += name.size()) {
    const size_t end = at + name.size();
    if (end == text.size() || std::isalnum(static_cast<unsigned char>(text[end])) == 0) return true;
  }
  return false;
}

/// Without the statements and inputs that no result needs.
RandomProgram pruned(const RandomProgram& program) {
  RandomProgram kept = program;
  kept.inputs.clear(), kept.statements.clear();
  std::string needed = fmt::format("{} ", fmt::join(program.results, " "));
  const auto is_needed = [&](const std::string& line, size_t end) {
    for (size_t at = 0; (at = line.find('%', at)) < end; ++at)
      if (mentions(needed, line.substr(at, line.find_first_of(" ,:", at) - at))) return true;
    return false;
  };
  for (size_t i = program.statements.size(); i-- > 0;) {
    const std::string& line = program.statements[i];
    if (!is_needed(line, line.find('='))) continue;
    needed += line + " ";
    kept.statements.insert(kept.statements.begin(), line);
  }
  for (const std::string& line : program.inputs)
    if (is_needed(line, line.find(':'))) kept.inputs.push_back(line);
  if (kept.inputs.empty()) kept.inputs.push_back(program.inputs.front());
  return kept;
}

/// Programs that return less: one result fewer, or one earlier value alone.
std::vector<RandomProgram> smaller(const RandomProgram& program) {
  std::vector<RandomProgram> result;
  for (size_t i = 0; i < program.results.size() && program.results.size() > 1; ++i) {
    result.push_back(program);
    result.back().results.erase(result.back().results.begin() + static_cast<std::ptrdiff_t>(i));
    result.back() = pruned(result.back());
  }
  for (const std::string& line : program.statements) {
    if (line.find(" = const") != std::string::npos) continue;
    result.push_back(program);
    result.back().results = {line.substr(0, line.find_first_of(" ,"))};
    result.back() = pruned(result.back());
    if (result.back().statements.size() == program.statements.size()) result.pop_back();
  }
  return result;
}

/// A smaller case that fails too, when one is soon found.
Case shrink(Case failing) {
  int tries = 80;
  const auto still_fails = [&](const Case& candidate) {
    return tries-- > 0 && !check(candidate).fault.empty();
  };
  for (bool again = true; again && tries > 0;) {
    again = false;
    if (!failing.strides.empty()) {
      Case dense = failing;
      dense.strides.clear();
      if (still_fails(dense)) failing = dense;
    }
    for (const RandomProgram& program : smaller(failing.program)) {
      Case candidate = failing;
      candidate.program = program;
      std::erase_if(candidate.strides, [&](const auto& entry) {
        return std::none_of(program.inputs.begin(), program.inputs.end(),
                            [&](const std::string& line) {
                              return line.starts_with("%" + entry.first + ":");
                            }) &&
               std::find(program.results.begin(), program.results.end(), "%" + entry.first) ==
                   program.results.end();
      });
      if (!ir::parse(program.text()) || !still_fails(candidate)) continue;
      failing = candidate, again = true;
      break;
    }
    if (again || failing.schedule == "auto" || failing.schedule == "naive") continue;
    std::vector<std::string> schedules = shorter(failing.schedule);
    schedules.insert(schedules.begin(), {"naive", "auto"});
    for (const std::string& text : schedules) {
      Case candidate = failing;
      candidate.schedule = text;
      if (!still_fails(candidate)) continue;
      failing = candidate, again = true;
      break;
    }
  }
  return failing;
}

/// The first line of a refusal without the names and numbers of one case.
std::string kind_of(const std::string& refusal) {
  const std::string line = refusal.substr(0, refusal.find('\n'));
  static const std::regex place("^schedule(:[0-9]+:[0-9]+: schedule)?: nest [^:]*: "),
      hint(" \\(.*"), name("^(for|parallel|pack|prefetch|registers) [^ :]+"),
      vector("^[^ ]+ cannot be"), number("[0-9]+"), last("not [a-z0-9]+$");
  std::string kind = std::regex_replace(line, place, "");
  kind = std::regex_replace(kind, hint, "");
  kind = std::regex_replace(kind, name, "$1 AXIS");
  kind = std::regex_replace(kind, vector, "AXIS cannot be");
  kind = std::regex_replace(kind, last, "not AXIS");
  return std::regex_replace(kind, number, "#");
}

/// Programs from those of the seeds on that are wanted, each under some schedules.
class Trial {
public:
  using Wanted = std::function<bool(const ir::Program&)>;

  /// So many programs each day, the same ones, so that a change of a result is a change of the
  /// code; as many as there is time for where the environment says how long. Whether they were
  /// enough to tell what is drawn.
  bool run(uint64_t everyday_programs, const Wanted& wanted) {
    const uint64_t seconds = number_from("VOLUTE_FUZZ_SECONDS", 0);
    const auto stop = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    const auto goes_on = [&] {
      return seconds > 0 ? std::chrono::steady_clock::now() < stop : programs < everyday_programs;
    };
    REQUIRE(!targets_.empty());
    for (uint64_t seed = number_from("VOLUTE_FUZZ_SEED", 1); goes_on() && failures_ < 5; ++seed) {
      Dice dice(seed);
      Case one;
      one.program = random_program(dice);
      one.seed = seed;
      if (!wanted(ir::parse(one.program.text()).value())) continue;
      if (dice.once_in(4)) one.strides = draw_strides(dice, one.program);
      ++programs;
      check_schedules(std::move(one), dice);
    }
    if (seconds == 0) return true;
    std::cout << fmt::format("{} programs, {} kernels, {} schedules refused:\n", programs, kernels,
                             refused);
    for (const auto& [words, count] : refusals_)
      std::cout << fmt::format("{:6} {}\n", count, words);
    for (const auto& [words, count] : forms)
      std::cout << fmt::format("{:6} kernels with {}\n", count, words);
    return programs >= everyday_programs;
  }

  uint64_t programs = 0;
  int kernels = 0, refused = 0;
  std::map<std::string, int> forms;

private:
  void check_schedules(Case one, Dice& dice) {
    INFO("VOLUTE_FUZZ_SEED=" << one.seed << "\n" << one.program.text());
    for (int i = 0; i < 3; ++i) {
      one.target = dice.one_of(targets_);
      one.schedule = draw_schedule(dice, one);
      const Verdict verdict = check(one);
      if (!verdict.refused.empty())
        ++refused, ++refusals_[kind_of(verdict.refused)];
      else
        ++kernels;
      for (const std::string& form : verdict.forms) ++forms[form];
      if (verdict.fault.empty()) continue;
      ++failures_;
      const Case small = shrink(one);
      const Verdict last = check(small);
      // Past Catch2, which would break the lines of a command.
      std::cerr << fmt::format("VOLUTE_FUZZ_SEED={}: {}\n{}\nand, smaller: {}\n{}\n\n", one.seed,
                               verdict.fault, one.command(), last.fault, small.command());
      FAIL_CHECK(verdict.fault);
      return;
    }
  }

  const std::vector<std::string> targets_ = targets();
  int failures_ = 0;
  std::map<std::string, int> refusals_;
};

} // namespace

TEST_CASE("random programs under random schedules agree from the reference down to the kernel") {
  std::set<std::string> operators;
  Trial trial;
  const bool enough = trial.run(350, [&](const ir::Program& program) {
    for (const ir::Statement& s : program.statements) operators.emplace(ir::name(s.operation));
    return true;
  });
  CHECK(trial.kernels > trial.refused);
  if (enough) CHECK(operators.size() == ir::operators().size());
}

TEST_CASE("so do convolutions of split tensors, in groups and transposed") {
  std::map<std::string, int> drawn;
  Trial trial;
  const bool enough = trial.run(100, [&](const ir::Program& program) {
    const std::set<std::string> kinds = cut_convolutions(program);
    for (const std::string& kind : kinds) ++drawn[kind];
    return !kinds.empty();
  });
  CHECK(trial.kernels > trial.refused);
  for (const std::string& kind : kinds_of_cut_convolutions()) {
    CAPTURE(kind);
    if (enough) CHECK(drawn[kind] >= 10);
  }
}
