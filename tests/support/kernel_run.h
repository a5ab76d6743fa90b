// A compiled program called the way no user calls it, to catch it doing what it should not: every
// buffer between walls, results and workspace full of NaN, the work in pieces of any size and
// order.
#pragma once

#include "compiler/compile.h"
#include "ir/nest.h"
#include "runtime/executable_memory.h"
#include "tests/support/dice.h"
#include "tests/support/guarded_buffer.h"
#include "tests/support/whole_numbers.h"

#include <memory>
#include <string>
#include <vector>

namespace volute::tests {

/// The loops on their evaluator. Everything but inputs and tables starts as NaN. Inputs and outputs
/// lie in memory by their strides, and are dense in the result.
ir::Memory evaluate_loops(const ir::LoopProgram& loops, const ir::Program& program,
                          const Tensors& inputs, const compiler::StridesByName& strides = {});
ir::Memory evaluate_nests(const ir::NestProgram& nests, const ir::Program& program,
                          const Tensors& inputs, const compiler::StridesByName& strides = {});

class KernelRun {
public:
  /// Maps the image. Throws Error when it cannot be.
  explicit KernelRun(const compiler::Compiled& compiled);

  struct Result {
    std::vector<std::vector<std::byte>> buffers; // as Image::buffers, after the run, made dense
    std::string fault; // not empty: a step touched a wall, wrote in a margin, a gap or to an input
  };

  /// Runs every step over its whole range: at once, or with `split` in random pieces, and then half
  /// the times with intermediate buffers where the plan of the workspace puts them. The program
  /// gives the names of the inputs. A processor fault in the code ends the run, not the process.
  Result run(const ir::Program& program, const Tensors& inputs, GuardedBuffer::Wall wall,
             Dice* split = nullptr) const;

private:
  const compiler::Image& image_;
  std::shared_ptr<const runtime::ExecutableMemory> memory_;
};

} // namespace volute::tests
