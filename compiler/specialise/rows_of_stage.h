// What a stage that is to be made amid products (amid_products.h) and those products have to do
// with each other: which of their loops go together, and which rows of the one the other needs.
#pragma once

#include "ir/loops.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace volute::compiler {

/// A serial loop from 0 to a number.
struct PlainLoop {
  ir::Var var;
  int64_t trips = 1;
};

/// Of two nests in one step, a stage of rows and the products of a matrix unit that read them.
struct RowsOfStage {
  std::string misfit; // why its rows cannot be made amid those products; "" where they can
  // Of the products: loops around all of them, outermost first, the first over rows; and groups
  // that follow each other in a step.
  std::vector<PlainLoop> loops;
  int64_t groups = 0;
  // Of the stage: the code that its loops are around, the loop over rows, the one that goes along
  // with the products' innermost, and the other, which is spread over the tiles of a row.
  ir::Stmt unit;
  PlainLoop row, along;
  std::optional<PlainLoop> other;
  int64_t step_rows = 1;  // from a row of products to the next
  int64_t first_rows = 1; // that the first row of products needs
  ir::Affine tile = 0;    // of a row of products, its number
  int64_t each = 1;       // elements along the other loop that a tile takes
  bool is_even = true;    // those of all tiles are all that there are
  int32_t buffer = -1;    // that holds what the stage makes
  size_t dim = 0;         // of it, along which rows lie

  /// Copies of the code that a step of the products has.
  int64_t units() const { return step_rows * (along.trips / loops.back().trips) * each; }
};

/// Of the step as merge_steps puts it together.
RowsOfStage rows_of_stage(const ir::Step& merged);

/// Products that follow each other, with nothing between them but what they load.
bool is_group_of_products(const ir::Stmt& s);
bool has_products(const ir::Stmt& s);

} // namespace volute::compiler
