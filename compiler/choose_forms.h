// Which form (rewrites/form.h) each statement of a program takes.
//
// `auto` lowers a statement that has several in each of them, on its own with what is fused into
// it, and sums the predicted cycles of the nests that come out, each under its best schedule, and
// of the way of what passes between them through memory. The least wins. A text says itself: `form
// conv_y separable`, or a `dot` loop in the schedule of conv_y; a statement whose nest it schedules
// and says no more of is direct, and one that it does not speak of is left to `auto`, as nests are.
#pragma once

#include "compiler/lower/lower.h"
#include "compiler/report/report.h"
#include "compiler/schedule/schedule.h"
#include "compiler/target/target.h"
#include "ir/program.h"

#include <string>
#include <string_view>
#include <vector>

namespace volute::compiler {

struct FormRequest {
  const Target& target;
  double accuracy = 2;        // CompileRequest's
  bool deterministic = false; // its too: no form that has an error
  bool naive = false;         // every statement direct
  const Schedules& text;
};

struct FormedProgram {
  ir::Program program; // legal
  LowerOptions options;
  std::vector<StatementForms> statements; // convolutions, in the program's order

  /// The form of the statement that such a nest belongs to; "direct" for nests beside it.
  std::string_view form_of(const std::string& nest) const;
};

/// `program` is legal and direct. Refuses a form that the text asks for and that does not apply, is
/// not accurate enough, or is none.
Expected<FormedProgram> choose_forms(const ir::Program& program, const LowerOptions& options,
                                     const FormRequest& request);

} // namespace volute::compiler
