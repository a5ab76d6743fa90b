#include "compiler/nests/flatten.h"

#include "compiler/nests/facts.h"
#include "compiler/nests/unused_name.h"
#include "ir/walk.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>

namespace volute::compiler {
namespace {

using ir::Affine;
using ir::Expr;
using ir::ExprNode;
using ir::Index;
using ir::Nest;
using ir::NestAxis;
using ir::Subscript;
using ir::Var;

Failure refuse(std::string message) { return fail("flatten", std::move(message)); }

struct OperandAccess {
  size_t operand;
  Index index;
};

std::vector<OperandAccess> accesses(const Nest& nest) {
  std::vector<OperandAccess> all;
  visit(nest, [&](const ExprNode& node) {
    if (const auto* read = std::get_if<ir::Read>(&node.is))
      all.push_back({static_cast<size_t>(read->operand), read->index});
  });
  for (const ir::Write& write : nest.writes)
    all.push_back({static_cast<size_t>(write.operand), write.index});
  return all;
}

/// The role of two axes that became one: what decides most about where it goes. Of space it is
/// walked as space, of channels as channels.
ir::AxisRole joined_role(ir::AxisRole a, ir::AxisRole b) {
  using ir::AxisRole;
  if (a == b) return a;
  for (const AxisRole role :
       {AxisRole::space, AxisRole::residue, AxisRole::channel, AxisRole::group, AxisRole::batch})
    if (a == role || b == role) return role == AxisRole::residue ? AxisRole::space : role;
  return AxisRole::other;
}

/// Joins two axes of one nest.
class Joiner {
public:
  Joiner(const Nest& nest, const NestAxis& outer, const NestAxis& inner)
      : nest_(nest), outer_(outer), inner_(inner) {}

  Expected<Nest> run() {
    find_in_domain();
    for (const OperandAccess& access : accesses(nest_)) find_in(access);
    if (!obstacle_.empty())
      return refuse(
          fmt::format("{} and {} cannot be joined: {}", name(outer_), name(inner_), obstacle_));
    return join();
  }

private:
  static constexpr size_t nowhere = static_cast<size_t>(-1);

  const std::string& name(const NestAxis& axis) const {
    return nest_.vars[static_cast<size_t>(axis.var.id)];
  }
  std::string text(const Affine& affine) const { return to_string(affine, nest_.vars); }
  void obstacle(std::string text) {
    if (obstacle_.empty()) obstacle_ = std::move(text);
  }

  bool mentions(const Affine& affine) const {
    return affine.depends_on(outer_.var) || affine.depends_on(inner_.var);
  }

  void find_in_domain() {
    if (!outer_.extent.is_constant() || !inner_.extent.is_constant())
      obstacle("their extents must be constants");
    for (const auto* constraints : {&nest_.constraints, &nest_.domain})
      for (const ir::Constraint& constraint : *constraints)
        if (mentions(constraint.value))
          obstacle(fmt::format("the domain has 0 <= {} < {}", text(constraint.value),
                               text(constraint.extent)));
    visit(nest_, [&](const ExprNode& node) {
      const auto* position = std::get_if<ir::Position>(&node.is);
      if (position && mentions(position->value))
        obstacle(fmt::format("the position {} is a value of the nest", text(position->value)));
    });
  }

  /// Whether a subscript is the axis by itself. Other axes that have one point, like the taps of a
  /// 1x1 convolution, are the 0 that they always are.
  bool is_alone(const Subscript& subscript, Var var) const {
    Affine at = subscript.at;
    for (const NestAxis& axis : nest_.axes)
      if (axis.extent == Affine(1) && axis.var != var) at = at.substitute(axis.var, 0);
    return subscript.table < 0 && at == Affine(var);
  }

  /// Finds the two dimensions of one access, or what is in the way.
  void find_in(const OperandAccess& access) {
    const ir::View& view = nest_.operands[access.operand];
    const Index& index = access.index;
    const auto mentioned = std::count_if(index.begin(), index.end(),
                                         [&](const Subscript& s) { return mentions(s.at); });
    size_t dim = nowhere;
    for (size_t d = 0; d + 1 < index.size(); ++d)
      if (is_alone(index[d], outer_.var) && is_alone(index[d + 1], inner_.var)) dim = d;
    if (mentioned != (dim == nowhere ? 0 : 2)) {
      std::vector<std::string> tables(nest_.tables.size(), "table");
      obstacle(fmt::format("{}{} does not walk them together", view.name,
                           to_string(index, nest_.vars, tables)));
      return;
    }
    if (const auto [known, is_new] = dims_.emplace(access.operand, dim); !is_new) {
      if (known->second != dim)
        obstacle(fmt::format("{} is read by them in one place and not in another", view.name));
      return;
    }
    if (dim == nowhere) return;
    const ir::Dim& outer = view.dims[dim];
    const ir::Dim& inner = view.dims[dim + 1];
    if (inner.extent != inner_.extent)
      obstacle(fmt::format("{} has {} elements along {}, of which the nest walks {}", view.name,
                           text(inner.extent), name(inner_), text(inner_.extent)));
    else if (outer.stride != inner.stride * inner_.extent.number())
      obstacle(fmt::format("{} has a gap: a step of {} is {} elements, not {}", view.name,
                           name(outer_), text(outer.stride),
                           text(inner.stride * inner_.extent.number())));
  }

  /// The outer axis becomes the joined one, the inner one's number goes unused.
  Index joined(size_t operand, Index index) const {
    const size_t dim = dims_.at(operand);
    if (dim == nowhere) return index;
    index[dim] = Affine(outer_.var);
    index.erase(index.begin() + static_cast<std::ptrdiff_t>(dim) + 1);
    return index;
  }

  Nest join() const {
    Nest result = nest_;
    std::string& joined_name = result.vars[static_cast<size_t>(outer_.var.id)];
    joined_name = unused_name(nest_.vars, name(outer_) + name(inner_));
    std::erase_if(result.axes, [&](const NestAxis& axis) { return axis.var == inner_.var; });
    for (NestAxis& axis : result.axes)
      if (axis.var == outer_.var) {
        axis.extent *= inner_.extent.number();
        axis.role = joined_role(outer_.role, inner_.role);
        axis.digit = inner_.digit;
      }
    for (const auto& [operand, dim] : dims_) {
      if (dim == nowhere) continue;
      std::vector<ir::Dim>& dims = result.operands[operand].dims;
      dims[dim].extent *= inner_.extent.number();
      dims[dim].stride = dims[dim + 1].stride;
      dims.erase(dims.begin() + static_cast<std::ptrdiff_t>(dim) + 1);
    }
    ir::Rewriter in_values([&](const Expr& node) {
      const auto* read = std::get_if<ir::Read>(&node->is);
      if (!read) return node;
      return ir::read(node->type, read->operand,
                      joined(static_cast<size_t>(read->operand), read->index));
    });
    for_each_expression(result, [&](Expr& value) { value = in_values(value); });
    for (ir::Write& write : result.writes)
      write.index = joined(static_cast<size_t>(write.operand), write.index);
    return result;
  }

  const Nest& nest_;
  const NestAxis& outer_;
  const NestAxis& inner_;
  std::map<size_t, size_t> dims_; // by operand: the outer one of the two dimensions, or nowhere
  std::string obstacle_;          // the first one found
};

/// Axes of a sum are joined in the order in which the nest adds it up, and with none left between
/// them.
std::optional<Failure> out_of_order(const Nest& nest, const std::vector<std::string>& axes) {
  std::vector<std::string> summed;
  for (const NestAxis& axis : nest.axes)
    if (axis.reduction) summed.push_back(nest.vars[static_cast<size_t>(axis.var.id)]);
  if (std::search(summed.begin(), summed.end(), axes.begin(), axes.end()) != summed.end())
    return std::nullopt;
  return refuse(fmt::format("{} do not follow each other in the sum of {}, which goes through {}",
                            fmt::join(axes, ", "), nest.name, fmt::join(summed, ", ")));
}

/// A subscript that is one parallel axis and nothing else, or null.
const NestAxis* lone_parallel_axis(const Nest& nest, const Subscript& subscript) {
  for (const NestAxis& axis : nest.axes)
    if (!axis.reduction && subscript.table < 0 && subscript.at == Affine(axis.var)) return &axis;
  return nullptr;
}

} // namespace

Expected<Nest> flatten(const Nest& nest, const std::vector<std::string>& axes) {
  if (axes.size() < 2) return refuse("takes two axes or more, outermost first");
  std::set<std::string> named;
  for (const std::string& name : axes) {
    const NestAxis* axis = nest.axis(name);
    if (!axis) return refuse(fmt::format("{} has no axis {}", nest.name, name));
    if (axis->reduction != nest.axis(axes.front())->reduction)
      return refuse(fmt::format("of {} and {} one is a reduction axis of {}, and one is not",
                                axes.front(), name, nest.name));
    if (!named.insert(name).second) return refuse(fmt::format("{} is named twice", name));
  }
  if (nest.axis(axes.front())->reduction)
    if (std::optional<Failure> fault = out_of_order(nest, axes)) return *std::move(fault);
  Nest result = nest;
  const Var joined = nest.axis(axes.front())->var;
  for (size_t i = 1; i < axes.size(); ++i) {
    const Nest before = std::move(result);
    Expected<Nest> next = Joiner(before, *before.axis(joined), *before.axis(axes[i])).run();
    if (!next) return next.failure();
    result = *std::move(next);
  }
  return result;
}

std::vector<std::vector<std::string>> flattenable(const Nest& nest) {
  std::vector<std::vector<std::string>> groups;
  if (nest.writes.empty()) return groups;
  std::vector<std::string> group; // grows along the dimensions of the write, or the sum
  const auto close = [&] {
    if (group.size() > 1) groups.push_back(group);
    group.clear();
  };
  const auto grow = [&](const NestAxis& axis) {
    const std::string& name = nest.vars[static_cast<size_t>(axis.var.id)];
    group.push_back(name);
    if (group.size() == 1 || flatten(nest, group)) return;
    group.pop_back();
    close();
    group.push_back(name);
  };
  for (const Subscript& subscript : nest.writes.front().index)
    if (const NestAxis* axis = lone_parallel_axis(nest, subscript))
      grow(*axis);
    else
      close();
  close();
  // What windows are summed up over, where nothing but the image moves with it.
  if (weight_of(nest) >= 0) return groups;
  for (const NestAxis& axis : nest.axes)
    if (axis.reduction) grow(axis);
  close();
  return groups;
}

} // namespace volute::compiler
