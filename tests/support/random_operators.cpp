// Operators that look at one element: conversions, arithmetic, activations.
#include "ir/number.h"
#include "tests/support/random_draft.h"
#include "tests/support/random_layout.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

namespace volute::tests {

using ir::Axis;
using ir::ElementType;
using ir::TensorType;

namespace {

constexpr double largest_half = 65504;

/// Rounded once, unless it need not be.
Exactness rounded(Exactness x, bool is_exact) {
  x.is_rounded = !is_exact && x.quantum > 0;
  return x;
}

/// Scales and zero points, a number or one a channel.
struct Quantisation {
  std::string attributes;
  double largest_scale = 0, smallest_scale = 1e9, largest_zero_point = 0;
  bool is_power = true; // of two, all scales
};

Quantisation quantisation(Dice& dice, ElementType quantised, int64_t channels) {
  Quantisation result;
  const auto scale = [&] {
    const double s = dice.one_of<double>({0.5, 0.25, 1, 2, 0.1, 3, 0.0078125});
    int exponent = 0;
    result.is_power &= std::frexp(s, &exponent) == 0.5;
    result.largest_scale = std::max(result.largest_scale, s);
    result.smallest_scale = std::min(result.smallest_scale, s);
    return s;
  };
  const auto zero_point = [&] {
    const int64_t z = dice.between(std::max<int64_t>(ir::lowest(quantised), -200),
                                   std::min<int64_t>(ir::highest(quantised), 200));
    result.largest_zero_point = std::max(result.largest_zero_point, std::fabs(z));
    return z;
  };
  const auto some = [&](auto draw) {
    if (dice.once_in(2)) return fmt::format("{}", draw());
    std::vector<decltype(draw())> list;
    for (int64_t c = 0; c < channels; ++c) list.push_back(draw());
    return fmt::format("[{}]", fmt::join(list, ", "));
  };
  result.attributes = "scale = " + some(scale);
  if (dice.once_in(2)) result.attributes += ", zero_point = " + some(zero_point);
  return result;
}

Made typed(std::string text, Exactness exact, ElementType element) {
  return Made{std::move(text), exact, element, true};
}

ElementType any_quantised(Dice& dice) {
  using enum ElementType;
  return dice.one_of<ElementType>({u8, i8, u8, i8, i32});
}

Made convert(const Known& x, ElementType to) {
  Exactness exact = x.exact;
  const std::string text = "convert " + x.name;
  if (!ir::is_float(to)) return typed(text, exact, to); // saturates or wraps
  // What is rounded already is not rounded to f32 in the reference.
  if (exact.is_rounded) exact.quantum = 0, exact.is_rounded = false;
  const bool is_exact = exact.largest <= exact.quantum * most_quanta(to);
  return typed(text, rounded(exact, is_exact), to);
}

} // namespace

std::optional<Made> random_convert(Draft& draft, const Known& x) {
  using enum ElementType;
  Dice& dice = draft.dice;
  const ElementType from = x.type.element;
  const int64_t channels = x.type.size(Axis::c);
  if (dice.once_in(2)) {
    const ElementType to = dice.one_of<ElementType>({f32, f32, f64, f16, bf16, i8, u8, i32, i64});
    // A last bit would decide a whole number.
    if (!ir::is_float(to) && x.exact.quantum == 0) return std::nullopt;
    return convert(x, to);
  }
  if (ir::is_float(from)) {
    if (x.exact.quantum == 0) return std::nullopt;
    const ElementType to = any_quantised(dice);
    const Quantisation q = quantisation(dice, to, channels);
    return typed(fmt::format("quantize {} {{{}}}", x.name, q.attributes),
                 {.largest = x.exact.largest / q.smallest_scale + q.largest_zero_point}, to);
  }
  if (from == i64) return std::nullopt;
  if (dice.once_in(2)) {
    const ElementType to = any_quantised(dice);
    const Quantisation q = quantisation(dice, to, channels);
    return typed(fmt::format("requantize {} {{{}}}", x.name, q.attributes),
                 {.largest = x.exact.largest * q.largest_scale + q.largest_zero_point}, to);
  }
  const ElementType to = dice.one_of<ElementType>({f32, f32, f64, f16, bf16});
  const Quantisation q = quantisation(dice, from, channels);
  Exactness exact;
  exact.largest = (x.exact.largest + q.largest_zero_point) * q.largest_scale;
  exact.quantum = q.is_power ? q.smallest_scale : 1e-3;
  const bool is_exact = q.is_power && exact.largest <= exact.quantum * most_quanta(to);
  if (!is_exact && ir::size_of(to) == 2) exact.quantum = 0; // a product in f32, rounded again
  return typed(fmt::format("dequantize {} {{{}}}", x.name, q.attributes), rounded(exact, is_exact),
               to);
}

namespace {

bool same_shape(const TensorType& a, const TensorType& b) {
  return a.axes().size() == b.axes().size() &&
         std::all_of(a.extents.begin(), a.extents.end(),
                     [&](const ir::Extent& e) { return b.size(e.axis) == a.size(e.axis); });
}

/// A second operand: a value of the program of the same shape, or an input.
Known beside(Draft& draft, const Known& x) {
  std::vector<Known> fitting;
  for (const Known& value : draft.known)
    if (value.type.element == x.type.element && same_shape(value.type, x.type))
      fitting.push_back(value);
  if (!draft.dice.once_in(3)) return draft.dice.one_of(fitting);
  return draft.input(draft.fresh("r"), random_layout(draft.dice, x.type, draft.splits));
}

Known vector(Draft& draft, const Known& x, ElementType element) {
  const TensorType type = vector_type(element, Axis::c, x.type.size(Axis::c));
  const std::string name = draft.operand("v", type, true);
  return {name, draft.types.at(name), {.largest = largest_input(element)}, {}};
}

/// Computed from both.
Exactness computed(const Exactness& x, const Exactness& b, double largest, double quantum) {
  Exactness result;
  result.largest = largest;
  result.quantum = x.is_rounded || b.is_rounded ? 0 : quantum;
  result.may_be_infinite = x.may_be_infinite || b.may_be_infinite;
  return result;
}

Made choosing(Draft& draft, const Known& x) {
  std::vector<std::string> words = {"relu {}",
                                    "relu6 {}",
                                    "clamp {} {{min = -3}}",
                                    "clamp {} {{min = -2, max = 5}}",
                                    "clamp {} {{max = 4}}",
                                    "clamp {} {{min = -1000, max = 70}}",
                                    "abs {}",
                                    "neg {}"};
  Exactness exact = x.exact;
  exact.largest = std::max(exact.largest, 6.0);
  if (exact.quantum > 1) exact.quantum = 1; // bounds are whole
  return {fmt::format(fmt::runtime(draft.dice.one_of(words)), x.name), exact};
}

Made with_another(Draft& draft, const Known& x) {
  Dice& dice = draft.dice;
  const Known b = dice.once_in(3) ? vector(draft, x, x.type.element) : beside(draft, x);
  const double lx = x.exact.largest, lb = b.exact.largest;
  const double quantum = std::min(x.exact.quantum, b.exact.quantum);
  const std::string operands = fmt::format("{}, {}", x.name, b.name);
  switch (dice.between(0, 3)) {
  case 0: {
    Exactness exact = computed(x.exact, b.exact, std::max(lx, lb), quantum);
    exact.is_rounded = x.exact.is_rounded || b.exact.is_rounded;
    exact.quantum = quantum;
    return {dice.one_of<std::string>({"max ", "min "}) + operands, exact};
  }
  case 1:
    return {"mul " + operands,
            computed(x.exact, b.exact, lx * lb, x.exact.quantum * b.exact.quantum)};
  default:
    return {dice.one_of<std::string>({"add ", "sub "}) + operands,
            computed(x.exact, b.exact, lx + lb, quantum)};
  }
}

Made batch_norm(Draft& draft, const Known& x) {
  const ElementType narrow = x.type.element;
  const bool may_be_wide = ir::size_of(narrow) == 2;
  const auto element = [&] {
    return may_be_wide && draft.dice.once_in(2) ? ElementType::f32 : narrow;
  };
  // The square root of var + epsilon is 1, 2 or 4.
  std::vector<double> variances;
  const int64_t channels = x.type.size(Axis::c);
  for (int64_t c = 0; c < channels; ++c)
    variances.push_back(draft.dice.one_of<double>({0.75, 3.75, 15.75}));
  const std::string var =
      draft.constant("var", vector_type(element(), Axis::c, channels), variances);
  const std::string scale = vector(draft, x, element()).name;
  const std::string shift = vector(draft, x, element()).name;
  const std::string mean = draft.dice.once_in(2) ? vector(draft, x, element()).name : shift;
  return {fmt::format("batch_norm {}, {}, {}, {}, {} {{epsilon = 0.25}}", x.name, scale, shift,
                      mean, var),
          computed(x.exact, {}, (x.exact.largest + largest_real) * largest_real + largest_real,
                   x.exact.quantum * 0.25)};
}

/// Rounded, each in its own way.
std::optional<Made> function(Draft& draft, const Known& x) {
  Dice& dice = draft.dice;
  if (x.exact.largest > 1e6) return std::nullopt;
  Exactness exact = x.exact;
  exact.quantum = 0, exact.is_rounded = false;
  const std::string word =
      dice.one_of<std::string>({"sigmoid", "tanh", "silu", "hardsigmoid", "hardswish", "gelu",
                                "gelu", "softplus", "elu", "mish", "sqrt", "exp"});
  if (word == "sqrt") {
    if (x.exact.quantum == 0) return std::nullopt; // steep at 0, and nothing below it
    exact.may_be_infinite = true;
  }
  if (word == "exp") {
    if (x.exact.largest > 10) return std::nullopt;
    exact.largest = std::min(12 * std::exp(x.exact.largest), largest_half);
  }
  exact.largest += 1;
  std::string attributes;
  if (word == "gelu" && dice.once_in(2)) attributes = " {approximate = tanh}";
  if (word == "elu" && dice.once_in(2)) attributes = " {alpha = 1.5}";
  return Made{fmt::format("{} {}{}", word, x.name, attributes), exact};
}

} // namespace

std::optional<Made> random_element_wise(Draft& draft, const Known& x) {
  Dice& dice = draft.dice;
  if (!ir::is_float(x.type.element))
    return dice.once_in(2) ? choosing(draft, x) : with_another(draft, x);
  switch (dice.between(0, 11)) {
  case 0:
  case 1: return choosing(draft, x);
  case 2:
  case 3:
  case 4:
  case 5: return with_another(draft, x);
  case 6: {
    TensorType type = vector_type(x.type.element, Axis::c, x.type.size(Axis::c));
    if (dice.once_in(4)) type.extents[0].size = 1;
    const std::string slope = draft.operand("v", type, true);
    return Made{fmt::format("prelu {}, {}", x.name, slope),
                computed(x.exact, {}, x.exact.largest * largest_real, x.exact.quantum)};
  }
  case 7:
    return Made{fmt::format("leaky_relu {} {{slope = 0.5}}", x.name),
                computed(x.exact, {}, x.exact.largest, x.exact.quantum * 0.5)};
  case 8: return batch_norm(draft, x);
  default: return function(draft, x);
  }
}

} // namespace volute::tests
