#include "tools/tensor_files.h"

#include "bench/made_up.h"
#include "compiler/report/report.h"
#include "ir/literals.h"
#include "runtime/made_up.h"
#include "runtime/npy.h"
#include "runtime/png.h"
#include "runtime/replace_files.h"
#include "tools/program_source.h"
#include "tools/stop.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdio>
#include <set>
#include <utility>

namespace volute::tools {
namespace {

bool is_png(const std::string& path) { return path.ends_with(".png") || path.ends_with(".PNG"); }
bool is_npy(const std::string& path) { return path.ends_with(".npy"); }

const ir::ValueId* find_named(const ir::Program& program, const std::vector<ir::ValueId>& values,
                              const std::string& name) {
  for (const ir::ValueId& id : values)
    if (program.name_of(id) == name) return &id;
  return nullptr;
}

std::string listed(const ir::Program& program, const std::vector<ir::ValueId>& values) {
  std::vector<std::string> names;
  for (const ir::ValueId id : values) names.push_back("%" + program.name_of(id));
  return names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "));
}

/// "%x: in.npy: Permission denied".
Diagnostic at_value(const std::string& name, const std::string& path, const Diagnostic& fault) {
  const std::string message = fault.subject.empty() || fault.subject == path
                                  ? fmt::format("{}: {}", path, fault.message)
                                  : fmt::format("{}: {}: {}", path, fault.subject, fault.message);
  return {{}, "%" + name, message, fault.hint};
}

[[noreturn]] void refuse_all(const std::vector<Diagnostic>& faults) {
  throw Stop(exit_refused, render(faults, "", ""));
}

[[noreturn]] void refuse_missing(const ir::Program& program,
                                 const std::vector<ir::ValueId>& missing) {
  std::string text = fmt::format("error: @{} takes {} input{}, and {} not given:\n", program.name,
                                 program.inputs.size(), program.inputs.size() == 1 ? "" : "s",
                                 missing.size() == 1 ? "one is" : "these are");
  std::string files;
  for (const ir::ValueId id : missing) {
    const std::string& name = program.name_of(id);
    text += fmt::format("  %{}: {}\n", name, ir::to_string(program.type(id)));
    files += fmt::format(" {}={}.npy", name, name);
  }
  text += fmt::format("Give a file for each, as in\n  volute run FILE{}\nor let them be made up:\n"
                      "  volute run FILE --fill random\n",
                      files);
  throw Stop(exit_misused, text);
}

void check_names(const ir::Program& program, const std::vector<ir::ValueId>& values,
                 const std::vector<NamedFile>& files, const char* what) {
  std::set<std::string> seen;
  for (const NamedFile& file : files) {
    if (!find_named(program, values, file.name))
      misuse(fmt::format("@{} has no {} {}", program.name, what, ir::quoted(file.name)),
             fmt::format("its {}s are {}", what, listed(program, values)));
    if (!seen.insert(file.name).second)
      misuse(fmt::format("the {} %{} is given twice", what, file.name));
  }
}

Status write_tensor(std::FILE* to, const std::string& path, const runtime::TensorView& tensor) {
  return is_png(path) ? runtime::write_png(to, path, tensor) : runtime::write_npy(to, path, tensor);
}

} // namespace

NamedFile parse_named_file(const std::string& text, const std::string& option) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size())
    misuse(fmt::format("{} is not NAME=FILE", ir::quoted(text)),
           fmt::format("for example {}", option));
  NamedFile file{text.substr(0, equals), text.substr(equals + 1)};
  if (file.name.front() == '%') file.name.erase(0, 1);
  if (!is_npy(file.path) && !is_png(file.path))
    misuse(fmt::format("{}: a tensor's file ends in .npy or .png", ir::quoted(file.path)));
  return file;
}

Expected<runtime::Tensor> read_tensor(const std::string& path, const ir::TensorType& type) {
  if (is_png(path)) return runtime::read_png(path, type);
  if (is_npy(path)) return runtime::read_npy(path, type);
  return fail(path, "a tensor's file ends in .npy or .png");
}

MadeUp parse_made_up(const std::string& text) {
  constexpr std::string_view normal = "normal";
  const bool is_normal =
      text.starts_with(normal) && (text.size() == normal.size() || text[normal.size()] == ':');
  const Expected<runtime::Fill> fill =
      runtime::parse_fill(is_normal ? "random" + text.substr(normal.size()) : text);
  if (is_normal && !fill)
    misuse(fmt::format("--fill: the seed in {} is not a whole number of 64 bits", ir::quoted(text)),
           "for example normal:42");
  if (!fill)
    misuse("--fill: " + fill.diagnostics().front().message,
           fill.diagnostics().front().hint + ", or normal or normal:SEED");
  if (is_normal) return {std::nullopt, fill->seed};
  return {*fill, 0};
}

std::vector<runtime::Tensor> read_inputs(const ir::Program& program,
                                         const std::vector<NamedFile>& files,
                                         const std::optional<MadeUp>& made_up) {
  check_names(program, program.inputs, files, "input");
  std::vector<ir::ValueId> missing;
  for (const ir::ValueId id : program.inputs) {
    const std::string& name = program.name_of(id);
    const bool given = std::any_of(files.begin(), files.end(),
                                   [&](const NamedFile& file) { return file.name == name; });
    if (!given && !made_up) missing.push_back(id);
  }
  if (!missing.empty()) refuse_missing(program, missing);

  std::vector<runtime::Tensor> tensors;
  std::vector<Diagnostic> faults;
  for (size_t i = 0; i < program.inputs.size(); ++i) {
    const std::string& name = program.name_of(program.inputs[i]);
    const ir::TensorType& type = program.type(program.inputs[i]);
    const auto file = std::find_if(files.begin(), files.end(),
                                   [&](const NamedFile& f) { return f.name == name; });
    Expected<runtime::Tensor> tensor =
        file != files.end() ? read_tensor(file->path, type) : runtime::Tensor::allocate(type);
    if (!tensor) {
      for (const Diagnostic& fault : tensor.diagnostics())
        faults.push_back(file != files.end() ? at_value(name, file->path, fault)
                                             : Diagnostic{{}, "%" + name, to_string(fault), ""});
      continue;
    }
    if (file == files.end()) {
      if (made_up->fill)
        runtime::make_up(*tensor, program, program.inputs[i], *made_up->fill, i);
      else
        bench::make_up(program, i, *tensor, made_up->seed);
    }
    tensors.push_back(std::move(*tensor));
  }
  if (!faults.empty()) refuse_all(faults);
  return tensors;
}

void check_outputs(const ir::Program& program, const std::vector<NamedFile>& files) {
  check_names(program, program.outputs, files, "output");
  // Better before the work than after it: where the files shall be, and a type that no picture has.
  std::vector<std::pair<runtime::FilePlace, std::string>> places;
  std::vector<Diagnostic> faults;
  for (const NamedFile& file : files) {
    const ir::TensorType& type = program.type(*find_named(program, program.outputs, file.name));
    const Expected<runtime::FilePlace> place = runtime::place_to_write(file.path);
    if (!place) {
      faults.push_back(at_value(file.name, file.path, place.diagnostics().front()));
      continue;
    }
    for (const auto& [other, path] : places)
      if (other == *place)
        misuse(fmt::format("{} would be written twice", file.path),
               path == file.path ? "" : fmt::format("{} is the same file", path));
    places.emplace_back(*place, file.path);
    if (is_png(file.path) && type.size(ir::Axis::c) != 1 && type.size(ir::Axis::c) != 3)
      faults.push_back(at_value(file.name, file.path,
                                {{},
                                 "",
                                 fmt::format("a picture has 1 channel (grey) or 3 (RGB), %{} is {}",
                                             file.name, ir::to_string(type)),
                                 fmt::format("write it as {}.npy", file.name)}));
  }
  if (!faults.empty()) refuse_all(faults);
}

void write_outputs(const std::vector<NamedFile>& files,
                   const std::map<std::string, runtime::TensorView>& outputs) {
  std::vector<runtime::FileToWrite> to_write;
  for (const NamedFile& file : files)
    to_write.push_back({file.path, [&](std::FILE* to) {
                          return write_tensor(to, file.path, outputs.at(file.name));
                        }});
  const Status status = runtime::replace_files(to_write);
  if (status) return;
  const Diagnostic fault = status.failure().diagnostics.front();
  for (const NamedFile& file : files)
    if (file.path == fault.subject) refuse(at_value(file.name, file.path, fault));
  refuse(fault);
}

std::string words_about_clamping(const NamedFile& file, const runtime::TensorView& tensor) {
  const int64_t clamped = is_png(file.path) ? runtime::clamped_samples(tensor) : 0;
  if (clamped == 0) return "";
  return fmt::format("warning: %{}: {} of {} values do not lie in 0..255 and were clamped\n",
                     file.name, compiler::grouped(clamped),
                     compiler::grouped(tensor.type().elements()));
}

} // namespace volute::tools
