// The table of operators: one row an operator, from which the parser, the printer, the builder, the
// checks and the documentation all read its operands, its attributes and their defaults. An
// attribute knows where its value lives inside the operation; the type found there is its kind, so
// reading, printing and checking an attribute are each written once a kind, not once an operator.
#pragma once

#include "ir/program.h"

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace volute::ir {

/// No integer attribute lies outside -largest_attribute .. largest_attribute.
inline constexpr int64_t largest_attribute = std::numeric_limits<int32_t>::max();

// ---- where a value lives, which is also its kind ----------------------------------------------

struct EachAxis { // a number, or one a spatial axis
  PerAxis* values;
};
struct ChannelIntegers { // a whole number, or one a channel
  std::vector<int64_t>* values;
};
struct ChannelReals { // a number, or one a channel
  PerChannel* values;
};
struct Choice { // one of several words: words[i] is stored as first + i
  uint8_t* value;
  uint8_t first;
  std::span<const std::string_view> words;
};

using Field = std::variant<int64_t*, std::optional<int64_t>*, double*, std::optional<double>*,
                           bool*, EachAxis, Padding*, ChannelIntegers, ChannelReals, Choice>;

/// Which of the words inf, -inf and nan a real attribute takes beside the finite numbers.
enum class Reals : uint8_t { finite, infinite, any };

// ---- rows -------------------------------------------------------------------------------------

struct AttributeRow {
  std::string_view name;
  Field (*field)(Operation&);
  std::string_view fallback; // "1", "= kernel", "none"; empty: it must be given
  int64_t least = -largest_attribute;
  Reals reals = Reals::finite;
};

/// What passes ask of an operator. Whoever needs to know more than its operands and attributes
/// reads it here: an operator that is added fills in its row, and no pass lists operators of its
/// own.
struct OperatorTraits {
  /// Makes each element of those at its position: may be folded into the nest that makes one of its
  /// operands.
  bool elementwise = false;
  /// The elements are those of x, some moved and some put in, none computed.
  bool copies = false;
  /// The elements are those of x in another type.
  bool converts = false;
  /// Reads x at other positions in space than those that it writes.
  bool moves_in_space = false;
  /// Makes an element of many: a sum, or the largest.
  bool reduces = false;
  /// Writes each element where the data say.
  bool scatters = false;
  /// The operand that is one, [o, i, ...]; -1 for none.
  int weight = -1;
  /// Times as long as it was is the formula that it is folded into, roughly.
  int growth = 1;
};

struct OperatorRow {
  std::string_view name;
  std::string_view summary;
  Operation (*make)(); // with no attribute written: lists empty, the rest at their defaults
  std::span<const std::string_view> operands;
  std::span<const AttributeRow> attributes;
  size_t required = 1; // operands that may not be left out
  int results = 1;     // at most
  bool typed = false;  // the result's type must be written
  OperatorTraits traits = {};
};

std::span<const OperatorRow> operators();
const OperatorRow* find_operator(std::string_view name);
const OperatorRow& row_of(const Operation& operation);
const OperatorTraits& traits_of(const Operation& operation);
const AttributeRow* find_attribute(const OperatorRow& row, std::string_view name);

/// What the kinds of convolution have in common.
struct Convolution {
  int64_t groups;
  int64_t x_zero_point;
  const std::vector<int64_t>& w_zero_points; // of the operation: one, or one per output channel
  bool transposed; // then a weight has all input channels, and the output channels of one group

  /// Channels of one group, of the image and of the result.
  int64_t inputs(const TensorType& weight) const;
  int64_t outputs(const TensorType& weight) const;
};
std::optional<Convolution> convolution(const Operation& operation);

/// The words that `pad` takes beside numbers, in the order of Padding::Rule from `valid` on.
std::span<const std::string_view> padding_rules();

/// Whether no value is there: an attribute that was not written and has no fixed default.
bool is_empty(const Field& field);

/// Copies the value of one field to another of the same kind.
void assign(const Field& to, const Field& from);

/// The value as the program text writes it: "2", "[1, 2]", "[(0, 1), (2, 2)]", "same", "true".
std::string to_string(const Field& field);
std::string to_string(const Padding& padding);
std::string to_string(PadMode mode);

/// One line for documentation and --help: "max_pool %x {kernel, stride [= kernel], pad [0], ...}".
std::string signature(const OperatorRow& row);

/// The word most like `word`, if any is like it: for "did you mean" in a refusal.
std::optional<std::string> nearest_word(std::string_view word,
                                        std::span<const std::string_view> among);

} // namespace volute::ir
