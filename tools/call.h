// One call of a kernel by the command line: its outputs allocated, what it keeps on request.
#pragma once

#include "ir/program.h"
#include "runtime/kernel.h"

#include <vector>

namespace volute::tools {

struct Called {
  std::vector<runtime::Tensor> outputs; // in the program's order
  std::vector<runtime::KeptValue> kept; // on request: the values on the way
};

/// Stops with the reason when memory is short or the call fails.
Called call(const runtime::Kernel& kernel, const ir::Program& program,
            const std::vector<runtime::Tensor>& inputs, bool keep);

} // namespace volute::tools
