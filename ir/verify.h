// Checks a whole program value, built by hand or by a pass, against every rule that the parser
// enforces on text.
#pragma once

#include "ir/program.h"

#include <cstdint>
#include <vector>

namespace volute::ir {

/// Everything that is wrong with the program; nothing when it is sound: names are names and unique,
/// each value is defined once and before it is read, attributes are complete and their operator's
/// own, and every type is the inferred one or one that may be asked for. Rewrites leave out
/// statements and let all other values keep their numbers: theirs may have `gaps`, values that
/// nothing defines and nothing reads.
enum class Gaps : uint8_t { refused, allowed };
std::vector<Diagnostic> verify(const Program& program, Gaps gaps = Gaps::refused);

/// A name that can stand after % or @, or what is wrong with it.
std::optional<std::string> fault_of_name(std::string_view name);

} // namespace volute::ir
