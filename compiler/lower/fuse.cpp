#include "compiler/lower/fuse.h"

#include "compiler/lower/legalise.h"
#include "ir/operators.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace volute::compiler {
namespace {

using ir::Axis;
using ir::Operation;
using ir::OperatorTraits;
using ir::Program;
using ir::Statement;
using ir::TensorType;
using ir::traits_of;
using ir::ValueId;

// Folding copies the expression of the operand to every place where the formula names it (x twice
// in x / (1 + e^-x)). Twice as much would print as pages, and its vectors would not stay in
// registers.
constexpr int most_copies = 64;
// A nest's body is one block, and for each value that LLVM's greedy register allocator splits there
// it looks at the whole block: 0.08 s for a convolution and 8 tanh, 0.17 for 16, 0.55 for 31, where
// all of code generation takes 0.18, 0.40 and 1.11. Hence so many, and what follows is another
// nest.
constexpr size_t most_statements = 32;

bool same_shape(const TensorType& a, const TensorType& b) {
  const auto same = [&](const ir::Extent& extent) {
    return a.has(extent.axis) && b.has(extent.axis) && a.size(extent.axis) == b.size(extent.axis);
  };
  return std::all_of(a.extents.begin(), a.extents.end(), same) &&
         std::all_of(b.extents.begin(), b.extents.end(), same);
}

/// A sum over taps is worth more as the head of a chain than a copy is.
int worth(const Operation& head) {
  const OperatorTraits& traits = traits_of(head);
  return traits.weight >= 0 ? 2 : traits.elementwise ? 0 : 1;
}

class Fuser {
public:
  explicit Fuser(const Program& program)
      : program_(program), defined_by_(program.values.size()), uses_(program.values.size()),
        returned_(program.values.size()), group_of_(program.statements.size()) {
    for (size_t s = 0; s < program.statements.size(); ++s)
      for (ValueId result : program.statements[s].results) defined_by_[index(result)] = s;
    count_uses();
  }

  Fusion run() {
    for (size_t s = 0; s < program_.statements.size(); ++s) {
      const Statement& statement = program_.statements[s];
      if (std::holds_alternative<ir::Const>(statement.operation)) continue;
      if (!is_live(statement)) {
        explain(s, fmt::format("nothing reads {}, so it is not computed",
                               named(statement.results.front())));
        continue;
      }
      place(s, statement);
    }
    return finish();
  }

private:
  struct Chain {
    Fusion::Group group;
    int copies = 1;
  };

  static size_t index(ValueId id) { return static_cast<size_t>(id); }
  std::string named(ValueId id) const { return fmt::format("%{}", program_.name_of(id)); }

  bool is_live(const Statement& statement) const {
    return std::any_of(statement.results.begin(), statement.results.end(),
                       [&](ValueId id) { return uses_[index(id)] > 0; });
  }

  /// Uses by statements that matter themselves, so that what nothing reads holds nothing back.
  void count_uses() {
    for (ValueId id : program_.outputs) returned_[index(id)] = true, ++uses_[index(id)];
    for (auto statement = program_.statements.rbegin(); statement != program_.statements.rend();
         ++statement) {
      if (!is_live(*statement)) continue;
      std::vector<ValueId> read = statement->operands;
      std::sort(read.begin(), read.end());
      read.erase(std::unique(read.begin(), read.end()), read.end());
      for (ValueId id : read) ++uses_[index(id)];
    }
  }

  void explain(size_t statement, std::string text) {
    fusion_.apart.push_back({statement, std::move(text)});
  }

  /// Why the statement cannot be folded into the nest that makes one of its operands, if so.
  std::optional<std::string> obstacle(const Statement& statement, ValueId operand) const {
    const std::optional<size_t> maker = defined_by_[index(operand)];
    if (!maker) return fmt::format("{} is an input of the program", named(operand));
    const Statement& made = program_.statements[*maker];
    if (std::holds_alternative<ir::Const>(made.operation))
      return fmt::format("{} is a constant", named(operand));
    if (!traits_of(statement.operation).elementwise)
      return fmt::format("it reads {} at other positions than its own, so that is stored first",
                         named(operand));
    if (returned_[index(operand)]) return fmt::format("{} is returned", named(operand));
    if (uses_[index(operand)] > 1)
      return fmt::format("{} is read by {} statements", named(operand), uses_[index(operand)]);
    if (made.results.size() > 1) return fmt::format("{} is one of two results", named(operand));
    if (traits_of(made.operation).scatters)
      return fmt::format("{} is scattered, an element at a time", named(operand));
    const Chain& chain = chains_[*group_of_[*maker]];
    std::vector<const Statement*> together;
    for (size_t at : chain.group.statements) together.push_back(&program_.statements[at]);
    together.push_back(&statement);
    if (!layouts_go_together(program_, together))
      return fmt::format("the layouts of {} and of what it is made from are split differently",
                         named(statement.results.front()));
    if (chain.group.statements.size() >= most_statements)
      return fmt::format("the nest that makes {} has {} statements already", named(operand),
                         most_statements);
    if (grown(chain, statement, operand) > most_copies)
      return fmt::format("the formula would name the nest's own value {} times, more than {}",
                         grown(chain, statement, operand), most_copies);
    return std::nullopt;
  }

  int grown(const Chain& chain, const Statement& statement, ValueId operand) const {
    const auto times = std::count(statement.operands.begin(), statement.operands.end(), operand);
    return chain.copies * traits_of(statement.operation).growth * static_cast<int>(times);
  }

  void place(size_t s, const Statement& statement) {
    // An operand can carry the chain when the result has its shape: not a [c=...] vector.
    std::vector<ValueId> carriers = {statement.operands.front()};
    for (size_t i = 1; i < statement.operands.size(); ++i)
      if (same_shape(program_.type(statement.operands[i]),
                     program_.type(statement.results.front())))
        carriers.push_back(statement.operands[i]);

    std::optional<size_t> best;
    ValueId through = -1;
    std::string why_not;
    for (ValueId operand : carriers) {
      if (auto reason = obstacle(statement, operand)) {
        if (why_not.empty()) why_not = std::move(*reason);
        continue;
      }
      const size_t candidate = *group_of_[*defined_by_[index(operand)]];
      if (!best || rank(candidate) > rank(*best)) best = candidate, through = operand;
    }
    if (!best) {
      explain(s, std::move(why_not));
      best = chains_.size();
      chains_.push_back({{{s}}, traits_of(statement.operation).growth});
    } else {
      Chain& chain = chains_[*best];
      chain.copies = grown(chain, statement, through);
      chain.group.statements.push_back(s);
    }
    group_of_[s] = best;
  }

  /// Of two nests that could take a statement: the heavier head, then the later one.
  std::pair<int, size_t> rank(size_t chain) const {
    const Fusion::Group& group = chains_[chain].group;
    return {worth(program_.statements[group.statements.front()].operation),
            group.statements.back()};
  }

  /// Nests run in the order of their last statements: everything that those read comes before.
  Fusion finish() {
    for (Chain& chain : chains_) fusion_.groups.push_back(std::move(chain.group));
    std::sort(fusion_.groups.begin(), fusion_.groups.end(), [](const auto& a, const auto& b) {
      return a.statements.back() < b.statements.back();
    });
    return std::move(fusion_);
  }

  const Program& program_;
  std::vector<std::optional<size_t>> defined_by_; // by value: the statement, none for inputs
  std::vector<int> uses_;                         // by value
  std::vector<bool> returned_;                    // by value
  std::vector<std::optional<size_t>> group_of_;   // by statement: index into chains_
  std::vector<Chain> chains_;
  Fusion fusion_;
};

} // namespace

std::string nest_name(const Program& program, const Fusion::Group& group) {
  const Statement& head = program.statements[group.statements.front()];
  const Statement& last = program.statements[group.statements.back()];
  return fmt::format("{}_{}", name(head.operation), program.name_of(last.results[0]));
}

Fusion fuse(const Program& program) { return Fuser(program).run(); }

} // namespace volute::compiler
