// Stages that are spread over the products of the nest that they are computed in
// (specialise/amid_products.h): which they can be, told from schedules, and whether that is worth
// another schedule of the products.
#pragma once

#include "compiler/schedule/choose.h"
#include "compiler/schedule/schedule.h"
#include "ir/nest.h"

#include <cstdint>
#include <optional>

namespace volute::compiler {

/// Copies of a stage's code that a step of the products has at most. A step of 24 products hides a
/// dozen vectors that are split; with 28, layers of few results were no faster than on vectors.
inline constexpr int64_t most_units_amid_products = 16;

/// A stage made row by row amid products.
struct Overlapping {
  Schedule stage;    // plain loops over vectors
  Schedule consumer; // the chosen one, or another candidate
  double cycles = 0; // of both, predicted
};

/// None where the stage is no plain copy or conversion of rows that the consumer, which multiplies
/// matrices, reads one by one; where its loops go along with those of no candidate of the
/// consumer's; or where one after the other takes fewer cycles.
std::optional<Overlapping> overlapping(const ir::Nest& stage, const Choice& of_stage,
                                       const ir::Nest& consumer, const Choice& of_consumer);

/// The stage's schedule for that one of the consumer's; none where it does not fit.
std::optional<Schedule> overlapping_stage(const ir::Nest& stage, const Schedule& of_stage,
                                          const ir::Nest& consumer, const Schedule& of_consumer);

} // namespace volute::compiler
