// Everything about one compilation as a page to look at: one file that needs nothing else.
#pragma once

#include "compiler/compile.h"

#include <optional>
#include <string>

namespace volute::compiler {

/// Of one call, and on which machine.
struct Measured {
  double seconds = 0;
  double peak_flops = 0; // of one core, in the same run
  std::string machine;
};

struct PageSubject {
  std::string file;    // as the command line names it
  std::string command; // that makes the page again, or "" for none
  std::optional<Measured> measured;
};

/// HTML with its styles, script and data inside: every stage with what each line comes from and
/// became, the loops to be walked through, the report. `compiled` has LLVM IR and assembly with
/// lines (Compiled::listing, `llvm`).
std::string inspect_page(const compiler::Compiled& compiled, const compiler::LlvmListing& llvm,
                         const compiler::Target& target, const PageSubject& subject);

} // namespace volute::compiler
