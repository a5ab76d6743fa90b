#include "tests/support/random_program.h"

#include "ir/infer.h"
#include "ir/number.h"
#include "ir/parse.h"
#include "ir/tensor_data.h"
#include "tests/support/random_draft.h"
#include "tests/support/random_layout.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <set>

namespace volute::tests {

using ir::Axis;
using ir::ElementType;
using ir::TensorType;

std::string RandomProgram::text() const {
  return fmt::format("program @p({}) {{\n  {}\n  return {}\n}}\n", fmt::join(inputs, ", "),
                     fmt::join(statements, "\n  "), fmt::join(results, ", "));
}

std::string RandomProgram::quoted() const {
  return fmt::format("'program @p({}) {{ {} return {} }}'", fmt::join(inputs, ", "),
                     fmt::join(statements, " "), fmt::join(results, ", "));
}

// ---- drafts -------------------------------------------------------------------------------------

double largest_input(ElementType element) {
  if (ir::is_float(element)) return largest_real;
  if (ir::size_of(element) > 1) return 1000;
  return static_cast<double>(std::max(ir::highest(element), -ir::lowest(element)));
}

double most_quanta(ElementType element) { return element == ElementType::f64 ? 0x1p53 : 0x1p24; }

TensorType vector_type(ElementType element, Axis axis, int64_t extent) {
  return {element, {{axis, extent}}};
}

std::vector<Axis> Draft::spaces() const {
  static const std::vector<Axis> all = {Axis::d, Axis::h, Axis::w};
  return {all.end() - static_cast<std::ptrdiff_t>(rank), all.end()};
}

std::string Draft::fresh(const std::string& stem) { return fmt::format("%{}{}", stem, names_++); }

Known Draft::input(const std::string& name, const TensorType& type) {
  program.inputs.push_back(fmt::format("{}: {}", name, ir::to_string(type)));
  types[name] = type;
  return {name, type, {.largest = largest_input(type.element)}, {}};
}

std::string Draft::add(const std::string& stem, const TensorType& type, const std::string& text) {
  const std::string name = fresh(stem);
  program.statements.push_back(fmt::format("{} = {}", name, text));
  types[name] = type;
  return name;
}

std::string Draft::constant(const std::string& stem, const TensorType& type,
                            const std::vector<double>& elements) {
  return add(stem, type,
             fmt::format("const [{}] : {}", fmt::join(elements, ", "), ir::to_string(type)));
}

std::string Draft::operand(const std::string& stem, const TensorType& whole, bool may_be_constant) {
  const TensorType type = random_layout(dice, whole, splits);
  if (!may_be_constant || type.elements() > 300 || !dice.once_in(3))
    return input(fresh(stem), type).name;
  const auto most = static_cast<int64_t>(largest_input(type.element));
  const int64_t least = type.element == ElementType::u8 ? 0 : -most;
  const int64_t zeros = dice.one_of({0, 0, 2, 4}); // some filters are nearly empty
  std::vector<double> elements;
  for (int64_t i = 0; i < type.elements(); ++i) {
    const auto value = static_cast<double>(std::min(
        dice.between(least, most), is_float(type.element) ? most : ir::highest(type.element)));
    elements.push_back(zeros > 0 && !dice.once_in(zeros) ? 0 : value);
  }
  if (type.has(Axis::i) && type.size(Axis::i) == 1 && type.has(Axis::h) && dice.once_in(2))
    make_separable(type, elements);
  return constant(stem, type, elements);
}

void Draft::make_separable(const TensorType& type, std::vector<double>& elements) {
  // Every row is the first one, or its negative, or 0; split axes have no one position.
  if (type.axes().size() != type.extents.size()) return;
  const ir::Strides strides(type);
  for (int64_t o = 0; o < type.size(Axis::o); ++o)
    for (int64_t h = 1; h < type.size(Axis::h); ++h) {
      const auto times =
          static_cast<double>(type.element == ElementType::u8 ? 1 : dice.one_of({-1, 0, 1, 1}));
      for (int64_t w = 0; w < type.size(Axis::w); ++w) {
        const int64_t first = strides.offset(Axis::o, o) + strides.offset(Axis::w, w);
        elements[static_cast<size_t>(first + strides.offset(Axis::h, h))] =
            times * elements[static_cast<size_t>(first)];
      }
    }
}

std::string Draft::list(int64_t least, int64_t most) {
  std::vector<int64_t> values;
  for (size_t i = 0; i < rank; ++i) values.push_back(dice.between(least, most));
  return fmt::format("[{}]", fmt::join(values, ", "));
}

std::string Draft::pairs(int64_t least, int64_t most) {
  std::vector<std::string> sides;
  for (size_t i = 0; i < rank; ++i)
    sides.push_back(fmt::format("({}, {})", dice.between(least, most), dice.between(least, most)));
  return fmt::format("[{}]", fmt::join(sides, ", "));
}

// ---- programs -----------------------------------------------------------------------------------

namespace {

constexpr int64_t most_multiply_adds = 150'000; // a nest; its evaluation takes some milliseconds
constexpr int64_t most_elements = 12'000;       // a value
constexpr double smallest_quantum = 0x1p-20;    // of narrow floats: no denormals
constexpr double largest_narrow = 60'000;       // below f16's infinity

class Maker {
public:
  explicit Maker(Dice& dice) : dice_(dice), draft_(dice) {}

  RandomProgram run() {
    do {
      draft_.restart();
      start();
    } while (draft_.known.size() < 2);
    finish();
    return draft_.program;
  }

private:
  void start() {
    draft_.rank = static_cast<size_t>(dice_.one_of({1, 2, 2, 2, 3}));
    draft_.splits = dice_.once_in(4) ? Splits::many : Splits::few;
    draft_.known.push_back(draft_.input("%x", activation()));
    const int64_t wanted = dice_.one_of({1, 1, 2, 2, 3, 4});
    int64_t made = 0;
    for (int tries = 0; made < wanted && tries < 40; ++tries) made += add(made == 0) ? 1 : 0;
  }

  int64_t extent() {
    if (draft_.splits == Splits::many)
      return draft_.rank == 1   ? dice_.one_of({1, 4, 8, 12, 18, 36})
             : draft_.rank == 2 ? dice_.one_of({1, 2, 4, 6, 8, 10, 12})
                                : dice_.one_of({1, 2, 4, 6});
    if (draft_.rank == 1) return dice_.one_of({1, 2, 3, 5, 7, 13, 16, 29, 31, 37, 61});
    if (draft_.rank == 2) return dice_.one_of({1, 2, 3, 5, 7, 8, 11, 13, 17});
    return dice_.one_of({1, 2, 3, 5, 7});
  }

  TensorType activation() {
    using enum ElementType;
    static const std::vector<ElementType> elements = {
        f32, f32, f32, f32, f32, f32, f64, f16, f16, bf16, bf16, u8, u8, u8, i8, i8, i32, i64};
    TensorType type{dice_.one_of(elements), {}};
    const bool splits = draft_.splits == Splits::many;
    const int64_t batch = dice_.once_in(40) ? 0
                          : splits          ? dice_.one_of({1, 4, 6, 8})
                                            : dice_.one_of({1, 1, 1, 2, 3});
    // Where tensors are split, numbers that have several divisors, of which one is a group's.
    const int64_t channels = splits ? dice_.one_of({4, 6, 8, 12, 16, 18, 24, 30, 32, 36})
                                    : dice_.one_of({1, 2, 3, 4, 5, 6, 7, 8, 13, 16, 17, 20, 32});
    type.extents = {{Axis::n, batch}, {Axis::c, channels}};
    for (const Axis axis : draft_.spaces()) type.extents.push_back({axis, extent()});
    return random_layout(dice_, type, draft_.splits);
  }

  /// Adds one statement; false when the draw is not in the language or costs too much.
  bool add(bool is_first) {
    const RandomProgram program = draft_.program;
    const std::map<std::string, TensorType> types = draft_.types;
    const Known from = dice_.once_in(4) ? dice_.one_of(draft_.known) : draft_.known.back();
    using Draw = std::optional<Made> (*)(Draft&, const Known&);
    static const std::vector<Draw> heads = {
        random_conv,           random_conv,           random_conv, random_conv,
        random_conv_transpose, random_conv_transpose, random_pool, random_pool,
        random_pool,           random_unpool,         random_move, random_move,
        random_convert,        random_element_wise};
    static const std::vector<Draw> followers = {
        random_conv,         random_conv_transpose, random_pool,         random_pool,
        random_unpool,       random_move,           random_convert,      random_convert,
        random_element_wise, random_element_wise,   random_element_wise, random_element_wise,
        random_element_wise, random_element_wise};
    const std::optional<Made> made = dice_.one_of(is_first ? heads : followers)(draft_, from);
    if (made && fits(*made)) return true;
    draft_.program = program;
    draft_.types = types;
    return false;
  }

  /// The statement alone, over operands whose axes are whole: what its results are, whatever the
  /// layouts. Nothing when it is not in the language.
  std::optional<ir::Program> alone(const Made& made) const {
    std::set<std::string> operands;
    for (size_t at = 0; (at = made.text.find('%', at)) != std::string::npos;) {
      size_t end = at + 1;
      while (end < made.text.size() && (std::isalnum(made.text[end]) != 0)) ++end;
      operands.insert(made.text.substr(at, end - at));
      at = end;
    }
    std::vector<std::string> inputs;
    for (const std::string& name : operands)
      inputs.push_back(
          fmt::format("{}: {}", name, ir::to_string(whole_axes(draft_.types.at(name)))));
    std::string written;
    if (made.needs_type) { // then it has the operand's shape
      const size_t at = made.text.find('%');
      TensorType type =
          whole_axes(draft_.types.at(made.text.substr(at, made.text.find_first_of(" ,", at) - at)));
      type.element = made.element.value_or(type.element);
      written = " : " + ir::to_string(type);
    }
    Expected<ir::Program> parsed =
        ir::parse(fmt::format("program @p({}) {{ %r{} = {}{} return %r }}", fmt::join(inputs, ", "),
                              made.places ? ", %ri" : "", made.text, written));
    if (!parsed) return std::nullopt;
    return std::move(*parsed);
  }

  bool fits(const Made& made) {
    const std::optional<ir::Program> trial = alone(made);
    if (!trial) return false;
    const ir::Statement& statement = trial->statements.front();
    TensorType type = trial->type(statement.results[0]);
    type.element = made.element.value_or(type.element);
    Exactness exact = made.exact;
    if (!holds(type.element, exact) || costs_too_much(*trial, statement)) return false;
    int64_t places = 1;
    for (const Axis axis : type.spatial_axes()) places *= type.size(axis);
    if (places < made.least_places) return false;

    const std::string name = fmt::format("%{}", draft_.known.size() - 1);
    const bool is_written = made.needs_type || made.element || dice_.once_in(3);
    std::vector<TensorType> types = {type};
    if (made.places) types.push_back({ElementType::i64, type.extents});
    const auto text = [&](bool with_types) {
      std::string all = name + (made.places ? fmt::format(", {}i", name) : "") + " = " + made.text;
      for (size_t i = 0; with_types && i < types.size(); ++i)
        all += (i == 0 ? " : " : ", ") + ir::to_string(types[i]);
      return all;
    };
    if (is_written)
      for (TensorType& t : types) t = random_layout(dice_, t, draft_.splits);
    std::string final_text = text(is_written);
    const auto parsed_with = [&](const std::string& line) {
      RandomProgram program = draft_.program;
      program.statements.push_back(line);
      program.results = {name};
      return ir::parse(program.text());
    };
    Expected<ir::Program> parsed = parsed_with(final_text);
    if (!parsed && !is_written) { // splits that do not divide: the type must be written
      for (TensorType& t : types) t = random_layout(dice_, t, draft_.splits);
      final_text = text(true);
      parsed = parsed_with(final_text);
    }
    if (!parsed) return false;
    const std::vector<ir::ValueId>& results = parsed->statements.back().results;
    draft_.program.statements.push_back(final_text);
    if (made.places)
      remember({name + "i",
                parsed->type(results[1]),
                {.largest = static_cast<double>(1 << 20)},
                made.places});
    remember({name, parsed->type(results[0]), exact, {}});
    return true;
  }

  void remember(Known value) {
    draft_.types[value.name] = value.type;
    draft_.known.push_back(std::move(value));
  }

  /// Whether an element type holds what it should; integers wrap.
  static bool holds(ElementType element, Exactness& exact) {
    if (!ir::is_float(element)) {
      const double range = 2 * std::max(static_cast<double>(ir::highest(element)),
                                        -static_cast<double>(ir::lowest(element)));
      exact.largest = exact.may_be_infinite ? range : std::min(exact.largest, range);
      exact.quantum = 1;
      exact.is_rounded = exact.may_be_infinite = false;
      return true;
    }
    if (ir::size_of(element) == 2 &&
        (exact.largest > largest_narrow || (exact.quantum > 0 && exact.quantum < smallest_quantum)))
      return false;
    return exact.largest < 1e30 && (exact.quantum == 0 || exact.is_rounded ||
                                    exact.largest / exact.quantum <= most_quanta(element));
  }

  static bool costs_too_much(const ir::Program& program, const ir::Statement& statement) {
    const TensorType& type = program.type(statement.results[0]);
    int64_t taps = 1;
    if (std::holds_alternative<ir::Conv>(statement.operation) ||
        std::holds_alternative<ir::ConvTranspose>(statement.operation)) {
      const TensorType& weight = program.type(statement.operands[1]);
      taps = weight.elements() / weight.size(Axis::o);
    } else if (std::holds_alternative<ir::Pool>(statement.operation) ||
               std::holds_alternative<ir::GlobalPool>(statement.operation)) {
      for (const ir::Window& w : ir::windows(program, statement)) taps *= w.kernel;
    }
    return type.elements() > most_elements || type.elements() * taps > most_multiply_adds;
  }

  void finish() {
    RandomProgram& program = draft_.program;
    const std::vector<Known>& known = draft_.known;
    program.results = {known.back().name};
    for (size_t i = 1; i + 1 < known.size(); ++i)
      if (dice_.once_in(known[i].places ? 2 : 6)) program.results.push_back(known[i].name);
    if (dice_.once_in(20)) program.results.emplace_back("%x");
    double largest = 0, epsilon = 1e-5;
    for (const Known& value : known) {
      program.is_exact &= value.exact.quantum > 0;
      if (value.type.element == ElementType::f16) epsilon = std::max(epsilon, 0x1p-9);
      if (value.type.element == ElementType::bf16) epsilon = std::max(epsilon, 0x1p-6);
      if (ir::is_float(value.type.element)) largest = std::max(largest, value.exact.largest);
    }
    for (const auto& [name, type] : draft_.types) program.is_whole &= !ir::is_float(type.element);
    program.slack = epsilon * largest;
  }

  Dice& dice_;
  Draft draft_;
};

} // namespace

RandomProgram random_program(Dice& dice) { return Maker(dice).run(); }

} // namespace volute::tests
