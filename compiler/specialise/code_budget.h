// How much code a nest's loops become, counted while they are written: every tile level that leaves
// a rest, every border, every tap that is unrolled writes the loops inside it once more, and a line
// of a schedule can ask for more copies than a machine has memory.
#pragma once

#include "compiler/schedule/plan.h"
#include "ir/loops.h"

#include <cstdint>
#include <vector>

namespace volute::compiler {

/// Instructions, about, that code generation writes for a statement: unrolled loops copied out,
/// every lane of what is gathered. A walk over the statement, whatever the copies.
int64_t code_size(const ir::Stmt& code, const std::vector<ir::View>& views);

class CodeBudget {
public:
  /// Of one nest: two seconds of LLVM's time, and forty times what a chosen schedule took in the
  /// suites.
  static constexpr int64_t most_instructions = 32768;

  CodeBudget(const ir::Nest& nest, const Plan& plan) : nest_(nest), plan_(plan) {
    copies_by_.resize(plan.loops.size(), 1);
    parts_by_.resize(plan.loops.size(), 1);
  }

  /// A loop of the plan writes its body so many times: parts of its range that differ, or copies
  /// that are told apart. What counts is the most that it does anywhere.
  void writes_apart(size_t loop, int64_t times);

  /// While it lives, what is spent will be copied out by an unrolled loop.
  class Copied {
  public:
    Copied(CodeBudget& budget, size_t loop, int64_t times);
    ~Copied() { budget_.copies_ = before_; }
    Copied(const Copied&) = delete;
    Copied& operator=(const Copied&) = delete;

  private:
    CodeBudget& budget_;
    int64_t before_;
  };

  /// Counts the code. Throws the refusal of the schedule when it is too much in all: the number of
  /// copies, the directive that makes the most of them, and what would do.
  void spend(const ir::Stmt& code, const std::vector<ir::View>& views);
  /// The same of a loop's own instructions.
  void spend_loop();

private:
  void spend(int64_t instructions);
  [[noreturn]] void refuse() const;

  const ir::Nest& nest_;
  const Plan& plan_;
  std::vector<int64_t> copies_by_; // by loop of the plan
  std::vector<int64_t> parts_by_;  // those of them that are written one after the other
  int64_t copies_ = 1;             // of the code being written, by unrolled loops around it
  int64_t spent_ = 0;
};

} // namespace volute::compiler
