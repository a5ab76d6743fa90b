// Loops -> LLVM IR. Writes down decisions that have been taken; takes none.
//
// The IR is finished SSA: accumulators are phis, unrolled loops are copied out, every access is a
// pointer that the enclosing loop advances plus a constant. No IR pass runs afterwards.
#pragma once

#include "compiler/codegen/emit_lines.h"
#include "compiler/target/target.h"
#include "ir/loops.h"

#include <llvm/IR/LLVMContext.h>
#include <llvm/IR/Module.h>

#include <memory>

namespace volute::compiler {

/// One function a step, named step0, step1, ...; throws Error for what is not generated yet. With
/// the program's text_of, each instruction says where it comes from (emit_lines.h).
std::unique_ptr<llvm::Module> emit(const ir::LoopProgram& program, const Target& target,
                                   llvm::LLVMContext& context, const ir::LoopsText* text = nullptr,
                                   LineTable::Kind kind = LineTable::Kind::marks,
                                   const std::string& folder = "");

std::string step_symbol(size_t step);

} // namespace volute::compiler
