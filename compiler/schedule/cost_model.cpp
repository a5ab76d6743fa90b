#include "compiler/schedule/cost_model.h"

#include "compiler/nests/strides.h"

#include <algorithm>
#include <cmath>

namespace volute::compiler {

using namespace ir;

namespace {

/// Operations of an expression that a port executes (a select with its compare counts as two).
int64_t operations(const Expr& e) {
  int64_t count = 0;
  visit(e, [&](const ExprNode& node) {
    if (std::holds_alternative<UnaryOp>(node.is) || std::holds_alternative<BinaryOp>(node.is) ||
        std::holds_alternative<Fma>(node.is))
      ++count;
    if (std::holds_alternative<Select>(node.is)) count += 2;
    if (const auto* op = std::get_if<BinaryOp>(&node.is); op && op->fn == BinaryFn::div)
      count += 15;
    if (const auto* op = std::get_if<UnaryOp>(&node.is); op && op->fn == UnaryFn::sqrt) count += 15;
  });
  return count;
}

// Costs that the target does not state, in cycles; measured once on AVX-512 machines.
constexpr double loop_iteration = 1.0; // counter, pointers, branch, beside a full back end
constexpr double loop_exit = 12.0;     // its mispredicted branch
constexpr double tile_overhead = 10.0;
constexpr double misaligned_load = 2.2; // of a vector as long as a line: each crosses two
constexpr double row_request = 12.0, row_miss = 60.0; // prefetched or not
constexpr double issue_width = 6.0;
constexpr double l2_bytes_per_cycle = 24.0, l3_bytes_per_cycle = 10.0;

struct TileSizes { // one kind of tile: whole, or the last one of an axis
  double tiles = 1;
  std::vector<int64_t> registers; // along each register axis
};

class Model {
public:
  Model(const Nest& nest, const Plan& plan, const Target& target)
      : nest_(nest), plan_(plan), target_(target), lanes_(plan.lanes) {
    for (const Accumulator& a : nest.accumulators) update_operations_ += operations(a.update);
    for (const Write& w : nest.writes) write_operations_ += operations(w.value);
    for (const NestAxis& axis : nest.axes)
      if (axis.reduction) steps_ *= static_cast<double>(axis.extent.number());
    if (plan.instruction.kind == Instruction::Kind::dot) { // one instruction a group
      ways_ = plan.instruction.ways;
      steps_ /= static_cast<double>(ways_);
      update_operations_ = 1;
      instructions_per_cycle_ = target.dots_per_cycle(size_of(plan.instruction.dot->image->type));
    }
  }

  Cost total() {
    Cost cost;
    double tiles_elsewhere = 1;
    for (const NestAxis& axis : nest_.axes)
      if (!axis.reduction && !in_tile(axis.var))
        tiles_elsewhere *= static_cast<double>(axis.extent.number());
    for (const TileSizes& size : tile_sizes())
      cost.cycles += tiles_elsewhere * size.tiles * tile_cycles(size, cost.bound);
    cost.cycles += weight_sweeps() + row_requests();
    double elements = static_cast<double>(nest_.points());
    const double ideal =
        elements *
        std::max<double>(1, static_cast<double>(nest_.accumulators.empty() ? write_operations_
                                                                           : update_operations_)) /
        (static_cast<double>(std::max<int64_t>(lanes_, 1)) * target_.fma_per_cycle);
    cost.efficiency = cost.cycles > 0 ? ideal / cost.cycles : 0;
    cost.cycles *= plan_.density;
    return cost;
  }

private:
  /// Whole tiles and last tiles of every register axis, combined.
  std::vector<TileSizes> tile_sizes() const {
    std::vector<TileSizes> sizes = {{}};
    for (const PlanTile& t : plan_.tile) {
      const int64_t extent = nest_.axis_of(t.axis).extent.number();
      const int64_t lanes = std::max<int64_t>(t.lanes, 1);
      std::vector<TileSizes> next;
      for (const TileSizes& size : sizes) {
        const auto add = [&](int64_t count, int64_t elements) {
          if (count == 0 || elements == 0) return;
          TileSizes more = size;
          more.tiles *= static_cast<double>(count);
          more.registers.push_back(ceil_div(elements, lanes));
          next.push_back(std::move(more));
        };
        add(extent / t.size, t.size);
        add(1, extent % t.size);
      }
      sizes = std::move(next);
    }
    return sizes;
  }

  bool in_tile(Var axis) const {
    return std::any_of(plan_.tile.begin(), plan_.tile.end(),
                       [&](const PlanTile& t) { return t.axis == axis; });
  }
  bool is_vector(Var axis) const { return plan_.vector && plan_.tile[*plan_.vector].axis == axis; }

  double registers_of(const PlannedRead& read, const TileSizes& size) const {
    double count = 1;
    for (size_t i = 0; i < plan_.tile.size(); ++i)
      if (read.moves >> i & 1) count *= static_cast<double>(size.registers[i]);
    return count;
  }

  double step_cycles(const TileSizes& size, std::string& bound) const {
    double all = 1;
    for (int64_t r : size.registers) all *= static_cast<double>(r);
    double loads = 0, extra = 0;
    for (const PlannedRead& read : plan_.reads) {
      const double count = registers_of(read, size);
      switch (read.arrival) {
      case Arrival::broadcast:
      case Arrival::loaded:
        loads += count * aliasing(read, size) * (is_misaligned(read) ? misaligned_load : 1);
        break;
      case Arrival::deinterleaved: // neighbouring vectors, shuffled
        loads += count * static_cast<double>(read.lane_stride);
        extra += count * static_cast<double>(read.lane_stride - 1);
        break;
      case Arrival::gathered: // a load and an insert for each lane
        loads += count * static_cast<double>(lanes_);
        extra += count * static_cast<double>(lanes_) * 2;
        break;
      }
    }
    const double arithmetic =
        all *
        static_cast<double>(nest_.accumulators.empty() ? write_operations_ : update_operations_);
    const double chain = nest_.accumulators.empty()
                             ? 0
                             : static_cast<double>(target_.fma_latency * update_operations_);
    struct Term {
      double cycles;
      const char* name;
    };
    const Term terms[] = {{arithmetic / instructions_per_cycle_ + extra, "FMA"},
                          {loads / target_.loads_per_cycle, "loads"},
                          {chain, "latency"},
                          {arrival(size), "L2"},
                          {(arithmetic + loads + extra + 3) / issue_width, "issue"}};
    const Term* worst =
        std::max_element(std::begin(terms), std::end(terms),
                         [](const Term& a, const Term& b) { return a.cycles < b.cycles; });
    if (bound.empty()) bound = worst->name;
    // Terms close to the worst get in its way: a tenth of the runner-up is not hidden.
    double second = 0;
    for (const Term& t : terms)
      if (&t != worst) second = std::max(second, t.cycles);
    return worst->cycles + 0.03 * second;
  }

  /// Vectors of an operand whose rows, or taps, do not start at multiples of a vector.
  bool is_misaligned(const PlannedRead& read) const {
    if (read.lane_stride != 1 || read.is_packed || target_.vector_bytes < target_.line_bytes)
      return false;
    for (const NestAxis& axis : nest_.axes)
      if (!is_vector(axis.var) && axis.extent.number() > 1 && stride(read, axis.var) % lanes_ != 0)
        return true;
    return false;
  }

  /// More than 8 streams whose addresses agree modulo 4 KiB evict each other from L1.
  double aliasing(const PlannedRead& read, const TileSizes& size) const {
    double streams = 1;
    for (size_t i = 0; i < plan_.tile.size(); ++i) {
      const int64_t bytes = stride(read, plan_.tile[i].axis) * element_bytes(read.read.operand);
      if (i != plan_.vector && bytes != 0 && bytes % target_.page_bytes == 0)
        streams *= static_cast<double>(size.registers[i]);
    }
    return streams > 8 && !read.is_packed ? 3 : 1;
  }

  int64_t stride(const PlannedRead& read, Var axis) const {
    return stride_along(nest_, read.read.operand, read.read.index, axis);
  }

  /// Cycles in which what a step reads arrives: from L1 when all that a tile reads fits there (then
  /// it is no bound of its own), else from L2, or beyond for weights that L2 cannot hold.
  double arrival(const TileSizes& size) const {
    double bytes = 0, footprint = 0, far = 0;
    for (const PlannedRead& read : plan_.reads) {
      const double step = registers_of(read, size) *
                          (read.lane_stride ? static_cast<double>(lanes_) : 1.0) *
                          static_cast<double>(element_bytes(read.read.operand) * ways_);
      bytes += step;
      footprint += step * steps_;
      if (read.read.operand == nest_.weight &&
          step * steps_ > 0.7 * static_cast<double>(target_.l2_bytes))
        far += step;
    }
    if (footprint <= 0.7 * static_cast<double>(target_.l1_bytes)) return 0;
    return (bytes - far) / l2_bytes_per_cycle + far / l3_bytes_per_cycle;
  }

  double tile_cycles(const TileSizes& size, std::string& bound) const {
    double all = 1;
    for (int64_t r : size.registers) all *= static_cast<double>(r);
    double cycles = steps_ * step_cycles(size, bound) + tile_overhead;
    if (!nest_.accumulators.empty()) {
      cycles += all; // initial values
      cycles += loops_cycles();
      cycles += all * static_cast<double>(write_operations_) / target_.fma_per_cycle;
    }
    return cycles + store_cycles(size, all);
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

  double store_cycles(const TileSizes& size, double all) const {
    if (plan_.store.kind == PlannedStore::Kind::vectors) return all / target_.stores_per_cycle;
    if (plan_.store.kind == PlannedStore::Kind::lanes)
      return all * static_cast<double>(lanes_) * 2.5;
    // Transposed: log2(lanes) shuffles a row, then rows of the unrolled axis.
    const int64_t rows = size.registers[plan_.store.rows];
    const double blocks =
        all / static_cast<double>(rows) * static_cast<double>(ceil_div(rows, lanes_));
    return blocks * static_cast<double>(lanes_) *
           (std::log2(static_cast<double>(lanes_)) + 1 / target_.stores_per_cycle);
  }

  bool asked_for(const PlannedRead& read) const {
    return std::any_of(plan_.streams.begin(), plan_.streams.end(), [&](const Stream& stream) {
      return stream.read.operand == read.read.operand;
    });
  }

  /// An input beyond L2 that comes in rows, a page or more apart: each row of a tile is a request
  /// of its own, that longer rows share.
  double row_requests() const {
    double cycles = 0;
    for (const PlannedRead& read : plan_.reads) {
      const int32_t operand = read.read.operand;
      if (operand == nest_.weight || nest_.weight < 0 || !nest_.constraints.empty()) continue;
      const double bytes = operand_bytes(operand);
      if (bytes <= 0.5 * static_cast<double>(target_.l2_bytes)) continue;
      auto row = static_cast<double>(element_bytes(operand));
      for (const PlanTile& t : plan_.tile)
        if (stride(read, t.axis) == 1) row *= static_cast<double>(t.size);
      for (const NestAxis& axis : nest_.axes)
        if (axis.reduction && stride(read, axis.var) * element_bytes(operand) >= target_.page_bytes)
          cycles += (asked_for(read) ? row_request : row_miss) * bytes / row;
    }
    return cycles;
  }

  /// The first touch of all weights, and their further passes when they exceed L2.
  double weight_sweeps() const {
    if (nest_.weight < 0) return 0;
    return operand_bytes(nest_.weight) / l3_bytes_per_cycle * 0.1;
  }

  int64_t element_bytes(int32_t operand) const {
    return size_of(nest_.operands[static_cast<size_t>(operand)].element);
  }
  double operand_bytes(int32_t operand) const {
    auto bytes = static_cast<double>(element_bytes(operand));
    for (const Dim& d : nest_.operands[static_cast<size_t>(operand)].dims)
      bytes *= static_cast<double>(d.extent.number());
    return bytes;
  }

  const Nest& nest_;
  const Plan& plan_;
  const Target& target_;
  int64_t lanes_ = 1;
  int64_t update_operations_ = 0, write_operations_ = 0, ways_ = 1;
  double instructions_per_cycle_ = target_.fma_per_cycle;
  double steps_ = 1;
};

} // namespace

Cost predict(const Nest& nest, const Plan& plan, const Target& target) {
  return Model(nest, plan, target).total();
}

} // namespace volute::compiler
