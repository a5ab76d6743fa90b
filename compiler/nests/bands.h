// Computing one nest inside another, a band of rows at a time, so that what passes between them
// stays in the cache of one thread:
//
//     conv %0:        for all of h: %0[n, o, h, w]        before: %0 goes through memory
//     max_pool %y:    for all of h: reads %0[n, c, 2*h + kh, w]
//
//     for each band of 4 rows of %y:                      after: one step; %0 is the 9 rows that
//       conv %0:      rows 8*band .. 8*band + 8           those 4 read, in scratch
//       max_pool %y:  rows 4*band .. 4*band + 3
//
// Bands are independent work items. Rows that two bands read are computed twice.
#pragma once

#include "ir/nest.h"

#include <optional>
#include <string>
#include <vector>

namespace volute::compiler {

/// Why the nest cannot be computed so, in words for whoever asked; nothing when it can.
std::optional<std::string> band_obstacle(const ir::NestProgram& program, size_t producer,
                                         const ir::Placement& placement);

/// A nest and all that is placed inside it, ready to be one step: each has an axis of bands after
/// that of images, what passes between them is in scratch, and rows outside the image are outside
/// the domain. In the order in which they run, the consumer last.
struct Bands {
  std::vector<ir::Nest> nests;
  std::vector<size_t> numbers;     // which of the program's nests each is
  std::vector<ir::Buffer> buffers; // the program's, those in between as scratch
  int64_t scratch_bytes = 0;
};
/// Which nests are placed inside each, in the order in which they run.
class Producers {
public:
  explicit Producers(const ir::NestProgram& program);
  const std::vector<size_t>& of(size_t consumer) const { return of_[consumer]; }

private:
  std::vector<std::vector<size_t>> of_;
};
Bands banded(const ir::NestProgram& program, const Producers& producers,
             std::vector<ir::Buffer> buffers, size_t consumer);
Bands banded(const ir::NestProgram& program, std::vector<ir::Buffer> buffers, size_t consumer);

/// The axis of images, its most significant digit where it is cut; of several, the first of more
/// than one image; null for none.
const ir::NestAxis* batch_axis(const ir::Nest& nest);
/// The axis of bands of a nest that is cut into them; null for others.
const ir::NestAxis* band_axis(const ir::Nest& nest);
/// Whether the axis is one that all nests of a banded step share: images and bands.
bool is_shared(const ir::Nest& nest, const ir::NestAxis& axis);

} // namespace volute::compiler
