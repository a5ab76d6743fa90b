#include "compiler/schedule/footprint.h"

#include "compiler/nests/weight_expression.h"

#include <algorithm>
#include <numeric>

namespace volute::compiler {

using namespace ir;

namespace {

constexpr double most_streams = 16;  // that a prefetcher follows, of rows that go on
constexpr double most_followed = 20; // of pieces whose next begins where they end
constexpr int64_t most_beside = 256; // bytes that it brings in beyond the end of a piece

struct Run { // `count` places, `stride` bytes apart
  int64_t count, stride;
};
using Runs = ShortList<Run, 8>;

/// Lines under a product of runs: near ones make blocks, blocks far apart have lines of their own.
/// A row ends where the next is a page or more away.
Footprint::Touched lines_under(Runs runs, int64_t element_bytes, int64_t line_bytes,
                               int64_t page_bytes) {
  std::sort(runs.begin(), runs.end(),
            [](const Run& a, const Run& b) { return a.stride < b.stride; });
  int64_t block = element_bytes;
  double blocks = 1, rows = 1, pieces = 1;
  int64_t beside = 0; // to the next block
  for (const Run& run : runs) {
    if (run.stride <= std::max(block, line_bytes)) {
      block += (run.count - 1) * run.stride;
    } else {
      if (blocks == 1) beside = std::min(run.stride - block, most_beside);
      blocks *= static_cast<double>(run.count);
      if (2 * run.stride > page_bytes) pieces *= static_cast<double>(run.count);
    }
    if (run.stride >= page_bytes && run.count > 1) rows *= static_cast<double>(run.count);
  }
  if (blocks == 1) beside = 0;
  return {{blocks * static_cast<double>(ceil_div(block, line_bytes) * line_bytes), rows, pieces,
           blocks * static_cast<double>(beside / line_bytes * line_bytes)},
          block};
}

} // namespace

Footprint::Footprint(const Nest& nest, const Plan& plan, const Target& target)
    : nest_(nest), plan_(plan), line_bytes_(target.line_bytes), page_bytes_(target.page_bytes) {
  operands_.reserve(plan.reads.size() + nest.writes.size());
  for (const PlannedRead& read : plan.reads) {
    const PackedLayout* packed = plan.packed_layout_of(read.read.operand);
    add(read.read.operand, read.read.index,
        packed ? plan.packed_bytes(nest, read.read.operand)
               : size_of(nest.operands[static_cast<size_t>(read.read.operand)].element),
        packed);
  }
  for (const Write& w : nest.writes)
    add(w.operand, w.index, size_of(nest.operands[static_cast<size_t>(w.operand)].element),
        nullptr);
  if (plan.matrix) {
    const DotForm& dot = *plan.instruction.dot;
    for (size_t i = 0; i < plan.reads.size(); ++i) {
      const int32_t operand = plan.reads[i].read.operand;
      operands_[i].is_image = operand == std::get<Read>(dot.image->is).operand;
      operands_[i].is_weight = operand == read_in_part(dot.weight).operand;
    }
  }
  touched_.reserve(operands_.size() * (plan.loops.size() + 1));
  for (const Operand& operand : operands_) touch(operand);
  bytes_.resize(plan.loops.size() + 1);
  for (size_t i = 0; i < operands_.size(); ++i)
    for (size_t depth = 0; depth < bytes_.size(); ++depth) bytes_[depth] += touched(i, depth).bytes;
}

void Footprint::add(int32_t operand, const Index& index, int64_t element_bytes,
                    const PackedLayout* packed) {
  Operand& added = operands_.emplace_back();
  added.element_bytes = element_bytes, added.packed = packed;
  const View& view = nest_.operands[static_cast<size_t>(operand)];
  if (packed) return;
  for (size_t d = 0; d < index.size(); ++d)
    added.dimensions.push_back(
        {&index[d].at, view.dims[d].extent.number(), view.dims[d].stride.number()});
}

/// Of a loop over an axis that it does not move with, an operand touches no more than one trip
/// does.
void Footprint::touch(const Operand& operand) {
  const size_t first = touched_.size(), loops = plan_.loops.size();
  touched_.resize(first + loops + 1);
  touched_.back() = touched_at(operand, loops);
  for (size_t depth = loops; depth-- > 0;) {
    const bool moved = moves(operand, plan_.loops[depth].axis);
    Touched& here = touched_[first + depth];
    here = moved ? touched_at(operand, depth) : touched_[first + depth + 1];
    here.moves = moved;
  }
}

int64_t Footprint::elements_inside(Var axis, size_t depth) const {
  for (size_t i = depth; i < plan_.loops.size(); ++i)
    if (plan_.loops[i].axis == axis) return plan_.loops[i].extent;
  return std::min(plan_.held(axis), nest_.axis_of(axis).extent.number());
}

Footprint::Touched Footprint::touched_at(const Operand& operand, size_t depth) const {
  Runs runs;
  if (operand.packed) {
    int64_t stride = operand.element_bytes;
    const std::vector<PackedLayout::Dimension>& dims = operand.packed->dimensions;
    for (size_t d = dims.size(); d-- > 0; stride *= dims[d].count)
      if (dims[d].loop < 0 || static_cast<size_t>(dims[d].loop) >= depth)
        runs.push_back({dims[d].count, stride});
    return lines_under(runs, operand.element_bytes, line_bytes_, page_bytes_);
  }
  for (const Dimension& dimension : operand.dimensions) {
    int64_t span = 0, step = 0, points = 1; // of the places that the dimension's axes reach
    for (const Affine::Term& walk : dimension.at->terms()) {
      const int64_t inside = elements_inside(walk.var, depth);
      if (inside == 1) continue;
      const int64_t by = std::abs(walk.coefficient);
      span += by * (inside - 1);
      step = std::gcd(step, by);
      points = points > dimension.extent ? points : points * inside;
    }
    if (step == 0 || dimension.stride == 0) continue;
    const int64_t places = std::min(span, dimension.extent - 1) / step + 1;
    runs.push_back({std::min(places, points), step * dimension.stride * operand.element_bytes});
  }
  return lines_under(runs, operand.element_bytes, line_bytes_, page_bytes_);
}

/// The outermost loop from trip to trip of which what is used again is still there.
size_t Footprint::reused_at(int64_t capacity, Bypass bypass) const {
  const auto taken = [&](size_t depth) {
    double bytes = bytes_[depth];
    for (size_t i = 0; i < operands_.size(); ++i)
      if (passes(operands_[i], bypass)) bytes -= touched(i, depth).bytes;
    return bytes;
  };
  size_t fits = 0; // the outermost depth whose loops touch no more than there is room for
  while (fits < plan_.loops.size() && taken(fits) > static_cast<double>(capacity)) ++fits;
  return fits > 0 ? fits - 1 : 0;
}

/// Into registers, by every step of the matrix unit; of parts of numbers, for every pair. Pairs
/// that follow each other share one factor, but counted so tiles were preferred that measured
/// slower: what comes from L2 in time on the average waits in bursts.
double Footprint::loaded_bytes(size_t operand) const {
  double bytes = touched(operand, plan_.loops.size()).bytes;
  for (const PlanLoop& loop : plan_.loops) bytes *= static_cast<double>(loop.trips());
  return bytes;
}

bool Footprint::moves(const Operand& operand, Var axis) const {
  if (operand.packed)
    return std::any_of(operand.packed->dimensions.begin(), operand.packed->dimensions.end(),
                       [&](const PackedLayout::Dimension& d) { return d.axis == axis; });
  return std::any_of(operand.dimensions.begin(), operand.dimensions.end(),
                     [&](const Dimension& d) { return d.at->depends_on(axis); });
}

/// Does the operand go on, from trip to trip of the loop, in the rows in which it is?
bool Footprint::stays_in_rows(const Operand& operand, Var axis) const {
  return std::any_of(operand.dimensions.begin(), operand.dimensions.end(), [&](const Dimension& d) {
    return d.stride * operand.element_bytes < page_bytes_ && d.at->depends_on(axis);
  });
}

/// Bytes from what one trip of the loop touches to what the next does.
int64_t Footprint::advance(const Operand& operand, const PlanLoop& loop) const {
  int64_t bytes = 0;
  for (const Dimension& d : operand.dimensions)
    bytes += d.stride * std::abs(d.at->coefficient(loop.axis)) * loop.tile * operand.element_bytes;
  return bytes;
}

/// Rows that one pass of the loops from `depth` on brings in: each tile visits its part of a row by
/// itself, for the lines that no tile before it has brought. Where the next tile goes on in the
/// same rows, and they are few, a prefetcher does so too; and a loop further out goes on with them
/// where all that is inside of it is one piece of memory, and its next trip begins at the end.
double Footprint::rows(size_t operand, size_t depth) const {
  const size_t tile = std::max(depth, plan_.first_tap());
  const Touched& of_tile = touched(operand, tile);
  double tiles = 1;
  bool follows = of_tile.rows <= most_streams, innermost = true;
  for (size_t i = tile; i-- > depth;) {
    const PlanLoop& loop = plan_.loops[i];
    if (loop.trips() == 1 || !touched(operand, i).moves) continue;
    follows &= innermost ? stays_in_rows(operands_[operand], loop.axis)
                         : stays_in_rows(operands_[operand], loop.axis) &&
                               advance(operands_[operand], loop) <= touched(operand, i + 1).piece;
    innermost = false;
    if (!follows) tiles *= static_cast<double>(loop.trips());
  }
  const double anew = touched(operand, depth).bytes / (of_tile.bytes * tiles);
  return of_tile.rows * tiles * std::min(1.0, anew);
}

/// The same of pieces: a prefetcher follows where the next tile begins at their ends, and a loop
/// further out goes on at the end of all that is inside of it.
double Footprint::pieces(size_t operand, size_t depth) const {
  const size_t tile = std::max(depth, plan_.first_tap());
  const Touched& of_tile = touched(operand, tile);
  double tiles = 1, followed = 1;
  for (size_t i = depth; i < tile; ++i)
    if (touched(operand, i).moves) tiles *= static_cast<double>(plan_.loops[i].trips());
  const double anew = std::min(1.0, touched(operand, depth).bytes / (of_tile.bytes * tiles));
  bool follows = of_tile.pieces * anew <= most_followed;
  for (size_t i = tile; follows && i-- > depth;) {
    const PlanLoop& loop = plan_.loops[i];
    if (loop.trips() == 1 || !touched(operand, i).moves) continue;
    follows = advance(operands_[operand], loop) <= touched(operand, i + 1).piece;
    if (follows) followed *= static_cast<double>(loop.trips());
  }
  return of_tile.pieces * tiles / followed * anew;
}

Footprint::Traffic Footprint::traffic_at(size_t operand, size_t depth) const {
  Traffic traffic = {touched(operand, depth).bytes, rows(operand, depth), pieces(operand, depth),
                     touched(operand, depth).beside};
  for (size_t i = 0; i < depth; ++i) {
    traffic.bytes *= static_cast<double>(plan_.loops[i].trips());
    traffic.rows *= static_cast<double>(plan_.loops[i].trips());
    traffic.pieces *= static_cast<double>(plan_.loops[i].trips());
    traffic.beside *= static_cast<double>(plan_.loops[i].trips());
  }
  return traffic;
}

std::vector<Footprint::Traffic> Footprint::traffic_of_each(int64_t capacity, Bypass bypass) const {
  const size_t depth = reused_at(capacity, bypass);
  std::vector<Traffic> of_each;
  of_each.reserve(operands_.size());
  for (size_t i = 0; i < operands_.size(); ++i) {
    const bool is_past = passes(operands_[i], bypass);
    of_each.push_back(traffic_at(i, is_past ? plan_.first_tap() : depth));
    if (is_past) of_each.back().bytes = loaded_bytes(i);
  }
  return of_each;
}

Footprint::Traffic Footprint::sum(const std::vector<Traffic>& of_each) {
  Traffic sum;
  for (const Traffic& one : of_each)
    sum.bytes += one.bytes, sum.rows += one.rows, sum.pieces += one.pieces,
        sum.beside += one.beside;
  return sum;
}

Footprint::Traffic Footprint::traffic(int64_t capacity) const {
  return sum(traffic_of_each(capacity));
}

} // namespace volute::compiler
