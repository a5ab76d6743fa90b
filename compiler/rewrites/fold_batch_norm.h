// A batch_norm after a convolution with a constant weight disappears into the weight.
//
//     %0 = conv %x, %w, %b                                          before
//     %y = batch_norm %0, %scale, %shift, %mean, %var
//
//     %w_scaled = const w * factor                                  after
//     %y_bias = const shift + (b - mean) * factor
//     %y = conv %x, %w_scaled, %y_bias
//
// factor = scale / sqrt(var + epsilon), a number for each output channel. All of it is computed in
// double and rounded once. Only for f32 and f64: a bf16 weight would be rounded a second time, to
// eight bits, which costs more accuracy than the multiplication costs time.
#pragma once

#include "ir/program.h"

#include <map>
#include <string>
#include <vector>

namespace volute::compiler {

/// A verified program; the result has the same inputs and outputs. `notes` gets a sentence for each
/// that was folded.
ir::Program fold_batch_norm(const ir::Program& program, std::vector<std::string>& notes);

/// What convolutions that have taken one in are called, by their results: "conv %0, batch_norm %1".
std::map<ir::ValueId, std::string> folded_names(const ir::Program& before,
                                                const ir::Program& after);

} // namespace volute::compiler
