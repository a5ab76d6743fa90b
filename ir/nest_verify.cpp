#include "ir/nest.h"
#include "ir/verify_rules.h"
#include "ir/walk.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <limits>

namespace volute::ir {
namespace {

class NestVerifier {
public:
  NestVerifier(const Nest& nest, const NestProgram& program, Findings& findings)
      : nest_(nest), program_(program), findings_(findings),
        parallel_{nest.vars, nest.operands, nest.tables, program.buffers, program.parameters, {},
                  {}} {}

  void verify() {
    declare_parameters(nest_.parameters, parallel_, findings_);
    check_views(parallel_, findings_);
    if (nest_.placement) check_placement(*nest_.placement);
    const Scope parameters = parallel_;
    declare_axes(parameters);
    // Where there is something wrong with what things are, what they do means little.
    if (!findings_.empty()) return;

    for (const Constraint& constraint : nest_.domain)
      if (check_affine(constraint.value, parallel_, "within", findings_) &&
          check_affine(constraint.extent, parameters, "within", findings_))
        parallel_.bounds.assume_in(constraint.value, 0, constraint.extent);
    Scope domain = parallel_;
    for (const NestAxis& axis : nest_.axes)
      if (axis.reduction) declare(axis, domain);
    for (const Constraint& constraint : nest_.constraints) {
      if (check_affine(constraint.value, domain, "where", findings_) &&
          check_affine(constraint.extent, parameters, "where", findings_))
        domain.bounds.assume_in(constraint.value, 0, constraint.extent);
    }
    for (const Accumulator& accumulator : nest_.accumulators) {
      check_value(accumulator.initial, accumulator.type, accumulator.name, parallel_, false);
      check_value(accumulator.update, accumulator.type, accumulator.name, domain, true);
    }
    if (nest_.writes.empty()) findings_.add("writes nothing");
    for (const Write& write : nest_.writes) check_write(write);
  }

private:
  bool is_operand(int32_t id) const {
    return id >= 0 && static_cast<size_t>(id) < nest_.operands.size();
  }

  void check_placement(const Placement& placement) {
    const auto id = static_cast<size_t>(placement.consumer);
    const auto own = static_cast<size_t>(&nest_ - program_.nests.data());
    if (placement.consumer < 0 || id >= program_.nests.size())
      return findings_.add(
          fmt::format("computed at nest {} of {}", placement.consumer, program_.nests.size()));
    const Nest& consumer = program_.nests[id];
    if (id <= own)
      return findings_.add(
          fmt::format("computed at {}, which does not come after it", consumer.name));
    const NestAxis* axis = consumer.axis(placement.axis);
    if (axis && !axis->reduction) return;
    const auto var = static_cast<size_t>(placement.axis.id);
    findings_.add(fmt::format(
        "computed at {} of {}, which is no parallel axis of it",
        var < consumer.vars.size() ? consumer.vars[var] : fmt::format("axis {}", placement.axis.id),
        consumer.name));
  }

  void declare(const NestAxis& axis, Scope& scope) {
    scope.visible.insert(axis.var);
    scope.bounds.declare(axis.var);
    scope.bounds.assume_in(axis.var, 0, axis.extent);
  }

  void declare_axes(const Scope& parameters) {
    std::set<std::string> names;
    bool reducing = false;
    for (const NestAxis& axis : nest_.axes) {
      if (axis.var.id < 0 || static_cast<size_t>(axis.var.id) >= nest_.vars.size()) {
        findings_.add(
            fmt::format("axis: variable {} of {} does not exist", axis.var.id, nest_.vars.size()));
        continue;
      }
      const std::string& name = nest_.vars[static_cast<size_t>(axis.var.id)];
      if (!names.insert(name).second || parameters.visible.count(axis.var))
        findings_.add(fmt::format("axis {} is declared twice", name));
      if (reducing && !axis.reduction)
        findings_.add(fmt::format("parallel axis {} comes after a reduction axis", name));
      reducing |= axis.reduction;
      if (!check_affine(axis.extent, parameters, fmt::format("extent of axis {}", name), findings_))
        continue;
      const auto least = parameters.bounds.minimum(axis.extent);
      if (!least || *least < 1)
        findings_.add(axis.extent.is_constant()
                          ? fmt::format("axis {} has extent {}; extents are at least 1", name,
                                        axis.extent.number())
                          : fmt::format("axis {} has extent {}, which may be less than 1", name,
                                        to_string(axis.extent, nest_.vars)));
      if (!axis.reduction) declare(axis, parallel_);
    }
  }

  void check_value(const Expr& value, ElementType type, const std::string& name, const Scope& scope,
                   bool accumulators_exist) {
    if (!check_complete(value, name, findings_)) return;
    if (value->type != type || value->lanes != 1)
      findings_.add(fmt::format("{} is {}, but its value is {}", name, to_string(type),
                                value_type_text(value->type, value->lanes)));
    visit(value, [&](const ExprNode& node) {
      check_operation(node, findings_);
      if (node.lanes != 1)
        findings_.add(
            fmt::format("{}: a value of {} lanes; in a nest there is one", name, node.lanes));
      if (const auto* read = std::get_if<Read>(&node.is)) {
        check_access(read->operand, read->index, {}, node.type, scope, findings_);
      } else if (const auto* acc = std::get_if<Acc>(&node.is)) {
        check_accumulator(*acc, node.type, name, accumulators_exist);
      } else if (const auto* position = std::get_if<Position>(&node.is)) {
        check_affine(position->value, scope, name, findings_);
      } else if (std::holds_alternative<Load>(node.is) || std::holds_alternative<Reg>(node.is)) {
        findings_.add(fmt::format("{}: views and registers belong to the loops language", name));
      }
    });
  }

  void check_accumulator(const Acc& acc, ElementType type, const std::string& name, bool exists) {
    const auto id = static_cast<size_t>(acc.accumulator);
    if (acc.accumulator < 0 || id >= nest_.accumulators.size())
      return findings_.add(fmt::format("{}: accumulator {} of {} does not exist", name,
                                       acc.accumulator, nest_.accumulators.size()));
    const Accumulator& read = nest_.accumulators[id];
    if (!exists)
      findings_.add(fmt::format("{}: reads accumulator {} before there is one", name, read.name));
    if (read.type != type)
      findings_.add(fmt::format("{}: reads accumulator {} as {}, but it is {}", name, read.name,
                                to_string(type), to_string(read.type)));
  }

  void check_write(const Write& write) {
    if (!is_operand(write.operand))
      return findings_.add(
          fmt::format("writes operand {} of {}", write.operand, nest_.operands.size()));
    const View& view = nest_.operands[static_cast<size_t>(write.operand)];
    check_access(write.operand, write.index, {}, view.element, parallel_, findings_);
    check_writable(write.operand, parallel_, findings_);
    check_value(write.value, view.element, view.name, parallel_, true);
    if (write.offset)
      check_scattered(write, view);
    else if (findings_.empty() && !is_scratch(view))
      check_distinct(write, view);
  }

  // A band is written again and again, each time before it is read.
  bool is_scratch(const View& view) const {
    return program_.buffers[static_cast<size_t>(view.buffer)].role == Buffer::Role::scratch;
  }

  // Every element that a scattered write may reach lies in the buffer.
  void check_scattered(const Write& write, const View& view) {
    check_value(write.offset, ElementType::i64, view.name + "'s offset", parallel_, true);
    if (write.extent < 1)
      return findings_.add(
          fmt::format("{}: scatters over {} elements, fewer than 1", view.name, write.extent));
    if (!findings_.empty()) return;
    Affine element = write.extent - 1;
    for (size_t i = 0; i < write.index.size(); ++i) {
      const Affine& stride = view.dims[i].stride;
      if (!stride.is_constant() || write.index[i].table >= 0)
        return findings_.add(view.name + ": scatters through a table or a parameter");
      element += write.index[i].at * stride.number();
    }
    const Buffer& buffer = program_.buffers[static_cast<size_t>(view.buffer)];
    if (!buffer.dims.empty())
      return findings_.add(view.name + ": scatters into a buffer whose size is a parameter");
    const int64_t elements = buffer.elements;
    if (!parallel_.bounds.is_inside(element, 0, elements))
      findings_.add(fmt::format("{}: the last element scattered to is {}, outside 0..{}", view.name,
                                parallel_.bounds.interval(element), elements));
  }

  // An axis that moves what is written: elements from one point to the next, and the last point.
  struct Digit {
    Affine step, last;
    int64_t least; // of the step
    Var var;
  };

  // No two points may write one element. Steps of the axes through memory are ordered by size, and
  // each must lead past all that the smaller ones reach together: the digits of a number.
  void check_distinct(const Write& write, const View& view) {
    std::vector<Digit> digits;
    for (const NestAxis& axis : nest_.axes) {
      if (axis.reduction || axis.extent == Affine(1)) continue;
      bool moves = false, is_known = true;
      Affine step;
      for (size_t i = 0; i < write.index.size(); ++i) {
        const int64_t coefficient = write.index[i].at.coefficient(axis.var);
        if (coefficient == 0) continue;
        const Affine& stride = view.dims[i].stride;
        moves |= stride != Affine(0);
        const std::optional<Affine> part = product(stride, coefficient);
        is_known &= part && write.index[i].table < 0; // what tables hold is not looked at
        if (part) step += *part;
      }
      if (!moves || (is_known && step == Affine(0)))
        return collide(view, fmt::format("{} does not move the element", name(axis.var)));
      if (!is_known) continue;
      const auto most = parallel_.bounds.maximum(step);
      if (most && *most < 0) step *= -1;
      const auto least = parallel_.bounds.minimum(step);
      if (!least || *least < 1)
        return collide(view, fmt::format("one step of {} moves it by {}, which may be 0",
                                         name(axis.var), to_string(step, nest_.vars)));
      digits.push_back({step, axis.extent - 1, *least, axis.var});
    }
    std::sort(digits.begin(), digits.end(),
              [](const Digit& a, const Digit& b) { return a.least < b.least; });
    Affine reach;
    for (size_t i = 0; i < digits.size(); ++i) {
      const Digit& digit = digits[i];
      const auto beyond = parallel_.bounds.minimum(digit.step - reach);
      if (!beyond || *beyond < 1)
        return collide(view, fmt::format("one step of {} moves it by {}, and the axes inside by up "
                                         "to {}",
                                         name(digit.var), to_string(digit.step, nest_.vars),
                                         to_string(reach, nest_.vars)));
      // Of two parameters the most that they can come to. Beyond what an index holds, nothing more
      // can be told, and no view is as large.
      const std::optional<Affine> span = product(digit.step, digit.last);
      if (!span) break;
      reach += *span;
      if (reach.is_constant() && digit.step.is_constant())
        reach = std::min(reach.number(), reached_inside(digits, i + 1));
    }
  }

  // How far apart two points of the domain are along the first few axes: less than their extents
  // say where the domain leaves out some of the last band.
  int64_t reached_inside(const std::vector<Digit>& digits, size_t count) const {
    Affine place;
    for (size_t i = 0; i < count && !nest_.domain.empty(); ++i) {
      if (!digits[i].step.is_constant()) return std::numeric_limits<int64_t>::max();
      place += Affine(digits[i].var) * digits[i].step.number();
    }
    const auto least = parallel_.bounds.minimum(place), most = parallel_.bounds.maximum(place);
    return nest_.domain.empty() || !least || !most ? std::numeric_limits<int64_t>::max()
                                                   : *most - *least;
  }

  // Nothing beyond what sums of a few can hold.
  std::optional<Affine> product(const Affine& a, const Affine& b) const {
    constexpr __int128 limit = __int128{1} << 60;
    const auto least_a = parallel_.bounds.minimum(a), most_a = parallel_.bounds.maximum(a);
    const auto least_b = parallel_.bounds.minimum(b), most_b = parallel_.bounds.maximum(b);
    if (!least_a || !most_a || !least_b || !most_b) return std::nullopt;
    __int128 most = 0;
    for (const int64_t x : {*least_a, *most_a})
      for (const int64_t y : {*least_b, *most_b}) {
        const __int128 xy = static_cast<__int128>(x) * y;
        if (xy > limit || xy < -limit) return std::nullopt;
        most = std::max(most, xy);
      }
    if (b.is_constant()) return a * b.number();
    if (a.is_constant()) return b * a.number();
    return static_cast<int64_t>(most);
  }

  void collide(const View& view, const std::string& why) {
    findings_.add(fmt::format("{}: two points write one element: {}", view.name, why));
  }

  const std::string& name(Var var) const { return nest_.vars[static_cast<size_t>(var.id)]; }

  const Nest& nest_;
  const NestProgram& program_;
  Findings& findings_;
  Scope parallel_; // at a point of the parallel axes
};

} // namespace

std::vector<Diagnostic> verify(const NestProgram& program) {
  Findings memory(program.name);
  check_memory(program.buffers, program.parameters, memory);
  std::vector<Diagnostic> all = memory.diagnostics();
  for (const Nest& nest : program.nests) {
    Findings findings(fmt::format("nest {}", nest.name));
    NestVerifier(nest, program, findings).verify();
    all.insert(all.end(), findings.diagnostics().begin(), findings.diagnostics().end());
  }
  return all;
}

} // namespace volute::ir
