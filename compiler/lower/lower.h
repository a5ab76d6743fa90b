// Programs to nests: the one place that knows what each operator means as a domain, accesses and a
// combine. Schedules and code generation know nothing of operators.
#pragma once

#include "ir/nest.h"
#include "ir/program.h"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace volute::compiler {

struct LowerOptions {
  /// Of inputs and outputs by name: elements between neighbours along each extent of the type, in
  /// its order. What is not listed is dense.
  std::map<std::string, std::vector<int64_t>> strides;
  /// Convolutions of bytes or bf16, by their results, whose images are brought into the order in
  /// which machines add several products at once (rewrites/dot_products.h says which can be).
  std::set<ir::ValueId> dot_products = {};
  /// Those of them that are for a matrix unit: no tap of a row of pixels meets the padding.
  std::set<ir::ValueId> matrix_products = {};
  /// Convolutions, by their results, that are computed by Winograd's algorithm
  /// (rewrites/winograd.h): the outputs of a tile along each axis of space.
  std::map<ir::ValueId, std::vector<int64_t>> tiles = {};
  /// Convolutions of f32 or f16, by their results, whose operands are sums of bf16, and how many
  /// products of those count (rewrites/split_products.h says which can be): 6 of three parts each,
  /// 4 or 3 of two.
  std::map<ir::ValueId, int64_t> split_products = {};
  /// Whether those are for a matrix unit: no tap meets the padding, channels fill its products.
  bool has_matrix_unit = false;
  /// What people call a statement, by its result, where it does more than it was written for.
  std::map<ir::ValueId, std::string> names = {};
};

/// Lowers a verified, legal program (legalise.h). Buffers: the program's inputs, then its outputs,
/// in order, then intermediates and constant tables. `fuse` tells which statements share nests; a
/// result without elements has none.
///
/// Axes are named n, g (or c, when each channel is a group), o, d, h, w, then i, kd, kh, kw for
/// what is summed over; those of pools and element-wise nests n, c, d, h, w, then the taps. An axis
/// that tensors split is several, c and c1; the outputs of a transposed convolution are h and rh,
/// the phase.
Expected<ir::NestProgram> lower(const ir::Program& program, const LowerOptions& options = {});

} // namespace volute::compiler
