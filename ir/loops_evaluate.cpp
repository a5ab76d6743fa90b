#include "ir/access.h"
#include "ir/diagnostic.h"
#include "ir/loops.h"
#include "ir/number.h"
#include "ir/tape.h"
#include "ir/tile_product.h"
#include "ir/walk.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <set>

namespace volute::ir {
namespace {

[[noreturn]] void refuse(const std::string& message) {
  throw InternalError("evaluate: " + message);
}

// Each statement becomes a function that runs it, with names, shapes and strides resolved once.
using Run = std::function<void()>;

// Where a register is: its array, and the position of the first lane among the array's lanes.
class Register {
public:
  Register(const RegisterArray& array, std::vector<Scalar>& lanes, const std::vector<Affine>& index,
           const std::vector<int64_t>& values)
      : array_(&array), lanes_(&lanes), values_(&values) {
    if (index.size() != array.shape.size())
      refuse(fmt::format("{}: {} subscripts for {} dimensions", array.name, index.size(),
                         array.shape.size()));
    for (const Affine& at : index) index_.emplace_back(at, values.size());
  }

  /// The lanes of the register `along` places further in dimension `dim`.
  Scalar* lanes(size_t dim = 0, int64_t along = 0) const {
    int64_t place = 0;
    for (size_t i = 0; i < index_.size(); ++i) {
      const int64_t at = index_[i](*values_) + (i == dim ? along : 0);
      if (at < 0 || at >= array_->shape[i])
        refuse(fmt::format("{}: register {} of {}", array_->name, at, array_->shape[i]));
      place = place * array_->shape[i] + at;
    }
    return lanes_->data() + place * array_->elements();
  }

private:
  const RegisterArray* array_;
  std::vector<Scalar>* lanes_;
  const std::vector<int64_t>* values_;
  std::vector<Linear> index_;
};

class StepEvaluator {
public:
  StepEvaluator(const Step& step, const LoopProgram& program, Memory& memory,
                const std::vector<int64_t>& parameters, const AccessWatch* watch = nullptr)
      : step_(step),
        values_(initial_values(step.vars, step.parameters, program.parameters, parameters)),
        context_{step.views, step.tables, values_, memory, watch} {
    for (const View& view : step.views)
      if (view.buffer >= 0 && static_cast<size_t>(view.buffer) < program.buffers.size() &&
          program.buffers[static_cast<size_t>(view.buffer)].role == Buffer::Role::scratch)
        scratch_.insert(static_cast<size_t>(view.buffer));
    for (const RegisterArray& array : step.arrays) {
      if (array.lanes < 1 || array.count() < 0) refuse(array.name + ": a shape below 1");
      registers_.emplace_back(static_cast<size_t>(array.count() * array.elements()));
    }
    for (const ItemLoop& item : step.items) variable(item.var);
    if (step.body) body_ = compile(step.body);
  }

  void run() {
    if (body_) run_items(0);
  }

private:
  void run_items(size_t depth) {
    if (depth == step_.items.size()) {
      for (auto& lanes : registers_) std::fill(lanes.begin(), lanes.end(), unset);
      // Another item may have run on this thread before, or none.
      for (const size_t buffer : scratch_)
        std::fill(context_.memory[buffer].begin(), context_.memory[buffer].end(), std::byte{0xff});
      return body_();
    }
    const ItemLoop& item = step_.items[depth];
    const int64_t count = linear(item.count)(values_);
    for (int64_t i = 0; i < count; ++i) {
      values_[static_cast<size_t>(item.var.id)] = i;
      run_items(depth + 1);
    }
  }

  Linear linear(const Affine& affine) const { return Linear(affine, values_.size()); }

  size_t variable(Var var) const {
    linear(var); // refuses a variable that does not exist
    return static_cast<size_t>(var.id);
  }

  size_t array(int32_t id) const {
    if (id < 0 || static_cast<size_t>(id) >= step_.arrays.size())
      refuse(fmt::format("register array {} of {} does not exist", id, step_.arrays.size()));
    return static_cast<size_t>(id);
  }

  size_t array_with_rows(int32_t id) const {
    const size_t at = array(id);
    if (step_.arrays[at].rows < 1) refuse(step_.arrays[at].name + ": its registers have no rows");
    return at;
  }

  Register register_at(int32_t id, const std::vector<Affine>& index) {
    const size_t at = array(id);
    return Register(step_.arrays[at], registers_[at], index, values_);
  }

  Tape tape(const Expr& expr) {
    return Tape(expr, [this](const ExprNode& node) { return leaf(node); });
  }

  Tape::Leaf leaf(const ExprNode& node) {
    if (const auto* reg = std::get_if<Reg>(&node.is)) {
      if (step_.arrays[array(reg->array)].lanes != node.lanes)
        refuse(fmt::format("{}: read with {} lanes", step_.arrays[array(reg->array)].name,
                           node.lanes));
      return [from = register_at(reg->array, reg->index), lanes = node.lanes](Scalar* to) {
        std::copy_n(from.lanes(), lanes, to);
      };
    }
    if (const auto* load = std::get_if<Load>(&node.is)) return compile_load(node, *load);
    if (const auto* position = std::get_if<Position>(&node.is))
      return [this, at = linear(position->value), step = position->lane_step,
              node = &node](Scalar* to) {
        const int64_t first = at(values_);
        for (int32_t l = 0; l < node->lanes; ++l)
          to[l] = Scalar{0, wrap_to(node->type, first + l * step)};
      };
    refuse("a step reads views and registers, not operands and accumulators");
  }

  Tape::Leaf compile_load(const ExprNode& node, const Load& load) {
    // What a number is in a type is what converting it from double gives.
    const Scalar fill = apply(*convert_to(node.type, imm(load.fill, ElementType::f64)),
                              std::array<Scalar, 1>{Scalar{load.fill, 0}}.data());
    const int32_t first = std::max(load.first, 0);
    const int32_t end = std::min(load.first + load.count, node.lanes);
    return [access = Access(context_, load.view, load.index, load.lane_dim, load.lane_step),
            lanes = node.lanes, first, end, fill](Scalar* to) mutable {
      std::fill_n(to, lanes, fill);
      if (first >= end) return;
      access.locate();
      for (int32_t l = first; l < end; ++l) to[l] = access.read(l);
    };
  }

  // The largest lower or smallest upper bound.
  std::function<int64_t()> compile_side(const std::vector<Bound>& bounds, bool largest) {
    if (bounds.empty()) refuse("a loop without a bound");
    std::vector<std::pair<Linear, int64_t>> quotients;
    for (const Bound& bound : bounds) {
      if (bound.divisor < 1) refuse(fmt::format("a loop bound divided by {}", bound.divisor));
      quotients.emplace_back(linear(bound.numerator), bound.divisor);
    }
    return [this, quotients, largest] {
      int64_t best =
          largest ? std::numeric_limits<int64_t>::min() : std::numeric_limits<int64_t>::max();
      for (const auto& [numerator, divisor] : quotients) {
        const int64_t value = ceil_div(numerator(values_), divisor);
        best = largest ? std::max(best, value) : std::min(best, value);
      }
      return best;
    };
  }

  Run compile(const For& loop) {
    return [this, var = variable(loop.var), lo = compile_side(loop.range.lo, true),
            hi = compile_side(loop.range.hi, false), body = compile(loop.body)] {
      const int64_t end = hi();
      for (int64_t i = lo(); i < end; ++i) {
        values_[var] = i;
        body();
      }
    };
  }

  Run compile(const Set& set) {
    Tape value = tape(set.value);
    const RegisterArray& to_array = step_.arrays[array(set.array)];
    if (to_array.lanes != value.lanes())
      refuse(fmt::format("{}: set with {} lanes", to_array.name, value.lanes()));
    return [to = register_at(set.array, set.index), value = std::move(value)]() mutable {
      const Scalar* lanes = value.run();
      std::copy_n(lanes, value.lanes(), to.lanes());
    };
  }

  Run compile(const Store& store) {
    Tape value = tape(store.value);
    if (store.count > value.lanes())
      refuse(fmt::format("a store of {} lanes out of {}", store.count, value.lanes()));
    return [access = Access(context_, store.view, store.index, store.lane_dim, store.lane_step),
            value = std::move(value), count = store.count]() mutable {
      const Scalar* lanes = value.run();
      access.locate();
      for (int32_t l = 0; l < count; ++l) access.write(lanes[l], l);
    };
  }

  Run compile(const Scatter& scatter) {
    Tape offset = tape(scatter.offset), value = tape(scatter.value);
    return
        [this, access = Access(context_, scatter.view, scatter.index), offset = std::move(offset),
         value = std::move(value), extent = scatter.extent]() mutable {
          const Scalar wanted = *value.run();
          access.locate();
          access.scatter(wanted, offset.run()->integer, extent, fmt::format("step {}", step_.name));
        };
  }

  Run compile(const Transpose& transpose) {
    const RegisterArray& to = step_.arrays[array(transpose.to)];
    const RegisterArray& from = step_.arrays[array(transpose.from)];
    if (to.shape.size() != 1 || to.shape[0] < from.lanes || to.lanes < transpose.count ||
        transpose.from_axis < 0 || static_cast<size_t>(transpose.from_axis) >= from.shape.size())
      refuse(fmt::format("{} cannot hold the transpose of {}", to.name, from.name));
    return [&to, &from, row = register_at(transpose.to, {0}),
            source = register_at(transpose.from, transpose.from_index),
            axis = static_cast<size_t>(transpose.from_axis), count = transpose.count] {
      for (int64_t l = 0; l < from.lanes; ++l) std::fill_n(row.lanes(0, l), to.lanes, unset);
      for (int64_t r = 0; r < count; ++r) {
        const Scalar* column = source.lanes(axis, r);
        for (int64_t l = 0; l < from.lanes; ++l) row.lanes(0, l)[r] = column[l];
      }
    };
  }

  Run compile(const Stmt& s) {
    return std::visit([this](const auto& is) { return compile(is); }, s->is);
  }

  Run compile(const Block& block) {
    std::vector<Run> runs;
    for (const Stmt& inner : block.stmts) runs.push_back(compile(inner));
    return [runs = std::move(runs)] {
      for (const Run& run : runs) run();
    };
  }

  Run compile(const When& when) {
    return
        [this, value = linear(when.value), lo = when.lo, hi = when.hi, body = compile(when.body)] {
          const int64_t at = value(values_);
          if (lo <= at && at < hi) body();
        };
  }

  Run compile(const Tile& tile) {
    const RegisterArray& array = step_.arrays[array_with_rows(tile.tile.array)];
    Register to = register_at(tile.tile.array, tile.tile.index);
    if (tile.kind == Tile::Kind::zero)
      return [to, count = array.elements()] { std::fill_n(to.lanes(), count, Scalar{}); };
    if (tile.kind == Tile::Kind::multiply) {
      const RegisterArray& a = step_.arrays[array_with_rows(tile.a.array)];
      const RegisterArray& b = step_.arrays[array_with_rows(tile.b.array)];
      if (a.rows != array.rows || a.lanes % b.rows != 0 ||
          b.lanes != array.lanes * (a.lanes / b.rows))
        refuse(fmt::format("{} by {} is no product for {}", a.name, b.name, array.name));
      const TileShape shape{array.rows, array.lanes, b.rows, a.lanes / b.rows};
      return
          [to, shape, real = is_float(array.type), left = register_at(tile.a.array, tile.a.index),
           right = register_at(tile.b.array, tile.b.index)] {
            real ? add_bf16_products(shape, to.lanes(), left.lanes(), right.lanes())
                 : add_byte_products(shape, to.lanes(), left.lanes(), right.lanes());
          };
    }
    const auto last = static_cast<int32_t>(tile.index.size()) - 1;
    if (tile.row_dim < 0 || tile.row_dim > last) refuse(array.name + ": rows along no dimension");
    std::vector<Access> rows;
    for (int64_t r = 0; r < array.rows; ++r) {
      Index index = tile.index;
      index[static_cast<size_t>(tile.row_dim)].at += r * tile.row_step;
      rows.emplace_back(context_, tile.view, index, last);
    }
    return [to, rows, lanes = array.lanes, loads = tile.kind == Tile::Kind::load]() mutable {
      Scalar* at = to.lanes();
      for (Access& row : rows) {
        row.locate();
        for (int32_t l = 0; l < lanes; ++l, ++at)
          if (loads)
            *at = row.read(l);
          else
            row.write(*at, l);
      }
    };
  }

  // These order what the machine does, not what it computes.
  Run compile(const Fence&) {
    return [] {};
  }
  Run compile(const Prefetch&) {
    return [] {};
  }

  // What a register holds before it is set: a value that shows in the result.
  static constexpr Scalar unset = {std::numeric_limits<double>::quiet_NaN(), 0x5a5a5a5a5a5a5a5a};

  const Step& step_;
  std::vector<int64_t> values_; // of the variables, by Var::id
  AccessContext context_;
  std::vector<std::vector<Scalar>> registers_; // by array: all lanes of all registers
  std::set<size_t> scratch_;                   // buffers that the step views
  Run body_;
};

} // namespace

void evaluate_watched(const LoopProgram& program, Memory& memory, const AccessWatch& watch) {
  for (const Step& step : program.steps) StepEvaluator(step, program, memory, {}, &watch).run();
}

void evaluate(const LoopProgram& program, Memory& memory, const std::vector<int64_t>& parameters) {
  for (const Step& step : program.steps) StepEvaluator(step, program, memory, parameters).run();
}

} // namespace volute::ir
