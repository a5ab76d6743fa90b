#include "compiler/nests/bands.h"
#include "compiler/nests/strides.h"
#include "compiler/schedule/resolver.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace volute::compiler {

using namespace ir;

namespace {

// Elements of a packed image for each that it has, beyond a few.
constexpr double most_packed = 64, least_packed = 1 << 20;

} // namespace

void Resolver::pack_operands() {
  for (OperandDirective& directive : plan_.schedule.pack) {
    const bool weight = is_weight(directive.operand);
    if (weight) directive.operand = "weight";
    const std::string name = "pack " + directive.operand;
    if (directive.operand == "weight" && !weight)
      return refuse(directive.at, name + ": this nest has no weight",
                    operands_of_nest(directive.operand));
    const std::optional<Read> read = weight ? facts_.weight() : packed_image(directive, name);
    if (refusal_) return;
    if (!read) return refuse(directive.at, name + ": it is not what the nest sums up");
    if (plan_.packed_layout_of(read->operand))
      return refuse(directive.at, name + ": it is packed already");
    PackedLayout layout =
        packed_layout(*read, plan_.loops, plan_.tile, weight ? plan_.instruction : Instruction{});
    if (!weight && !is_of_modest_size(directive.at, name, *read, layout)) return;
    plan_.packed.push_back(std::move(layout));
  }
}

bool Resolver::packs_weight() const {
  const std::vector<OperandDirective>& all = plan_.schedule.pack;
  return std::any_of(all.begin(), all.end(),
                     [&](const auto& directive) { return is_weight(directive.operand); });
}

bool Resolver::is_weight(const std::string& name) const {
  const std::optional<Read>& weight = facts_.weight();
  return weight &&
         (name == "weight" || name == nest_.operands[static_cast<size_t>(weight->operand)].name);
}

std::string Resolver::operands_of_nest(const std::string& wanted, const char* directive) const {
  if (wanted.starts_with("weight") && facts_.weight())
    return fmt::format("write `{} weight`", directive);
  std::vector<std::string> names;
  for (const Read& read : facts_.reads())
    names.push_back(nest_.operands[static_cast<size_t>(read.operand)].name);
  return fmt::format("what {} sums up is {}", nest_.name, fmt::join(names, ", "));
}

std::optional<Read> Resolver::packed_image(const OperandDirective& directive,
                                           const std::string& name) {
  const auto no = [&](const std::string& message, std::string hint = "") -> std::optional<Read> {
    refuse(directive.at, name + ": " + message, std::move(hint));
    return std::nullopt;
  };
  std::vector<Read> found;
  int32_t operand = -1;
  for (const Read& read : facts_.reads())
    if (nest_.operands[static_cast<size_t>(read.operand)].name == directive.operand)
      operand = read.operand, found.push_back(read);
  if (found.empty() || nest_.accumulators.empty())
    return no("this nest sums up no such operand", operands_of_nest(directive.operand));
  if (plan_.instruction.dot) return no("a dot product takes the image's elements as they lie");
  if (band_axis(nest_)) return no("nests that run in one step pass images on as they go");
  if (found.size() > 1 || reads_outside_of_sums(operand))
    return no("the nest reads it in more than one way");
  if (nest_.accumulators.size() > 1) return no("several accumulators read it");
  for (const Subscript& s : found.front().index)
    if (s.table >= 0) return no("it is read through a table");
  for (const Constraint& c : nest_.constraints)
    if (!is_packed_with(c, found.front()))
      return no("taps in its padding depend on an axis that it does not move with");
  return found.front();
}

bool Resolver::is_packed_with(const Constraint& c, const Read& read) const {
  bool all = true, none = true;
  for (const Affine::Term& term : c.value.terms()) {
    (moves(read.index, term.var) ? none : all) = false;
  }
  return all || none;
}

bool Resolver::reads_outside_of_sums(int32_t operand) const {
  bool found = false;
  const auto look = [&](const Expr& e) {
    visit(e, [&](const ExprNode& node) {
      const auto* read = std::get_if<Read>(&node.is);
      found |= read && read->operand == operand;
    });
  };
  for (const Accumulator& a : nest_.accumulators) look(a.initial);
  for (const Write& w : nest_.writes) look(w.value);
  return found;
}

bool Resolver::is_of_modest_size(Location at, const std::string& name, const Read& read,
                                 const PackedLayout& layout) {
  double elements = 1, packed = 1;
  for (const Dim& d : nest_.operands[static_cast<size_t>(read.operand)].dims)
    elements *= static_cast<double>(d.extent.number());
  for (const int64_t extent : layout.extents()) packed *= static_cast<double>(extent);
  if (packed <= most_packed * elements + least_packed) return true;
  refuse(at, fmt::format("{}: {:.0f} elements for the {:.0f} that it has, {} times as many at most",
                         name, packed, elements, most_packed));
  return false;
}

} // namespace volute::compiler
