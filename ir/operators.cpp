#include "ir/operators.h"

#include "ir/literals.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace volute::ir {
namespace {

// ---- from a pointer to member to the function that finds it in an operation -------------------

template <class T>
struct MemberOf;
template <class C, class T>
struct MemberOf<T C::*> {
  using Class = C;
};
template <auto member>
auto& inside(Operation& operation) {
  return std::get<typename MemberOf<decltype(member)>::Class>(operation).*member;
}
template <auto member>
Field plain(Operation& operation) {
  return &inside<member>(operation);
}
template <auto member>
Field axes(Operation& operation) {
  return EachAxis{&inside<member>(operation)};
}
template <auto member>
Field integers(Operation& operation) {
  return ChannelIntegers{&inside<member>(operation)};
}
template <auto member>
Field reals(Operation& operation) {
  return ChannelReals{&inside<member>(operation)};
}

using Words = std::string_view;
constexpr Words pad_mode_words[] = {"zeros", "reflect", "replicate", "circular"};
constexpr Words gelu_words[] = {"none", "tanh"};
constexpr Words padding_words[] = {"valid", "same", "same_upper", "same_lower"};

template <auto member>
Field pad_mode(Operation& operation) {
  return Choice{reinterpret_cast<uint8_t*>(&inside<member>(operation)), 0, pad_mode_words};
}
Field gelu_form(Operation& operation) {
  return Choice{reinterpret_cast<uint8_t*>(&inside<&Unary::kind>(operation)),
                static_cast<uint8_t>(UnaryKind::gelu), gelu_words};
}

// ---- attributes -------------------------------------------------------------------------------

constexpr AttributeRow conv_attributes[] = {
    {"stride", axes<&Conv::stride>, "1", 1},
    {"pad", plain<&Conv::pad>, "0", 0},
    {"dilation", axes<&Conv::dilation>, "1", 1},
    {"groups", plain<&Conv::groups>, "1", 1},
    {"padding_mode", pad_mode<&Conv::padding_mode>, "zeros"},
    {"x_zero_point", plain<&Conv::x_zero_point>, "0"},
    {"w_zero_point", integers<&Conv::w_zero_point>, "0"},
};
constexpr AttributeRow conv_transpose_attributes[] = {
    {"stride", axes<&ConvTranspose::stride>, "1", 1},
    {"pad", plain<&ConvTranspose::pad>, "0", 0},
    {"output_padding", axes<&ConvTranspose::output_padding>, "0", 0},
    {"dilation", axes<&ConvTranspose::dilation>, "1", 1},
    {"groups", plain<&ConvTranspose::groups>, "1", 1},
    {"x_zero_point", plain<&ConvTranspose::x_zero_point>, "0"},
    {"w_zero_point", integers<&ConvTranspose::w_zero_point>, "0"},
};
constexpr AttributeRow pool_kernel = {"kernel", axes<&Pool::kernel>, "", 1};
constexpr AttributeRow pool_stride = {"stride", axes<&Pool::stride>, "= kernel", 1};
constexpr AttributeRow pool_pad = {"pad", plain<&Pool::pad>, "0", 0};
constexpr AttributeRow pool_dilation = {"dilation", axes<&Pool::dilation>, "1", 1};
constexpr AttributeRow pool_ceil = {"ceil_mode", plain<&Pool::ceil_mode>, "false"};
constexpr AttributeRow max_pool_attributes[] = {pool_kernel, pool_stride, pool_pad, pool_dilation,
                                                pool_ceil};
constexpr AttributeRow avg_pool_attributes[] = {
    pool_kernel,
    pool_stride,
    pool_pad,
    pool_dilation,
    pool_ceil,
    {"count_include_pad", plain<&Pool::count_include_pad>, "true"},
    {"divisor", plain<&Pool::divisor>, "none"},
};
constexpr AttributeRow lp_pool_attributes[] = {
    pool_kernel, pool_stride, pool_pad, pool_dilation, pool_ceil, {"p", plain<&Pool::p>, "2"}};
constexpr AttributeRow adaptive_attributes[] = {{"output", axes<&AdaptivePool::output>, "", 1}};
constexpr AttributeRow unpool_attributes[] = {
    {"kernel", axes<&MaxUnpool::kernel>, "", 1},
    {"stride", axes<&MaxUnpool::stride>, "= kernel", 1},
    {"pad", plain<&MaxUnpool::pad>, "0", 0},
    {"output_size", axes<&MaxUnpool::output_size>, "= (L-1)*stride - pads + kernel", 1},
};
constexpr AttributeRow batch_norm_attributes[] = {{"epsilon", plain<&BatchNorm::epsilon>, "1e-5"}};
constexpr AttributeRow clamp_attributes[] = {
    {"min", plain<&Unary::a>, "none", 0, Reals::infinite},
    {"max", plain<&Unary::b>, "none", 0, Reals::infinite},
};
constexpr AttributeRow leaky_relu_attributes[] = {{"slope", plain<&Unary::a>, "0.01"}};
constexpr AttributeRow elu_attributes[] = {{"alpha", plain<&Unary::a>, "1"}};
constexpr AttributeRow gelu_attributes[] = {{"approximate", gelu_form, "none"}};
constexpr AttributeRow pad_attributes[] = {
    {"pad", plain<&PadOp::pad>, ""},
    {"mode", pad_mode<&PadOp::mode>, "zeros"},
    {"value", plain<&PadOp::value>, "0", 0, Reals::any},
};
constexpr AttributeRow quantize_attributes[] = {
    {"scale", reals<&Quantize::scale>, ""},
    {"zero_point", integers<&Quantize::zero_point>, "0"},
};

// ---- operators --------------------------------------------------------------------------------

template <class T>
Operation make() {
  return T{};
}
template <PoolKind kind>
Operation make_pool() {
  Pool pool;
  pool.kind = kind;
  return pool;
}
template <PoolKind kind>
Operation make_global() {
  return GlobalPool{kind};
}
template <PoolKind kind>
Operation make_adaptive() {
  AdaptivePool pool;
  pool.kind = kind;
  return pool;
}
template <BinaryKind kind>
Operation make_binary() {
  return Binary{kind};
}
template <UnaryKind kind>
Operation make_unary() {
  Unary unary;
  unary.kind = kind;
  if (kind == UnaryKind::leaky_relu) unary.a = 0.01;
  if (kind == UnaryKind::elu) unary.a = 1;
  return unary;
}
template <QuantKind kind>
Operation make_quantize() {
  Quantize quantize;
  quantize.kind = kind;
  quantize.zero_point = {0};
  return quantize;
}

constexpr Words conv_operands[] = {"x", "w", "b"};
constexpr Words x_operand[] = {"x"};
constexpr Words unpool_operands[] = {"x", "idx"};
constexpr Words batch_norm_operands[] = {"x", "scale", "shift", "mean", "var"};
constexpr Words binary_operands[] = {"a", "b"};
constexpr Words prelu_operands[] = {"x", "slope"};

constexpr OperatorTraits elementwise(int growth = 1) {
  return {.elementwise = true, .growth = growth};
}
constexpr OperatorTraits convolves = {.moves_in_space = true, .reduces = true, .weight = 1};
constexpr OperatorTraits pools = {.moves_in_space = true, .reduces = true};

template <UnaryKind kind>
constexpr OperatorRow unary(Words name, Words summary,
                            std::span<const AttributeRow> attributes = {}, int growth = 1) {
  return {name, summary, make_unary<kind>, x_operand, attributes, 1, 1, false, elementwise(growth)};
}
template <UnaryKind kind>
constexpr OperatorRow unary(Words name, Words summary, int growth) {
  return unary<kind>(name, summary, {}, growth);
}
template <BinaryKind kind>
constexpr OperatorRow binary(Words name, Words summary, int growth = 1) {
  return {name, summary, make_binary<kind>, binary_operands, {}, 2, 1, false, elementwise(growth)};
}

constexpr auto rows = std::to_array<OperatorRow>({
    {"const",
     "known data: a list in memory order, or file(\"...\")",
     make<Const>,
     {},
     {},
     0,
     1,
     true},
    {"conv", "cross-correlation of x with w, plus bias", make<Conv>, conv_operands, conv_attributes,
     2, 1, false, convolves},
    {"conv_transpose", "the transpose of conv: x scattered through w", make<ConvTranspose>,
     conv_operands, conv_transpose_attributes, 2, 1, false, convolves},
    {"max_pool", "largest value of each window; a second result is its place",
     make_pool<PoolKind::max>, x_operand, max_pool_attributes, 1, 2, false, pools},
    {"avg_pool", "mean of each window", make_pool<PoolKind::average>, x_operand,
     avg_pool_attributes, 1, 1, false, pools},
    {"lp_pool", "(sum of |x|^p)^(1/p) of each window", make_pool<PoolKind::lp>, x_operand,
     lp_pool_attributes, 1, 1, false, pools},
    {"global_avg_pool",
     "mean over all space",
     make_global<PoolKind::average>,
     x_operand,
     {},
     1,
     1,
     false,
     pools},
    {"global_max_pool",
     "largest value over all space",
     make_global<PoolKind::max>,
     x_operand,
     {},
     1,
     1,
     false,
     pools},
    {"adaptive_avg_pool", "mean of the windows that give this output",
     make_adaptive<PoolKind::average>, x_operand, adaptive_attributes, 1, 1, false, pools},
    {"adaptive_max_pool", "largest value of the windows that give this output",
     make_adaptive<PoolKind::max>, x_operand, adaptive_attributes, 1, 2, false, pools},
    {"max_unpool",
     "x put back at the places idx, 0 elsewhere",
     make<MaxUnpool>,
     unpool_operands,
     unpool_attributes,
     2,
     1,
     false,
     {.scatters = true}},
    {"batch_norm", "(x - mean) * scale / sqrt(var + epsilon) + shift", make<BatchNorm>,
     batch_norm_operands, batch_norm_attributes, 5, 1, false, elementwise()},
    binary<BinaryKind::add>("add", "a + b"),
    binary<BinaryKind::sub>("sub", "a - b"),
    binary<BinaryKind::mul>("mul", "a * b"),
    binary<BinaryKind::max>("max", "the larger of a and b", 4),
    binary<BinaryKind::min>("min", "the smaller of a and b", 4),
    unary<UnaryKind::relu>("relu", "max(x, 0)"),
    unary<UnaryKind::relu6>("relu6", "min(max(x, 0), 6)"),
    unary<UnaryKind::clamp>("clamp", "x held between min and max", clamp_attributes),
    unary<UnaryKind::leaky_relu>("leaky_relu", "x, or slope * x below 0", leaky_relu_attributes, 3),
    unary<UnaryKind::elu>("elu", "x, or alpha * (exp(x) - 1) below 0", elu_attributes, 3),
    {"prelu",
     "x, or its channel's slope * x below 0",
     make<Prelu>,
     prelu_operands,
     {},
     2,
     1,
     false,
     elementwise(3)},
    unary<UnaryKind::sigmoid>("sigmoid", "1 / (1 + exp(-x))"),
    unary<UnaryKind::tanh>("tanh", "hyperbolic tangent"),
    unary<UnaryKind::silu>("silu", "x * sigmoid(x)", 2),
    unary<UnaryKind::hardsigmoid>("hardsigmoid", "min(max(x + 3, 0), 6) / 6"),
    unary<UnaryKind::hardswish>("hardswish", "x * hardsigmoid(x)", 2),
    unary<UnaryKind::mish>("mish", "x * tanh(softplus(x))", 5),
    unary<UnaryKind::gelu>("gelu", "x times the normal distribution's share below x",
                           gelu_attributes, 4),
    unary<UnaryKind::softplus>("softplus", "log(1 + exp(x))", 2),
    unary<UnaryKind::abs>("abs", "|x|"),
    unary<UnaryKind::neg>("neg", "-x"),
    unary<UnaryKind::sqrt>("sqrt", "square root"),
    unary<UnaryKind::exp>("exp", "e to the x"),
    {"convert",
     "x in the written element type",
     make<Convert>,
     x_operand,
     {},
     1,
     1,
     true,
     {.elementwise = true, .converts = true}},
    {"reorder",
     "x in the written memory order",
     make<Reorder>,
     x_operand,
     {},
     1,
     1,
     true,
     {.elementwise = true, .copies = true}},
    {"pad",
     "x with its borders extended; negative numbers crop",
     make<PadOp>,
     x_operand,
     pad_attributes,
     1,
     1,
     false,
     {.copies = true, .moves_in_space = true}},
    {"quantize", "sat(rne(x / scale) + zero_point)", make_quantize<QuantKind::quantize>, x_operand,
     quantize_attributes, 1, 1, true, elementwise()},
    {"dequantize", "(x - zero_point) * scale", make_quantize<QuantKind::dequantize>, x_operand,
     quantize_attributes, 1, 1, false, elementwise()},
    {"requantize", "sat(rne(x * scale) + zero_point)", make_quantize<QuantKind::requantize>,
     x_operand, quantize_attributes, 1, 1, true, elementwise()},
});

template <class T>
std::string number_text(T value) {
  if constexpr (std::is_same_v<T, double>)
    return shortest(value, ElementType::f64);
  else
    return fmt::format("{}", value);
}

template <class T>
std::string list_text(const std::vector<T>& values, bool collapse) {
  const bool uniform = std::all_of(values.begin(), values.end(),
                                   [&](const T& value) { return value == values.front(); });
  if (values.size() == 1 || (collapse && uniform && !values.empty()))
    return number_text(values.front());
  std::string text = "[";
  for (size_t i = 0; i < values.size(); ++i) text += (i ? ", " : "") + number_text(values[i]);
  return text + "]";
}

template <class... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
template <class... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>; // Clang before 17 does not find it

/// Letters to insert, delete or replace, or neighbours to exchange.
int64_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<int64_t> before, above, row(b.size() + 1); // of the prefixes of a, each longer by one
  for (size_t j = 0; j <= b.size(); ++j) row[j] = static_cast<int64_t>(j);
  for (size_t i = 1; i <= a.size(); ++i) {
    before = std::move(above);
    above = row;
    row[0] = static_cast<int64_t>(i);
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({above[j - 1] + (a[i - 1] != b[j - 1]), above[j] + 1, row[j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
  }
  return row.back();
}

} // namespace

std::span<const OperatorRow> operators() { return rows; }

const OperatorRow* find_operator(std::string_view name) {
  const auto found = std::find_if(rows.begin(), rows.end(),
                                  [&](const OperatorRow& row) { return row.name == name; });
  return found == rows.end() ? nullptr : &*found;
}

const OperatorRow& row_of(const Operation& operation) { return *find_operator(name(operation)); }

const OperatorTraits& traits_of(const Operation& operation) { return row_of(operation).traits; }

int64_t Convolution::inputs(const TensorType& weight) const {
  return weight.size(Axis::i) / (transposed ? groups : 1);
}

int64_t Convolution::outputs(const TensorType& weight) const {
  return weight.size(Axis::o) / (transposed ? 1 : groups);
}

std::optional<Convolution> convolution(const Operation& operation) {
  if (const auto* conv = std::get_if<Conv>(&operation))
    return Convolution{conv->groups, conv->x_zero_point, conv->w_zero_point, false};
  if (const auto* conv = std::get_if<ConvTranspose>(&operation))
    return Convolution{conv->groups, conv->x_zero_point, conv->w_zero_point, true};
  return std::nullopt;
}

const AttributeRow* find_attribute(const OperatorRow& row, std::string_view name) {
  for (const AttributeRow& attribute : row.attributes)
    if (attribute.name == name) return &attribute;
  return nullptr;
}

std::span<const std::string_view> padding_rules() { return padding_words; }

bool is_empty(const Field& field) {
  return std::visit(
      Overloaded{[](const EachAxis& f) { return f.values->empty(); },
                 [](const ChannelIntegers& f) { return f.values->empty(); },
                 [](const ChannelReals& f) { return f.values->empty(); },
                 [](Padding* f) { return f->rule == Padding::Rule::numbers && f->sides.empty(); },
                 [](std::optional<int64_t>* f) { return !f->has_value(); },
                 [](std::optional<double>* f) { return !f->has_value(); },
                 [](const auto&) { return false; }},
      field);
}

void assign(const Field& to, const Field& from) {
  std::visit(
      [&](const auto& target) {
        const auto& source = std::get<std::decay_t<decltype(target)>>(from);
        if constexpr (requires { target.values; })
          *target.values = *source.values;
        else if constexpr (requires { target.words; })
          *target.value = *source.value;
        else
          *target = *source;
      },
      to);
}

std::string to_string(const Padding& padding) {
  if (padding.rule != Padding::Rule::numbers)
    return std::string(padding_words[static_cast<size_t>(padding.rule) - 1]);
  const auto& sides = padding.sides;
  if (std::all_of(sides.begin(), sides.end(), [](const auto& s) { return s.first == s.second; })) {
    PerAxis numbers;
    for (const auto& side : sides) numbers.push_back(side.first);
    return list_text(numbers, true);
  }
  std::string text = "[";
  for (size_t i = 0; i < sides.size(); ++i)
    text += fmt::format("{}({}, {})", i ? ", " : "", sides[i].first, sides[i].second);
  return text + "]";
}

std::string to_string(PadMode mode) {
  return std::string(pad_mode_words[static_cast<size_t>(mode)]);
}

std::string to_string(const Field& field) {
  return std::visit(
      Overloaded{[](int64_t* f) { return number_text(*f); },
                 [](double* f) { return number_text(*f); },
                 [](std::optional<int64_t>* f) { return *f ? number_text(**f) : "none"; },
                 [](std::optional<double>* f) { return *f ? number_text(**f) : "none"; },
                 [](bool* f) { return std::string(*f ? "true" : "false"); },
                 [](const EachAxis& f) { return list_text(*f.values, true); },
                 [](Padding* f) { return to_string(*f); },
                 [](const ChannelIntegers& f) { return list_text(*f.values, false); },
                 [](const ChannelReals& f) { return list_text(*f.values, false); },
                 [](const Choice& f) { return std::string(f.words[*f.value - f.first]); }},
      field);
}

std::string signature(const OperatorRow& row) {
  std::string text(row.name);
  for (size_t i = 0; i < row.operands.size(); ++i) {
    const bool optional = i >= row.required;
    text += fmt::format("{}{}%{}{}", optional ? " [" : "", i ? ", " : " ", row.operands[i],
                        optional ? "]" : "");
  }
  for (size_t i = 0; i < row.attributes.size(); ++i) {
    const AttributeRow& attribute = row.attributes[i];
    text += fmt::format("{}{}", i ? ", " : " {", attribute.name);
    if (!attribute.fallback.empty()) text += fmt::format(" [{}]", attribute.fallback);
  }
  if (!row.attributes.empty()) text += '}';
  if (row.typed) text += " : type";
  return text;
}

std::optional<std::string> nearest_word(std::string_view word,
                                        std::span<const std::string_view> among) {
  if (word.empty() || word.size() > 64) return std::nullopt;
  // One letter amiss is the likeliest slip. Then words that begin with a known one (conv2d and
  // conv, padding and pad; the longest wins), known ones that begin with the word, and what is
  // spelled alike in most letters.
  const auto misspelt = [&](int64_t most) {
    std::string_view best;
    for (int64_t distance = most; const std::string_view candidate : among)
      if (const int64_t here = edit_distance(word, candidate);
          here < distance || (here == distance && best.empty()))
        best = candidate, distance = here;
    return best;
  };
  const auto with_beginning = [&](bool of_word) {
    std::string_view best;
    for (const std::string_view candidate : among) {
      const bool begins = of_word ? word.starts_with(candidate) : candidate.starts_with(word);
      const size_t shared = std::min(candidate.size(), word.size());
      if (begins && shared > 1 && candidate.size() > best.size()) best = candidate;
    }
    return best;
  };
  std::string_view best = word.size() > 2 ? misspelt(1) : std::string_view();
  if (best.empty()) best = with_beginning(true);
  if (best.empty()) best = with_beginning(false);
  if (best.empty()) best = misspelt(static_cast<int64_t>(word.size()) / 3);
  if (best.empty()) return std::nullopt;
  return std::string(best);
}

} // namespace volute::ir
