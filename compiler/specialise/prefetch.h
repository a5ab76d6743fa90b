// Asking early for what the next tile reads.
//
// A 1x1 convolution reads each input element for one tile only, so an image beyond L2 streams in
// from L3 while its tile computes, and the machine's own prefetchers lose the trail at every page.
// `prefetch x` asks for the next tile's lines instead, a few at each tap: requests must trickle,
// because only a dozen or so can be on their way at once.
#pragma once

#include "compiler/schedule/schedule.h"
#include "ir/loops.h"

namespace volute::compiler {

class Prefetcher {
public:
  /// Throws Error when an operand that the schedule names cannot be prefetched.
  Prefetcher(const ir::Nest& nest, const Schedule& schedule);

  /// What goes beside every tap. `base` is the tile's place by nest variable, taps included.
  ir::Stmt at_tap(const std::vector<ir::Affine>& base) const;

  /// What goes beside a trip of loop `at`, the outer of two over the innermost tap axis (`for i by
  /// 8, i`). Tiles that will read the same data (the output channels', of an input) take turns: in
  /// its turn, tile t asks for rows t * trips .. (t + 1) * trips. `loops` is the value of each loop
  /// of the schedule.
  ir::Stmt at_trip(const std::vector<ir::Affine>& base, const std::vector<ir::Affine>& loops,
                   size_t at, const ir::Affine& trip, int64_t trips) const;

private:
  struct Stream {
    ir::Read read;
    int64_t next = 0;  // elements from a tile to the next
    int64_t lines = 0; // vectors of a tile in one row; 0: one block of memory for the whole tile
    int64_t lanes = 0, tile = 0;
    ir::Var tap; // the axis that walks rows, or lies along the block
    int64_t tap_stride = 0;
    int32_t turns_loop = -1; // the loop whose tiles read the same, -1: none
    int64_t turns = 1;       // how many tiles those are
  };
  ir::Affine place(const Stream& stream, const std::vector<ir::Affine>& base) const;
  ir::Stmt row(const Stream& stream, const ir::Affine& begin) const;

  const ir::Nest& nest_;
  int32_t trip_loop_ = -1; // into Schedule::loops
  int64_t taps_a_trip_ = 1;
  std::vector<Stream> streams_;
};

} // namespace volute::compiler
