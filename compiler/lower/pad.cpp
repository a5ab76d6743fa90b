// The pad operator: crops first, then pads.
//
// Zeros (or another value) are a window of one tap, which starts from the value and takes what it
// finds inside; a negative pad shifts the window into the input. The other modes copy: along w in
// up to three nests, so that rows are read in vectors,
//
//     reflect by 2     x[2 - w]   x[w - 2]   x[2 (L - 1) - (w - 2)]
//
// and along d and h through a table of the row that each row copies.

#include "compiler/lower/nest_builder.h"

#include <algorithm>

namespace volute::compiler {

using ir::Affine;
using ir::Axis;
using ir::PadMode;
using ir::Window;

namespace {

/// One axis: of the input's elements [crop, crop + kept) are kept and begin + kept + end come out.
struct Side {
  int64_t input, crop, kept, begin, end;
  int64_t output() const { return begin + kept + end; }
};

Side side_of(int64_t extent, std::pair<int64_t, int64_t> pads) {
  const auto [begin, end] = pads;
  const int64_t crop = std::max<int64_t>(-begin, 0), crop_end = std::max<int64_t>(-end, 0);
  return {extent, crop, extent - crop - crop_end, std::max<int64_t>(begin, 0),
          std::max<int64_t>(end, 0)};
}

/// Outputs [first, first + count): of these, output first + j copies element start + step * j.
struct Run {
  int64_t first, count, start, step;
};

std::vector<Run> runs(const Side& side, PadMode mode) {
  const int64_t last = side.crop + side.kept - 1;
  std::vector<Run> all = {{side.begin, side.kept, side.crop, 1}};
  const int64_t after = side.begin + side.kept;
  switch (mode) {
  case PadMode::zeros: break;
  case PadMode::replicate:
    all.push_back({0, side.begin, side.crop, 0});
    all.push_back({after, side.end, last, 0});
    break;
  case PadMode::reflect:
    all.push_back({0, side.begin, side.crop + side.begin, -1});
    all.push_back({after, side.end, last - 1, -1});
    break;
  case PadMode::circular:
    all.push_back({0, side.begin, last + 1 - side.begin, 1});
    all.push_back({after, side.end, side.crop, 1});
    break;
  }
  std::erase_if(all, [](const Run& run) { return run.count == 0; });
  return all;
}

void lower_zeros(const GroupLowering& group, const ir::PadOp& op, const std::vector<Side>& sides) {
  const ir::ValueId x = group.head.operands[0];
  const ir::TensorType& type = group.program.type(x);
  const std::vector<Axis> axes = type.spatial_axes();
  NestBuilder to = group.start();
  Coordinates input, tap;
  for (Axis axis : {Axis::n, Axis::c}) {
    Boundaries cuts = group.cuts(axis);
    cuts.merge(boundaries(type, axis));
    to.at[axis] = input[axis] = to.parallel(axis, type.size(axis), cuts);
  }
  std::vector<Window> windows;
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto [begin, end] = op.pad.sides[i];
    Window window;
    window.input = type.size(axes[i]);
    window.pad_begin = begin;
    window.pad_end = end;
    window.output = sides[i].output();
    windows.push_back(window);
    group.add_parallel(to, axes[i], window.output);
  }
  add_taps(to, axes, windows, input, tap);
  const ir::Expr element = to.read(x, input);
  const ir::Expr value = is_float(type.element)
                             ? ir::imm(op.value, type.element)
                             : ir::imm_integer(static_cast<int64_t>(op.value), type.element);
  to.accumulate(value, [&](const ir::Expr&) { return element; });
  group.finish(std::move(to));
}

void lower_copies(const GroupLowering& group, PadMode mode, const std::vector<Side>& sides) {
  const ir::ValueId x = group.head.operands[0];
  const ir::TensorType& type = group.program.type(x);
  const std::vector<Axis> axes = type.spatial_axes();
  for (const Run& along_w : runs(sides.back(), mode)) {
    NestBuilder to = group.start();
    Coordinates input;
    std::array<int32_t, 7> tables;
    tables.fill(-1);
    for (Axis axis : {Axis::n, Axis::c}) {
      Boundaries cuts = group.cuts(axis);
      cuts.merge(boundaries(type, axis));
      to.at[axis] = input[axis] = to.parallel(axis, type.size(axis), cuts);
    }
    for (size_t i = 0; i + 1 < axes.size(); ++i) {
      const Axis axis = axes[i];
      group.add_parallel(to, axis, sides[i].output());
      require_table(group.head, sides[i].output());
      std::vector<int64_t> copied(static_cast<size_t>(sides[i].output()));
      for (const Run& run : runs(sides[i], mode))
        for (int64_t j = 0; j < run.count; ++j)
          copied[static_cast<size_t>(run.first + j)] = run.start + run.step * j;
      input[axis] = to.at[axis];
      if (sides[i].begin == 0 && sides[i].end == 0) {
        input[axis] += Affine(sides[i].crop);
        continue;
      }
      tables[static_cast<size_t>(axis)] = static_cast<int32_t>(to.nest.tables.size());
      to.nest.tables.push_back(std::move(copied));
    }
    const Affine w = to.parallel(Axis::w, along_w.count);
    to.at[axes.back()] = w + along_w.first;
    input[axes.back()] = w * along_w.step + along_w.start;
    to.value = to.read_through(x, input, tables);
    group.finish(std::move(to));
  }
}

} // namespace

void lower_pad(const GroupLowering& group) {
  const auto& op = std::get<ir::PadOp>(group.head.operation);
  const ir::TensorType& type = group.program.type(group.head.operands[0]);
  std::vector<Side> sides;
  for (Axis axis : type.spatial_axes())
    sides.push_back(side_of(type.size(axis), op.pad.sides[sides.size()]));
  if (op.mode == PadMode::zeros)
    lower_zeros(group, op, sides);
  else
    lower_copies(group, op.mode, sides);
}

} // namespace volute::compiler
