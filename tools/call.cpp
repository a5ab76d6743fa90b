#include "tools/call.h"

#include "tools/output.h"
#include "tools/stop.h"

#include <fmt/format.h>

namespace volute::tools {

Called call(const runtime::Kernel& kernel, const ir::Program& program,
            const std::vector<runtime::Tensor>& inputs, bool keep) {
  Called called;
  std::vector<runtime::TensorRef> arguments(inputs.begin(), inputs.end());
  called.outputs.reserve(program.outputs.size());
  for (const ir::ValueId id : program.outputs) {
    Expected<runtime::Tensor> output = runtime::Tensor::allocate(program.type(id));
    if (!output) throw Stop(exit_refused, render(output.diagnostics(), "", ""));
    called.outputs.push_back(std::move(*output));
    arguments.emplace_back(called.outputs.back());
  }
  const Progress progress(fmt::format("running @{}", program.name));
  const Status status = keep ? kernel.call_keeping(arguments, called.kept) : kernel.call(arguments);
  if (!status) throw Stop(exit_refused, render(status.failure().diagnostics, "", ""));
  return called;
}

} // namespace volute::tools
