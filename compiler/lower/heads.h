// The operators that begin a nest: how each is lowered, one row an operator.
#pragma once

#include "ir/program.h"

namespace volute::compiler {

class GroupLowering;

struct Head {
  /// Makes the nests of a group that begins with the operator: one, or several that write parts of
  /// the result.
  void (*lower)(const GroupLowering&);
  /// Whether positions along an axis of space are written in several runs, or with steps. No tensor
  /// can cut such an axis.
  bool (*writes_in_runs)(const ir::Operation&, ir::Axis);
};

/// An operator has one, or this does not compile.
Head head_of(const ir::Operation& operation);

bool writes_in_runs(const ir::Operation& operation, ir::Axis axis);

} // namespace volute::compiler
