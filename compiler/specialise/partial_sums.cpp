#include "compiler/nests/cut_bands.h"
#include "compiler/specialise/specialiser.h"

#include <fmt/format.h>

namespace volute::compiler {

using namespace ir;

namespace {

constexpr int64_t most_scratch = int64_t{1} << 28; // bytes of one thread

} // namespace

Stmt Specialiser::partial_sums(size_t at, State state) {
  if (state.part == State::Part::begin || state.part == State::Part::end)
    return parallel_loops(at + 1, state);
  if (state.part == State::Part::add) return sum_tiles(at, state);
  open_partial(at, state);
  std::vector<Stmt> parts;
  state.part = State::Part::begin;
  parts.push_back(block({parallel_loops(at + 1, state)}, "sums begin, in scratch"));
  state.part = State::Part::add;
  parts.push_back(sum_tiles(at, state));
  state.part = State::Part::end;
  parts.push_back(block({parallel_loops(at + 1, state)}, "sums end"));
  return block(std::move(parts));
}

void Specialiser::open_partial(size_t at, const State& state) {
  partial_index_.clear();
  std::vector<int64_t> extents;
  const auto add = [&](Var axis) {
    const Place& here = state.places[id(axis)];
    extents.push_back(here.size);
    partial_index_.emplace_back(Affine(axis) - here.base);
  };
  std::optional<Var> vector;
  if (plan_.vector) vector = plan_.tile[*plan_.vector].axis;
  for (const NestAxis& axis : nest_.axes)
    if (!axis.reduction && axis.var != vector && state.places[id(axis.var)].size > 1) add(axis.var);
  if (vector) add(*vector);
  partial_ = view_scratch(extents, fmt::format("for {}", plan_.loops[at].name), partial_sums_);
}

std::vector<int32_t> Specialiser::view_scratch(const std::vector<int64_t>& extents,
                                               const std::string& whose, SumsInScratch& sums) {
  int64_t elements = 1;
  for (const int64_t extent : extents) elements *= extent;
  std::vector<int32_t> views;
  for (size_t a = 0; a < nest_.accumulators.size(); ++a) {
    const Accumulator& sum = nest_.accumulators[a];
    if (a == sums.buffers.size()) {
      Buffer buffer;
      buffer.name = fmt::format("{}_{}", sum.name, sums.name);
      buffer.role = Buffer::Role::scratch;
      buffer.element = sum.type;
      sums.buffers.push_back(scratch_.size());
      scratch_.push_back(std::move(buffer));
      scratch_numbers_.push_back(next_buffer_++);
    }
    Buffer& buffer = scratch_[sums.buffers[a]];
    if (elements > buffer.elements) {
      buffer.elements = elements;
      buffer.scratch_offset = scratch_aligned(scratch_bytes_);
      scratch_bytes_ = buffer.scratch_offset + elements * size_of(sum.type);
    }
    if (scratch_bytes_ > most_scratch)
      throw Error(fail("schedule",
                       fmt::format("nest {}: {}: {} MiB of sums would wait in each thread's "
                                   "scratch, {} at most",
                                   nest_.name, whose, scratch_bytes_ >> 20, most_scratch >> 20),
                       "put more of the parallel axes outside of it")
                      .diagnostics);
    views.push_back(
        add_view({buffer.name, scratch_numbers_[sums.buffers[a]], sum.type, contiguous(extents)}));
  }
  return views;
}

Stmt Specialiser::sum_tiles(size_t at, const State& state) {
  const PlanLoop& loop = plan_.loops[at];
  const Place& here = state.places[id(loop.axis)];
  const int64_t trips = here.size / loop.tile, rest = here.size % loop.tile;
  const auto body = [&](const Affine& tile_index, int64_t size) {
    State inner = state;
    inner.places[id(loop.axis)] = {here.base + tile_index * loop.tile, size, 0, size};
    inner.loops[at] = tile_index;
    return parallel_loops(at + 1, inner);
  };
  budget_.writes_apart(at, (trips > 0) + (rest > 0));
  std::vector<Stmt> parts;
  if (trips > 0) {
    const Var trip = new_var(loop.tile > 1 ? loop.name + "_t" : loop.name, {0, trips - 1});
    Stmt code = body(trip, loop.tile);
    parts.push_back(serial_loop(trip, Range::of(0, trips), std::move(code)));
  }
  if (rest > 0) parts.push_back(body(trips, rest));
  return block(std::move(parts));
}

std::vector<Expr> Specialiser::partial_values() const {
  std::vector<Expr> values;
  for (size_t a = 0; a < partial_.size(); ++a)
    values.push_back(ir::read(nest_.accumulators[a].type, partial_[a], partial_index_));
  return values;
}

TileWriter::Sink Specialiser::store_partial(const TileWriter& writer) const {
  return [&](const std::vector<Expr>& values, const std::vector<Affine>& registers,
             const Piece& vector) {
    std::vector<Stmt> stores;
    for (size_t a = 0; a < values.size(); ++a) {
      TileWriter::Address to = writer.address(partial_index_, registers);
      stores.push_back(stmt(Store{partial_[a], std::move(to.index), to.lane_dim, to.lane_step,
                                  to.lane_dim < 0 ? 1 : vector.count, values[a]}));
    }
    return block(std::move(stores));
  };
}

} // namespace volute::compiler
