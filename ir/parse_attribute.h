// Attribute values: one reader for each kind of value that the table of operators knows. Private to
// the parse*.cpp files.
#pragma once

#include "ir/cursor.h"
#include "ir/operators.h"

#include <string_view>

namespace volute::ir {

/// Reads the value at the cursor into the field, or refuses. A single number stands for all of
/// `rank` spatial axes.
bool read_attribute(Cursor& cursor, std::string_view operator_name, const AttributeRow& row,
                    const Field& field, size_t rank);

/// Steps over a value that was refused, up to the ',' or '}' after it.
void skip_attribute(Cursor& cursor);

} // namespace volute::ir
