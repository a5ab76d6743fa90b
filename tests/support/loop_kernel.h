// Loops run as code and on their evaluator, to compare the two bit for bit on every target that
// this machine runs.
#pragma once

#include "compiler/codegen/codegen.h"
#include "compiler/image/image.h"
#include "ir/loops.h"
#include "runtime/executable_memory.h"
#include "tests/support/dice.h"
#include "tests/support/guarded_buffer.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace volute::tests {

inline constexpr ir::ElementType all_types[] = {
    ir::ElementType::f32, ir::ElementType::f64, ir::ElementType::f16, ir::ElementType::bf16,
    ir::ElementType::i8,  ir::ElementType::u8,  ir::ElementType::i32, ir::ElementType::i64};

/// Those that this machine runs, among all that choose other instructions.
std::vector<std::string> runnable_targets();

/// Code for the loops, which pass verify.
class LoopKernel {
public:
  LoopKernel(const ir::LoopProgram& loops, const std::string& target, bool with_assembly = false);
  /// Every step over its whole range on the memory's buffers, each between walls. Gives the first
  /// status that is not 0.
  int32_t run(ir::Memory& memory, const std::vector<int64_t>& parameters = {}) const;
  const compiler::Code& code() const { return code_; }

private:
  const ir::LoopProgram loops_;
  compiler::Code code_;
  std::shared_ptr<const runtime::ExecutableMemory> mapped_;
};

/// A buffer with nothing in it but what `contiguous` dims need.
ir::Buffer plain_buffer(std::string name, ir::Buffer::Role role, ir::ElementType type,
                        int64_t elements);

/// Random bits, one value in four a special one: zeros, infinities, NaN, denormals, the limits of
/// integer types and what lies beside and between them.
void fill_randomly(std::vector<std::byte>& bytes, ir::ElementType type, Dice& dice);

/// "y[17] is 3, not 4", or nothing: the same bits, or both NaN.
std::optional<std::string> first_difference(const ir::Buffer& buffer,
                                            const std::vector<std::byte>& found,
                                            const std::vector<std::byte>& wanted);

/// Evaluates and runs the loops on every target, from the same memory; "" or what differs where.
std::string disagreement(const ir::LoopProgram& loops, const ir::Memory& memory,
                         const std::vector<std::string>& targets = runnable_targets(),
                         const std::vector<int64_t>& parameters = {});

} // namespace volute::tests
