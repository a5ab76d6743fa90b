// Random programs under random schedules on every target that this machine runs:
//
//     reference(program) == evaluate(nests) == evaluate(loops) == kernel    whole numbers, exactly
//                                             evaluate(loops) == kernel    any numbers, every bit
//
// The kernel runs between walls, from NaN, in one piece and in random pieces.
//
//     VOLUTE_FUZZ_SECONDS=1200 VOLUTE_FUZZ_SEED=7 ctest -R fuzz/differential
//
// runs longer, and from another seed. Each case has a seed of its own, told when it fails.

#include "compiler/lower.h"
#include "ir/parse.h"
#include "ir/reference.h"
#include "tests/support/catch.h"
#include "tests/support/kernel_run.h"
#include "tests/support/random_program.h"
#include "tests/support/random_schedule.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <map>
#include <set>
#include <string>
#include <vector>

using namespace volute;
using namespace volute::tests;

namespace {

uint64_t number_from(const char* variable, uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

std::vector<std::string> targets() {
  std::vector<std::string> result;
  for (const char* text : {"native", "x86-64-v4", "x86-64-v3", "x86-64-v2", "x86-64",
                           "native-avx512f", "native-avx512vl", "x86-64-v3-fma"}) {
    const Expected<compiler::Target> target = compiler::parse_target(text);
    if (target && compiler::runs_on(*target, compiler::host())) result.emplace_back(text);
  }
  return result;
}

/// One compilation: everything that a failure needs to happen again.
struct Case {
  RandomProgram program;
  std::string schedule, target;
  uint64_t seed = 0; // of data and pieces

  std::string command() const {
    std::string one_line = schedule;
    while (one_line.ends_with('\n')) one_line.pop_back();
    for (size_t at; (at = one_line.find('\n')) != std::string::npos;) one_line.replace(at, 1, "; ");
    return fmt::format("volute run -e {} --fill random:{} --schedule '{}' --target {} --check",
                       program.quoted(), seed, one_line, target);
  }
};

struct Verdict {
  std::string fault;   // what differs; empty: nothing
  std::string refused; // by the compiler, in these words
};

/// Outputs are the buffers behind the inputs, in nests, loops and images alike.
std::string compare(const ir::Program& program, const ir::Memory& found, const ir::Memory& wanted,
                    const Closeness& closeness) {
  for (size_t i = 0; i < program.outputs.size(); ++i) {
    const size_t at = program.inputs.size() + i;
    if (auto words = difference(program.type(program.outputs[i]), found[at], wanted[at], closeness))
      return fmt::format("%{}: {}", program.name_of(program.outputs[i]), *words);
  }
  return "";
}

ir::Memory reference(const ir::Program& program, const Tensors& inputs) {
  std::map<std::string, const ir::TensorData*> views;
  for (const auto& [name, tensor] : inputs) views[name] = &tensor;
  const auto results = ir::evaluate(program, views).value();
  ir::Memory memory(program.inputs.size());
  for (const ir::ValueId output : program.outputs)
    memory.push_back(results.at(program.name_of(output)).bytes);
  return memory;
}

Closeness closeness(const RandomProgram& program) {
  if (program.is_exact) return {Closeness::Kind::values, 0};
  return {Closeness::Kind::near, 1e-5 * program.largest};
}

/// The nests against the reference: what does not depend on schedule or target.
std::string check_nests(const RandomProgram& random, uint64_t seed) {
  const ir::Program program = ir::parse(random.text()).value();
  const Tensors inputs = whole_numbers(program, seed);
  const ir::NestProgram nests = compiler::lower(program).value();
  const std::string words = compare(program, evaluate_nests(nests, program, inputs),
                                    reference(program, inputs), closeness(random));
  return words.empty() ? "" : "nests differ from the reference: " + words;
}

/// The compiled kernel against the evaluator of its loops.
std::string check_kernel(const compiler::Compiled& compiled, const ir::Program& program,
                         const Tensors& inputs, const ir::Memory& wanted, Dice& dice) {
  const KernelRun kernel(compiled);
  for (const auto wall : {GuardedBuffer::Wall::at_end, GuardedBuffer::Wall::at_begin}) {
    const bool at_end = wall == GuardedBuffer::Wall::at_end;
    const KernelRun::Result run = kernel.run(program, inputs, wall, at_end ? nullptr : &dice);
    const std::string how = at_end ? "the kernel" : "the kernel in pieces";
    if (!run.fault.empty()) return fmt::format("{}: {}", how, run.fault);
    const std::string words = compare(program, run.buffers, wanted, {});
    if (!words.empty()) return fmt::format("{} differs from its loops: {}", how, words);
  }
  return "";
}

Verdict check(const Case& one) {
  Verdict verdict;
  try {
    const ir::Program program = ir::parse(one.program.text()).value();
    compiler::CompileRequest request;
    request.target = compiler::parse_target(one.target).value();
    request.schedule = one.schedule;
    const Expected<compiler::Compiled> compiled = compiler::compile(program, request);
    if (!compiled) {
      verdict.refused = Error(compiled.diagnostics()).what();
      return verdict;
    }
    const ir::LoopProgram& loops = compiled->stages.loops;
    const Tensors whole = whole_numbers(program, one.seed);
    const ir::Memory found = evaluate_loops(loops, program, whole);
    const std::string words =
        compare(program, found, evaluate_nests(compiled->stages.nests, program, whole),
                closeness(one.program));
    Dice dice(one.seed);
    if (!words.empty())
      verdict.fault = "loops differ from the nests: " + words;
    else
      verdict.fault = check_kernel(*compiled, program, whole, found, dice);
    for (const int64_t one_in : {0, 20}) {
      if (!verdict.fault.empty()) break;
      const Tensors any = arbitrary_numbers(program, dice, one_in);
      verdict.fault =
          check_kernel(*compiled, program, any, evaluate_loops(loops, program, any), dice);
      if (!verdict.fault.empty()) verdict.fault += " (arbitrary numbers, not those of --fill)";
    }
  } catch (const std::exception& error) {
    verdict.fault = fmt::format("the compiler or an evaluator threw: {}", error.what());
  }
  return verdict;
}

// ---- drawing and shrinking ----------------------------------------------------------------------

std::string draw_schedule(Dice& dice, const ir::NestProgram& nests, int64_t lanes) {
  switch (dice.between(0, 7)) {
  case 0: return "auto";
  case 1: return "naive";
  default: break;
  }
  compiler::Schedules schedules;
  for (const ir::Nest& nest : nests.nests)
    if (!dice.once_in(5)) schedules[nest.name] = random_schedule(dice, nest, lanes);
  return schedules.empty() ? "auto" : to_string(schedules);
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

/// A smaller case that fails too, when one is soon found.
Case shrink(Case failing) {
  int tries = 60;
  const auto still_fails = [&](const Case& smaller) {
    return tries-- > 0 && !check(smaller).fault.empty();
  };
  for (bool again = true; again && tries > 0;) {
    again = false;
    for (size_t i = failing.program.statements.size(); i-- > 1 && !again;) {
      Case smaller = failing;
      const std::string& kept = smaller.program.statements[i - 1];
      smaller.program.statements.resize(i);
      smaller.program.results = {kept.substr(0, kept.find(' '))};
      if (ir::parse(smaller.program.text()) && still_fails(smaller))
        failing = smaller, again = true;
    }
    if (failing.schedule == "auto" || failing.schedule == "naive") continue;
    for (const std::string& text : shorter(failing.schedule)) {
      Case smaller = failing;
      smaller.schedule = text;
      if (!still_fails(smaller)) continue;
      failing = smaller, again = true;
      break;
    }
  }
  return failing;
}

/// A refusal without the names and numbers of one case.
std::string kind_of(const std::string& refusal) {
  std::string kind;
  bool in_number = false;
  for (const char c : refusal.substr(0, refusal.find('('))) {
    const bool digit = c >= '0' && c <= '9';
    if (!digit) kind += c;
    if (digit && !in_number) kind += '#';
    in_number = digit;
  }
  const size_t nest = kind.find("nest "), colon = kind.find(':', std::min(nest, kind.size()));
  return nest == std::string::npos || colon == std::string::npos ? kind : kind.substr(colon + 2);
}

} // namespace

TEST_CASE("random programs under random schedules agree from the reference down to the kernel") {
  const uint64_t first_seed = number_from("VOLUTE_FUZZ_SEED", 1);
  const uint64_t seconds = number_from("VOLUTE_FUZZ_SECONDS", 15);
  const auto stop = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  const std::vector<std::string> all_targets = targets();
  REQUIRE(!all_targets.empty());

  int programs = 0, kernels = 0, failures = 0;
  std::map<std::string, int> refusals;
  int refused = 0;
  for (uint64_t seed = first_seed; std::chrono::steady_clock::now() < stop && failures < 5;
       ++seed) {
    Dice dice(seed);
    Case one;
    one.program = random_program(dice);
    one.seed = seed;
    INFO("VOLUTE_FUZZ_SEED=" << seed << "\n" << one.program.text());
    ++programs;
    if (const std::string words = check_nests(one.program, seed); !words.empty()) {
      ++failures;
      FAIL_CHECK(words);
      continue;
    }
    const ir::NestProgram nests = compiler::lower(ir::parse(one.program.text()).value()).value();
    for (int i = 0; i < 3; ++i) {
      one.target = dice.one_of(all_targets);
      one.schedule =
          draw_schedule(dice, nests, compiler::parse_target(one.target).value().lanes(4));
      const Verdict verdict = check(one);
      if (!verdict.refused.empty())
        ++refused, ++refusals[kind_of(verdict.refused)];
      else
        ++kernels;
      if (verdict.fault.empty()) continue;
      ++failures;
      const Case small = shrink(one);
      const Verdict last = check(small);
      // Past Catch2, which would break the lines of a command.
      std::cerr << fmt::format("{}\n{}\nand, smaller: {}\n{}\n\n", verdict.fault, one.command(),
                               last.fault, small.command());
      FAIL_CHECK(verdict.fault);
      break;
    }
  }
  if (std::getenv("VOLUTE_FUZZ_SECONDS")) {
    std::cout << fmt::format("{} programs, {} kernels, {} schedules refused:\n", programs, kernels,
                             refused);
    for (const auto& [words, count] : refusals) std::cout << fmt::format("{:6} {}\n", count, words);
  }
  CHECK(kernels > refused);
}
