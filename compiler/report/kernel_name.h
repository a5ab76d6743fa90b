// What a profiler and a debugger call a step of a kernel: its configuration in one word.
//
//     conv2d_3x3s1_i64o64_56x56_nchw_avx512_1f9c2ab0
//     max_pool2d_3x3s2_c64_112x112_nchw_avx2_03be9d11
//     pack_w_conv_y_1x1s1_i64o64...    steps that serve one: their own name in front
//
// The sizes are those of the input. The last part tells kernels apart whose words are the same: it
// is a digest of the step's code.
#pragma once

#include "compiler/target/target.h"
#include "ir/loops.h"
#include "ir/program.h"

#include <cstddef>
#include <span>
#include <string>

namespace volute::compiler {

/// `written` may be empty (nests or loops by hand): then a step has its own name.
std::string kernel_name(const ir::LoopProgram& loops, size_t step, const ir::Program& written,
                        const Target& target, std::span<const std::byte> code);

} // namespace volute::compiler
