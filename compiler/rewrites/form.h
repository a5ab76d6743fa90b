// Forms: the algorithms by which a statement may be computed. A schedule names one (`form conv_y
// separable`), and `auto` takes the one of the fewest predicted cycles, of those whose error is
// within the accuracy that was asked for.
//
// A form is a row of the table in form.cpp and a file of its own. It rewrites the statement into
// others that compute the same result, or has it lowered in another way; a statement without either
// is in its direct form, one sum over all taps.
#pragma once

#include "compiler/lower/lower.h"
#include "compiler/rewrites/edit.h"
#include "compiler/target/target.h"
#include "ir/program.h"

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace volute::compiler {

struct Form {
  std::string_view name;     // as a schedule writes it
  std::string_view sentence; // what it is: "a column times a row, in two passes"

  /// Why a statement of a legal program cannot be computed so for the target; nothing when it can.
  std::optional<std::string> (*obstacle)(const ir::Program&, const ir::Statement&, const Target&);

  /// The largest error that it makes where it applies, on normally distributed data, in multiples
  /// of the largest that a direct sum of the same number of taps makes in the type that it sums in;
  /// 0 for what is a direct sum, and for what is exact. At most this: stated, and held by a test.
  double (*error)(const ir::Program&, const ir::Statement&);

  /// Puts this form in the place of the statement that makes `result`; null: it stays as it is.
  void (*rewrite)(Edit&, ir::ValueId result);
  /// Asks for the statement that defines `result` to be lowered in this form; null: nothing to ask.
  void (*lower)(LowerOptions&, ir::ValueId result);

  /// Cycles by arithmetic alone, on one core, of a statement to which it applies; null: its nests
  /// are made, and theirs are predicted.
  struct Estimate {
    double cycles = 0, direct = 0; // of this form and of a direct sum
  };
  Estimate (*estimate)(const ir::Program&, const ir::Statement&, const Target&) = nullptr;

  /// How far apart along each axis of space results are that have roundings in common: 0 where each
  /// is a sum of its own.
  int64_t reach = 0;
  /// Whether whole numbers whose direct sum is exact come out exact here too.
  bool keeps_whole_numbers = true;
  /// ... where a filter has so many taps along an axis at most; 0: any number.
  int64_t exact_taps = 0;
  /// Of images with so many axes of space only; 0: of any.
  int64_t axes = 0;
  /// Whether its nests add narrow products in groups: by dot products, or by a matrix unit.
  bool adds_groups = false;
  /// A feature without which a target has nothing to do with it, and is told nothing of it.
  std::string_view needs = {};
  /// Of operands that are taken as sums of bf16, how many each; else 0.
  int64_t parts = 0;
  /// Whether no schedule of it can be faster than a direct sum, by the rates of the target's units:
  /// then it is no candidate, and nothing is made to find out. Null: it may be.
  bool (*too_slow)(const Target&) = nullptr;
};

/// Every form, the direct one first.
std::span<const Form> forms();
/// Null when there is none of the name.
const Form* find_form(std::string_view name);
/// Whether whole numbers whose direct sum is exact come out exact of this convolution.
bool keeps_whole_numbers(const Form& form, const ir::Program& program,
                         const ir::Statement& statement);

} // namespace volute::compiler
