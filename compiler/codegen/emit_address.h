// Where accesses go: index arithmetic, and pointers that loops advance.
//
// A pointer stands for a view and the run-time part of an offset; loops keep one phi for each that
// their bodies use, so that an access is a pointer plus a constant. What a table adds to an offset
// is loaded from the table and comes on top. Where a stride is a parameter, offsets have products
// of a variable and a parameter in them: each is a variable of its own, whose value is the product.
#pragma once

#include "ir/loops.h"

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Module.h>

#include <map>
#include <optional>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

namespace volute::compiler {

/// The variables of one step and the memory that its accesses reach.
class AddressEmitter {
public:
  AddressEmitter(llvm::IRBuilder<>& builder, const ir::Step& step);

  /// The memory of a buffer; every view's buffer gets one before the first access.
  void set_buffer(size_t buffer, llvm::Value* memory);
  bool has_buffer(size_t buffer) const { return buffers_.count(buffer) > 0; }

  // ---- variables ----

  /// The value of a serial loop's or an item's variable from here on; null when it ends.
  void set_runtime(ir::Var var, llvm::Value* value) { runtime_[id(var)] = value; }
  /// The value of an unrolled loop's variable in the copy that is being written.
  void set_constant(ir::Var var, std::optional<int64_t> value) { constants_[id(var)] = value; }

  /// The expression with unrolled variables folded into the constant.
  ir::Affine fold(const ir::Affine& a) const;
  /// Throws InternalError when anything but unrolled variables is left.
  int64_t constant(const ir::Affine& a) const;
  /// First and last but one value of an unrolled loop's variable: its bounds may depend on unrolled
  /// loops around it.
  std::pair<int64_t, int64_t> unrolled_range(const ir::Range& range) const;
  llvm::Value* integer(const ir::Affine& a);
  llvm::Value* integer(const ir::Bound& bound);
  /// The largest or smallest of the bounds.
  llvm::Value* extreme(const std::vector<ir::Bound>& bounds, bool largest);

  // ---- memory ----

  llvm::Value* access(int32_t view, const ir::Index& index);
  llvm::Value* access(int32_t view, const ir::Affine& element);
  /// Elements from one lane to the next.
  int64_t element_step(int32_t view, int32_t lane_dim, int64_t lane_step) const;

  /// Pointers made in a scope are forgotten at its end: they need not dominate what follows.
  void open_scope() { scopes_.emplace_back(); }
  void close_scope() { scopes_.pop_back(); }

  /// The pointers that move with a loop's variable in its body, advanced by `stride` bytes a run.
  struct Advancing {
    llvm::Value* start = nullptr;
    llvm::Value* stride = nullptr;
    llvm::PHINode* phi = nullptr;
    std::pair<int32_t, std::vector<std::pair<int32_t, int64_t>>> key;
  };
  /// Before the loop: where they start when the variable is `lo`.
  std::vector<Advancing> start(const ir::For& loop, llvm::Value* lo);
  /// At the top of the body, in a scope of its own: their phis, which this scope's accesses use.
  void enter(std::vector<Advancing>& pointers, llvm::BasicBlock* before);
  /// In the latch.
  void advance(const std::vector<Advancing>& pointers, llvm::BasicBlock* latch);

private:
  using PointerKey = std::pair<int32_t, std::vector<std::pair<int32_t, int64_t>>>;
  using EntryKey = std::tuple<int32_t, std::vector<std::pair<int32_t, int64_t>>, int64_t>;
  struct Scope {
    std::map<PointerKey, llvm::Value*> pointers;
    std::map<EntryKey, llvm::Value*> entries;
  };

  static size_t id(ir::Var var) { return static_cast<size_t>(var.id); }
  bool is_product(ir::Var var) const { return id(var) >= step_.vars.size(); }
  ir::Var product(ir::Var var, ir::Var parameter) const;
  ir::Affine times(const ir::Affine& at, const ir::Affine& stride) const;
  /// Whether the variable, or the one of the product, has a value at run time here, or is `var`.
  bool is_in_scope(ir::Var v, ir::Var var) const;
  /// What one more of `var` adds to the expression.
  ir::Affine derivative(const ir::Affine& a, ir::Var var) const;
  llvm::Value* value_of(ir::Var var);
  static PointerKey key(int32_t view, const ir::Affine& runtime);
  const ir::View& view_at(int32_t view) const { return step_.views[static_cast<size_t>(view)]; }
  ir::Affine offset(int32_t view, const ir::Index& index) const;
  llvm::Value* pointer(int32_t view, const ir::Affine& runtime);
  llvm::Value* entry(int32_t table, const ir::Affine& at);
  llvm::GlobalVariable* table(int32_t table);
  void collect(const ir::Stmt& s, ir::Var var, std::map<PointerKey, ir::Affine>& found) const;

  llvm::IRBuilder<>& b_;
  const ir::Step& step_;
  std::unordered_map<size_t, llvm::Value*> buffers_; // of the program, those that the step sees
  std::vector<llvm::Value*> runtime_;                // by variable, of serial loops and items
  std::vector<std::optional<int64_t>> constants_;    // by variable, of unrolled loops
  mutable std::vector<std::pair<ir::Var, ir::Var>> products_; // ids after the step's variables
  std::vector<Scope> scopes_;
  std::vector<llvm::GlobalVariable*> tables_; // those used so far
};

} // namespace volute::compiler
