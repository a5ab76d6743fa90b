#include "compiler/nests/bands.h"

#include "compiler/nests/band_link.h"
#include "compiler/nests/cut_bands.h"
#include "compiler/nests/unused_name.h"
#include "ir/walk.h"

#include <algorithm>
#include <functional>

namespace volute::compiler {

using namespace ir;

namespace {

size_t at(int32_t index) { return static_cast<size_t>(index); }

bool touches(const Nest& nest, int32_t buffer) {
  return std::any_of(nest.operands.begin(), nest.operands.end(),
                     [&](const View& view) { return view.buffer == buffer; });
}

const NestAxis* first_of(const Nest& nest, AxisRole role) {
  for (const NestAxis& axis : nest.axes)
    if (axis.role == role && !axis.reduction) return &axis;
  return nullptr;
}

} // namespace

const NestAxis* batch_axis(const Nest& nest) {
  for (const NestAxis& axis : nest.axes)
    if (axis.role == AxisRole::batch && !axis.reduction && axis.extent != Affine(1)) return &axis;
  return first_of(nest, AxisRole::batch);
}
const NestAxis* band_axis(const Nest& nest) { return first_of(nest, AxisRole::band); }

bool is_shared(const Nest& nest, const NestAxis& axis) {
  const NestAxis* band = band_axis(nest);
  if (!band) return false;
  const NestAxis* batch = batch_axis(nest);
  return axis.var == band->var || (batch && axis.var == batch->var);
}

std::optional<std::string> band_obstacle(const NestProgram& program, size_t producer,
                                         const Placement& placement) {
  return band_obstacle(program, producer, placement, [&](int32_t buffer) {
    std::vector<size_t> touching;
    for (size_t n = 0; n < program.nests.size(); ++n)
      if (touches(program.nests[n], buffer)) touching.push_back(n);
    return touching;
  });
}

namespace {

/// The nest with an axis replaced by an expression, everywhere.
Nest substitute(Nest nest, Var var, const Affine& value) {
  const auto in_index = [&](Index index) {
    for (Subscript& s : index) s.at = s.at.substitute(var, value);
    return index;
  };
  Rewriter in_values([&](const Expr& node) -> Expr {
    if (const auto* read = std::get_if<Read>(&node->is))
      return ir::read(node->type, read->operand, in_index(read->index));
    if (const auto* position = std::get_if<Position>(&node->is))
      return ir::position(position->value.substitute(var, value), node->type);
    return node;
  });
  for (auto* constraints : {&nest.constraints, &nest.domain})
    for (Constraint& c : *constraints) c.value = c.value.substitute(var, value);
  for_each_expression(nest, [&](Expr& e) { e = in_values(e); });
  for (Write& w : nest.writes) w.index = in_index(w.index);
  return nest;
}

/// Cuts an axis into bands: position = band * rows_a_band + first + element, for `elements`
/// elements of each band. Returns the band axis.
Var cut(Nest& nest, Var axis, int64_t bands, int64_t rows_a_band, int64_t first, int64_t elements) {
  const Var band{static_cast<int32_t>(nest.vars.size())};
  nest.vars.push_back(unused_name(nest.vars, "band"));
  nest = substitute(std::move(nest), axis, Affine(band) * rows_a_band + first + Affine(axis));
  for (NestAxis& a : nest.axes)
    if (a.var == axis) a.extent = elements;
  const NestAxis* batch = batch_axis(nest);
  const auto after_batch = batch ? batch - nest.axes.data() + 1 : 0;
  nest.axes.insert(nest.axes.begin() + after_batch, {band, bands, false, AxisRole::band});
  return band;
}

class Bander {
public:
  Bander(const NestProgram& program, const Producers& producers, std::vector<Buffer> buffers)
      : program_(program), producers_(producers), result_{{}, {}, std::move(buffers), 0} {}

  Bands run(size_t consumer, Var axis, int64_t tile) {
    Nest root = program_.nests[consumer];
    const int64_t extent = root.axis(axis)->extent.number();
    bands_ = ceil_div(extent, tile);
    const Var band = cut(root, axis, bands_, tile, 0, tile);
    if (extent % tile != 0) root.domain.push_back({Affine(band) * tile + Affine(axis), extent});
    add_producers(consumer, root, axis, tile);
    result_.nests.push_back(std::move(root));
    result_.numbers.push_back(consumer);
    return std::move(result_);
  }

private:
  void add_producers(size_t consumer, Nest& to, Var axis, int64_t tile) {
    for (const size_t producer : producers_.of(consumer)) add_producer(producer, to, axis, tile);
  }

  void add_producer(size_t producer, Nest& to, Var axis, int64_t tile) {
    Nest from = program_.nests[producer];
    const Link rows = link(from, to, program_.buffers, *to.axis(axis)).link.value();
    const Var band_of_consumer = band_axis(to)->var;
    int64_t rows_a_band = 0;
    for (const Read& read : reads_of(to, rows.buffer))
      rows_a_band = read.index[rows.dim].at.coefficient(band_of_consumer);
    const int64_t height = blocks_of_band(rows, tile), first = first_block(rows);
    const int64_t blocks_a_band = rows_a_band / rows.block, blocks = rows.rows / rows.block;
    const Var band = cut(from, rows.row, bands_, blocks_a_band, first, height);
    const Affine row = Affine(band) * blocks_a_band + first + Affine(rows.row);
    const int64_t last = blocks_a_band * (bands_ - 1) + first + height - 1;
    if (first < 0 || last >= blocks) from.domain.push_back({row, blocks});
    from.placement.reset();

    // In scratch, rows are those of the band and there is one image.
    const View& written = from.operands[at(from.writes.front().operand)];
    const NestAxis* batch = batch_axis(from);
    std::optional<size_t> batch_dim;
    for (size_t d = 0; d < written.dims.size(); ++d)
      if (batch && from.writes.front().index[d].at == Affine(batch->var)) batch_dim = d;
    std::vector<int64_t> extents;
    for (size_t d = 0; d < written.dims.size(); ++d)
      extents.push_back(d == rows.dim    ? height * rows.block
                        : batch_dim == d ? 1
                                         : written.dims[d].extent.number());
    // Rows that lie apart stay so.
    std::vector<int64_t> room = extents;
    if (const size_t last = room.size() - 1; last > 0 && last != rows.dim)
      room[last] = std::max(room[last], written.dims[last - 1].stride.number());
    std::vector<Dim> dims = contiguous(room);
    dims.back().extent = extents.back();
    Buffer& buffer = result_.buffers[at(rows.buffer)];
    buffer.role = Buffer::Role::scratch;
    buffer.elements = 1;
    for (int64_t extent : room) buffer.elements *= extent;
    buffer.scratch_offset = result_.scratch_bytes;
    result_.scratch_bytes += scratch_aligned(buffer.elements * size_of(buffer.element));

    const auto into_scratch = [&](Index index, const Affine& begin) {
      index[rows.dim].at += begin * -1;
      if (batch_dim) index[*batch_dim] = Affine(0);
      return index;
    };
    for (Write& w : from.writes)
      w.index = into_scratch(w.index, (row - Affine(rows.row)) * rows.block);
    from.operands[at(from.writes.front().operand)].dims = dims;
    const Affine begin = Affine(band_of_consumer) * rows_a_band + first * rows.block;
    read_from_scratch(to, rows.buffer, dims,
                      [&](const Index& index) { return into_scratch(index, begin); });
    add_producers(producer, from, rows.row, height);
    result_.nests.push_back(std::move(from));
    result_.numbers.push_back(producer);
  }

  static void read_from_scratch(Nest& nest, int32_t buffer, const std::vector<Dim>& dims,
                                const std::function<Index(const Index&)>& moved) {
    Rewriter in_values([&](const Expr& node) -> Expr {
      const auto* read = std::get_if<Read>(&node->is);
      if (!read || nest.operands[at(read->operand)].buffer != buffer) return node;
      return ir::read(node->type, read->operand, moved(read->index));
    });
    for_each_expression(nest, [&](Expr& e) { e = in_values(e); });
    for (View& view : nest.operands)
      if (view.buffer == buffer) view.dims = dims;
  }

  const NestProgram& program_;
  const Producers& producers_;
  Bands result_;
  int64_t bands_ = 1;
};

} // namespace

Producers::Producers(const NestProgram& program) : of_(program.nests.size()) {
  for (size_t n = 0; n < program.nests.size(); ++n)
    if (const auto& placement = program.nests[n].placement)
      of_[at(placement->consumer)].push_back(n);
}

Bands banded(const NestProgram& program, const Producers& producers, std::vector<Buffer> buffers,
             size_t consumer) {
  if (producers.of(consumer).empty())
    return {{program.nests[consumer]}, {consumer}, std::move(buffers), 0};
  const Placement& placement = *program.nests[producers.of(consumer).front()].placement;
  return Bander(program, producers, std::move(buffers))
      .run(consumer, placement.axis, placement.tile);
}

Bands banded(const NestProgram& program, std::vector<Buffer> buffers, size_t consumer) {
  return banded(program, Producers(program), std::move(buffers), consumer);
}

} // namespace volute::compiler
