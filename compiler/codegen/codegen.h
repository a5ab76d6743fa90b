// Loops -> native code. The only door to LLVM: no LLVM header is needed to come in.
#pragma once

#include "compiler/target/target.h"
#include "ir/diagnostic.h"
#include "ir/loops.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace volute::compiler {

/// Linked code, position independent: text, then on a page of its own the constants it reads.
struct Code {
  std::vector<std::byte> bytes;
  uint64_t text_bytes = 0;
  std::vector<uint64_t> entries; // of the steps, in order: offsets into the text
  std::vector<uint64_t> sizes;   // of the steps' code
  std::string llvm, assembly;    // on request
};

/// Code on its way, one step after the other: LLVM IR, object code, bytes. What no code is
/// generated for yet is refused by name.
class Generation {
public:
  /// LLVM IR for every step of a program that has passed verify.
  static Expected<Generation> emit(const ir::LoopProgram& program, const Target& target);
  Generation(Generation&&) noexcept;
  Generation& operator=(Generation&&) noexcept;
  ~Generation();

  /// Faults of the IR, of which there are none.
  std::vector<Diagnostic> verify() const;
  std::string llvm_text() const;
  /// The machine code as text: the same code generation, once more.
  std::string assembly_text() const;
  /// Instruction selection, register allocation and scheduling, which use up the IR.
  Expected<bool> make_object();
  size_t object_bytes() const;
  /// Of the LLVM IR.
  size_t instructions() const;
  /// Links the object against itself.
  void link();
  Code& code() { return code_; }

private:
  struct State;
  explicit Generation(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
  Code code_;
};

struct CodegenRequest {
  bool llvm_text = false; // fill Code::llvm
  bool assembly = false;  // fill Code::assembly
};

/// All of it at once.
Expected<Code> generate(const ir::LoopProgram& program, const Target& target,
                        const CodegenRequest& request = {});

/// Which entry of StepArguments::buffers a buffer of the program is: inputs, outputs, packed and
/// intermediate buffers in order; -1 for those that the caller does not pass (tables).
std::vector<int32_t> argument_slots(const std::vector<ir::Buffer>& buffers);

/// "19.1.7", a part of every cache key.
std::string llvm_version();

} // namespace volute::compiler
