// Whether this process may use a matrix unit. Its registers are large, and Linux keeps room for
// them only for processes that have asked.
#pragma once

namespace volute::runtime {

/// Asks the system once, and remembers what it said; false where there is no such unit.
bool may_use_tiles();

} // namespace volute::runtime
