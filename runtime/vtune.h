// VTune learns of kernels through its own library, which it names in the environment of the
// processes that it starts (INTEL_JIT_PROFILER64): two functions, and a record for each piece of
// code. The interface is that of jitprofiling.h in Intel's ittapi; nothing of it is linked.
#pragma once

#include "compiler/image/image.h"
#include "runtime/line_table.h"

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace volute::runtime {

/// Tells of an image's steps, and once what is given back goes, that they are gone. `source` is the
/// file of the loops' text, "" for none. Says what failed in `failure`.
std::shared_ptr<const void> tell_vtune(const compiler::Image& image, const std::byte* code,
                                       const std::string& source,
                                       const std::vector<CodeLine>& lines, std::string& failure);

} // namespace volute::runtime
