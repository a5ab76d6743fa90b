// Names for what a transform makes: people tell things apart by them, so no two are the same.
#pragma once

#include <string>
#include <vector>

namespace volute::compiler {

/// The name, with a number when it is taken.
std::string unused_name(const std::vector<std::string>& taken, const std::string& name);

} // namespace volute::compiler
