// The two files by which perf learns of code that is made at run time.
#pragma once

#include "compiler/image/image.h"
#include "runtime/line_table.h"

#include <cstddef>
#include <string>
#include <vector>

namespace volute::runtime {

/// Adds an image's steps to /tmp/perf-PID.map: an address, a size and a name a line. Says what
/// failed; "" when nothing did.
std::string add_to_perf_map(const compiler::Image& image, const std::byte* code);

/// Adds their code to /tmp/jit-PID.dump, which `perf inject --jit` turns into object files, with
/// the lines of the text in the file `source` that it is of.
std::string add_to_jitdump(const compiler::Image& image, const std::byte* code,
                           const std::string& source, const std::vector<CodeLine>& lines);

} // namespace volute::runtime
