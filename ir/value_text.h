// Values as text: the expressions of nests and loops, and what in them has a name.
//
//     let t1 = exp(-abs(acc))
//     y[n, o, h, w] = (acc < 0 ? acc * t1 : acc) / (t1 + 1)
//
// A value that stands in several places is written once and named before the line that uses it, so
// the text of a graph is as long as the graph. Types are written only where they do not follow: a
// number has the type of what it is combined with or goes into, a leaf that of its operand, and
// `(1: i32)` says it where nothing else does.
#pragma once

#include "ir/expr.h"

#include <optional>
#include <set>
#include <string>
#include <vector>

namespace volute::ir {

/// What is known of a value before it is read: the type and lanes of the place that it goes into.
struct ValueContext {
  std::optional<ElementType> type;
  std::optional<int32_t> lanes;
};

struct ValueToPrint {
  Expr value;
  ValueContext context;
};

struct ValueTexts {
  std::vector<std::string> lets; // `let t1 = exp(x)`, in an order in which they can be read
  std::vector<std::string> values;
  /// By node, operands first, all values together: which of the lets it is written in; lets.size()
  /// for what stands in the values themselves.
  std::vector<size_t> let_of;
};

/// The values of one statement. The names in `taken` are not given to others.
ValueTexts value_texts(const std::vector<ValueToPrint>& values, const ExprNames& names,
                       const std::set<std::string>& taken);

/// `f32x16`, or `f32` for one lane.
std::string value_type_text(ElementType type, int32_t lanes);

/// Whether the word has a meaning of its own in the texts of nests and loops.
bool is_reserved(std::string_view word);
/// A name as it is written: with a % before it where it could be taken for a number or for a word
/// of the language.
std::string name_text(std::string_view name);

} // namespace volute::ir
