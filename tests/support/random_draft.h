// A random program in the making: its values, how exact each is, and new operands for the next
// statement. Private to random_program.cpp and random_operators.cpp.
#pragma once

#include "ir/types.h"
#include "tests/support/dice.h"
#include "tests/support/random_layout.h"
#include "tests/support/random_program.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace volute::tests {

inline constexpr double largest_real = 4; // of the data that floats are filled with

/// How exact a value is, whatever whole numbers the inputs hold.
struct Exactness {
  double largest = largest_real;
  double quantum = 1;           // elements are multiples of it; 0: of nothing
  bool is_rounded = false;      // rounded once: may be chosen among and not computed with
  bool may_be_infinite = false; // or NaN: maxima and averages of nothing
};

/// What an arg-max of the program counts, for a max_unpool that puts back.
struct Places {
  std::string attributes;       // kernel, stride and pad of the pool
  std::vector<int64_t> extents; // of its input
};

struct Known {
  std::string name; // with its %
  ir::TensorType type;
  Exactness exact = {};
  std::optional<Places> places = {};
};

/// A statement without its results' names and types.
struct Made {
  std::string text; // after "%1 = "
  Exactness exact = {};
  std::optional<ir::ElementType> element = {}; // asked for; no value: as inferred
  bool needs_type = false;                     // which then must be written
  std::optional<Places> places = {};           // a second result, of max_pool
  int64_t least_places = 0;                    // of the result: indices go up to it
};

class Draft {
public:
  explicit Draft(Dice& chance) : dice(chance) {}
  void restart() { program = {}, known.clear(), types.clear(); }

  Dice& dice;
  RandomProgram program;
  std::vector<Known> known;
  size_t rank = 2; // spatial axes
  Splits splits = Splits::few;

  /// A new input, or half the times a constant, of the type in some layout.
  std::string operand(const std::string& stem, const ir::TensorType& type, bool may_be_constant);
  /// Makes every row of a filter a multiple of its first one.
  void make_separable(const ir::TensorType& type, std::vector<double>& elements);
  /// The same, written as a list.
  std::string constant(const std::string& stem, const ir::TensorType& type,
                       const std::vector<double>& elements);
  Known input(const std::string& name, const ir::TensorType& type);
  std::string add(const std::string& stem, const ir::TensorType& type, const std::string& text);
  std::string fresh(const std::string& stem);

  /// A number an axis, [2, 3]; a pair an axis, [(0, 1), (2, 3)].
  std::string list(int64_t least, int64_t most);
  std::string pairs(int64_t least, int64_t most);
  std::vector<ir::Axis> spaces() const;

  std::map<std::string, ir::TensorType> types; // of every value, by its name with %

private:
  int names_ = 0;
};

/// The largest magnitude that inputs of a type have.
double largest_input(ir::ElementType element);
/// Multiples of a quantum up to which the type that an element is computed in is exact.
double most_quanta(ir::ElementType element);
ir::TensorType vector_type(ir::ElementType element, ir::Axis axis, int64_t extent);

// Each draws one statement over a value, or nothing where the value is not for it.

std::optional<Made> random_conv(Draft& draft, const Known& x);
std::optional<Made> random_conv_transpose(Draft& draft, const Known& x);
std::optional<Made> random_pool(Draft& draft, const Known& x);
std::optional<Made> random_unpool(Draft& draft, const Known& x);
std::optional<Made> random_move(Draft& draft, const Known& x);    // reorder, pad
std::optional<Made> random_convert(Draft& draft, const Known& x); // and the quantisations
std::optional<Made> random_element_wise(Draft& draft, const Known& x);

} // namespace volute::tests
