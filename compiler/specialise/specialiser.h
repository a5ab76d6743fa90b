// One nest becoming loops, and the parts of that, a file each:
//
//     specialise.cpp     the frame: the step, packed operands, arrays of registers
//     tile_loops.cpp     loops over parallel axes; tiles at the border stand by themselves
//     partial_sums.cpp   sums that wait in scratch while a loop outside of the tile turns
//     tile_code.cpp      code over a tile: initial values, updates, stores
//     tap_loops.cpp      loops over taps that the whole tile meets, and over those that a part does
//     slide_rows.cpp     taps that slide: a row of the image for all of them
//     matrix_tile.cpp    products of matrices: zeros, sums and their way out, by a matrix unit
#pragma once

#include "compiler/nests/borders.h"
#include "compiler/nests/constant_weight.h"
#include "compiler/specialise/code_budget.h"
#include "compiler/specialise/prefetch.h"
#include "compiler/specialise/register_tile.h"
#include "compiler/specialise/specialise.h"
#include "compiler/specialise/tile_store.h"

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace volute::compiler {

/// Blocks that hold nothing dissolve as they are put together.
inline bool is_empty(const ir::Stmt& s) {
  const auto* inner = std::get_if<ir::Block>(&s->is);
  return inner && inner->stmts.empty();
}

/// Writes the loops of a plan, from the outside to the inside.
class Specialiser {
public:
  Specialiser(const ir::Nest& nest, const Plan& plan, const Surroundings& around);
  Specialised run();

private:
  /// Where the code being written is.
  struct State {
    std::vector<Place> places;           // by nest variable; taps too
    std::vector<ir::Affine> loops;       // value of each loop of the plan, in units of its tile
    std::vector<ir::Constraint> guarded; // constraints left to a test (copies into a frame only)
    /// What becomes of a tile here. Where a loop over a reduction axis stands outside of one over a
    /// parallel axis, sums are partial, and wait in scratch between its trips.
    enum class Part : uint8_t {
      whole, // from the initial value to the store
      begin, // the initial value, to scratch
      add,   // from scratch, further taps, to scratch
      end,   // from scratch to the store
    };
    Part part = Part::whole;
  };

  /// An operand that is in registers for all taps that slide.
  struct HeldTaps {
    int32_t operand = -1;
    bool moves_along_lanes = false;
    int32_t array = -1;
    std::vector<ir::Affine> index(const ir::Affine& tap, const ir::Affine& vector) const {
      return moves_along_lanes ? std::vector<ir::Affine>{tap, vector}
                               : std::vector<ir::Affine>{tap};
    }
  };

  /// Scratch where accumulators wait, a buffer for each.
  struct SumsInScratch {
    std::string name;
    std::vector<size_t> buffers; // which of scratch_
  };

  static size_t id(ir::Var var) { return static_cast<size_t>(var.id); }
  ir::Var new_var(std::string name, Interval range);
  int32_t add_view(ir::View view);
  void make_frame();
  void add_items(const PlanLoop& loop);

  // ---- loops over parallel axes ----------------------------------------------------------------

  /// Copied taps are only as many as are needed where the borders are told apart; and what a number
  /// depends on must be known.
  std::vector<Segment> told_apart(const PlanLoop& loop, const Place& here, ir::Var axis,
                                  const std::vector<Segment>& together) const;
  std::vector<Segment> segments(size_t at, const State& state) const;
  /// Tiles of a loop that run the same code. Of an axis that is tiled in several levels, an outer
  /// tile at the border stands by itself, so that inside it the borders are where they are; one in
  /// the interior has none.
  std::vector<Segment> tiles(size_t at, const Place& here, ir::Var axis) const;
  /// Of a loop element by element into a frame: those outside of the image, inside, and beyond it.
  std::vector<Segment> across_frame(const Place& here, ir::Var axis) const;
  /// Rows of a slide are inside or outside for all elements: tiles are the same at the border.
  bool slides_along(ir::Var axis) const;
  /// Whether no element of the place meets a border, wherever the loops around it are.
  bool is_interior(const Place& place, ir::Var axis) const;
  ir::Stmt parallel_loops(size_t at, const State& state);
  /// The tiles of a segment, so many copies of their code a trip; then what is left of them.
  std::vector<ir::Stmt> copies_of_tiles(size_t at, const State& state, const Segment& s);
  /// The constraint that leaves out some of a loop's rows.
  const ir::Constraint* domain_of(const PlanLoop& loop) const;
  /// A loop over the rows of a band that lie in the image: 0 <= row + rest < extent.
  ir::Stmt rows_inside(size_t at, State state, const ir::Constraint& within);
  /// What one tile of a loop runs. `state` is that of the loop's outside.
  ir::Stmt tile_body(size_t at, State state, const Segment& segment, const ir::Affine& tile_index);

  // ---- sums that wait --------------------------------------------------------------------------

  /// A loop over a reduction axis around loops over parallel ones: what their tiles have summed up
  /// waits in scratch while the loop turns.
  ir::Stmt partial_sums(size_t at, State state);
  /// Scratch for the accumulators of all tiles inside loop `at`: a dimension for each parallel axis
  /// that goes on there, the vector axis last.
  void open_partial(size_t at, const State& state);
  /// Views of these extents over a buffer for each accumulator, as large as any that was asked for:
  /// what stands one after the other uses it in turn.
  std::vector<int32_t> view_scratch(const std::vector<int64_t>& extents, const std::string& whose,
                                    SumsInScratch& sums);
  ir::Stmt sum_tiles(size_t at, const State& state);
  std::vector<ir::Expr> partial_values() const;
  TileWriter::Sink store_partial(const TileWriter& writer) const;

  // ---- the register tile -----------------------------------------------------------------------

  /// Of the statement that the nest is for; what is folded into it says so itself.
  ir::SourceId source() const;
  bool has_numbers() const { return plan_.weight == WeightUse::numbers; }
  bool copies_taps() const { return plan_.weight != WeightUse::loaded; }
  bool is_copied(ir::Var tap) const;
  /// Of all elements that the code being written computes. Lanes are computed together, those too
  /// that the result does not take.
  KnownValues known(const State& state) const;
  std::vector<ir::Expr> initial_values() const;
  ir::Stmt part_of_tile(size_t first_tap_loop, State state);
  ir::Stmt tile(size_t first_tap_loop, State state);
  ir::Stmt serial_loop(ir::Var var, ir::Range range, ir::Stmt body, std::string note = "");
  /// The code, or the refusal of a schedule that has written too much.
  ir::Stmt counted(ir::Stmt code);
  TileWriter::Sink set_accumulators() const;
  /// All accumulators take their updates at once: one that others read is set after those.
  std::vector<size_t> order_of_sets(const std::vector<ir::Expr>& values) const;
  void redirect_packed(TileWriter::Source& source, const State& state) const;
  /// The registers of elements that meet data for the current tap, by axis of the tile.
  std::vector<std::vector<Piece>> active_pieces(const State& state) const;
  /// Writes code over the tile, or over its elements that meet data for the current tap.
  TileWriter writer(const State& state, const std::vector<ir::Affine>& base, bool only_active);
  /// The weight of a dot product as it is packed.
  ir::Expr packed_weight() const;
  std::optional<ir::Read> packed_read(const ir::Read& read, const State& state) const;
  double neutral();
  /// Constraints without taps (a copy into a padded frame): narrows the active elements of the
  /// tile; false when none is inside. Scalar ones that are not decided become tests.
  bool narrow_to_frame(State& state) const;
  /// The parallel axis of more than one element in the current tile that the constraint mentions.
  std::optional<ir::Var> tiled_axis(const ir::Constraint& c, const State& state) const;
  /// What the accumulators become at one tap; nothing where it leaves them as they are.
  std::vector<ir::Expr> updates(const State& state) const;
  /// The same for all of the tile's elements that meet the tap; those that have a number of their
  /// own each by itself.
  void add_parts(std::vector<TileWriter::Part>& parts, const State& state) const;
  ir::Stmt update(const State& state);

  // ---- loops over taps -------------------------------------------------------------------------

  /// Taps that every element of the tile meets run in one loop, clipped at the border; those that
  /// only some elements meet follow, on border tiles alone. Taps that no element meets are gone.
  /// Where sums have one order, those that come first in it run before.
  ir::Stmt tap_loops(size_t at, const State& state);
  /// Copies of a tap where only the run tells which of them lie inside the image.
  ir::Stmt guarded_taps(size_t at, const ir::NestAxis& tap, const State& state);
  /// The taps that reach into the padding for some elements of the tile, for each border tile.
  enum class Side : uint8_t { both, before, after }; // of those that every element meets
  ir::Stmt partial_taps(size_t at, const ir::Constraint& c, const ir::NestAxis& tap, ir::Var axis,
                        Side side, const State& state);
  ir::Stmt tap_loop(size_t at, ir::Range range, const State& state);
  /// The outer of two loops over a tap axis that meets no padding: whole tiles, then what is left.
  ir::Stmt tap_tiles(size_t at, const State& state);

  // ---- taps that slide -------------------------------------------------------------------------

  const HeldTaps* held_taps(const ir::Read& read) const;
  /// Of the row that is being written: each of its elements meets another tap.
  std::optional<ir::Expr> held_value(const ir::ExprNode& node,
                                     const std::vector<ir::Affine>& registers) const;
  /// Row by row: what the image has there meets each tap with the element that it is for. Whether a
  /// row lies in the padding is one question for all of them.
  ir::Stmt rows_of_slide(size_t at, const State& state);
  /// Loads what is another one for each tap into registers, for all rows to come.
  std::vector<ir::Stmt> hold_taps(size_t at, const State& state);

  // ---- products of matrices --------------------------------------------------------------------

  /// A register of the tile: its number along each of the tile's axes, and the first element there,
  /// counted from the tile's own first.
  struct At {
    std::vector<ir::Affine> registers, elements;
  };
  void make_matrices();
  /// Sums from zero to the store. They wait in scratch between the matrix unit, which has registers
  /// of rows, and vectors, which finish them.
  ir::Stmt matrix_tile(size_t first_tap_loop, State state);
  ir::Stmt add_matrices(const State& state);
  /// Code for every register along the axes of the tile that `takes` has, in unrolled loops; those
  /// that meet data for the current tap, or all.
  ir::Stmt over_registers(const State& state, uint32_t takes, bool only_active,
                          const std::function<ir::Stmt(const At&)>& code, At at = {});
  ir::Stmt load_image(const State& state, const At& at) const;
  ir::Stmt load_weight(const State& state, const At& at) const;
  /// Whether loop `at` and the next are over the parts of numbers, and inside of them is one step
  /// of a matrix unit.
  bool multiplies_parts(size_t at, const State& state) const;
  /// That step for all parts, in an order in which most operands are in registers already.
  ir::Stmt products_of_parts(size_t at, const State& state);
  ir::TileRegister image_at(const At& at) const;
  ir::TileRegister weight_at(const At& at) const;
  /// Where the sums of this tile's elements wait.
  void index_sums(const State& state);
  /// What waits in scratch is finished and stored, a few rows of a vector at a time.
  ir::Stmt finish_matrices(const State& state);
  ir::Stmt finish_rows(size_t axis, const State& state, ir::For::Kind loops);
  /// The tiles of a segment, each of which is finished amid the products of the next.
  std::vector<ir::Stmt> overlapped_tiles(size_t at, const State& state, const Segment& s);
  /// The share of a step's products in finishing the tile before theirs.
  ir::Stmt finish_before(const State& state);

  ir::Nest nest_; // reads its weight as it is packed
  const Plan& plan_;
  Borders borders_;
  Prefetcher prefetcher_;
  CodeBudget budget_;
  ir::Step step_;
  TileFrame frame_;
  std::vector<Packing> packings_;
  int32_t next_buffer_;
  int64_t scratch_bytes_;
  std::vector<ir::Buffer> scratch_;
  std::vector<int32_t> scratch_numbers_;
  SumsInScratch partial_sums_{"partial", {}};
  std::vector<int32_t> partial_; // views of it
  ir::Index partial_index_;
  std::optional<ConstantWeight> weight_; // whose taps are copied out
  std::vector<Interval> ranges_;         // by step variable
  std::map<size_t, ir::Var> elements_;   // axes that are walked element by element inside a tile
  std::optional<double> neutral_;
  std::vector<HeldTaps> held_;
  int64_t row_ = 0; // of the slide, being written
  struct Matrices { // register arrays, and with which axes of the tile their operands move
    int32_t sums = -1, image = -1, weight = -1;
    uint32_t image_moves = 0, weight_moves = 0;
    // The tile before the one that is being written, and when there is one.
    struct Before {
      State state;
      ir::Affine index; // of the tile that is being written, from `first` on
      int64_t first, end;
    };
    std::optional<Before> before;
    bool has_weight = false, has_image = false; // in registers, from the step just written
    bool has_asked = false;                     // for this part of the weight, in this step
  } matrices_;
};

} // namespace volute::compiler
