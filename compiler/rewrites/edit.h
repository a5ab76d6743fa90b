// What the rewrites of programs share: constants read as numbers, and values put in.
#pragma once

#include "ir/program.h"

#include <string>
#include <vector>

namespace volute::compiler {

/// The data of a constant; null for every other value.
const ir::Const* constant(const ir::Program& program, ir::ValueId value);
/// A constant's elements in memory order.
std::vector<double> numbers_of(const ir::Program& program, ir::ValueId value);

/// A value that no statement defines yet; its name gets a number when it is taken.
ir::ValueId add_value(ir::Program& program, const std::string& name, ir::TensorType type,
                      Location where);
/// The statement that defines a value as a constant: numbers in memory order, rounded to its type.
ir::Statement constant_of(const ir::Program& program, ir::ValueId value,
                          const std::vector<double>& numbers, Location where);
/// Leaves out the constants that no statement reads and that are not returned.
void drop_unread_constants(ir::Program& program);

} // namespace volute::compiler
