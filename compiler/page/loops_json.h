// The loops as data that a page can walk through: what runs after what, and which elements each
// statement reads and writes. What is computed of them is left out.
//
//     affine    [constant, var, coefficient, var, coefficient, ...]
//     bound     [affine, divisor]
//     access    {v: view, i: [affine...], t: [table or -1...], d: lane_dim, k: lane_step, n: lanes,
//                f: the first of them}
//     statement {t: "block", s} {t: "for", v, lo, hi, u: unrolled, s, l: line}
//               {t: "when", x, lo, hi, s, l} {t: "set", a: array, i, r: [access...], f: products,
//               l} {t: "store", w: access, r, l} {t: "scatter", w, r, l} {t: "turn", ..., l}
#pragma once

#include "ir/loops.h"

#include <nlohmann/json.hpp>

namespace volute::compiler {

/// `lines` are the step's of the loops text.
nlohmann::ordered_json json_of(const ir::Step& step, const ir::LoopsText::StepLines& lines);

} // namespace volute::compiler
