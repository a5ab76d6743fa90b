#include "compiler/schedule/cost_model.h"

#include "compiler/nests/borders.h"
#include "compiler/nests/expand_math.h"
#include "compiler/nests/facts.h"
#include "compiler/nests/parts.h"
#include "compiler/nests/strides.h"
#include "compiler/schedule/footprint.h"
#include "compiler/schedule/matrix_cost.h"
#include "compiler/schedule/operations.h"
#include "compiler/schedule/tile_sizes.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <span>

namespace volute::compiler {

using namespace ir;

namespace {

// Costs that the target does not state, in cycles; measured once on AVX-512 machines.
constexpr double loop_iteration = 0.5; // counter, pointers, branch, beside a full back end
constexpr double loop_exit = 8.0;      // its mispredicted branch
constexpr double tile_overhead = 7.0;
constexpr double misaligned_load = 1.7; // of a vector as long as a line: each crosses two
constexpr double row_request = 4.0, row_miss = 50.0; // from L3, asked for or not
constexpr double piece_miss = 6.5;                   // less than a page from the one before
constexpr int64_t long_epilogue = 8;                 // operations
constexpr double epilogue_registers = 20, spill = 6.0;
constexpr double insertion = 1.5; // of a lane that is gathered, beside its load
constexpr double near_row = 4.0;  // from L2
constexpr double issue_width = 6.0;
constexpr double shuffle = 2.0;          // of a vector
constexpr double transposing = 1.0;      // of its shuffles, what is not hidden
constexpr double reorder_window = 512.0; // instructions that run ahead of one that waits
constexpr double not_hidden = 0.06;      // of the term that comes next to the worst
constexpr double lane_store = 4.0;
constexpr double evicted_load = 3.0; // of a line that is met again, from L2
constexpr double l2_bytes_per_cycle = 32.0;
constexpr double waited_for = 0.2;     // of the cycles in which bytes come from L3, however few
constexpr double most_streams = 10;    // that prefetchers follow: of more rows, each waits as often
constexpr double brought_beside = 0.5; // of the lines behind pieces of rows
constexpr double usable = 0.9;         // of a cache, by one kernel's operands
constexpr size_t most_terms = 16;      // that a cost has, about

class Model {
public:
  Model(const Nest& nest, const Plan& plan, const Target& target)
      : nest_(nest), plan_(plan), target_(target), lanes_(plan.lanes),
        vector_bytes_(std::max<int64_t>(plan.lanes, 1) * widest_in_registers(nest)),
        rates_(target.rates(vector_bytes_)) {
    cost_.terms.reserve(most_terms);
    if (plan.matrix) matrix_.emplace(nest, plan, target);
    int64_t cuts = 0;
    std::set<const ExprNode*> seen; // what several results have in common is computed once
    for (const Write& w : nest.writes)
      visit(w.value, [&](const ExprNode& node) {
        if (!seen.insert(&node).second) return;
        write_operations_ += operations(node);
        const auto* op = std::get_if<UnaryOp>(&node.is);
        roundings_ += op && op->fn == UnaryFn::flushed;
        cuts += op && op->fn == UnaryFn::cut;
      });
    // A vector of two registers, whose results have half the width: theirs is one.
    const double registers = std::max(1.0, static_cast<double>(vector_bytes_) /
                                               static_cast<double>(target.vector_bytes));
    rates_.fma /= registers, rates_.load /= registers;
    if (registers > 1) write_operations_ -= cuts * (of_a_rounding - 1); // one shuffle
    rates_.store /= has_narrow_results(nest) ? std::max(1.0, registers / 2) : registers;
    instructions_per_cycle_ = rates_.fma;
    if (nest.accumulators.empty())
      for (const Write& w : nest.writes) note_operations(w.value);
    for (const Accumulator& a : nest.accumulators) note_operations(a.update);
    for (const NestAxis& axis : nest.axes)
      if (axis.reduction)
        steps_ *= static_cast<double>(plan.across && is_vector(axis.var)
                                          ? ceil_div(axis.extent.number(), lanes_)
                                          : axis.extent.number());
    if (plan.instruction.kind != Instruction::Kind::combine) { // one instruction a group
      ways_ = int64_t{plan.instruction.ways} * plan.instruction.steps;
      steps_ = 1;
      for (const NestAxis& axis : nest.axes)
        if (axis.reduction)
          steps_ *= static_cast<double>(axis.var == plan.loops.back().axis
                                            ? ceil_div(axis.extent.number(), ways_)
                                            : axis.extent.number());
      operations_ = {{~uint32_t{0}, 1, PlannedRead::Sliding::none}};
      instructions_per_cycle_ = target.dots_per_cycle(size_of(plan.instruction.dot->image->type)) *
                                rates_.fma / target.fma_per_cycle; // of short vectors more
    }
    steps_ *= share_of_parts(nest);
    if (plan.slide) taps_ = plan.slide->taps, steps_ /= static_cast<double>(taps_); // all in a step
  }

  Cost total() {
    double tiles_elsewhere = 1;
    for (const NestAxis& axis : nest_.axes)
      if (!axis.reduction && !in_tile(axis.var))
        tiles_elsewhere *= static_cast<double>(axis.extent.number());
    const std::vector<TileSizes> sizes = tile_sizes(nest_, plan_);
    double all_steps = 0;
    for (const TileSizes& size : sizes) all_steps += tiles_elsewhere * size.tiles * steps_;
    const Footprint footprint(nest_, plan_, target_);
    // What a cache holds all of is there from the call before, or from who made it.
    const bool in_l1 = footprint.bytes(0) <= static_cast<double>(room(target_.l1_bytes));
    const bool in_l2 = footprint.bytes(0) <= static_cast<double>(room(target_.l2_bytes));
    std::vector<Footprint::Traffic> near, far; // from L2 and from L3, of each operand
    if (!in_l1) {
      const int64_t l1 = room(target_.l1_bytes);
      near = matrix_ ? matrix_->from_l2(footprint, l1) : footprint.traffic_of_each(l1);
      l2_cycles_ = Footprint::sum(near).bytes / l2_bytes_per_cycle;
    }
    if (!in_l2) {
      far = footprint.traffic_of_each(room(target_.l2_bytes));
      const Footprint::Traffic all = Footprint::sum(far);
      l3_cycles_ = (all.bytes + brought_beside * all.beside) / target_.l3_bytes_per_cycle;
    }
    l2_cycles_a_step_ = l2_cycles_ / all_steps;
    l3_cycles_a_step_ = l3_cycles_ / all_steps;
    for (const TileSizes& size : sizes) add_tiles(size, tiles_elsewhere * size.tiles);
    if (matrix_) add("tiles", matrix_->start_cycles());
    add("borders", border_cycles());
    add("sums", partial_sum_cycles());
    add("waited", waited_for * l3_cycles_ * std::max(1.0, rows_at_a_time() / rows_foreseen()));
    add("rows", row_requests(near, far));
    for (const char* besides : {"tiles", "loops", "stores", "borders", "sums", "waited", "rows"})
      cost_.cycles += cost_.term(besides);
    const double elements = static_cast<double>(nest_.points()) * share_of_parts(nest_);
    int64_t asked = 0;
    for (const Accumulator& a : nest_.accumulators) // conversions are the machine's affair
      asked += operations(a.update, Conversions::left_out);
    if (ways_ > 1) asked = 1;
    if (nest_.accumulators.empty()) asked = write_operations_;
    const double ideal =
        plan_.matrix ? elements / target_.products_per_cycle(plan_.instruction.dot->image->type)
                     : elements * std::max<double>(1, static_cast<double>(asked)) /
                           (static_cast<double>(target_.lanes(widest_in_registers(nest_))) *
                            target_.fma_per_cycle);
    cost_.efficiency = cost_.cycles > 0 ? ideal / cost_.cycles : 0;
    cost_.cycles *= plan_.density;
    for (CostTerm& term : cost_.terms) term.cycles *= plan_.density;
    return std::move(cost_);
  }

private:
  static int64_t room(int64_t bytes) {
    return static_cast<int64_t>(usable * static_cast<double>(bytes));
  }

  void add(std::string_view name, double cycles) {
    for (CostTerm& term : cost_.terms)
      if (term.name == name) {
        term.cycles += cycles;
        return;
      }
    cost_.terms.push_back({name, cycles});
  }

  /// The operations of an expression by the axes of the tile that they move with: the widening of
  /// an element that serves several registers is done once. Of a packed weight it is done already.
  void note_operations(const Expr& e) {
    using Sliding = PlannedRead::Sliding;
    struct Part {
      uint32_t moves = 0;
      std::optional<Sliding> sliding; // of all that it reads
    };
    std::map<const ExprNode*, Part> parts;
    const auto part_of = [&](const auto& self, const Expr& at) -> Part {
      const auto [entry, is_new] = parts.try_emplace(at.get());
      if (!is_new) return entry->second;
      Part all;
      bool packed = !plan_.packed.empty() && plan_.instruction.kind == Instruction::Kind::combine;
      bool reads = false;
      if (std::holds_alternative<Acc>(at->is) || std::holds_alternative<Position>(at->is)) {
        all = {~uint32_t{0}, Sliding::none}, packed = false;
      } else if (const auto* read = std::get_if<Read>(&at->is)) {
        reads = true;
        packed &= plan_.packed_layout_of(read->operand) != nullptr;
        for (size_t i = 0; i < plan_.tile.size(); ++i)
          for (const Subscript& s : read->index)
            if (s.at.depends_on(plan_.tile[i].axis)) all.moves |= uint32_t{1} << i;
        all.sliding = sliding_of(*read);
      }
      for (const Expr& child : children(at)) {
        const Part part = self(self, child);
        all.moves |= part.moves;
        if (!all.sliding) all.sliding = part.sliding;
        if (part.sliding && part.sliding != all.sliding) all.sliding = Sliding::none;
        if (const auto found = only_packed_.find(child.get()); found != only_packed_.end())
          reads = true;
        else if (!std::holds_alternative<Imm>(child->is))
          packed = false;
      }
      if (packed && reads) only_packed_.insert(at.get());
      if (const int64_t count = operations(*at); count > 0 && !(packed && reads))
        operations_.push_back({all.moves, count, all.sliding.value_or(Sliding::none)});
      return parts[at.get()] = all;
    };
    part_of(part_of, e);
  }

  PlannedRead::Sliding sliding_of(const Read& read) const {
    for (const PlannedRead& planned : plan_.reads)
      if (planned.read.operand == read.operand && planned.read.index == read.index)
        return planned.sliding;
    return PlannedRead::Sliding::none;
  }

  bool in_tile(Var axis) const {
    return std::any_of(plan_.tile.begin(), plan_.tile.end(),
                       [&](const PlanTile& t) { return t.axis == axis; });
  }
  bool is_vector(Var axis) const { return plan_.vector && plan_.tile[*plan_.vector].axis == axis; }

  /// Of a dot product: whether the last group has fewer elements where it lies.
  bool has_partial_group(const PlannedRead& read) const {
    if (ways_ == 1) return false;
    const Var axis = plan_.loops.back().axis;
    const int64_t whole = ceil_div(nest_.axis_of(axis).extent.number(), ways_) * ways_;
    const View& view = nest_.operands[static_cast<size_t>(read.read.operand)];
    for (size_t d = 0; d < read.read.index.size(); ++d)
      if (read.read.index[d].at.depends_on(axis) && view.dims[d].extent.number() < whole)
        return true;
    return false;
  }

  /// Where taps slide, a step is all of them: what it reads once a row, and once a tap.
  double times_a_step(const PlannedRead& read, const TileSizes& size) const {
    if (read.sliding == PlannedRead::Sliding::none) return 1;
    if (read.sliding == PlannedRead::Sliding::taps) return static_cast<double>(taps_);
    return static_cast<double>(plan_.slide->rows(size.registers[plan_.slide->tile]));
  }

  /// Cycles of one step of one tile; its terms are added for `steps` of them.
  double step_cycles(const TileSizes& size, double steps) {
    if (matrix_)
      return worst_of(
          matrix_->step(size, l2_cycles_a_step_ * l2_bytes_per_cycle, l3_cycles_a_step_), steps);
    double loads = 0, extra = 0;
    for (const PlannedRead& read : plan_.reads) {
      const double count = size.registers_along(read.moves) * times_a_step(read, size);
      switch (read.arrival) {
      case Arrival::broadcast:
      case Arrival::loaded:
        loads += count * aliasing(read, size) * (is_misaligned(read) ? misaligned_load : 1);
        if (read.arrival == Arrival::broadcast && has_partial_group(read)) // put together
          extra += count * static_cast<double>(ways_) * insertion;
        break;
      case Arrival::deinterleaved: // neighbouring vectors, shuffled
        loads += count * static_cast<double>(read.lane_stride) *
                 (is_misaligned(read) ? misaligned_load : 1);
        extra += count * static_cast<double>(read.lane_stride - 1) * shuffle;
        break;
      case Arrival::gathered: // a load and an insert for each lane
        loads += count * static_cast<double>(lanes_);
        extra += count * static_cast<double>(lanes_) * insertion;
        break;
      }
    }
    double arithmetic = 0, chain = 0;
    for (const auto& [moves, count, sliding] : operations_) {
      double times = size.registers_along(moves) * static_cast<double>(taps_);
      if (sliding == PlannedRead::Sliding::rows) // once for each, whatever it meets
        times *= static_cast<double>(plan_.slide->rows(size.registers[plan_.slide->tile])) /
                 static_cast<double>(taps_ * size.registers[plan_.slide->tile]);
      arithmetic += times * static_cast<double>(count);
      if (moves == ~uint32_t{0}) chain += static_cast<double>(target_.fma_latency * count * taps_);
    }
    if (nest_.accumulators.empty()) chain = 0;
    // Tiles whose sums are short wait beside each other.
    const double instructions = (arithmetic + loads) * steps_;
    chain /= std::max(1.0, reorder_window / std::max(1.0, instructions));
    return worst_of(
        std::array<CostTerm, 6>{{{"FMA", arithmetic / instructions_per_cycle_ + extra},
                                 {"loads", loads / rates_.load},
                                 {"latency", chain},
                                 {"L2", l2_cycles_a_step_},
                                 {"L3", l3_cycles_a_step_},
                                 {"issue", (arithmetic + loads + extra + 3) / issue_width}}},
        steps);
  }

  /// What is done beside each other takes as long as the longest, and a little more.
  double worst_of(std::span<const CostTerm> terms, double steps) {
    const auto worst =
        std::max_element(terms.begin(), terms.end(),
                         [](const CostTerm& a, const CostTerm& b) { return a.cycles < b.cycles; });
    if (cost_.bound.empty()) cost_.bound = worst->name;
    // Terms close to the worst get in its way: a tenth of the runner-up is not hidden.
    double second = 0;
    for (const CostTerm& t : terms) {
      if (&t != &*worst) second = std::max(second, t.cycles);
      add(t.name, steps * t.cycles);
    }
    return worst->cycles + not_hidden * second;
  }

  /// Vectors of an operand whose rows, or taps, do not start at multiples of a vector.
  bool is_misaligned(const PlannedRead& read) const {
    if (read.lane_stride == 0 || read.is_packed || vector_bytes_ < target_.line_bytes) return false;
    for (const NestAxis& axis : nest_.axes)
      if (!is_vector(axis.var) && axis.extent.number() > 1 && stride(read, axis.var) % lanes_ != 0)
        return true;
    return false;
  }

  /// Streams whose addresses agree modulo 4 KiB, or some part of it, evict each other from L1 where
  /// they are more than the ways of the sets that they fall into.
  double aliasing(const PlannedRead& read, const TileSizes& size) const {
    if (read.is_packed) return 1;
    const int64_t ways = std::max<int64_t>(target_.l1_bytes / target_.page_bytes, 1);
    for (size_t i = 0; i < plan_.tile.size(); ++i) {
      const int64_t bytes = stride(read, plan_.tile[i].axis) * element_bytes(read.read.operand);
      if (i == plan_.vector || bytes == 0) continue;
      const int64_t apart = std::gcd(std::abs(bytes), int64_t{target_.page_bytes});
      if (apart > target_.line_bytes && size.registers[i] > ways * (target_.page_bytes / apart))
        return evicted_load;
    }
    return 1;
  }

  int64_t stride(const PlannedRead& read, Var axis) const {
    return stride_along(nest_, read.read.operand, read.read.index, axis);
  }

  void add_tiles(const TileSizes& size, double tiles) {
    const double all = size.all();
    const double steps = steps_ * step_cycles(size, tiles * steps_);
    cost_.cycles += tiles * steps;
    double ends = tile_overhead;
    if (matrix_) {
      add("loops", tiles * loops_cycles());
      add("tiles", tiles * ends);
      const VectorEnd end = {write_operations_, roundings_, rates_.fma, placing_cycles()};
      return add("stores", tiles * matrix_->end_cycles(size, steps, end));
    }
    if (!nest_.accumulators.empty()) {
      ends += all; // initial values
      const double stored = stored_registers(size, all);
      ends += stored * static_cast<double>(write_operations_) / rates_.fma;
      // Functions of what is summed up have values of their own, which put accumulators into
      // memory. What a stage makes of an element is done with it before the next.
      if (write_operations_ >= long_epilogue && nest_.kind != NestKind::stage &&
          all + epilogue_registers > target_.vector_registers)
        ends += stored * spill;
      add("loops", tiles * loops_cycles());
    }
    add("tiles", tiles * ends);
    add("stores", tiles * store_cycles(size, all));
  }

  bool slides_along(Var axis) const {
    return plan_.slide && plan_.tile[plan_.slide->tile].axis == axis;
  }

  /// Border tiles whose taps are too many to be told apart run an element at a time: a step each
  /// for a register that a whole tile shares.
  double border_cycles() const {
    double cycles = 0;
    const Borders borders(nest_);
    for (const PlanTile& t : plan_.tile) {
      if (t.size == 1 || !borders.constrained(t.axis) || slides_along(t.axis)) continue;
      double elements = 0;
      const int64_t extent = nest_.axis_of(t.axis).extent.number();
      for (const Segment& s : borders.segments(t.axis, 0, extent, t.size))
        if (s.element_wise) elements += static_cast<double>(s.count * s.size);
      double others = 1;
      for (const NestAxis& axis : nest_.axes)
        if (!axis.reduction && axis.var != t.axis)
          others *= static_cast<double>(ceil_div(axis.extent.number(), plan_.held(axis.var)));
      const double registers = static_cast<double>(plan_.tile_registers() / t.registers());
      cycles += elements * others * steps_ * registers / instructions_per_cycle_;
    }
    return cycles;
  }

  /// Sums that wait come from where they all have room, and go there, at every trip of the loops
  /// outside.
  double partial_sum_cycles() const {
    double trips = 0, bytes = 0;
    std::map<int32_t, int64_t> inside; // elements of each axis, for which sums wait together
    for (size_t i = 0; i < plan_.first_tap(); ++i) {
      const PlanLoop& loop = plan_.loops[i];
      if (loop.reduction)
        trips = std::max(trips, 1.0) * static_cast<double>(loop.trips());
      else if (trips == 0)
        inside[loop.axis.id] = loop.tile;
    }
    if (trips == 0) return 0;
    for (const Accumulator& a : nest_.accumulators) bytes += static_cast<double>(size_of(a.type));
    double together = bytes;
    for (const NestAxis& axis : nest_.axes) {
      if (axis.reduction) continue;
      const int64_t extent = axis.extent.number();
      const auto cut = inside.find(axis.var.id);
      bytes *= static_cast<double>(extent);
      together *= static_cast<double>(cut == inside.end() ? extent : std::min(extent, cut->second));
    }
    const bool in_l2 = together <= static_cast<double>(target_.l2_bytes);
    return (2 * trips + 2) * bytes / (in_l2 ? l2_bytes_per_cycle : target_.l3_bytes_per_cycle);
  }

  /// Every reduction loop that is not unrolled turns over and ends.
  double loops_cycles() const {
    double cycles = 0, outer = 1;
    for (const PlanLoop& loop : plan_.loops) {
      if (!loop.reduction || loop.unrolls_all) continue;
      const auto tiles = static_cast<double>(loop.trips());
      const double trips = tiles / static_cast<double>(std::max<int64_t>(loop.unroll, 1));
      const double exit =
          outer > 1 && trips <= 8 ? 0.1 * loop_exit : loop_exit; // short ones are foreseen
      cycles += outer * (trips * loop_iteration + (trips > 1 ? exit : 0));
      outer *= tiles;
    }
    return cycles;
  }

  /// Those that a tile's results take where they are finished and stored: turned ones have a
  /// register for each lane, however few rows there were.
  double stored_registers(const TileSizes& size, double all) const {
    if (plan_.store.kind != PlannedStore::Kind::transposed) return all;
    const int64_t rows = size.registers[plan_.store.rows];
    const int64_t blocks = ceil_div(rows, lanes_);
    return all / static_cast<double>(rows) *
           static_cast<double>(plan_.across ? blocks : blocks * lanes_);
  }

  /// Turning rows whose lanes are sums and adding them up: of few rows most lanes are empty, and
  /// the code works on the others alone. Measured on Zen 4 with 1 to 16 rows of 8 and of 16 lanes.
  double sum_of_lanes(const TileSizes& size) const {
    const int64_t most = std::min<int64_t>(size.registers[plan_.store.rows], lanes_);
    const double rows = static_cast<double>(std::bit_ceil(static_cast<uint64_t>(most)));
    const double share = static_cast<double>(lanes_) /
                         static_cast<double>(target_.lanes(widest_in_registers(nest_)));
    return 2 * (std::log2(static_cast<double>(lanes_)) + rows) * share;
  }

  /// Of a vector whose lanes do not go beside each other, besides its store.
  double placing_cycles() const {
    if (plan_.store.kind == PlannedStore::Kind::lanes)
      return static_cast<double>(lanes_) * lane_store;
    if (plan_.store.kind == PlannedStore::Kind::transposed) // log2(lanes) shuffles a row
      return std::log2(static_cast<double>(lanes_)) * transposing;
    return 0;
  }

  double store_cycles(const TileSizes& size, double all) const {
    if (plan_.store.kind == PlannedStore::Kind::vectors) return all / rates_.store;
    if (plan_.store.kind == PlannedStore::Kind::lanes) return all * placing_cycles();
    // Transposed: rows of the unrolled axis.
    if (plan_.across) return stored_registers(size, all) * (sum_of_lanes(size) + 1 / rates_.store);
    return stored_registers(size, all) * (placing_cycles() + 1 / rates_.store);
  }

  bool asked_for(const PlannedRead& read) const {
    return std::any_of(plan_.streams.begin(), plan_.streams.end(), [&](const Stream& stream) {
      return stream.read.operand == read.read.operand;
    });
  }

  /// Rows that come where no prefetcher of the machine looks: each waits for its first line, unless
  /// the code has asked for it. Pieces of a row, which channels summed up would walk one after the
  /// other, each wait a little.
  double row_requests(const std::vector<Footprint::Traffic>& from_l2,
                      const std::vector<Footprint::Traffic>& from_l3) const {
    double cycles = 0;
    const bool sums_channels =
        std::any_of(nest_.axes.begin(), nest_.axes.end(), [](const NestAxis& axis) {
          return axis.reduction && axis.role == AxisRole::channel && axis.extent.number() > 1;
        });
    for (size_t i = 0; i < plan_.reads.size(); ++i) {
      const bool asked = asked_for(plan_.reads[i]);
      const Footprint::Traffic far = from_l3.empty() ? Footprint::Traffic{} : from_l3[i];
      const double near = from_l2.empty() ? 0 : from_l2[i].rows;
      cycles += far.rows * (asked ? row_request : row_miss);
      if (!asked && !sums_channels) cycles += std::max(0.0, far.pieces - far.rows) * piece_miss;
      cycles += std::max(0.0, near - far.rows) * near_row;
    }
    // Results of a matrix unit come faster than lines that no prefetcher has brought are written.
    for (size_t i = plan_.reads.size(); plan_.matrix && i < from_l3.size(); ++i)
      cycles += from_l3[i].pieces * piece_miss;
    return cycles;
  }

  /// Rows of the image that a tile walks side by side.
  double rows_at_a_time() const {
    if (plan_.slide)
      return static_cast<double>(plan_.slide->rows(plan_.tile[plan_.slide->tile].registers()));
    if (!plan_.across) return 1;
    double most = 1; // of the operands that come from afar
    for (const PlannedRead& read : plan_.reads)
      if (read.read.operand != weight_of(nest_))
        most = std::max(most, static_cast<double>(read.registers));
    return most;
  }
  /// Where lanes are neighbours in a row, prefetchers follow the row that is read on and on: of
  /// three pixels side by side each waits a little, of eight four times as long.
  double rows_foreseen() const { return plan_.across ? 2 : most_streams; }

  int64_t element_bytes(int32_t operand) const {
    return size_of(nest_.operands[static_cast<size_t>(operand)].element);
  }

  const Nest& nest_;
  const Plan& plan_;
  const Target& target_;
  int64_t lanes_ = 1, vector_bytes_ = 1;
  VectorRates rates_; // of such vectors
  int64_t write_operations_ = 0, ways_ = 1;
  int64_t roundings_ = 0; // of results to bf16, which two vectors share
  int64_t taps_ = 1;      // of a step: those that slide
  struct Operation {
    uint32_t moves = 0; // with these axes of the tile
    int64_t count = 1;
    PlannedRead::Sliding sliding = PlannedRead::Sliding::none;
  };
  std::optional<MatrixCost> matrix_;      // where the plan is one of products of matrices
  std::vector<Operation> operations_;     // of the inner step
  std::set<const ExprNode*> only_packed_; // of a packed operand alone, done when packing
  Cost cost_;
  double instructions_per_cycle_ = 1;
  double steps_ = 1;
  double l2_cycles_ = 0, l3_cycles_ = 0; // in which bytes come from there
  double l2_cycles_a_step_ = 0, l3_cycles_a_step_ = 0;
};

} // namespace

double Cost::term(std::string_view name) const {
  for (const CostTerm& term : terms)
    if (term.name == name) return term.cycles;
  return 0;
}

Cost predict(const Nest& nest, const Plan& plan, const Target& target) {
  return Model(nest, plan, target).total();
}

} // namespace volute::compiler
