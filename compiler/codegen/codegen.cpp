#include "compiler/codegen/codegen.h"

#include "compiler/codegen/emit.h"
#include "compiler/codegen/emit_interface.h"
#include "compiler/codegen/link.h"
#include "compiler/codegen/machine.h"

#include <fmt/format.h>
#include <llvm/IR/AssemblyAnnotationWriter.h>
#include <llvm/IR/DebugInfo.h>
#include <llvm/IR/DiagnosticInfo.h>
#include <llvm/IR/DiagnosticPrinter.h>
#include <llvm/IR/Verifier.h>
#include <llvm/Support/FormattedStream.h>
#include <llvm/Support/raw_ostream.h>

#include <algorithm>
#include <functional>
#include <map>
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

std::string source_name(const ir::LoopProgram& program) { return program.name + ".loops"; }

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

Expected<Generation> Generation::emit(const ir::LoopProgram& program, const Target& target,
                                      const ir::LoopsText* text, const std::string& folder) try {
  auto state = std::make_unique<State>();
  state->target = target;
  for (size_t i = 0; i < program.steps.size(); ++i) state->symbols.push_back(step_symbol(i));
  keep_errors(state->context, state->errors);
  state->module =
      compiler::emit(program, target, state->context, text, LineTable::Kind::table, folder);
  return Generation(std::move(state));
} catch (const InternalError&) {
  throw;
} catch (const Error& error) {
  return Failure{error.diagnostics()};
}

void Generation::add_interface(const CInterface& interface, const Image& image) {
  emit_interface(*state_->module, interface, image, state_->target);
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

Expected<bool> Generation::make_object(PassesRun run) {
  state_->object = object_code(*state_->module, state_->target, run);
  state_->module.reset();
  if (!state_->errors.empty()) return Failure{state_->errors};
  return true;
}

size_t Generation::instructions() const { return state_->module->getInstructionCount(); }

size_t Generation::object_bytes() const { return state_->object.size(); }

std::vector<std::byte> Generation::object() const {
  const auto* bytes = reinterpret_cast<const std::byte*>(state_->object.data());
  return {bytes, bytes + state_->object.size()};
}

void Generation::link() {
  const llvm::SmallVector<char, 0>& object = state_->object;
  Linked linked = compiler::link(llvm::StringRef(object.data(), object.size()), state_->symbols);
  code_.bytes = std::move(linked.bytes);
  code_.text_bytes = linked.text_bytes;
  code_.entries = std::move(linked.entries);
  code_.sizes = std::move(linked.sizes);
}

// ---- listings ---------------------------------------------------------------------------------

namespace {

ir::LoopProgram without_data(ir::LoopProgram program) {
  for (ir::Buffer& buffer : program.buffers) buffer.data = nullptr;
  return program;
}

/// What `make` makes of a module whose instructions say where they come from.
template <class Made>
Expected<Made>
from_module_with_lines(const ir::LoopProgram& program, const Target& target,
                       const std::function<Made(llvm::Module&, ir::LoopsText)>& make) try {
  llvm::LLVMContext context;
  std::vector<Diagnostic> errors;
  keep_errors(context, errors);
  ir::LoopsText text = text_of(without_data(program));
  const std::unique_ptr<llvm::Module> module =
      emit(program, target, context, &text, LineTable::Kind::marks);
  Made made = make(*module, std::move(text));
  if (!errors.empty()) return Failure{errors};
  return made;
} catch (const InternalError&) {
  throw;
} catch (const Error& error) {
  return Failure{error.diagnostics()};
}

/// Notes the line on which each instruction is printed.
class PlaceWriter : public llvm::AssemblyAnnotationWriter {
public:
  PlaceWriter(std::map<const llvm::Instruction*, CodePlace> known, std::vector<CodePlace>& places)
      : known_(std::move(known)), places_(places) {}

  void emitInstructionAnnot(const llvm::Instruction* instruction,
                            llvm::formatted_raw_ostream& stream) override {
    const auto found = known_.find(instruction);
    if (found == known_.end()) return;
    places_.resize(stream.getLine() + 1);
    places_.back() = found->second;
  }

private:
  std::map<const llvm::Instruction*, CodePlace> known_;
  std::vector<CodePlace>& places_;
};

} // namespace

Expected<Listing> list(const ir::LoopProgram& program, const Target& target, bool data) {
  return from_module_with_lines<Listing>(
      data ? program : without_data(program), target,
      [&](llvm::Module& module, ir::LoopsText text) {
        return listing_of(compiler::assembly_text(module, target), std::move(text), program);
      });
}

Expected<LlvmListing> list_llvm(const ir::LoopProgram& program, const Target& target) {
  return from_module_with_lines<
      LlvmListing>(program, target, [](llvm::Module& module, const ir::LoopsText&) {
    std::map<const llvm::Instruction*, CodePlace> known;
    for (const llvm::Function& function : module)
      for (const llvm::BasicBlock& block : function)
        for (const llvm::Instruction& instruction : block)
          if (const llvm::DebugLoc& where = instruction.getDebugLoc())
            known[&instruction] = {static_cast<int>(where.getLine()), source_of(where.getCol())};
    llvm::StripDebugInfo(module);
    if (llvm::NamedMDNode* flags = module.getModuleFlagsMetadata()) flags->eraseFromParent();
    LlvmListing listing;
    PlaceWriter places(std::move(known), listing.places);
    llvm::raw_string_ostream stream(listing.text);
    module.print(stream, &places);
    listing.places.resize(
        static_cast<size_t>(std::count(listing.text.begin(), listing.text.end(), '\n')));
    return listing;
  });
}

Expected<Code> generate(const ir::LoopProgram& program, const Target& target,
                        const CodegenRequest& request) {
  const ir::LoopsText text = request.lines ? text_of(without_data(program)) : ir::LoopsText();
  Expected<Generation> generation =
      Generation::emit(program, target, request.lines ? &text : nullptr);
  if (!generation) return generation.failure();
  if (std::vector<Diagnostic> faults = generation->verify(); !faults.empty())
    throw InternalError(std::move(faults));
  std::string llvm = request.llvm_text ? generation->llvm_text() : "";
  std::string assembly;
  if (request.assembly) {
    Expected<Listing> listing = list(program, target);
    if (!listing) return listing.failure();
    assembly = listing->text();
  }
  if (const Expected<bool> made = generation->make_object(request.passes); !made)
    return made.failure();
  generation->link();
  Code code = std::move(generation->code());
  code.llvm = std::move(llvm);
  code.assembly = std::move(assembly);
  return code;
}

} // namespace volute::compiler
