// The valid word that a mistyped one was probably meant to be, for a refusal's hint.
#pragma once

#include <string_view>
#include <vector>

namespace volute::compiler {

/// The word among `valid` with the fewest letters to insert, delete or replace; the first of
/// several. Empty when more than a third of the letters would have to change.
std::string_view nearest(std::string_view word, const std::vector<std::string_view>& valid);

} // namespace volute::compiler
