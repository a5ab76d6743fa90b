// What the rewrites of programs share: constants read as numbers, and a program whose statements
// give way to others.
#pragma once

#include "compiler/nests/unused_name.h"
#include "ir/program.h"

#include <string>
#include <vector>

namespace volute::compiler {

/// The data of a constant; null for every other value.
const ir::Const* constant(const ir::Program& program, ir::ValueId value);
/// A constant's elements in memory order.
std::vector<double> numbers_of(const ir::Program& program, ir::ValueId value);
/// Leaves out the constants that no statement reads and that are not returned.
void drop_unread_constants(ir::Program& program);

/// A program as it is rewritten: statements are replaced by others, in time that does not depend on
/// how many there are.
class Edit {
public:
  explicit Edit(const ir::Program& program);

  const ir::TensorType& type(ir::ValueId id) const { return program_.type(id); }
  const std::string& name_of(ir::ValueId id) const { return program_.name_of(id); }
  const ir::Program& program() const { return program_; } // its statements are those that came
  /// The statement that makes a value by now, or null for an input.
  const ir::Statement* definition(ir::ValueId id) const;
  const ir::Const* constant(ir::ValueId id) const;
  std::vector<double> numbers_of(ir::ValueId id) const;
  /// How many statements read a value in the program that came, plus one where it is returned.
  int uses(ir::ValueId id) const { return uses_[static_cast<size_t>(id)]; }

  /// A value that no statement defines yet; its name gets a number when it is taken.
  ir::ValueId add_value(const std::string& name, ir::TensorType type, Location where);
  /// The statement that defines a value as a constant: numbers in memory order, rounded to its
  /// type.
  ir::Statement constant_of(ir::ValueId value, const std::vector<double>& numbers,
                            Location where) const;
  /// Puts others in the place of the statement that makes a value.
  void replace(ir::ValueId made, std::vector<ir::Statement> by);

  /// The rewritten program, without the constants that nothing reads any more.
  ir::Program finish();

private:
  struct Place {
    size_t statement = 0; // of the program that came
    size_t index = 0;     // among those in its place
  };
  ir::Program program_;
  std::vector<std::vector<ir::Statement>> in_place_of_; // by statement of the program that came
  std::vector<Place> made_at_;                          // by value
  std::vector<bool> is_input_;                          // by value
  std::vector<int> uses_;
  UnusedNames names_;
};

} // namespace volute::compiler
