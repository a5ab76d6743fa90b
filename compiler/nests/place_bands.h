// The choice of which nests are computed inside which, in bands (bands.h).
#pragma once

#include "compiler/target/target.h"
#include "ir/nest.h"

#include <string>
#include <vector>

namespace volute::compiler {

/// Chooses which nests to compute inside which: pads, conversions and normalisations before a
/// convolution or pooling, and convolutions before a pooling, where the rows computed twice and the
/// weights read again cost less than the memory between. `whys` gets a sentence for each pair that
/// was considered.
ir::NestProgram place_bands(ir::NestProgram program, const Target& target,
                            std::vector<std::string>& whys);

/// What bytes of a filter and of all that is between the nests of an algorithm cost on their way
/// through the caches: where bands of so many keep the latter in L2, and where they do not.
double cycles_in_bands(const Target& target, double filter, double bands);
double cycles_in_turn(const Target& target, double filter, double between);

} // namespace volute::compiler
