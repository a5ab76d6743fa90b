#include "compiler/schedule/parameters.h"

#include "compiler/nests/weight_expression.h"
#include "ir/loops.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

namespace volute::compiler {

using namespace ir;

namespace {

Failure misfit(const Nest& nest, const std::string& message, std::string hint = "",
               Location at = {}) {
  return fail(
      Diagnostic{at, "schedule", fmt::format("nest {}: {}", nest.name, message), std::move(hint)});
}

bool depends_on_any(const Affine& affine, const std::vector<ParameterVar>& parameters) {
  return std::any_of(parameters.begin(), parameters.end(),
                     [&](const ParameterVar& p) { return affine.depends_on(p.var); });
}

bool is_in(const std::vector<Constraint>& constraints, Var axis) {
  return std::any_of(constraints.begin(), constraints.end(),
                     [&](const Constraint& c) { return c.value.depends_on(axis); });
}

void for_each_access(const Nest& nest, const std::function<void(const View&, const Index&)>& fn) {
  const auto visit_reads = [&](const Expr& e) {
    visit(e, [&](const ExprNode& node) {
      if (const auto* read = std::get_if<Read>(&node.is))
        fn(nest.operands[static_cast<size_t>(read->operand)], read->index);
    });
  };
  for (const Accumulator& a : nest.accumulators) visit_reads(a.initial), visit_reads(a.update);
  for (const Write& w : nest.writes) {
    visit_reads(w.value);
    if (w.offset) visit_reads(w.offset);
    fn(nest.operands[static_cast<size_t>(w.operand)], w.index);
  }
}

struct Directive {
  std::string text;
  Location at;
};

/// What a schedule does along an axis that is more than one plain loop.
std::optional<Directive> more_than_a_loop(const Schedule& schedule, const std::string& axis) {
  int loops = 0;
  for (const LoopDirective& loop : schedule.loops) {
    if (loop.axis != axis) continue;
    const char* word = loop.parallel ? "parallel" : "for";
    if (loop.by > 1) return Directive{fmt::format("{} {} by {}", word, axis, loop.by), loop.at};
    if (loop.unroll != 1) return Directive{fmt::format("{} {} unroll", word, axis), loop.at};
    if (++loops > 1) return Directive{fmt::format("{} {} in two loops", word, axis), loop.at};
  }
  for (const RegisterDirective& r : schedule.registers)
    if (r.axis == axis) return Directive{fmt::format("registers {} {}", axis, r.size), r.at};
  return std::nullopt;
}

std::optional<Failure> misfit_of_axis(const Schedule& schedule, const Nest& nest,
                                      const NestAxis& axis) {
  const std::string& name = nest.vars[static_cast<size_t>(axis.var.id)];
  const std::string is_parameter =
      fmt::format("the extent of {} is {}, a parameter", name, to_string(axis.extent, nest.vars));
  if (axis.reduction)
    return misfit(nest, fmt::format("for {}: {}, and a reduction over it is not compiled", name,
                                    is_parameter));
  if (is_in(nest.constraints, axis.var) || is_in(nest.domain, axis.var))
    return misfit(nest, fmt::format("for {}: {}, and an axis that meets padding must have a known "
                                    "one",
                                    name, is_parameter));
  if (const auto what = more_than_a_loop(schedule, name))
    return misfit(nest,
                  fmt::format("{}: {}, and such an axis is one plain loop, neither tiled nor "
                              "unrolled",
                              what->text, is_parameter),
                  fmt::format("write `parallel {}`", name), what->at);
  return std::nullopt;
}

} // namespace

std::optional<Failure> misfit_of_parameters(const Schedule& schedule, const Nest& nest) {
  if (nest.parameters.empty()) return std::nullopt;
  for (const auto* constraints : {&nest.constraints, &nest.domain})
    for (const Constraint& c : *constraints)
      if (!c.extent.is_constant() || depends_on_any(c.value, nest.parameters))
        return misfit(nest,
                      fmt::format("0 <= {} < {}: a border that a parameter moves is not "
                                  "compiled",
                                  to_string(c.value, nest.vars), to_string(c.extent, nest.vars)));
  for (const NestAxis& axis : nest.axes)
    if (!axis.extent.is_constant())
      if (auto failure = misfit_of_axis(schedule, nest, axis)) return failure;

  const int32_t weight = weight_of(nest);
  std::optional<Failure> failure;
  for_each_access(nest, [&](const View& view, const Index& index) {
    const auto refuse = [&](const std::string& directive, const Affine& stride) {
      failure = misfit(nest, fmt::format("{}: the stride of {} is {}, a parameter, and must be "
                                         "known for that",
                                         directive, view.name, to_string(stride, nest.vars)));
    };
    const bool is_weight = weight == &view - nest.operands.data();
    const auto names = [&](const std::vector<OperandDirective>& all, bool weight) {
      return std::any_of(all.begin(), all.end(), [&](const OperandDirective& d) {
        return d.operand == view.name || (weight && d.operand == "weight");
      });
    };
    const bool is_packed = names(schedule.pack, is_weight);
    const bool is_prefetched = names(schedule.prefetch, false);
    for (size_t d = 0; d < index.size(); ++d) {
      const Affine& stride = view.dims[d].stride;
      if (stride.is_constant()) continue;
      if (is_packed) refuse(is_weight ? "pack weight" : "pack " + view.name, stride);
      if (is_prefetched) refuse("prefetch " + view.name, stride);
      for (const RegisterDirective& r : schedule.registers)
        if (const NestAxis* axis = nest.axis(r.axis); axis && index[d].at.depends_on(axis->var))
          refuse(fmt::format("registers {} {}", r.axis, r.size), stride);
    }
  });
  return failure;
}

int64_t most_elements(const Nest& nest, const NestAxis& axis) {
  return span_of(axis.extent, nest.parameters).value().most;
}

Nest at_least(const Nest& nest) {
  Nest result = nest;
  for (const auto& [var, range] : nest.parameters) {
    const int64_t value = ceil_div(range.least, range.multiple) * range.multiple;
    const auto put_in = [&, parameter = var](Affine& affine) {
      affine = affine.substitute(parameter, value);
    };
    const auto put_in_index = [&](Index& index) {
      for (Subscript& subscript : index) put_in(subscript.at);
    };
    for (NestAxis& axis : result.axes) put_in(axis.extent);
    for (View& view : result.operands)
      for (Dim& dim : view.dims) put_in(dim.extent), put_in(dim.stride);
    for (auto* constraints : {&result.constraints, &result.domain})
      for (Constraint& c : *constraints) put_in(c.value), put_in(c.extent);
    for (Accumulator& a : result.accumulators) {
      a.initial = substitute(a.initial, var, value);
      a.update = substitute(a.update, var, value);
    }
    for (Write& w : result.writes) {
      put_in_index(w.index);
      w.value = substitute(w.value, var, value);
      if (w.offset) w.offset = substitute(w.offset, var, value);
    }
  }
  result.parameters.clear();
  return result;
}

} // namespace volute::compiler
