#include "compiler/nests/place_bands.h"

#include "compiler/nests/band_link.h"
#include "compiler/nests/bands.h"
#include "compiler/nests/parts.h"
#include "compiler/nests/strides.h"
#include "compiler/nests/weight_expression.h"
#include "ir/loops.h"
#include "ir/walk.h"

#include <fmt/format.h>

#include <algorithm>
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
// Rows of parts are made amid the products of the row before: the fewer first rows, the better.
constexpr int64_t enough_bands_of_parts = 7;

size_t at(int32_t index) { return static_cast<size_t>(index); }

std::string name_of(const Nest& nest, Var var) { return nest.vars[at(var.id)]; }

/// Whether an axis is a digit of the one before it.
bool is_further_digit(const Nest& nest, size_t axis) {
  if (axis == 0) return false;
  const NestAxis &before = nest.axes[axis - 1], &here = nest.axes[axis];
  return before.role == here.role && before.reduction == here.reduction &&
         before.digit > here.digit;
}

bool has_parameters(const Nest& nest) { return !nest.parameters.empty(); }

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
  int64_t bytes_of_weight(const Nest& nest) const {
    const int32_t weight = weight_of(nest);
    return weight < 0 ? 0 : bytes(nest.operands[at(weight)].buffer);
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
    if (is_one_algorithm(producer, consumer)) return consider_algorithm(producer, consumer);
    if (!sums(to)) return; // element by element: nothing is read twice
    if (from.kind == NestKind::filter_transform) return; // made when the weight is bound
    if (ends_algorithm(producer)) return refuse("it is computed in bands of its own");
    if (has_parameters(from) || has_parameters(to)) return refuse("its sizes are parameters");
    const int64_t of_from = bytes_of_weight(from), of_to = bytes_of_weight(to);
    if (of_from > 0 && of_to > 0 && (of_from > small_weight || of_to > small_weight))
      return refuse("each would read all its weights again for every band");
    if (of_to > target_.l2_bytes / 2)
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
    if (const auto why = band_obstacle(program_, producer, placement, touching))
      return refuse(*why);
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
      const int64_t wanted = is_overlapped(from, to, rows) ? enough_bands_of_parts : enough_bands;
      // A row has a byte at least, so that more of them than the cache has bytes never fit.
      const int64_t most_rows = std::min(extent, target_.l2_bytes / 2);
      for (int64_t tile = 1; tile <= most_rows; ++tile) {
        if (extent % tile != 0 || !fits(tile, extent / tile)) continue;
        const bool enough = extent / tile * batch >= wanted;
        if (best == 0 || enough || extent * batch < wanted) best = tile;
      }
    }
    if (best == 0)
      return refuse(fmt::format("no number of rows that divides {} fits half of L2 with at most "
                                "{:.0f} % of the rows computed twice",
                                extent, 100 * (limit - 1)));
    placement.tile = best;
    place(producer, consumer, placement);
  }

  /// Whether rows of a stage are made amid the products of its consumer, as well as can be told
  /// before there are schedules: neighbours stay neighbours, each row is read by one row, and that
  /// is two registers of a matrix unit, or four, so that a tile of two by two is a part of it. Of
  /// one step for each sum, or of one tile of channels, there is too little to be amid.
  bool is_overlapped(const Nest& from, const Nest& to, const Link& rows) const {
    if (from.kind != NestKind::stage || !has_parts(to) ||
        !target_.has_tiles_for(ElementType::bf16) || rows.step != 1 || rows.block != 1 ||
        rows.lo != 0 || rows.hi != 0)
      return false;
    const NestAxis* along = nullptr; // the row
    int64_t summed = 1, made = 1;    // channels
    for (const NestAxis& axis : to.axes) {
      if (!axis.reduction && axis.role == AxisRole::space) along = &axis;
      if (axis.role == AxisRole::channel) (axis.reduction ? summed : made) *= axis.extent.number();
    }
    if (!along || std::min(summed, made) <= parts_in_a_step ||
        ceil_div(along->extent.number(), most_tile_rows) % 2 != 0)
      return false;
    return std::any_of(from.axes.begin(), from.axes.end(),
                       [&](const NestAxis& axis) { return lie_beside(from, axis.var); });
  }

  // ---- nests of one algorithm -----------------------------------------------------------------

  /// Transforms, and the products between them, of two nests of which one reads the other: what
  /// a transform makes is read by the next nest of its algorithm, and what a transform reads is the
  /// image, or products of what another one made.
  bool is_one_algorithm(size_t producer, size_t consumer) const {
    const Nest& from = program_.nests[producer];
    if (from.kind == NestKind::transform) return true;
    return program_.nests[consumer].kind == NestKind::transform && from.kind == NestKind::compute &&
           weight_of(from) >= 0 && ends_algorithm(producer);
  }
  /// Whether it reads what a transform made.
  bool ends_algorithm(size_t nest) const {
    const std::vector<size_t> producers = possible_producers(nest);
    return std::any_of(producers.begin(), producers.end(),
                       [&](size_t n) { return program_.nests[n].kind == NestKind::transform; });
  }
  /// The nests of the algorithm that ends with `last`, without that one, the last of them first.
  std::set<size_t, std::greater<>> nests_before(size_t last) const {
    std::set<size_t, std::greater<>> found;
    std::vector<size_t> next = {last};
    while (!next.empty()) {
      const size_t consumer = next.back();
      next.pop_back();
      for (const size_t n : possible_producers(consumer))
        if (is_one_algorithm(n, consumer) && found.insert(n).second) next.push_back(n);
    }
    return found;
  }

  /// What the algorithm that ends with a nest keeps between its nests, of one image.
  int64_t bytes_between(size_t last) const {
    int64_t sum = 0;
    for (const size_t n : nests_before(last)) {
      const Nest& nest = program_.nests[n];
      sum += bytes(nest.operands[at(nest.writes.front().operand)].buffer);
    }
    return sum / std::max<int64_t>(images_of(last), 1);
  }
  int64_t images_of(size_t nest) const { return batch_axis(program_.nests[nest])->extent.number(); }

  /// The filter that its products read, which may be its last nest.
  int64_t bytes_of_filter(size_t last) const {
    std::set<size_t, std::greater<>> nests = nests_before(last);
    nests.insert(last);
    int64_t most = 0;
    for (const size_t n : nests) most = std::max(most, bytes_of_weight(program_.nests[n]));
    return most;
  }

  /// Where there is one image, and every nest of the algorithm walks an axis of space element by
  /// element, its elements can be images of their own, of which each is cut into bands along
  /// another axis: slices of 1x3x3 taps. False, and nothing changed, where there is no such axis.
  bool make_images(size_t last) {
    if (batch_axis(program_.nests[last])->extent != Affine(1)) return false;
    for (const NestAxis& axis : program_.nests[last].axes)
      if (!axis.reduction && axis.role == AxisRole::space && axis.extent.number() > 1) {
        const std::map<size_t, Var> walks = walks_along(last, axis.var);
        if (walks.empty()) continue;
        for (const auto& [nest, var] : walks)
          for (NestAxis& a : program_.nests[nest].axes)
            if (a.var == var) a.role = AxisRole::batch;
        return true;
      }
    return false;
  }

  /// The axis of each nest of an algorithm that goes along one of the last one's, element by
  /// element; none where one of them does not.
  std::map<size_t, Var> walks_along(size_t last, Var axis) const {
    std::map<size_t, Var> found = {{last, axis}};
    for (const size_t n : nests_before(last)) {
      const Nest& from = program_.nests[n];
      const int32_t buffer = from.operands[at(from.writes.front().operand)].buffer;
      const auto reader = std::find_if(found.begin(), found.end(), [&](const auto& walk) {
        return !reads_of(program_.nests[walk.first], buffer).empty();
      });
      if (reader == found.end()) return {};
      const Nest& to = program_.nests[reader->first];
      const auto rows = link(from, to, program_.buffers, to.axis_of(reader->second)).link;
      if (!rows || rows->step != 1 || rows->block != 1 || rows->lo != 0 || rows->hi != 0) return {};
      found[n] = rows->row;
    }
    return found;
  }

  /// Of the last nest of an algorithm, the fewest elements of an axis that can be a band.
  int64_t least_of_band(const Nest& from, const Nest& to, const NestAxis& axis) const {
    const Link rows = *link(from, to, program_.buffers, axis).link;
    return rows.block / std::gcd(rows.block, rows.step);
  }

  /// And how many of them are one; none where bands gain nothing: each reads the filter again, as
  /// far as L2 does not hold that, and without any all that is between the nests goes to memory and
  /// back.
  int64_t rows_of_algorithm(size_t last, const NestAxis& axis, int64_t least) const {
    const int64_t l2 = target_.l2_bytes, extent = axis.extent.number();
    const int64_t between = bytes_between(last), images = images_of(last);
    if (between * images <= l2) return 0;
    const int64_t of_least = std::max<int64_t>(between * least / extent, 1);
    const int64_t rows = std::min(least * std::max<int64_t>(l2 * 3 / 4 / of_least, 1), extent);
    const auto filter = static_cast<double>(bytes_of_filter(last));
    const auto bands = static_cast<double>(images * ceil_div(extent, rows));
    const auto all = static_cast<double>(between * images);
    return cycles_in_bands(target_, filter, bands) <= cycles_in_turn(target_, filter, all) ? rows
                                                                                           : 0;
  }

  /// Its nests go together.
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
      if (to.kind == NestKind::transform || from.kind != NestKind::transform || !axis ||
          !batch_axis(to))
        return;
      if (const Linked linked = link(from, to, program_.buffers, *axis); !linked.link)
        return refuse(linked.why);
      const int64_t least = least_of_band(from, to, *axis);
      if (bytes_between(consumer) * least / axis->extent.number() > target_.l2_bytes &&
          make_images(consumer))
        if (const NestAxis* other = band_axis_of(to);
            other && link(from, to, program_.buffers, *other).link)
          axis = other;
      placement.axis = axis->var;
      placement.tile = rows_of_algorithm(consumer, *axis, least_of_band(from, to, *axis));
      if (placement.tile == 0 && bytes_between(consumer) * images_of(consumer) <= target_.l2_bytes)
        return refuse(fmt::format("all that is between the nests of {} are {}, which L2 holds",
                                  to.name, size_text(bytes_between(consumer))));
      if (placement.tile == 0)
        return refuse(fmt::format("all that is between the nests of {} are {}, and a filter of {} "
                                  "would be read for every band",
                                  to.name, size_text(bytes_between(consumer)),
                                  size_text(bytes_of_filter(consumer))));
    }
    if (const auto why = band_obstacle(program_, producer, placement, touching))
      return refuse(*why);
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

// Bytes a cycle of a filter on its way to products, which hide a part of it, from L3 and from
// beyond; and of what is between nests, one of which computes little. Measured on Zen 4 with
// Winograd's algorithm, filters of 1 to 113 MB and 3 to 40 MB between, where L3 gives a core 16 or
// more a cycle; where it gives less, the filter comes so much slower.
constexpr double filter_from_l3 = 50, filter_from_memory = 18, between_nests = 6;

double cycles_of_filter(const Target& target, double filter) {
  const bool is_in_l3 = filter <= 0.7 * static_cast<double>(target.l3_bytes);
  constexpr double usual = 16; // bytes a cycle
  return filter / (is_in_l3 ? filter_from_l3 * std::min(1.0, target.l3_bytes_per_cycle / usual)
                            : filter_from_memory);
}

} // namespace

double cycles_in_bands(const Target& target, double filter, double bands) {
  return filter <= 0.75 * static_cast<double>(target.l2_bytes)
             ? 0
             : bands * cycles_of_filter(target, filter);
}

double cycles_in_turn(const Target& target, double filter, double between) {
  return cycles_of_filter(target, filter) + 2 * between / between_nests;
}

NestProgram place_bands(NestProgram program, const Target& target, std::vector<std::string>& whys) {
  return Placer(std::move(program), target, whys).run();
}

} // namespace volute::compiler
