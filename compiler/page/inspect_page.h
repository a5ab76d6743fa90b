// Everything about one compilation as a page to look at: one file that needs nothing else.
#pragma once

#include "compiler/compile.h"
#include "ir/tensor_data.h"

#include <optional>
#include <string>
#include <vector>

namespace volute::compiler {

/// Of one call, and on which machine.
struct Measured {
  double seconds = 0;
  double peak_flops = 0; // of one core, in the same run
  std::string machine;
};

/// A tensor of one call: an input, a constant, a value on the way or a result.
struct PageValue {
  enum class Role { input, constant, on_the_way, output } role = Role::input;
  std::string name;
  ir::TensorData data;
};

struct PageSubject {
  std::string file;    // as the command line names it
  std::string command; // that makes the page again, or "" for none
  std::optional<Measured> measured;
  std::vector<PageValue> values = {}; // of one call; none: the page has no numbers
  std::string computed_on = {};       // by a kernel for which target
  /// What each result is made of, element by element: nests of direct sums. Null: those that the
  /// code is of.
  const ir::NestProgram* meaning = nullptr;
};

/// HTML with its styles, script and data inside: every stage with what each line comes from and
/// became, the loops to be walked through, the report, and of a call its tensors as pictures.
/// `compiled` has LLVM IR and assembly with lines (Compiled::listing, `llvm`).
std::string inspect_page(const compiler::Compiled& compiled, const compiler::LlvmListing& llvm,
                         const compiler::Target& target, const PageSubject& subject);

} // namespace volute::compiler
