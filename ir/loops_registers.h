// Whether every register is set before it is read, on every path through a step.
//
// The step is followed once, with its unrolled loops copied out, keeping the set of registers that
// are certainly set. A serial loop's body is followed once, as its first run; what it sets counts
// afterwards only if the loop certainly runs. The same goes for `when`. Of a register that a
// transpose of fewer rows than lanes has set, only that many lanes are.
#pragma once

#include "ir/loops.h"
#include "ir/verify_rules.h"

namespace volute::ir {

/// `scope` is that of the step's body: parameters and items. The step passes all other rules.
void check_registers_set(const Step& step, const Scope& scope, Findings& findings);

} // namespace volute::ir
