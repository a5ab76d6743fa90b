#include "compiler/schedule/cost_model.h"

#include "compiler/nests/strides.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>

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
  Model(const Nest& nest, const std::vector<Read>& reads, const Schedule& schedule,
        const Target& target)
      : nest_(nest), schedule_(schedule), target_(target), reads_(reads) {
    for (const RegisterDirective& r : schedule.registers) {
      axes_.push_back(nest.axis(r.axis)->var);
      lanes_ = std::max(lanes_, r.lanes);
      if (r.lanes) vector_ = nest.axis(r.axis)->var;
    }
    for (const Accumulator& a : nest.accumulators) update_operations_ += operations(a.update);
    for (const Write& w : nest.writes) write_operations_ += operations(w.value);
    for (const NestAxis& axis : nest.axes)
      if (axis.reduction) steps_ *= static_cast<double>(axis.extent.number());
    if (!schedule.loops.empty() && schedule.loops.back().dot) { // one instruction a group
      ways_ = schedule.loops.back().dot;
      steps_ /= static_cast<double>(ways_);
      update_operations_ = 1;
    }
  }

  Cost total() {
    Cost cost;
    double tiles_elsewhere = 1;
    for (const NestAxis& axis : nest_.axes)
      if (!axis.reduction && std::find(axes_.begin(), axes_.end(), axis.var) == axes_.end())
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
    return cost;
  }

private:
  /// Whole tiles and last tiles of every register axis, combined.
  std::vector<TileSizes> tile_sizes() const {
    std::vector<TileSizes> sizes = {{}};
    for (const RegisterDirective& r : schedule_.registers) {
      const int64_t extent = nest_.axis(r.axis)->extent.number();
      const int64_t lanes = std::max<int64_t>(r.lanes, 1);
      std::vector<TileSizes> next;
      for (const TileSizes& size : sizes) {
        const auto add = [&](int64_t count, int64_t elements) {
          if (count == 0 || elements == 0) return;
          TileSizes more = size;
          more.tiles *= static_cast<double>(count);
          more.registers.push_back(ceil_div(elements, lanes));
          next.push_back(std::move(more));
        };
        add(extent / r.size, r.size);
        add(1, extent % r.size);
      }
      sizes = std::move(next);
    }
    return sizes;
  }

  double registers_of(const Read& read, const TileSizes& size) const {
    double count = 1;
    for (size_t i = 0; i < axes_.size(); ++i)
      if (stride_along(nest_, read.operand, read.index, axes_[i]) != 0)
        count *= static_cast<double>(size.registers[i]);
    return count;
  }

  bool is_packed(const Read& read) const {
    return schedule_.pack_weight && read.operand == nest_.weight;
  }

  int64_t vector_stride(const Read& read) const {
    if (lanes_ == 1) return 0;
    const int64_t stride = stride_along(nest_, read.operand, read.index, vector_);
    return is_packed(read) && stride != 0 ? 1 : stride;
  }

  double step_cycles(const TileSizes& size, std::string& bound) const {
    double all = 1;
    for (int64_t r : size.registers) all *= static_cast<double>(r);
    double loads = 0, extra = 0;
    for (const Read& read : reads_) {
      const double count = registers_of(read, size);
      const int64_t stride = vector_stride(read);
      if (stride == 0 || stride == 1) {
        loads += count * aliasing(read, size) * (is_misaligned(read) ? misaligned_load : 1);
      } else if (target_.has_masks && stride > 0 && stride <= 4) { // neighbouring vectors, shuffled
        loads += count * static_cast<double>(stride);
        extra += count * static_cast<double>(stride - 1);
      } else { // gathered: a load and an insert for each lane
        loads += count * static_cast<double>(lanes_);
        extra += count * static_cast<double>(lanes_) * 2;
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
    const Term terms[] = {{arithmetic / target_.fma_per_cycle + extra, "FMA"},
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
  bool is_misaligned(const Read& read) const {
    if (vector_stride(read) != 1 || is_packed(read) || target_.vector_bytes < target_.line_bytes)
      return false;
    for (const NestAxis& axis : nest_.axes)
      if (axis.var != vector_ && axis.extent.number() > 1 &&
          stride_along(nest_, read.operand, read.index, axis.var) % lanes_ != 0)
        return true;
    return false;
  }

  /// More than 8 streams whose addresses agree modulo 4 KiB evict each other from L1.
  double aliasing(const Read& read, const TileSizes& size) const {
    double streams = 1;
    for (size_t i = 0; i < axes_.size(); ++i) {
      const int64_t stride =
          stride_along(nest_, read.operand, read.index, axes_[i]) * element_bytes(read.operand);
      if (axes_[i] != vector_ && stride != 0 && stride % target_.page_bytes == 0)
        streams *= static_cast<double>(size.registers[i]);
    }
    return streams > 8 && !is_packed(read) ? 3 : 1;
  }

  /// Cycles in which what a step reads arrives: from L1 when all that a tile reads fits there (then
  /// it is no bound of its own), else from L2, or beyond for weights that L2 cannot hold.
  double arrival(const TileSizes& size) const {
    double bytes = 0, footprint = 0, far = 0;
    for (const Read& read : reads_) {
      const double step = registers_of(read, size) *
                          (vector_stride(read) ? static_cast<double>(lanes_) : 1.0) *
                          static_cast<double>(element_bytes(read.operand) * ways_);
      bytes += step;
      footprint += step * steps_;
      if (read.operand == nest_.weight &&
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
    std::map<std::string, double> left; // of an axis, inside the loops so far
    for (const LoopDirective& loop : schedule_.loops) {
      const NestAxis& axis = *nest_.axis(loop.axis);
      if (!axis.reduction || loop.unroll == LoopDirective::full) continue;
      const double extent =
          left.try_emplace(loop.axis, static_cast<double>(axis.extent.number())).first->second;
      const double tiles = std::ceil(extent / static_cast<double>(loop.by));
      const double trips = tiles / static_cast<double>(std::max<int64_t>(loop.unroll, 1));
      left[loop.axis] = static_cast<double>(loop.by);
      const double exit =
          outer > 1 && trips <= 8 ? 0.1 * loop_exit : loop_exit; // short ones are foreseen
      cycles += outer * (trips * loop_iteration + (trips > 1 ? exit : 0));
      outer *= tiles;
    }
    return cycles;
  }

  double store_cycles(const TileSizes& size, double all) const {
    const Write& write = nest_.writes.front();
    if (lanes_ == 1) return all / target_.stores_per_cycle;
    const int64_t stride = stride_along(nest_, write.operand, write.index, vector_);
    if (stride == 1) return all / target_.stores_per_cycle;
    for (size_t i = 0; i < axes_.size(); ++i) {
      if (axes_[i] == vector_ || size.registers[i] <= 1 ||
          stride_along(nest_, write.operand, write.index, axes_[i]) != 1)
        continue;
      // Transposed: log2(lanes) shuffles a row, then rows of the unrolled axis.
      const double blocks = all / static_cast<double>(size.registers[i]) *
                            static_cast<double>(ceil_div(size.registers[i], lanes_));
      return blocks * static_cast<double>(lanes_) *
             (std::log2(static_cast<double>(lanes_)) + 1 / target_.stores_per_cycle);
    }
    return all * static_cast<double>(lanes_) * 2.5; // lane by lane
  }

  bool asked_for(const Read& read) const {
    const std::string& name = nest_.operands[static_cast<size_t>(read.operand)].name;
    return std::find(schedule_.prefetch.begin(), schedule_.prefetch.end(), name) !=
           schedule_.prefetch.end();
  }

  /// An input beyond L2 that comes in rows, a page or more apart: each row of a tile is a request
  /// of its own, that longer rows share.
  double row_requests() const {
    double cycles = 0;
    for (const Read& read : reads_) {
      if (read.operand == nest_.weight || nest_.weight < 0 || !nest_.constraints.empty()) continue;
      const double bytes = operand_bytes(read.operand);
      if (bytes <= 0.5 * static_cast<double>(target_.l2_bytes)) continue;
      double row = static_cast<double>(element_bytes(read.operand));
      for (const RegisterDirective& r : schedule_.registers)
        if (stride_along(nest_, read.operand, read.index, nest_.axis(r.axis)->var) == 1)
          row *= static_cast<double>(r.size);
      for (const NestAxis& axis : nest_.axes)
        if (axis.reduction &&
            stride_along(nest_, read.operand, read.index, axis.var) * element_bytes(read.operand) >=
                target_.page_bytes)
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
  const Schedule& schedule_;
  const Target& target_;
  std::vector<Var> axes_;
  Var vector_;
  int64_t lanes_ = 1;
  const std::vector<Read>& reads_;
  int64_t update_operations_ = 0, write_operations_ = 0, ways_ = 1;
  double steps_ = 1;
};

} // namespace

Cost predict(const Nest& nest, const std::vector<Read>& reads, const Schedule& schedule,
             const Target& target) {
  return Model(nest, reads, schedule, target).total();
}

int64_t registers_needed(const Nest& nest, const std::vector<Read>& reads,
                         const Schedule& schedule) {
  int64_t accumulators = 1;
  for (const RegisterDirective& r : schedule.registers)
    accumulators *= ceil_div(r.size, std::max<int64_t>(r.lanes, 1));
  accumulators *= static_cast<int64_t>(std::max<size_t>(nest.accumulators.size(), 1));
  int64_t held = 0;
  for (const Read& read : reads) {
    int64_t registers = 1, depends = 0, first = 0;
    for (size_t i = 0; i < schedule.registers.size(); ++i) {
      const RegisterDirective& r = schedule.registers[i];
      if (stride_along(nest, read.operand, read.index, nest.axis(r.axis)->var) == 0) continue;
      ++depends;
      first |= i == 0;
      registers *= ceil_div(r.size, std::max<int64_t>(r.lanes, 1));
    }
    const bool whole = depends == static_cast<int64_t>(schedule.registers.size());
    const bool passing = depends == 1 && first; // one at a time, inside the first axis's loop
    held += whole || passing ? 1 : registers;
  }
  return accumulators + held;
}

} // namespace volute::compiler
