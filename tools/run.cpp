#include "bench/verify.h"
#include "ir/denormals.h"
#include "runtime/kernel.h"
#include "tools/commands.h"
#include "tools/common_options.h"
#include "tools/output.h"
#include "tools/preview.h"
#include "tools/stop.h"
#include "tools/tensor_files.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <optional>

namespace volute::tools {
namespace {

// Some 10^8 to 10^9 steps a second, three times over: beyond this, minutes.
constexpr double check_steps = 2e9;

constexpr const char* examples =
    R"(Tensors are .npy files (np.save), whose shape is the type's extents in its order, or 8-bit
.png pictures. Without -o, every result is printed.

Examples:
  volute run examples/first.vlt
  volute run examples/edges.vlt x=examples/photo.png -o y=edges.png
  volute run examples/stem.vlt --fill random:7 --check
  volute run - x=in.npy --schedule naive < my.vlt)";

struct RunOptions {
  SourceOptions source;
  CommonOptions common;
  std::vector<std::string> arguments; // FILE and NAME=FILE
  std::vector<std::string> outputs;
  std::string fill;
  bool check = false;
};

// Everything that the command line names, found right before any work begins.
struct Plan {
  ProgramSource source;
  const ir::Program* program = nullptr;
  std::vector<NamedFile> inputs, outputs;
  std::optional<runtime::Fill> fill;
};

Plan plan_of(const RunOptions& options, Invocation& invocation) {
  Plan plan;
  size_t first_input = 0;
  if (!options.source.has_expression) {
    if (options.arguments.empty())
      misuse("there is no program: give a FILE, - for standard input, or -e TEXT",
             "`volute run --help` shows examples");
    check_is_program(options.arguments[0]); // before what follows is taken for inputs
    first_input = 1;
  }
  if (!options.fill.empty()) {
    const Expected<runtime::Fill> fill = runtime::parse_fill(options.fill);
    if (!fill)
      misuse("--fill: " + fill.diagnostics().front().message, fill.diagnostics().front().hint);
    plan.fill = *fill;
  }
  for (size_t i = first_input; i < options.arguments.size(); ++i)
    plan.inputs.push_back(parse_named_file(options.arguments[i], "x=in.npy"));
  for (const std::string& output : options.outputs)
    plan.outputs.push_back(parse_named_file(output, "-o y=out.npy"));
  plan.source = options.source.has_expression ? source_from_text(options.source.expression)
                                              : read_source(options.arguments[0], invocation);
  plan.program = &plan.source.entry(options.source.entry);
  return plan;
}

[[noreturn]] void refuse_status(const Status& status) {
  throw Stop(exit_refused, render(status.failure().diagnostics, "", ""));
}

/// A word on each operand that holds numbers which make kernels slow.
void warn_of_denormals(const Plan& plan, const std::vector<runtime::Tensor>& inputs) {
  const auto warn = [&](ir::ValueId id, int64_t count) {
    const ir::TensorType& type = plan.program->type(id);
    if (count > 0)
      fmt::print(stderr, "warning: %{}: {}\n", plan.program->name_of(id),
                 ir::denormals_text(count, type.elements(), type.element));
  };
  for (size_t i = 0; i < inputs.size(); ++i)
    warn(plan.program->inputs[i], runtime::count_denormals(inputs[i]));
  for (const ir::Statement& statement : plan.program->statements)
    if (const auto* constant = std::get_if<ir::Const>(&statement.operation)) {
      const ir::TensorType& type = plan.program->type(statement.results.front());
      warn(statement.results.front(),
           ir::count_denormals(constant->bytes->data(), type.elements(), type.element));
    }
}

/// Prints what the comparison found; stops with the way to see it again when it found a difference.
void check(const Plan& plan, const std::vector<runtime::Tensor>& inputs,
           const std::vector<runtime::Tensor>& outputs, bool flushed,
           const Invocation& invocation) {
  if (!flushed) warn_of_denormals(plan, inputs);
  std::vector<ir::TensorData> copies;
  copies.reserve(inputs.size());
  std::map<std::string, const ir::TensorData*> named;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const runtime::Tensor& t = inputs[i];
    copies.push_back({t.type(), std::vector<std::byte>(t.data(), t.data() + t.bytes())});
    named[plan.program->name_of(plan.program->inputs[i])] = &copies.back();
  }
  Progress progress("evaluating the reference");
  auto reference = bench::bounded_reference(*plan.program, named, {check_steps, 4e9}, flushed);
  if (!reference) {
    std::vector<Diagnostic> faults = reference.diagnostics();
    for (Diagnostic& fault : faults) fault.subject = "--check: " + fault.subject;
    plan.source.refuse(faults);
  }
  std::string wrong, right;
  for (size_t i = 0; i < outputs.size(); ++i) {
    const std::string& name = plan.program->name_of(plan.program->outputs[i]);
    const bench::Agreement found = bench::compare(name, reference->at(name), outputs[i].data());
    if (found.agrees())
      right += fmt::format("check {}\n", bench::to_string(found));
    else
      wrong += fmt::format("error: {}\n", bench::to_string(found));
  }
  if (!wrong.empty())
    throw Stop(exit_refused, wrong + "reproduce: " + invocation.reproduction() + "\n");
  print(right);
}

int run(const RunOptions& options, Invocation& invocation) {
  Settings settings = settings_of(options.common);
  const Plan plan = plan_of(options, invocation);
  const ir::Program& program = *plan.program;
  check_outputs(program, plan.outputs);
  const std::vector<runtime::Tensor> inputs = read_inputs(program, plan.inputs, plan.fill);

  const runtime::Kernel kernel = compile_program(plan.source, program, settings);

  std::vector<runtime::Tensor> outputs;
  std::map<std::string, runtime::TensorView> by_name;
  std::vector<runtime::TensorRef> arguments;
  for (const runtime::Tensor& input : inputs) arguments.emplace_back(input);
  outputs.reserve(program.outputs.size());
  for (const ir::ValueId id : program.outputs) {
    Expected<runtime::Tensor> output = runtime::Tensor::allocate(program.type(id));
    if (!output) throw Stop(exit_refused, render(output.diagnostics(), "", ""));
    outputs.push_back(std::move(*output));
    arguments.emplace_back(outputs.back());
    by_name.emplace(program.name_of(id), outputs.back());
  }
  {
    const Progress progress(fmt::format("running @{}", program.name));
    if (Status status = kernel.call(arguments); !status) refuse_status(status);
  }
  if (options.check) check(plan, inputs, outputs, *settings.compile.flush_denormals, invocation);
  write_outputs(plan.outputs, by_name);
  for (const NamedFile& file : plan.outputs) {
    std::fputs(words_about_clamping(file, by_name.at(file.name)).c_str(), stderr);
    print(fmt::format("%{}: {} -> {}\n", file.name, ir::to_string(by_name.at(file.name).type()),
                      file.path));
  }
  if (!plan.outputs.empty()) return exit_done;
  for (size_t i = 0; i < outputs.size(); ++i)
    print(fmt::format("%{}: {}\n{}", program.name_of(program.outputs[i]),
                      ir::to_string(outputs[i].type()), preview(outputs[i])));
  return exit_done;
}

} // namespace

void add_run(CLI::App& app, Invocation& invocation, Actions& actions) {
  auto options = std::make_shared<RunOptions>();
  CLI::App* sub = app.add_subcommand("run", "Compile a program and run it on files");
  sub->footer(examples);
  sub->add_option("FILE", options->arguments,
                  "The program's file (- is standard input), then a file for each input,\n"
                  "NAME=in.npy or NAME=in.png")
      ->option_text("[NAME=in.npy ...]");
  add_source_options(*sub, options->source);
  sub->add_option("-o,--output", options->outputs,
                  "Write a result: NAME=out.npy or NAME=out.png; once for each")
      ->option_text("NAME=FILE")
      ->allow_extra_args(false);
  sub->add_option("--fill", options->fill,
                  "Make up the inputs that are not given:\n"
                  "random, random:SEED, zeros, ones or iota")
      ->type_name("HOW");
  sub->add_flag("--check", options->check,
                "Compare with the reference evaluation, within the bound on what\n"
                "rounding can do; a difference is an error");
  add_common_options(*sub, options->common);
  actions.emplace_back(sub, [options, &invocation] { return run(*options, invocation); });
}

} // namespace volute::tools
