// Unpooling: zeros everywhere, then each element where its index says. A nest for each.

#include "compiler/lower/nest_builder.h"

namespace volute::compiler {

using ir::Affine;
using ir::Axis;
using ir::Compare;
using ir::ElementType;
using ir::Expr;

void lower_max_unpool(const GroupLowering& group) {
  const ir::Program& program = group.program;
  const ir::ValueId x = group.head.operands[0], indices = group.head.operands[1];
  const ir::ValueId y = group.head.results[0];
  const std::string name = spoken(program.name_of(y));
  const ir::TensorType& type = program.type(y);

  NestBuilder zeros = group.start("_zeros");
  for (Axis axis : {Axis::n, Axis::c, Axis::d, Axis::h, Axis::w})
    if (type.has(axis)) group.add_parallel(zeros, axis, type.size(axis));
  zeros.value = number(0, type.element);
  zeros.write(name, y, zeros.value);
  zeros.finish();

  // The spatial axes of a legal result follow each other in the order d, h, w, so that an index is
  // a number of steps in memory.
  NestBuilder to = group.start();
  const ir::TensorType& from = program.type(x);
  const auto cuts = [&](Axis axis) {
    Boundaries all = group.cuts(axis);
    all.merge(boundaries(from, axis));
    all.merge(boundaries(program.type(indices), axis));
    return all;
  };
  Coordinates where;
  for (Axis axis : {Axis::n, Axis::c, Axis::d, Axis::h, Axis::w}) {
    if (!from.has(axis)) continue;
    where[axis] = to.parallel(axis, from.size(axis), cuts(axis));
  }
  to.at[Axis::n] = where[Axis::n];
  to.at[Axis::c] = where[Axis::c];
  int64_t positions = 1, step = 1;
  const std::vector<ir::Dim> dims = to.lowering.dims(y);
  for (Axis axis : type.spatial_axes()) positions *= type.size(axis);
  for (size_t i = 0; i < dims.size(); ++i)
    if (type.extents[i].axis == Axis::w) step = dims[i].stride.number();
  const Expr index = to.read(indices, where);
  const Expr limit = number(positions, ElementType::i64), zero = number(0, ElementType::i64);
  // An index too large to be multiplied is told apart before it is.
  const Expr outside = number(-1, ElementType::i64);
  const Expr at = step == 1 ? index : index * number(step, ElementType::i64);
  const Expr offset =
      select(Compare::lt, index, zero, outside, select(Compare::lt, index, limit, at, outside));
  to.write(name, y, to.read(x, where));
  to.nest.writes.back().offset = offset;
  to.nest.writes.back().extent = (positions - 1) * step + 1;
  to.finish();
}

} // namespace volute::compiler
