// Max, average and lp pooling over windows and over all space.

#include "compiler/lower/nest_builder.h"
#include "ir/number.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>

namespace volute::compiler {

using ir::Affine;
using ir::Axis;
using ir::BinaryFn;
using ir::Compare;
using ir::ElementType;
using ir::Expr;
using ir::PoolKind;
using ir::Window;

namespace {

/// A nest with the domain of a window per channel.
struct Slide {
  NestBuilder to;
  Expr x; // the input element that a point reads, in the type that it is computed in
  Coordinates input;
  ElementType type() const { return x->type; }
};

Slide slide(const GroupLowering& group, const std::vector<Window>& windows) {
  const ir::ValueId value = group.head.operands[0];
  const ir::TensorType& type = group.program.type(value);
  const std::vector<Axis> axes = type.spatial_axes();
  Slide result{group.start(), nullptr, {}};
  NestBuilder& to = result.to;
  // The input's cuts of n and c are the nest's too: positions along those are the same.
  const auto cuts = [&](Axis axis) {
    Boundaries all = group.cuts(axis);
    all.merge(boundaries(type, axis));
    return all;
  };
  to.at[Axis::n] = to.parallel(Axis::n, type.size(Axis::n), cuts(Axis::n));
  to.at[Axis::c] = to.parallel(Axis::c, type.size(Axis::c), cuts(Axis::c));
  for (size_t i = 0; i < axes.size(); ++i) group.add_parallel(to, axes[i], windows[i].output);
  Coordinates tap;
  result.input[Axis::n] = to.at[Axis::n];
  result.input[Axis::c] = to.at[Axis::c];
  add_taps(to, axes, windows, result.input, tap);
  result.x = computed(to.read(value, result.input));
  return result;
}

/// Taps k of an output with first <= k * dilation + start < end.
int64_t taps_between(const Window& window, int64_t start, int64_t first, int64_t end) {
  const auto taps_below = [&](int64_t limit) {
    return std::clamp<int64_t>(ir::ceil_div(limit - start, window.dilation), 0, window.kernel);
  };
  return taps_below(end) - taps_below(first);
}

/// By how many taps along one axis an average at `output` is divided: those inside the input, or
/// inside it and its padding. What a last window of ceil_mode has beyond never counts.
int64_t counted_taps(const Window& window, int64_t output, bool with_padding) {
  const int64_t start = output * window.stride - window.pad_begin;
  return with_padding
             ? taps_between(window, start, -window.pad_begin, window.input + window.pad_end)
             : taps_between(window, start, 0, window.input);
}

/// Whether some output has taps that do not count; the others all divide by the whole window.
bool is_clipped(const Window& window, bool with_padding) {
  const int64_t last = (window.output - 1) * window.stride + window.span() - 1 - window.pad_begin;
  return with_padding ? last >= window.input + window.pad_end
                      : window.pad_begin > 0 || last >= window.input;
}

/// The count of every output along one axis, or of the first when all are the same.
std::vector<double> counts(const Window& window, bool with_padding) {
  std::vector<double> all;
  const int64_t outputs = is_clipped(window, with_padding) ? window.output : 1;
  for (int64_t output = 0; output < outputs; ++output)
    all.push_back(static_cast<double>(counted_taps(window, output, with_padding)));
  if (std::all_of(all.begin(), all.end(), [&](double count) { return count == all[0]; }))
    all.resize(1);
  return all;
}

// What differs along an axis is looked up where it fits a small table, and computed elsewhere: an
// image does not grow with the tensor.
constexpr int64_t longest_table = 4096;

/// The type that holds positions along an axis and a little beyond it.
ElementType position_type(const Window& window) {
  const int64_t reach = window.input + window.pad_begin + window.pad_end + 2 * window.span();
  return reach < std::numeric_limits<int32_t>::max() ? ElementType::i32 : ElementType::i64;
}

/// counted_taps as arithmetic on the output's position.
Expr computed_count(const Window& window, const Affine& output, bool with_padding) {
  const ElementType type = position_type(window);
  const Expr start = ir::position(output * window.stride - window.pad_begin, type);
  // Taps k with k * dilation + start < limit: a quotient rounded up, between 0 and the kernel.
  const auto taps_below = [&](int64_t limit) {
    const Expr room = number(limit + window.dilation - 1, type) - start;
    const Expr taps = window.dilation == 1 ? room : room / number(window.dilation, type);
    return binary(BinaryFn::min, binary(BinaryFn::max, taps, number(0, type)),
                  number(window.kernel, type));
  };
  return with_padding ? taps_below(window.input + window.pad_end) - taps_below(-window.pad_begin)
                      : taps_below(window.input) - taps_below(0);
}

/// sum / (constant * count_h[h] * count_w[w]), only axes where the count varies having a table.
Expr average(NestBuilder& to, const ir::Pool& op, const ir::Statement& statement, const Expr& sum,
             const std::vector<Window>& windows) {
  const ElementType type = sum->type;
  if (op.divisor) return sum / number(*op.divisor, type);
  const ir::Program& program = to.lowering.program;
  const std::vector<Axis> axes = program.type(statement.operands[0]).spatial_axes();
  double constant = 1;
  Expr divisor;
  for (size_t i = 0; i < axes.size(); ++i) {
    if (windows[i].output > longest_table && is_clipped(windows[i], op.count_include_pad)) {
      const Expr count =
          converted(type, computed_count(windows[i], to.at[axes[i]], op.count_include_pad));
      divisor = divisor ? divisor * count : count;
      continue;
    }
    const std::vector<double> counted = counts(windows[i], op.count_include_pad);
    if (counted.size() == 1) {
      constant *= counted[0];
      continue;
    }
    const int32_t table =
        to.lowering.table(fmt::format("{}_count_{}", spoken(program.name_of(statement.results[0])),
                                      ir::to_char(axes[i])),
                          type, counted);
    const Expr count = to.read_vector(table, to.at[axes[i]]);
    divisor = divisor ? divisor * count : count;
  }
  if (!divisor)
    divisor = ir::imm(constant, type);
  else if (constant != 1)
    divisor = divisor * ir::imm(constant, type);
  return sum / divisor;
}

/// The larger of the two, where NaN is larger than every number: the rule of torch's max_pool.
Expr larger_or_nan(const Expr& candidate, const Expr& best) {
  const Expr larger = binary(BinaryFn::max, candidate, best);
  if (is_integer(candidate->type)) return larger;
  return select(Compare::unordered, candidate, candidate, candidate, larger);
}

// ---- arg-max ----------------------------------------------------------------------------------

/// Position of each axis in the index: d, h and w in that order, whatever the memory order.
int64_t index_step(const std::vector<Window>& windows, size_t axis) {
  int64_t step = 1;
  for (size_t i = axis + 1; i < windows.size(); ++i) step *= windows[i].input;
  return step;
}

/// The first input position that the window of an output meets along one axis; -1 for none.
int64_t first_met(const Window& window, int64_t output) {
  const int64_t start = output * window.stride - window.pad_begin;
  const int64_t tap = start < 0 ? ir::ceil_div(-start, window.dilation) : 0;
  const int64_t position = start + tap * window.dilation;
  return tap < window.kernel && position < window.input ? position : -1;
}

/// first_met as arithmetic on the output's position.
Expr computed_first(const Window& window, const Affine& output, ElementType type) {
  const Expr start = ir::position(output * window.stride - window.pad_begin, type);
  const Expr before = binary(BinaryFn::max, number(0, type) - start, number(0, type));
  const Expr tap = window.dilation == 1 ? before
                                        : (before + number(window.dilation - 1, type)) /
                                              number(window.dilation, type);
  const Expr position = start + (window.dilation == 1 ? tap : tap * number(window.dilation, type));
  const Expr none = number(-1, type);
  return select(Compare::lt, tap, number(window.kernel, type),
                select(Compare::lt, position, number(window.input, type), position, none), none);
}

/// The index of the first element that a window meets, which it has until another is larger; -1 for
/// a window that meets none. Read from a table along an axis whose windows reach into the padding.
Expr first_index(NestBuilder& to, const std::string& name, const std::vector<Axis>& axes,
                 const std::vector<Window>& windows, ElementType type) {
  Affine inside;
  Expr first, none;
  for (size_t i = 0; i < axes.size(); ++i) {
    const Window& window = windows[i];
    const int64_t step = index_step(windows, i);
    std::vector<double> met;
    bool empty = false;
    const int64_t last = (window.output - 1) * window.stride - window.pad_begin;
    const bool reaches_out = window.pad_begin > 0 || last >= window.input;
    if (reaches_out && window.output > longest_table) {
      const Expr position = computed_first(window, to.at[axes[i]], type);
      const Expr term = step == 1 ? position : position * number(step, type);
      first = first ? first + term : term;
      none = none ? binary(BinaryFn::min, none, position) : position;
      continue;
    }
    if (reaches_out)
      for (int64_t output = 0; output < window.output; ++output) {
        met.push_back(static_cast<double>(first_met(window, output)));
        empty |= met.back() < 0;
      }
    if (met.empty()) {
      inside += to.at[axes[i]] * (window.stride * step) - window.pad_begin * step;
      continue;
    }
    const int32_t table =
        to.lowering.table(fmt::format("{}_first_{}", name, ir::to_char(axes[i])), type, met);
    const Expr position = to.read_vector(table, to.at[axes[i]]);
    const Expr term = step == 1 ? position : position * number(step, type);
    first = first ? first + term : term;
    if (empty) none = none ? binary(BinaryFn::min, none, position) : position;
  }
  const Expr whole = ir::position(inside, type);
  first = first ? first + whole : whole;
  return none ? select(Compare::lt, none, number(0, type), number(-1, type), first) : first;
}

/// What the maximum of nothing is.
Expr least_of(ElementType type) {
  return is_float(type) ? ir::imm(-std::numeric_limits<double>::infinity(), type)
                        : ir::imm_integer(ir::lowest(type), type);
}

/// Whether the place of the largest is wanted too.
bool wants_index(const GroupLowering& group) {
  return group.head.results.size() > 1 && group.lowering.uses.uses(group.head.results[1]) > 0;
}

/// Carries the largest element so far and its index: `position` of the element that is met, `start`
/// of the first. A NaN is larger than every number, and of several the last counts; of equal
/// numbers the first. An element may be met more than once.
void accumulate_arg_max(Slide& s, const GroupLowering& group, const Expr& position,
                        const Expr& start) {
  NestBuilder& to = s.to;
  const ir::ValueId index_value = group.head.results[1];
  const Expr best = ir::acc(s.type(), 0), least = least_of(s.type());
  to.accumulate(least, [&](const Expr&) { return larger_or_nan(s.x, best); });
  // Written so that the order in which taps come does not matter: borders and schedules change it.
  // As long as nothing is above the least value, the index is that of the first element met.
  const Expr index = to.accumulate(start, [&](const Expr& so_far) {
    const Expr first = binary(BinaryFn::min, position, so_far);
    const Expr equal =
        select(Compare::eq, s.x, best, select(Compare::gt, s.x, least, first, so_far), so_far);
    const Expr larger = select(Compare::gt, s.x, best, position, equal);
    if (is_integer(s.type())) return larger;
    const Expr last = binary(BinaryFn::max, position, so_far);
    return select(Compare::unordered, s.x, s.x,
                  select(Compare::unordered, best, best, last, position), larger);
  });
  to.write(spoken(group.program.name_of(index_value)), index_value, index);
}

void accumulate_arg_max(Slide& s, const GroupLowering& group, const std::vector<Window>& windows) {
  const ir::Program& program = group.program;
  const std::vector<Axis> axes = program.type(group.head.operands[0]).spatial_axes();
  Affine here;
  int64_t positions = 1;
  bool is_wide = false;
  for (size_t i = 0; i < axes.size(); ++i) {
    here += s.input[axes[i]] * index_step(windows, i);
    positions *= windows[i].input;
    is_wide |= position_type(windows[i]) == ElementType::i64;
  }
  const ElementType type = !is_wide && positions <= std::numeric_limits<int32_t>::max()
                               ? ElementType::i32
                               : ElementType::i64;
  const std::string name = spoken(program.name_of(group.head.results[1]));
  accumulate_arg_max(s, group, ir::position(here, type),
                     first_index(s.to, name, axes, windows, type));
}

// ---- combines ---------------------------------------------------------------------------------

void accumulate_largest(Slide& s) {
  s.to.accumulate(least_of(s.type()), [&](const Expr& best) { return larger_or_nan(s.x, best); });
}

void accumulate_sum(Slide& s) {
  s.to.accumulate(number(0, s.type()), [&](const Expr& sum) { return sum + s.x; });
}

/// (sum |x|^p)^(1/p). Powers that are not small whole numbers go through logarithms, in f64: in f32
/// the error of a logarithm would be p times as large in the power.
void accumulate_power(Slide& s, double p) {
  const ElementType type = s.type();
  const Expr magnitude = unary(ir::UnaryFn::abs, s.x);
  const auto power = [](const Expr& x, double exponent) {
    const Expr wide = converted(ElementType::f64, x);
    return unary(ir::UnaryFn::exp,
                 unary(ir::UnaryFn::log, wide) * ir::imm(exponent, ElementType::f64));
  };
  if (p == 1) {
    s.to.accumulate(number(0, type), [&](const Expr& sum) { return sum + magnitude; });
  } else if (p == 2) {
    s.to.accumulate(number(0, type), [&](const Expr& sum) { return fma(s.x, s.x, sum); });
    s.to.value = unary(ir::UnaryFn::sqrt, s.to.value);
  } else {
    s.to.accumulate(number(0, ElementType::f64),
                    [&](const Expr& sum) { return sum + power(magnitude, p); });
    s.to.value = converted(type, power(s.to.value, 1 / p));
  }
}

} // namespace

void lower_pool(const GroupLowering& group) {
  const auto& op = std::get<ir::Pool>(group.head.operation);
  const std::vector<Window> windows = ir::windows(group.program, group.head);
  Slide s = slide(group, windows);
  switch (op.kind) {
  case PoolKind::max:
    if (wants_index(group))
      accumulate_arg_max(s, group, windows);
    else
      accumulate_largest(s);
    break;
  case PoolKind::average:
    accumulate_sum(s);
    s.to.value = average(s.to, op, group.head, s.to.value, windows);
    break;
  case PoolKind::lp: accumulate_power(s, op.p); break;
  }
  group.finish(std::move(s.to));
}

void lower_global_pool(const GroupLowering& group) {
  const auto& op = std::get<ir::GlobalPool>(group.head.operation);
  const std::vector<Window> windows = ir::windows(group.program, group.head);
  Slide s = slide(group, windows);
  if (op.kind == PoolKind::max) {
    accumulate_largest(s);
  } else {
    double elements = 1;
    for (const Window& window : windows) elements *= static_cast<double>(window.kernel);
    accumulate_sum(s);
    s.to.value = s.to.value / ir::imm(elements, s.type());
  }
  group.finish(std::move(s.to));
}

// ---- adaptive ---------------------------------------------------------------------------------

namespace {

/// Cell i of an axis covers [floor(i L / O), ceil((i + 1) L / O)). Where O divides L, cells are
/// ordinary windows. Elsewhere every cell takes as many taps as the longest, by a table; in shorter
/// ones the last element comes twice, which a maximum does not see and an average leaves out.
struct Cells {
  int64_t input, output, taps;
  int64_t begin(int64_t i) const { return static_cast<int64_t>(__int128{i} * input / output); }
  int64_t end(int64_t i) const {
    return static_cast<int64_t>((__int128{i + 1} * input + output - 1) / output);
  }
  bool regular() const { return input % output == 0; }
};

/// The longest cell: of L = q O + r, one begins a elements of O into an element, where a is every
/// multiple of gcd(r, O) once, and has q + ceil((a + r) / O) taps.
Cells cells(int64_t input, int64_t output) {
  const int64_t whole = input / output, rest = input % output;
  if (rest == 0) return {input, output, whole};
  return {input, output, whole + (rest > std::gcd(rest, output) ? 2 : 1)};
}

/// Places of elements over all space, d, h and w in that order, summed up axis by axis.
struct Places {
  ElementType type;
  Affine affine; // of the axes where a place is that
  Expr others;
  void add(const Expr& along, int64_t step) {
    const Expr term = step == 1 ? along : along * number(step, type);
    others = others ? others + term : term;
  }
  Expr sum() const {
    const Expr whole = ir::position(affine, type);
    return others ? others + whole : whole;
  }
};

/// The largest of each cell and its place. Along an axis of regular cells a place is affine; along
/// another it is begin + tap, and the cell's last where that is beyond.
void accumulate_arg_max(Slide& s, const GroupLowering& group, const std::vector<Cells>& cells,
                        const Coordinates& taps) {
  NestBuilder& to = s.to;
  const std::vector<Axis> axes = group.program.type(group.head.operands[0]).spatial_axes();
  const std::string name = spoken(group.program.name_of(group.head.results[1]));
  double positions = 1;
  for (const Cells& along : cells) positions *= static_cast<double>(along.input);
  const ElementType type =
      positions <= std::numeric_limits<int32_t>::max() ? ElementType::i32 : ElementType::i64;
  Places here{type, {}, nullptr}, start{type, {}, nullptr};
  int64_t step = 1;
  for (size_t i = axes.size(); i-- > 0; step *= cells[i].input) {
    const Cells& along = cells[i];
    const Axis axis = axes[i];
    if (along.regular()) {
      start.affine += to.at[axis] * (along.taps * step);
      here.affine += (to.at[axis] * along.taps + taps[axis]) * step;
      continue;
    }
    std::vector<double> begins, lasts;
    for (int64_t cell = 0; cell < along.output; ++cell) {
      begins.push_back(static_cast<double>(along.begin(cell)));
      lasts.push_back(static_cast<double>(along.end(cell) - 1));
    }
    const auto looked_up = [&](const char* what, const std::vector<double>& numbers) {
      const std::string of = fmt::format("{}_{}_{}", name, what, ir::to_char(axis));
      return to.read_vector(to.lowering.table(of, type, numbers), to.at[axis]);
    };
    const Expr begin = looked_up("first", begins);
    start.add(begin, step);
    here.add(
        binary(BinaryFn::min, begin + ir::position(taps[axis], type), looked_up("last", lasts)),
        step);
  }
  accumulate_arg_max(s, group, here.sum(), start.sum());
}

} // namespace

void lower_adaptive_pool(const GroupLowering& group) {
  const auto& op = std::get<ir::AdaptivePool>(group.head.operation);
  const ir::ValueId value = group.head.operands[0];
  const ir::TensorType& type = group.program.type(value);
  const std::string name = spoken(group.program.name_of(group.head.results[0]));
  NestBuilder to = group.start();
  const auto cuts = [&](Axis axis) {
    Boundaries all = group.cuts(axis);
    all.merge(boundaries(type, axis));
    return all;
  };
  to.at[Axis::n] = to.parallel(Axis::n, type.size(Axis::n), cuts(Axis::n));
  to.at[Axis::c] = to.parallel(Axis::c, type.size(Axis::c), cuts(Axis::c));
  const std::vector<Axis> axes = type.spatial_axes();
  for (size_t i = 0; i < axes.size(); ++i) group.add_parallel(to, axes[i], op.output[i]);

  Coordinates input;
  input[Axis::n] = to.at[Axis::n];
  input[Axis::c] = to.at[Axis::c];
  std::array<int32_t, 7> tables;
  tables.fill(-1);
  const ElementType element = computed_in(type.element);
  struct Length {
    Affine tap;
    Expr taps; // of the cell
  };
  std::vector<Length> lengths;
  double constant = 1;
  std::vector<Cells> all_cells;
  Coordinates taps_at;
  for (size_t i = 0; i < axes.size(); ++i) {
    const Axis axis = axes[i];
    const Cells along = all_cells.emplace_back(cells(type.size(axis), op.output[i]));
    const Affine tap = taps_at[axis] = to.reduce_taps(axis, along.taps);
    if (along.regular()) {
      input[axis] = to.at[axis] * along.taps + tap;
      constant *= static_cast<double>(along.taps);
      continue;
    }
    input[axis] = to.at[axis] * along.taps + tap; // the subscript of the table
    require_table(group.head, along.output, along.taps);
    std::vector<int64_t> positions;
    std::vector<double> taps;
    for (int64_t cell = 0; cell < along.output; ++cell) {
      for (int64_t k = 0; k < along.taps; ++k)
        positions.push_back(std::min(along.begin(cell) + k, along.end(cell) - 1));
      taps.push_back(static_cast<double>(along.end(cell) - along.begin(cell)));
    }
    tables[static_cast<size_t>(axis)] = static_cast<int32_t>(to.nest.tables.size());
    to.nest.tables.push_back(std::move(positions));
    if (op.kind == PoolKind::average) {
      const int32_t table =
          to.lowering.table(fmt::format("{}_cell_{}", name, ir::to_char(axis)), element, taps);
      lengths.push_back({tap, to.read_vector(table, to.at[axis])});
    }
  }
  Slide s{std::move(to), nullptr, input};
  s.x = computed(s.to.read_through(value, input, tables));
  if (op.kind == PoolKind::max && wants_index(group)) {
    accumulate_arg_max(s, group, all_cells, taps_at);
  } else if (op.kind == PoolKind::max) {
    accumulate_largest(s);
  } else {
    s.to.accumulate(number(0, element), [&](const Expr& sum) {
      Expr result = sum + s.x;
      for (const Length& length : lengths)
        result = select(Compare::lt, converted(element, ir::position(length.tap, ElementType::i32)),
                        length.taps, result, sum);
      return result;
    });
    Expr divisor = ir::imm(constant, element);
    for (const Length& length : lengths) divisor = divisor * length.taps;
    s.to.value = s.to.value / divisor;
  }
  group.finish(std::move(s.to));
}

} // namespace volute::compiler
