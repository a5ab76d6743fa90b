// A statement of a step's text that stands on one line, and the names that it may use. Private to
// loops_parse.cpp, which reads what stands inside of what.
#pragma once

#include "ir/loops.h"
#include "ir/value_parse.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace volute::ir {

/// What names mean in a step, as far as it has been read.
class StepNames {
public:
  explicit StepNames(Step& step) : step_(step) {}

  std::optional<Var> variable(std::string_view name) const;
  /// A variable that is known from here until `leave`.
  Var declare(LineCursor& line, Location at, const std::string& name);
  /// How many variables are known; `leave` forgets those that were declared since.
  size_t depth() const { return visible_.size(); }
  void leave(size_t depth) { visible_.resize(depth); }

  int32_t view(std::string_view name) const;  // -1: there is none
  int32_t array(std::string_view name) const; // of registers
  const Step& step() const { return step_; }

private:
  Step& step_;
  std::vector<Var> visible_; // items, parameters and the loops around
};

class StatementParser {
public:
  explicit StatementParser(const StepNames& names);

  /// The statement at the cursor; null after a fault.
  Stmt parse(LineCursor& line);
  const LineCursor::Variables& variables() const { return variables_; }
  ValueParser& values() { return values_; } // `let` above a statement

private:
  Stmt set(LineCursor& line);
  Stmt transpose(LineCursor& line, int32_t to);
  Stmt store(LineCursor& line);
  Stmt scatter(LineCursor& line);
  Stmt prefetch(LineCursor& line);
  Stmt tile(LineCursor& line);
  Expr leaf(LineCursor& line);

  std::vector<Affine> indices(LineCursor& line);
  int32_t place(LineCursor& line, Index& index);
  TileRegister tile_register(LineCursor& line);
  void rows(LineCursor& line, Tile& tile);

  const View& view(int32_t at) const { return names_.step().views[static_cast<size_t>(at)]; }
  const RegisterArray& array(int32_t at) const {
    return names_.step().arrays[static_cast<size_t>(at)];
  }

  const StepNames& names_;
  LineCursor::Variables variables_;
  ValueParser values_;
};

} // namespace volute::ir
