// Bounds are themselves programs: the error of a convolution is a convolution of errors and
// magnitudes with the weights' magnitudes, evaluated by the reference, so that strides, padding,
// groups and layouts are not written a second time.
#include "bench/error_bound.h"

#include "bench/doubles.h"
#include "ir/denormals.h"
#include "ir/number.h"

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

class Bound {
public:
  Bound(const Program& program, const Statement& statement,
        const std::vector<const Uncertain*>& operands, const std::vector<const TensorData*>& values,
        bool flushed, const Algorithm* algorithm)
      : program_(program), statement_(statement), operands_(operands), values_(values),
        type_(program.type(statement.results[0])),
        unit_(type_.element == ElementType::f64 ? 0x1p-53 : 0x1p-24),
        largest_exact_(type_.element == ElementType::f64 ? 0x1p53 : 0x1p24),
        // Results below the smallest normal number are rounded to a fixed spacing, or flushed.
        flushed_(flushed), algorithm_(algorithm),
        tiny_(flushed                             ? least_normal(type_.element)
              : type_.element == ElementType::f64 ? 0x1p-1070
                                                  : 0x1p-140) {}

  Expected<TensorData> run() {
    Expected<TensorData> error =
        std::visit([&](const auto& operation) { return of(operation); }, statement_.operation);
    if (error && algorithm_) error = by_algorithm(*error);
    if (!error) return error;
    // Where a bound is no number nothing is known: infinity times a weight of 0, say, is NaN here
    // and no product at all in a kernel that knows the weight.
    *error = map(*error, [](double e) { return std::isnan(e) ? infinity : e; });
    if (is_integer(type_.element)) return error;
    // A bf16 or f16 result is rounded from a number that is off by the error: the next one, at
    // most. Above the largest number of its type nothing is known but that both are large.
    const bool narrow = is_narrow(type_.element);
    const double spacing = type_.element == ElementType::bf16 ? 0x1p-7 : 0x1p-10;
    return map(*error, y(), [&](double e, double value) {
      if (e == 0) return 0.0;
      const double most = narrow ? e + spacing * std::abs(value) + 0x1p-24 : e;
      return std::abs(value) + most > largest_finite() ? infinity : most;
    });
  }

private:
  /// The largest within its reach, in its multiples of a direct sum's.
  Expected<TensorData> by_algorithm(const TensorData& error) const {
    const size_t rank = type_.spatial_axes().size();
    if (rank == 0 || is_exact({y(), error})) return error;
    Pool around;
    around.kernel.assign(rank, 2 * algorithm_->reach + 1);
    around.stride.assign(rank, 1), around.dilation.assign(rank, 1);
    around.pad.sides.assign(rank, {algorithm_->reach, algorithm_->reach});
    const Expected<TensorData> largest = apply(around, {error});
    if (!largest) return largest.failure();
    const double times = std::max(algorithm_->error, 1.0);
    return map(*largest, [&](double e) { return times * e; });
  }

  const Uncertain& operand(size_t i) const { return *operands_[i]; }
  const TensorData& y() const { return *values_[0]; }
  double largest_finite() const {
    switch (type_.element) {
    case ElementType::f64: return std::numeric_limits<double>::max();
    case ElementType::f16: return 65504;
    case ElementType::bf16: return 0x1.fep127;
    default: return std::numeric_limits<float>::max();
    }
  }
  /// Sums of magnitudes that the type in which they are added cannot hold say nothing of the
  /// result.
  double unless_overflow(double magnitude, double error) const {
    const double most = type_.element == ElementType::f64 ? std::numeric_limits<double>::max()
                                                          : std::numeric_limits<float>::max();
    return magnitude > most / 2 ? infinity : error;
  }
  /// What a sum may lose below the normal numbers: each partial sum, where they are flushed.
  double lost_in(double terms) const { return flushed_ ? terms * tiny_ : tiny_; }
  TensorData nothing() const { return zeros(y().type); }
  TensorData unknown() const {
    return map(y(), [](double) { return infinity; });
  }
  Expected<TensorData> apply(const Operation& operation, std::vector<TensorData> inputs) const {
    return apply_as(operation, inputs, in_doubles(type_));
  }
  /// In the memory order of the result.
  Expected<TensorData> moved(const TensorData& error) const { return apply(Reorder{}, {error}); }
  /// The error as it came, and so many roundings of the result.
  Expected<TensorData> plus_roundings(const TensorData& error, double roundings) const {
    Expected<TensorData> here = moved(error);
    if (!here) return here.failure();
    return map(*here, y(), [&](double e, double value) {
      if (e == 0 && std::isnan(value)) return 0.0; // of NaN comes NaN, and nothing else
      return e + roundings * unit_ * std::abs(value) + tiny_;
    });
  }

  Expected<TensorData> of(const Const&) const { return nothing(); }

  /// An operand without its zero point: the farthest from it, where channels have their own.
  static Uncertain from_zero_points(const Uncertain& u, const std::vector<int64_t>& points) {
    return {map(u.value,
                [&](double value) {
                  double most = 0;
                  for (const int64_t point : points)
                    most = std::max(most, std::abs(value - static_cast<double>(point)));
                  return most;
                }),
            u.error};
  }

  /// Integers that wrap: what is off by e is off by e still, unless it comes around.
  TensorData wrapped(const TensorData& error) const {
    const auto lowest = static_cast<double>(ir::lowest(type_.element));
    const auto highest = static_cast<double>(ir::highest(type_.element));
    return map(error, y(), [=](double e, double value) {
      return e > 0 && (value - e < lowest || value + e > highest) ? infinity : e;
    });
  }

  Expected<TensorData> sum_of_integers(const Operation& operation, const Uncertain& x,
                                       const Uncertain& w, const Uncertain* b) const {
    if (is_exact(x) && is_exact(w) && (!b || is_exact(*b))) return nothing();
    std::vector<TensorData> of_x = {x.error, magnitude(w.value)};
    std::vector<TensorData> of_w = {sum(magnitude(x.value), x.error), w.error};
    if (b) of_x.push_back(b->error), of_w.push_back(zeros(b->value.type));
    const Expected<TensorData> from_x = apply(operation, of_x);
    if (!from_x) return from_x.failure();
    const Expected<TensorData> from_w = apply(operation, of_w);
    if (!from_w) return from_w.failure();
    return wrapped(sum(*from_x, *from_w));
  }

  /// Whether a batch_norm follows, which may be folded into the weight: then no number is whole.
  bool is_normalised() const {
    return std::any_of(program_.statements.begin(), program_.statements.end(),
                       [&](const Statement& s) {
                         return std::holds_alternative<BatchNorm>(s.operation) &&
                                s.operands[0] == statement_.results[0];
                       });
  }

  /// `terms` products a sum. Every product and every partial sum is rounded once, so an element's
  /// bound is (terms + 2) units times the sum of the magnitudes. Pairs of bf16 may be added by an
  /// instruction that is off by 8 units and takes denormal numbers for 0; where numbers are sums of
  /// bf16, that may happen in each of their products and to each part.
  Expected<TensorData> sum_of_products(const Operation& operation, double terms) const {
    const Uncertain& x = operand(0);
    const Uncertain& w = operand(1);
    const Uncertain* b = operands_.size() > 2 ? operands_[2] : nullptr;
    const bool pairs = program_.type(statement_.operands[0]).element == ElementType::bf16;
    const bool parts = algorithm_ && algorithm_->has_parts; // a matrix unit adds six products more
    const double growth = ((pairs ? 4 * terms : terms) + (parts ? 10 : 2)) * unit_;
    const double lost_in_pairs =
        terms * (0x1p-124 + 0x1p-126 * (largest(x.value) + largest(w.value)));
    const double lost = parts ? 4 * lost_in_pairs : pairs ? lost_in_pairs : lost_in(terms);
    const bool whole = (!algorithm_ || algorithm_->keeps_whole_numbers) && !is_normalised() &&
                       is_exact(x) && is_exact(w) && (!b || is_exact(*b)) && is_whole(x.value) &&
                       is_whole(w.value) && (!b || is_whole(b->value));

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
      return map(*error, [&](double m) {
        return m <= largest_exact_ ? 0 : unless_overflow(m, growth * m + lost);
      });
    if (!is_exact(w)) {
      std::vector<TensorData> more = {sum(magnitude(x.value), x.error), w.error};
      if (b) more.push_back(zeros(b->value.type));
      const Expected<TensorData> of_weights = apply(operation, more);
      if (!of_weights) return of_weights.failure();
      *error = sum(*error, *of_weights);
    }
    // Where nothing was inexact the error is `growth` times the magnitudes, and else more.
    return map(*error, [&](double e) { return unless_overflow(e / growth, e + lost); });
  }

  double products(Axis sum_over) const {
    const TensorType& w = program_.type(statement_.operands[1]);
    double taps = static_cast<double>(w.size(sum_over));
    for (const Axis axis : w.spatial_axes()) taps *= static_cast<double>(w.size(axis));
    return taps + 1; // and the bias
  }
  template <class Op>
  Expected<TensorData> convolution(Op op) const {
    const bool integers = is_integer(type_.element);
    const Uncertain x = integers ? from_zero_points(operand(0), {op.x_zero_point}) : operand(0);
    const Uncertain w = integers ? from_zero_points(operand(1), op.w_zero_point) : operand(1);
    op.x_zero_point = 0;
    op.w_zero_point = {0};
    if (integers) return sum_of_integers(op, x, w, operands_.size() > 2 ? operands_[2] : nullptr);
    return sum_of_products(op, products(Axis::i));
  }
  Expected<TensorData> of(const Conv& op) const { return convolution(op); }
  Expected<TensorData> of(const ConvTranspose& op) const { return convolution(op); }

  Expected<TensorData> maxima(const Operation& operation) const {
    Expected<TensorData> error = apply(operation, {operand(0).error});
    if (!error) return error.failure();
    return map(*error, [](double e) { return std::max(e, 0.0); }); // -inf where there is no tap
  }
  Expected<TensorData> averages(const Operation& operation, double terms,
                                double divisor = 1) const {
    const double growth = (terms + 3) * unit_;
    Expected<TensorData> error =
        apply(operation, {map(operand(0).value, operand(0).error,
                              [&](double x, double e) { return e + growth * (std::abs(x) + e); })});
    if (!error) return error.failure();
    return map(*error, [&](double e) {
      return unless_overflow(e / growth * std::max(terms, divisor), e + lost_in(terms));
    });
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
      return averages(op, taps, static_cast<double>(op.divisor.value_or(1)));
    }
    // A norm moves no more than its argument does, from p = 1 on.
    if (op.p < 1 && !is_exact(operand(0))) return unknown();
    Expected<TensorData> error = is_exact(operand(0)) ? nothing() : apply(op, {operand(0).error});
    if (!error) return error.failure();
    const double roundings = (taps + 2 * function_roundings) * (1 + 1 / op.p);
    // Powers are added: they overflow and vanish long before their root does.
    const double vanished = std::pow(taps * tiny_, 1 / op.p);
    return map(*error, y(), [&](double e, double value) {
      const double sum = std::pow(std::abs(value) + e, op.p);
      const double lost = sum * unit_ < taps * tiny_ ? vanished + std::abs(value) : 0;
      return unless_overflow(sum, e + roundings * unit_ * std::abs(value) + lost + tiny_);
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
    return map(*of_x, [&](double e) { return unless_overflow(e / growth, e + tiny_); });
  }

  Expected<TensorData> of(const Binary& op) const {
    const Uncertain& a = operand(0);
    const Uncertain& b = operand(1);
    const bool was_exact = is_exact(a) && is_exact(b);
    if (is_integer(type_.element) && was_exact) return nothing();
    if (op.kind == BinaryKind::max || op.kind == BinaryKind::min)
      return apply(Binary{BinaryKind::max}, {a.error, b.error});
    if (was_exact && is_whole(a.value) && is_whole(b.value) && largest(y()) <= largest_exact_)
      return nothing();
    if (was_exact) return plus_roundings(nothing(), 1);
    if (op.kind != BinaryKind::mul) {
      Expected<TensorData> error = apply(Binary{BinaryKind::add}, {a.error, b.error});
      if (!error) return error.failure();
      return is_integer(type_.element) ? Expected(wrapped(*error)) : plus_roundings(*error, 1);
    }
    const Expected<TensorData> from_a =
        apply(Binary{BinaryKind::mul}, {a.error, magnitude(b.value)});
    if (!from_a) return from_a.failure();
    const Expected<TensorData> from_b =
        apply(Binary{BinaryKind::mul}, {sum(magnitude(a.value), a.error), b.error});
    if (!from_b) return from_b.failure();
    const TensorData both = sum(*from_a, *from_b);
    return is_integer(type_.element) ? Expected(wrapped(both)) : plus_roundings(both, 1);
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
    case UnaryKind::neg: {
      Expected<TensorData> error = moved(x.error);
      return error && is_integer(type_.element) ? Expected(wrapped(*error)) : error;
    }
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
      if (e == 0 && std::isnan(value)) return 0.0;
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

  /// A rounding to whole numbers that rises with its argument: what it gives at both ends of what
  /// the argument may be. Near a half that is one step; elsewhere, for small errors, none.
  Expected<TensorData> stepped(const Operation& operation, const TensorData& below,
                               const TensorData& above) const {
    const Expected<TensorData> low = apply_as(operation, {below}, type_);
    if (!low) return low.failure();
    const Expected<TensorData> high = apply_as(operation, {above}, type_);
    if (!high) return high.failure();
    return map(map(*low, y(), [](double l, double value) { return value - l; }),
               map(*high, y(), [](double h, double value) { return h - value; }),
               [](double down, double up) {
                 return std::max({down, up, 0.0});
               });
  }
  /// The same of a float, which is rounded to f32 and divided by a scale on the way.
  Expected<TensorData> stepped_from_float(const Operation& operation) const {
    const Uncertain& x = operand(0);
    const TensorType& from = program_.type(statement_.operands[0]);
    const double unit = from.element == ElementType::f64 ? 0x1p-53 : 0x1p-24;
    // An end of the error as a kernel may have it; where nothing is known, anything may be.
    const auto end = [&](double sign) {
      return map(x.value, x.error, [=](double value, double e) {
        if (std::isinf(e)) return sign * infinity;
        return e > 0 ? value + sign * (e + 4 * unit * (std::abs(value) + e)) : value;
      });
    };
    return stepped(operation, end(-1), end(1));
  }

  Expected<TensorData> of(const Convert& op) const {
    const TensorType& from = program_.type(statement_.operands[0]);
    const bool was_exact = is_exact(operand(0));
    if (is_integer(type_.element)) {
      if (was_exact) return nothing();
      if (is_float(from.element)) return stepped_from_float(op);
      const Expected<TensorData> error = moved(operand(0).error);
      if (!error) return error.failure();
      return wrapped(*error);
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
    if (op.kind == QuantKind::quantize) return stepped_from_float(op);
    // Integers, as they are: the ends are numbers of their type.
    const TensorType& from = program_.type(statement_.operands[0]);
    const auto end = [&](double sign) {
      Doubles elements = doubles_of(operand(0).value);
      const Doubles error = doubles_of(operand(0).error);
      for (size_t i = 0; i < elements.size(); ++i)
        elements[i] =
            std::clamp(elements[i] + sign * error[i], static_cast<double>(ir::lowest(from.element)),
                       static_cast<double>(ir::highest(from.element)));
      return tensor_of(from, elements);
    };
    return stepped(op, end(-1), end(1));
  }

  const Program& program_;
  const Statement& statement_;
  const std::vector<const Uncertain*>& operands_;
  const std::vector<const TensorData*>& values_;
  const TensorType& type_;
  const double unit_, largest_exact_;
  const bool flushed_;
  const Algorithm* algorithm_; // null: a direct sum
  const double tiny_;
};

} // namespace

Expected<std::vector<TensorData>> error_bounds(const Program& program, const Statement& statement,
                                               const std::vector<const Uncertain*>& operands,
                                               const std::vector<const TensorData*>& values,
                                               bool flushed, const Algorithm* algorithm) {
  Expected<TensorData> first =
      Bound(program, statement, operands, values, flushed, algorithm).run();
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
