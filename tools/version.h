// What `volute --version` says of itself; the build file's project version.
#pragma once

#include <string_view>

namespace volute::tools {

inline constexpr std::string_view version = "0.1.0";

} // namespace volute::tools
