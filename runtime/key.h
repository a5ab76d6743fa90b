// A kernel's key: one text that names everything its code depends on.
//
//     generator 0123456789abcdef, LLVM 19.1.7    (compiler/image/generator.h)
//     target znver4+avx2+avx512f...,l1=32K,l2=1M,l3=32M
//     schedule auto
//     accuracy 2
//     deterministic false
//     denormals flushed                          (where they are)
//     strides %x [150528, 50176, 448, 1]
//     constant %w xxh3:0123456789abcdef0123456789abcdef 37632
//     program @stem(%x: f32[...]) { ... }
//
// It is stored and compared whole, in memory and on disk. The program is its canonical text, but
// that a constant of more than a few KiB stands above it as digest and size, and so does what a
// constant's file held when it was read: a key stays small whatever the weights.
#pragma once

#include "ir/program.h"
#include "runtime/compile_options.h"

#include <string>

namespace volute::runtime {

/// `options` are complete: a session has filled in what was left to it.
std::string kernel_key(const ir::Program& program, const CompileOptions& options);
/// The part of it that says what is compiled: strides, constants, program.
std::string program_key(const ir::Program& program, const CompileOptions& options);

} // namespace volute::runtime
