#include "ir/literals.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "runtime/npy.h"
#include "runtime/png.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>
#include <optional>

#include "capi/handles.h"

namespace {

using namespace volute;

/// The data of `const file("w.npy")`, from a folder.
ir::Resolver files_in(const std::filesystem::path& folder) {
  return [folder](const std::string& path,
                  const ir::TensorType& type) -> Expected<std::vector<std::byte>> {
    const std::string whole = (folder / path).string();
    const bool is_png = whole.ends_with(".png") || whole.ends_with(".PNG");
    const Expected<Tensor> tensor =
        is_png ? runtime::read_png(whole, type) : runtime::read_npy(whole, type);
    if (!tensor) return tensor.failure();
    return std::vector<std::byte>(tensor->data(), tensor->data() + tensor->bytes());
  };
}

Failure no_such_entry(const std::vector<ir::Program>& programs, const std::string& entry) {
  std::vector<std::string> names;
  for (const ir::Program& program : programs) names.push_back(program.name);
  return fail("entry", fmt::format("there is no program {}", ir::quoted(entry)),
              fmt::format("there are {}", fmt::join(names, ", ")));
}

Expected<ir::Program> parsed(const char* text, const char* folder,
                             const std::optional<std::string>& entry) {
  const ir::Resolver resolver = folder ? files_in(folder) : ir::Resolver{};
  if (!entry) return ir::parse(text, resolver);
  Expected<std::vector<ir::Program>> programs = ir::parse_file_text(text, resolver);
  if (!programs) return programs.failure();
  for (ir::Program& program : *programs)
    if (program.name == *entry) return std::move(program);
  return no_such_entry(*programs, *entry);
}

volute_status parse_into(const char* text, const char* name, const char* folder,
                         const std::optional<std::string>& entry, volute_program** program,
                         volute_error** error) {
  Expected<ir::Program> made = parsed(text, folder, entry);
  if (!made)
    return capi::report(error, VOLUTE_REFUSED, made.diagnostics(), name ? name : "program", text);
  *program = new volute_program{std::move(*made)};
  return VOLUTE_OK;
}

} // namespace

extern "C" {

volute_status volute_program_parse(const char* text, const char* name, const char* folder,
                                   volute_program** program, volute_error** error) noexcept {
  return capi::guarded(error, [&] {
    if (!program) return capi::refuse_argument(error, "program", "is NULL");
    *program = nullptr;
    if (!text) return capi::refuse_argument(error, "text", "is NULL");
    return parse_into(text, name, folder, std::nullopt, program, error);
  });
}

volute_status volute_program_parse_entry(const char* text, const char* name, const char* folder,
                                         const char* entry, volute_program** program,
                                         volute_error** error) noexcept {
  return capi::guarded(error, [&] {
    if (!program) return capi::refuse_argument(error, "program", "is NULL");
    *program = nullptr;
    if (!text) return capi::refuse_argument(error, "text", "is NULL");
    if (!entry) return capi::refuse_argument(error, "entry", "is NULL");
    return parse_into(text, name, folder, entry, program, error);
  });
}

const char* volute_program_name(const volute_program* program) noexcept {
  return program ? program->program.name.c_str() : "";
}

char* volute_program_text(const volute_program* program) noexcept {
  if (!program) return nullptr;
  try {
    return capi::string_for_caller(ir::to_string(program->program));
  } catch (...) {
    return nullptr;
  }
}

void volute_program_free(volute_program* program) noexcept { delete program; }

} // extern "C"
