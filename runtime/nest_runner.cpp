#include "runtime/nest_runner.h"

#include "ir/number.h"
#include "runtime/nest_plan.h"
#include "runtime/status.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace volute::runtime {

using namespace ir;

namespace {

using Axis = NestPlan::Axis;
using Inside = NestPlan::Inside;
using Looked = NestPlan::Looked;
using Op = NestPlan::Op;
using Output = NestPlan::Output;
using Place = NestPlan::Place;
using Tape = NestPlan::Tape;
using Walked = NestPlan::Walked;

/// Rows and lanes of a block, from its first element on.
struct Region {
  int64_t row, rows, lane, lanes;
};

/// A part of a step's work, on one thread. Everything that changes is in the scratch.
class Runner {
public:
  Runner(const NestPlan& plan, const compiler::StepArguments& arguments, std::byte* scratch)
      : plan_(plan), buffers_(arguments.buffers), scratch_(scratch),
        values_(reinterpret_cast<int64_t*>(scratch)) {
    std::fill_n(values_, plan.variables, 0);
  }

  int32_t run(int64_t block) {
    int64_t left = block;
    const auto digit = [&](int64_t base) { return std::exchange(left, left / base) % base; };
    Region whole{0, plan_.rows, 0, plan_.lanes};
    if (plan_.lane) whole.lanes = place_in(*plan_.lane, plan_.lanes, digit);
    if (plan_.row) whole.rows = place_in(*plan_.row, plan_.rows, digit);
    for (size_t i = plan_.outer.size(); i-- > 0;)
      values_[plan_.outer[i].var] = digit(plan_.outer[i].extent);
    int32_t status = 0;
    for_each_part(plan_.domain, whole, [&](const Region& part) {
      if (status == 0) status = run_part(part);
    });
    return status;
  }

private:
  template <class Digit>
  int64_t place_in(const Axis& axis, int64_t size, const Digit& digit) {
    const int64_t start = digit(ceil_div(axis.extent, size)) * size;
    values_[axis.var] = start;
    return std::min(size, axis.extent - start);
  }

  int32_t run_part(const Region& part) {
    if (!plan_.accumulators.empty()) {
      run(plan_.initial, part);
      set_accumulators(plan_.initial, part);
      sum_up(part);
    }
    run(plan_.value, part);
    for (const Output& output : plan_.outputs)
      if (const int32_t status = write(output, part)) return status;
    return 0;
  }

  void sum_up(const Region& part) {
    for (const Axis& axis : plan_.reduction) {
      if (axis.extent == 0) return;
      values_[axis.var] = 0;
    }
    const auto update = [&](const Region& region) {
      run(plan_.update, region);
      set_accumulators(plan_.update, region);
    };
    while (true) {
      for_each_part(plan_.constraints, part, update);
      size_t i = plan_.reduction.size();
      for (; i > 0; --i) {
        const Axis& axis = plan_.reduction[i - 1];
        if (++values_[axis.var] < axis.extent) break;
        values_[axis.var] = 0;
      }
      if (i == 0) return;
    }
  }

  /// The elements of a region that satisfy all constraints, as rows that have the same lanes.
  template <class Visit>
  void for_each_part(const std::vector<Inside>& constraints, const Region& region,
                     const Visit& visit) {
    bool all = true;
    for (const Inside& inside : constraints) {
      const Walked& value = inside.value;
      const int64_t first =
          value.at(values_) + value.by_row * region.row + value.by_lane * region.lane;
      const int64_t down = value.by_row * (region.rows - 1),
                    along = value.by_lane * (region.lanes - 1);
      const int64_t least = first + std::min<int64_t>(down, 0) + std::min<int64_t>(along, 0);
      const int64_t most = first + std::max<int64_t>(down, 0) + std::max<int64_t>(along, 0);
      if (most < 0 || least >= inside.extent) return;
      all &= least >= 0 && most < inside.extent;
    }
    if (all) return visit(region);
    Region part{region.row, 0, 0, 0};
    for (int64_t row = region.row; row < region.row + region.rows; ++row) {
      const auto [begin, end] = lanes_inside(constraints, region, row);
      if (part.rows > 0 && (begin != part.lane || end - begin != part.lanes)) {
        if (part.lanes > 0) visit(part);
        part.rows = 0;
      }
      if (part.rows == 0) part = {row, 0, begin, end - begin};
      ++part.rows;
    }
    if (part.lanes > 0) visit(part);
  }

  std::pair<int64_t, int64_t> lanes_inside(const std::vector<Inside>& constraints,
                                           const Region& region, int64_t row) const {
    int64_t begin = region.lane, end = region.lane + region.lanes;
    for (const Inside& inside : constraints) {
      const int64_t value = inside.value.at(values_) + inside.value.by_row * row;
      const int64_t step = inside.value.by_lane;
      if (step == 0) {
        if (value < 0 || value >= inside.extent) return {begin, begin};
      } else if (step > 0) { // 0 <= value + step * lane < extent
        begin = std::max(begin, ceil_div(-value, step));
        end = std::min(end, ceil_div(inside.extent - value, step));
      } else {
        begin = std::max(begin, ceil_div(value - inside.extent + 1, -step));
        end = std::min(end, ceil_div(value + 1, -step));
      }
    }
    return end > begin ? std::pair(begin, end) : std::pair(region.lane, region.lane);
  }

  // ---- values ----

  LaneOperand* values_of(const Tape& tape) const {
    return reinterpret_cast<LaneOperand*>(scratch_ + tape.values_at);
  }

  /// A region of lanes that are kept for a whole block.
  LaneBlock block(std::byte* lanes, const Op& op, const Region& region) const {
    const int64_t pitch = op.by_lane ? plan_.lanes : 1;
    const int64_t row = op.by_row ? region.row : 0, lane = op.by_lane ? region.lane : 0;
    return {op.by_row ? region.rows : 1, op.by_lane ? region.lanes : 1,
            lanes + (row * pitch + lane) * lane_bytes(op.type), op.by_row ? pitch : 0};
  }
  static LaneOperand operand(const LaneBlock& block, const Op& op) {
    return {block.to, block.row_step, op.by_lane};
  }

  void run(const Tape& tape, const Region& region) {
    LaneOperand* values = values_of(tape);
    for (size_t i = 0; i < tape.ops.size(); ++i) values[i] = run(tape, tape.ops[i], values, region);
  }

  LaneOperand run(const Tape& tape, const Op& op, const LaneOperand* values, const Region& region) {
    const LaneBlock to = block(scratch_ + op.lanes_at, op, region);
    LaneOperand from[4];
    for (size_t i = 0; i < op.operands; ++i) from[i] = values[op.from[i]];
    switch (op.kind) {
    case Op::Kind::constant: return {op.number, 0, false};
    case Op::Kind::lie: return {first_of(op.place, region), op.place.at.by_row, op.by_lane};
    case Op::Kind::gather:
      plan_.loops->gather(to, lane_bytes(op.type), first_of(op.place, region), op.place.at.by_row,
                          op.place.at.by_lane);
      break;
    case Op::Kind::fetch: fetch(op, to, region); break;
    case Op::Kind::position:
      for_each(to, op, [&](int64_t r, int64_t l) {
        return Scalar{0, wrap_to(op.node->type, value_at(op.value, region, r, l))};
      });
      break;
    case Op::Kind::accumulator:
      return operand(block(scratch_ + plan_.accumulators_at[op.accumulator], op, region), op);
    case Op::Kind::loops: plan_.loops->compute(op.op, op.type, to, from); break;
    case Op::Kind::same: return from[0];
    case Op::Kind::convert: plan_.loops->convert(tape.ops[op.from[0]].type, to, from[0]); break;
    case Op::Kind::select: {
      const auto& select = std::get<Select>(op.node->is);
      const LaneBlock mask{to.rows, to.lanes, scratch_ + op.mask_at, plan_.lanes};
      plan_.loops->compare(select.compare, tape.ops[op.from[0]].type, mask, from);
      const LaneOperand chosen[] = {from[2], from[3], {mask.to, mask.row_step, true}};
      plan_.loops->choose(lane_bytes(op.type), to, chosen);
      break;
    }
    case Op::Kind::apply: {
      LaneType types[4];
      for (size_t i = 0; i < op.operands; ++i) types[i] = tape.ops[op.from[i]].type;
      for_each(to, op, [&](int64_t r, int64_t l) {
        Scalar operands[4];
        for (size_t i = 0; i < op.operands; ++i) operands[i] = lane(from[i], types[i], r, l);
        return apply(*op.node, operands);
      });
    }
    }
    return operand(to, op);
  }

  static Scalar lane(const LaneOperand& from, LaneType type, int64_t row, int64_t lane) {
    const int64_t at = row * from.row_step + (from.is_wide ? lane : 0);
    return read_lane(static_cast<const std::byte*>(from.data) + at * lane_bytes(type), type);
  }

  template <class Each>
  static void for_each(const LaneBlock& to, const Op& op, const Each& each) {
    for (int64_t r = 0; r < to.rows; ++r)
      for (int64_t l = 0; l < to.lanes; ++l)
        write_lane(static_cast<std::byte*>(to.to) + (r * to.row_step + l) * lane_bytes(op.type),
                   op.type, each(r, l));
  }

  /// Of the element in a row and a lane of the region.
  int64_t value_at(const Walked& walked, const Region& region, int64_t row, int64_t lane) const {
    return walked.at(values_) + walked.by_row * (region.row + row) +
           walked.by_lane * (region.lane + lane);
  }

  std::byte* memory(const Place& place) const {
    return place.slot < 0 ? const_cast<std::byte*>(place.table) : buffers_[place.slot];
  }

  int64_t element(const Place& place, const Region& region, int64_t row, int64_t lane) const {
    int64_t at = value_at(place.at, region, row, lane);
    for (const Looked& looked : place.looked)
      at += looked.stride *
            (*looked.table)[static_cast<size_t>(value_at(looked.at, region, row, lane))];
    return at;
  }

  /// The first element of a region that is read without a table.
  const std::byte* first_of(const Place& place, const Region& region) const {
    return memory(place) + value_at(place.at, region, 0, 0) * size_of(place.element);
  }

  void fetch(const Op& op, const LaneBlock& to, const Region& region) const {
    const Place& place = op.place;
    const int64_t size = size_of(place.element);
    if (!place.looked.empty())
      return for_each(to, op, [&](int64_t r, int64_t l) {
        return read_element(memory(place) + element(place, region, r, l) * size, place.element);
      });
    const std::byte* first = first_of(place, region);
    for_each(to, op, [&](int64_t r, int64_t l) {
      return read_element(first + (r * place.at.by_row + l * place.at.by_lane) * size,
                          place.element);
    });
  }

  static Scalar read_element(const std::byte* at, ElementType element) {
    return is_float(element) ? Scalar{read_real(at, element), 0}
                             : Scalar{0, read_integer(at, element)};
  }

  /// All accumulators take what a tape has computed for them.
  void set_accumulators(const Tape& tape, const Region& region) {
    const LaneOperand* values = values_of(tape);
    for (size_t i = 0; i < tape.results.size(); ++i) {
      const LaneOperand& from = values[tape.results[i]];
      const int64_t size = lane_bytes(plan_.accumulators[i]);
      std::byte* to =
          scratch_ + plan_.accumulators_at[i] + (region.row * plan_.lanes + region.lane) * size;
      if (from.data == to) continue; // computed in its place
      for (int64_t r = 0; r < region.rows; ++r, to += plan_.lanes * size) {
        const auto* row = static_cast<const std::byte*>(from.data) + r * from.row_step * size;
        if (from.is_wide)
          std::memcpy(to, row, static_cast<size_t>(region.lanes * size));
        else
          for (int64_t l = 0; l < region.lanes; ++l) std::memcpy(to + l * size, row, size);
      }
    }
  }

  int32_t write(const Output& output, const Region& region) {
    const Op& op = plan_.value.ops[plan_.value.results[output.value]];
    const LaneOperand& from = values_of(plan_.value)[plan_.value.results[output.value]];
    const Place& place = output.place;
    const int64_t size = size_of(place.element);
    std::byte* base = memory(place);
    const bool as_it_lies = size == lane_bytes(op.type) && from.is_wide && place.at.by_lane == 1 &&
                            place.looked.empty() && !output.offset;
    for (int64_t r = 0; r < region.rows; ++r) {
      if (as_it_lies) {
        std::memmove(base + value_at(place.at, region, r, 0) * size,
                     static_cast<const std::byte*>(from.data) + r * from.row_step * size,
                     static_cast<size_t>(region.lanes * size));
        continue;
      }
      for (int64_t l = 0; l < region.lanes; ++l) {
        int64_t at = element(place, region, r, l);
        if (output.offset) {
          const size_t number = plan_.value.results[*output.offset];
          const int64_t offset =
              lane(values_of(plan_.value)[number], plan_.value.ops[number].type, r, l).integer;
          if (offset < 0 || offset >= output.extent)
            return static_cast<int32_t>(StatusCode::index_out_of_range);
          at += offset;
        }
        const Scalar value = lane(from, op.type, r, l);
        if (is_float(place.element))
          write_real(base + at * size, place.element, value.real);
        else
          write_integer(base + at * size, place.element, value.integer);
      }
    }
    return 0;
  }

  const NestPlan& plan_;
  std::byte* const* buffers_;
  std::byte* scratch_;
  int64_t* values_; // of the variables; those of a block's axes at its first element
};

} // namespace

NestRunner::NestRunner(std::unique_ptr<const NestPlan> plan) : plan_(std::move(plan)) {}
NestRunner::NestRunner(NestRunner&&) noexcept = default;
NestRunner& NestRunner::operator=(NestRunner&&) noexcept = default;
NestRunner::~NestRunner() = default;

Expected<NestRunner> NestRunner::make(const Nest& nest, const std::vector<Buffer>& buffers,
                                      const std::vector<int32_t>& slots) {
  Expected<std::unique_ptr<const NestPlan>> plan = plan_nest(nest, buffers, slots);
  if (!plan) return plan.failure();
  return NestRunner(std::move(*plan));
}

int64_t NestRunner::work() const {
  return plan_->in_order ? std::min<int64_t>(plan_->blocks, 1) : plan_->blocks;
}

int64_t NestRunner::scratch_bytes() const { return plan_->scratch_bytes; }

int32_t NestRunner::run(const compiler::StepArguments& arguments, std::byte* scratch, int64_t begin,
                        int64_t end) const noexcept {
  Runner runner(*plan_, arguments, scratch);
  if (plan_->in_order) end *= plan_->blocks;
  for (int64_t block = begin; block < end; ++block)
    if (const int32_t status = runner.run(block)) return status;
  return 0;
}

} // namespace volute::runtime
