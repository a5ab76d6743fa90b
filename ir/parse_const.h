// `const [1, 2, 1] : type` and `const file("w.npy") : type`. Private to the parse*.cpp files.
#pragma once

#include "ir/cursor.h"
#include "ir/parse.h"

#include <optional>

namespace volute::ir {

struct KnownData {
  Const data;
  TensorType type;
  Location type_where;
};

/// Reads what follows the word `const`, or refuses. `subject`, %k, is what a fault of a file is
/// about.
std::optional<KnownData> read_const(Cursor& cursor, const Resolver& resolver,
                                    const std::string& subject);

} // namespace volute::ir
