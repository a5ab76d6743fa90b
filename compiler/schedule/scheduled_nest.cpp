#include "compiler/schedule/scheduled_nest.h"

#include "compiler/nests/bands.h"
#include "compiler/nests/flatten.h"
#include "compiler/nests/strides.h"
#include "compiler/schedule/parameters.h"

#include <algorithm>

namespace volute::compiler {

using namespace ir;

ScheduledNest::Joined ScheduledNest::joined(const Nest& nest) {
  Joined joined = {nest, {}};
  if (band_axis(nest)) return joined;
  for (const std::vector<std::string>& axes : flattenable(nest))
    if (Expected<Nest> flat = flatten(joined.nest, axes))
      joined.nest = std::move(*flat), joined.axes.push_back(axes);
  return joined;
}

ScheduledNest::ScheduledNest(const Nest& nest, const Target& target,
                             const std::vector<Buffer>& buffers, bool dot_products, SumOrder sums)
    : ScheduledNest(joined(nest), target, buffers, dot_products, sums) {}

ScheduledNest::ScheduledNest(Joined joined, const Target& target,
                             const std::vector<Buffer>& buffers, bool dot_products, SumOrder sums)
    : target(target), sums(sums), given(std::move(joined.nest)), flat(at_least(given)),
      lanes(std::min<int64_t>(target.lanes(widest_in_registers(flat)), 64)),
      builder(flat, std::move(joined.axes), target, dot_products, sums),
      constant(ConstantWeight::of(flat, buffers)), facts(given) {}

bool ScheduledNest::may_be_tiled(const NestAxis& axis) const {
  return !axis.reduction && !is_shared(flat, axis) && !shares_border(flat, axis.var) &&
         !facts.in_domain(axis.var);
}

bool ScheduledNest::is_written_along(const NestAxis& v) const {
  return std::none_of(flat.writes.begin(), flat.writes.end(), [&](const Write& w) {
    return stride_along(flat, w.operand, w.index, v.var) == 0;
  });
}

bool ScheduledNest::meets_border_with(const NestAxis& tap, const NestAxis& axis) const {
  return std::any_of(flat.constraints.begin(), flat.constraints.end(), [&](const Constraint& c) {
    return c.value.depends_on(tap.var) && c.value.depends_on(axis.var);
  });
}

} // namespace volute::compiler
