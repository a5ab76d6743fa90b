#include "runtime/nest_plan.h"

#include "ir/number.h"
#include "ir/walk.h"

#include <algorithm>
#include <map>
#include <unordered_map>

namespace volute::runtime {

using namespace ir;

namespace {

using Axis = NestPlan::Axis;
using Op = NestPlan::Op;
using Output = NestPlan::Output;
using Place = NestPlan::Place;
using Tape = NestPlan::Tape;
using Walked = NestPlan::Walked;

constexpr int64_t most_lanes = 64, most_rows = 16;

LaneType lane_type(ElementType type) {
  switch (type) {
  case ElementType::f32:
  case ElementType::f16:
  case ElementType::bf16: return LaneType::f32;
  case ElementType::f64: return LaneType::f64;
  case ElementType::i64: return LaneType::i64;
  default: return LaneType::i32;
  }
}

/// The operation of a node that loops have, if they have it for its type.
std::optional<LaneOp> lane_op(const ExprNode& node) {
  const bool is_real = node.type == ElementType::f32 || node.type == ElementType::f64;
  if (!is_real && node.type != ElementType::i32 && node.type != ElementType::i64)
    return std::nullopt;
  if (std::holds_alternative<Fma>(node.is)) return LaneOp::fma;
  if (const auto* op = std::get_if<BinaryOp>(&node.is)) switch (op->fn) {
    case BinaryFn::add: return LaneOp::add;
    case BinaryFn::sub: return LaneOp::sub;
    case BinaryFn::mul: return LaneOp::mul;
    case BinaryFn::max: return LaneOp::max;
    case BinaryFn::min: return LaneOp::min;
    case BinaryFn::div: return is_real ? std::optional(LaneOp::div) : std::nullopt;
    case BinaryFn::bit_and: return LaneOp::bit_and;
    case BinaryFn::bit_or: return LaneOp::bit_or;
    case BinaryFn::bit_xor: return LaneOp::bit_xor;
    case BinaryFn::shift_left: return LaneOp::shift_left;
    case BinaryFn::shift_right: return LaneOp::shift_right;
    }
  if (const auto* op = std::get_if<UnaryOp>(&node.is)) switch (op->fn) {
    case UnaryFn::neg: return LaneOp::neg;
    case UnaryFn::abs: return LaneOp::abs;
    case UnaryFn::sqrt: return is_real ? std::optional(LaneOp::sqrt) : std::nullopt;
    case UnaryFn::rint: return is_real ? std::optional(LaneOp::rint) : std::nullopt;
    default: return std::nullopt;
    }
  return std::nullopt;
}

/// Whether a node's value is in the very lanes of its operand.
bool keeps_lanes(const ExprNode& node) {
  const auto* unary = std::get_if<UnaryOp>(&node.is);
  if (!unary) return false;
  const ElementType from = unary->a->type, to = node.type;
  if (unary->fn == UnaryFn::bitcast)
    return size_of(from) >= 4 && lane_bytes(lane_type(from)) == lane_bytes(lane_type(to));
  if (unary->fn != UnaryFn::convert) return false;
  if (from == to) return true;
  const bool is_narrow_float = from == ElementType::f16 || from == ElementType::bf16;
  const bool is_narrow_integer = from == ElementType::i8 || from == ElementType::u8;
  return (is_narrow_float && to == ElementType::f32) ||
         (is_narrow_integer && to == ElementType::i32);
}

/// f32 to i32, or an integer of at most 32 bits to f32.
bool is_short_convert(const ExprNode& node) {
  const auto* unary = std::get_if<UnaryOp>(&node.is);
  if (!unary || unary->fn != UnaryFn::convert) return false;
  const ElementType from = unary->a->type;
  return (from == ElementType::f32 && node.type == ElementType::i32) ||
         (is_integer(from) && from != ElementType::i64 && node.type == ElementType::f32);
}

/// Which axes make a block, and how things move along them.
class Planner {
public:
  Planner(const Nest& nest, const std::vector<Buffer>& buffers, const std::vector<int32_t>& slots,
          NestPlan& plan)
      : buffers_(buffers), slots_(slots), plan_(plan) {
    plan_.nest = nest;
    plan_.variables = nest.vars.size();
    plan_.loops = &lane_loops();
    for (const Buffer& buffer : buffers) plan_.tables.push_back(buffer.data);
  }

  void run() {
    const Nest& nest = plan_.nest;
    choose_axes();
    for (const Constraint& c : nest.constraints)
      plan_.constraints.push_back({walked(c.value), c.extent.number()});
    for (const Constraint& c : nest.domain)
      plan_.domain.push_back({walked(c.value), c.extent.number()});
    scratch_ = static_cast<int64_t>(plan_.variables * sizeof(int64_t));
    for (const Accumulator& accumulator : nest.accumulators) {
      plan_.accumulators.push_back(lane_type(accumulator.type));
      plan_.accumulators_at.push_back(take(block_bytes(lane_type(accumulator.type))));
    }
    std::vector<Expr> initial, update, values;
    for (const Accumulator& accumulator : nest.accumulators) {
      initial.push_back(accumulator.initial);
      update.push_back(accumulator.update);
    }
    for (const Write& write : nest.writes) {
      Output output{place(write.operand, write.index), values.size(), std::nullopt, write.extent};
      values.push_back(write.value);
      if (write.offset) {
        output.offset = values.size();
        values.push_back(write.offset);
      }
      plan_.outputs.push_back(std::move(output));
    }
    plan_.scratch_bytes = scratch_;
    plan_.initial = tape(initial);
    plan_.update = tape(update);
    plan_.value = tape(values);
    // A sum of its own is the last operation of its tape, which nothing reads again: in its place.
    if (plan_.accumulators.size() == 1)
      if (Op& sum = plan_.update.ops[plan_.update.results.front()];
          sum.kind == Op::Kind::loops && sum.by_row && sum.by_lane)
        sum.lanes_at = plan_.accumulators_at.front();
  }

private:
  int64_t take(int64_t bytes) {
    scratch_ = (scratch_ + 63) / 64 * 64;
    return std::exchange(scratch_, scratch_ + bytes);
  }
  int64_t block_bytes(LaneType type) const { return plan_.rows * plan_.lanes * lane_bytes(type); }

  /// What an access gains by a step along an axis, in elements; nothing where a table says it.
  std::optional<int64_t> stride(int32_t operand, const Index& index, Var var) const {
    const View& view = plan_.nest.operands[static_cast<size_t>(operand)];
    int64_t sum = 0;
    for (size_t i = 0; i < index.size(); ++i) {
      if (index[i].table >= 0 && index[i].at.depends_on(var)) return std::nullopt;
      if (index[i].table < 0) sum += index[i].at.coefficient(var) * view.dims[i].stride.number();
    }
    return sum;
  }

  /// What a block of rows along one axis and lanes along another would cost for each of its
  /// elements, roughly in cycles: for a thousand points of the sums, and their end.
  double cost(const NestAxis& lane, const NestAxis* row) const {
    const auto lanes = static_cast<double>(std::min(lane.extent.number(), most_lanes));
    const auto rows = row ? static_cast<double>(std::min(row->extent.number(), most_rows)) : 1.0;
    constexpr double each_point = 60, each_row = 6, each_vector = 1, each_gathered = 1.2;
    double points = 1;
    for (const NestAxis& axis : plan_.nest.axes)
      if (axis.reduction) points *= static_cast<double>(std::max<int64_t>(axis.extent.number(), 1));
    const auto of_access = [&](int32_t operand, const Index& index) {
      const View& view = plan_.nest.operands[static_cast<size_t>(operand)];
      const std::optional<int64_t> along = stride(operand, index, lane.var);
      const std::optional<int64_t> across =
          row ? stride(operand, index, row->var) : std::optional<int64_t>(0);
      const double all = (along == 0 ? 1 : lanes) * (across == 0 ? 1 : rows);
      const bool as_it_lies =
          (along == 0 || along == 1) && across &&
          (view.element == ElementType::f32 || view.element == ElementType::f64 ||
           view.element == ElementType::i32 || view.element == ElementType::i64);
      return as_it_lies ? 0 : each_gathered * all;
    };
    double update = each_point + rows * (each_row + each_vector * lanes / 16);
    for (const Accumulator& accumulator : plan_.nest.accumulators)
      visit(accumulator.update, [&](const ExprNode& node) {
        if (const auto* read = std::get_if<Read>(&node.is))
          update += of_access(read->operand, read->index);
      });
    double end = 4 * each_point + rows * each_row;
    for (const Write& write : plan_.nest.writes) {
      end += of_access(write.operand, write.index);
      visit(write.value, [&](const ExprNode& node) {
        if (const auto* read = std::get_if<Read>(&node.is))
          end += of_access(read->operand, read->index);
      });
    }
    const bool has_sums = !plan_.nest.accumulators.empty();
    return ((has_sums ? points * update : 0) + end) / (lanes * rows);
  }

  void choose_axes() {
    const Nest& nest = plan_.nest;
    std::vector<const NestAxis*> parallel;
    for (const NestAxis& axis : nest.axes)
      if (!axis.reduction) parallel.push_back(&axis);
    const NestAxis *lane = nullptr, *row = nullptr;
    // Where writes are scattered the last of several stays: elements come in the order of the axes.
    const bool in_order = std::any_of(nest.writes.begin(), nest.writes.end(),
                                      [](const Write& w) { return w.offset != nullptr; });
    if (in_order) {
      if (!parallel.empty()) lane = parallel.back();
    } else {
      double least = 0;
      for (const NestAxis* l : parallel)
        for (size_t r = 0; r <= parallel.size(); ++r) {
          const NestAxis* other = r < parallel.size() ? parallel[r] : nullptr;
          if (other == l) continue;
          const double cycles = cost(*l, other);
          if (lane && cycles >= least) continue;
          lane = l, row = other, least = cycles;
        }
    }
    const auto axis_of = [](const NestAxis& axis) {
      return Axis{static_cast<size_t>(axis.var.id), axis.extent.number()};
    };
    if (lane)
      plan_.lane = axis_of(*lane),
      plan_.lanes = std::clamp<int64_t>(plan_.lane->extent, 1, most_lanes);
    if (row)
      plan_.row = axis_of(*row), plan_.rows = std::clamp<int64_t>(plan_.row->extent, 1, most_rows);
    for (const NestAxis& axis : nest.axes)
      if (axis.reduction)
        plan_.reduction.push_back(axis_of(axis));
      else if (&axis != lane && &axis != row)
        plan_.outer.push_back(axis_of(axis));
    for (const Axis& axis : plan_.outer) plan_.blocks *= axis.extent;
    if (lane) plan_.blocks *= ceil_div(plan_.lane->extent, plan_.lanes);
    if (row) plan_.blocks *= ceil_div(plan_.row->extent, plan_.rows);
    plan_.in_order = in_order;
  }

  Walked walked(const Affine& affine) const {
    Walked result;
    result.constant = affine.constant_term();
    for (const Affine::Term& term : affine.terms()) {
      const auto var = static_cast<size_t>(term.var.id);
      result.terms.emplace_back(var, term.coefficient);
      if (plan_.row && plan_.row->var == var) result.by_row = term.coefficient;
      if (plan_.lane && plan_.lane->var == var) result.by_lane = term.coefficient;
    }
    return result;
  }

  Place place(int32_t operand, const Index& index) const {
    const View& view = plan_.nest.operands[static_cast<size_t>(operand)];
    const auto buffer = static_cast<size_t>(view.buffer);
    Place result;
    result.slot = slots_[buffer];
    if (result.slot < 0) result.table = buffers_[buffer].data->data();
    result.element = view.element;
    Affine offset;
    for (size_t i = 0; i < index.size(); ++i) {
      const int64_t stride = view.dims[i].stride.number();
      if (index[i].table < 0)
        offset += index[i].at * stride;
      else
        result.looked.push_back(
            {&plan_.nest.tables[static_cast<size_t>(index[i].table)], walked(index[i].at), stride});
    }
    result.at = walked(offset);
    return result;
  }

  Tape tape(const std::vector<Expr>& exprs) {
    Tape result;
    std::unordered_map<const ExprNode*, size_t> places;
    for (const Expr& expr : exprs) {
      visit(expr, [&](const ExprNode& node) {
        if (places.count(&node)) return;
        places[&node] = result.ops.size();
        result.ops.push_back(op(node, places, result));
      });
      result.results.push_back(places.at(expr.get()));
    }
    const int64_t behind_accumulators = scratch_;
    result.values_at = take(static_cast<int64_t>(result.ops.size() * sizeof(LaneOperand)));
    place_lanes(result);
    plan_.scratch_bytes = std::max(plan_.scratch_bytes, scratch_);
    scratch_ = behind_accumulators;
    return result;
  }

  Op op(const ExprNode& node, const std::unordered_map<const ExprNode*, size_t>& places,
        const Tape& tape) {
    if (node.lanes != 1 || std::holds_alternative<Dot>(node.is))
      throw Error({Diagnostic{{}, plan_.nest.name, "a scheduled expression is not run", ""}});
    Op op;
    op.node = &node;
    op.type = lane_type(node.type);
    for (const Expr& operand : children(Expr(Expr(), &node))) {
      const Op& from = tape.ops[op.from[op.operands++] = places.at(operand.get())];
      op.by_row |= from.by_row, op.by_lane |= from.by_lane;
    }
    if (std::holds_alternative<Imm>(node.is)) {
      op.kind = Op::Kind::constant;
      write_lane(op.number, op.type, apply(node, nullptr));
    } else if (const auto* read = std::get_if<Read>(&node.is)) {
      op.place = place(read->operand, read->index);
      op.kind = kind_of_read(op.place, op.type);
      op.by_row = op.place.at.by_row != 0, op.by_lane = op.place.at.by_lane != 0;
      for (const NestPlan::Looked& looked : op.place.looked)
        op.by_row |= looked.at.by_row != 0, op.by_lane |= looked.at.by_lane != 0;
    } else if (const auto* acc = std::get_if<Acc>(&node.is)) {
      op.kind = Op::Kind::accumulator;
      op.accumulator = static_cast<size_t>(acc->accumulator);
      op.by_row = op.by_lane = true;
    } else if (const auto* position = std::get_if<Position>(&node.is)) {
      op.kind = Op::Kind::position;
      op.value = walked(position->value);
      op.by_row = op.value.by_row != 0, op.by_lane = op.value.by_lane != 0;
    } else if (const std::optional<LaneOp> found = lane_op(node)) {
      op.kind = Op::Kind::loops;
      op.op = *found;
    } else if (keeps_lanes(node)) {
      op.kind = Op::Kind::same;
    } else if (is_short_convert(node)) {
      op.kind = Op::Kind::convert;
    } else if (std::holds_alternative<Select>(node.is)) {
      op.kind = Op::Kind::select;
    }
    return op;
  }

  static Op::Kind kind_of_read(const Place& place, LaneType type) {
    if (!place.looked.empty()) return Op::Kind::fetch;
    // The narrow types are those that are held in wider lanes.
    if (size_of(place.element) != lane_bytes(type)) return Op::Kind::fetch;
    const bool as_it_lies = place.at.by_lane == 0 || place.at.by_lane == 1;
    return as_it_lies ? Op::Kind::lie : Op::Kind::gather;
  }

  static bool has_lanes_of_its_own(const Op& op) {
    return op.kind != Op::Kind::constant && op.kind != Op::Kind::lie &&
           op.kind != Op::Kind::accumulator && op.kind != Op::Kind::same;
  }

  /// Where the lanes of each operation lie. Those that nobody reads any more make room, so that a
  /// long expression stays in the nearest cache.
  void place_lanes(Tape& tape) {
    const size_t count = tape.ops.size();
    std::vector<size_t> holder(count), last_reader(count, 0); // whose lanes; by operation
    for (size_t i = 0; i < count; ++i) {
      const Op& op = tape.ops[i];
      holder[i] = op.kind == Op::Kind::same ? holder[op.from[0]] : i;
      for (size_t o = 0; o < op.operands; ++o) last_reader[holder[op.from[o]]] = i;
    }
    for (const size_t result : tape.results) last_reader[holder[result]] = count;

    std::map<int64_t, std::vector<int64_t>> room; // by bytes
    const auto find_room = [&](int64_t bytes) {
      std::vector<int64_t>& of_these = room[bytes];
      if (of_these.empty()) return take(bytes);
      const int64_t at = of_these.back();
      of_these.pop_back();
      return at;
    };
    const auto bytes_of = [&](const Op& op) {
      return (op.by_row ? plan_.rows : 1) * (op.by_lane ? plan_.lanes : 1) * lane_bytes(op.type);
    };
    const int64_t mask_bytes = plan_.rows * plan_.lanes * lane_bytes(LaneType::i32);
    for (size_t i = 0; i < count; ++i) {
      Op& op = tape.ops[i];
      if (has_lanes_of_its_own(op)) op.lanes_at = find_room(bytes_of(op));
      if (op.kind == Op::Kind::select) {
        op.mask_at = find_room(mask_bytes);
        room[mask_bytes].push_back(op.mask_at);
      }
      for (size_t o = 0; o < op.operands; ++o) {
        const size_t read = holder[op.from[o]];
        if (last_reader[read] != i || !has_lanes_of_its_own(tape.ops[read])) continue;
        room[bytes_of(tape.ops[read])].push_back(tape.ops[read].lanes_at);
        last_reader[read] = count; // once
      }
    }
  }

  const std::vector<Buffer>& buffers_;
  const std::vector<int32_t>& slots_;
  NestPlan& plan_;
  int64_t scratch_ = 0;
};

} // namespace

Expected<std::unique_ptr<const NestPlan>>
plan_nest(const Nest& nest, const std::vector<Buffer>& buffers, const std::vector<int32_t>& slots) {
  const auto refuse = [&](const char* why) { return fail(nest.name, why); };
  if (!nest.parameters.empty()) return refuse("its sizes are parameters");
  if (nest.placement) return refuse("it is computed inside another");
  auto plan = std::make_unique<NestPlan>();
  try {
    Planner(nest, buffers, slots, *plan).run();
  } catch (const InternalError&) {
    throw;
  } catch (const Error& error) {
    return Failure{error.diagnostics()};
  }
  return std::unique_ptr<const NestPlan>(std::move(plan));
}

} // namespace volute::runtime
