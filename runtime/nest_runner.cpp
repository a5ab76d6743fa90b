#include "runtime/nest_runner.h"

#include "ir/number.h"
#include "ir/walk.h"
#include "runtime/lane_loops.h"
#include "runtime/status.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>

namespace volute::runtime {

using namespace ir;

namespace {

constexpr int64_t most_lanes = 64, most_rows = 16;
constexpr int64_t widest = 8; // bytes of a lane

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

int64_t lane_bytes(LaneType type) { return type == LaneType::f64 || type == LaneType::i64 ? 8 : 4; }

Scalar read_lane(const std::byte* at, LaneType type) {
  const auto as = [&](auto value) { return std::memcpy(&value, at, sizeof value), value; };
  switch (type) {
  case LaneType::f32: return {as(float()), 0};
  case LaneType::f64: return {as(double()), 0};
  case LaneType::i32: return {0, as(int32_t())};
  default: return {0, as(int64_t())};
  }
}

void write_lane(std::byte* at, LaneType type, Scalar value) {
  const auto put = [&](auto number) { std::memcpy(at, &number, sizeof number); };
  switch (type) {
  case LaneType::f32: return put(static_cast<float>(value.real));
  case LaneType::f64: return put(value.real);
  case LaneType::i32: return put(static_cast<int32_t>(value.integer));
  default: return put(value.integer);
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

/// An affine expression: its value at the first element of a block, and what it gains by a row and
/// by a lane.
struct Walked {
  std::vector<std::pair<size_t, int64_t>> terms;
  int64_t constant = 0, by_row = 0, by_lane = 0;

  int64_t at(const int64_t* values) const {
    int64_t sum = constant;
    for (const auto& [var, coefficient] : terms) sum += coefficient * values[var];
    return sum;
  }
};

struct Looked { // stride * table[at]
  const std::vector<int64_t>* table;
  Walked at;
  int64_t stride;
};

/// Where an access lands in memory, in elements.
struct Place {
  int32_t slot = -1;                // of the call's buffers, or
  const std::byte* table = nullptr; // constant data
  ElementType element = ElementType::f32;
  Walked at;
  std::vector<Looked> looked;
};

struct Inside { // 0 <= value < extent
  Walked value;
  int64_t extent;
};

/// Rows and lanes of a block, from its first element on.
struct Region {
  int64_t row, rows, lane, lanes;
};

/// One node of an expression.
struct Op {
  enum class Kind : uint8_t {
    constant,
    read,
    position,
    accumulator,
    loops,
    same,
    convert,
    select,
    apply
  };
  Kind kind = Kind::apply;
  const ExprNode* node = nullptr;
  LaneType type = LaneType::f32;
  LaneOp op = LaneOp::add;
  bool by_row = false, by_lane = false; // what its value differs by
  size_t from[4] = {};                  // operands
  size_t operands = 0;
  Place place;  // of a read
  Walked value; // of a position
  size_t accumulator = 0;
  std::byte number[widest] = {}; // of a constant
  int64_t lanes_at = 0;          // bytes into the scratch where its lanes are
  int64_t mask_at = 0;           // and where what a select goes by is
};

/// Expressions that are evaluated together, each node once.
struct Tape {
  std::vector<Op> ops;
  std::vector<size_t> results;
  int64_t values_at = 0; // bytes into the scratch: a LaneOperand for each op
};

struct Output {
  Place place;
  size_t value = 0;             // among the results of the tape
  std::optional<size_t> offset; // of scattered ones
  int64_t extent = 0;
};

struct Axis {
  size_t var;
  int64_t extent;
};

} // namespace

struct NestRunner::Plan {
  Nest nest; // keeps expressions and tables alive
  std::vector<std::shared_ptr<const std::vector<std::byte>>> tables;
  std::optional<Axis> row, lane; // the axes of a block
  int64_t rows = 1, lanes = 1;   // of a whole one
  std::vector<Axis> outer;       // the other parallel axes
  std::vector<Axis> reduction;
  std::vector<Inside> constraints, domain;
  Tape initial, update, value;
  std::vector<LaneType> accumulators;
  std::vector<int64_t> accumulators_at;
  std::vector<Output> outputs;
  size_t variables = 0;
  int64_t blocks = 1;
  bool in_order = false; // one after the other, as one piece of work
  int64_t scratch_bytes = 0;
  const LaneLoops* loops = nullptr;
};

namespace {

using Plan = NestRunner::Plan;

// ---- planning ----------------------------------------------------------------------------------

/// Which axes make a block, and how things move along them.
class Planner {
public:
  Planner(const Nest& nest, const std::vector<Buffer>& buffers, const std::vector<int32_t>& slots,
          Plan& plan)
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
    plan_.initial = tape(initial);
    plan_.update = tape(update);
    plan_.value = tape(values);
    // A sum of its own is the last operation of its tape, which nothing reads again: in its place.
    if (plan_.accumulators.size() == 1)
      if (Op& sum = plan_.update.ops[plan_.update.results.front()];
          sum.kind == Op::Kind::loops && sum.by_row && sum.by_lane)
        sum.lanes_at = plan_.accumulators_at.front();
    plan_.scratch_bytes = scratch_;
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
    result.values_at = take(static_cast<int64_t>(result.ops.size() * sizeof(LaneOperand)));
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
      op.kind = Op::Kind::read;
      op.place = place(read->operand, read->index);
      op.by_row = op.place.at.by_row != 0, op.by_lane = op.place.at.by_lane != 0;
      for (const Looked& looked : op.place.looked)
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
      op.mask_at = take(plan_.rows * plan_.lanes * 4);
    }
    const bool has_lanes = op.kind != Op::Kind::constant && op.kind != Op::Kind::accumulator &&
                           op.kind != Op::Kind::same;
    if (has_lanes)
      op.lanes_at =
          take((op.by_row ? plan_.rows : 1) * (op.by_lane ? plan_.lanes : 1) * lane_bytes(op.type));
    return op;
  }

  const std::vector<Buffer>& buffers_;
  const std::vector<int32_t>& slots_;
  Plan& plan_;
  int64_t scratch_ = 0;
};

// ---- running -----------------------------------------------------------------------------------

/// A part of a step's work, on one thread. Everything that changes is in the scratch.
class Runner {
public:
  Runner(const Plan& plan, const compiler::StepArguments& arguments, std::byte* scratch)
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
    case Op::Kind::read: return read(op, to, region);
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

  LaneOperand read(const Op& op, const LaneBlock& to, const Region& region) {
    const Place& place = op.place;
    const int64_t size = size_of(place.element);
    const std::byte* base = memory(place);
    if (!place.looked.empty()) {
      for_each(to, op, [&](int64_t r, int64_t l) {
        return read_element(base + element(place, region, r, l) * size, place.element);
      });
      return operand(to, op);
    }
    const std::byte* first = base + value_at(place.at, region, 0, 0) * size;
    const int64_t by_row = op.by_row ? place.at.by_row : 0;
    if (size == lane_bytes(op.type)) { // the narrow types are those that are held in wider lanes
      if (place.at.by_lane == 0 || place.at.by_lane == 1) return {first, by_row, op.by_lane};
      plan_.loops->gather(to, size, first, by_row, place.at.by_lane);
      return operand(to, op);
    }
    for_each(to, op, [&](int64_t r, int64_t l) {
      return read_element(first + (r * by_row + l * place.at.by_lane) * size, place.element);
    });
    return operand(to, op);
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

  const Plan& plan_;
  std::byte* const* buffers_;
  std::byte* scratch_;
  int64_t* values_; // of the variables; those of a block's axes at its first element
};

} // namespace

// ---- NestRunner --------------------------------------------------------------------------------

NestRunner::NestRunner(std::unique_ptr<const Plan> plan) : plan_(std::move(plan)) {}
NestRunner::NestRunner(NestRunner&&) noexcept = default;
NestRunner& NestRunner::operator=(NestRunner&&) noexcept = default;
NestRunner::~NestRunner() = default;

Expected<NestRunner> NestRunner::make(const Nest& nest, const std::vector<Buffer>& buffers,
                                      const std::vector<int32_t>& slots) {
  const auto refuse = [&](const char* why) { return fail(nest.name, why); };
  if (!nest.parameters.empty()) return refuse("its sizes are parameters");
  if (nest.placement) return refuse("it is computed inside another");
  auto plan = std::make_unique<Plan>();
  try {
    Planner(nest, buffers, slots, *plan).run();
  } catch (const InternalError&) {
    throw;
  } catch (const Error& error) {
    return Failure{error.diagnostics()};
  }
  return NestRunner(std::move(plan));
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
