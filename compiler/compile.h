// The compiler: a pure function from (program, schedule, target) to an image and a report. No
// files, no threads, no environment.
#pragma once

#include "compiler/image/image.h"
#include "compiler/pipeline.h"
#include "compiler/report/listing.h"

namespace volute::compiler {

struct Compiled {
  Image image;
  Report report;
  Stages stages;
  std::string llvm, assembly; // on request
  /// On request: an ELF file to be linked, and the C header that says what is in it.
  std::vector<std::byte> object;
  std::string header;
  /// On request: the assembly, each instruction with its line of the loops and its statement.
  std::shared_ptr<const Listing> listing;
};

/// The rest of the table of passes, after passes_to_loops(): from loops to code, by LLVM.
std::span<const Pass> passes_to_code();
/// Both.
std::vector<Pass> all_passes();

Expected<Compiled> compile(const ir::Program& program, const CompileRequest& request = {});
/// The same from nests on, which may have parameters.
Expected<Compiled> compile(const ir::NestProgram& nests, const CompileRequest& request = {});
/// The same from loops on, which are spelt out as they stand.
Expected<Compiled> compile(const ir::LoopProgram& loops, const CompileRequest& request = {});

} // namespace volute::compiler
