#include "runtime/inspect_text.h"

#include "compiler/compile.h"
#include "compiler/page/inspect_page.h"
#include "compiler/report/annotate.h"
#include "ir/literals.h"
#include "ir/print.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

namespace volute::runtime {
namespace {

constexpr std::string_view stages[] = {"program", "nest", "schedule", "loops",
                                       "llvm",    "asm",  "report",   "html"};

/// All of them as one page, which names what it is made of and nothing that would make it again.
Expected<std::string> page_of(const Session& session, const ir::Program& program,
                              compiler::CompileRequest request) {
  request.assembly = request.spills = true;
  const Expected<compiler::Compiled> made = session.inspect(program, request);
  if (!made) return made.failure();
  const Expected<compiler::LlvmListing> llvm =
      session.list_llvm(made->stages.loops, request.target);
  if (!llvm) return llvm.failure();
  const std::optional<compiler::Stages> direct = direct_sums(session, program, request);
  compiler::PageSubject subject = {"@" + program.name, "", {}};
  if (direct) subject.meaning = &direct->nests;
  return compiler::inspect_page(*made, *llvm, request.target, subject);
}

} // namespace

std::optional<compiler::Stages> direct_sums(const Session& session, const ir::Program& program,
                                            const compiler::CompileRequest& request) {
  compiler::CompileRequest direct = request;
  direct.schedule = "naive";
  direct.accuracy = 0;
  Expected<compiler::Stages> made = session.inspect_loops(program, direct);
  return made ? std::optional(std::move(*made)) : std::nullopt;
}

std::span<const std::string_view> inspection_stages() { return stages; }

Expected<std::string> inspect_text(const Session& session, const ir::Program& program,
                                   std::string_view stage, const CompileOptions& options) {
  if (std::find(std::begin(stages), std::end(stages), stage) == std::end(stages))
    return fail("stage", fmt::format("there is no stage {}", ir::quoted(stage)),
                fmt::format("the stages are {}", fmt::join(stages, ", ")));
  Expected<compiler::CompileRequest> request = session.request(program, options);
  if (!request) return request.failure();
  if (stage == "program") return ir::to_string(program);
  if (stage == "nest" || stage == "schedule" || stage == "loops") { // need no LLVM
    const Expected<compiler::Stages> made = session.inspect_loops(program, *request);
    if (!made) return made.failure();
    if (stage == "nest") return ir::to_string(made->nests);
    if (stage == "schedule") return compiler::to_string(made->schedules);
    return ir::to_string(made->loops);
  }
  if (stage == "html") return page_of(session, program, std::move(*request));
  request->llvm_text = stage == "llvm";
  request->assembly = stage == "asm";
  request->spills = stage == "report";
  const Expected<compiler::Compiled> made = session.inspect(program, *request);
  if (!made) return made.failure();
  if (stage == "llvm") return made->llvm;
  if (stage == "asm")
    return compiler::annotated(*made->listing, made->stages.loops, made->stages.written);
  return compiler::to_string(made->report);
}

} // namespace volute::runtime
