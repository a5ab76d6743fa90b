// Programs from C++, with the words of torch.nn.functional:
//
//     Builder b("edges");
//     const auto x = b.input("x", {ElementType::f32, {{Axis::n, 1}, {Axis::c, 3}, ...}});
//     const auto w = b.input("w", ...);
//     const auto y = b.relu(b.conv(x, w, {.stride = 2, .padding = {3, 3}}));
//     b.output(y, "y");
//     Expected<Program> program = b.finish();
//
// The programs and the refusals are the parser's. A refused statement gives a value that may be
// used on; `finish` returns everything that was refused.
#pragma once

#include "ir/infer.h"
#include "ir/program.h"

#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace volute::ir {

// ---- attribute values -------------------------------------------------------------------------

/// One number for all spatial axes, or a list of one an axis, outermost first.
struct AxisNumbers {
  /// Nothing; one number for all; one an axis.
  AxisNumbers() = default;
  AxisNumbers(int64_t for_all) : values{for_all}, is_one_for_all(true) {}
  AxisNumbers(std::initializer_list<int64_t> each) : values(each) {}
  AxisNumbers(PerAxis each) : values(std::move(each)) {}

  PerAxis values;              // empty: not given
  bool is_one_for_all = false; // rather than a list of one
};

/// `1`, `{1, 2}`, `{{0, 1}, {2, 2}}` (begin and end an axis), or a rule.
struct AxisPadding {
  /// Nothing; one number for all sides; one for both sides of an axis; one a side; a rule.
  AxisPadding() = default;
  AxisPadding(int64_t for_all)
      : padding{Padding::Rule::numbers, {{for_all, for_all}}}, is_one_for_all(true) {}
  AxisPadding(std::initializer_list<int64_t> each) {
    for (const int64_t side : each) padding.sides.emplace_back(side, side);
  }
  AxisPadding(std::initializer_list<std::pair<int64_t, int64_t>> each)
      : padding{Padding::Rule::numbers, each} {}
  AxisPadding(Padding::Rule rule) : padding{rule, {}} {}
  AxisPadding(Padding whole) : padding(std::move(whole)) {}

  Padding padding;             // no sides: not given
  bool is_one_for_all = false; // rather than a list of one
};

// ---- options, one struct an operator family ----------------------------------------------------

/// The type that a result is to have, as ` : f32[...]` asks for it in the text; none: inferred.
using AskedType = std::optional<TensorType>;

/// What conv takes beside its operands, with PyTorch's defaults.
struct ConvOptions {
  /// By PyTorch's names; docs/language.md says what each means.
  AxisNumbers stride = {};
  AxisPadding padding = {};
  AxisNumbers dilation = {};
  int64_t groups = 1;
  PadMode padding_mode = PadMode::zeros;
  int64_t x_zero_point = 0;
  std::vector<int64_t> w_zero_point = {0};
  AskedType type = {};
};

/// What conv_transpose takes beside its operands, with PyTorch's defaults.
struct ConvTransposeOptions {
  /// By PyTorch's names; docs/language.md says what each means.
  AxisNumbers stride = {};
  AxisPadding padding = {};
  AxisNumbers output_padding = {};
  int64_t groups = 1;
  AxisNumbers dilation = {};
  int64_t x_zero_point = 0;
  std::vector<int64_t> w_zero_point = {0};
  AskedType type = {};
};

/// What max_pool takes beside its operands, with PyTorch's defaults.
struct MaxPoolOptions {
  /// By PyTorch's names; docs/language.md says what each means. No stride: kernel_size.
  AxisNumbers stride = {};
  AxisPadding padding = {};
  AxisNumbers dilation = {};
  bool ceil_mode = false;
  AskedType type = {};
};

/// What avg_pool takes beside its operands, with PyTorch's defaults.
struct AvgPoolOptions {
  /// By PyTorch's names; docs/language.md says what each means. No stride: kernel_size.
  AxisNumbers stride = {};
  AxisPadding padding = {};
  bool ceil_mode = false;
  bool count_include_pad = true;
  std::optional<int64_t> divisor_override = {};
  AxisNumbers dilation = {};
  AskedType type = {};
};

/// What lp_pool takes beside its operands, with PyTorch's defaults.
struct LpPoolOptions {
  /// By PyTorch's names; docs/language.md says what each means. No stride: kernel_size.
  AxisNumbers stride = {};
  bool ceil_mode = false;
  AxisPadding padding = {};
  AxisNumbers dilation = {};
  AskedType type = {};
};

/// What max_unpool takes beside its operands, with PyTorch's defaults.
struct MaxUnpoolOptions {
  /// By PyTorch's names; docs/language.md says what each means. No stride: kernel_size.
  AxisNumbers stride = {};
  AxisPadding padding = {};
  AxisNumbers output_size = {};
  AskedType type = {};
};

/// What pad takes beside its operands.
struct PadOptions {
  /// What is put there, and the type of the result.
  PadMode mode = PadMode::zeros;
  double value = 0;
  AskedType type = {};
};

// ---- the builder ------------------------------------------------------------------------------

/// Builds a program, a method an operator: docs/language.md says what each computes.
class Builder {
public:
  /// A value of the program under construction. One of another builder's is refused.
  class Ref {
  public:
    /// Its number; below 0 where its statement was refused.
    ValueId id() const { return id_; }

  private:
    friend class Builder;
    Ref(ValueId id, uint64_t builder) : id_(id), builder_(builder) {}
    ValueId id_; // below 0: its statement was refused
    uint64_t builder_;
  };

  /// Of a program of that name, without the @.
  explicit Builder(std::string program_name);

  /// An input: its name, without the %, and its type.
  Ref input(std::string_view name, TensorType type);
  /// Known data, in memory order; integers wherever the type's elements are integers.
  Ref constant(TensorType type, std::span<const double> values);
  Ref constant(TensorType type, std::vector<std::byte> bytes);

  /// Convolutions, with a bias or without.
  Ref conv(Ref x, Ref w, ConvOptions options = {});
  Ref conv(Ref x, Ref w, Ref b, ConvOptions options = {});
  Ref conv_transpose(Ref x, Ref w, ConvTransposeOptions options = {});
  Ref conv_transpose(Ref x, Ref w, Ref b, ConvTransposeOptions options = {});

  /// Largest of each window.
  Ref max_pool(Ref x, AxisNumbers kernel_size, MaxPoolOptions options = {});
  /// The pooled values and the place of each.
  std::pair<Ref, Ref> max_pool_with_indices(Ref x, AxisNumbers kernel_size,
                                            MaxPoolOptions options = {}, AskedType indices = {});
  /// Pooled values: averages, norms of |x|; over all of space; of as many windows as are asked for.
  Ref avg_pool(Ref x, AxisNumbers kernel_size, AvgPoolOptions options = {});
  Ref lp_pool(Ref x, double norm_type, AxisNumbers kernel_size, LpPoolOptions options = {});
  Ref global_avg_pool(Ref x, AskedType type = {});
  Ref global_max_pool(Ref x, AskedType type = {});
  Ref adaptive_avg_pool(Ref x, AxisNumbers output_size, AskedType type = {});
  Ref adaptive_max_pool(Ref x, AxisNumbers output_size, AskedType type = {});
  /// The pooled values and the place of each.
  std::pair<Ref, Ref> adaptive_max_pool_with_indices(Ref x, AxisNumbers output_size,
                                                     AskedType type = {}, AskedType indices = {});
  /// Each value where `indices` says, among zeros.
  Ref max_unpool(Ref x, Ref indices, AxisNumbers kernel_size, MaxUnpoolOptions options = {});

  /// (x - mean) * scale / sqrt(var + eps) + shift, a number a channel each.
  Ref batch_norm(Ref x, Ref scale, Ref shift, Ref mean, Ref var, double eps = 1e-5,
                 AskedType type = {});
  /// Of two tensors of one shape, or of one and a number a channel.
  Ref add(Ref a, Ref b, AskedType type = {});
  Ref sub(Ref a, Ref b, AskedType type = {});
  Ref mul(Ref a, Ref b, AskedType type = {});
  Ref max(Ref a, Ref b, AskedType type = {});
  Ref min(Ref a, Ref b, AskedType type = {});

  /// Functions of each element.
  Ref relu(Ref x, AskedType type = {});
  Ref relu6(Ref x, AskedType type = {});
  Ref clamp(Ref x, std::optional<double> min, std::optional<double> max, AskedType type = {});
  Ref leaky_relu(Ref x, double negative_slope = 0.01, AskedType type = {});
  Ref elu(Ref x, double alpha = 1, AskedType type = {});
  Ref prelu(Ref x, Ref slope, AskedType type = {});
  Ref sigmoid(Ref x, AskedType type = {});
  Ref tanh(Ref x, AskedType type = {});
  Ref silu(Ref x, AskedType type = {});
  Ref hardsigmoid(Ref x, AskedType type = {});
  Ref hardswish(Ref x, AskedType type = {});
  Ref mish(Ref x, AskedType type = {});
  Ref gelu(Ref x, std::string_view approximate = "none", AskedType type = {});
  Ref softplus(Ref x, AskedType type = {});
  Ref abs(Ref x, AskedType type = {});
  Ref neg(Ref x, AskedType type = {});
  Ref sqrt(Ref x, AskedType type = {});
  Ref exp(Ref x, AskedType type = {});

  /// To another element type, to another order in memory, to another size.
  Ref convert(Ref x, TensorType type);
  Ref reorder(Ref x, TensorType type);
  Ref pad(Ref x, AxisPadding padding, PadOptions options = {});
  /// Between real numbers and integers: `scale` and `zero_point` for the tensor or a number a
  /// channel.
  Ref quantize(Ref x, PerChannel scale, std::vector<int64_t> zero_point, TensorType type);
  Ref dequantize(Ref x, PerChannel scale, std::vector<int64_t> zero_point, AskedType type = {});
  Ref requantize(Ref x, PerChannel scale, std::vector<int64_t> zero_point, TensorType type);

  /// Any operation, with `results` results (1 or more); `written` is empty or has the type of each.
  std::vector<Ref> statement(Operation operation, std::vector<Ref> operands,
                             std::vector<TensorType> written = {}, size_t results = 1);

  /// Gives a value its name; values that get none are numbered.
  Ref named(Ref value, std::string_view name);
  /// Returns the value from the program, under the name if one is given.
  void output(Ref value, std::string_view name = "");

  /// The program, or everything that was refused. Leaves the builder as it is.
  Expected<Program> finish() const;

private:
  Ref unary(UnaryKind kind, Ref x, const AskedType& type, std::optional<double> a = {},
            std::optional<double> b = {});
  Ref one(Operation operation, std::vector<Ref> operands, const AskedType& type);
  Ref new_value(TensorType type);
  PerAxis spread(const AxisNumbers& numbers, Ref x) const;
  Padding spread(const AxisPadding& padding, Ref x) const;
  template <class Options>
  Pool pool(PoolKind kind, Ref x, const AxisNumbers& kernel, const Options& options) const;
  Ref conv_of(std::vector<Ref> operands, ConvOptions options);
  Ref conv_transpose_of(std::vector<Ref> operands, ConvTransposeOptions options);
  bool is_own(Ref value) const;
  bool is_sound(Ref value);
  void refuse(std::string subject, std::string message, std::string hint = "");

  Ref refused() const { return Ref(-1, number_); }

  Program program_;
  std::vector<Diagnostic> faults_;
  uint64_t number_; // of this builder and its copies
};

} // namespace volute::ir
