#include "tools/bench_tasks.h"

#include "ir/literals.h"
#include "tools/stop.h"
#include "tools/suites.h"
#include "tools/tensor_files.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <regex>

namespace volute::tools {
namespace {

std::regex pattern_of(const std::string& text) {
  try {
    return std::regex(text, std::regex::ECMAScript);
  } catch (const std::regex_error&) {
    misuse(fmt::format("--only: {} is no regular expression", ir::quoted(text)),
           "as in --only 3x3, or --only '^dw|^conv1x1'");
  }
}

bool exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

/// Of a FILE: its own path, or that of the suite that it names.
std::string path_of(const std::string& word) {
  if (const auto file = suite_file(word)) return *file;
  if (word != "-" && word.find_first_of("./=") == std::string::npos && !exists(word))
    misuse(fmt::format("there is no file and no suite {}", ir::quoted(word)),
           suites_folder().empty()
               ? "the suites are not installed beside volute"
               : fmt::format("the suites are {}", fmt::join(suite_names(), ", ")));
  return word;
}

std::vector<ProgramSource> sources_of(const TaskOptions& options,
                                      const std::vector<std::string>& files,
                                      Invocation& invocation) {
  std::vector<ProgramSource> sources;
  if (options.source.has_expression) sources.push_back(source_from_text(options.source.expression));
  if (std::count(files.begin(), files.end(), "-") > 1)
    misuse("standard input can be read only once");
  for (const std::string& file : files) sources.push_back(read_source(path_of(file), invocation));
  if (sources.empty())
    misuse("there is no program: give a FILE, a suite's name, - for standard input, or -e TEXT");
  return sources;
}

/// That no program is left of those that there are: a few of their names, from the first to the
/// last.
[[noreturn]] void none_is_left(const std::vector<std::string>& names) {
  std::vector<std::string> some;
  const size_t shown = std::min<size_t>(names.size(), 6);
  for (size_t i = 0; i < shown; ++i) some.push_back(names[i * names.size() / shown]);
  misuse("--only and --layout leave no program",
         shown == 0 ? "" : fmt::format("there are {}, as {}", names.size(), fmt::join(some, ", ")));
}

/// Of a file that says how often its programs are used: a network.
std::string group_of(const ProgramSource& source, const ir::Program& program) {
  const std::string stem = std::filesystem::path(source.name).stem().string();
  switch (layout_of(program)) {
  case Layout::first: return stem + ", channels first";
  case Layout::last: return stem + ", channels last";
  case Layout::either: break;
  }
  return stem;
}

/// --fill, and files for the inputs that they name.
bench::FillInputs fill_of(const TaskOptions& options, const std::vector<NamedFile>& files) {
  if (options.fill.empty() && files.empty()) return nullptr;
  const MadeUp made_up = parse_made_up(options.fill.empty() ? "normal" : options.fill);
  return [made_up, files](const ir::Program& program,
                          std::vector<runtime::Tensor>& inputs) -> std::optional<Failure> {
    const std::vector<runtime::Tensor> given = read_inputs(program, files, made_up);
    for (size_t i = 0; i < inputs.size(); ++i)
      std::memcpy(inputs[i].data(), given[i].data(), static_cast<size_t>(inputs[i].bytes()));
    return std::nullopt;
  };
}

} // namespace

Tasks tasks_of(const TaskOptions& options, Invocation& invocation) {
  std::vector<std::string> files;
  std::vector<NamedFile> inputs;
  for (const std::string& word : options.words) {
    if (word.find('=') != std::string::npos && !exists(word))
      inputs.push_back(parse_named_file(word, "x=in.npy"));
    else
      files.push_back(word);
  }
  const std::regex only = pattern_of(options.only);
  const Layout other = options.layout == "first"  ? Layout::last
                       : options.layout == "last" ? Layout::first
                                                  : Layout::either;
  Tasks tasks;
  tasks.fill = fill_of(options, inputs);
  tasks.sources = sources_of(options, files, invocation);
  std::vector<std::string> names;
  for (const ProgramSource& source : tasks.sources) {
    const auto uses = uses_in(source.text);
    const ir::Program* entry =
        options.source.entry.empty() ? nullptr : &source.entry(options.source.entry);
    for (const ir::Program& program : source.all()) {
      if (entry && entry != &program) continue;
      names.push_back(program.name);
      if (!std::regex_search(program.name, only)) continue;
      if (other != Layout::either && layout_of(program) == other) continue;
      const auto found = uses.find(program.name);
      tasks.all.push_back({&source, &program, found == uses.end() ? 1 : found->second,
                           entry || uses.empty() ? "" : group_of(source, program)});
    }
  }
  if (tasks.all.empty()) none_is_left(names);
  if (!inputs.empty()) {
    if (tasks.all.size() > 1)
      misuse(fmt::format("{}={} is for one program, and these are {}", inputs[0].name,
                         inputs[0].path, tasks.all.size()),
             "say which with --entry NAME");
    read_inputs(*tasks.all[0].program, inputs, MadeUp()); // refused before any work
  }
  return tasks;
}

} // namespace volute::tools
