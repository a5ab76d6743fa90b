#include "compiler/schedule/matrix_cost.h"

#include "compiler/nests/strides.h"
#include "compiler/nests/weight_expression.h"
#include "compiler/schedule/operations.h"
#include "ir/loops.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace volute::compiler {

using namespace ir;

namespace {

// Costs that the target does not state, in cycles; measured.
constexpr double tile_reread = 35.0; // by vectors, of a matrix unit's registers just stored
constexpr double tile_latency = 116; // of a load, a product, a store and a vector's load of it
// Instructions behind the products of a step that leave the next to begin beside them: they wait
// for the vectors' ports where the unit's wait to be seen. All of the unit's time is hidden behind
// few, none behind many; measured with 4 to 32 rows of 2 vectors.
constexpr double least_amid = 40, most_amid = 320;
// Into the unit's registers, whose lines all are asked for at once.
constexpr double tile_l2_bytes_per_cycle = 44.0;
// Of an image whose rows lie so many lines apart: the lines that could have come meanwhile from one
// piece of memory, by way of L1 and past it. Measured with 1x1 convolutions of 1,024 bytes a pixel
// in all orders of their loops, and 3x3 of 256 bytes.
constexpr int64_t lines_apart = 2;
constexpr double rows_apart = 1.5, rows_apart_past_l1 = 2.3;
constexpr double least_product_cycles = 3.0; // of a product after one with the same weight

/// Of so many rows, where a whole tile takes `all`.
double of_rows(double all, int64_t rows) {
  return all * static_cast<double>(rows) / static_cast<double>(most_tile_rows);
}

} // namespace

std::vector<Footprint::Traffic> MatrixCost::from_l2(const Footprint& footprint,
                                                    int64_t l1_bytes) const {
  const Bypass bypass = plan_.matrix->bypass;
  std::vector<Footprint::Traffic> near = footprint.traffic_of_each(l1_bytes, bypass);
  const Var rows = plan_.tile[plan_.matrix->rows].axis;
  const int32_t image = std::get<Read>(plan_.instruction.dot->image->is).operand;
  const int64_t element_bytes = size_of(nest_.operands[static_cast<size_t>(image)].element);
  for (size_t i = 0; i < plan_.reads.size(); ++i) {
    const PlannedRead& read = plan_.reads[i];
    if (read.read.operand == image &&
        std::abs(stride_along(nest_, image, read.read.index, rows)) * element_bytes >=
            lines_apart * target_.line_bytes)
      near[i].bytes *= bypass.image ? rows_apart_past_l1 : rows_apart;
  }
  return near;
}

/// Of all products of a step. The unit takes a weight in row by row, as many as there are steps
/// of the sum, and has done so for the next by the end of a product; further products with the
/// same weight take as long as their images have rows. Measured on Emerald Rapids with 4 to 16
/// rows.
double MatrixCost::product_cycles(double products, double weights) const {
  const double image = std::max(of_rows(target_.tile_cycles, plan_.tile[plan_.matrix->rows].rows),
                                least_product_cycles);
  const double weight = std::max(of_rows(target_.tile_cycles, plan_.instruction.steps), image);
  const bool by_weight = plan_.matrix->holds_images || weights == 1; // those of one in a row
  const double changes = by_weight ? weights : products;
  return std::max(changes * weight + (products - changes) * image,
                  products * target_.least_tile_cycles);
}

double MatrixCost::start_cycles() const { return target_.tile_configure_cycles + tile_latency; }

std::array<CostTerm, 4> MatrixCost::step(const TileSizes& size, double l2_bytes,
                                         double l3_cycles) const {
  const int32_t weight = read_in_part(plan_.instruction.dot->weight).operand;
  const double products = size.all();
  double loads = 0, weights = 1;
  for (const PlannedRead& read : plan_.reads) {
    const bool is_weight = read.read.operand == weight;
    double count = size.registers_along(read.moves);
    if (is_weight) weights = count;
    if (!is_weight && !plan_.matrix->holds_images)
      count = products / static_cast<double>(size.registers[*plan_.vector]);
    loads +=
        count * of_rows(target_.tile_load_cycles,
                        is_weight ? plan_.instruction.steps : plan_.tile[plan_.matrix->rows].rows);
  }
  // A line at a time comes into L1, from wherever it comes.
  const double l2 = l2_bytes / tile_l2_bytes_per_cycle;
  const double l3_bytes = l3_cycles * target_.l3_bytes_per_cycle;
  return {{{"products", product_cycles(products, weights)},
           {"loads", loads},
           {"L2", l2},
           {"L3", l3_cycles + std::max(0.0, l2 - l3_bytes / tile_l2_bytes_per_cycle)}}};
}

double MatrixCost::end_cycles(const TileSizes& size, double products, const VectorEnd& end) const {
  const double registers = size.all();
  const int64_t rows = plan_.tile[plan_.matrix->rows].rows;
  const double vectors = registers * static_cast<double>(rows);
  const bool by_two = plan_.matrix->finished_lanes > plan_.lanes;
  const int64_t operations = end.operations + 1 - (by_two ? end.roundings * of_a_rounding / 2 : 0);
  const double each = // loads and stores are beside it
      static_cast<double>(operations) / end.operations_per_cycle + end.placing_cycles;
  const double ends = vectors * each;
  const double stores = registers * of_rows(target_.tile_store_cycles, rows);
  const auto steps = static_cast<double>(plan_.matrix->overlapped_steps);
  if (steps == 0) return stores + ends + tile_reread;
  const double apart = 1 / static_cast<double>(plan_.loops[plan_.first_tap() - 1].trips());
  const double amid = std::ceil(vectors / steps) * static_cast<double>(operations);
  const double hidden = std::clamp((most_amid - amid) / (most_amid - least_amid), 0.0, 1.0);
  return stores + apart * tile_reread + ends -
         (1 - apart) * hidden * std::min(ends, products + stores);
}

} // namespace volute::compiler
