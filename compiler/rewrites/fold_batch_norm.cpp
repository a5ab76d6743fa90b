#include "compiler/rewrites/fold_batch_norm.h"

#include "compiler/rewrites/edit.h"
#include "ir/operators.h"
#include "ir/tensor_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
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

std::optional<ScaleAndShift> numbers_of_norm(const Program& program, const Statement& norm) {
  for (size_t i = 1; i < norm.operands.size(); ++i)
    if (!constant(program, norm.operands[i])) return std::nullopt;
  const double epsilon = std::get<ir::BatchNorm>(norm.operation).epsilon;
  const std::vector<double> var = numbers_of(program, norm.operands[4]);
  ScaleAndShift numbers{numbers_of(program, norm.operands[1]),
                        numbers_of(program, norm.operands[3]),
                        numbers_of(program, norm.operands[2])};
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
      : after_(program), notes_(notes) {}

  Program run() {
    for (size_t s = 0; s < after_.statements.size(); ++s)
      if (std::holds_alternative<ir::BatchNorm>(after_.statements[s].operation)) fold(s);
    drop_unread_constants(after_);
    return std::move(after_);
  }

private:
  const Statement* convolution_before(const Statement& norm) const {
    const Statement* conv = after_.definition(norm.operands[0]);
    if (!conv || after_.uses(norm.operands[0]) != 1) return nullptr;
    if (!convolution(conv->operation)) return nullptr;
    const ElementType type = after_.type(norm.operands[0]).element;
    if (type != ElementType::f32 && type != ElementType::f64) return nullptr;
    for (size_t i = 1; i < conv->operands.size(); ++i)
      if (!constant(after_, conv->operands[i])) return nullptr;
    return conv;
  }

  void fold(size_t at) {
    const Statement norm = after_.statements[at];
    const Statement* before = convolution_before(norm);
    if (!before) return;
    const std::optional<ScaleAndShift> numbers = numbers_of_norm(after_, norm);
    if (!numbers) return;
    Statement conv = *before;
    const ValueId made = conv.results[0];
    const TensorType weight_type = after_.type(conv.operands[1]);
    std::vector<double> weight = numbers_of(after_, conv.operands[1]);
    const std::vector<size_t> channel = output_channel_of_elements(conv, weight_type);
    for (size_t i = 0; i < weight.size(); ++i) weight[i] *= numbers->factor[channel[i]];
    std::vector<double> bias(numbers->factor.size());
    TensorType bias_type{weight_type.element, {{Axis::o, std::ssize(bias)}}};
    if (conv.operands.size() > 2) {
      bias_type = after_.type(conv.operands[2]);
      bias = numbers_of(after_, conv.operands[2]);
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

    const std::string& result = after_.name_of(norm.results[0]);
    const auto known = written_as_.find(made);
    const ValueId written = known == written_as_.end() ? made : known->second;
    written_as_[norm.results[0]] = written;
    notes_.push_back(fmt::format("batch_norm %{} is part of the weight and the bias of {} %{}",
                                 result, ir::name(conv.operation), after_.name_of(written)));
    const ValueId scaled =
        add_value(after_, after_.name_of(conv.operands[1]) + "_scaled", weight_type, norm.where);
    const ValueId shifted = add_value(after_, result + "_bias", bias_type, norm.where);
    conv.operands = {conv.operands[0], scaled, shifted};
    conv.results = norm.results;
    after_.statements[at] = conv;
    const auto defines = [&](const Statement& s) { return s.results[0] == made; };
    const auto old = std::find_if(after_.statements.begin(), after_.statements.end(), defines);
    *old = constant_of(after_, scaled, weight, norm.where);
    after_.statements.insert(old, constant_of(after_, shifted, bias, norm.where));
  }

  Program after_;
  std::vector<std::string>& notes_;
  std::map<ValueId, ValueId> written_as_; // of convolutions with new results: the ones they had
};

} // namespace

Program fold_batch_norm(const Program& program, std::vector<std::string>& notes) {
  return BatchNormFolder(program, notes).run();
}

std::map<ValueId, std::string> folded_names(const Program& before, const Program& after) {
  std::map<ValueId, std::string> names;
  for (const Statement& statement : after.statements) {
    if (!convolution(statement.operation)) continue;
    const Statement* written = before.definition(statement.results[0]);
    std::string behind;
    while (written && std::holds_alternative<ir::BatchNorm>(written->operation)) {
      behind = fmt::format(", batch_norm %{}{}", before.name_of(written->results[0]), behind);
      written = before.definition(written->operands[0]);
    }
    if (written && !behind.empty())
      names[statement.results[0]] = fmt::format("{} %{}{}", ir::name(written->operation),
                                                before.name_of(written->results[0]), behind);
  }
  return names;
}

} // namespace volute::compiler
