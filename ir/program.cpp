#include "ir/program.h"

#include "ir/walk.h"

#include <algorithm>
#include <array>

namespace volute::ir {
namespace {

using Word = std::string_view;

// Each in the order of its enumeration.
constexpr std::array<Word, 3> pool_words = {"max_pool", "avg_pool", "lp_pool"};
constexpr std::array<Word, 2> global_words = {"global_max_pool", "global_avg_pool"};
constexpr std::array<Word, 2> adaptive_words = {"adaptive_max_pool", "adaptive_avg_pool"};
constexpr std::array<Word, 5> binary_words = {"add", "sub", "mul", "max", "min"};
constexpr std::array<Word, 18> unary_words = {
    "relu", "relu6",    "clamp",       "leaky_relu", "elu",  "sigmoid",
    "tanh", "silu",     "hardsigmoid", "hardswish",  "mish", "gelu",
    "gelu", "softplus", "abs",         "neg",        "sqrt", "exp"};
constexpr std::array<Word, 3> quantize_words = {"quantize", "dequantize", "requantize"};

struct NameOf {
  Word operator()(const Const&) const { return "const"; }
  Word operator()(const Conv&) const { return "conv"; }
  Word operator()(const ConvTranspose&) const { return "conv_transpose"; }
  Word operator()(const Pool& op) const { return pool_words[static_cast<size_t>(op.kind)]; }
  Word operator()(const GlobalPool& op) const { return global_words[op.kind != PoolKind::max]; }
  Word operator()(const AdaptivePool& op) const { return adaptive_words[op.kind != PoolKind::max]; }
  Word operator()(const MaxUnpool&) const { return "max_unpool"; }
  Word operator()(const BatchNorm&) const { return "batch_norm"; }
  Word operator()(const Binary& op) const { return binary_words[static_cast<size_t>(op.kind)]; }
  Word operator()(const Unary& op) const { return unary_words[static_cast<size_t>(op.kind)]; }
  Word operator()(const Prelu&) const { return "prelu"; }
  Word operator()(const Convert&) const { return "convert"; }
  Word operator()(const Reorder&) const { return "reorder"; }
  Word operator()(const PadOp&) const { return "pad"; }
  Word operator()(const Quantize& op) const { return quantize_words[static_cast<size_t>(op.kind)]; }
};

} // namespace

std::string_view name(const Operation& operation) { return std::visit(NameOf{}, operation); }

bool PadOp::operator==(const PadOp& other) const {
  const bool same_value = value == other.value || (value != value && other.value != other.value);
  return pad == other.pad && mode == other.mode && same_value;
}

std::optional<ValueId> Program::find(std::string_view value_name) const {
  count_walked(std::ssize(values));
  for (size_t i = 0; i < values.size(); ++i)
    if (values[i].name == value_name) return static_cast<ValueId>(i);
  return std::nullopt;
}

const Statement* Program::definition(ValueId id) const {
  count_walked(std::ssize(statements));
  for (const Statement& statement : statements)
    if (std::find(statement.results.begin(), statement.results.end(), id) !=
        statement.results.end())
      return &statement;
  return nullptr;
}

int Program::uses(ValueId id) const {
  count_walked(std::ssize(statements));
  int count = std::find(outputs.begin(), outputs.end(), id) != outputs.end();
  for (const Statement& statement : statements)
    count += std::find(statement.operands.begin(), statement.operands.end(), id) !=
             statement.operands.end();
  return count;
}

} // namespace volute::ir
