// Loops -> native code. The only door to LLVM: no LLVM header is needed to come in.
#pragma once

#include "compiler/image_tables.h"
#include "compiler/report/listing.h"
#include "compiler/target/target.h"
#include "ir/diagnostic.h"
#include "ir/loops.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace volute::compiler {

struct CInterface; // image/c_interface.h
struct Image;      // image/image.h

/// Linked code, position independent: text, then on a page of its own the constants it reads.
struct Code {
  std::vector<std::byte> bytes;
  uint64_t text_bytes = 0;
  std::vector<uint64_t> entries; // of the steps, in order: offsets into the text
  std::vector<uint64_t> sizes;   // of the steps' code
  std::string llvm, assembly;    // on request
};

/// Of LLVM's passes those that kernels need; or all of them: the same code, more slowly.
enum class PassesRun : uint8_t { needed, all };
/// Names of passes that are not needed and that LLVM does not have: none.
std::vector<std::string> unmet_passes(const Target& target);

/// Code on its way, one step after the other: LLVM IR, object code, bytes. What no code is
/// generated for yet is refused by name.
class Generation {
public:
  /// LLVM IR for every step of a program that has passed verify. With the program's text_of, the
  /// object has a line table besides: each instruction's line of that text, and as its column the
  /// statement (emit_lines.h). The code is the same.
  /// The table says that the text lies in `folder`, as source_name calls it.
  static Expected<Generation> emit(const ir::LoopProgram& program, const Target& target,
                                   const ir::LoopsText* text = nullptr,
                                   const std::string& folder = "");
  Generation(Generation&&) noexcept;
  Generation& operator=(Generation&&) noexcept;
  ~Generation();

  /// Adds the functions of an object file, for the steps of the image: what is seen of it then.
  void add_interface(const CInterface& interface, const Image& image);
  /// Faults of the IR, of which there are none.
  std::vector<Diagnostic> verify() const;
  std::string llvm_text() const;
  /// Instruction selection, register allocation and scheduling, which use up the IR.
  Expected<bool> make_object(PassesRun run = PassesRun::needed);
  size_t object_bytes() const;
  /// The ELF file, for debuggers and profilers.
  std::vector<std::byte> object() const;
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

/// "layer.loops"
std::string source_name(const ir::LoopProgram& program);

struct CodegenRequest {
  bool llvm_text = false; // fill Code::llvm
  bool assembly = false;  // fill Code::assembly
  bool lines = false;     // make the object with a line table
  PassesRun passes = PassesRun::needed;
};

/// The machine code as text, with the line of the loops and the statement that each instruction is
/// for: the same code generation, once more. Without data, tables are zeros: their text may be
/// long, and no instruction depends on what they hold.
Expected<Listing> list(const ir::LoopProgram& program, const Target& target, bool data = true);

/// The LLVM IR as text, and where each of its lines comes from.
Expected<LlvmListing> list_llvm(const ir::LoopProgram& program, const Target& target);

/// All of it at once.
Expected<Code> generate(const ir::LoopProgram& program, const Target& target,
                        const CodegenRequest& request = {});

} // namespace volute::compiler
