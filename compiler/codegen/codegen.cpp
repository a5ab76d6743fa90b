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

#include <memory>

namespace volute::compiler {
namespace {

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

// ---- generation -------------------------------------------------------------------------------

struct Generation::State {
  Target target;
  std::vector<std::string> symbols; // of the steps
  std::vector<Diagnostic> errors;   // that LLVM had to say
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> module;
  llvm::SmallVector<char, 0> object;
};

Generation::Generation(std::unique_ptr<State> state) : state_(std::move(state)) {}
Generation::Generation(Generation&&) noexcept = default;
Generation& Generation::operator=(Generation&&) noexcept = default;
Generation::~Generation() = default;

Expected<Generation> Generation::emit(const ir::LoopProgram& program, const Target& target) try {
  auto state = std::make_unique<State>();
  state->target = target;
  for (size_t i = 0; i < program.steps.size(); ++i) state->symbols.push_back(step_symbol(i));
  keep_errors(state->context, state->errors);
  state->module = compiler::emit(program, target, state->context);
  return Generation(std::move(state));
} catch (const InternalError&) {
  throw;
} catch (const Error& error) {
  return Failure{error.diagnostics()};
}

std::vector<Diagnostic> Generation::verify() const {
  std::string problem;
  llvm::raw_string_ostream stream(problem);
  if (!llvm::verifyModule(*state_->module, &stream)) return {};
  return {{{}, "codegen", "the LLVM IR is not well-formed: " + stream.str(), ""}};
}

std::string Generation::llvm_text() const {
  std::string text;
  llvm::raw_string_ostream(text) << *state_->module;
  return text;
}

std::string Generation::assembly_text() const {
  return compiler::assembly_text(*state_->module, state_->target);
}

Expected<bool> Generation::make_object() {
  state_->object = object_code(*state_->module, state_->target);
  state_->module.reset();
  if (!state_->errors.empty()) return Failure{state_->errors};
  return true;
}

size_t Generation::instructions() const { return state_->module->getInstructionCount(); }

size_t Generation::object_bytes() const { return state_->object.size(); }

void Generation::link() {
  const llvm::SmallVector<char, 0>& object = state_->object;
  Linked linked = compiler::link(llvm::StringRef(object.data(), object.size()), state_->symbols);
  code_.bytes = std::move(linked.bytes);
  code_.text_bytes = linked.text_bytes;
  code_.entries = std::move(linked.entries);
  code_.sizes = std::move(linked.sizes);
}

Expected<Code> generate(const ir::LoopProgram& program, const Target& target,
                        const CodegenRequest& request) {
  Expected<Generation> generation = Generation::emit(program, target);
  if (!generation) return generation.failure();
  if (std::vector<Diagnostic> faults = generation->verify(); !faults.empty())
    throw InternalError(std::move(faults));
  std::string llvm = request.llvm_text ? generation->llvm_text() : "";
  std::string assembly = request.assembly ? generation->assembly_text() : "";
  if (const Expected<bool> made = generation->make_object(); !made) return made.failure();
  generation->link();
  Code code = std::move(generation->code());
  code.llvm = std::move(llvm);
  code.assembly = std::move(assembly);
  return code;
}

} // namespace volute::compiler
