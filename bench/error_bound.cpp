// Bounds are themselves programs: the error of a convolution is a convolution of errors and
// magnitudes with the weights' magnitudes, evaluated by the reference, so that strides, padding,
// groups and layouts are not written a second time.
#include "bench/error_bound.h"

#include "ir/number.h"
#include "ir/reference.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace volute::bench {
namespace {

using namespace ir;

constexpr double infinity = std::numeric_limits<double>::infinity();
// Operations in a function's polynomial and what surrounds it; each kernel's functions are within 2
// units in the last place, and a few more steps belong to the activation.
constexpr double function_roundings = 8;

using Doubles = std::vector<double>;

Doubles doubles_of(const TensorData& tensor) { return elements_of(tensor); }
TensorData tensor_like(const TensorData& shape, const Doubles& elements) {
  return tensor_of(shape.type, elements);
}

template <class F>
TensorData map(const TensorData& a, F f) {
  Doubles elements = doubles_of(a);
  for (double& x : elements) x = f(x);
  return tensor_like(a, elements);
}

template <class F>
TensorData map(const TensorData& a, const TensorData& b, F f) {
  Doubles elements = doubles_of(a);
  const Doubles other = doubles_of(b);
  for (size_t i = 0; i < elements.size(); ++i) elements[i] = f(elements[i], other[i]);
  return tensor_like(a, elements);
}

TensorData magnitude(const TensorData& a) {
  return map(a, [](double x) { return std::abs(x); });
}
TensorData sum(const TensorData& a, const TensorData& b) {
  return map(a, b, [](double x, double y) { return x + y; });
}

template <class Test>
bool all(const TensorData& a, Test test) {
  const Doubles elements = doubles_of(a);
  return std::all_of(elements.begin(), elements.end(), test);
}
bool is_zero(const TensorData& a) {
  return all(a, [](double x) { return x == 0; });
}
bool is_whole(const TensorData& a) {
  return all(a, [](double x) { return std::isfinite(x) && x == std::trunc(x); });
}
bool is_exact(const Uncertain& u) { return is_zero(u.error); }
double largest(const TensorData& a) {
  double most = 0;
  for (const double x : doubles_of(a)) most = std::max(most, std::abs(x));
  return most;
}

bool is_narrow(ElementType type) { return type == ElementType::f16 || type == ElementType::bf16; }

/// The statement's operation alone, on f64 operands.
Expected<TensorData> apply(const Operation& operation, const std::vector<TensorData>& operands,
                           const TensorType& result) {
  Program program;
  program.name = "bound";
  std::map<std::string, const TensorData*> inputs;
  Statement statement{{}, operation, {}, {}};
  for (const TensorData& operand : operands) {
    const auto id = static_cast<ValueId>(program.values.size());
    program.values.push_back({"x" + std::to_string(id), operand.type, {}});
    program.inputs.push_back(id);
    statement.operands.push_back(id);
    inputs[program.values.back().name] = &operand;
  }
  const auto id = static_cast<ValueId>(program.values.size());
  program.values.push_back({"y", in_doubles(result), {}});
  statement.results = {id};
  program.outputs = {id};
  program.statements.push_back(std::move(statement));
  Expected<std::map<std::string, TensorData>> results = evaluate(program, inputs);
  if (!results) return results.failure();
  return std::move(results->at("y"));
}

class Bound {
public:
  Bound(const Program& program, const Statement& statement,
        const std::vector<const Uncertain*>& operands, const std::vector<const TensorData*>& values)
      : program_(program), statement_(statement), operands_(operands), values_(values),
        type_(program.type(statement.results[0])),
        unit_(type_.element == ElementType::f64 ? 0x1p-53 : 0x1p-24),
        largest_exact_(type_.element == ElementType::f64 ? 0x1p53 : 0x1p24),
        // Results below the smallest normal number are rounded to a fixed spacing.
        tiny_(type_.element == ElementType::f64 ? 0x1p-1070 : 0x1p-140) {}

  Expected<TensorData> run() {
    Expected<TensorData> error =
        std::visit([&](const auto& operation) { return of(operation); }, statement_.operation);
    // A bf16 or f16 result is rounded from a number that is off by the error: the next one, at
    // most.
    if (error && is_narrow(type_.element)) {
      const double spacing = type_.element == ElementType::bf16 ? 0x1p-7 : 0x1p-10;
      return map(*error, y(), [=](double e, double value) {
        return e > 0 ? e + spacing * std::abs(value) + 0x1p-24 : 0;
      });
    }
    return error;
  }

private:
  const Uncertain& operand(size_t i) const { return *operands_[i]; }
  const TensorData& y() const { return *values_[0]; }
  TensorData nothing() const { return zeros(y().type); }
  TensorData unknown() const {
    return map(y(), [](double) { return infinity; });
  }
  Expected<TensorData> apply(const Operation& operation, std::vector<TensorData> inputs) const {
    return bench::apply(operation, inputs, type_);
  }
  /// In the memory order of the result.
  Expected<TensorData> moved(const TensorData& error) const { return apply(Reorder{}, {error}); }
  /// The error as it came, and so many roundings of the result.
  Expected<TensorData> plus_roundings(const TensorData& error, double roundings) const {
    Expected<TensorData> here = moved(error);
    if (!here) return here.failure();
    return map(*here, y(), [&](double e, double value) {
      return e + roundings * unit_ * std::abs(value) + tiny_;
    });
  }

  Expected<TensorData> of(const Const&) const { return nothing(); }

  /// `terms` products a sum. Every product and every partial sum is rounded once, so an element's
  /// bound is (terms + 2) units times the sum of the magnitudes.
  Expected<TensorData> sum_of_products(Operation operation, double terms) const {
    const Uncertain& x = operand(0);
    const Uncertain& w = operand(1);
    const Uncertain* b = operands_.size() > 2 ? operands_[2] : nullptr;
    const bool is_integer = !is_float(program_.type(statement_.operands[0]).element);
    const double growth = is_integer ? 0 : (terms + 2) * unit_;
    const bool was_exact = is_exact(x) && is_exact(w) && (!b || is_exact(*b));
    if (is_integer && was_exact) return nothing();
    const bool whole =
        was_exact && is_whole(x.value) && is_whole(w.value) && (!b || is_whole(b->value));

    std::vector<TensorData> magnitudes = {
        whole ? magnitude(x.value)
              : map(x.value, x.error,
                    [&](double value, double e) { return e + growth * (std::abs(value) + e); }),
        magnitude(w.value)};
    if (b)
      magnitudes.push_back(whole ? magnitude(b->value)
                                 : map(b->value, b->error, [&](double value, double e) {
                                     return e + growth * (std::abs(value) + e);
                                   }));
    Expected<TensorData> error = apply(operation, magnitudes);
    if (!error) return error.failure();
    if (whole)
      return map(*error, [&](double m) { return m <= largest_exact_ ? 0 : growth * m + tiny_; });
    if (!is_exact(w)) {
      std::vector<TensorData> more = {sum(magnitude(x.value), x.error), w.error};
      if (b) more.push_back(zeros(b->value.type));
      const Expected<TensorData> of_weights = apply(operation, more);
      if (!of_weights) return of_weights.failure();
      *error = sum(*error, *of_weights);
    }
    return map(*error, [&](double e) { return e + tiny_; });
  }

  double products(Axis sum_over) const {
    const TensorType& w = program_.type(statement_.operands[1]);
    double taps = static_cast<double>(w.size(sum_over));
    for (const Axis axis : w.spatial_axes()) taps *= static_cast<double>(w.size(axis));
    return taps + 1; // and the bias
  }
  Expected<TensorData> of(Conv op) const {
    op.x_zero_point = 0;
    const bool shifts = std::any_of(op.w_zero_point.begin(), op.w_zero_point.end(),
                                    [](int64_t zero) { return zero != 0; });
    op.w_zero_point = {0};
    if (shifts && !is_exact(operand(0))) return unknown();
    return sum_of_products(op, products(Axis::i));
  }
  Expected<TensorData> of(ConvTranspose op) const {
    op.x_zero_point = 0;
    const bool shifts = std::any_of(op.w_zero_point.begin(), op.w_zero_point.end(),
                                    [](int64_t zero) { return zero != 0; });
    op.w_zero_point = {0};
    if (shifts && !is_exact(operand(0))) return unknown();
    return sum_of_products(op, products(Axis::i));
  }

  Expected<TensorData> maxima(const Operation& operation) const {
    Expected<TensorData> error = apply(operation, {operand(0).error});
    if (!error) return error.failure();
    return map(*error, [](double e) { return std::max(e, 0.0); }); // -inf where there is no tap
  }
  Expected<TensorData> averages(const Operation& operation, double terms) const {
    const double growth = (terms + 3) * unit_;
    Expected<TensorData> error =
        apply(operation, {map(operand(0).value, operand(0).error,
                              [&](double x, double e) { return e + growth * (std::abs(x) + e); })});
    if (!error) return error.failure();
    return map(*error, [&](double e) { return e + tiny_; });
  }
  static double product(const PerAxis& numbers) {
    double taps = 1;
    for (const int64_t n : numbers) taps *= static_cast<double>(n);
    return taps;
  }
  double spatial_elements() const {
    const TensorType& x = program_.type(statement_.operands[0]);
    double taps = 1;
    for (const Axis axis : x.spatial_axes()) taps *= static_cast<double>(x.size(axis));
    return taps;
  }
  Expected<TensorData> of(Pool op) const {
    if (op.kind == PoolKind::max) return maxima(op);
    const double taps = product(op.kernel);
    if (op.kind == PoolKind::average) {
      if (op.divisor) op.divisor = std::abs(*op.divisor);
      return averages(op, taps);
    }
    // A norm moves no more than its argument does, from p = 1 on.
    if (op.p < 1 && !is_exact(operand(0))) return unknown();
    Expected<TensorData> error = is_exact(operand(0)) ? nothing() : apply(op, {operand(0).error});
    if (!error) return error.failure();
    const double roundings = (taps + 2 * function_roundings) * (1 + 1 / op.p);
    return map(*error, y(), [&](double e, double value) {
      return e + roundings * unit_ * std::abs(value) + tiny_;
    });
  }
  Expected<TensorData> of(const GlobalPool& op) const {
    return op.kind == PoolKind::max ? maxima(op) : averages(op, spatial_elements());
  }
  Expected<TensorData> of(const AdaptivePool& op) const {
    return op.kind == PoolKind::max ? maxima(op) : averages(op, spatial_elements());
  }

  Expected<TensorData> of(const MaxUnpool&) const {
    // Errors go where the values go; which one that is does not matter when all are the largest.
    const double most = largest(operand(0).error);
    return map(y(), [=](double) { return most; });
  }
  Expected<TensorData> of(const BatchNorm& op) const {
    for (size_t i = 1; i < operands_.size(); ++i)
      if (!is_exact(operand(i))) return unknown();
    const double growth = function_roundings * unit_;
    // |x| and |mean| reach the result times |scale| / deviation, and so do their errors.
    Expected<TensorData> of_x =
        apply(op, {map(operand(0).value, operand(0).error,
                       [&](double x, double e) { return e + growth * (std::abs(x) + e); }),
                   magnitude(operand(1).value),
                   map(operand(2).value, [&](double shift) { return growth * std::abs(shift); }),
                   map(operand(3).value, [&](double mean) { return -growth * std::abs(mean); }),
                   operand(4).value});
    if (!of_x) return of_x.failure();
    return map(*of_x, [&](double e) { return e + tiny_; });
  }

  Expected<TensorData> of(const Binary& op) const {
    const Uncertain& a = operand(0);
    const Uncertain& b = operand(1);
    const bool was_exact = is_exact(a) && is_exact(b);
    if (!is_float(type_.element)) return was_exact ? Expected(nothing()) : Expected(unknown());
    if (op.kind == BinaryKind::max || op.kind == BinaryKind::min)
      return apply(Binary{BinaryKind::max}, {a.error, b.error});
    if (was_exact && is_whole(a.value) && is_whole(b.value) && largest(y()) <= largest_exact_)
      return nothing();
    if (op.kind != BinaryKind::mul) {
      Expected<TensorData> error = apply(Binary{BinaryKind::add}, {a.error, b.error});
      if (!error) return error.failure();
      return plus_roundings(*error, 1);
    }
    const Expected<TensorData> from_a =
        apply(Binary{BinaryKind::mul}, {a.error, magnitude(b.value)});
    if (!from_a) return from_a.failure();
    const Expected<TensorData> from_b =
        apply(Binary{BinaryKind::mul}, {sum(magnitude(a.value), a.error), b.error});
    if (!from_b) return from_b.failure();
    return plus_roundings(sum(*from_a, *from_b), 1);
  }

  Expected<TensorData> of(const Unary& op) const {
    const Uncertain& x = operand(0);
    const auto is_f32 = [](std::optional<double> number) {
      return !number || std::isinf(*number) || round_to(ElementType::f32, *number) == *number;
    };
    switch (op.kind) {
    case UnaryKind::relu:
    case UnaryKind::relu6:
    case UnaryKind::abs:
    case UnaryKind::neg: return moved(x.error);
    case UnaryKind::clamp:
      return is_f32(op.a) && is_f32(op.b) ? moved(x.error) : plus_roundings(x.error, 1);
    case UnaryKind::leaky_relu: return sloped(x, std::max(1.0, std::abs(op.a.value_or(0.01))));
    case UnaryKind::elu: return sloped(x, std::max(1.0, std::abs(op.a.value_or(1))));
    case UnaryKind::sigmoid:
    case UnaryKind::hardsigmoid:
    case UnaryKind::tanh:
    case UnaryKind::softplus: return sloped(x, 1);
    case UnaryKind::silu:
    case UnaryKind::gelu:
    case UnaryKind::gelu_tanh:
    case UnaryKind::mish:
    case UnaryKind::hardswish: return sloped(x, 1.5);
    case UnaryKind::sqrt: return rising(op, x, 0);
    case UnaryKind::exp: return rising(op, x, -infinity);
    }
    return unknown();
  }
  /// A function whose slope is nowhere above `slope`.
  Expected<TensorData> sloped(const Uncertain& x, double slope) const {
    Expected<TensorData> error = moved(map(x.value, x.error, [&](double value, double e) {
      return slope * e + function_roundings * unit_ * std::min(1.0 + std::abs(value), infinity);
    }));
    if (!error) return error.failure();
    return plus_roundings(*error, function_roundings);
  }
  /// A rising function, at both ends of what its argument may be.
  Expected<TensorData> rising(const Unary& op, const Uncertain& x, double lowest_argument) const {
    if (is_exact(x)) return plus_roundings(x.error, function_roundings);
    const Expected<TensorData> above = apply(op, {sum(x.value, x.error)});
    if (!above) return above.failure();
    const Expected<TensorData> below =
        apply(op, {map(x.value, x.error, [&](double value, double e) {
                return std::max(value - e, std::min(value, lowest_argument));
              })});
    if (!below) return below.failure();
    Expected<TensorData> error =
        map(*above, *below, [](double high, double low) { return high - low; });
    return map(*error, y(), [&](double e, double value) {
      return e + function_roundings * unit_ * std::abs(value) + tiny_;
    });
  }

  Expected<TensorData> of(const Prelu&) const {
    if (!is_exact(operand(1))) return unknown();
    const double slope = std::max(1.0, largest(operand(1).value));
    return plus_roundings(map(operand(0).error, [=](double e) { return slope * e; }), 2);
  }

  Expected<TensorData> of(const Convert&) const {
    const TensorType& from = program_.type(statement_.operands[0]);
    const bool was_exact = is_exact(operand(0));
    if (!is_float(type_.element)) {
      if (was_exact) return nothing();
      if (!is_float(from.element)) return unknown(); // wraps
      return moved(map(operand(0).error, [](double e) { return e > 0 ? std::ceil(e) + 1 : 0; }));
    }
    if (was_exact && is_whole(operand(0).value) && largest(y()) <= largest_exact_) return nothing();
    return plus_roundings(operand(0).error, 1);
  }
  Expected<TensorData> of(const Reorder&) const { return moved(operand(0).error); }
  Expected<TensorData> of(PadOp op) const {
    op.value = 0;
    return apply(op, {operand(0).error});
  }
  Expected<TensorData> of(const Quantize& op) const {
    const auto [least, most] = std::minmax_element(op.scale.begin(), op.scale.end());
    if (op.kind == QuantKind::dequantize)
      return plus_roundings(map(operand(0).error, [&](double e) { return *most * e; }), 2);
    if (is_exact(operand(0))) return nothing(); // the language fixes every rounding
    const double factor = op.kind == QuantKind::quantize ? 1 / *least : *most;
    return moved(
        map(operand(0).error, [=](double e) { return e > 0 ? std::ceil(factor * e) + 1 : 0; }));
  }

  const Program& program_;
  const Statement& statement_;
  const std::vector<const Uncertain*>& operands_;
  const std::vector<const TensorData*>& values_;
  const TensorType& type_;
  const double unit_, largest_exact_, tiny_;
};

} // namespace

TensorType in_doubles(TensorType type) {
  type.element = ElementType::f64;
  return type;
}

Expected<std::vector<TensorData>> error_bounds(const Program& program, const Statement& statement,
                                               const std::vector<const Uncertain*>& operands,
                                               const std::vector<const TensorData*>& values) {
  Expected<TensorData> first = Bound(program, statement, operands, values).run();
  if (!first) return first.failure();
  std::vector<TensorData> errors = {std::move(*first)};
  // The place of a maximum: certain when the values are, anywhere when two of them may change
  // places.
  if (values.size() > 1) {
    const bool certain = is_exact(*operands[0]);
    errors.push_back(map(*values[1], [=](double) { return certain ? 0.0 : infinity; }));
  }
  return errors;
}

} // namespace volute::bench
