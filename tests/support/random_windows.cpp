// Operators that slide or move: convolutions, pools, their inverses, pad and reorder.
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

/// What computing with a value makes of it.
Exactness computed_with(const Exactness& x) {
  Exactness result = x;
  if (x.is_rounded) result.quantum = 0, result.is_rounded = false;
  return result;
}

bool is_byte(ElementType element) { return ir::size_of(element) == 1; }

int64_t divisor_of(Dice& dice, int64_t number) {
  std::vector<int64_t> divisors;
  for (int64_t d = 1; d <= number; ++d)
    if (number % d == 0) divisors.push_back(d);
  return dice.one_of(divisors);
}

/// Stride, dilation and pads; the pads of words where the operator takes them.
std::string window_attributes(Draft& draft, bool takes_words) {
  Dice& dice = draft.dice;
  const bool is_wild = dice.once_in(5);
  std::string stride = draft.list(1, is_wild ? 5 : 2);
  const std::string dilation = draft.list(1, is_wild ? 6 : dice.one_of({1, 1, 2}));
  std::string pad = dice.once_in(3) ? "0" : draft.pairs(0, is_wild ? 5 : 2);
  if (takes_words && dice.once_in(5)) {
    pad = dice.one_of<std::string>({"same_upper", "same_lower", "valid", "same"});
    if (pad == "same") stride = "1";
  }
  return fmt::format("stride = {}, dilation = {}, pad = {}", stride, dilation, pad);
}

/// Zero points of bytes; `outputs` of the weight's.
std::string zero_points(Dice& dice, ElementType x, ElementType w, int64_t outputs) {
  const auto point = [&](ElementType type) {
    return dice.once_in(4) ? dice.one_of({ir::lowest(type), ir::highest(type)})
                           : dice.between(ir::lowest(type), ir::highest(type));
  };
  std::string text;
  if (dice.once_in(2)) text += fmt::format(", x_zero_point = {}", point(x));
  if (dice.once_in(2)) return text;
  if (dice.once_in(2)) return text + fmt::format(", w_zero_point = {}", point(w));
  std::vector<int64_t> points;
  for (int64_t o = 0; o < outputs; ++o) points.push_back(point(w));
  return text + fmt::format(", w_zero_point = [{}]", fmt::join(points, ", "));
}

/// The parts that both convolutions have in common.
struct Product {
  ElementType element; // of the weight
  std::string operands, attributes;
  std::optional<ElementType> asked;
  Exactness exact;
};

Product product(Draft& draft, const Known& x, TensorType weight, double taps, int64_t outputs) {
  Dice& dice = draft.dice;
  const ElementType element = x.type.element;
  Product result;
  weight.element = element;
  if (is_byte(element)) weight.element = dice.once_in(2) ? ElementType::u8 : ElementType::i8;
  result.element = weight.element;
  // A zero in a constant filter may be left out, and then 0 * inf is no NaN.
  const std::string w = draft.operand("w", weight, !x.exact.may_be_infinite);
  result.operands = fmt::format("{}, {}", x.name, w);
  result.exact = computed_with(x.exact);
  result.exact.largest = is_byte(element) ? 0x1p16 * taps : x.exact.largest * largest_real * taps;
  ElementType bias = is_byte(element) ? ElementType::i32 : element;
  const bool is_narrow = ir::is_float(element) && ir::size_of(element) == 2;
  if (is_narrow && dice.once_in(3)) result.asked = bias = ElementType::f32;
  if (dice.once_in(2)) {
    if (is_narrow && dice.once_in(2)) bias = ElementType::f32;
    result.operands += ", " + draft.operand("b", vector_type(bias, Axis::o, outputs), true);
    result.exact.largest += largest_input(bias);
  }
  if (is_byte(element)) result.attributes = zero_points(dice, element, weight.element, outputs);
  return result;
}

/// Adds the spatial axes of a weight, and gives their taps.
double add_kernel(Draft& draft, TensorType& weight) {
  Dice& dice = draft.dice;
  double taps = 1;
  const bool is_pointwise = dice.once_in(4);
  for (const Axis axis : draft.spaces()) {
    const int64_t k = is_pointwise ? 1 : dice.once_in(8) ? dice.between(4, 9) : dice.between(1, 3);
    weight.extents.push_back({axis, k});
    taps *= static_cast<double>(k);
  }
  return taps;
}

bool multiplies(ElementType element) { return ir::is_float(element) || is_byte(element); }

int64_t outputs_of_group(const Draft& draft, int64_t groups) {
  Dice& dice = draft.dice;
  if (draft.splits == Splits::many) return dice.one_of({1, 2, 3, 4, 6, groups > 4 ? 2 : 12});
  return groups > 4 ? dice.one_of({1, 1, 1, 2, 3})
                    : dice.one_of({1, 2, 3, 5, 7, 8, 13, 16, 17, 19, 32, 33});
}

int64_t groups_of(Dice& dice, int64_t channels) {
  return dice.once_in(3) ? divisor_of(dice, channels) : dice.once_in(4) ? channels : 1;
}

} // namespace

std::optional<Made> random_conv(Draft& draft, const Known& x) {
  if (!multiplies(x.type.element)) return std::nullopt;
  Dice& dice = draft.dice;
  const int64_t channels = x.type.size(Axis::c), groups = groups_of(dice, channels);
  const int64_t outputs = groups * outputs_of_group(draft, groups);
  TensorType weight{{}, {{Axis::o, outputs}, {Axis::i, channels / groups}}};
  const double taps = add_kernel(draft, weight) * static_cast<double>(channels / groups);
  const Product made = product(draft, x, weight, taps, outputs);
  std::string attributes =
      fmt::format("groups = {}, {}{}", groups, window_attributes(draft, true), made.attributes);
  if (dice.once_in(5))
    attributes +=
        ", padding_mode = " + dice.one_of<std::string>({"reflect", "replicate", "circular"});
  return Made{fmt::format("conv {} {{{}}}", made.operands, attributes), made.exact, made.asked};
}

std::optional<Made> random_conv_transpose(Draft& draft, const Known& x) {
  if (!multiplies(x.type.element)) return std::nullopt;
  Dice& dice = draft.dice;
  const int64_t channels = x.type.size(Axis::c), groups = groups_of(dice, channels);
  const int64_t outputs = outputs_of_group(draft, groups);
  TensorType weight{{}, {{Axis::i, channels}, {Axis::o, outputs}}};
  const double taps = add_kernel(draft, weight) * static_cast<double>(channels / groups);
  const Product made = product(draft, x, weight, taps, groups * outputs);
  std::string attributes =
      fmt::format("groups = {}, {}{}", groups, window_attributes(draft, false), made.attributes);
  if (dice.once_in(3)) attributes += ", output_padding = " + draft.list(0, 1);
  return Made{fmt::format("conv_transpose {} {{{}}}", made.operands, attributes), made.exact,
              made.asked};
}

namespace {

double elements_in_space(const TensorType& type) {
  double elements = 1;
  for (const Axis axis : type.spatial_axes()) elements *= static_cast<double>(type.size(axis));
  return elements;
}

/// A sum of so many elements, exact or not, and then divided.
Exactness averaged(const Known& x, double taps) {
  Exactness result = computed_with(x.exact);
  if (taps * result.largest > result.quantum * most_quanta(x.type.element)) result.quantum = 0;
  result.is_rounded = result.quantum > 0;
  return result;
}

std::optional<Made> whole_pool(Draft& draft, const Known& x) {
  Dice& dice = draft.dice;
  const bool is_average = ir::is_float(x.type.element) && dice.once_in(2);
  const bool is_global = dice.once_in(2);
  const std::string word =
      fmt::format("{}_{}_pool", is_global ? "global" : "adaptive", is_average ? "avg" : "max");
  return Made{is_global ? fmt::format("{} {}", word, x.name)
                        : fmt::format("{} {} {{output = {}}}", word, x.name, draft.list(1, 6)),
              is_average ? averaged(x, elements_in_space(x.type)) : x.exact};
}

std::optional<Made> lp_pool(Draft& draft, const Known& x, const std::string& attributes) {
  const double p = draft.dice.one_of<double>({1, 2, 2, 3, 0.5, 1.5});
  if (p < 1 && (x.exact.quantum == 0 || x.exact.is_rounded)) return std::nullopt; // steep at 0
  if (x.exact.largest > 1000) return std::nullopt;
  Exactness exact = computed_with(x.exact);
  exact.largest *= p < 1 ? 300 * 300 : 300;
  if (p != 1) exact.quantum = 0;
  return Made{fmt::format("lp_pool {} {{{}, p = {}}}", x.name, attributes, p), exact};
}

} // namespace

std::optional<Made> random_pool(Draft& draft, const Known& x) {
  Dice& dice = draft.dice;
  if (dice.once_in(4)) return whole_pool(draft, x);
  const std::string kernel = draft.list(1, dice.one_of({2, 3, 3, 4, 7}));
  const std::string ceil = fmt::format(", ceil_mode = {}", dice.once_in(2));
  if (dice.once_in(4)) { // one that a max_unpool undoes
    const bool is_exact = x.exact.quantum > 0 && !x.exact.is_rounded;
    if (ir::is_float(x.type.element) && !is_exact) return std::nullopt;
    std::string same = "kernel = " + kernel;
    if (dice.once_in(2)) same += ", stride = " + draft.list(1, 3);
    if (dice.once_in(2)) same += ", pad = " + draft.pairs(0, 1);
    Places places{same, {}};
    for (const Axis axis : draft.spaces()) places.extents.push_back(x.type.size(axis));
    return Made{
        fmt::format("max_pool {} {{{}{}}}", x.name, same, ceil), x.exact, {}, false, places};
  }
  const std::string windows = window_attributes(draft, true);
  const std::string attributes = fmt::format("kernel = {}, {}{}", kernel, windows, ceil);
  // A window that meets no data is -inf, or NaN: these are chosen among like any other number, and
  // arithmetic on them is the same in every order.
  Known from = x;
  from.exact.may_be_infinite = true;
  const int64_t kind = ir::is_float(x.type.element) ? dice.between(0, 4) : 0;
  if (kind <= 1) {
    Made made{fmt::format("max_pool {} {{{}}}", x.name, attributes), from.exact};
    const bool is_exact = x.exact.quantum > 0 && !x.exact.is_rounded;
    // Places that may be -1, or beyond what a max_unpool would make: to be returned only.
    if (dice.once_in(3) && (is_exact || !ir::is_float(x.type.element))) made.places = Places{};
    return made;
  }
  if (kind == 2) return lp_pool(draft, x, attributes);
  std::string more = fmt::format(", count_include_pad = {}", dice.once_in(2));
  if (dice.once_in(4)) more += fmt::format(", divisor = {}", dice.one_of({-3, 2, 7}));
  Exactness exact = averaged(from, 350);
  exact.largest *= 350; // a divisor may be small
  return Made{fmt::format("avg_pool {} {{{}{}}}", x.name, attributes, more), exact};
}

std::optional<Made> random_unpool(Draft& draft, const Known& x) {
  Dice& dice = draft.dice;
  const auto same_shape = [&](const Known& value) {
    return value.places && !value.places->extents.empty() &&
           std::all_of(x.type.extents.begin(), x.type.extents.end(), [&](const ir::Extent& e) {
             return value.type.size(e.axis) == x.type.size(e.axis);
           });
  };
  const auto index = std::find_if(draft.known.begin(), draft.known.end(), same_shape);
  if (index != draft.known.end()) {
    int64_t places = 1;
    for (const int64_t extent : index->places->extents) places *= extent;
    std::string attributes = index->places->attributes;
    if (!dice.once_in(4))
      attributes += fmt::format(", output_size = [{}]", fmt::join(index->places->extents, ", "));
    Made made{fmt::format("max_unpool {}, {} {{{}}}", x.name, index->name, attributes), x.exact};
    made.least_places = places;
    return made;
  }
  if (!dice.once_in(3)) return std::nullopt;
  // Any places at all, held to what there is.
  const int64_t kernel = dice.between(1, 3), stride = dice.between(1, 3);
  int64_t places = 1;
  for (const Axis axis : draft.spaces()) places *= (x.type.size(axis) - 1) * stride + kernel;
  TensorType type = x.type;
  type.element = ElementType::i64;
  const std::string any = draft.operand("at", type, false);
  const std::string held = draft.add(
      "held", draft.types.at(any), fmt::format("clamp {} {{min = 0, max = {}}}", any, places - 1));
  return Made{
      fmt::format("max_unpool {}, {} {{kernel = {}, stride = {}}}", x.name, held, kernel, stride),
      x.exact};
}

std::optional<Made> random_move(Draft& draft, const Known& x) {
  Dice& dice = draft.dice;
  if (dice.once_in(2)) {
    Made made{"reorder " + x.name, x.exact};
    made.needs_type = true;
    return made;
  }
  std::string mode, value;
  Exactness exact = x.exact;
  if (dice.once_in(2)) {
    mode = ", mode = " + dice.one_of<std::string>({"reflect", "replicate", "circular"});
  } else {
    std::string number =
        std::to_string(dice.between(x.type.element == ElementType::u8 ? 0 : -3, 3));
    if (ir::is_float(x.type.element) && dice.once_in(8)) {
      number = dice.one_of<std::string>({"inf", "-inf", "nan"});
      exact.may_be_infinite = true;
    }
    value = ", value = " + number;
    exact.largest = std::max(exact.largest, 3.0);
    if (exact.quantum > 1) exact.quantum = 1;
  }
  return Made{fmt::format("pad {} {{pad = {}{}{}}}", x.name, draft.pairs(-2, 3), mode, value),
              exact};
}

} // namespace volute::tests
