// Profilers and debuggers are told of kernels: what lies where, by what name, with which lines.
//
//     VOLUTE_PROFILE=map       perf record; perf report          /tmp/perf-PID.map: names
//     VOLUTE_PROFILE=jitdump   perf record -k mono; perf inject --jit; perf annotate
//                                            /tmp/jit-PID.dump: names, code, lines of the loops
//                                            text
//     VOLUTE_PROFILE=vtune     VTune         its library is told: names and lines
//     VOLUTE_DEBUG=gdb         gdb: break NAME, backtrace, step   lines of the loops text
//
// Without these variables nothing is opened, written or kept. What cannot be told is no failure of
// the kernel: tools then know less, and one line on standard error says why.
#pragma once

#include "compiler/image/image.h"

#include <cstddef>
#include <memory>
#include <string>

namespace volute::runtime {

/// Tells the tools that the environment names of an image that lies at `code`. What is given back
/// is kept as long as the image is there.
std::shared_ptr<const void> tell_tools(const compiler::Image& image, const std::byte* code);

/// Whether images are to be compiled with a DebugObject, and a folder for the text of the next one,
/// in one of the process's own; "" where there is none to be had.
bool wants_debug_objects();
std::string debug_folder();

} // namespace volute::runtime
