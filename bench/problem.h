// A program as the peers see it: one convolution or pooling, then element-wise steps on its result.
//
// Peers are libraries with one function an operator; this is what their arguments are taken from.
#pragma once

#include "ir/infer.h"
#include "ir/program.h"

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace volute::bench {

/// A tensor that the program reads: given by name at run time, or a constant of the program.
struct Operand {
  std::string name; // without the %
  ir::TensorType type;
  std::shared_ptr<const std::vector<std::byte>> constant; // null when it is an input
};

/// result = f(result), or result = f(result, other).
struct Step {
  std::variant<ir::Unary, ir::Binary, ir::Quantize> operation;
  std::optional<Operand> other; // of a Binary: the result's shape, or per channel
  bool other_is_first = false;  // f(other, result)
};

struct Problem {
  enum class Kind : uint8_t { conv, conv_transpose, max_pool, average_pool };
  Kind kind = Kind::conv;

  int64_t batch = 1;
  int64_t groups = 1;
  int64_t inputs_per_group = 1, outputs_per_group = 1; // channels; pooling has one group a channel
  std::vector<ir::Window> windows; // one a spatial axis, d, h, w as there are; the transposed ones
  ir::PadMode padding_mode = ir::PadMode::zeros;

  bool count_include_pad = true;  // average_pool
  std::optional<int64_t> divisor; // average_pool

  Operand x;
  std::optional<Operand> w, b; // of both convolutions
  std::vector<Step> steps;
  std::string y;         // name of the program's result
  ir::TensorType y_type; // after the steps

  bool is_conv() const { return kind == Kind::conv || kind == Kind::conv_transpose; }
  int64_t output_channels() const { return groups * outputs_per_group; }
  /// Two for every tap of every output, those in the padding too, as the field counts; 0 for pools.
  double operations() const;
};

/// The problem of a verified program, or the statement that is more than one.
Expected<Problem> problem_of(const ir::Program& program);

} // namespace volute::bench
