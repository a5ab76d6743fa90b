// An expression of one argument as a function, on the arithmetic that the evaluators share.
#pragma once

#include "ir/expr.h"
#include "ir/tape.h"

#include <functional>
#include <memory>
#include <vector>

namespace volute::tests {

class FunctionOfOne {
public:
  explicit FunctionOfOne(ir::ElementType type, const std::function<ir::Expr(const ir::Expr&)>& make,
                         int32_t lanes = 1)
      : arguments_(std::make_shared<std::vector<ir::Scalar>>(static_cast<size_t>(lanes))),
        tape_(make(ir::load(type, lanes, ir::Load{0, {ir::Affine(0)}, 0, 1, 0, lanes, 0})),
              [arguments = arguments_](const ir::ExprNode&) {
                return [arguments](ir::Scalar* to) {
                  for (size_t l = 0; l < arguments->size(); ++l) to[l] = (*arguments)[l];
                };
              }) {}

  double operator()(double x) {
    for (ir::Scalar& argument : *arguments_) argument.real = x;
    return tape_.run()[0].real;
  }
  int64_t whole(int64_t x) {
    for (ir::Scalar& argument : *arguments_) argument.integer = x;
    return tape_.run()[0].integer;
  }
  std::vector<double> operator()(const std::vector<double>& x) {
    for (size_t l = 0; l < x.size(); ++l) (*arguments_)[l].real = x[l];
    const ir::Scalar* y = tape_.run();
    std::vector<double> values;
    for (size_t l = 0; l < x.size(); ++l) values.push_back(y[l].real);
    return values;
  }

private:
  std::shared_ptr<std::vector<ir::Scalar>> arguments_; // shared with the tape's leaves
  ir::Tape tape_;
};

} // namespace volute::tests
