// Whether the weight of products of matrices passes L1 by.
//
//     for w by 28                       28 pixels of 1,024 bytes are 28 KiB: they could stay in L1
//       for o by 32, i tile 64          for all channels, did not 32 KiB of weights come by for
//                                       every 32 of those, each once
//
// Loads that leave nothing in L1 (TILELOADDT1) keep it for the image. The weight comes from L2
// either way. The image, whose rows lie apart, gains little by it where it gains, and a band that
// has just been computed loses a factor of two: a schedule may say `bypass x`, none is tried.
#pragma once

#include "compiler/schedule/cost_model.h"
#include "compiler/schedule/plan.h"

namespace volute::compiler {

/// Sets `bypass weight` in a plan of products of matrices where it is predicted to be faster, and
/// returns the plan's cost. The nest has no parameters.
Cost choose_bypass(Plan& plan, const ir::Nest& nest, const Target& target);

} // namespace volute::compiler
