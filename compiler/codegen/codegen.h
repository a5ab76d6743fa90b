// Loops -> native code. The only door to LLVM: no LLVM header is needed to come in.
#pragma once

#include "compiler/target/target.h"
#include "ir/diagnostic.h"
#include "ir/loops.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace volute::compiler {

struct CodegenRequest {
  bool llvm_text = false; // fill Code::llvm
  bool assembly = false;  // fill Code::assembly
};

/// Linked code, position independent: text, then on a page of its own the constants it reads.
struct Code {
  std::vector<std::byte> bytes;
  uint64_t text_bytes = 0;
  std::vector<uint64_t> entries; // of the steps, in order: offsets into the text
  std::vector<uint64_t> sizes;   // of the steps' code
  std::string llvm, assembly;    // on request
  double emit_ms = 0, object_ms = 0, link_ms = 0;
};

/// Generates code for every step. The program has passed verify; what it holds that no code is
/// generated for yet is refused by name.
Expected<Code> generate(const ir::LoopProgram& program, const Target& target,
                        const CodegenRequest& request = {});

/// Which entry of StepArguments::buffers a buffer of the program is: inputs, outputs, packed and
/// intermediate buffers in order; -1 for those that the caller does not pass (tables).
std::vector<int32_t> argument_slots(const std::vector<ir::Buffer>& buffers);

/// "19.1.7", a part of every cache key.
std::string llvm_version();

} // namespace volute::compiler
