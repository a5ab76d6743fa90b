// Shape inference: what each operator makes of its operands' types, with every rule of the
// language checked on the way (sizes in 64 bits, no product overflows unnoticed).
#pragma once

#include "ir/diagnostic.h"
#include "ir/program.h"

#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace volute::ir {

// ---- the arithmetic of windows ----------------------------------------------------------------

/// One tap window along one spatial axis, resolved to numbers: the arithmetic of convolution and
/// pooling. Output o, tap k reads input position o * stride + k * dilation - pad_begin.
struct Window {
  /// Positions along the input, taps, and positions along the output; the rest as attributes are.
  int64_t input = 1, kernel = 1, stride = 1, dilation = 1, pad_begin = 0, pad_end = 0, output = 1;
  /// Positions from the first tap to the last.
  int64_t span() const { return dilation * (kernel - 1) + 1; }
  bool operator==(const Window&) const = default;
};

/// The windows of a Conv, Pool or GlobalPool (not ConvTranspose) on a verified program, one a
/// spatial axis (d, h, w that the input has, in that order), Padding rules resolved to numbers.
std::vector<Window> windows(const Program& program, const Statement& statement);
std::vector<Window> windows(const Operation& operation, std::span<const TensorType> operands);

/// The windows of a ConvTranspose or MaxUnpool, where the arithmetic runs the other way: input i,
/// tap k adds to output position i * stride + k * dilation - pad_begin, where that is inside
/// [0, output). `output` includes the output padding.
std::vector<Window> transposed_windows(const Program& program, const Statement& statement);
std::vector<Window> transposed_windows(const Operation& operation,
                                       std::span<const TensorType> operands);

/// Output channels of a Conv or ConvTranspose: the weight's o, or its o times the groups.
int64_t output_channels(const Operation& operation, const TensorType& weight);

// ---- types ------------------------------------------------------------------------------------

/// What is wrong with a type by itself, if anything: no axis, an extent below 1 (n: below 0), more
/// than 2^62 bytes (counting an extent of 0 as 1, so that later products of extents are safe).
std::optional<Diagnostic> fault_of(const TensorType& type);

/// Where the parts of a statement stand in the text, for refusals. All at line 0 when it was built.
struct Places {
  Location op;                                                   // of the operator's word
  std::vector<Location> operands;                                // of each
  std::vector<std::pair<std::string_view, Location>> attributes; // of those that are written
  std::vector<Location> types;                                   // the written result types

  /// Of an operand or a result's type; of one that is not written: the operator's.
  Location operand(size_t i) const { return i < operands.size() ? operands[i] : op; }
  Location type(size_t i) const { return i < types.size() ? types[i] : op; }
  /// Of an attribute that is not written: the operator's.
  Location attribute(std::string_view name) const;
};

/// The operation with every attribute that was left out (an empty list) at its default, as far as
/// the first operand's spatial axes and the other attributes determine it. Never fails: what
/// remains empty or has a wrong length is for `infer` to refuse.
Operation normalise(Operation operation, std::span<const TensorType> operands);

/// The types of a normalised operation's results, or every rule that it breaks. `written` is empty
/// or has the type of each result as written in the program, which is checked and returned.
Expected<std::vector<TensorType>> infer(const Operation& operation,
                                        std::span<const TensorType> operands, size_t results = 1,
                                        std::span<const TensorType> written = {},
                                        const Places& places = {});

} // namespace volute::ir
