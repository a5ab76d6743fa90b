#include "compiler/nests/constant_weight.h"

#include "compiler/nests/strides.h"
#include "compiler/nests/weight_expression.h"
#include "ir/number.h"

#include <algorithm>
#include <map>

namespace volute::compiler {

using namespace ir;

namespace {

constexpr int64_t most_in_code = 128; // weights
constexpr int64_t most_copied_taps = 64;

Expr from_memory(const Buffer& buffer, int64_t offset) {
  const std::byte* at = buffer.data->data() + offset * size_of(buffer.element);
  return is_float(buffer.element) ? imm(read_real(at, buffer.element), buffer.element)
                                  : imm_integer(read_integer(at, buffer.element), buffer.element);
}

bool is_number_zero(const Expr& e) {
  const auto* number = std::get_if<Imm>(&e->is);
  return number && (is_float(e->type) ? number->real == 0 : number->integer == 0);
}

/// Operations on numbers done, and products with 0 left out.
Expr simplified(const Expr& node) {
  const std::vector<Expr> operands = children(node);
  if (operands.empty()) return node;
  if (const auto* product = std::get_if<Fma>(&node->is))
    if (is_number_zero(product->a) || is_number_zero(product->b)) return product->c;
  if (const auto* op = std::get_if<BinaryOp>(&node->is)) {
    if (op->fn == BinaryFn::mul && (is_number_zero(op->a) || is_number_zero(op->b)))
      return is_float(node->type) ? imm(0, node->type) : imm_integer(0, node->type);
    if (op->fn == BinaryFn::add && is_number_zero(op->a)) return op->b;
    if (op->fn == BinaryFn::add && is_number_zero(op->b)) return op->a;
  }
  std::vector<Scalar> values;
  for (const Expr& operand : operands) {
    const auto* number = std::get_if<Imm>(&operand->is);
    if (!number) return node;
    values.push_back({number->real, number->integer});
  }
  if (std::holds_alternative<Dot>(node->is)) return node;
  const Scalar value = apply(*node, values.data());
  return is_float(node->type) ? imm(value.real, node->type)
                              : imm_integer(value.integer, node->type);
}

} // namespace

std::optional<ConstantWeight> ConstantWeight::of(const Nest& nest,
                                                 const std::vector<Buffer>& buffers) {
  const int32_t operand = weight_of(nest);
  if (operand < 0 || nest.points() == 0) return std::nullopt;
  const int32_t buffer = nest.operands[static_cast<size_t>(operand)].buffer;
  if (static_cast<size_t>(buffer) >= buffers.size() || !buffers[static_cast<size_t>(buffer)].data)
    return std::nullopt;
  ConstantWeight weight(nest, operand, buffers);
  if (!weight.read_access()) return std::nullopt;
  weight.find_zeros();
  weight.has_empty_taps_ = weight.finds_empty_taps();
  return weight;
}

bool ConstantWeight::read_access() {
  const Expr whole = part_of_operand(*nest_, operand_);
  const Read& read = read_in_part(whole);
  strides_.resize(nest_->vars.size());
  taps_.resize(nest_->vars.size());
  for (size_t d = 0; d < read.index.size(); ++d) {
    if (read.index[d].table >= 0 || !view().dims[d].stride.is_constant()) return false;
    for (const Affine::Term& term : read.index[d].at.terms())
      if (std::none_of(nest_->axes.begin(), nest_->axes.end(),
                       [&](const NestAxis& axis) { return axis.var == term.var; }))
        return false; // a parameter says which weights they are
    first_ += read.index[d].at.constant_term() * view().dims[d].stride.number();
  }
  for (const NestAxis& axis : nest_->axes) {
    const auto var = static_cast<size_t>(axis.var.id);
    strides_[var] = stride_along(*nest_, operand_, read.index, axis.var);
    if (strides_[var] == 0) continue;
    if (!axis.extent.is_constant()) return false;
    count_ *= axis.extent.number();
    // Input channels are reduced too, and are not told apart.
    taps_[var] = axis.reduction && axis.role == AxisRole::tap;
  }
  return true;
}

/// Finds which elements add nothing as weights.
void ConstantWeight::find_zeros() {
  const Buffer& buffer = (*buffers_)[static_cast<size_t>(view().buffer)];
  const Expr& update = nest_->accumulators.front().update;
  const auto adds_nothing = [&](const Expr& element) {
    const Expr with = rewrite(update, [&](const Expr& node) {
      const auto* read = std::get_if<Read>(&node->is);
      return simplified(read && read->operand == operand_ ? element : node);
    });
    return std::holds_alternative<Acc>(with->is);
  };
  std::map<int64_t, bool> known; // by an integer's value
  bool known_float = false, float_zero = false;
  zeros_.resize(static_cast<size_t>(buffer.elements));
  for (int64_t i = 0; i < buffer.elements; ++i) {
    const std::byte* at = buffer.data->data() + i * size_of(buffer.element);
    if (is_float(buffer.element)) {
      if (read_real(at, buffer.element) != 0) continue;
      if (!known_float) float_zero = adds_nothing(imm(0, buffer.element)), known_float = true;
      zeros_[static_cast<size_t>(i)] = float_zero;
    } else {
      const auto [found, is_new] = known.try_emplace(read_integer(at, buffer.element));
      if (is_new) found->second = adds_nothing(imm_integer(found->first, buffer.element));
      zeros_[static_cast<size_t>(i)] = found->second;
    }
  }
  const auto zeros = static_cast<double>(std::count(zeros_.begin(), zeros_.end(), true));
  density_ = 1 - zeros / static_cast<double>(std::max<size_t>(zeros_.size(), 1));
}

bool ConstantWeight::is_small() const { return count_ <= most_in_code; }

bool ConstantWeight::finds_empty_taps() const {
  std::vector<const NestAxis*> axes;
  int64_t taps = 1;
  for (const NestAxis& axis : nest_->axes)
    if (is_tap(axis.var)) axes.push_back(&axis), taps *= axis.extent.number();
  if (taps > most_copied_taps) return false;
  int64_t empty = 0;
  for (int64_t tap = 0; tap < taps; ++tap) {
    KnownValues known(nest_->vars.size());
    int64_t left = tap;
    for (const NestAxis* axis : axes) {
      known[static_cast<size_t>(axis->var.id)] = left % axis->extent.number();
      left /= axis->extent.number();
    }
    empty += is_zero(known);
  }
  return 4 * empty >= taps;
}

bool ConstantWeight::is_zero(const KnownValues& known) const {
  return is_zero_from(0, first_, known);
}

bool ConstantWeight::is_zero_from(size_t axis, int64_t offset, const KnownValues& known) const {
  if (axis == nest_->axes.size()) return zeros_[static_cast<size_t>(offset)];
  const NestAxis& here = nest_->axes[axis];
  const auto var = static_cast<size_t>(here.var.id);
  if (strides_[var] == 0) return is_zero_from(axis + 1, offset, known);
  if (known[var]) return is_zero_from(axis + 1, offset + *known[var] * strides_[var], known);
  for (int64_t i = 0; i < here.extent.number(); ++i)
    if (!is_zero_from(axis + 1, offset + i * strides_[var], known)) return false;
  return true;
}

/// The number that a read gives, if it is of a table and its place is known; else null.
Expr ConstantWeight::number(const ExprNode& node, const KnownValues& known) const {
  const auto* read = std::get_if<Read>(&node.is);
  if (!read) return nullptr;
  const View& view = nest_->operands[static_cast<size_t>(read->operand)];
  const Buffer& buffer = (*buffers_)[static_cast<size_t>(view.buffer)];
  if (!buffer.data || buffer.element != node.type) return nullptr;
  // The weight, and the vectors beside it. A constant image is read where the tile meets it, and is
  // neutral elsewhere.
  if (read->operand != operand_ && view.dims.size() > 1) return nullptr;
  int64_t offset = 0;
  for (size_t d = 0; d < read->index.size(); ++d) {
    if (read->index[d].table >= 0 || !view.dims[d].stride.is_constant()) return nullptr;
    int64_t at = read->index[d].at.constant_term();
    for (const Affine::Term& term : read->index[d].at.terms()) {
      const std::optional<int64_t>& value = known[static_cast<size_t>(term.var.id)];
      if (!value) return nullptr;
      at += term.coefficient * *value;
    }
    offset += at * view.dims[d].stride.number();
  }
  return from_memory(buffer, offset);
}

Expr ConstantWeight::put_in(const Expr& update, const KnownValues& known) const {
  const Expr result = rewrite(update, [&](const Expr& node) {
    if (const Expr value = number(*node, known)) return value;
    return simplified(node);
  });
  return std::holds_alternative<Acc>(result->is) ? nullptr : result;
}

} // namespace volute::compiler
