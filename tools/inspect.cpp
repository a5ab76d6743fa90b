#include "compiler/report/annotate.h"
#include "ir/print.h"
#include "tools/commands.h"
#include "tools/common_options.h"
#include "tools/output.h"
#include "tools/stop.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <memory>

namespace volute::tools {
namespace {

constexpr const char* examples = R"(Stages, in order:
  program   what was written, in canonical form
  nest      iteration domains, access maps and what is combined; nothing about when
  schedule  the order, tiles and registers, as --schedule takes it
  loops     the nests with every decision taken: what the code generator spells out
  llvm      its LLVM IR
  asm       the machine code, each instruction with its line of the loops and its statement
  report    the numbers: work, memory, what was chosen and why (the default)

Examples:
  volute inspect examples/stem.vlt
  volute inspect examples/stem.vlt --stage asm --target haswell
  volute inspect examples/stem.vlt --stage schedule > mine.txt
  volute inspect examples/stem.vlt --stage report --schedule @mine.txt)";

constexpr std::array stages = {"program", "nest", "schedule", "loops", "llvm", "asm", "report"};

struct InspectOptions {
  SourceOptions source;
  CommonOptions common;
  std::string file;
  std::string stage = "report";
  std::string html;
  bool bare = false;
};

std::string stage_text(const std::string& stage, const ProgramSource& source,
                       const ir::Program& program, const Settings& settings, bool bare) {
  if (stage == "program") return ir::to_string(program);
  compiler::CompileRequest request = request_of(source, program, settings);
  const Progress progress(fmt::format("compiling @{}", program.name));
  if (stage == "nest" || stage == "schedule" || stage == "loops") { // need no LLVM
    const compiler::Stages all = source.value_of(settings.session.inspect_loops(program, request));
    if (stage == "nest") return ir::to_string(all.nests);
    if (stage == "schedule") return compiler::to_string(all.schedules);
    return ir::to_string(all.loops);
  }
  request.llvm_text = stage == "llvm";
  request.assembly = stage == "asm";
  request.spills = stage == "report";
  const compiler::Compiled compiled = source.value_of(settings.session.inspect(program, request));
  if (stage == "llvm") return compiled.llvm;
  if (stage == "asm")
    return bare ? compiled.assembly
                : compiler::annotated(*compiled.listing, compiled.stages.loops, program);
  return compiler::to_string(compiled.report);
}

int inspect(const InspectOptions& options, Invocation& invocation) {
  if (std::find(stages.begin(), stages.end(), options.stage) == stages.end())
    misuse(fmt::format("--stage: there is no stage '{}'", options.stage),
           fmt::format("the stages are {}", fmt::join(stages, ", ")));
  if (!options.html.empty())
    throw Stop(exit_refused, "error: volute inspect --html: not built yet\n"
                             "--stage prints each level as text\n");
  if (options.file.empty() == !options.source.has_expression)
    misuse(options.file.empty()
               ? "there is no program: give a FILE, - for standard input, or -e TEXT"
               : "a FILE and -e are two programs, and one is inspected");
  const Settings settings = settings_of(options.common);
  const ProgramSource source = options.source.has_expression
                                   ? source_from_text(options.source.expression)
                                   : read_source(options.file, invocation);
  std::string text =
      stage_text(options.stage, source, source.entry(options.source.entry), settings, options.bare);
  if (!text.empty() && text.back() != '\n') text += '\n';
  print(text);
  return exit_done;
}

} // namespace

void add_inspect(CLI::App& app, Invocation& invocation, Actions& actions) {
  auto options = std::make_shared<InspectOptions>();
  CLI::App* sub = app.add_subcommand("inspect", "Show a program at any stage of its compilation");
  sub->footer(examples);
  sub->add_option("FILE", options->file, "The program's file; - is standard input")->type_name("");
  add_source_options(*sub, options->source);
  sub->add_option("--stage", options->stage, "Which stage (report)")->type_name("STAGE");
  sub->add_flag("--bare", options->bare, "asm: the instructions alone");
  add_common_options(*sub, options->common);
  sub->add_option("--html", options->html, "All stages side by side, in one page")
      ->type_name("FILE")
      ->group("Not built yet");
  actions.emplace_back(sub, [options, &invocation] { return inspect(*options, invocation); });
}

} // namespace volute::tools
