// What is asked for ahead of its use, and how it lies in memory.
//
// A 1x1 convolution reads each input element for one tile only, so an image beyond L2 streams in
// from L3 while its tile computes, and the machine's own prefetchers lose the trail at every page.
// `prefetch x` asks for the next tile's lines instead, a few at each tap: requests must trickle,
// because only a dozen or so can be on their way at once. A packed weight beyond L2 comes in
// bursts, all of a panel for the first tile that reads it: `prefetch w` spreads them over the tiles
// before.
#pragma once

#include "ir/diagnostic.h"
#include "ir/nest.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace volute::compiler {

struct Plan;

struct Stream {
  ir::Read read;
  int64_t next = 0;  // elements from a tile to the next
  int64_t lines = 0; // vectors of a tile in one row; 0: one block of memory for the whole tile
  int64_t lanes = 0, tile = 0;
  ir::Var tap; // the axis that walks rows, or lies along the block
  int64_t tap_stride = 0;
  int32_t trip_loop = -1; // the outer of two loops over `tap`, -1: there is one
  int64_t taps_a_trip = 1;
  int32_t turns_loop = -1; // the loop whose tiles read the same, -1: none
  int64_t turns = 1;       // how many tiles those are
};

/// A packed operand is read panel after panel: all that the reduction loops of one tile read lies
/// together. While several tiles read a panel, they ask for the next one; each at every step for
/// its share of that step's lines. A tile that reads one alone asks for what it reads some steps
/// later.
struct Panels {
  int32_t operand = -1;
  int64_t panel = 0; // elements, from what is read to what is asked for
  int64_t line = 0;  // elements
  int64_t share = 0; // lines that a tile asks for at each step
  struct Turn {
    size_t loop;   // of the plan, whose tiles read the same panel
    int64_t tiles; // of one trip
  };
  std::vector<Turn> turns;
  int64_t tiles = 1; // that read one
};

/// The panels of a packed operand that the plan's schedule names.
Panels panels(const ir::Nest& nest, const Plan& plan, int32_t operand, int64_t line_bytes);

/// The streams of the operands that the plan's schedule names and that are not packed; its loops
/// and tile are there. An operand qualifies when a tile of it is rows of vectors or one block of
/// memory.
Expected<std::vector<Stream>> streams(const ir::Nest& nest, const Plan& plan);

} // namespace volute::compiler
