#include "ir/reference.h"

#include "ir/operators.h"
#include "ir/reference_budget.h"
#include "ir/reference_operators.h"
#include "ir/verify.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <new>
#include <optional>
#include <string_view>

namespace volute::ir {
namespace {

using reference::Any;
using reference::Real;
using reference::Whole;

template <class... Cases>
struct Match : Cases... {
  using Cases::operator()...;
};
template <class... Cases>
Match(Cases...) -> Match<Cases...>;

// ---- values in and out ------------------------------------------------------------------------

template <class Number>
Any load_as(const TensorData& tensor, Number (*read)(const std::byte*, ElementType)) {
  reference::Grid<Number> grid(tensor.type);
  const int64_t size = size_of(tensor.type.element);
  for (int64_t i = 0; i < tensor.type.elements(); ++i)
    grid.set_offset(i, read(tensor.bytes.data() + i * size, tensor.type.element));
  return grid;
}

Any load(const TensorData& tensor) {
  if (is_float(tensor.type.element)) return load_as<double>(tensor, read_real);
  return load_as<int64_t>(tensor, read_integer);
}

TensorData store(const Any& value) {
  return std::visit(
      [](const auto& grid) {
        TensorData tensor = zeros(grid.type());
        const ElementType type = grid.type().element;
        for (int64_t i = 0; i < grid.type().elements(); ++i) {
          std::byte* at = tensor.bytes.data() + i * size_of(type);
          if constexpr (std::is_same_v<std::decay_t<decltype(grid)>, Real>)
            write_real(at, type, grid.at_offset(i));
          else
            write_integer(at, type, grid.at_offset(i));
        }
        return tensor;
      },
      value);
}

std::string input_names(const Program& program) {
  std::vector<std::string> names;
  for (ValueId id : program.inputs) names.push_back("%" + program.name_of(id));
  if (names.empty()) return fmt::format("@{} takes no inputs", program.name);
  return fmt::format("@{} takes {}", program.name, fmt::join(names, ", "));
}

std::optional<Failure> wrong_inputs(const Program& program,
                                    const std::map<std::string, const TensorData*>& inputs) {
  Failure wrong;
  const auto add = [&](const std::string& input, std::string message, std::string hint) {
    wrong.diagnostics.push_back({{}, "%" + input, std::move(message), std::move(hint)});
  };
  for (const auto& [input, tensor] : inputs) {
    const bool known =
        std::any_of(program.inputs.begin(), program.inputs.end(),
                    [&, &name = input](ValueId id) { return program.name_of(id) == name; });
    if (!known) add(input, "the program has no such input", input_names(program));
  }
  for (ValueId id : program.inputs) {
    const TensorType& type = program.type(id);
    const std::string& input = program.name_of(id);
    const auto found = inputs.find(input);
    if (found == inputs.end() || found->second == nullptr) {
      add(input, "the input has no value", fmt::format("it takes {}", to_string(type)));
    } else if (const TensorData& tensor = *found->second; tensor.type != type) {
      add(input,
          fmt::format("the value is {}, the input takes {}", to_string(tensor.type),
                      to_string(type)),
          "");
    } else if (std::ssize(tensor.bytes) != type.bytes()) {
      add(input,
          fmt::format("the value has {} bytes, {} takes {}", tensor.bytes.size(), to_string(type),
                      type.bytes()),
          "");
    }
  }
  if (wrong.diagnostics.empty()) return std::nullopt;
  return wrong;
}

// ---- narrow floats ----------------------------------------------------------------------------

/// Whether the language rounds the value where it is made: a bf16 or f16 value, unless its only
/// reader computes with it element by element.
bool is_stored_narrow(const Program& program, ValueId id) {
  const ElementType type = program.type(id).element;
  if (type != ElementType::f16 && type != ElementType::bf16) return false;
  if (program.uses(id) != 1) return true;
  for (const Statement& statement : program.statements) {
    const auto& operands = statement.operands;
    if (std::find(operands.begin(), operands.end(), id) != operands.end())
      return !traits_of(statement.operation).elementwise || traits_of(statement.operation).copies;
  }
  return true; // returned
}

void round_all(Any& value) {
  Real& grid = std::get<Real>(value);
  for (int64_t i = 0; i < grid.type().elements(); ++i)
    grid.set_offset(i, round_to(grid.type().element, grid.at_offset(i)));
}

/// A value that is computed in f32 has its range: infinity above, 0 below. The digits stay.
void hold_in_range(Any& value) {
  Real* grid = std::get_if<Real>(&value);
  if (!grid || reference::computing_type(grid->type().element) == ElementType::f64) return;
  for (int64_t i = 0; i < grid->type().elements(); ++i)
    if (const double in_f32 = round_to(ElementType::f32, grid->at_offset(i));
        in_f32 == 0 || std::isinf(in_f32))
      grid->set_offset(i, in_f32);
}

// ---- evaluation -------------------------------------------------------------------------------

class Evaluation {
public:
  explicit Evaluation(const Program& program) : program_(program), values_(program.values.size()) {}

  void set(ValueId id, Any value) { values_[static_cast<size_t>(id)] = std::move(value); }
  const Any& value(ValueId id) const { return *values_[static_cast<size_t>(id)]; }
  void drop(ValueId id) { values_[static_cast<size_t>(id)].reset(); }

  /// Makes every result of the statement.
  std::optional<Failure> run(const Statement& statement) {
    std::optional<Whole> index;
    if (statement.results.size() > 1) index.emplace(program_.type(statement.results[1]));
    Expected<Any> made = compute(statement, index ? &*index : nullptr);
    if (!made) {
      Failure failure = made.failure();
      for (Diagnostic& diagnostic : failure.diagnostics) diagnostic.where = statement.where;
      return failure;
    }
    set(statement.results[0], *std::move(made));
    if (index) set(statement.results[1], *std::move(index));
    for (ValueId id : statement.results) {
      hold_in_range(*values_[static_cast<size_t>(id)]);
      if (is_stored_narrow(program_, id)) round_all(*values_[static_cast<size_t>(id)]);
    }
    return std::nullopt;
  }

private:
  Expected<Any> compute(const Statement& statement, Whole* index) const {
    using namespace reference;
    const TensorType& type = program_.type(statement.results[0]);
    const auto any = [&](size_t i) -> const Any& { return value(statement.operands[i]); };
    const auto real = [&](size_t i) -> const Real& { return std::get<Real>(any(i)); };
    const Any* bias = statement.operands.size() > 2 ? &any(2) : nullptr;

    return std::visit(
        Match{
            [&](const Const& op) -> Expected<Any> {
              return load({type, *op.bytes});
            },
            [&](const Conv& op) -> Expected<Any> {
              return conv(op, windows(program_, statement), any(0), any(1), bias, type);
            },
            [&](const ConvTranspose& op) -> Expected<Any> {
              return conv_transpose(op, transposed_windows(program_, statement), any(0), any(1),
                                    bias, type);
            },
            [&](const Pool& op) -> Expected<Any> {
              const std::vector<Window> of_axes = windows(program_, statement);
              if (op.kind == PoolKind::max) return max_pool(of_axes, any(0), type, index);
              if (op.kind == PoolKind::lp) return Any(lp_pool(op, of_axes, real(0), type));
              return Any(average_pool(op, of_axes, real(0), type));
            },
            [&](const GlobalPool& op) -> Expected<Any> {
              return adaptive_pool(op.kind, any(0), type);
            },
            [&](const AdaptivePool& op) -> Expected<Any> {
              return adaptive_pool(op.kind, any(0), type, index);
            },
            [&](const MaxUnpool&) { return max_unpool(any(0), std::get<Whole>(any(1)), type); },
            [&](const BatchNorm& op) -> Expected<Any> {
              return Any(batch_norm(op, real(0), real(1), real(2), real(3), real(4), type));
            },
            [&](const Binary& op) -> Expected<Any> {
              return binary(op.kind, any(0), any(1), type);
            },
            [&](const Unary& op) -> Expected<Any> { return unary(op, any(0), type); },
            [&](const Prelu&) -> Expected<Any> { return Any(prelu(real(0), real(1), type)); },
            [&](const Convert&) -> Expected<Any> {
              const bool is_stored = is_stored_narrow(program_, statement.results[0]);
              return convert(any(0), type, is_stored ? type.element : computing_type(type.element));
            },
            [&](const Reorder&) -> Expected<Any> { return reorder(any(0), type); },
            [&](const PadOp& op) -> Expected<Any> { return pad(op, any(0), type); },
            [&](const Quantize& op) -> Expected<Any> { return quantize(op, any(0), type); },
        },
        statement.operation);
  }

  const Program& program_;
  std::vector<std::optional<Any>> values_; // by ValueId; only those that are still to be read
};

} // namespace

Expected<std::map<std::string, TensorData>>
evaluate(const Program& program, const std::map<std::string, const TensorData*>& inputs,
         const EvaluationBudget& budget) try {
  if (auto faults = verify(program); !faults.empty()) return Failure{std::move(faults)};
  if (auto failure = wrong_inputs(program, inputs)) return *failure;
  if (auto failure = reference::over_budget(program, budget)) return *failure;

  Evaluation evaluation(program);
  for (ValueId id : program.inputs) evaluation.set(id, load(*inputs.at(program.name_of(id))));

  const std::vector<size_t> last = reference::last_readers(program);
  for (size_t s = 0; s < program.statements.size(); ++s) {
    if (auto failure = evaluation.run(program.statements[s])) return *failure;
    for (size_t id = 0; id < last.size(); ++id)
      if (last[id] == s) evaluation.drop(static_cast<ValueId>(id));
  }

  std::map<std::string, TensorData> outputs;
  for (ValueId id : program.outputs) outputs[program.name_of(id)] = store(evaluation.value(id));
  return outputs;
} catch (const std::bad_alloc&) { // the budget may allow what the machine does not have
  return fail("@" + program.name, "the reference evaluation ran out of memory",
              "evaluate smaller extents");
}

} // namespace volute::ir
