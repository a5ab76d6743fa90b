// PyTorch's answers, kept beside this file, against the reference and against compiled kernels:
//
//     PyTorch == reference(program) == evaluate(nests) == kernel, on the targets of this machine
//
// so that a wrong answer is found in the pass that made it; VOLUTE_TORCH_UNTIL=nests stops there.
// Each case runs on the machine's own target and on two of the others, drawn by its number;
// VOLUTE_TORCH_ALL_TARGETS=1 runs it on all. VOLUTE_TORCH_CASE=10017 runs one case alone. A program
// that the compiler refuses is a failure, unless VOLUTE_TORCH_ALLOW_REFUSALS=1: then refusals are
// counted and printed.
#include "compiler/compile.h"
#include "compiler/lower/legalise.h"
#include "compiler/lower/lower.h"
#include "ir/parse.h"
#include "tests/support/catch.h"
#include "tests/support/every_stage.h"
#include "tests/support/reference.h"
#include "tests/support/stages.h"
#include "tests/torch/torch_case.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <cstdlib>
#include <iostream>
#include <map>
#include <string>
#include <vector>

using namespace volute;
using namespace volute::tests;

namespace {

constexpr size_t most_words = 8; // failures of a family that are told in full; of others the number

bool is_set(const char* variable) {
  const char* text = std::getenv(variable);
  return text && std::string(text) != "0";
}

/// The machine's own target first. The others are what the machine can run of older instruction
/// sets, and of its own with parts left out.
/// Over many numbers every target but the first is drawn as often as any other.
std::vector<std::string> targets_of(int64_t number) {
  static const std::vector<std::string> all = targets_of_users();
  static const bool wants_all = is_set("VOLUTE_TORCH_ALL_TARGETS");
  const size_t others = all.size() - 1;
  if (wants_all || others <= 2) return all;
  const size_t first = static_cast<size_t>(number) * 2 % others;
  return {all[0], all[1 + first], all[1 + (first + 1) % others]};
}

/// One family's cases, checked one after another.
class Check {
public:
  void run(const TorchCase& one) {
    ++cases_;
    const Expected<ir::Program> program = ir::parse(one.text);
    if (!program) return fail(one, Error(program.diagnostics()).what());
    try {
      if (!check_types(one, *program) || one.results.front().only_type) return;
      const Tensors inputs = torch_inputs(one, *program);
      if (check_reference(one, *program, inputs) && check_nests(one, *program, inputs))
        for (const std::string& target : targets_of(one.number))
          if (!check_kernel(one, *program, inputs, target)) break;
    } catch (const std::exception& error) {
      fail(one, fmt::format("thrown: {}", error.what()));
    }
  }

  void finish(const std::string& family) const {
    CHECK(cases_ > 0);
    if (failures_.size() > most_words)
      FAIL_CHECK(fmt::format("{} cases of {} failed: {}", failures_.size(), cases_,
                             fmt::join(failures_, " ")));
    if (refusals_.empty()) return;
    int refused = 0;
    for (const auto& [words, count] : refusals_) refused += count;
    std::cout << fmt::format("{}: {} kernels compiled and compared, {} programs refused:\n", family,
                             kernels_, refused);
    for (const auto& [words, count] : refusals_)
      std::cout << fmt::format("{:6} {}\n", count, words);
    if (!is_set("VOLUTE_TORCH_ALLOW_REFUSALS")) FAIL_CHECK(refused << " programs were refused");
  }

private:
  void fail(const TorchCase& one, const std::string& words) {
    failures_.push_back(one.number);
    if (failures_.size() > most_words) return;
    FAIL_CHECK("case " << one.number << ": " << words << "\n" << one.text);
  }

  bool check_types(const TorchCase& one, const ir::Program& program) {
    for (const TorchResult& wanted : one.results) {
      const std::string found = to_string(program.type(program.find(wanted.name).value()));
      if (found == wanted.type) continue;
      fail(one, fmt::format("%{} is {}, not {}", wanted.name, found, wanted.type));
      return false;
    }
    return true;
  }

  bool check_reference(const TorchCase& one, const ir::Program& program, const Tensors& inputs) {
    const Tensors results = reference(program, inputs);
    for (const TorchResult& wanted : one.results) {
      const ir::TensorData& found = results.at(wanted.name);
      const std::string words = difference(wanted, found.type, found.bytes, Computed::by_reference);
      if (words.empty()) continue;
      fail(one, fmt::format("the reference's %{}: {}", wanted.name, words));
      return false;
    }
    return true;
  }

  void refuse(const std::vector<Diagnostic>& diagnostics) {
    ++refusals_[fmt::format("{}: {}", diagnostics.front().subject, diagnostics.front().message)];
  }

  /// What differs, of the buffers behind the inputs; nothing when all is what PyTorch computed.
  static std::string differences(const TorchCase& one, const ir::Program& program,
                                 const ir::Memory& found) {
    for (size_t i = 0; i < program.outputs.size(); ++i) {
      const TorchResult& wanted = one.results.at(i);
      const std::string words = difference(wanted, program.type(program.outputs[i]),
                                           found[program.inputs.size() + i], Computed::by_kernel);
      if (!words.empty()) return fmt::format("%{}: {}", wanted.name, words);
    }
    return "";
  }

  bool check_nests(const TorchCase& one, const ir::Program& program, const Tensors& inputs) {
    const Expected<ir::NestProgram> nests = compiler::lower(compiler::legalise(program));
    if (!nests) {
      refuse(nests.diagnostics());
      return false;
    }
    if (const auto faults = ir::verify(*nests); !faults.empty()) {
      fail(one, fmt::format("the nests are no nests: {}", faults.front().message));
      return false;
    }
    const std::string words = differences(one, program, evaluate_nests(*nests, program, inputs));
    if (!words.empty()) fail(one, "the nests: " + words);
    const char* until = std::getenv("VOLUTE_TORCH_UNTIL");
    return words.empty() && !(until && std::string(until) == "nests");
  }

  /// False when the case is done with: another target would say the same.
  bool check_kernel(const TorchCase& one, const ir::Program& program, const Tensors& inputs,
                    const std::string& target) {
    compiler::CompileRequest request = tests::request_for(target);
    const Expected<compiler::Compiled> compiled = compiler::compile(program, request);
    if (!compiled) {
      refuse(compiled.diagnostics());
      return false;
    }
    ++kernels_;
    const KernelRun kernel(*compiled);
    Dice dice(static_cast<uint64_t>(one.number));
    for (const auto wall : {GuardedBuffer::Wall::at_end, GuardedBuffer::Wall::at_begin}) {
      const bool at_end = wall == GuardedBuffer::Wall::at_end;
      const KernelRun::Result run = kernel.run(program, inputs, wall, at_end ? nullptr : &dice);
      std::string words = run.fault.empty() ? differences(one, program, run.buffers) : run.fault;
      if (words.empty()) continue;
      const std::string of_loops =
          differences(one, program, evaluate_loops(compiled->stages.loops, program, inputs));
      fail(one,
           fmt::format("the kernel for {}{}: {}; its loops {}", target, at_end ? "" : ", in pieces",
                       words, of_loops.empty() ? "are right" : "are wrong: " + of_loops));
      return false;
    }
    return true;
  }

  int cases_ = 0, kernels_ = 0;
  std::vector<int64_t> failures_;
  std::map<std::string, int> refusals_;
};

void check_family(const std::string& family) {
  const char* only = std::getenv("VOLUTE_TORCH_CASE");
  Check check;
  for (const TorchCase& one : read_torch_cases(family)) {
    if (only && std::to_string(one.number) != only) continue;
    check.run(one);
  }
  if (!only) check.finish(family);
}

} // namespace

// One test a file, so that they run beside each other: the tag is the file's name.

TEST_CASE("conv agrees with PyTorch", "[conv]") { check_family("conv"); }
TEST_CASE("every form of padding agrees", "[conv_padding]") { check_family("conv_padding"); }
TEST_CASE("conv_transpose agrees", "[conv_transpose]") { check_family("conv_transpose"); }
TEST_CASE("convolutions of bytes agree", "[conv_bytes]") { check_family("conv_bytes"); }
TEST_CASE("max_pool and its places agree", "[max_pool]") { check_family("max_pool"); }
TEST_CASE("avg_pool and lp_pool agree", "[average_pool]") { check_family("average_pool"); }
TEST_CASE("global and adaptive pools agree", "[whole_pool]") { check_family("whole_pool"); }
TEST_CASE("max_unpool agrees", "[unpool]") { check_family("unpool"); }
TEST_CASE("functions of one element agree", "[elementwise]") { check_family("elementwise"); }
TEST_CASE("functions of two operands agree", "[two_operands]") { check_family("two_operands"); }
TEST_CASE("convert, reorder and pad agree", "[conversion]") { check_family("conversion"); }
TEST_CASE("quantisation agrees", "[quantisation]") { check_family("quantisation"); }
TEST_CASE("chains of operators agree", "[chain]") { check_family("chain"); }
TEST_CASE("published examples come out as printed", "[published]") { check_family("published"); }
