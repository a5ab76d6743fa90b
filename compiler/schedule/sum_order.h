// The one order in which a deterministic kernel adds up, whatever its schedule: the terms of each
// sum of floats one after the other, by the nest's reduction axes, the first of them outermost.
//
//     reduce i in 0..64, kh in 0..3, kw in 0..3        as it is lowered
//     reduce kh in 0..3, kw in 0..3, i in 0..64        taps, then channels: as it is added up
//
// What keeps it: tiles of parallel axes, vectors along them, unrolling, packing, blocks of the
// outermost reduction axis whose sums wait, taps that slide innermost. What does not: loops in
// another order, several sums for one result (lanes along a sum, products added in pairs). Sums of
// integers and maxima are the same in every order, and are left as they are.
#pragma once

#include "compiler/schedule/schedule.h"
#include "ir/diagnostic.h"
#include "ir/nest.h"

#include <cstdint>
#include <optional>

namespace volute::compiler {

enum class SumOrder : uint8_t {
  any,    // the schedule's
  stated, // the nest's own
};

/// Whether the order decides about the last bits: the nest adds up floats.
bool order_matters(const ir::Nest& nest);

/// The nest with its reduction axes in the stated order, where that matters.
ir::Nest in_stated_order(ir::Nest nest);

/// Why a schedule adds up in another order than the nest; nothing where it keeps it, or where that
/// does not matter. Axes that the nest has not are nobody's.
std::optional<Diagnostic> out_of_order(const Schedule& schedule, const ir::Nest& nest);

} // namespace volute::compiler
