// The benchmark's suites: program files that are found by a network's name, with how often it uses
// each layer.
#pragma once

#include "ir/program.h"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace volute::tools {

/// Beside the program: share/volute/suites of an installation, bench/suites of a build's source.
/// Empty where neither is.
std::string suites_folder();
/// The names that `volute bench NAME` takes, in alphabetical order.
std::vector<std::string> suite_names();
/// The file of a suite, if a word names one: no path, no ending.
std::optional<std::string> suite_file(const std::string& word);

/// How often a network uses each program of a file, by the program's name: a line
/// `// used 3 times` before it says so, and without one it is once.
std::map<std::string, int, std::less<>> uses_in(std::string_view text);

/// Where the channels of a program's images lie. Of one channel, both are the same memory.
enum class Layout : uint8_t { first, last, either };
Layout layout_of(const ir::Program& program);

} // namespace volute::tools
