// Candidates for a matrix unit: tiles of its registers, rows of pixels by lanes of channels, some
// registers of both.
//
//                            weights o 0..16    o 16..32
//     image  w  0..14             sums            sums        4 of sums, 2 of weights, and one of
//            w 14..28             sums            sums        the image: 7 of 8 registers
#pragma once

#include "compiler/nests/weight_expression.h"
#include "compiler/schedule/candidates.h"
#include "compiler/schedule/schedule_builder.h"
#include "compiler/schedule/scheduled_nest.h"
#include "ir/nest.h"

namespace volute::compiler {

class MatrixCandidates {
public:
  /// Adds to those; both live as long as it.
  MatrixCandidates(const ScheduledNest& nest, Candidates& candidates)
      : nest_(nest), candidates_(candidates) {}

  /// Adds all tiles.
  void try_tiles();
  /// Whether some products of matrices take fewer cycles than vectors could, were nothing in their
  /// way.
  bool beat_vectors() const;
  /// Adds the best of a sorted list once more, with taps inside, and sorts it.
  void try_taps_inside();

private:
  void try_tiles(const DotForm& form, MatrixShape shape);
  void add(const MatrixShape& shape);
  bool may_be_tiled(const ir::NestAxis& axis) const;
  bool is_of(const DotForm& form, const ir::NestAxis& axis, const ir::Expr& operand) const;

  const ScheduledNest& nest_;
  Candidates& candidates_;
};

} // namespace volute::compiler
