// Cold caches.
#pragma once

namespace volute::bench {

/// Reads through more memory than the caches hold, so that whatever a call needs next (operands,
/// packed weights, code) comes from memory. Takes some milliseconds.
void empty_caches();

} // namespace volute::bench
