#include "compiler/lower/splits.h"

#include "ir/operators.h"

#include <algorithm>

namespace volute::compiler {

using ir::Affine;

Boundaries boundaries(const ir::TensorType& type, ir::Axis axis) {
  Boundaries cuts;
  int64_t inner = 1;
  for (auto extent = type.extents.rbegin(); extent != type.extents.rend(); ++extent) {
    if (extent->axis != axis) continue;
    inner *= extent->size;
    if (inner > 1 && inner < type.size(axis)) cuts.insert(inner);
  }
  return cuts;
}

bool is_chain(const Boundaries& cuts) {
  int64_t before = 1;
  for (int64_t cut : cuts) {
    if (cut % before != 0) return false;
    before = cut;
  }
  return true;
}

Boundaries below(const Boundaries& cuts, int64_t size) {
  Boundaries result;
  for (int64_t cut : cuts)
    if (cut < size) result.insert(cut);
  return result;
}

Boundaries above(const Boundaries& cuts, int64_t size) {
  Boundaries result;
  for (int64_t cut : cuts)
    if (cut > size) result.insert(cut / size);
  return result;
}

Boundaries cuts_of_result(const ir::Program& program, const Together& statements, ir::Axis axis) {
  const ir::Statement& head = *statements.front();
  Boundaries cuts = boundaries(program.type(statements.back()->results[0]), axis);
  if (head.results.size() > 1) cuts.merge(boundaries(program.type(head.results[1]), axis));
  for (const ir::Statement* statement : statements)
    if (statement != &head)
      for (ir::ValueId operand : statement->operands)
        cuts.merge(boundaries(program.type(operand), axis));
  return cuts;
}

ChannelCuts channel_cuts(const Boundaries& image, const Boundaries& result,
                         const ir::TensorType& weight, int64_t inputs, int64_t outputs) {
  ChannelCuts cuts;
  const auto spread = [&](Boundaries all, int64_t size, Boundaries& within) {
    all.insert(size);
    cuts.go_together &= is_chain(all);
    within.merge(below(all, size));
    cuts.group.merge(above(all, size));
  };
  spread(image, inputs, cuts.in);
  spread(boundaries(weight, ir::Axis::i), inputs, cuts.in);
  spread(result, outputs, cuts.out);
  spread(boundaries(weight, ir::Axis::o), outputs, cuts.out);
  cuts.go_together &= is_chain(cuts.in) && is_chain(cuts.out) && is_chain(cuts.group);
  return cuts;
}

ChannelCuts channel_cuts(const ir::Program& program, const Together& statements) {
  const ir::Statement& head = *statements.front();
  const ir::Convolution conv = convolution(head.operation).value();
  const auto type = [&](size_t i) -> const ir::TensorType& {
    return program.type(head.operands[i]);
  };
  Boundaries result = cuts_of_result(program, statements, ir::Axis::c);
  if (head.operands.size() > 2) result.merge(boundaries(type(2), ir::Axis::o));
  return channel_cuts(boundaries(type(0), ir::Axis::c), result, type(1), conv.inputs(type(1)),
                      conv.outputs(type(1)));
}

std::optional<Affine> digit(const Affine& position, int64_t inner, int64_t count,
                            bool most_significant,
                            const std::function<int64_t(ir::Var)>& extent_of) {
  const int64_t constant = position.constant_term();
  if (constant < 0) return std::nullopt;
  int64_t low = constant % inner; // the largest value of what the digit leaves out
  Affine result = constant / inner;
  int64_t largest = constant / inner;
  for (const Affine::Term& term : position.terms()) {
    const int64_t steps = extent_of(term.var) - 1;
    if (term.coefficient < 0) return std::nullopt;
    if (!most_significant && term.coefficient % (inner * count) == 0) continue;
    if (term.coefficient % inner == 0) {
      result += Affine(term.var) * (term.coefficient / inner);
      largest += term.coefficient / inner * steps;
    } else {
      low += term.coefficient * steps;
    }
  }
  if (low >= inner || (!most_significant && largest >= count)) return std::nullopt;
  return result;
}

ir::TensorType unsplit(const ir::TensorType& type) {
  ir::TensorType whole{type.element, {}};
  for (ir::Axis axis : type.axes()) whole.extents.push_back({axis, type.size(axis)});
  return whole;
}

} // namespace volute::compiler
