#include "compiler/nests/band_link.h"

#include "compiler/nests/bands.h"
#include "ir/walk.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace volute::compiler {

using namespace ir;

namespace {

size_t at(int32_t index) { return static_cast<size_t>(index); }

/// A subscript that is one parallel axis and nothing else.
const NestAxis* lone_axis(const Nest& nest, const Subscript& s) {
  for (const NestAxis& axis : nest.axes)
    if (!axis.reduction && s.table < 0 && s.at == Affine(axis.var)) return &axis;
  return nullptr;
}

/// The parallel axis of which a subscript is so many rows an element, in order and each once: h, or
/// 4*h + rh where rh is one of 4.
const NestAxis* row_axis(const Nest& nest, const Subscript& s) {
  if (const NestAxis* alone = lone_axis(nest, s)) return alone;
  if (s.table >= 0 || s.at.constant_term() != 0) return nullptr;
  const NestAxis* outer = nullptr;
  int64_t rest = 1; // rows that all other axes reach together
  for (const Affine::Term& term : s.at.terms()) {
    const NestAxis* axis = nest.axis(term.var);
    if (!axis || axis->reduction || term.coefficient < 1) return nullptr;
    if (!outer || term.coefficient > s.at.coefficient(outer->var)) outer = axis;
  }
  for (const Affine::Term& term : s.at.terms())
    if (term.var != outer->var)
      rest += term.coefficient * (nest.axis(term.var)->extent.number() - 1);
  return outer && s.at.coefficient(outer->var) == rest ? outer : nullptr;
}

std::string name_of(const Nest& nest, Var var) { return nest.vars[at(var.id)]; }

} // namespace

std::vector<Read> reads_of(const Nest& nest, int32_t buffer) {
  std::vector<Read> reads;
  visit(nest, [&](const ExprNode& node) {
    const auto* read = std::get_if<Read>(&node.is);
    if (read && nest.operands[at(read->operand)].buffer == buffer) reads.push_back(*read);
  });
  return reads;
}

Linked link(const Nest& producer, const Nest& consumer, const std::vector<Buffer>& buffers,
            const NestAxis& axis) {
  const auto no = [](std::string why) { return Linked{std::nullopt, std::move(why)}; };
  if (producer.writes.size() != 1 || producer.writes.front().offset)
    return no("it writes more than one result, or scatters it");
  const Write& write = producer.writes.front();
  Link found;
  found.buffer = producer.operands[at(write.operand)].buffer;
  found.consumer_axis = axis.var;
  const Buffer& between = buffers[at(found.buffer)];
  if (between.role != Buffer::Role::intermediate)
    return no(fmt::format("%{} is not only passed between them", between.name));
  const std::vector<Read> reads = reads_of(consumer, found.buffer);
  if (reads.empty()) return no(fmt::format("{} does not read it", consumer.name));
  const View& written = producer.operands[at(write.operand)];

  std::optional<size_t> dim;
  for (const Read& read : reads)
    for (size_t d = 0; d < read.index.size(); ++d)
      if (read.index[d].at.depends_on(axis.var)) {
        if (read.index[d].table >= 0) return no("it is read through a table");
        if (dim && *dim != d) return no("it is read along two dimensions at once");
        dim = d;
      }
  const std::string axis_name = name_of(consumer, axis.var);
  if (!dim) return no(fmt::format("what it makes does not move with {}", axis_name));
  found.dim = *dim;
  const NestAxis* row = row_axis(producer, write.index[found.dim]);
  if (!row) return no("it does not write its rows one after the other");
  found.block = write.index[found.dim].at.coefficient(row->var);
  for (size_t d = 0; d < write.index.size(); ++d)
    if (d != found.dim && write.index[d].at.depends_on(row->var))
      return no("its rows are written along two dimensions");
  found.row = row->var;
  found.rows = written.dims[found.dim].extent.number();

  found.lo = std::numeric_limits<int64_t>::max();
  found.hi = std::numeric_limits<int64_t>::min();
  for (const Read& read : reads) {
    if (consumer.operands[at(read.operand)].dims != written.dims)
      return no("the two see it in different shapes");
    const Affine& position = read.index[found.dim].at;
    found.step = position.coefficient(axis.var);
    if (found.step < 1) return no("it is read backwards");
    int64_t lo = position.constant_term(), hi = lo;
    for (const Affine::Term& term : position.terms()) {
      if (term.var == axis.var) continue;
      const auto other = std::find_if(consumer.axes.begin(), consumer.axes.end(),
                                      [&](const NestAxis& a) { return a.var == term.var; });
      if (other->role == AxisRole::band) continue;
      if (!other->reduction) return no("its rows follow from two axes");
      const int64_t reach = term.coefficient * (other->extent.number() - 1);
      (reach < 0 ? lo : hi) += reach;
    }
    found.lo = std::min(found.lo, lo), found.hi = std::max(found.hi, hi);
  }
  return {found, ""};
}

int64_t first_block(const Link& link) { return -ceil_div(-link.lo, link.block); }
int64_t blocks_of_band(const Link& link, int64_t tile) {
  return -ceil_div(-(link.step * (tile - 1) + link.hi), link.block) - first_block(link) + 1;
}
int64_t rows_of_band(const Link& link, int64_t tile) {
  return blocks_of_band(link, tile) * link.block;
}

namespace {

/// Both walk the batch alike: images are along the same dimension of what passes between them.
bool share_batch(const Nest& producer, const Nest& consumer, int32_t buffer) {
  const NestAxis *of_producer = batch_axis(producer), *of_consumer = batch_axis(consumer);
  if (!of_producer || !of_consumer || of_producer->extent != of_consumer->extent) return false;
  const Index& to = producer.writes.front().index;
  for (const Read& read : reads_of(consumer, buffer))
    for (size_t d = 0; d < to.size(); ++d)
      if ((lone_axis(producer, to[d]) == of_producer) !=
          (lone_axis(consumer, read.index[d]) == of_consumer))
        return false;
  return true;
}

bool has_parameters(const Nest& nest) { return !nest.parameters.empty(); }

/// What a nest that is placed inside another computes at a time: elements of an axis of its own.
struct Band {
  Var axis;
  int64_t elements;
};

Band band_of(const NestProgram& program, const Nest& placed) {
  const Placement& placement = *placed.placement;
  const Nest& to = program.nests[at(placement.consumer)];
  const Link rows = link(placed, to, program.buffers, to.axis_of(placement.axis)).link.value();
  return {rows.row,
          blocks_of_band(rows, to.placement ? band_of(program, to).elements : placement.tile)};
}

} // namespace

std::optional<std::string> band_obstacle(const NestProgram& program, size_t producer,
                                         const Placement& placement, const Touching& touching) {
  const Nest& from = program.nests[producer];
  const Nest& to = program.nests[at(placement.consumer)];
  if (has_parameters(from) || has_parameters(to)) return "its sizes are parameters";
  const NestAxis* axis = to.axis(placement.axis);
  if (!axis) return fmt::format("{} has no such axis", to.name);
  const std::string axis_name = name_of(to, axis->var);
  if (axis->reduction) return fmt::format("{} has no parallel axis {}", to.name, axis_name);
  if (axis->role == AxisRole::batch) return "images are work items of their own already";
  if (to.placement) {
    const Band band = band_of(program, to);
    if (band.axis != placement.axis || band.elements != placement.tile)
      return fmt::format("{} itself is computed {} of {} at a time", to.name, band.elements,
                         name_of(to, band.axis));
  } else if (placement.tile < 1 || placement.tile > axis->extent.number())
    return fmt::format("there are no bands of {} in the {} of {}", placement.tile,
                       axis->extent.number(), axis_name);
  if (std::any_of(to.writes.begin(), to.writes.end(), [](const Write& w) { return w.offset; }))
    return fmt::format("{} scatters its elements", to.name);
  const Linked linked = link(from, to, program.buffers, *axis);
  if (!linked.link) return linked.why;
  if (linked.link->step * placement.tile % linked.link->block != 0)
    return fmt::format("bands of {} of {} begin within the {} rows that it writes at a time",
                       placement.tile, axis_name, linked.link->block);
  const int32_t buffer = linked.link->buffer;
  for (const size_t n : touching(buffer))
    if (n != producer && n != at(placement.consumer))
      return fmt::format("{} has to do with %{} too", program.nests[n].name,
                         program.buffers[at(buffer)].name);
  if (!share_batch(from, to, buffer)) return "the two walk the batch differently";
  return std::nullopt;
}

} // namespace volute::compiler
