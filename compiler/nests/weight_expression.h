// What a weight is in the arithmetic of a nest: its element, and what is done to it before it meets
// the image. All of that can be done once, when the weight is packed.
//
//     acc <- fma(i32(x[...]), i32(w[o, i, kh, kw]) - 7, acc)       packed: i32(w[...]) - 7
//     acc <- fma(f32(x[...]), f32(w[o, i, kh, kw]), acc)           packed: f32(w[...])
#pragma once

#include "ir/nest.h"

namespace volute::compiler {

/// The operand that is the weight of a nest, or -1: where products are summed up, the factor that
/// is the same for all images and at all places, if the other one is not. Of several that the
/// factor reads, the one that moves with what is summed up: a zero point beside it is none. It is
/// read in one place, and nowhere but there: what is packed, or known by number, is one element.
int32_t weight_of(const ir::Nest& nest);

/// The largest part of the first accumulator's update that reads an operand, and beside it nothing
/// but constants; the element alone where there are several that are not alike; null when it does
/// not read it.
ir::Expr part_of_operand(const ir::Nest& nest, int32_t operand);

/// The read of the operand in its part, which reads no other.
const ir::Read& read_in_part(const ir::Expr& part);

/// The nest with that part, wherever it is, replaced by a read of the operand, of the part's type:
/// what a nest reads once the operand is packed.
ir::Nest with_packed(const ir::Nest& nest, int32_t operand);

/// Products of narrow elements that machines add in groups: the image's and the weight's element,
/// widened, multiplied and added along an axis on which both lie in memory one after the other.
///
///     acc <- fma(i32(x[n, h, w, i]), i32(w[o, i]), acc)    x: u8, w: i8     4 along i
///     acc <- fma(f32(x[n, h, w, i]), f32(w[o, i]), acc)    x, w: bf16       2 along i
struct DotForm {
  int32_t ways = 0;
  ir::ElementType type;   // of the accumulator
  ir::Expr image, weight; // narrow
};

/// Whether the nest is one, along an axis. The weight need not lie so: packing sees to that.
std::optional<DotForm> dot_form(const ir::Nest& nest, ir::Var axis);

} // namespace volute::compiler
