#include "compiler/codegen/emit_lines.h"

#include "compiler/codegen/codegen.h"
#include "ir/walk.h"

#include <llvm/BinaryFormat/Dwarf.h>
#include <llvm/IR/DebugInfoMetadata.h>

namespace volute::compiler {

using namespace ir;

namespace {

constexpr unsigned most_columns = 65535; // a DILocation's column has 16 bits

} // namespace

unsigned column_of(SourceId source) {
  const auto column = static_cast<unsigned>(source + 1);
  return column <= most_columns ? column : 0;
}

SourceId source_of(unsigned column) { return static_cast<SourceId>(column) - 1; }

// ---- the module's part ------------------------------------------------------------------------

LineTable::LineTable(llvm::Module& module, const LoopProgram& program, const LoopsText* text,
                     Kind kind, const std::string& folder)
    : text_(text) {
  if (!text_) return;
  module.addModuleFlag(llvm::Module::Warning, "Debug Info Version", llvm::DEBUG_METADATA_VERSION);
  module.addModuleFlag(llvm::Module::Warning, "Dwarf Version", 5);
  builder_ = std::make_unique<llvm::DIBuilder>(module);
  file_ = builder_->createFile(source_name(program), folder);
  const auto emission = kind == Kind::marks ? llvm::DICompileUnit::DebugDirectivesOnly
                                            : llvm::DICompileUnit::LineTablesOnly;
  builder_->createCompileUnit(llvm::dwarf::DW_LANG_C, file_, "volute", /*isOptimized=*/true,
                              /*Flags=*/"", /*RV=*/0, /*SplitName=*/"", emission, /*DWOId=*/0,
                              /*SplitDebugInlining=*/false, /*DebugInfoForProfiling=*/false,
                              llvm::DICompileUnit::DebugNameTableKind::None);
}

llvm::DISubprogram* LineTable::begin(llvm::Function& function, const LoopProgram& program,
                                     size_t step) {
  if (!text_) return nullptr;
  const auto line = static_cast<unsigned>(text_->steps[step].header);
  llvm::DISubroutineType* type = builder_->createSubroutineType(builder_->getOrCreateTypeArray({}));
  llvm::DISubprogram* subprogram = builder_->createFunction(
      file_, program.steps[step].name, function.getName(), file_, line, type, line,
      llvm::DINode::FlagZero, llvm::DISubprogram::SPFlagDefinition);
  function.setSubprogram(subprogram);
  return subprogram;
}

void LineTable::finish() {
  if (text_) builder_->finalize();
}

// ---- a step's part ----------------------------------------------------------------------------

namespace {

/// Numbers statements in the order of the text: where each one's part ends.
void number(const Stmt& s, std::vector<size_t>& ends) {
  const size_t own = ends.size();
  ends.push_back(0);
  for_each_part(*s, [&](const Stmt& inner) { number(inner, ends); });
  ends[own] = ends.size();
}

} // namespace

LineCursor::LineCursor(llvm::IRBuilder<>& builder, llvm::DISubprogram* scope, const Step& step,
                       const LoopsText* text, size_t index)
    : b_(builder), scope_(scope) {
  if (!scope_) return;
  lines_ = &text->steps[index];
  if (step.body) number(step.body, ends_);
  here_ = {0, lines_->header,
           step.statements.empty() ? no_source : static_cast<SourceId>(step.statements.front())};
  set(here_.line, here_.source);
}

void LineCursor::set(int line, SourceId source) {
  b_.SetCurrentDebugLocation(llvm::DILocation::get(
      scope_->getContext(), static_cast<unsigned>(line), column_of(source), scope_));
}

LineCursor::Place LineCursor::enter(const StmtNode& s) {
  const Place before = here_;
  if (!scope_) return before;
  here_.at = next_++;
  here_.line = lines_->statements.at(here_.at);
  if (s.source != no_source) here_.source = s.source;
  set(here_.line, here_.source);
  return before;
}

void LineCursor::leave(const Place& before) {
  if (!scope_) return;
  next_ = ends_.at(here_.at);
  here_ = before;
  set(here_.line, here_.source);
}

void LineCursor::again() { next_ = here_.at + 1; }

void LineCursor::at_node(const ExprNode& node, size_t number) {
  if (!scope_) return;
  const std::vector<int>& nodes = lines_->nodes.at(here_.at);
  set(number < nodes.size() ? nodes[number] : here_.line,
      node.source != no_source ? node.source : here_.source);
}

void LineCursor::at_value(const ExprNode& value) {
  if (!scope_) return;
  set(here_.line, value.source != no_source ? value.source : here_.source);
}

} // namespace volute::compiler
