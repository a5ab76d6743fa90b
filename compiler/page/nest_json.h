// Nests as data that a page evaluates, element by element: every number that a result is made of.
//
//     affine   [constant, var, coefficient, var, coefficient, ...]
//     access   {o: operand, i: [affine...], t: [table or -1...]}
//     nest     {vars, axes: [{v, n, reduction, role}], where: [[affine, affine]...],
//               operands: [{buffer, dims: [[extent, stride]...]}], tables,
//               nodes: [node...], accumulators: [{name, initial, update}],
//               writes: [access and {value}...]}
//     node     [what, type, operand nodes...], each node behind those that it is made of:
//              ["number", type, value] ["position", type, affine] ["read", type, access]
//              ["acc", type, accumulator] ["select", type, compare, a, b, then, otherwise]
//              ["fma", type, a, b, c], and every other function by its name
#pragma once

#include "ir/nest.h"

#include <nlohmann/json.hpp>

namespace volute::compiler {

nlohmann::ordered_json json_of(const ir::Nest& nest);

} // namespace volute::compiler
