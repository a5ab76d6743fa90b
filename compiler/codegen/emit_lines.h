// Where instructions come from: a line table whose source is the text of the loops.
//
// Each instruction that is emitted gets a DebugLoc: the line of the loops text that it is for and,
// as its column, the statement (1 + its SourceId; 0 where none is known). LLVM carries both through
// instruction selection, register allocation and scheduling into the line table of the object code,
// and into the .loc directives of assembly. The instructions are the same with and without.
//
// Nothing of this is made unless it is asked for: compile time of a kernel does not pay for it.
#pragma once

#include "ir/loops.h"

#include <llvm/IR/DIBuilder.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Module.h>

#include <memory>
#include <vector>

namespace volute::compiler {

/// What a module says of itself to debuggers. Without a text it says nothing.
class LineTable {
public:
  /// What there is to be in an object: nothing but the marks that become .loc directives in
  /// assembly, or the table itself.
  enum class Kind : uint8_t { marks, table };
  /// `text` is text_of the program, and lies in `folder` for those who look for it.
  LineTable(llvm::Module& module, const ir::LoopProgram& program, const ir::LoopsText* text,
            Kind kind, const std::string& folder);
  /// Marks a step's function; null where there is no text.
  llvm::DISubprogram* begin(llvm::Function& function, const ir::LoopProgram& program, size_t step);
  void finish();

private:
  const ir::LoopsText* text_;
  std::unique_ptr<llvm::DIBuilder> builder_;
  llvm::DIFile* file_ = nullptr;
};

/// Follows the code generator through the statements of a step, each of which it may meet several
/// times: in every copy of an unrolled loop.
class LineCursor {
public:
  /// Without a subprogram it does nothing.
  LineCursor(llvm::IRBuilder<>& builder, llvm::DISubprogram* scope, const ir::Step& step,
             const ir::LoopsText* text, size_t index);

  /// A statement's own code, from here to `leave`; what is emitted then is for the one around it.
  struct Place {
    size_t at = 0;
    int line = 0;
    ir::SourceId source = ir::no_source;
  };
  Place enter(const ir::StmtNode& s);
  void leave(const Place& before);
  /// The body of the statement that is being written comes once more.
  void again();

  /// Node `number` of the statement's value, in the order of ir::visit.
  void at_node(const ir::ExprNode& node, size_t number);
  /// What takes the statement's value is for whoever made that.
  void at_value(const ir::ExprNode& value);

private:
  void set(int line, ir::SourceId source);

  llvm::IRBuilder<>& b_;
  llvm::DISubprogram* scope_;
  const ir::LoopsText::StepLines* lines_ = nullptr;
  std::vector<size_t> ends_; // by statement: the first one behind it and all in it
  size_t next_ = 0;
  Place here_;
};

/// The column that stands for a statement; and back.
unsigned column_of(ir::SourceId source);
ir::SourceId source_of(unsigned column);

} // namespace volute::compiler
