#include "compiler/nests/bands.h"

#include "compiler/nests/unused_name.h"
#include "ir/walk.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <map>
#include <numeric>
#include <set>

namespace volute::compiler {

using namespace ir;

namespace {

/// Small sizes to the byte, so that two which differ read so.
std::string size_text(int64_t bytes) {
  return bytes < 10 * 1024 ? fmt::format("{} bytes", bytes)
                           : fmt::format("{} KiB", (bytes + 1023) / 1024);
}

// Rows computed twice: at most a third more than there are of a convolution's, twice as many of a
// copy's or a conversion's.
constexpr double most_recomputed_sums = 1.34, most_recomputed_copies = 2.0;
constexpr int64_t small_weight = 2048; // bytes that are in L1 whatever else is
constexpr int64_t enough_bands = 8;    // to share among threads

size_t at(int32_t index) { return static_cast<size_t>(index); }

std::vector<Read> reads_of(const Nest& nest, int32_t buffer) {
  std::vector<Read> reads;
  visit(nest, [&](const ExprNode& node) {
    const auto* read = std::get_if<Read>(&node.is);
    if (read && nest.operands[at(read->operand)].buffer == buffer) reads.push_back(*read);
  });
  return reads;
}

bool touches(const Nest& nest, int32_t buffer) {
  return std::any_of(nest.operands.begin(), nest.operands.end(),
                     [&](const View& view) { return view.buffer == buffer; });
}

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

/// Whether an axis is a digit of the one before it.
bool is_further_digit(const Nest& nest, size_t axis) {
  if (axis == 0) return false;
  const NestAxis &before = nest.axes[axis - 1], &here = nest.axes[axis];
  return before.role == here.role && before.reduction == here.reduction &&
         before.digit > here.digit;
}

const NestAxis* first_of(const Nest& nest, AxisRole role) {
  for (const NestAxis& axis : nest.axes)
    if (axis.role == role && !axis.reduction) return &axis;
  return nullptr;
}

/// How a consumer's rows follow from a producer's: the dimension of what passes between them along
/// which bands are cut, and the rows that one element of the consumer's axis reaches.
struct Link {
  int32_t buffer = -1;
  size_t dim = 0;         // of the rows, in the buffer's view
  Var row;                // the producer's axis along it
  Var consumer_axis;      // the consumer's
  int64_t block = 1;      // rows that one element of it is written to, one after the other
  int64_t rows = 0;       // of the buffer
  int64_t step = 1;       // rows from one element of the consumer's axis to the next
  int64_t lo = 0, hi = 0; // rows that element 0 reads, first and last
};

/// Whether all that it writes goes to one place, or to one an element along dimensions that are
/// constants.
bool writes_one_result(const Nest& nest) {
  const Write& first = nest.writes.front();
  return std::all_of(nest.writes.begin(), nest.writes.end(), [&](const Write& write) {
    bool alike = write.operand == first.operand && !write.offset;
    for (size_t d = 0; alike && d < write.index.size(); ++d)
      alike = write.index[d] == first.index[d] ||
              (write.index[d].at.is_constant() && first.index[d].at.is_constant());
    return alike;
  });
}

/// The link, or why there is none. `consumer` may be banded already: then `band` is its band axis.
struct Linked {
  std::optional<Link> link;
  std::string why;
};

Linked link(const Nest& producer, const Nest& consumer, const std::vector<Buffer>& buffers,
            const NestAxis& axis) {
  const auto no = [](std::string why) { return Linked{std::nullopt, std::move(why)}; };
  if (!writes_one_result(producer)) return no("it writes more than one result, or scatters it");
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

/// The first block of rows that the first band reads, and how many a band does.
int64_t first_block(const Link& link) { return -ceil_div(-link.lo, link.block); }
int64_t blocks_of_band(const Link& link, int64_t tile) {
  return -ceil_div(-(link.step * (tile - 1) + link.hi), link.block) - first_block(link) + 1;
}
int64_t rows_of_band(const Link& link, int64_t tile) {
  return blocks_of_band(link, tile) * link.block;
}

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

const NestAxis* batch_axis(const Nest& nest) { return first_of(nest, AxisRole::batch); }
const NestAxis* band_axis(const Nest& nest) { return first_of(nest, AxisRole::band); }

bool is_shared(const Nest& nest, const NestAxis& axis) {
  const NestAxis *batch = batch_axis(nest), *band = band_axis(nest);
  return band && (axis.var == band->var || (batch && axis.var == batch->var));
}

namespace {

/// The nests that have to do with a buffer, in order.
using Touching = std::function<std::vector<size_t>(int32_t buffer)>;

std::optional<std::string> obstacle(const NestProgram& program, size_t producer,
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

} // namespace

std::optional<std::string> band_obstacle(const NestProgram& program, size_t producer,
                                         const Placement& placement) {
  return obstacle(program, producer, placement, [&](int32_t buffer) {
    std::vector<size_t> touching;
    for (size_t n = 0; n < program.nests.size(); ++n)
      if (touches(program.nests[n], buffer)) touching.push_back(n);
    return touching;
  });
}

namespace {

class Placer {
public:
  Placer(NestProgram program, const Target& target, std::vector<std::string>& whys)
      : program_(std::move(program)), target_(target), whys_(whys) {}

  NestProgram run() {
    find_touching();
    for (size_t consumer = program_.nests.size(); consumer-- > 0;)
      for (const size_t producer : possible_producers(consumer))
        if (is_inside(producer, consumer))
          place(producer, consumer, *program_.nests[producer].placement);
        else if (feeds(producer, consumer))
          consider(producer, consumer);
    return std::move(program_);
  }

private:
  static bool sums(const Nest& nest) {
    return std::any_of(nest.axes.begin(), nest.axes.end(), [](const NestAxis& axis) {
      return axis.reduction && axis.extent.number() > 1;
    });
  }

  void find_touching() {
    touching_.resize(program_.buffers.size());
    for (size_t n = 0; n < program_.nests.size(); ++n)
      for (const View& view : program_.nests[n].operands) {
        std::vector<size_t>& nests = touching_[at(view.buffer)];
        if (nests.empty() || nests.back() != n) nests.push_back(n);
      }
  }

  /// Nests before this one that write an intermediate which it has to do with, the last one first.
  std::vector<size_t> possible_producers(size_t consumer) const {
    std::set<size_t, std::greater<>> nests;
    for (const View& view : program_.nests[consumer].operands) {
      if (program_.buffers[at(view.buffer)].role != Buffer::Role::intermediate) continue;
      for (const size_t n : touching_[at(view.buffer)])
        if (n < consumer && writes(program_.nests[n], view.buffer)) nests.insert(n);
    }
    return {nests.begin(), nests.end()};
  }

  static bool writes(const Nest& nest, int32_t buffer) {
    return std::any_of(nest.writes.begin(), nest.writes.end(), [&](const Write& write) {
      return nest.operands[at(write.operand)].buffer == buffer;
    });
  }

  /// It came with that place.
  bool is_inside(size_t producer, size_t consumer) const {
    const std::optional<Placement>& placement = program_.nests[producer].placement;
    return placement && at(placement->consumer) == consumer;
  }

  bool feeds(size_t producer, size_t consumer) const {
    const Nest& from = program_.nests[producer];
    if (from.placement || (from.writes.size() != 1 && !writes_one_result(from))) return false;
    const int32_t buffer = from.operands[at(from.writes.front().operand)].buffer;
    return program_.buffers[at(buffer)].role == Buffer::Role::intermediate &&
           !reads_of(program_.nests[consumer], buffer).empty();
  }

  int64_t bytes(int32_t buffer) const {
    const Buffer& b = program_.buffers[at(buffer)];
    return b.elements * size_of(b.element);
  }

  /// The outermost axis of space, if another one is left to be walked in vectors.
  const NestAxis* band_axis_of(const Nest& nest) const {
    const NestAxis* first = nullptr;
    for (size_t i = 0; i < nest.axes.size(); ++i) {
      const NestAxis& axis = nest.axes[i];
      if (axis.reduction || axis.role != AxisRole::space || is_further_digit(nest, i)) continue;
      if (first) return first;
      if (axis.extent.number() > 1) first = &axis;
    }
    return nullptr;
  }

  void consider(size_t producer, size_t consumer) {
    const Nest& from = program_.nests[producer];
    const Nest& to = program_.nests[consumer];
    const auto refuse = [&](const std::string& why) {
      whys_.push_back(
          fmt::format("{} is not computed in bands inside {}: {}", from.name, to.name, why));
    };
    if (is_one_algorithm(from, to)) return consider_algorithm(producer, consumer);
    if (!sums(to)) return; // element by element: nothing is read twice
    if (from.kind == NestKind::filter_transform) return; // made when the weight is bound
    if (ends_algorithm(from)) return refuse("it is computed in bands of its own");
    if (has_parameters(from) || has_parameters(to)) return refuse("its sizes are parameters");
    const auto is_large = [&](const Nest& nest) {
      return nest.weight >= 0 && bytes(nest.operands[at(nest.weight)].buffer) > small_weight;
    };
    if (from.weight >= 0 && to.weight >= 0 && (is_large(from) || is_large(to)))
      return refuse("each would read all its weights again for every band");
    if (to.weight >= 0 && bytes(to.operands[at(to.weight)].buffer) > target_.l2_bytes / 2)
      return refuse("its weights would be read again for every band, and are more than half of L2");
    // A nest that is cut already has its bands; what feeds it follows.
    const auto cut_already = cuts_.find(consumer);
    const NestAxis* axis =
        cut_already == cuts_.end() ? band_axis_of(to) : to.axis(cut_already->second.axis);
    if (!axis || !batch_axis(to))
      return refuse("it has no axis to cut but one that vectors run along");
    Placement placement{static_cast<int32_t>(consumer), axis->var,
                        cut_already == cuts_.end() ? 1 : cut_already->second.tile};
    const auto touching = [&](int32_t buffer) { return touching_[at(buffer)]; };
    if (const auto why = obstacle(program_, producer, placement, touching)) return refuse(*why);
    const Link rows = *link(from, to, program_.buffers, *axis).link;
    const int64_t extent = axis->extent.number(), batch = batch_axis(to)->extent.number();
    const double limit = sums(from) ? most_recomputed_sums : most_recomputed_copies;
    const int64_t row_bytes = bytes_of_row(rows, to);
    const auto fits = [&](int64_t tile, int64_t bands) {
      const int64_t height = rows_of_band(rows, tile);
      return height * row_bytes <= target_.l2_bytes / 2 &&
             static_cast<double>(height * bands) <= limit * static_cast<double>(rows.rows);
    };
    int64_t best = 0;
    if (cut_already != cuts_.end()) {
      const Cut& cut = cut_already->second;
      if (fits(cut.tile, cut.bands)) best = cut.tile;
    } else {
      // A row has a byte at least, so that more of them than the cache has bytes never fit.
      const int64_t most_rows = std::min(extent, target_.l2_bytes / 2);
      for (int64_t tile = 1; tile <= most_rows; ++tile) {
        if (extent % tile != 0 || !fits(tile, extent / tile)) continue;
        const bool enough = extent / tile * batch >= enough_bands;
        if (best == 0 || enough || extent * batch < enough_bands) best = tile;
      }
    }
    if (best == 0)
      return refuse(fmt::format("no number of rows that divides {} fits half of L2 with at most "
                                "{:.0f} % of the rows computed twice",
                                extent, 100 * (limit - 1)));
    placement.tile = best;
    place(producer, consumer, placement);
  }

  // ---- nests of one algorithm -----------------------------------------------------------------

  /// Transforms, and what is between them.
  static bool is_one_algorithm(const Nest& from, const Nest& to) {
    return (from.kind == NestKind::transform || to.kind == NestKind::transform) &&
           !from.statements.empty() && !to.statements.empty() &&
           from.statements.front() == to.statements.front();
  }
  bool ends_algorithm(const Nest& nest) const {
    return std::any_of(program_.nests.begin(), program_.nests.end(), [&](const Nest& other) {
      return &other != &nest && is_one_algorithm(other, nest);
    });
  }

  /// What the algorithm that ends with a nest keeps between its nests, of one image.
  int64_t bytes_between(const Nest& last) const {
    int64_t sum = 0;
    for (const Nest& nest : program_.nests)
      if (&nest != &last && !nest.statements.empty() && nest.kind != NestKind::filter_transform &&
          nest.statements.front() == last.statements.front())
        sum += bytes(nest.operands[at(nest.writes.front().operand)].buffer);
    return sum / std::max<int64_t>(batch_axis(last)->extent.number(), 1);
  }

  /// Its nests go together, over bands of which all that is between them fits L2; where all of it
  /// does, nothing is gained.
  void consider_algorithm(size_t producer, size_t consumer) {
    const Nest& from = program_.nests[producer];
    const Nest& to = program_.nests[consumer];
    const auto refuse = [&](const std::string& why) {
      whys_.push_back(
          fmt::format("{} is not computed in bands inside {}: {}", from.name, to.name, why));
    };
    const auto touching = [&](int32_t buffer) { return touching_[at(buffer)]; };
    Placement placement{static_cast<int32_t>(consumer), {}, 1};
    if (const auto cut = cuts_.find(consumer); cut != cuts_.end()) {
      placement.axis = cut->second.axis, placement.tile = cut->second.tile;
    } else {
      const NestAxis* axis = band_axis_of(to);
      if (from.kind != NestKind::transform || !axis || !batch_axis(to)) return;
      const int64_t between = bytes_between(to);
      if (between <= target_.l2_bytes) {
        if (to.kind != NestKind::transform && from.kind == NestKind::transform)
          refuse(fmt::format("all that is between the nests of {} are {}, which L2 holds", to.name,
                             size_text(between)));
        return;
      }
      const Linked linked = link(from, to, program_.buffers, *axis);
      if (!linked.link) return refuse(linked.why);
      placement.axis = axis->var;
      const int64_t least = linked.link->block / std::gcd(linked.link->block, linked.link->step);
      const int64_t a_band = std::max<int64_t>(between * least / axis->extent.number(), 1);
      placement.tile = std::min(least * std::max<int64_t>(target_.l2_bytes * 3 / 4 / a_band, 1),
                                axis->extent.number());
    }
    if (const auto why = obstacle(program_, producer, placement, touching)) return refuse(*why);
    place(producer, consumer, placement);
  }

  void place(size_t producer, size_t consumer, const Placement& placement) {
    const Nest& from = program_.nests[producer];
    const Nest& to = program_.nests[consumer];
    const NestAxis& axis = to.axis_of(placement.axis);
    const Link rows = *link(from, to, program_.buffers, axis).link;
    const int64_t row_bytes = bytes_of_row(rows, to);
    const int64_t height = rows_of_band(rows, placement.tile);
    const auto cut = cuts_.find(consumer);
    const int64_t bands =
        cut != cuts_.end() ? cut->second.bands : ceil_div(axis.extent.number(), placement.tile);
    const std::string where =
        fmt::format("{} is computed inside {}, {} rows for every {} of {}", from.name, to.name,
                    height, placement.tile, name_of(to, axis.var));
    const int64_t scratch = height * row_bytes, memory = bytes(rows.buffer);
    whys_.push_back(scratch < memory
                        ? fmt::format("{}: {} of scratch in place of {} of memory", where,
                                      size_text(scratch), size_text(memory))
                        : fmt::format("{}: its {} are scratch of a thread, and no memory of a call",
                                      where, size_text(memory)));
    cuts_[consumer] = {placement.axis, placement.tile, bands};
    cuts_[producer] = {rows.row, blocks_of_band(rows, placement.tile), bands};
    program_.nests[producer].placement = placement;
  }

  int64_t bytes_of_row(const Link& rows, const Nest& consumer) const {
    const int64_t images = batch_axis(consumer)->extent.number();
    return bytes(rows.buffer) / std::max<int64_t>(rows.rows * images, 1);
  }

  struct Cut {
    Var axis;
    int64_t tile, bands;
  };

  std::map<size_t, Cut> cuts_;                // by nest
  std::vector<std::vector<size_t>> touching_; // nests, by buffer
  NestProgram program_;
  const Target& target_;
  std::vector<std::string>& whys_;
};

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
    const std::vector<Dim> dims = contiguous(extents);
    Buffer& buffer = result_.buffers[at(rows.buffer)];
    buffer.role = Buffer::Role::scratch;
    buffer.elements = 1;
    for (int64_t extent : extents) buffer.elements *= extent;
    buffer.scratch_offset = result_.scratch_bytes;
    result_.scratch_bytes += (buffer.elements * size_of(buffer.element) + 63) / 64 * 64;

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

NestProgram place_bands(NestProgram program, const Target& target, std::vector<std::string>& whys) {
  return Placer(std::move(program), target, whys).run();
}

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
