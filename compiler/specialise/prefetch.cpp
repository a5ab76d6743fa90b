#include "compiler/specialise/prefetch.h"

#include "compiler/nests/strides.h"

#include <fmt/format.h>

#include <algorithm>

namespace volute::compiler {

using namespace ir;

Prefetcher::Prefetcher(const Nest& nest, const Schedule& schedule) : nest_(nest) {
  if (schedule.prefetch.empty()) return;
  const NestAxis* innermost =
      schedule.loops.empty() ? nullptr : nest.axis(schedule.loops.back().axis);
  for (size_t i = 0; innermost && i + 1 < schedule.loops.size(); ++i)
    if (schedule.loops[i].axis == schedule.loops.back().axis && innermost->reduction)
      trip_loop_ = static_cast<int32_t>(i), taps_a_trip_ = schedule.loops[i].by;

  for (const Read& read : inner_reads(nest)) {
    const std::string& operand = nest.operands[static_cast<size_t>(read.operand)].name;
    if (std::find(schedule.prefetch.begin(), schedule.prefetch.end(), operand) ==
        schedule.prefetch.end())
      continue;
    const auto moves = [&](const std::string& axis) {
      return stride_along(nest, read.operand, read.index, nest.axis(axis)->var) != 0;
    };
    const auto along = std::find_if(schedule.registers.begin(), schedule.registers.end(),
                                    [&](const RegisterDirective& r) { return moves(r.axis); });
    if (along == schedule.registers.end() || !innermost || !innermost->reduction) continue;

    Stream stream{read, 0, 0, along->lanes, along->size, innermost->var};
    const int64_t stride =
        stride_along(nest, read.operand, read.index, nest.axis(along->axis)->var);
    stream.next = stride * along->size;
    stream.tap_stride = stride_along(nest, read.operand, read.index, innermost->var);
    if (along->lanes > 0 && stride == 1) {
      stream.lines = ceil_div(along->size, along->lanes);
      bool inside = false;
      for (size_t i = 0; i < schedule.loops.size(); ++i) {
        if (schedule.loops[i].axis == along->axis)
          inside = true;
        else if (inside && !nest.axis(schedule.loops[i].axis)->reduction &&
                 !moves(schedule.loops[i].axis))
          stream.turns_loop = static_cast<int32_t>(i),
          stream.turns =
              ceil_div(nest.axis(schedule.loops[i].axis)->extent.number(), schedule.loops[i].by);
      }
    } else if (!(stream.tap_stride == 1 && stride == innermost->extent.number())) {
      throw Error(fail("schedule", fmt::format("nest {}: prefetch {}: a tile of it is neither rows "
                                               "of vectors nor one block of memory",
                                               nest.name, operand))
                      .diagnostics);
    }
    streams_.push_back(std::move(stream));
  }
}

/// Offset in the operand of what the next tile's first element reads.
Affine Prefetcher::place(const Stream& stream, const std::vector<Affine>& base) const {
  const View& view = nest_.operands[static_cast<size_t>(stream.read.operand)];
  Affine sum = stream.next;
  for (size_t d = 0; d < stream.read.index.size(); ++d) {
    const Affine& at = stream.read.index[d].at;
    Affine value = at.constant_term();
    for (const Affine::Term& t : at.terms())
      value += base[static_cast<size_t>(t.var.id)] * t.coefficient;
    sum += value * view.dims[d].stride.number();
  }
  return sum;
}

Stmt Prefetcher::row(const Stream& stream, const Affine& begin) const {
  std::vector<Stmt> lines;
  for (int64_t v = 0; v < stream.lines; ++v)
    lines.push_back(stmt(Prefetch{stream.read.operand, begin + Affine(v * stream.lanes)}));
  return block(std::move(lines));
}

Stmt Prefetcher::at_tap(const std::vector<Affine>& base) const {
  std::vector<Stmt> stmts;
  for (const Stream& stream : streams_) {
    const bool in_turns = stream.turns_loop >= 0 && trip_loop_ >= 0;
    if (stream.lines == 0)
      stmts.push_back(stmt(Prefetch{stream.read.operand,
                                    place(stream, base) + base[static_cast<size_t>(stream.tap.id)] *
                                                              (stream.tile - 1)}));
    else if (!in_turns)
      stmts.push_back(row(stream, place(stream, base)));
  }
  return block(std::move(stmts));
}

Stmt Prefetcher::at_trip(const std::vector<Affine>& base, const std::vector<Affine>& loops,
                         size_t at, const Affine& trip, int64_t trips) const {
  std::vector<Stmt> stmts;
  for (const Stream& stream : streams_) {
    if (stream.lines == 0 || stream.turns_loop < 0 || static_cast<int32_t>(at) != trip_loop_)
      continue;
    const Affine& turn = loops[static_cast<size_t>(stream.turns_loop)];
    const Affine tap = turn * trips + trip;
    const Affine& here = base[static_cast<size_t>(stream.tap.id)];
    Stmt lines = row(stream, place(stream, base) + (tap - here) * stream.tap_stride);
    stmts.push_back(stream.turns <= taps_a_trip_ ? lines
                                                 : stmt(When{turn, 0, taps_a_trip_, lines}));
  }
  return block(std::move(stmts));
}

} // namespace volute::compiler
