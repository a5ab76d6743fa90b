#include "tests/support/random_program.h"

#include "ir/infer.h"
#include "ir/parse.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <optional>

namespace volute::tests {

using ir::Axis;
using ir::Extent;
using ir::TensorType;

std::string RandomProgram::text() const {
  return fmt::format("program @p({}) {{\n  {}\n  return {}\n}}\n", fmt::join(inputs, ", "),
                     fmt::join(statements, "\n  "), fmt::join(results, ", "));
}

std::string RandomProgram::quoted() const {
  return fmt::format("'program @p({}) {{ {} return {} }}'", fmt::join(inputs, ", "),
                     fmt::join(statements, " "), fmt::join(results, ", "));
}

namespace {

constexpr double largest_input = 4;
constexpr int64_t most_multiply_adds = 150'000; // a nest; its evaluation takes some milliseconds
constexpr int64_t most_elements = 12'000;       // a value
const std::vector<Axis> spaces[] = {{}, {Axis::w}, {Axis::h, Axis::w}, {Axis::d, Axis::h, Axis::w}};

/// A value of the program and how exact it is.
struct Known {
  std::string name;
  TensorType type;
  double largest = largest_input;
  double quantum = 1;      // elements are multiples of it; 0: of nothing
  bool is_rounded = false; // rounded once: may be chosen among and not computed with
};

/// What a statement makes of largest, quantum, is_rounded.
struct Made {
  std::string text; // after "%1 = "
  double largest, quantum;
  bool is_rounded = false;
};

class Maker {
public:
  explicit Maker(Dice& dice)
      : dice_(dice), rank_(static_cast<size_t>(dice.one_of({1, 2, 2, 2, 3}))) {}

  RandomProgram run() {
    do {
      program_ = {};
      known_.clear();
      const int64_t channels = dice_.one_of({1, 2, 3, 4, 5, 6, 7, 8, 13, 16, 17, 20, 32});
      known_.push_back(input("x", activation(channels)));
      const int64_t wanted = dice_.one_of({1, 1, 2, 2, 3, 4});
      int64_t made = 0;
      for (int tries = 0; made < wanted && tries < 40; ++tries) made += add(made == 0) ? 1 : 0;
    } while (known_.size() < 2);
    program_.results = {known_.back().name};
    if (known_.size() > 2 && dice_.once_in(4))
      program_.results.push_back(
          known_[static_cast<size_t>(dice_.between(1, std::ssize(known_) - 2))].name);
    for (const Known& value : known_) {
      program_.is_exact &= value.quantum > 0;
      program_.largest = std::max(program_.largest, value.largest);
    }
    return program_;
  }

private:
  // ---- types ------------------------------------------------------------------------------------

  int64_t extent() {
    if (rank_ == 1) return dice_.one_of({1, 2, 3, 5, 7, 13, 16, 29, 31, 37, 61});
    if (rank_ == 2) return dice_.one_of({1, 2, 3, 5, 7, 8, 11, 13, 17});
    return dice_.one_of({1, 2, 3, 5, 7});
  }
  TensorType activation(int64_t channels) {
    TensorType type;
    type.extents = {{Axis::n, dice_.one_of({1, 1, 1, 2, 3})}, {Axis::c, channels}};
    for (const Axis axis : spaces[rank_]) type.extents.push_back({axis, extent()});
    return in_some_order(std::move(type));
  }
  TensorType in_some_order(TensorType type) {
    const auto channel = std::find_if(type.extents.begin(), type.extents.end(),
                                      [](const Extent& e) { return e.axis == Axis::c; });
    switch (dice_.between(0, 3)) {
    case 0: dice_.shuffle(type.extents); break;
    case 1: // channels last
      if (channel != type.extents.end()) std::rotate(channel, channel + 1, type.extents.end());
      break;
    default: break;
    }
    return type;
  }

  Known input(const std::string& name, TensorType type) {
    program_.inputs.push_back(fmt::format("%{}: {}", name, ir::to_string(type)));
    return {"%" + name, std::move(type)};
  }
  std::string fresh(const std::string& stem) { return fmt::format("{}{}", stem, names_++); }

  std::string list(int64_t least, int64_t most) {
    std::vector<int64_t> values;
    for (size_t i = 0; i < rank_; ++i) values.push_back(dice_.between(least, most));
    return fmt::format("[{}]", fmt::join(values, ", "));
  }
  std::string pads(int64_t least, int64_t most) {
    std::vector<std::string> sides;
    for (size_t i = 0; i < rank_; ++i)
      sides.push_back(
          fmt::format("({}, {})", dice_.between(least, most), dice_.between(least, most)));
    return fmt::format("[{}]", fmt::join(sides, ", "));
  }
  std::string window_attributes() {
    const bool is_wild = dice_.once_in(5);
    std::string text = fmt::format("stride = {}, dilation = {}", list(1, is_wild ? 5 : 2),
                                   list(1, is_wild ? 6 : dice_.one_of({1, 1, 2})));
    const std::string rule = dice_.one_of<std::string>({"same_upper", "same_lower", "valid"});
    return text + ", pad = " + (dice_.once_in(5) ? rule : pads(0, is_wild ? 5 : 2));
  }

  // ---- statements -------------------------------------------------------------------------------

  /// Adds one statement; false when the draw is not in the language or costs too much.
  bool add(bool is_first) {
    const std::vector<std::string> inputs = program_.inputs, statements = program_.statements;
    const Known from = dice_.once_in(4) ? dice_.one_of(known_) : known_.back();
    std::optional<Made> made;
    const int64_t kind = is_first ? dice_.between(0, 9) : dice_.between(3, 16);
    if (kind <= 4)
      made = conv(from);
    else if (kind <= 7)
      made = pool(from);
    else if (kind == 8)
      made = shape(from);
    else
      made = element_wise(from);
    if (made && fits(*made)) return true;
    program_.inputs = inputs;
    program_.statements = statements;
    return false;
  }

  bool fits(const Made& made) {
    if (made.quantum > 0 && made.largest / made.quantum > 0x1p24) return false;
    RandomProgram trial = program_;
    const std::string name = fmt::format("%{}", known_.size() - 1);
    std::string text = fmt::format("{} = {}", name, made.text);
    trial.statements.push_back(text);
    trial.results = {name};
    Expected<ir::Program> parsed = ir::parse(trial.text());
    if (!parsed) return false;
    TensorType type = parsed->type(parsed->outputs.front());
    if (dice_.once_in(4)) { // ask for the result in another order
      type = in_some_order(type);
      text += " : " + ir::to_string(type);
      trial.statements.back() = text;
      parsed = ir::parse(trial.text());
      if (!parsed) return false;
    }
    const ir::Statement& statement = parsed->statements.back();
    int64_t taps = 1;
    if (std::holds_alternative<ir::Conv>(statement.operation)) {
      const TensorType& weight = parsed->type(statement.operands[1]);
      taps = weight.elements() / weight.size(Axis::o);
    } else if (std::holds_alternative<ir::Pool>(statement.operation) ||
               std::holds_alternative<ir::GlobalPool>(statement.operation)) {
      for (const ir::Window& w : ir::windows(*parsed, statement)) taps *= w.kernel;
    }
    if (type.elements() > most_elements || type.elements() * taps > most_multiply_adds)
      return false;
    program_.statements.push_back(std::move(text));
    known_.push_back({name, std::move(type), made.largest, made.quantum, made.is_rounded});
    return true;
  }

  /// A sum of `terms` products of two.
  static double quantum_after(const Known& from, double factor) {
    return from.is_rounded ? 0 : from.quantum * factor;
  }

  std::optional<Made> conv(const Known& x) {
    const int64_t channels = x.type.size(Axis::c);
    std::vector<int64_t> divisors;
    for (int64_t g = 1; g <= channels; ++g)
      if (channels % g == 0) divisors.push_back(g);
    const int64_t groups = dice_.once_in(3)   ? dice_.one_of(divisors)
                           : dice_.once_in(4) ? channels
                                              : 1;
    const int64_t outputs = groups > 4 ? dice_.one_of({1, 1, 1, 2, 3})
                                       : dice_.one_of({1, 2, 3, 5, 7, 8, 13, 16, 17, 19, 32, 33});
    TensorType weight;
    weight.extents = {{Axis::o, groups * outputs}, {Axis::i, channels / groups}};
    double taps = static_cast<double>(channels / groups);
    const bool is_pointwise = dice_.once_in(4);
    for (const Axis axis : spaces[rank_]) {
      const int64_t k = is_pointwise       ? 1
                        : dice_.once_in(8) ? dice_.between(4, 9)
                                           : dice_.between(1, 3);
      weight.extents.push_back({axis, k});
      taps *= static_cast<double>(k);
    }
    weight = in_some_order(std::move(weight));
    if (dice_.once_in(3)) dice_.shuffle(weight.extents);
    std::string w;
    if (weight.elements() <= 300 && dice_.once_in(4)) {
      w = "%" + fresh("k");
      std::vector<int64_t> values;
      for (int64_t i = 0; i < weight.elements(); ++i) values.push_back(dice_.between(-4, 4));
      program_.statements.push_back(
          fmt::format("{} = const [{}] : {}", w, fmt::join(values, ", "), ir::to_string(weight)));
    } else {
      w = input(fresh("w"), weight).name;
    }
    double largest = x.largest * largest_input * taps;
    std::string bias;
    if (dice_.once_in(2)) {
      bias = ", " + input(fresh("b"), vector(Axis::o, groups * outputs)).name;
      largest += largest_input;
    }
    return Made{fmt::format("conv {}, {}{} {{groups = {}, {}}}", x.name, w, bias, groups,
                            window_attributes()),
                largest, quantum_after(x, 1)};
  }

  static TensorType vector(Axis axis, int64_t extent) {
    return {ir::ElementType::f32, {{axis, extent}}};
  }

  std::optional<Made> pool(const Known& x) {
    if (dice_.once_in(6)) {
      if (dice_.once_in(2))
        return Made{"global_max_pool " + x.name, x.largest, x.quantum, x.is_rounded};
      return Made{"global_avg_pool " + x.name, x.largest, quantum_after(x, 1), true};
    }
    const std::string attributes =
        fmt::format("kernel = {}, {}, ceil_mode = {}", list(1, dice_.one_of({2, 3, 3, 4, 7})),
                    window_attributes(), dice_.once_in(2));
    // A window that meets no data is -inf, or NaN: these are chosen among like any other number,
    // and arithmetic on them is the same in every order.
    if (dice_.once_in(2))
      return Made{fmt::format("max_pool {} {{{}}}", x.name, attributes), x.largest, x.quantum,
                  x.is_rounded};
    std::string more = fmt::format(", count_include_pad = {}", dice_.once_in(2));
    if (dice_.once_in(4)) more += fmt::format(", divisor = {}", dice_.one_of({-3, 2, 7}));
    return Made{fmt::format("avg_pool {} {{{}{}}}", x.name, attributes, more), 500 * x.largest,
                x.quantum * 500 > 0 && 500 * x.largest / x.quantum <= 0x1p24 ? quantum_after(x, 1)
                                                                             : 0,
                true};
  }

  std::optional<Made> shape(const Known& x) {
    if (dice_.once_in(2))
      return Made{fmt::format("reorder {} : {}", x.name, ir::to_string(in_some_order(x.type))),
                  x.largest, x.quantum, x.is_rounded};
    return Made{
        fmt::format("pad {} {{pad = {}, value = {}}}", x.name, pads(-2, 3), dice_.between(-3, 3)),
        std::max(x.largest, 3.0), x.quantum, x.is_rounded};
  }

  /// A second operand: a value of the program of the same shape, or an input.
  Known beside(const Known& x) {
    std::vector<Known> fitting;
    for (const Known& value : known_)
      if (same_shape(value.type, x.type)) fitting.push_back(value);
    if (!dice_.once_in(3)) return dice_.one_of(fitting);
    return input(fresh("r"), in_some_order(x.type));
  }
  static bool same_shape(const TensorType& a, const TensorType& b) {
    return std::all_of(a.extents.begin(), a.extents.end(),
                       [&](const Extent& e) { return b.size(e.axis) == e.size; });
  }

  std::optional<Made> element_wise(const Known& x) {
    const int64_t channels = x.type.size(Axis::c);
    switch (dice_.between(0, 9)) {
    case 0:
    case 1: { // choosing among numbers
      const std::string word = dice_.one_of<std::string>(
          {"relu {}", "relu6 {}", "clamp {} {{min = -3}}", "clamp {} {{min = -2, max = 5}}",
           "clamp {} {{max = 4}}", "abs {}", "neg {}"});
      return Made{fmt::format(fmt::runtime(word), x.name), std::max(x.largest, 6.0), x.quantum,
                  x.is_rounded};
    }
    case 2: {
      const Known b = beside(x);
      return Made{
          fmt::format("{} {}, {}", dice_.one_of<std::string>({"max", "min"}), x.name, b.name),
          std::max(x.largest, b.largest), std::min(x.quantum, b.quantum),
          x.is_rounded || b.is_rounded};
    }
    case 3:
    case 4: {
      const Known b = beside(x);
      const bool is_rounded = x.is_rounded || b.is_rounded;
      return Made{
          fmt::format("{} {}, {}", dice_.one_of<std::string>({"add", "sub"}), x.name, b.name),
          x.largest + b.largest, is_rounded ? 0 : std::min(x.quantum, b.quantum)};
    }
    case 5: {
      const Known v = input(fresh("v"), vector(Axis::c, channels));
      return Made{fmt::format("{} {}, {}", dice_.one_of<std::string>({"mul", "add", "prelu"}),
                              x.name, v.name),
                  x.largest * largest_input + largest_input, quantum_after(x, 1)};
    }
    case 6:
      return Made{fmt::format("leaky_relu {} {{slope = 0.5}}", x.name), x.largest,
                  quantum_after(x, 0.5)};
    case 7: { // the square root of var + epsilon is 1, 2 or 4
      std::vector<double> variances;
      for (int64_t c = 0; c < channels; ++c)
        variances.push_back(dice_.one_of<double>({0.75, 3.75, 15.75}));
      const std::string var = "%" + fresh("var");
      program_.statements.push_back(
          fmt::format("{} = const [{}] : f32[c={}]", var, fmt::join(variances, ", "), channels));
      const Known scale = input(fresh("v"), vector(Axis::c, channels));
      const Known shift = input(fresh("v"), vector(Axis::c, channels));
      return Made{fmt::format("batch_norm {}, {}, {}, {}, {} {{epsilon = 0.25}}", x.name,
                              scale.name, shift.name, shift.name, var),
                  (x.largest + largest_input) * largest_input + largest_input,
                  quantum_after(x, 0.25)};
    }
    case 8: {
      const Known b = beside(x);
      return Made{fmt::format("mul {}, {}", x.name, b.name), x.largest * b.largest,
                  x.is_rounded || b.is_rounded ? 0 : x.quantum * b.quantum};
    }
    default: // rounded, each in its own way
      if (x.largest > 1e6 || !dice_.once_in(2)) return std::nullopt;
      return Made{fmt::format("{} {}",
                              dice_.one_of<std::string>({"sigmoid", "tanh", "silu", "hardsigmoid",
                                                         "hardswish", "gelu", "softplus", "elu"}),
                              x.name),
                  x.largest + 1, 0};
    }
  }

  Dice& dice_;
  size_t rank_;
  int names_ = 0;
  RandomProgram program_;
  std::vector<Known> known_;
};

} // namespace

RandomProgram random_program(Dice& dice) { return Maker(dice).run(); }

} // namespace volute::tests
