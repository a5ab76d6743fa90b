#include "compiler/nests/turned_copies.h"

#include "compiler/nests/strides.h"

#include <algorithm>

namespace volute::compiler {

using namespace ir;

namespace {

/// The axis of more than one element along which an access walks from neighbour to neighbour.
const NestAxis* contiguous_axis(const Nest& nest, int32_t operand, const Index& index) {
  const View& view = nest.operands[static_cast<size_t>(operand)];
  for (const NestAxis& axis : nest.axes) {
    if (axis.extent == Affine(1)) continue;
    for (size_t d = 0; d < index.size(); ++d)
      if (index[d].table < 0 && index[d].at.coefficient(axis.var) == 1 &&
          view.dims[d].stride == Affine(1))
        return &axis;
  }
  return nullptr;
}

bool copies_across(const Nest& nest) {
  if (!nest.accumulators.empty() || nest.writes.size() != 1 || nest.writes.front().offset)
    return false;
  const Write& write = nest.writes.front();
  const NestAxis* along = contiguous_axis(nest, write.operand, write.index);
  if (!along) return false;
  bool across = false, beside = false;
  for (const Read& read : inner_reads(nest)) {
    const NestAxis* axis = contiguous_axis(nest, read.operand, read.index);
    if (axis) (axis == along ? beside : across) = true;
  }
  return across && !beside;
}

} // namespace

Nest with_turned_copy(Nest nest) {
  if (!copies_across(nest)) return nest;
  Expr& value = nest.writes.front().value;
  const ElementType type = value->type;
  nest.accumulators.push_back(
      {"acc", type, is_integer(type) ? imm_integer(0, type) : imm(0, type), value});
  value = acc(type, 0);
  return nest;
}

} // namespace volute::compiler
