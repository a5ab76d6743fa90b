// The element-wise steps after a convolution or pooling, as plain loops over its result: for peers
// whose library has no such step in its kernels.
#pragma once

#include "bench/peer.h"
#include "bench/peers/layouts.h"
#include "bench/peers/naive_loops.h"
#include "bench/problem.h"

#include <vector>

namespace volute::bench {

class ElementSteps {
public:
  /// Of a problem in f32 without split axes; `y` is its result.
  static Expected<ElementSteps> prepare(const Problem& problem, float* y, const Tensors& tensors);
  void run() const {
    for (const One& step : steps_) naive::apply(step.function, step.elements);
  }

private:
  struct One {
    naive::Function function;
    naive::Elements elements;
  };
  std::vector<One> steps_;
  std::vector<std::vector<float>> constants_; // that steps read
};

/// An operand's memory: the caller's, or a copy of the program's constant.
Expected<const float*> floats_of(const Operand& operand, const Tensors& tensors,
                                 std::vector<std::vector<float>>& copies);

} // namespace volute::bench
