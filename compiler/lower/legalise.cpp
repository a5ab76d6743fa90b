#include "compiler/lower/legalise.h"

#include "compiler/lower/heads.h"
#include "compiler/lower/splits.h"
#include "compiler/nests/unused_name.h"
#include "ir/infer.h"
#include "ir/operators.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <vector>

namespace volute::compiler {

using ir::Axis;
using ir::OperatorTraits;
using ir::Program;
using ir::Statement;
using ir::TensorType;
using ir::ValueId;

namespace {

constexpr Axis every_axis[] = {Axis::n, Axis::c, Axis::d, Axis::h, Axis::w, Axis::o, Axis::i};

bool is_split(const TensorType& type, Axis axis) { return type.parts(axis) > 1; }
bool is_split_in_space(const TensorType& type) {
  return is_split(type, Axis::d) || is_split(type, Axis::h) || is_split(type, Axis::w);
}

const OperatorTraits& traits(const Statement& s) { return traits_of(s.operation); }

/// The cuts that the head's own operands ask of its result's axis; of a convolution's channels,
/// channel_cuts has them.
Boundaries head_cuts(const Program& program, const Statement& head, Axis axis) {
  Boundaries cuts;
  if (convolution(head.operation))
    return axis == Axis::n ? boundaries(program.type(head.operands[0]), Axis::n) : cuts;
  const bool along = axis == Axis::n || axis == Axis::c || !traits(head).moves_in_space;
  for (ValueId operand : head.operands)
    if (along) cuts.merge(boundaries(program.type(operand), axis));
  return cuts;
}

} // namespace

bool layouts_go_together(const Program& program, const Together& statements) {
  const Statement& head = *statements.front();
  for (Axis axis : every_axis) {
    Boundaries cuts = head_cuts(program, head, axis);
    Boundaries written = cuts_of_result(program, statements, axis);
    if (writes_in_runs(head.operation, axis) && !written.empty()) return false;
    cuts.merge(written);
    if (!is_chain(cuts)) return false;
  }
  return !convolution(head.operation) || channel_cuts(program, statements).go_together;
}

namespace {

class Legaliser {
public:
  Legaliser(const Program& program, const LowerOptions& options)
      : before_(program), options_(options), after_(program) {
    for (const ir::Value& value : program.values) names_.take(value.name);
    after_.statements.clear();
  }

  Program run() {
    lay_out_unseen_values();
    for (Statement statement : before_.statements) rewrite(std::move(statement));
    return std::move(after_);
  }

private:
  /// Whether the operator reads its operands and writes its results where they lie.
  bool is_legal(const Statement& statement) const {
    const auto& operands = statement.operands;
    const bool reads = !traits(statement).moves_in_space ||
                       std::none_of(operands.begin(), operands.end(), [&](ValueId operand) {
                         return is_split_in_space(after_.type(operand));
                       });
    return reads && layouts_go_together(after_, {&statement}) && can_be_written(statement);
  }

  /// The layout of a value that only one element-wise statement reads is nobody's concern: where
  /// its maker or its reader does not take it as it is written, the value is whole from the start.
  /// A reorder between the two would cost a copy, and round what the language does not round.
  void lay_out_unseen_values() {
    std::vector<const Statement*> maker(after_.values.size());
    std::vector<int> readers(after_.values.size()), element_wise(after_.values.size());
    for (const Statement& statement : before_.statements) {
      for (ValueId result : statement.results) maker[static_cast<size_t>(result)] = &statement;
      for (ValueId operand : std::set(statement.operands.begin(), statement.operands.end())) {
        ++readers[static_cast<size_t>(operand)];
        element_wise[static_cast<size_t>(operand)] += traits(statement).elementwise ? 1 : 0;
      }
    }
    for (ValueId output : before_.outputs) ++readers[static_cast<size_t>(output)];
    const auto make_whole = [&](ValueId value) {
      const auto at = static_cast<size_t>(value);
      const bool is_made = maker[at] && !std::holds_alternative<ir::Const>(maker[at]->operation);
      if (!is_made || readers[at] != 1 || element_wise[at] != 1) return;
      after_.values[at].type = unsplit(after_.values[at].type);
    };
    // Readers first: what suits them is what their makers have to write.
    for (auto s = before_.statements.rbegin(); s != before_.statements.rend(); ++s) {
      if (std::holds_alternative<ir::Const>(s->operation) || is_legal(*s)) continue;
      std::for_each(s->operands.begin(), s->operands.end(), make_whole);
      std::for_each(s->results.begin(), s->results.end(), make_whole);
    }
  }

  ValueId new_value(const std::string& name, TensorType type, Location where) {
    after_.values.push_back({names_.unused(name), std::move(type), where});
    return static_cast<ValueId>(after_.values.size()) - 1;
  }

  void add(ValueId result, ir::Operation operation, ValueId operand, Location where) {
    after_.statements.push_back({{result}, std::move(operation), {operand}, where});
  }

  /// The value with whole axes.
  ValueId whole(ValueId value, Location where) {
    const TensorType& type = after_.type(value);
    if (unsplit(type) == type) return value;
    const auto [known, is_new] = whole_.try_emplace(value, -1);
    if (is_new) {
      known->second = new_value(after_.name_of(value) + "_whole", unsplit(type), where);
      add(known->second, ir::Reorder{}, value, where);
    }
    return known->second;
  }

  void rewrite(Statement statement) {
    if (std::holds_alternative<ir::Const>(statement.operation))
      return after_.statements.push_back(std::move(statement));
    if (std::holds_alternative<ir::Conv>(statement.operation)) pad_apart(statement);
    if (traits(statement).moves_in_space)
      for (ValueId& operand : statement.operands)
        if (is_split_in_space(after_.type(operand))) operand = whole(operand, statement.where);
    if (!layouts_go_together(after_, {&statement}))
      for (ValueId& operand : statement.operands) operand = whole(operand, statement.where);
    if (layouts_go_together(after_, {&statement}) && can_be_written(statement))
      return after_.statements.push_back(std::move(statement));
    // Results in a layout that the operator writes, then in the one that is asked for.
    const std::vector<ValueId> asked = statement.results;
    const Location where = statement.where;
    for (ValueId& result : statement.results) {
      TensorType type = unsplit(after_.type(result));
      if (traits(statement).scatters) type = in_order(type);
      result = new_value(after_.name_of(result) + "_whole", std::move(type), where);
    }
    const std::vector<ValueId> made = statement.results;
    after_.statements.push_back(std::move(statement));
    for (size_t i = 0; i < asked.size(); ++i) add(asked[i], ir::Reorder{}, made[i], where);
  }

  /// conv with padding that copies elements: a pad, and a conv without.
  void pad_apart(Statement& statement) {
    auto& conv = std::get<ir::Conv>(statement.operation);
    if (conv.padding_mode == ir::PadMode::zeros) return;
    const std::vector<ir::Window> windows = ir::windows(after_, statement);
    ir::PadOp pad;
    pad.mode = conv.padding_mode;
    conv.padding_mode = ir::PadMode::zeros;
    conv.pad = {ir::Padding::Rule::numbers, {}};
    bool any = false;
    for (const ir::Window& window : windows) {
      pad.pad.sides.emplace_back(window.pad_begin, window.pad_end);
      conv.pad.sides.emplace_back(0, 0);
      any |= window.pad_begin > 0 || window.pad_end > 0;
    }
    if (!any) return;
    ValueId& x = statement.operands[0];
    if (is_split_in_space(after_.type(x))) x = whole(x, statement.where);
    TensorType type = after_.type(x);
    const std::vector<Axis> axes = type.spatial_axes();
    for (size_t i = 0; i < axes.size(); ++i)
      for (ir::Extent& extent : type.extents)
        if (extent.axis == axes[i]) extent.size += windows[i].pad_begin + windows[i].pad_end;
    const ValueId padded =
        new_value(after_.name_of(x) + "_padded", std::move(type), statement.where);
    add(padded, pad, x, statement.where);
    x = padded;
  }

  /// Scattered elements are found by one number: space in the order d, h, w, and dense.
  bool can_be_written(const Statement& statement) const {
    if (!traits(statement).scatters) return true;
    const ValueId result = statement.results[0];
    const TensorType& type = after_.type(result);
    if (options_.strides.count(after_.name_of(result))) return false;
    std::vector<size_t> at;
    for (size_t i = 0; i < type.extents.size(); ++i)
      if (is_spatial(type.extents[i].axis)) at.push_back(i);
    for (size_t i = 1; i < at.size(); ++i)
      if (at[i] != at[i - 1] + 1 || type.extents[at[i]].axis < type.extents[at[i - 1]].axis)
        return false;
    return true;
  }

  static TensorType in_order(const TensorType& type) {
    TensorType ordered{type.element, {}};
    for (Axis axis : every_axis)
      if (type.has(axis)) ordered.extents.push_back({axis, type.size(axis)});
    return ordered;
  }

  const Program& before_;
  const LowerOptions& options_;
  Program after_;
  UnusedNames names_;
  std::map<ValueId, ValueId> whole_;
};

} // namespace

Program legalise(const Program& program, const LowerOptions& options) {
  return Legaliser(program, options).run();
}

} // namespace volute::compiler
