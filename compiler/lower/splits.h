// Axes as mixed-radix numbers: what makes a tensor with a split axis as easy to index as any other.
//
//     y: f32[n, c=4, h, w, c=16]       channel c of y is digits (c / 16, c % 16)
//
// A nest whose tensors split an axis at 16 walks that axis as two, c of 4 and c1 of 16, and its
// position is 16 * c + c1; every tensor's subscripts are then digits of that position, which are
// affine. Several splits of one axis go together when each boundary divides the next: 4 and 16 do,
// 6 and 16 do not.
#pragma once

#include "ir/affine.h"
#include "ir/program.h"

#include <functional>
#include <optional>
#include <set>
#include <vector>

namespace volute::compiler {

/// The products of inner parts at which an axis is cut: {16} for [c=4, ..., c=16], {} for whole.
using Boundaries = std::set<int64_t>;

Boundaries boundaries(const ir::TensorType& type, ir::Axis axis);
/// Whether each boundary divides the next.
bool is_chain(const Boundaries& cuts);
/// Those that cut a number below `size`; those above, in units of it.
Boundaries below(const Boundaries& cuts, int64_t size);
Boundaries above(const Boundaries& cuts, int64_t size);

/// The statements that become one nest, head first.
using Together = std::vector<const ir::Statement*>;

/// Where an axis of the result is cut by the tensors beside the head's operands: what is written,
/// and what is folded in.
Boundaries cuts_of_result(const ir::Program& program, const Together& statements, ir::Axis axis);

/// Where the channel axes of a convolution are cut. A channel of the image is group * inputs + in,
/// one of the result group * outputs + out, and a weight counts groups along one of the two.
struct ChannelCuts {
  Boundaries group, in, out;
  bool go_together = true; // whether each of them is a chain
};
ChannelCuts channel_cuts(const Boundaries& image, const Boundaries& result,
                         const ir::TensorType& weight, int64_t inputs, int64_t outputs);
/// By every tensor of a nest whose head is a convolution.
ChannelCuts channel_cuts(const ir::Program& program, const Together& statements);

/// The digit of a position at a part of `count` elements with `inner` positions an element: floor
/// of position / inner, modulo count. The most significant part is not reduced. Nothing when that
/// is not affine. `extent_of` gives the extent of a variable.
std::optional<ir::Affine> digit(const ir::Affine& position, int64_t inner, int64_t count,
                                bool most_significant,
                                const std::function<int64_t(ir::Var)>& extent_of);

/// The type with every axis whole, in the order in which they first appear.
ir::TensorType unsplit(const ir::TensorType& type);

} // namespace volute::compiler
