// A kernel's call, checked from one stored value to the next.
//
//     %x -> conv_r0 -> %r0 -> conv_r1 -> %r1 -> ... -> %y
//
// A bound on rounding that is carried through fifty layers allows anything: each layer multiplies
// it by the sum of its weights' magnitudes. So whatever the kernel has stored on the way
// (runtime::Kernel::call_keeping) is compared with what the reference makes of what the kernel had
// stored before, and a bound goes no farther than from one such value to the next. A layer that is
// wrong is wrong by itself, however deep it lies; and where each value follows from those before
// it, the results follow from the inputs.
#pragma once

#include "bench/verify.h"
#include "ir/program.h"
#include "runtime/tensor.h"

#include <map>
#include <string>
#include <vector>

namespace volute::bench {

/// Tensors by the names of the values that they are.
using Values = std::map<std::string, ir::TensorData>;

/// A tensor's elements, as the reference takes them.
ir::TensorData data_of(const runtime::Tensor& tensor);

struct CheckedCall {
  std::vector<Agreement> on_the_way; // what was kept and is no output, in the program's order
  std::vector<Agreement> outputs;    // in the program's order

  bool agrees() const;
  bool is_bounded() const;
};

/// The program, but whoever reads a value of one of these names reads an input of the same type in
/// its place, and the values are results too.
struct Cut {
  ir::Program program;
  std::map<std::string, std::string> inputs; // the names of the new ones, by those of the values
};
Cut cut_at(const ir::Program& program, const Values& kept);

/// The call that made `outputs`, and `kept` on the way, of `inputs`. Refused as `bounded_reference`
/// refuses; of what it takes, `budget`, `flushed` and `algorithms` likewise.
Expected<CheckedCall> check_call(const ir::Program& program, const Values& inputs,
                                 const Values& outputs, const Values& kept,
                                 const ir::EvaluationBudget& budget = {}, bool flushed = false,
                                 const Algorithms& algorithms = {});

/// What was kept, where all of it agrees: "49 values on the way, each against the reference of what
/// the kernel had before it: 40 equal, 9 within the tolerance, the farthest %r17 with 0.12 of it".
/// Empty where nothing was.
std::string summary_on_the_way(const CheckedCall& checked);

} // namespace volute::bench
