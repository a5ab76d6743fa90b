#include "compiler/rewrites/fold_batch_norm.h"

#include "compiler/rewrites/edit.h"
#include "ir/def_use.h"
#include "ir/operators.h"
#include "ir/tensor_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

namespace volute::compiler {

using ir::Axis;
using ir::ElementType;
using ir::Program;
using ir::Statement;
using ir::TensorType;
using ir::ValueId;

namespace {

/// value * factor + shift, for each channel.
struct ScaleAndShift {
  std::vector<double> factor, mean, shift;
};

std::optional<ScaleAndShift> numbers_of_norm(const Edit& edit, const Statement& norm) {
  for (size_t i = 1; i < norm.operands.size(); ++i)
    if (!edit.constant(norm.operands[i])) return std::nullopt;
  const double epsilon = std::get<ir::BatchNorm>(norm.operation).epsilon;
  const std::vector<double> var = edit.numbers_of(norm.operands[4]);
  ScaleAndShift numbers{edit.numbers_of(norm.operands[1]), edit.numbers_of(norm.operands[3]),
                        edit.numbers_of(norm.operands[2])};
  for (size_t c = 0; c < var.size(); ++c) numbers.factor[c] /= std::sqrt(var[c] + epsilon);
  return numbers;
}

/// The output channel of each element of a weight, in memory order.
std::vector<size_t> output_channel_of_elements(const Statement& conv, const TensorType& weight) {
  const ir::Strides strides(weight);
  std::vector<size_t> channels(static_cast<size_t>(weight.elements()));
  // A transposed convolution's weight has all input channels, and the outputs of one group.
  const ir::Convolution form = convolution(conv.operation).value();
  const int64_t inputs_of_group = form.inputs(weight);
  std::vector<int64_t> offsets = {0};
  for (Axis axis : {Axis::d, Axis::h, Axis::w}) {
    if (!weight.has(axis)) continue;
    std::vector<int64_t> more;
    for (int64_t offset : offsets)
      for (int64_t k = 0; k < weight.size(axis); ++k)
        more.push_back(offset + strides.offset(axis, k));
    offsets = std::move(more);
  }
  for (int64_t o = 0; o < weight.size(Axis::o); ++o)
    for (int64_t i = 0; i < weight.size(Axis::i); ++i)
      for (int64_t tap : offsets)
        channels[static_cast<size_t>(strides.offset(Axis::o, o) + strides.offset(Axis::i, i) +
                                     tap)] =
            static_cast<size_t>(form.transposed ? i / inputs_of_group * weight.size(Axis::o) + o
                                                : o);
  return channels;
}

class BatchNormFolder {
public:
  BatchNormFolder(const Program& program, std::vector<std::string>& notes)
      : program_(program), edit_(program), notes_(notes) {}

  Program run() {
    for (const Statement& statement : program_.statements)
      if (std::holds_alternative<ir::BatchNorm>(statement.operation)) fold(statement);
    return edit_.finish();
  }

private:
  const Statement* convolution_before(const Statement& norm) const {
    const Statement* conv = edit_.definition(norm.operands[0]);
    if (!conv || edit_.uses(norm.operands[0]) != 1) return nullptr;
    if (!convolution(conv->operation)) return nullptr;
    const ElementType type = edit_.type(norm.operands[0]).element;
    if (type != ElementType::f32 && type != ElementType::f64) return nullptr;
    // A narrow weight would be rounded once more, where the formula is not.
    if (edit_.type(conv->operands[1]).element != type) return nullptr;
    for (size_t i = 1; i < conv->operands.size(); ++i)
      if (!edit_.constant(conv->operands[i])) return nullptr;
    return conv;
  }

  void fold(const Statement& norm) {
    const Statement* before = convolution_before(norm);
    if (!before) return;
    const std::optional<ScaleAndShift> numbers = numbers_of_norm(edit_, norm);
    if (!numbers) return;
    Statement conv = *before;
    const ValueId made = conv.results[0];
    const TensorType weight_type = edit_.type(conv.operands[1]);
    std::vector<double> weight = edit_.numbers_of(conv.operands[1]);
    const std::vector<size_t> channel = output_channel_of_elements(conv, weight_type);
    for (size_t i = 0; i < weight.size(); ++i) weight[i] *= numbers->factor[channel[i]];
    std::vector<double> bias(numbers->factor.size());
    TensorType bias_type{weight_type.element, {{Axis::o, std::ssize(bias)}}};
    if (conv.operands.size() > 2) {
      bias_type = edit_.type(conv.operands[2]);
      bias = edit_.numbers_of(conv.operands[2]);
    }
    for (size_t c = 0; c < bias.size(); ++c)
      bias[c] = numbers->shift[c] + (bias[c] - numbers->mean[c]) * numbers->factor[c];
    // What is not finite keeps the formula as it is written.
    const auto is_representable = [&](double number) {
      return std::isfinite(weight_type.element == ElementType::f32
                               ? static_cast<double>(static_cast<float>(number))
                               : number);
    };
    if (!std::all_of(weight.begin(), weight.end(), is_representable) ||
        !std::all_of(bias.begin(), bias.end(), is_representable))
      return;

    const std::string result = edit_.name_of(norm.results[0]);
    const auto known = written_as_.find(made);
    const ValueId written = known == written_as_.end() ? made : known->second;
    written_as_[norm.results[0]] = written;
    notes_.push_back(fmt::format("batch_norm %{} is part of the weight and the bias of {} %{}",
                                 result, ir::name(conv.operation), edit_.name_of(written)));
    const ValueId scaled =
        edit_.add_value(edit_.name_of(conv.operands[1]) + "_scaled", weight_type, norm.where);
    const ValueId shifted = edit_.add_value(result + "_bias", bias_type, norm.where);
    conv.operands = {conv.operands[0], scaled, shifted};
    conv.results = norm.results;
    edit_.replace(norm.results[0], {conv});
    edit_.replace(made, {edit_.constant_of(shifted, bias, norm.where),
                         edit_.constant_of(scaled, weight, norm.where)});
  }

  const Program& program_;
  Edit edit_;
  std::vector<std::string>& notes_;
  std::map<ValueId, ValueId> written_as_; // of convolutions with new results: the ones they had
};

} // namespace

Program fold_batch_norm(const Program& program, std::vector<std::string>& notes) {
  return BatchNormFolder(program, notes).run();
}

std::map<ValueId, std::string> folded_names(const Program& before, const Program& after) {
  std::map<ValueId, std::string> names;
  const ir::DefUse uses(before);
  for (const Statement& statement : after.statements) {
    const bool is_new = static_cast<size_t>(statement.results[0]) >= before.values.size();
    if (is_new || !convolution(statement.operation)) continue;
    const Statement* written = uses.definition(statement.results[0]);
    std::string behind;
    while (written && std::holds_alternative<ir::BatchNorm>(written->operation)) {
      behind = fmt::format(", batch_norm %{}{}", before.name_of(written->results[0]), behind);
      written = uses.definition(written->operands[0]);
    }
    if (written && !behind.empty())
      names[statement.results[0]] = fmt::format("{} %{}{}", ir::name(written->operation),
                                                before.name_of(written->results[0]), behind);
  }
  return names;
}

} // namespace volute::compiler
