// Asking early for what the next tile reads: where a plan's streams ask for lines (streams.h).
#pragma once

#include "compiler/schedule/plan.h"
#include "ir/loops.h"

namespace volute::compiler {

class Prefetcher {
public:
  Prefetcher(const ir::Nest& nest, const Plan& plan) : nest_(nest), plan_(plan) {}

  /// What goes beside every tap: shares of packed operands' panels, and rows of others. `base` is
  /// the tile's place by nest variable, taps included; `loops` is the value of each loop of the
  /// plan.
  ir::Stmt panels_at_tap(const std::vector<ir::Affine>& loops) const;
  ir::Stmt rows_at_tap(const std::vector<ir::Affine>& base) const;

  /// What goes beside a trip of loop `at`, the outer of two over the innermost tap axis (`for i by
  /// 8, i`). Tiles that will read the same data (the output channels', of an input) take turns: in
  /// its turn, tile t asks for rows t * trips .. (t + 1) * trips.
  ir::Stmt at_trip(const std::vector<ir::Affine>& base, const std::vector<ir::Affine>& loops,
                   size_t at, const ir::Affine& trip, int64_t trips) const;

private:
  ir::Affine place(const Stream& stream, const std::vector<ir::Affine>& base) const;
  ir::Stmt share(const Panels& panels, const std::vector<ir::Affine>& loops) const;
  ir::Stmt row(const Stream& stream, const ir::Affine& begin) const;

  const ir::Nest& nest_;
  const Plan& plan_;
};

} // namespace volute::compiler
