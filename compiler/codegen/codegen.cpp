#include "compiler/codegen/codegen.h"

#include "compiler/codegen/emit.h"
#include "compiler/codegen/link.h"
#include "compiler/codegen/machine.h"

#include <fmt/format.h>
#include <llvm/Config/llvm-config.h>
#include <llvm/IR/DiagnosticInfo.h>
#include <llvm/IR/DiagnosticPrinter.h>
#include <llvm/IR/Verifier.h>
#include <llvm/Support/raw_ostream.h>

#include <chrono>

namespace volute::compiler {
namespace {

class Stopwatch {
public:
  /// Milliseconds since the last lap.
  double lap() {
    const auto now = std::chrono::steady_clock::now();
    const double ms = std::chrono::duration<double, std::milli>(now - last_).count();
    last_ = now;
    return ms;
  }

private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

/// LLVM's own way with an error is to print it and end the process.
void keep_errors(llvm::LLVMContext& context, std::vector<Diagnostic>& errors) {
  const auto keep = [](const llvm::DiagnosticInfo* info, void* into) {
    if (info->getSeverity() != llvm::DS_Error) return;
    std::string words;
    llvm::raw_string_ostream stream(words);
    llvm::DiagnosticPrinterRawOStream printer(stream);
    info->print(printer);
    static_cast<std::vector<Diagnostic>*>(into)->push_back(
        {{}, "codegen", fmt::format("LLVM refuses the code: {}", words), ""});
  };
  context.setDiagnosticHandlerCallBack(keep, &errors);
}

void check(const llvm::Module& module) {
  std::string problem;
  llvm::raw_string_ostream stream(problem);
  if (llvm::verifyModule(module, &stream))
    throw InternalError(fmt::format("the emitted LLVM IR is not well-formed: {}", stream.str()));
}

} // namespace

std::vector<int32_t> argument_slots(const std::vector<ir::Buffer>& buffers) {
  std::vector<int32_t> slots;
  int32_t next = 0;
  for (const ir::Buffer& buffer : buffers) {
    const bool passed =
        buffer.role != ir::Buffer::Role::table && buffer.role != ir::Buffer::Role::scratch;
    slots.push_back(passed ? next++ : -1);
  }
  return slots;
}

std::string llvm_version() { return LLVM_VERSION_STRING; }

Expected<Code> generate(const ir::LoopProgram& program, const Target& target,
                        const CodegenRequest& request) {
  try {
    Code code;
    Stopwatch watch;
    llvm::LLVMContext context;
    std::vector<Diagnostic> errors;
    keep_errors(context, errors);
    const std::unique_ptr<llvm::Module> module = emit(program, target, context);
    check(*module);
    code.emit_ms = watch.lap();
    if (request.llvm_text) llvm::raw_string_ostream(code.llvm) << *module;
    if (request.assembly) code.assembly = assembly_text(*module, target);
    watch.lap();
    const llvm::SmallVector<char, 0> object = object_code(*module, target);
    code.object_ms = watch.lap();
    if (!errors.empty()) return Failure{std::move(errors)};
    std::vector<std::string> symbols;
    for (size_t i = 0; i < program.steps.size(); ++i) symbols.push_back(step_symbol(i));
    Linked linked = link(llvm::StringRef(object.data(), object.size()), symbols);
    code.link_ms = watch.lap();
    code.bytes = std::move(linked.bytes);
    code.text_bytes = linked.text_bytes;
    code.entries = std::move(linked.entries);
    code.sizes = std::move(linked.sizes);
    return code;
  } catch (const InternalError&) {
    throw;
  } catch (const Error& error) {
    return Failure{error.diagnostics()};
  }
}

} // namespace volute::compiler
