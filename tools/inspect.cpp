#include "bench/checked_call.h"
#include "bench/json.h"
#include "compiler/compile.h"
#include "compiler/page/inspect_page.h"
#include "compiler/page/report_json.h"
#include "compiler/report/annotate.h"
#include "ir/literals.h"
#include "ir/operators.h"
#include "ir/print.h"
#include "runtime/compiler_link.h"
#include "runtime/file.h"
#include "runtime/inspect_text.h"
#include "runtime/replace_files.h"
#include "tools/call.h"
#include "tools/commands.h"
#include "tools/common_options.h"
#include "tools/highlight.h"
#include "tools/output.h"
#include "tools/stop.h"
#include "tools/tensor_files.h"
#include "tools/text_diff.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <memory>
#include <variant>

namespace volute::tools {
namespace {

constexpr size_t longest_record = size_t{1} << 28;

struct Stage {
  std::string_view name, what;
};

constexpr Stage stages[] = {
    {"program", "what was written, in canonical form"},
    {"nest", "iteration domains, access maps and what is combined; nothing about when"},
    {"schedule", "the order, tiles and registers, as --schedule takes it"},
    {"loops", "the nests with every decision taken: what the code generator spells out"},
    {"llvm", "its LLVM IR"},
    {"asm", "the machine code, each instruction with its line of the loops and its statement"},
    {"report", "the numbers: work, memory, what was chosen and why (the default)"},
};

std::string footer() {
  std::string text = "Stages, in order:\n";
  for (const Stage& stage : stages) text += fmt::format("  {:<9} {}\n", stage.name, stage.what);
  return text + R"(  all       each of them under a line with its name

Between the stages are passes, which --passes lists. --after PASS shows what one makes, --after all
what each does. FILE may also hold nests or loops, as printed here or written by hand:
docs/nests-and-loops.md.

Examples:
  volute inspect examples/stem.vlt
  volute inspect examples/stem.vlt --stage asm --target haswell
  volute inspect examples/stem.vlt --stage schedule > mine.txt
  volute inspect examples/stem.vlt --stage report --schedule @mine.txt
  volute inspect examples/stem.vlt --after place_bands
  volute inspect examples/stem.vlt --after all --changes
  volute inspect examples/stem.vlt --diff auto naive
  volute inspect examples/stem.vlt --stage asm --diff haswell skylake-avx512
  volute inspect examples/stem.vlt --json
  volute inspect examples/stem.vlt --html stem.html
  volute inspect examples/edges.vlt x=examples/photo.png --html edges.html
  volute inspect examples/stem.vlt --stage nest | volute inspect - --stage loops)";
}

struct InspectOptions {
  SourceOptions source;
  CommonOptions common;
  std::vector<std::string> arguments; // FILE, and for --html NAME=FILE
  std::string fill;
  std::string stage; // empty: the report, or of a difference the loops
  std::string after; // a pass, or all
  bool passes = false;
  std::string html, measured;
  bool bare = false, json = false, changes = false;
  std::vector<std::string> diff; // two schedules or targets
  std::string colour = "auto";
};

std::string whole_lines(std::string text) {
  if (!text.empty() && text.back() != '\n') text += '\n';
  return text;
}

void check_stage(const std::string& wanted) {
  std::vector<std::string_view> names;
  for (const Stage& stage : stages) names.push_back(stage.name);
  names.push_back("all");
  if (std::find(names.begin(), names.end(), wanted) == names.end())
    misuse(fmt::format("--stage: there is no stage '{}'", wanted),
           fmt::format("the stages are {}", fmt::join(names, ", ")));
}

/// All of them; stops where there is no compiler.
std::vector<compiler::Pass> passes() {
  const Expected<runtime::Options>& environment = runtime::options();
  Expected<std::vector<compiler::Pass>> all =
      runtime::all_passes(environment ? environment->compiler : "");
  if (!all) refuse(all.diagnostics().front());
  return std::move(*all);
}

void check_pass(const std::string& wanted) {
  std::vector<std::string_view> names;
  for (const compiler::Pass& pass : passes()) names.push_back(pass.name);
  if (wanted == "all" || std::find(names.begin(), names.end(), wanted) != names.end()) return;
  const auto near = ir::nearest_word(wanted, names);
  misuse(fmt::format("--after: there is no pass {}", ir::quoted(wanted)),
         fmt::format("{}the passes are {}, or all of them: all",
                     near ? fmt::format("did you mean {}? ", *near) : "", fmt::join(names, ", ")));
}

/// What was given, a program or what is in the middle of its way, and the ways to look at it.
class Inspection {
public:
  Inspection(const ProgramSource& source, const std::string& entry, const Settings& settings,
             bool bare)
      : source_(source), session_(settings.session), bare_(bare) {
    if (source.nests)
      given_ = &*source.nests, holds_ = "nests", first_stage_ = "nest";
    else if (source.loops)
      given_ = &*source.loops, holds_ = "loops", first_stage_ = "loops";
    else
      given_ = &source.entry(entry);
    if (const auto* program = std::get_if<const ir::Program*>(&given_))
      request_ = request_of(source, **program, settings);
    else
      request_ = source.value_of(session_.request(settings.compile));
    if (!entry.empty() && entry != name() && entry != "@" + name())
      misuse(fmt::format("{} holds the {} of {}", source.name, holds_, name()));
  }

  /// A text and the language that it is in.
  struct Part {
    std::string stage, text;
  };
  /// The one of a stage, or all of them.
  std::vector<Part> stage(const std::string& wanted) {
    std::vector<std::string_view> seen; // in order
    for (const Stage& stage : stages)
      if (stage.name == first_stage_ || !seen.empty()) seen.push_back(stage.name);
    if (std::get_if<const ir::Program*>(&given_) && wanted == "program")
      return {{wanted, text_given()}};
    const Progress progress(fmt::format("compiling @{}", name()));
    if (wanted == "nest" || wanted == "schedule" || wanted == "loops") { // need no LLVM
      check_is_there(wanted, seen);
      return {{wanted, text_of(wanted, to_loops())}};
    }
    check_is_there(wanted, seen);
    request_.llvm_text = wanted == "llvm" || wanted == "all";
    request_.assembly = wanted == "asm" || wanted == "all";
    request_.spills = wanted == "report";
    const compiler::Compiled compiled = to_code();
    if (wanted != "all") return {{wanted, text_of(wanted, compiled)}};
    std::vector<Part> all;
    for (const std::string_view each : seen)
      all.push_back({std::string(each), text_of(each, compiled)});
    return all;
  }

  /// The report for programs to read.
  std::string report_json() {
    const Progress progress(fmt::format("compiling @{}", name()));
    request_.spills = true;
    return compiler::json_of(to_code().report)
        .dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  }

  /// What a pass makes, or what it has changed. Nothing that comes after it is run, or stands in
  /// the way.
  std::string after(const std::string& pass, bool changes = false) {
    struct Seen {
      std::string text;
    };
    std::string first;
    std::map<std::string_view, std::string> last = {{holds_, text_given()}}; // by level
    request_.watch = [&](const compiler::Pass& ran, const compiler::Stages& value) {
      if (first.empty()) first = ran.name;
      if (ran.name != pass && !changes) return;
      std::string text = ran.makes.text(value);
      if (ran.name == pass) throw Seen{changes ? changed(last, ran, text) : text};
      last[ran.makes.name] = std::move(text);
    };
    request_.assembly = pass == "assembly";
    const Progress progress(fmt::format("compiling @{}", name()));
    try {
      to_code();
    } catch (const Seen& seen) {
      return seen.text;
    }
    misuse(fmt::format("--after: {} does not run: {} holds {}", pass, source_.name, holds_),
           fmt::format("the first pass that does is {}", first));
  }

  /// What each pass makes, as it is made: of one that fails, everything before it is there.
  void print_after_each(bool changes, bool in_colour) {
    std::map<std::string_view, std::string> last = {{holds_, text_given()}}; // by level
    print(header("given", true) + last.begin()->second);
    request_.watch = [&](const compiler::Pass& pass, const compiler::Stages& value) {
      std::string text = whole_lines(pass.makes.text(value));
      const bool same = text == last[pass.makes.name] || text == last[pass.takes];
      print(header(fmt::format("{}: {}", pass.name, pass.sentence)));
      const std::string shown = same           ? "unchanged\n"
                                : text.empty() ? "nothing\n"
                                : changes      ? changed(last, pass, text)
                                               : text;
      print(in_colour && changes && !same ? highlighted_diff(shown) : shown);
      last[pass.makes.name] = std::move(text);
    };
    to_code();
  }

  /// All of it, as a page: with the tensors of a call, if `inputs` are given.
  std::string page(compiler::PageSubject subject,
                   const std::optional<std::vector<runtime::Tensor>>& inputs) {
    compiler::Compiled compiled;
    compiler::LlvmListing llvm;
    std::optional<compiler::Stages> direct;
    {
      const Progress progress(fmt::format("compiling @{}", name()));
      request_.assembly = request_.spills = true;
      compiled = to_code();
      llvm = source_.value_of(session_.list_llvm(compiled.stages.loops, request_.target));
      if (program()) direct = runtime::direct_sums(session_, *program(), request_);
    }
    if (direct) subject.meaning = &direct->nests;
    if (inputs) add_values(subject, compiled.image, *inputs);
    return compiler::inspect_page(compiled, llvm, request_.target, subject);
  }

  /// What was given, where it is a program.
  const ir::Program* program() const {
    const auto* given = std::get_if<const ir::Program*>(&given_);
    return given ? *given : nullptr;
  }

  const std::string& name() const {
    return std::visit([](const auto* given) -> const std::string& { return given->name; }, given_);
  }

  static std::string header(std::string_view words, bool first = false) {
    return fmt::format("{}==== {}\n\n", first ? "" : "\n", words);
  }

private:
  /// The tensors of one call. A target that this machine is not has its program computed by a
  /// kernel for this one.
  void add_values(compiler::PageSubject& subject, const compiler::Image& image,
                  const std::vector<runtime::Tensor>& inputs) const {
    const ir::Program& program = *this->program();
    const bool is_here = compiler::runs_on(request_.target, compiler::host());
    compiler::CompileRequest here = request_;
    here.target = compiler::host();
    here.assembly = here.spills = false;
    subject.computed_on = compiler::short_text(is_here ? request_.target : here.target);
    const runtime::Kernel kernel = source_.value_of(
        session_.load(is_here ? image : source_.value_of(session_.inspect(program, here)).image));
    const Called called = call(kernel, program, inputs, /*keep=*/true);
    using Role = compiler::PageValue::Role;
    for (size_t i = 0; i < inputs.size(); ++i)
      subject.values.push_back(
          {Role::input, program.name_of(program.inputs[i]), bench::data_of(inputs[i])});
    for (const ir::Statement& statement : program.statements)
      if (const auto* constant = std::get_if<ir::Const>(&statement.operation)) {
        const ir::ValueId id = statement.results.front();
        subject.values.push_back(
            {Role::constant, program.name_of(id), {program.type(id), *constant->bytes}});
      }
    for (const runtime::KeptValue& kept : called.kept)
      subject.values.push_back({Role::on_the_way, kept.name, bench::data_of(kept.value)});
    for (size_t i = 0; i < called.outputs.size(); ++i)
      subject.values.push_back(
          {Role::output, program.name_of(program.outputs[i]), bench::data_of(called.outputs[i])});
  }

  /// What differs from the last text of the pass's level, or of the one that it takes where both
  /// are one language (nests and pieces); all of it where it is the first of its level.
  static std::string changed(const std::map<std::string_view, std::string>& last,
                             const compiler::Pass& pass, const std::string& text) {
    const auto own = last.find(pass.makes.name);
    const auto taken = last.find(pass.makes.name == "pieces" ? pass.takes : pass.makes.name);
    const auto before = own != last.end() ? own : taken;
    if (before == last.end()) return text;
    const std::string diff = unified_diff(before->second, text);
    return diff.empty() ? "unchanged\n" : diff;
  }

  std::string text_given() const {
    return std::visit([](const auto* given) { return ir::to_string(*given); }, given_);
  }

  compiler::Stages to_loops() const {
    return std::visit(
        [&](const auto* given) {
          return source_.value_of(session_.inspect_loops(*given, request_));
        },
        given_);
  }
  compiler::Compiled to_code() const {
    return std::visit(
        [&](const auto* given) { return source_.value_of(session_.inspect(*given, request_)); },
        given_);
  }

  void check_is_there(std::string_view wanted, const std::vector<std::string_view>& seen) const {
    if (wanted == "all" || std::find(seen.begin(), seen.end(), wanted) != seen.end()) return;
    misuse(fmt::format("--stage: {} holds {}, and there is no {} behind them", source_.name, holds_,
                       wanted),
           fmt::format("the stages are {}, all", fmt::join(seen, ", ")));
  }

  std::string text_of(std::string_view stage, const compiler::Stages& made) const {
    if (stage == "program") return text_given();
    if (stage == "nest") return ir::to_string(made.nests);
    if (stage == "schedule") return compiler::to_string(made.schedules);
    return ir::to_string(made.loops);
  }
  std::string text_of(std::string_view stage, const compiler::Compiled& made) const {
    if (stage == "llvm") return made.llvm;
    if (stage == "asm")
      return bare_ ? made.assembly
                   : compiler::annotated(*made.listing, made.stages.loops, made.stages.written);
    if (stage == "report") return compiler::to_string(made.report);
    return text_of(stage, made.stages);
  }

  const ProgramSource& source_;
  const runtime::Session& session_;
  bool bare_; // assembly without what it comes from
  std::variant<const ir::Program*, const ir::NestProgram*, const ir::LoopProgram*> given_;
  std::string_view holds_ = "program", first_stage_ = "program";
  compiler::CompileRequest request_;
};

/// What `volute bench --json` has recorded of a program.
std::optional<compiler::Measured> measured(const InspectOptions& options, const std::string& name) {
  if (options.measured.empty()) return std::nullopt;
  const auto value_of = [&](auto expected) {
    if (!expected) throw Stop(exit_refused, render(expected.diagnostics(), "", ""));
    return std::move(*expected);
  };
  const runtime::OpenFile file = value_of(runtime::open_to_read(options.measured));
  const std::string text = value_of(runtime::read_text(file.get(), options.measured, longest_record,
                                                       "record of `volute bench --json`"));
  const bench::Recorded run = value_of(bench::read_json(text));
  for (const bench::Recorded::Program& program : run.programs)
    for (const bench::Recorded::Time& time : program.times)
      if (program.name == name && time.by == "volute")
        return compiler::Measured{time.median, program.peak_flops, run.machine};
  throw Stop(exit_refused,
             fmt::format("error: {}: it has no time of @{}\n", options.measured, name));
}

void write_page(const InspectOptions& options, const std::string& page) {
  const Status written = runtime::replace_file(options.html, [&](std::FILE* file) {
    return runtime::write_bytes(file, options.html, page.data(), page.size());
  });
  if (!written.ok()) throw Stop(exit_refused, render(written.failure().diagnostics, "", ""));
}

/// The language that a pass's text is in.
std::string language_after(const std::string& pass) {
  for (const compiler::Pass& each : passes())
    if (each.name == pass) {
      const std::string_view level = each.makes.name;
      return level == "nests" || level == "pieces" ? "nest"
             : level == "schedules"                ? "schedule"
             : level == "LLVM IR"                  ? "llvm"
             : level == "assembly"                 ? "asm"
                                                   : std::string(level);
    }
  return "";
}

void print_stages(const std::vector<Inspection::Part>& parts, bool in_colour) {
  for (size_t i = 0; i < parts.size(); ++i) {
    if (parts.size() > 1) print(Inspection::header(parts[i].stage, i == 0));
    const std::string text = whole_lines(parts[i].text);
    print(in_colour ? highlighted(parts[i].stage, text) : text);
  }
}

/// The command's options with one of --diff's two in the place of the schedule or the target.
CommonOptions with(CommonOptions options, const std::string& side) {
  const Expected<compiler::Target> target = compiler::parse_target(side);
  if (target) {
    options.target = side;
    return options;
  }
  const bool is_schedule = side == "auto" || side == "naive" || side.starts_with("@") ||
                           side.find_first_of(" \n;") != std::string::npos;
  if (!is_schedule)
    misuse(fmt::format("--diff: {} is neither a schedule nor a target", ir::quoted(side)),
           fmt::format("schedules are auto, naive, a text or @FILE; of targets: {}",
                       target.diagnostics().front().hint));
  options.schedule = side;
  return options;
}

void print_diff(const InspectOptions& options, const ProgramSource& source, bool in_colour) {
  std::vector<std::vector<Inspection::Part>> sides;
  for (const std::string& side : options.diff) {
    const Settings settings = settings_of(with(options.common, side));
    Inspection inspection(source, options.source.entry, settings, /*bare=*/true);
    if (options.after.empty())
      sides.push_back(inspection.stage(options.stage.empty() ? "loops" : options.stage));
    else
      sides.push_back({{options.after, inspection.after(options.after)}});
  }
  for (size_t i = 0; i < sides[0].size(); ++i) {
    const Inspection::Part &before = sides[0][i], &after = sides[1][i];
    if (sides[0].size() > 1) print(Inspection::header(before.stage, i == 0));
    const std::string diff = unified_diff(whole_lines(before.text), whole_lines(after.text));
    const std::string text = diff.empty()
                                 ? "no difference\n"
                                 : fmt::format("--- {} of {}\n+++ {} of {}\n{}", before.stage,
                                               options.diff[0], after.stage, options.diff[1], diff);
    print(in_colour ? highlighted_diff(text) : text);
  }
}

int inspect(const InspectOptions& options, Invocation& invocation) {
  if (options.passes) {
    print(compiler::to_string(passes()));
    return exit_done;
  }
  if (!options.stage.empty()) check_stage(options.stage);
  if (options.json && !options.stage.empty() && options.stage != "report")
    misuse(fmt::format("--json is of the report, and --stage asks for {}", options.stage));
  if (options.after == "all" && !options.diff.empty())
    misuse("--diff compares what one pass makes, and --after says all");
  if (options.changes && options.after.empty())
    misuse("--changes is for --after PASS, or --after all");
  if (!options.after.empty()) check_pass(options.after);
  if (!options.html.empty())
    if (const auto place = runtime::place_to_write(options.html); !place)
      throw Stop(exit_refused, render(place.diagnostics(), "", ""));
  if (options.arguments.empty() && !options.source.has_expression)
    misuse("there is no program: give a FILE, - for standard input, or -e TEXT");
  const auto first_input = options.arguments.begin() + (options.source.has_expression ? 0 : 1);
  std::vector<NamedFile> files;
  for (auto at = first_input; at != options.arguments.end(); ++at) {
    if (options.source.has_expression && at->find('=') == std::string::npos)
      misuse("a FILE and -e are two programs, and one is inspected");
    files.push_back(parse_named_file(*at, "x=in.npy"));
  }
  if (options.html.empty() && !(files.empty() && options.fill.empty()))
    misuse(fmt::format("{} is an input, and --html alone shows what becomes of one",
                       files.empty() ? "--fill" : ir::quoted(*first_input)),
           "`volute run` computes results, and --picture lays them out");
  const std::optional<MadeUp> made_up =
      options.fill.empty() ? std::nullopt : std::optional(parse_made_up(options.fill));
  const ProgramSource source = options.source.has_expression
                                   ? source_from_text(options.source.expression)
                                   : read_source(options.arguments[0], invocation);
  const bool in_colour = wants_colour(options.colour);
  if (!options.diff.empty()) {
    print_diff(options, source, in_colour);
    return exit_done;
  }
  const Settings settings = settings_of(options.common);
  Inspection inspection(source, options.source.entry, settings, options.bare);
  if (!options.html.empty()) {
    std::optional<std::vector<runtime::Tensor>> inputs;
    if (!files.empty() || made_up) {
      if (!inspection.program())
        misuse(fmt::format("{} is no program, and only one is computed", source.name));
      inputs = read_inputs(*inspection.program(), files, made_up);
    }
    write_page(options, inspection.page({source.name, invocation.reproduction(),
                                         measured(options, inspection.name())},
                                        inputs));
  } else if (options.json) {
    print(inspection.report_json() + "\n");
  } else if (options.after == "all") {
    inspection.print_after_each(options.changes, in_colour);
  } else if (!options.after.empty()) {
    const std::string text = whole_lines(inspection.after(options.after, options.changes));
    print(in_colour ? options.changes ? highlighted_diff(text)
                                      : highlighted(language_after(options.after), text)
                    : text);
  } else {
    print_stages(inspection.stage(options.stage.empty() ? "report" : options.stage), in_colour);
  }
  return exit_done;
}

} // namespace

void add_inspect(CLI::App& app, Invocation& invocation, Actions& actions) {
  auto options = std::make_shared<InspectOptions>();
  CLI::App* sub = app.add_subcommand("inspect", "Show a program at any stage of its compilation");
  sub->footer(footer());
  sub->add_option("FILE", options->arguments,
                  "A file with a program, with nests or with loops (- is standard input),\n"
                  "then for --html a file for each input, NAME=in.npy or NAME=in.png")
      ->option_text("[NAME=in.npy ...]");
  add_source_options(*sub, options->source);
  CLI::Option* stage = sub->add_option("--stage", options->stage, "Which stage, or all (report)");
  stage->type_name("STAGE");
  sub->add_flag("--bare", options->bare, "asm: the instructions alone");
  sub->add_option("--after", options->after, "What a pass makes, or all that each makes")
      ->type_name("PASS")
      ->excludes(stage);
  sub->add_flag("--changes", options->changes, "--after: only the lines that the pass has changed");
  sub->add_flag("--passes", options->passes, "The table of passes, in the order in which they run");
  add_common_options(*sub, options->common);
  CLI::Option* html =
      sub->add_option("--html", options->html,
                      "Write a page: all stages side by side, line by line what became of\n"
                      "what, the loops in the order in which they run, and the facts; with\n"
                      "inputs also every channel as a picture, and each result's arithmetic")
          ->type_name("FILE")
          ->excludes(stage);
  sub->add_option("--diff", options->diff,
                  "What differs between two schedules or targets, A and B, at a stage\n"
                  "(loops) or after a pass; each is what --schedule or --target takes")
      ->type_name("A B")
      ->expected(2)
      ->excludes(html);
  sub->add_flag("--json", options->json, "The report for programs to read")
      ->excludes(html)
      ->excludes("--diff");
  sub->add_option("--color", options->colour,
                  "Words of the languages in colour: auto (on a terminal), always, never")
      ->type_name("WHEN")
      ->check(CLI::IsMember({"auto", "always", "never"}));
  sub->add_option("--fill", options->fill,
                  "--html: make up the inputs that are not given, as run does")
      ->type_name("HOW")
      ->needs(html);
  sub->add_option("--measured", options->measured,
                  "--html: the time of a call, as `volute bench --json FILE` has recorded it")
      ->type_name("FILE")
      ->needs(html);
  actions.emplace_back(sub, [options, &invocation] { return inspect(*options, invocation); });
}

} // namespace volute::tools
