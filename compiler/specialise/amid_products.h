// A nest that is computed inside another, a row of it amid the products of the row before.
//
//     for c_t in 0..16:                         before: a matrix unit waits while vectors split
//       for h in 0..7, w in 0..28:
//         store x_parts[..., h, w, 32*c_t] = ...
//     for h in 0..7:
//       for o_t in 0..4:
//         for i_t in 0..16:
//           tile acc += ...
//           tile acc += ...
//
//     ... rows 0..1 of x_parts                  after: vectors split while the unit multiplies
//     for h in 0..7:
//       for o_t in 0..4:
//         for i_t in 0..16:
//           tile acc += ...
//           when 0 <= h + 1 < 7:
//             store x_parts[..., h + 1, 7*o_t, 32*i_t] = ...
//           tile acc += ...
//           when 0 <= h + 1 < 7:
//             ...
//
// A core looks some 500 instructions ahead. A product of 2 x 2 tiles keeps the unit busy for 64
// cycles and is a dozen instructions; so it multiplies on where a few vectors' work stands between
// two such, and stops where the work of a whole row stands between two rows. Measured on Emerald
// Rapids: 12 vectors of 32 floats split in a block before the 24 products of a step add 20 of their
// 20 us to 83, spread over them none.
#pragma once

#include "ir/loops.h"

#include <cstdint>
#include <optional>
#include <string>

namespace volute::compiler {

/// Rows of a buffer in scratch that a step keeps, of all that were there for it.
struct KeptRows {
  int32_t buffer = -1;
  size_t dim = 0; // of its views
  int64_t rows = 0;
};

struct AmidProducts {
  ir::Step step;
  std::string misfit;           // why they stay one after the other; "" where they do not
  std::optional<KeptRows> kept; // where fewer rows are there at a time than before
};

/// Of a step as merge_steps puts it together of two, the first of which is a plain nest of loops
/// that stores rows which the second multiplies: with the rows of the first spread over the
/// products of the second.
AmidProducts amid_products(ir::Step merged);

} // namespace volute::compiler
