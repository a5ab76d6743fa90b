// Which statements of a program become one nest.
//
//     %0 = conv %x, %w          head: lowered on its own
//     %1 = add %0, %residual    folded: applied to each element as the nest writes it
//     %y = relu %1              folded
//
// An element-wise statement is folded into the nest that makes its operand when nothing else needs
// that operand: then it is never stored. Whatever is read again or returned is stored.
#pragma once

#include "ir/program.h"

#include <cstddef>
#include <string>
#include <vector>

namespace volute::compiler {

struct Fusion {
  /// Indices into Program::statements, head first. What a nest writes is its last one's result.
  struct Group {
    std::vector<size_t> statements;
    bool operator==(const Group&) const = default;
  };
  /// Why a statement starts a nest of its own, or has none: for the report.
  struct Reason {
    size_t statement;
    std::string text; // "%1 is read by 2 statements"
    bool operator==(const Reason&) const = default;
  };
  std::vector<Group> groups; // each reads only inputs, constants and what earlier ones write
  std::vector<Reason> apart; // in the order of the statements
};

/// The name of the nest, or of the one that writes the result: "conv_y".
std::string nest_name(const ir::Program& program, const Fusion::Group& group);

Fusion fuse(const ir::Program& program);

} // namespace volute::compiler
