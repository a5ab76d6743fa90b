// How the rows that one nest reads follow from those that another writes: what deciding about bands
// and cutting them (bands.h) both ask. Private to them.
#pragma once

#include "ir/nest.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace volute::compiler {

/// How a consumer's rows follow from a producer's: the dimension of what passes between them along
/// which bands are cut, and the rows that one element of the consumer's axis reaches.
struct Link {
  int32_t buffer = -1;
  size_t dim = 0;         // of the rows, in the buffer's view
  ir::Var row;            // the producer's axis along it
  ir::Var consumer_axis;  // the consumer's
  int64_t block = 1;      // rows that one element of it is written to, one after the other
  int64_t rows = 0;       // of the buffer
  int64_t step = 1;       // rows from one element of the consumer's axis to the next
  int64_t lo = 0, hi = 0; // rows that element 0 reads, first and last
};

/// The link, or why there is none. `consumer` may be banded already: then `band` is its band axis.
struct Linked {
  std::optional<Link> link;
  std::string why;
};

Linked link(const ir::Nest& producer, const ir::Nest& consumer,
            const std::vector<ir::Buffer>& buffers, const ir::NestAxis& axis);

/// The first block of rows that the first band reads, how many a band does, and their rows.
int64_t first_block(const Link& link);
int64_t blocks_of_band(const Link& link, int64_t tile);
int64_t rows_of_band(const Link& link, int64_t tile);

std::vector<ir::Read> reads_of(const ir::Nest& nest, int32_t buffer);

/// The nests that have to do with a buffer, in order.
using Touching = std::function<std::vector<size_t>(int32_t buffer)>;
/// Why the nest cannot be computed in bands at a place inside another; nothing when it can.
std::optional<std::string> band_obstacle(const ir::NestProgram& program, size_t producer,
                                         const ir::Placement& placement, const Touching& touching);

} // namespace volute::compiler
