// The languages of the stages in colour, for terminals.
#pragma once

#include <string>
#include <string_view>

namespace volute::tools {

/// What --color says: always, never, or auto: where standard output is a terminal that has colours
/// and NO_COLOR is not set.
bool wants_colour(std::string_view option);

/// The text of a stage ("loops") with the words of its language in colour; of a diff, lines that go
/// red and lines that come green. The text without the colours is the same.
std::string highlighted(std::string_view stage, std::string_view text);
std::string highlighted_diff(std::string_view diff);

} // namespace volute::tools
