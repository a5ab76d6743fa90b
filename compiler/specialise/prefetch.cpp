#include "compiler/specialise/prefetch.h"

namespace volute::compiler {

using namespace ir;

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

/// A tile's share of what the next panel has for this step. More tiles than there are lines ask for
/// what comes later: a branch in the innermost loop would cost more than lines asked for twice.
Stmt Prefetcher::share(const Panels& panels, const std::vector<Affine>& loops) const {
  const PackedLayout& layout = *plan_.packed_layout_of(panels.operand);
  Affine turn, place = panels.panel;
  for (const Panels::Turn& t : panels.turns) turn += loops[t.loop] * t.tiles;
  int64_t stride = 1;
  for (size_t d = layout.dimensions.size(); d-- > 0; stride *= layout.dimensions[d].count)
    if (const int32_t loop = layout.dimensions[d].loop; loop >= 0)
      place += loops[static_cast<size_t>(loop)] * stride;
  place += turn * (panels.share * panels.line);
  std::vector<Stmt> lines;
  for (int64_t l = 0; l < panels.share; ++l)
    lines.push_back(stmt(Prefetch{panels.operand, place + Affine(l * panels.line)}));
  return block(std::move(lines));
}

Stmt Prefetcher::panels_at_tap(const std::vector<Affine>& loops) const {
  std::vector<Stmt> stmts;
  for (const Panels& panels : plan_.panels) stmts.push_back(share(panels, loops));
  return block(std::move(stmts));
}

Stmt Prefetcher::rows_at_tap(const std::vector<Affine>& base) const {
  std::vector<Stmt> stmts;
  for (const Stream& stream : plan_.streams) {
    const bool in_turns = stream.turns_loop >= 0 && stream.trip_loop >= 0;
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
  for (const Stream& stream : plan_.streams) {
    if (stream.lines == 0 || stream.turns_loop < 0 || static_cast<int32_t>(at) != stream.trip_loop)
      continue;
    const Affine& turn = loops[static_cast<size_t>(stream.turns_loop)];
    const Affine tap = turn * trips + trip;
    const Affine& here = base[static_cast<size_t>(stream.tap.id)];
    Stmt lines = row(stream, place(stream, base) + (tap - here) * stream.tap_stride);
    stmts.push_back(stream.turns <= stream.taps_a_trip
                        ? lines
                        : stmt(When{turn, 0, stream.taps_a_trip, lines}));
  }
  return block(std::move(stmts));
}

} // namespace volute::compiler
