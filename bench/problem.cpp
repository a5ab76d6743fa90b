#include "bench/problem.h"

#include <fmt/format.h>

#include <algorithm>

namespace volute::bench {
namespace {

constexpr const char* rule = "a peer computes one convolution or pooling and element-wise steps on "
                             "its result";

Failure refuse(const ir::Statement& statement, std::string message) {
  return fail(Diagnostic{statement.where, std::string(ir::name(statement.operation)),
                         std::move(message), ""});
}

// An input or a constant; nothing for a value that is computed.
std::optional<Operand> operand_of(const ir::Program& program, ir::ValueId id) {
  Operand operand = {program.name_of(id), program.type(id), nullptr};
  const ir::Statement* definition = program.definition(id);
  if (!definition) return operand;
  const auto* constant = std::get_if<ir::Const>(&definition->operation);
  if (!constant) return std::nullopt;
  operand.constant = constant->bytes;
  return operand;
}

bool has_zero_points(const std::vector<int64_t>& points) {
  return std::any_of(points.begin(), points.end(), [](int64_t point) { return point != 0; });
}

std::optional<Problem::Kind> pool_kind(ir::PoolKind kind) {
  if (kind == ir::PoolKind::max) return Problem::Kind::max_pool;
  if (kind == ir::PoolKind::average) return Problem::Kind::average_pool;
  return std::nullopt;
}

// The convolution or pooling itself.
Expected<Problem> main_part(const ir::Program& program, const ir::Statement& s) {
  Problem p;
  std::optional<Problem::Kind> kind;
  if (const auto* conv = std::get_if<ir::Conv>(&s.operation)) {
    kind = Problem::Kind::conv;
    p.groups = conv->groups;
    p.padding_mode = conv->padding_mode;
    if (conv->x_zero_point != 0 || has_zero_points(conv->w_zero_point))
      return refuse(s, "a peer has zero points of 0");
  } else if (const auto* transposed = std::get_if<ir::ConvTranspose>(&s.operation)) {
    kind = Problem::Kind::conv_transpose;
    p.groups = transposed->groups;
    if (transposed->x_zero_point != 0 || has_zero_points(transposed->w_zero_point))
      return refuse(s, "a peer has zero points of 0");
  } else if (const auto* pool = std::get_if<ir::Pool>(&s.operation)) {
    kind = pool_kind(pool->kind);
    p.count_include_pad = pool->count_include_pad;
    p.divisor = pool->divisor;
  } else if (const auto* global = std::get_if<ir::GlobalPool>(&s.operation)) {
    kind = pool_kind(global->kind);
  }
  if (!kind) return refuse(s, rule);
  if (s.results.size() != 1) return refuse(s, "a peer gives the maximum without its index");
  p.kind = *kind;
  p.windows = p.kind == Problem::Kind::conv_transpose ? ir::transposed_windows(program, s)
                                                      : ir::windows(program, s);

  std::vector<Operand> operands;
  for (const ir::ValueId id : s.operands) {
    std::optional<Operand> operand = operand_of(program, id);
    if (!operand)
      return refuse(s, fmt::format("%{} is computed before it, and {}", program.name_of(id), rule));
    operands.push_back(std::move(*operand));
  }
  p.x = operands[0];
  p.batch = p.x.type.size(ir::Axis::n);
  const int64_t channels = p.x.type.size(ir::Axis::c);
  if (p.is_conv()) {
    p.w = operands[1];
    if (operands.size() > 2) p.b = operands[2];
    p.inputs_per_group = channels / p.groups;
    const int64_t outputs = p.w->type.size(ir::Axis::o);
    p.outputs_per_group = p.kind == Problem::Kind::conv ? outputs / p.groups : outputs;
  } else {
    p.groups = channels;
  }
  return p;
}

Expected<Step> step_of(const ir::Program& program, const ir::Statement& s, ir::ValueId result) {
  if (const auto* unary = std::get_if<ir::Unary>(&s.operation)) return Step{*unary, {}, false};
  if (const auto* quantize = std::get_if<ir::Quantize>(&s.operation))
    return Step{*quantize, {}, false};
  const auto* binary = std::get_if<ir::Binary>(&s.operation);
  if (!binary) return refuse(s, rule);
  const bool other_is_first = s.operands[0] != result;
  const ir::ValueId other = s.operands[other_is_first ? 0 : 1];
  std::optional<Operand> operand = operand_of(program, other);
  if (!operand)
    return refuse(s, fmt::format("%{} is computed, and {}", program.name_of(other), rule));
  return Step{*binary, std::move(operand), other_is_first};
}

} // namespace

double Problem::operations() const {
  if (!is_conv()) return 0;
  double taps = 2;
  for (const ir::Window& window : windows)
    taps *= static_cast<double>(kind == Kind::conv ? window.output : window.input) *
            static_cast<double>(window.kernel);
  return taps * static_cast<double>(batch) * static_cast<double>(output_channels()) *
         static_cast<double>(inputs_per_group);
}

Expected<Problem> problem_of(const ir::Program& program) {
  std::optional<Problem> problem;
  ir::ValueId result = -1; // of the statement before
  for (const ir::Statement& s : program.statements) {
    if (std::holds_alternative<ir::Const>(s.operation)) continue;
    if (!problem) {
      Expected<Problem> part = main_part(program, s);
      if (!part) return part.failure();
      problem = std::move(*part);
    } else {
      if (program.uses(result) != 1 ||
          std::find(s.operands.begin(), s.operands.end(), result) == s.operands.end())
        return refuse(s, fmt::format("%{} is not read once, by the next step: {}",
                                     program.name_of(result), rule));
      Expected<Step> step = step_of(program, s, result);
      if (!step) return step.failure();
      problem->steps.push_back(std::move(*step));
    }
    result = s.results[0];
  }
  if (!problem) return fail("program", fmt::format("nothing is computed, and {}", rule));
  if (program.outputs.size() != 1 || program.outputs[0] != result)
    return fail("program", fmt::format("the results are not %{} alone, and {}",
                                       program.name_of(result), rule));
  problem->y = program.name_of(result);
  problem->y_type = program.type(result);
  return std::move(*problem);
}

} // namespace volute::bench
