// What a schedule means for one nest on one target, every question answered once.
//
// A Schedule is what a person writes: names, and gaps that the nest fills. A Plan is what the
// passes read: the loops with their variables, tiles and trip counts, the register tile, the
// instruction that combines, how each operand comes into registers and how the result leaves them.
// The specialiser writes the loops that a plan says, the cost model counts them, and the report
// tells of them; none of them works out again what another one needs too.
#pragma once

#include "compiler/nests/constant_weight.h"
#include "compiler/nests/facts.h"
#include "compiler/nests/weight_expression.h"
#include "compiler/schedule/packed_layout.h"
#include "compiler/schedule/schedule.h"
#include "compiler/schedule/streams.h"
#include "compiler/schedule/sum_order.h"
#include "compiler/target/target.h"
#include "ir/nest.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace volute::compiler {

struct PlanLoop {
  ir::Var axis;
  std::string name; // of the axis, for the code's variables
  ir::AxisRole role = ir::AxisRole::other;
  bool reduction = false;
  bool parallel = false;    // its trips are work items
  bool places_tile = false; // the innermost loop over its axis
  int64_t extent = 1;       // elements it walks: the axis's, or a tile of the loop around it
  int64_t tile = 1;         // elements of one trip
  int64_t unroll = 1;       // copies of the body a trip
  bool unrolls_all = false; // ... or as many as there are trips

  int64_t trips() const { return ir::ceil_div(extent, tile); }
};

/// One axis of the register tile.
struct PlanTile {
  ir::Var axis;
  std::string name;
  int64_t size = 1;  // elements
  int32_t lanes = 0; // of each register, where it is the vector axis; else 0: one element each
  int32_t rows = 0;  // of each register of a matrix unit, where they are elements of this axis
  int64_t each() const { return std::max<int64_t>({lanes, rows, 1}); } // elements of a register
  int64_t registers() const { return ir::ceil_div(size, each()); }
};

/// What the innermost step does to an accumulator.
struct Instruction {
  enum class Kind : uint8_t {
    combine, // the nest's update as it is written: a multiply-add, a maximum, ...
    dot,     // `ways` narrow products added to each lane
    tile,    // the same for every lane of every row, `steps` times: a product of matrices
  };
  Kind kind = Kind::combine;
  int32_t ways = 1, steps = 1;
  std::optional<DotForm> dot; // of narrow products: their operands
};

/// Taps that slide along the tile: what the image has at one place along `axis` is loaded once and
/// meets every tap and every element that it is for, row by row.
struct Slide {
  size_t tile = 0;  // which axis of the tile
  int64_t step = 1; // rows from one of its elements to the next
  int64_t taps = 1;
  bool holds = false; // what moves with the taps alone, a weight, is in registers for all rows
  /// Places along the axis that `elements` of the tile meet.
  int64_t rows(int64_t elements) const { return step * (elements - 1) + taps; }
};

/// How long a register that holds an operand is needed.
enum class Residence : uint8_t {
  in_place, // moves with every axis of the tile: read where it is used, one after the other
  passing,  // moves with the outer axes of the tile only: one register, set again at each turn
  held,     // does not move with an outer axis: all of its registers stay for the whole step
};
/// The rule: `moves` has a bit for each of the tile's `axes`, the outermost the lowest.
Residence residence(uint32_t moves, size_t axes);

/// How an operand's elements become lanes.
enum class Arrival : uint8_t {
  broadcast,     // one element for all lanes
  loaded,        // neighbours in memory
  deinterleaved, // every second to fourth element: loads of neighbours, and shuffles
  gathered,      // a load and an insertion for each lane
};
/// Of elements that lie so far apart.
Arrival arrival(const ir::Nest& nest, int32_t operand, int64_t lane_stride, const Target& target);

/// The registers that hold what one access reads for a tile.
struct ReadRegisters {
  uint32_t moves = 0; // with which axes of the tile, a bit each
  Residence residence = Residence::in_place;
  int64_t registers = 1; // that its elements for a whole tile take
  /// Registers that it occupies during a step.
  int64_t occupies() const { return residence == Residence::held ? registers : 1; }
};
ReadRegisters registers_of(const ir::Index& index, const std::vector<PlanTile>& tile);

struct PlannedRead : ReadRegisters {
  ir::Read read;
  int64_t lane_stride = 0; // elements between lanes; of a packed operand 1 (or 0)
  Arrival arrival = Arrival::loaded;
  enum class Sliding : uint8_t {
    none, // the same for all taps that slide, or another one for each element and tap
    rows, // one for each row
    taps, // one for each tap
  } sliding = Sliding::none;
  bool is_packed = false;
};

/// What a matrix unit loads past L1, so that the other factor stays there.
struct Bypass {
  bool image = false, weight = false;
};

/// Of a matrix unit: how a product's operands are found for the registers of the tile.
struct MatrixTile {
  size_t rows = 0;            // which axis of the tile has them
  bool holds_images = false;  // a register for each row of registers; else one, set again for each
  int64_t tiles = 0;          // registers with rows in all
  int64_t finished = 1;       // rows that vectors finish at a time
  int32_t finished_lanes = 1; // of each, whose results fill a vector
  Bypass bypass;
  // Steps of a tile amid which vectors finish the tile before it, in the loop around them; 0: each
  // tile is finished before the next begins.
  int64_t overlapped_steps = 0;
};

/// What the code knows of a weight whose numbers are known.
enum class WeightUse : uint8_t {
  loaded,     // nothing: its elements are loaded
  empty_taps, // taps that are 0 for all channels are left out
  numbers,    // each multiply-add has its number, and those with 0 are left out
};

/// How accumulators go to memory.
struct PlannedStore {
  enum class Kind : uint8_t {
    vectors,    // lanes are neighbours in the result
    transposed, // the result's neighbours are along the tile's axis `rows`: turned in registers
    lanes,      // lane by lane
  };
  Kind kind = Kind::vectors;
  size_t rows = 0;
};

struct Plan {
  Schedule schedule;           // as text: every default filled in, a directive for each loop
  std::vector<PlanLoop> loops; // outermost first, those of Schedule::loops
  std::vector<PlanTile> tile;  // outermost first
  int32_t lanes = 1;
  std::optional<size_t> vector; // which axis of the tile has them
  bool across = false; // it is a reduction axis: lanes are parts of one sum, added up at the end
  SumOrder sums = SumOrder::any;
  Instruction instruction;
  std::optional<MatrixTile> matrix; // where the instruction is `tile`
  std::optional<Slide> slide;       // of the innermost loop
  std::vector<PlannedRead> reads;   // of the updates; of the results, where nothing is summed;
                                    // not of a weight whose numbers stand in the code
  PlannedStore store;               // of the first result
  bool ends_in_loop = false;        // which finishes one register after the other
  bool end_reads_numbers = false;   // from memory, in that loop
  std::vector<PackedLayout> packed; // operands
  WeightUse weight = WeightUse::loaded;
  double density = 1;          // the share of multiply-adds that are not left out
  std::vector<Stream> streams; // what is prefetched
  std::vector<Panels> panels;  // ... of packed operands

  /// Registers of one accumulator's tile.
  int64_t tile_registers() const;
  /// Vector registers that the inner step needs: accumulators, operands held, one in passing each.
  int64_t registers_needed(const ir::Nest& nest) const;
  /// Of an operand, null when it is read as it lies.
  const PackedLayout* packed_layout_of(int32_t operand) const;
  /// Of one of its elements; it is widened as it is packed where the instruction takes no other.
  int64_t packed_bytes(const ir::Nest& nest, int32_t operand) const;
  /// The innermost loop over an axis; it places the register tile along it.
  std::optional<size_t> loop_placing(ir::Var axis) const;
  /// Elements of an axis that the register tile holds.
  int64_t held(ir::Var axis) const;
  /// The first loop after the last one over a parallel axis: from here on a tile's accumulators
  /// stay in registers.
  size_t first_tap() const;
};

/// Plan::registers_needed of any plan with that tile whose taps do not slide and whose operands are
/// all loaded.
int64_t registers_needed(const NestFacts& facts, const std::vector<PlanTile>& tile);

/// Fits a schedule to a nest. Loops of the naive nest where it has none, tile sizes, loops over
/// axes of extent 1 left out. Refuses what does not fit: an axis that the nest does not have, an
/// axis in no loop, a register tile that its loop does not make, an operand that cannot be
/// prefetched. `flatten` has been applied to the nest already. `weight` is the nest's constant
/// weight, if it has one. With `sums` in the stated order, a schedule of another order is refused.
Expected<Plan> resolve(const Schedule& schedule, const ir::Nest& nest, const Target& target,
                       const ConstantWeight* weight = nullptr, SumOrder sums = SumOrder::any);
/// The same, where many schedules are tried for one nest.
Expected<Plan> resolve(const Schedule& schedule, const NestFacts& facts, const Target& target,
                       const ConstantWeight* weight = nullptr, SumOrder sums = SumOrder::any);
/// A plan that asks for one more operand ahead.
Expected<Plan> with_prefetch(Plan plan, const std::string& operand, const NestFacts& facts,
                             const Target& target);

} // namespace volute::compiler
