// What has changed between two texts, line by line, as `diff -u` shows it.
#pragma once

#include <string>
#include <string_view>

namespace volute::tools {

/// Lines with a space, - or + before them, three unchanged ones around each change, under
/// `@@ -12,7 +12,9 @@`. Empty when the texts are equal.
std::string unified_diff(std::string_view before, std::string_view after);

} // namespace volute::tools
