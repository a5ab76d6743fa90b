// The program language: operators with their exact shapes. What a user writes.
//
//     program @edges(%x: f32[n=1, c=1, h=480, w=640]) {
//       %k = const [0, -1, 0, -1, 4, -1, 0, -1, 0] : f32[o=1, i=1, h=3, w=3]
//       %0 = conv %x, %k {pad = 1}
//       %y = abs %0
//       return %y
//     }
//
// Operators are plain structs in a variant, one alternative an operator family, so that the
// compiler lists every place that forgot one. Attributes hold what was written, defaults filled in
// and one number expanded to one per spatial axis, outermost axis first. Every value has its type.
#pragma once

#include "ir/diagnostic.h"
#include "ir/sources.h"
#include "ir/types.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace volute::ir {

// ---- attributes -------------------------------------------------------------------------------

/// One number per spatial axis, outermost first.
using PerAxis = std::vector<int64_t>;

/// Padding per spatial axis, each side on its own, or a rule that infers it from the shapes.
struct Padding {
  /// The words that `pad` takes, and numbers.
  enum class Rule : uint8_t {
    numbers,    // `sides` as written
    valid,      // none
    same,       // PyTorch's: stride 1 only, the odd element at the end
    same_upper, // ONNX's SAME_UPPER and TensorFlow's SAME: ceil(L/s) outputs, odd one at the end
    same_lower, // ONNX's SAME_LOWER: the odd one at the begin
  };
  Rule rule = Rule::numbers;                      // which of them
  std::vector<std::pair<int64_t, int64_t>> sides; // (begin, end) an axis; used with Rule::numbers
  bool operator==(const Padding&) const = default;
};

/// What a tap outside the input reads.
enum class PadMode : uint8_t { zeros, reflect, replicate, circular };

/// One number for the whole tensor (size 1) or one per channel.
using PerChannel = std::vector<double>;

// ---- operators --------------------------------------------------------------------------------
// The comment has the operator's words and its operands in the order of Statement::operands. Fields
// are the attributes of those names.

struct Const { // const; no operands. The data are `bytes` in memory order, the type is the result's
  std::shared_ptr<const std::vector<std::byte>> bytes; // of the result's type
  std::string file; // the path as written in file("..."), empty for a written list
  /// Whether the files' names and the data are the same.
  bool operator==(const Const& other) const {
    return file == other.file &&
           (bytes == other.bytes || (bytes && other.bytes && *bytes == *other.bytes));
  }
};

struct Conv { // conv: x, w [, b]
  /// Attributes, those that were not written at their defaults.
  PerAxis stride, dilation;
  Padding pad;
  int64_t groups = 1;
  PadMode padding_mode = PadMode::zeros;
  int64_t x_zero_point = 0;
  std::vector<int64_t> w_zero_point = {0}; // one, or one per output channel
  bool operator==(const Conv&) const = default;
};

struct ConvTranspose { // conv_transpose: x, w [, b]
  /// As of Conv.
  PerAxis stride, dilation, output_padding;
  Padding pad; // Rule::numbers only
  int64_t groups = 1;
  int64_t x_zero_point = 0;
  std::vector<int64_t> w_zero_point = {0};
  bool operator==(const ConvTranspose&) const = default;
};

/// What a pooling makes of a window.
enum class PoolKind : uint8_t { max, average, lp };

struct Pool { // max_pool, avg_pool, lp_pool: x; max may have a second result, the arg-max as i64
  PoolKind kind = PoolKind::max; // which of the three
  /// Attributes; a stride that was not written is the kernel.
  PerAxis kernel, stride, dilation;
  Padding pad;
  bool ceil_mode = false;
  bool count_include_pad = true;  // average
  std::optional<int64_t> divisor; // average
  double p = 2;                   // lp
  bool operator==(const Pool&) const = default;
};

struct GlobalPool {              // global_max_pool, global_avg_pool: x
  PoolKind kind = PoolKind::max; // max or average
  bool operator==(const GlobalPool&) const = default;
};

/// adaptive_max_pool, adaptive_avg_pool: x; cell i covers [floor(i L / O), ceil((i + 1) L / O)).
/// Max may have a second result, as of Pool.
struct AdaptivePool {
  PoolKind kind = PoolKind::max; // max or average
  PerAxis output;                // cells an axis
  bool operator==(const AdaptivePool&) const = default;
};

struct MaxUnpool { // max_unpool: x, idx (i64)
  /// Attributes; no output_size: what the others give.
  PerAxis kernel, stride;
  Padding pad; // Rule::numbers only
  PerAxis output_size;
  bool operator==(const MaxUnpool&) const = default;
};

/// batch_norm: x, scale, shift, mean, var; (x - mean) * scale / sqrt(var + epsilon) + shift.
struct BatchNorm {
  double epsilon = 1e-5; // what keeps the root from 0
  bool operator==(const BatchNorm&) const = default;
};

/// The operators of Binary.
enum class BinaryKind : uint8_t { add, sub, mul, max, min };

struct Binary { // add, sub, mul, max, min: a, b; b has a's shape or is per channel, [c=...]
  BinaryKind kind = BinaryKind::add; // which of them
  bool operator==(const Binary&) const = default;
};

/// The functions of Unary, by the operators' words.
enum class UnaryKind : uint8_t {
  relu,
  relu6,
  clamp,
  leaky_relu,
  elu,
  sigmoid,
  tanh,
  silu,
  hardsigmoid,
  hardswish,
  mish,
  gelu,
  gelu_tanh,
  softplus,
  abs,
  neg,
  sqrt,
  exp,
};

struct Unary {                      // a function of each element: x
  UnaryKind kind = UnaryKind::relu; // which
  // leaky_relu: slope = a. elu: alpha = a. clamp: min = a, max = b; either may be absent.
  std::optional<double> a, b;
  bool operator==(const Unary&) const = default;
};

struct Prelu { // prelu: x, slope ([c=...] or [c=1])
  bool operator==(const Prelu&) const = default;
};

struct Convert { // convert: x; to the result's element type
  bool operator==(const Convert&) const = default;
};

struct Reorder { // reorder: x; to the result's memory order
  bool operator==(const Reorder&) const = default;
};

struct PadOp {                   // pad: x; negative sides crop, and crop first
  Padding pad;                   // Rule::numbers only
  PadMode mode = PadMode::zeros; // what is put there
  double value = 0;              // with PadMode::zeros; any number, also infinite or NaN
  bool operator==(const PadOp& other) const; // NaN equals NaN: it is the same program
};

/// The operators of Quantize.
enum class QuantKind : uint8_t { quantize, dequantize, requantize };

struct Quantize {                       // quantize, dequantize, requantize: x
  QuantKind kind = QuantKind::quantize; // which of the three
  /// One number for the tensor, or one a channel.
  PerChannel scale;
  std::vector<int64_t> zero_point;
  bool operator==(const Quantize&) const = default;
};

/// One operator with its attributes.
using Operation =
    std::variant<Const, Conv, ConvTranspose, Pool, GlobalPool, AdaptivePool, MaxUnpool, BatchNorm,
                 Binary, Unary, Prelu, Convert, Reorder, PadOp, Quantize>;

/// The operator's word in the program text: "conv", "max_pool", "leaky_relu".
std::string_view name(const Operation& operation);

// ---- programs ---------------------------------------------------------------------------------

using ValueId = int32_t; // index into Program::values

/// What a program computes with: an input, or a result of a statement.
struct Value {
  std::string name; // without the %
  TensorType type;  // written or inferred
  Location where;   // of its definition
  bool operator==(const Value&) const = default;
};

/// One operator applied: `%y = relu %x`.
struct Statement {
  std::vector<ValueId> results;  // one, or two of an arg-max
  Operation operation;           // what is applied
  std::vector<ValueId> operands; // to what, in the operator's order
  Location where;                // of the operator's word
  Sources sources = {};          // empty: it is as it was written
  bool operator==(const Statement&) const = default;
};

/// A whole program. Values are defined before they are read, once.
struct Program {
  std::string name;                  // without the @
  std::vector<Value> values;         // all of them, by ValueId
  std::vector<ValueId> inputs;       // in the order of a call
  std::vector<Statement> statements; // in order
  std::vector<ValueId> outputs;      // in the order of a call
  bool operator==(const Program&) const = default;

  /// Of a value.
  const TensorType& type(ValueId id) const { return values[static_cast<size_t>(id)].type; }
  const std::string& name_of(ValueId id) const { return values[static_cast<size_t>(id)].name; }
  /// The value of a name, without its %.
  std::optional<ValueId> find(std::string_view value_name) const;
  // These look through the whole program; who asks for many values makes a DefUse (ir/def_use.h).
  /// The statement that defines a value, or null for an input.
  const Statement* definition(ValueId id) const;
  /// Number of statements that read the value, plus one if the program returns it.
  int uses(ValueId id) const;
};

} // namespace volute::ir
