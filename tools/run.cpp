#include "bench/checked_call.h"
#include "bench/entrant.h"
#include "ir/denormals.h"
#include "ir/literals.h"
#include "runtime/kernel.h"
#include "runtime/png.h"
#include "runtime/replace_files.h"
#include "tools/call.h"
#include "tools/commands.h"
#include "tools/common_options.h"
#include "tools/contact_sheet.h"
#include "tools/output.h"
#include "tools/preview.h"
#include "tools/stop.h"
#include "tools/tensor_files.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>

namespace volute::tools {
namespace {

// Some 10^8 to 10^9 steps a second, three times over: beyond this, minutes.
constexpr double check_steps = 2e9;
constexpr size_t most_faults = 20; // that are told one by one

constexpr const char* examples =
    R"(Tensors are .npy files (np.save), whose shape is the type's extents in its order, or 8-bit
.png pictures. Without -o, every result is printed.

Examples:
  volute run examples/first.vlt
  volute run examples/edges.vlt x=examples/photo.png -o y=edges.png
  volute run examples/edges.vlt x=examples/photo.png --picture sheet.png --with-inputs
  volute run examples/stem.vlt --fill random:7 --check
  volute run - x=in.npy --schedule naive < my.vlt)";

struct RunOptions {
  SourceOptions source;
  CommonOptions common;
  std::vector<std::string> arguments; // FILE and NAME=FILE
  std::vector<std::string> outputs;
  std::string fill;
  std::vector<std::string> pictures; // [NAME=]FILE.png
  bool check = false, allow_unbounded = false, with_inputs = false;
};

// Everything that the command line names, found right before any work begins.
struct Plan {
  ProgramSource source;
  const ir::Program* program = nullptr;
  std::vector<NamedFile> inputs, outputs, pictures;
  std::optional<MadeUp> made_up;
};

/// --picture: of an input or a result, of the first result where none is named.
NamedFile parse_picture(const std::string& text, const ir::Program& program) {
  const bool is_named = text.find('=') != std::string::npos;
  if (!is_named && program.outputs.empty())
    misuse(fmt::format("--picture: @{} has no result", program.name));
  NamedFile picture = parse_named_file(
      is_named ? text : program.name_of(program.outputs.front()) + "=" + text, "--picture y=y.png");
  const auto has = [&](const std::vector<ir::ValueId>& values) {
    return std::any_of(values.begin(), values.end(),
                       [&](ir::ValueId id) { return program.name_of(id) == picture.name; });
  };
  if (!has(program.outputs) && !has(program.inputs))
    misuse(fmt::format("--picture: @{} has no input or result {}", program.name,
                       ir::quoted(picture.name)));
  if (!picture.path.ends_with(".png") && !picture.path.ends_with(".PNG"))
    misuse(fmt::format("--picture: {}: a picture's file ends in .png", ir::quoted(picture.path)));
  if (const auto place = runtime::place_to_write(picture.path); !place)
    throw Stop(exit_refused, render(place.diagnostics(), "", ""));
  return picture;
}

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
  if (!options.fill.empty()) plan.made_up = parse_made_up(options.fill);
  for (size_t i = first_input; i < options.arguments.size(); ++i)
    plan.inputs.push_back(parse_named_file(options.arguments[i], "x=in.npy"));
  for (const std::string& output : options.outputs)
    plan.outputs.push_back(parse_named_file(output, "-o y=out.npy"));
  plan.source = options.source.has_expression ? source_from_text(options.source.expression)
                                              : read_source(options.arguments[0], invocation);
  plan.program = &plan.source.entry(options.source.entry);
  for (const std::string& picture : options.pictures)
    plan.pictures.push_back(parse_picture(picture, *plan.program));
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

bench::Values values_of(const ir::Program& program, const std::vector<ir::ValueId>& ids,
                        const std::vector<runtime::Tensor>& tensors) {
  bench::Values values;
  for (size_t i = 0; i < ids.size(); ++i)
    values[program.name_of(ids[i])] = bench::data_of(tensors[i]);
  return values;
}

/// Prints what the comparison found; stops with the way to see it again when it found a difference,
/// or something of which nothing is known.
void check(const Plan& plan, const std::vector<runtime::Tensor>& inputs,
           const std::vector<runtime::Tensor>& outputs, const bench::Values& kept,
           const bench::Algorithms& algorithms, bool flushed, bool allow_unbounded,
           const Invocation& invocation) {
  if (!flushed) warn_of_denormals(plan, inputs);
  const ir::Program& program = *plan.program;
  Progress progress("evaluating the reference");
  const auto checked = bench::check_call(program, values_of(program, program.inputs, inputs),
                                         values_of(program, program.outputs, outputs), kept,
                                         {check_steps, 4e9}, flushed, algorithms);
  if (!checked) {
    std::vector<Diagnostic> faults = checked.diagnostics();
    for (Diagnostic& fault : faults) fault.subject = "--check: " + fault.subject;
    plan.source.refuse(faults);
  }
  std::vector<std::string> wrong;
  std::string right;
  if (const std::string summary = bench::summary_on_the_way(*checked); !summary.empty())
    right = fmt::format("check {}\n", summary);
  for (const auto* list : {&checked->on_the_way, &checked->outputs})
    for (const bench::Agreement& found : *list)
      if (!found.agrees() || !(found.is_bounded() || allow_unbounded))
        wrong.push_back(fmt::format("error: {}\n", bench::to_string(found)));
      else if (list == &checked->outputs || !found.is_bounded())
        right += fmt::format("check {}\n", bench::to_string(found));
  if (wrong.empty()) return print(right);
  std::string text;
  for (size_t i = 0; i < std::min(wrong.size(), most_faults); ++i) text += wrong[i];
  if (wrong.size() > most_faults)
    text += fmt::format("and {} values more\n", wrong.size() - most_faults);
  if (checked->agrees())
    text += "--fill normal draws numbers that stay of one size from layer to layer; "
            "--allow-unbounded takes what is not known for right\n";
  throw Stop(exit_refused, text + "reproduce: " + invocation.reproduction() + "\n");
}

/// A contact sheet of a value, under those of the inputs with a plane where they are asked for.
void write_pictures(const Plan& plan, const std::vector<runtime::Tensor>& inputs,
                    const std::vector<runtime::Tensor>& outputs, bool with_inputs) {
  const ir::Program& program = *plan.program;
  for (const NamedFile& file : plan.pictures) {
    std::vector<Pictured> shown;
    const auto show = [&](const std::vector<ir::ValueId>& ids,
                          const std::vector<runtime::Tensor>& tensors, auto wanted) {
      for (size_t i = 0; i < ids.size(); ++i)
        if (wanted(ids[i])) shown.push_back({program.name_of(ids[i]), bench::data_of(tensors[i])});
    };
    const auto is_it = [&](ir::ValueId id) { return program.name_of(id) == file.name; };
    const auto is_image = [&](ir::ValueId id) {
      return program.type(id).has(ir::Axis::c) && program.type(id).has(ir::Axis::w) && !is_it(id);
    };
    if (with_inputs) show(program.inputs, inputs, is_image);
    show(program.inputs, inputs, is_it);
    show(program.outputs, outputs, is_it);
    const Expected<runtime::Tensor> sheet = contact_sheet(shown);
    if (!sheet) throw Stop(exit_refused, render(sheet.diagnostics(), "", ""));
    if (const Status status = runtime::write_png(file.path, *sheet); !status) refuse_status(status);
    print(fmt::format("%{} -> {}, {} by {} pixels\n", file.name, file.path,
                      sheet->type().size(ir::Axis::w), sheet->type().size(ir::Axis::h)));
  }
}

int run(const RunOptions& options, Invocation& invocation) {
  Settings settings = settings_of(options.common);
  const Plan plan = plan_of(options, invocation);
  const ir::Program& program = *plan.program;
  check_outputs(program, plan.outputs);
  const std::vector<runtime::Tensor> inputs = read_inputs(program, plan.inputs, plan.made_up);

  const runtime::Kernel kernel = compile_program(plan.source, program, settings);

  const Called called = call(kernel, program, inputs, options.check);
  const std::vector<runtime::Tensor>& outputs = called.outputs;
  std::map<std::string, runtime::TensorView> by_name;
  for (size_t i = 0; i < outputs.size(); ++i)
    by_name.emplace(program.name_of(program.outputs[i]), outputs[i]);
  if (options.check) {
    bench::Values on_the_way;
    for (const runtime::KeptValue& value : called.kept)
      on_the_way[value.name] = bench::data_of(value.value);
    const compiler::Stages seen = plan.source.value_of(
        settings.session.inspect_loops(program, request_of(plan.source, program, settings)));
    check(plan, inputs, outputs, on_the_way, bench::algorithms_of(seen.report),
          *settings.compile.flush_denormals, options.allow_unbounded, invocation);
  }
  write_outputs(plan.outputs, by_name);
  for (const NamedFile& file : plan.outputs) {
    std::fputs(words_about_clamping(file, by_name.at(file.name)).c_str(), stderr);
    print(fmt::format("%{}: {} -> {}\n", file.name, ir::to_string(by_name.at(file.name).type()),
                      file.path));
  }
  write_pictures(plan, inputs, outputs, options.with_inputs);
  if (!plan.outputs.empty() || !plan.pictures.empty()) return exit_done;
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
  CLI::Option* picture =
      sub->add_option("--picture", options->pictures,
                      "Lay the channels of a result (the first one) or an input out as\n"
                      "one picture, each with its number and range")
          ->option_text("[NAME=]FILE.png")
          ->allow_extra_args(false);
  sub->add_flag("--with-inputs", options->with_inputs, "--picture: the inputs' channels above them")
      ->needs(picture);
  sub->add_option("--fill", options->fill,
                  "Make up the inputs that are not given: random (whole numbers),\n"
                  "normal (distributed, weights scaled by the root of the taps),\n"
                  "either with :SEED, zeros, ones or iota")
      ->type_name("HOW");
  sub->add_flag("--check", options->check,
                "Compare with the reference evaluation, within the bound on what\n"
                "rounding can do, each value that the kernel stores on the way too;\n"
                "a difference is an error, and so is a result without a finite bound");
  sub->add_flag("--allow-unbounded", options->allow_unbounded,
                "--check: results that differ where no finite bound is known are\n"
                "told of, and no error");
  add_common_options(*sub, options->common);
  actions.emplace_back(sub, [options, &invocation] { return run(*options, invocation); });
}

} // namespace volute::tools
