// What is not compiled, refused by name before anything is lowered, all of it at once.

#include "compiler/lower_nest.h"
#include "ir/operators.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace volute::compiler {

using ir::ElementType;
using ir::Statement;
using ir::ValueId;

namespace {

// Divisors of an average pool travel in the image, four bytes an output.
constexpr int64_t largest_count_table = int64_t{1} << 20;

struct Gap {
  const ir::Program& program;
  const Statement& statement;

  /// The whole operator.
  std::optional<std::string> operator()(const ir::ConvTranspose&) const {
    return "not compiled yet";
  }
  std::optional<std::string> operator()(const ir::AdaptivePool&) const {
    return "not compiled yet";
  }
  std::optional<std::string> operator()(const ir::MaxUnpool&) const { return "not compiled yet"; }
  std::optional<std::string> operator()(const ir::Quantize&) const { return "not compiled yet"; }

  /// One attribute or result.
  std::optional<std::string> operator()(const ir::Conv& op) const {
    if (op.padding_mode == ir::PadMode::zeros) return std::nullopt;
    return fmt::format("padding_mode = {} is not compiled yet", ir::to_string(op.padding_mode));
  }
  std::optional<std::string> operator()(const ir::Pool& op) const {
    if (op.kind == ir::PoolKind::lp) return "not compiled yet";
    if (statement.results.size() > 1) return "a second result (the arg-max) is not compiled yet";
    const int64_t table = longest_count_table(op, ir::windows(program, statement));
    if (table <= largest_count_table) return std::nullopt;
    return fmt::format("a divisor that differs between {} outputs along one axis is not compiled "
                       "yet, at most {} are",
                       table, largest_count_table);
  }
  std::optional<std::string> operator()(const ir::PadOp& op) const {
    if (op.mode == ir::PadMode::zeros) return std::nullopt;
    return fmt::format("mode = {} is not compiled yet", ir::to_string(op.mode));
  }
  template <class Native>
  std::optional<std::string> operator()(const Native&) const {
    return std::nullopt;
  }
};

class Refuser {
public:
  explicit Refuser(const ir::Program& program) : program_(program) {}

  std::vector<Diagnostic> run() {
    for (const Statement& statement : program_.statements) {
      if (std::holds_alternative<ir::Const>(statement.operation)) continue;
      check(statement);
    }
    for (ValueId id : program_.outputs)
      if (const Statement* made = program_.definition(id);
          !made || std::holds_alternative<ir::Const>(made->operation))
        check_types({}, "return", {id});
    return std::move(refused_);
  }

private:
  void refuse(Location where, std::string_view subject, std::string message) {
    refused_.push_back({where, std::string(subject), std::move(message), ""});
  }

  void check(const Statement& statement) {
    const std::string_view word = ir::name(statement.operation);
    const std::optional<std::string> gap =
        std::visit(Gap{program_, statement}, statement.operation);
    if (gap) refuse(statement.where, word, *gap);
    if (gap == "not compiled yet") return;
    std::vector<ValueId> values = statement.operands;
    values.push_back(statement.results[0]); // a second one is refused as a whole
    check_types(statement.where, word, values);
  }

  /// One refusal for each element type and each split axis.
  void check_types(Location where, std::string_view word, const std::vector<ValueId>& values) {
    std::vector<std::string> seen;
    const auto once = [&](std::string message) {
      if (std::find(seen.begin(), seen.end(), message) != seen.end()) return;
      seen.push_back(message);
      refuse(where, word, std::move(message));
    };
    for (ValueId id : values) {
      const ir::TensorType& type = program_.type(id);
      if (type.element != ElementType::f32)
        once(fmt::format("element type {} is not compiled yet", ir::to_string(type.element)));
      for (ir::Axis axis : type.axes())
        if (type.parts(axis) > 1)
          once(fmt::format("the split axis {} of %{} is not compiled yet", ir::to_char(axis),
                           program_.name_of(id)));
    }
  }

  const ir::Program& program_;
  std::vector<Diagnostic> refused_;
};

} // namespace

std::vector<Diagnostic> refusals(const ir::Program& program) { return Refuser(program).run(); }

} // namespace volute::compiler
