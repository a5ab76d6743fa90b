// The chain of oracles over one compiled program: the reference, its nests and its loops on their
// evaluators, and its kernel between walls.
#pragma once

#include "compiler/compile.h"
#include "tests/support/kernel_run.h"
#include "tests/support/stages.h"
#include "tests/support/whole_numbers.h"

#include <string>
#include <vector>

namespace volute::tests {

/// A program's text with numbers for one of its inputs.
std::string with_constant(const std::string& text, const std::string& input,
                          const std::vector<double>& numbers);

/// Those among the targets that a user might name which this machine runs.
std::vector<std::string> targets_of_users();

/// The reference's results where nests, loops and kernels have theirs: behind the inputs.
ir::Memory reference_memory(const ir::Program& program, const Tensors& inputs);

/// Of the outputs: "%y: element 17 is 3, not 4 (3 of 100 differ)"; "" when they agree.
std::string difference(const ir::Program& program, const ir::Memory& found,
                       const ir::Memory& wanted, const Closeness& closeness);

/// What the kernel does that it should not, run at once and in random pieces: a fault, or results
/// that are not these. "" for nothing, and on a machine that does not run it.
std::string fault_of_kernel(const compiler::Compiled& compiled, const ir::Program& program,
                            const Tensors& inputs, const ir::Memory& wanted, Dice& dice,
                            const Closeness& closeness = {});

/// How close each stage must be to the one before it. Numbers that are whole are whole everywhere.
struct Chain {
  Closeness nests{Closeness::Kind::values, 0}, loops{Closeness::Kind::values, 0};
  Closeness kernel{}; // every bit
  compiler::StridesByName strides{};
};
/// The first stage that differs from the one before it, and how; "" when all agree.
std::string fault_of_stages(const compiler::Compiled& compiled, const ir::Program& program,
                            const Tensors& inputs, Dice& dice, const Chain& chain = {});

} // namespace volute::tests
