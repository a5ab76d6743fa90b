// The oracle: a program's results, by plain loops over logical coordinates. Slow and obviously
// right; every other way to compute a program is compared with this one.
//
// Numbers. Floats are computed in double and stay double from statement to statement, whatever
// their element type; integers are two's complement of their width. Of f32, f16 and bf16 a value
// has the digits of a double and the range of f32, in which it is computed: infinity above, 0
// below. A float is rounded only
//   - where the program returns it, to its element type;
//   - where a bf16 or f16 value is stored by the rule of the language: it is read more than once,
//     or by a statement that is not element-wise (a fused chain is rounded once, at its end);
//   - by convert: to its result's element type, or to f32 where a bf16 or f16 result is not stored;
//   - before it becomes an integer, where a last bit decides the whole result. The operand of
//     convert to an integer and of quantize is first rounded to the type it is computed in (f64 for
//     f64, else f32), quantize then divides and requantize multiplies in that type, with the scale
//     as a number of that type. dequantize too takes its scale as f32, f64 where it gives f64.
//
// Layout. Memory order and split axes of operands and results are free; only coordinates count.
#pragma once

#include "ir/program.h"
#include "ir/tensor_data.h"

#include <map>
#include <string>

namespace volute::ir {

/// What an evaluation may cost. It is known before the first step, so that a hopeless evaluation is
/// refused at once rather than stopped after an hour.
struct EvaluationBudget {
  double steps = 1e11; // multiply-adds, taps, elements: some 10^7 to 10^9 of them a second
  double bytes = 16e9; // of the values alive at one time, each element taking 8
};

/// The values that the program returns, by name, for the values of its inputs, by name. Refused: a
/// program that does not verify; an input that is missing, unknown, of another type or of the wrong
/// number of bytes; a cost above the budget; an index that max_unpool has no element for.
Expected<std::map<std::string, TensorData>>
evaluate(const Program& program, const std::map<std::string, const TensorData*>& inputs,
         const EvaluationBudget& budget = {});

} // namespace volute::ir
