#include "ir/builder.h"

#include "ir/literals.h"
#include "ir/number.h"
#include "ir/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <unordered_set>

namespace volute::ir {
namespace {

std::vector<TensorType> list_of(const AskedType& type) {
  return type ? std::vector{*type} : std::vector<TensorType>();
}

// The text has one NaN, so that a list printed and parsed again has the same bytes.
void make_nans_plain(std::vector<std::byte>& bytes, ElementType element) {
  if (is_integer(element)) return;
  const auto step = static_cast<size_t>(size_of(element));
  for (size_t at = 0; at + step <= bytes.size(); at += step)
    if (std::isnan(read_real(&bytes[at], element)))
      write_real(&bytes[at], element, std::numeric_limits<double>::quiet_NaN());
}

// No two builders have one, but for copies.
uint64_t next_number() {
  static std::atomic<uint64_t> last{0};
  return ++last;
}

} // namespace

Builder::Builder(std::string program_name) : number_(next_number()) {
  program_.name = std::move(program_name);
  if (const auto bad = fault_of_name(program_.name)) refuse("@", *bad);
}

void Builder::refuse(std::string subject, std::string message, std::string hint) {
  faults_.push_back({{}, std::move(subject), std::move(message), std::move(hint)});
}

bool Builder::is_own(Ref value) const {
  return value.builder_ == number_ && value.id() >= 0 &&
         static_cast<size_t>(value.id()) < program_.values.size();
}

bool Builder::is_sound(Ref value) {
  if (value.id() < 0) return false; // what made it is refused already
  if (is_own(value)) return true;
  refuse("", fmt::format("value {} belongs to another builder than that of @{}", value.id(),
                         program_.name));
  return false;
}

Builder::Ref Builder::new_value(TensorType type) {
  program_.values.push_back({"", std::move(type), {}});
  return Ref(static_cast<ValueId>(program_.values.size() - 1), number_);
}

// ---- values and names -------------------------------------------------------------------------

Builder::Ref Builder::input(std::string_view name, TensorType type) {
  if (const auto fault = fault_of(type)) {
    refuse(fmt::format("%{}", name), fault->message, fault->hint);
    return refused();
  }
  const Ref value = new_value(std::move(type));
  program_.inputs.push_back(value.id());
  return named(value, name);
}

Builder::Ref Builder::named(Ref value, std::string_view name) {
  if (!is_sound(value)) return value;
  Value& of = program_.values[static_cast<size_t>(value.id())];
  if (const auto bad = fault_of_name(name))
    refuse("%", *bad);
  else if (of.name != name && program_.find(name))
    refuse(fmt::format("%{}", name), "is defined twice");
  else
    of.name = name;
  return value;
}

void Builder::output(Ref value, std::string_view name) {
  if (!is_sound(value)) return;
  if (!name.empty()) named(value, name);
  auto& outputs = program_.outputs;
  if (std::find(outputs.begin(), outputs.end(), value.id()) != outputs.end())
    refuse(fmt::format("%{}", program_.name_of(value.id())), "is returned twice");
  outputs.push_back(value.id());
}

Expected<Program> Builder::finish() const {
  std::vector<Diagnostic> faults = faults_;
  if (faults.empty() && program_.outputs.empty())
    faults.push_back({{}, "", "the program returns nothing", "give it an output"});
  if (!faults.empty()) return Failure{std::move(faults)};
  Program program = program_;
  std::unordered_set<std::string> taken;
  for (const Value& value : program.values) taken.insert(value.name);
  int64_t number = 0;
  for (Value& value : program.values) {
    if (!value.name.empty()) continue;
    do value.name = fmt::format("{}", number++);
    while (taken.contains(value.name));
  }
  return program;
}

// ---- statements -------------------------------------------------------------------------------

std::vector<Builder::Ref> Builder::statement(Operation operation, std::vector<Ref> operands,
                                             std::vector<TensorType> written, size_t results) {
  const std::vector<Ref> none(std::max<size_t>(results, 1), refused());
  std::vector<TensorType> types;
  std::vector<ValueId> ids;
  for (const Ref operand : operands) {
    if (!is_sound(operand)) return none;
    ids.push_back(operand.id());
    types.push_back(program_.type(operand.id()));
  }
  operation = normalise(std::move(operation), types);
  const auto inferred = infer(operation, types, results, written);
  if (!inferred) {
    const auto& faults = inferred.diagnostics();
    faults_.insert(faults_.end(), faults.begin(), faults.end());
    return none;
  }
  Statement statement{{}, std::move(operation), std::move(ids), {}};
  std::vector<Ref> values;
  for (const TensorType& type : *inferred) {
    values.push_back(new_value(type));
    statement.results.push_back(values.back().id());
  }
  program_.statements.push_back(std::move(statement));
  return values;
}

Builder::Ref Builder::one(Operation operation, std::vector<Ref> operands, const AskedType& type) {
  return statement(std::move(operation), std::move(operands), list_of(type)).front();
}

Builder::Ref Builder::constant(TensorType type, std::span<const double> values) {
  if (const auto fault = fault_of(type)) return refuse("const", fault->message), refused();
  if (static_cast<int64_t>(values.size()) != type.elements()) {
    refuse("const",
           fmt::format("the list has {} entr{}, but {} takes {}", values.size(),
                       values.size() == 1 ? "y" : "ies", to_string(type), type.elements()));
    return refused();
  }
  const ElementType element = type.element;
  const auto step = static_cast<size_t>(size_of(element));
  std::vector<std::byte> bytes(values.size() * step);
  for (size_t i = 0; i < values.size(); ++i) {
    std::byte* at = &bytes[i * step];
    const double value = values[i];
    if (is_float(element)) {
      write_real(at, element, value);
    } else if (value != std::floor(value)) { // also NaN
      refuse("const",
             fmt::format("{} elements are whole numbers, not '{}'", to_string(element), value));
      return refused();
    } else if (value < static_cast<double>(lowest(element)) ||
               value >= static_cast<double>(highest(element)) + 1) {
      refuse("const", fmt::format("'{}' is outside {}, {} to {}", value, to_string(element),
                                  lowest(element), highest(element)));
      return refused();
    } else {
      write_integer(at, element, static_cast<int64_t>(value));
    }
  }
  return constant(std::move(type), std::move(bytes));
}

Builder::Ref Builder::constant(TensorType type, std::vector<std::byte> bytes) {
  if (const auto fault = fault_of(type)) return refuse("const", fault->message), refused();
  make_nans_plain(bytes, type.element);
  Const data{std::make_shared<const std::vector<std::byte>>(std::move(bytes)), ""};
  return one(std::move(data), {}, std::move(type));
}

PerAxis Builder::spread(const AxisNumbers& numbers, Ref x) const {
  if (!numbers.is_one_for_all || numbers.values.empty() || !is_own(x)) return numbers.values;
  return PerAxis(program_.type(x.id()).spatial_axes().size(), numbers.values.front());
}

Padding Builder::spread(const AxisPadding& padding, Ref x) const {
  if (!padding.is_one_for_all || padding.padding.sides.empty() || !is_own(x))
    return padding.padding;
  const size_t rank = program_.type(x.id()).spatial_axes().size();
  return {Padding::Rule::numbers, {rank, padding.padding.sides.front()}};
}

Builder::Ref Builder::conv(Ref x, Ref w, ConvOptions options) {
  return conv_of({x, w}, std::move(options));
}
Builder::Ref Builder::conv(Ref x, Ref w, Ref b, ConvOptions options) {
  return conv_of({x, w, b}, std::move(options));
}
Builder::Ref Builder::conv_of(std::vector<Ref> operands, ConvOptions options) {
  const Ref x = operands.front();
  Conv op;
  op.stride = spread(options.stride, x);
  op.dilation = spread(options.dilation, x);
  op.pad = spread(options.padding, x);
  op.groups = options.groups;
  op.padding_mode = options.padding_mode;
  op.x_zero_point = options.x_zero_point;
  op.w_zero_point = std::move(options.w_zero_point);
  return one(std::move(op), std::move(operands), options.type);
}

Builder::Ref Builder::conv_transpose(Ref x, Ref w, ConvTransposeOptions options) {
  return conv_transpose_of({x, w}, std::move(options));
}
Builder::Ref Builder::conv_transpose(Ref x, Ref w, Ref b, ConvTransposeOptions options) {
  return conv_transpose_of({x, w, b}, std::move(options));
}
Builder::Ref Builder::conv_transpose_of(std::vector<Ref> operands, ConvTransposeOptions options) {
  const Ref x = operands.front();
  ConvTranspose op;
  op.stride = spread(options.stride, x);
  op.dilation = spread(options.dilation, x);
  op.output_padding = spread(options.output_padding, x);
  op.pad = spread(options.padding, x);
  op.groups = options.groups;
  op.x_zero_point = options.x_zero_point;
  op.w_zero_point = std::move(options.w_zero_point);
  return one(std::move(op), std::move(operands), options.type);
}

template <class Options>
Pool Builder::pool(PoolKind kind, Ref x, const AxisNumbers& kernel, const Options& options) const {
  Pool op;
  op.kind = kind;
  op.kernel = spread(kernel, x);
  op.stride = spread(options.stride, x);
  op.dilation = spread(options.dilation, x);
  op.pad = spread(options.padding, x);
  op.ceil_mode = options.ceil_mode;
  return op;
}

Builder::Ref Builder::max_pool(Ref x, AxisNumbers kernel_size, MaxPoolOptions options) {
  return one(pool(PoolKind::max, x, kernel_size, options), {x}, options.type);
}

std::pair<Builder::Ref, Builder::Ref> Builder::max_pool_with_indices(Ref x, AxisNumbers kernel_size,
                                                                     MaxPoolOptions options,
                                                                     AskedType indices) {
  std::vector<TensorType> written = list_of(options.type);
  if (indices) written.push_back(*indices);
  const auto both =
      statement(pool(PoolKind::max, x, kernel_size, options), {x}, std::move(written), 2);
  return {both[0], both[1]};
}

Builder::Ref Builder::avg_pool(Ref x, AxisNumbers kernel_size, AvgPoolOptions options) {
  Pool op = pool(PoolKind::average, x, kernel_size, options);
  op.count_include_pad = options.count_include_pad;
  op.divisor = options.divisor_override;
  return one(std::move(op), {x}, options.type);
}

Builder::Ref Builder::lp_pool(Ref x, double norm_type, AxisNumbers kernel_size,
                              LpPoolOptions options) {
  Pool op = pool(PoolKind::lp, x, kernel_size, options);
  op.p = norm_type;
  return one(std::move(op), {x}, options.type);
}

Builder::Ref Builder::global_avg_pool(Ref x, AskedType type) {
  return one(GlobalPool{PoolKind::average}, {x}, type);
}
Builder::Ref Builder::global_max_pool(Ref x, AskedType type) {
  return one(GlobalPool{PoolKind::max}, {x}, type);
}
Builder::Ref Builder::adaptive_avg_pool(Ref x, AxisNumbers output_size, AskedType type) {
  return one(AdaptivePool{PoolKind::average, spread(output_size, x)}, {x}, type);
}
Builder::Ref Builder::adaptive_max_pool(Ref x, AxisNumbers output_size, AskedType type) {
  return one(AdaptivePool{PoolKind::max, spread(output_size, x)}, {x}, type);
}

std::pair<Builder::Ref, Builder::Ref>
Builder::adaptive_max_pool_with_indices(Ref x, AxisNumbers output_size, AskedType type,
                                        AskedType indices) {
  std::vector<TensorType> written = list_of(type);
  if (indices) written.push_back(*indices);
  const auto both =
      statement(AdaptivePool{PoolKind::max, spread(output_size, x)}, {x}, std::move(written), 2);
  return {both[0], both[1]};
}

Builder::Ref Builder::max_unpool(Ref x, Ref indices, AxisNumbers kernel_size,
                                 MaxUnpoolOptions options) {
  MaxUnpool op;
  op.kernel = spread(kernel_size, x);
  op.stride = spread(options.stride, x);
  op.pad = spread(options.padding, x);
  op.output_size = spread(options.output_size, x);
  return one(std::move(op), {x, indices}, options.type);
}

Builder::Ref Builder::batch_norm(Ref x, Ref scale, Ref shift, Ref mean, Ref var, double eps,
                                 AskedType type) {
  return one(BatchNorm{eps}, {x, scale, shift, mean, var}, type);
}

Builder::Ref Builder::add(Ref a, Ref b, AskedType type) {
  return one(Binary{BinaryKind::add}, {a, b}, type);
}
Builder::Ref Builder::sub(Ref a, Ref b, AskedType type) {
  return one(Binary{BinaryKind::sub}, {a, b}, type);
}
Builder::Ref Builder::mul(Ref a, Ref b, AskedType type) {
  return one(Binary{BinaryKind::mul}, {a, b}, type);
}
Builder::Ref Builder::max(Ref a, Ref b, AskedType type) {
  return one(Binary{BinaryKind::max}, {a, b}, type);
}
Builder::Ref Builder::min(Ref a, Ref b, AskedType type) {
  return one(Binary{BinaryKind::min}, {a, b}, type);
}

Builder::Ref Builder::unary(UnaryKind kind, Ref x, const AskedType& type, std::optional<double> a,
                            std::optional<double> b) {
  return one(Unary{kind, a, b}, {x}, type);
}

Builder::Ref Builder::relu(Ref x, AskedType type) { return unary(UnaryKind::relu, x, type); }
Builder::Ref Builder::relu6(Ref x, AskedType type) { return unary(UnaryKind::relu6, x, type); }
Builder::Ref Builder::clamp(Ref x, std::optional<double> min, std::optional<double> max,
                            AskedType type) {
  return unary(UnaryKind::clamp, x, type, min, max);
}
Builder::Ref Builder::leaky_relu(Ref x, double negative_slope, AskedType type) {
  return unary(UnaryKind::leaky_relu, x, type, negative_slope);
}
Builder::Ref Builder::elu(Ref x, double alpha, AskedType type) {
  return unary(UnaryKind::elu, x, type, alpha);
}
Builder::Ref Builder::prelu(Ref x, Ref slope, AskedType type) {
  return one(Prelu{}, {x, slope}, type);
}
Builder::Ref Builder::sigmoid(Ref x, AskedType type) { return unary(UnaryKind::sigmoid, x, type); }
Builder::Ref Builder::tanh(Ref x, AskedType type) { return unary(UnaryKind::tanh, x, type); }
Builder::Ref Builder::silu(Ref x, AskedType type) { return unary(UnaryKind::silu, x, type); }
Builder::Ref Builder::hardsigmoid(Ref x, AskedType type) {
  return unary(UnaryKind::hardsigmoid, x, type);
}
Builder::Ref Builder::hardswish(Ref x, AskedType type) {
  return unary(UnaryKind::hardswish, x, type);
}
Builder::Ref Builder::mish(Ref x, AskedType type) { return unary(UnaryKind::mish, x, type); }
Builder::Ref Builder::gelu(Ref x, std::string_view approximate, AskedType type) {
  if (approximate != "none" && approximate != "tanh") {
    refuse("gelu", fmt::format("approximate is none or tanh, not {}", quoted(approximate)));
    return refused();
  }
  return unary(approximate == "tanh" ? UnaryKind::gelu_tanh : UnaryKind::gelu, x, type);
}
Builder::Ref Builder::softplus(Ref x, AskedType type) {
  return unary(UnaryKind::softplus, x, type);
}
Builder::Ref Builder::abs(Ref x, AskedType type) { return unary(UnaryKind::abs, x, type); }
Builder::Ref Builder::neg(Ref x, AskedType type) { return unary(UnaryKind::neg, x, type); }
Builder::Ref Builder::sqrt(Ref x, AskedType type) { return unary(UnaryKind::sqrt, x, type); }
Builder::Ref Builder::exp(Ref x, AskedType type) { return unary(UnaryKind::exp, x, type); }

Builder::Ref Builder::convert(Ref x, TensorType type) { return one(Convert{}, {x}, type); }
Builder::Ref Builder::reorder(Ref x, TensorType type) { return one(Reorder{}, {x}, type); }

Builder::Ref Builder::pad(Ref x, AxisPadding padding, PadOptions options) {
  return one(PadOp{spread(padding, x), options.mode, options.value}, {x}, options.type);
}

Builder::Ref Builder::quantize(Ref x, PerChannel scale, std::vector<int64_t> zero_point,
                               TensorType type) {
  return one(Quantize{QuantKind::quantize, std::move(scale), std::move(zero_point)}, {x}, type);
}
Builder::Ref Builder::dequantize(Ref x, PerChannel scale, std::vector<int64_t> zero_point,
                                 AskedType type) {
  return one(Quantize{QuantKind::dequantize, std::move(scale), std::move(zero_point)}, {x}, type);
}
Builder::Ref Builder::requantize(Ref x, PerChannel scale, std::vector<int64_t> zero_point,
                                 TensorType type) {
  return one(Quantize{QuantKind::requantize, std::move(scale), std::move(zero_point)}, {x}, type);
}

} // namespace volute::ir
