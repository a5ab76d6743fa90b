// The one variable that renews what tests expect: VOLUTE_UPDATE_GOLDEN=1 writes it anew, and the
// diff is the review.
#pragma once

#include <cstdlib>

namespace volute::tests {

inline bool renews_goldens() { return std::getenv("VOLUTE_UPDATE_GOLDEN") != nullptr; }

} // namespace volute::tests
