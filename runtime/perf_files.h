// The two files by which perf learns of code that is made at run time.
#pragma once

#include "compiler/image/image.h"

#include <cstddef>
#include <string>

namespace volute::runtime {

/// Adds an image's steps to /tmp/perf-PID.map: an address, a size and a name a line. Says what
/// failed; "" when nothing did.
std::string add_to_perf_map(const compiler::Image& image, const std::byte* code);

/// Adds their code to /tmp/jit-PID.dump, which `perf inject --jit` turns into object files.
std::string add_to_jitdump(const compiler::Image& image, const std::byte* code);

} // namespace volute::runtime
