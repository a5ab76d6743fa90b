#include "compiler/codegen/codegen.h"
#include "compiler/codegen/compiling.h"
#include "compiler/compiler_library.h"
#include "compiler/image/generator.h"

#include <fmt/format.h>
#include <llvm-c/Core.h>

#include <string>
#include <string_view>

namespace volute::compiler {
namespace {

const char* loaded_llvm() {
  static const auto& text = *new std::string([] {
    unsigned major = 0, minor = 0, patch = 0;
    LLVMGetVersion(&major, &minor, &patch);
    return fmt::format("{}.{}.{}", major, minor, patch);
  }());
  return text.c_str();
}

constexpr CompilerLibrary library = {
    compile,       compile,     compile,    list_llvm,           passes_to_code, end_thread,
    end_compiling, before_fork, after_fork, after_fork_in_child, loaded_llvm};

} // namespace
} // namespace volute::compiler

const volute::compiler::CompilerLibrary* volute_open_compiler(const char* build_id) {
  return std::string_view(build_id) == volute::compiler::build_id() ? &volute::compiler::library
                                                                    : nullptr;
}
