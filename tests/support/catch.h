// The one place that knows where Catch2 2.13 (Debian 12) and 3 (Debian 13) keep their header, and
// under which name: tests write Approx and Catch::Matchers::ContainsSubstring with either.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>

using Catch::Approx;
#else
#include <catch2/catch.hpp>

namespace Catch::Matchers {
inline auto ContainsSubstring(const std::string& text) { return Contains(text); }
} // namespace Catch::Matchers
#endif
