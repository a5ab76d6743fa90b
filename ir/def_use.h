// Who makes and who reads each value of a program, found in one walk over its statements.
//
// Program::definition and Program::uses answer for one value by looking through all statements; who
// asks for many values asks here.
#pragma once

#include "ir/program.h"

#include <vector>

namespace volute::ir {

class DefUse {
public:
  /// The program must live as long as this, and stay as it is.
  explicit DefUse(const Program& program);

  const Program& program() const { return program_; }
  /// The statement that defines a value, or null for an input.
  const Statement* definition(ValueId id) const { return of(id).made_by; }
  /// The data of a constant; null for every other value.
  const Const* constant(ValueId id) const;
  /// The statements that read a value, each once, in order.
  const std::vector<const Statement*>& readers(ValueId id) const { return of(id).readers; }
  bool is_returned(ValueId id) const { return of(id).is_returned; }
  /// Number of statements that read the value, plus one if the program returns it.
  int uses(ValueId id) const {
    return static_cast<int>(of(id).readers.size()) + (of(id).is_returned ? 1 : 0);
  }

private:
  struct OfValue {
    const Statement* made_by = nullptr;
    std::vector<const Statement*> readers;
    bool is_returned = false;
  };
  const OfValue& of(ValueId id) const { return values_[static_cast<size_t>(id)]; }

  const Program& program_;
  std::vector<OfValue> values_;
};

} // namespace volute::ir
