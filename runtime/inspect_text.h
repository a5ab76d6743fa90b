// What becomes of a program on its way to machine code, as text:
//
//     std::puts(volute::inspect_text(session, program, "asm").value().c_str());
#pragma once

#include "ir/diagnostic.h"
#include "ir/program.h"
#include "runtime/compile_options.h"
#include "runtime/session.h"

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace volute::runtime {

/// The stages in order: program, nest, schedule, loops, llvm, asm; and what is said of them all:
/// report, html.
std::span<const std::string_view> inspection_stages();

/// A stage's text, as `volute inspect --stage` prints it, or the page of `volute inspect --html`.
/// Compiles anew, for any target; nothing enters the session's cache.
Expected<std::string> inspect_text(const Session& session, const ir::Program& program,
                                   std::string_view stage, const CompileOptions& options = {});

/// What each result of a program means: its nests in direct sums, whatever form the request asks
/// for. None where the program is refused that way.
std::optional<compiler::Stages> direct_sums(const Session& session, const ir::Program& program,
                                            const compiler::CompileRequest& request);

} // namespace volute::runtime

namespace volute {
using runtime::inspect_text;
} // namespace volute
