// The schedule of a register tile: the loops around it and their order, what is packed, what is
// asked for ahead. Which tiles there are to try, and which is the best, is choose's.
#pragma once

#include "compiler/nests/constant_weight.h"
#include "compiler/nests/weight_expression.h"
#include "compiler/schedule/schedule.h"
#include "compiler/schedule/sum_order.h"
#include "compiler/target/target.h"
#include "ir/nest.h"

#include <array>
#include <optional>
#include <string>
#include <vector>

namespace volute::compiler {

/// A register tile; its axes are the nest's.
struct TileShape {
  const ir::NestAxis* v = nullptr; // the vector axis
  int64_t lanes = 1;
  int64_t size = 1;                // elements along v
  const ir::NestAxis* u = nullptr; // the unrolled axis, if any
  int64_t rows = 1;
  const ir::NestAxis* tap = nullptr; // whose taps slide along u, if any do
  bool operator==(const TileShape&) const = default;
};

/// A tile of a matrix unit's registers: `row_registers` of `rows` each, times `vectors` of lanes,
/// and all of it for `unrolled` elements of another axis, if there is one.
struct MatrixShape {
  const ir::NestAxis* rows_axis = nullptr;
  int64_t rows = 1, row_registers = 1;
  const ir::NestAxis* v = nullptr;
  int64_t lanes = 16, vectors = 1;
  const ir::NestAxis* u = nullptr;
  int64_t unrolled = 1;
  int64_t step = 0;     // elements of the sum at a time
  bool overlaps = true; // whether tiles may follow each other in one item
};

/// Of the loops over tiles: as the sizes of image and weight suggest, or the other way round, or
/// pixel after pixel with all of their groups and channels, whose tiles go on where those before
/// them ended.
enum class LoopOrder : uint8_t { usual, turned, along_rows };

class ScheduleBuilder {
public:
  /// A nest without parameters, in which the axes of each group of `flattened` have been joined. It
  /// and the target live as long as the builder. `dot_products`: those are taken where the nest has
  /// their form. With `sums` in the stated order, that of the loops is no other where it matters.
  ScheduleBuilder(const ir::Nest& nest, std::vector<std::vector<std::string>> flattened,
                  const Target& target, bool dot_products, SumOrder sums);

  Schedule for_tile(const TileShape& tile, LoopOrder order) const;
  Schedule for_matrices(const MatrixShape& shape, LoopOrder order) const;
  /// The same with all taps inside of the steps through the channels, whose image stays in L1 for
  /// them; null where that is no other order.
  std::optional<Schedule> with_taps_inside(Schedule schedule) const;
  /// Work items of so many panels of the channels that are made; sums wait between blocks of the
  /// channels that are summed up.
  /// `most_waiting`: bytes of sums that wait at a time, of a few rows of the outermost axis of
  /// space then; 0: of all. Null where all have no more.
  std::optional<Schedule> blocked(const TileShape& tile, const ir::NestAxis& summed, int64_t block,
                                  const ir::NestAxis& made, int64_t panels, bool space_inside,
                                  int64_t most_waiting) const;
  /// Lanes along the reduction axis v, and a register for each of `rows` results along u and of
  /// `more` along `other`, if there is one.
  Schedule lanes_of_sums(const ir::NestAxis& v, const ir::NestAxis& u, int64_t rows,
                         const ir::NestAxis* other, int64_t more, int64_t lanes) const;
  /// Every axis a loop, the step's work items first.
  Schedule plain_loops() const;
  /// Elements are scattered one after the other within each plane; planes are apart.
  Schedule scattered() const;
  /// The same with the weight's numbers in the code.
  void put_numbers(Schedule& schedule, const ConstantWeight& weight) const;

  // What they go by.
  const std::string& name(const ir::NestAxis& axis) const;
  bool constrained(const ir::NestAxis& axis) const; // in some `where`
  static bool is_space(const ir::NestAxis& axis);
  bool is_banded() const { return is_banded_; }
  bool is_ordered() const { return is_ordered_; }
  const std::vector<ir::Read>& reads() const { return reads_; }
  const std::vector<std::vector<std::string>>& flattened() const { return flattened_; }
  int32_t weight() const { return weight_; } // weight_of the nest
  int64_t operand_bytes(int32_t operand) const;
  int64_t input_bytes() const; // of all that is read, but for the weight

private:
  /// Of numbers in parts: those of a step are multiplied one after the other, while they are in L1
  /// and in registers.
  void put_parts_inside(Schedule& schedule) const;
  /// Makes the innermost loop over tiles one inside of work items, or a part of it where items
  /// would be too few.
  void let_tiles_overlap(Schedule& schedule) const;
  void add_prefetch(Schedule& schedule, const ir::NestAxis& v, const ir::NestAxis* u) const;
  using Axes = std::vector<const ir::NestAxis*>;
  Axes parallel_order(LoopOrder by) const;
  Axes reduction_order() const;
  const Axes& parallel_axes(LoopOrder by) const { return parallel_[static_cast<size_t>(by)]; }
  /// Loops over what is summed up, added to those that are there.
  void add_reduction(std::vector<LoopDirective>& loops, const ir::NestAxis& v,
                     int64_t accumulators) const;
  void add_sliding(std::vector<LoopDirective>& loops, const ir::NestAxis& tap,
                   int64_t accumulators) const;
  bool vector_is_of_channels(const DotForm& form, const ir::NestAxis& v) const;

  const ir::Nest& nest_;
  const std::vector<std::vector<std::string>> flattened_;
  const Target& target_;
  const bool dot_products_; // are taken
  const bool is_ordered_, is_banded_;
  const std::vector<ir::Read> reads_;
  const int32_t weight_;
  // The same for all tiles.
  std::array<Axes, 3> parallel_;    // by LoopOrder
  Axes summed_;                     // in the order of reduction_order
  std::optional<DotForm> dot_form_; // along the last of them
};

} // namespace volute::compiler
