#include "ir/parameter.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

namespace volute::ir {
namespace {

constexpr __int128 limit = __int128{1} << 62;

using RangeOf = std::function<const ParameterRange*(Var)>;

std::optional<Span> span(const Affine& affine, const RangeOf& range_of) {
  __int128 least = affine.constant_term(), most = least;
  for (const Affine::Term& term : affine.terms()) {
    const ParameterRange* range = range_of(term.var);
    if (!range) return std::nullopt;
    const __int128 a = static_cast<__int128>(term.coefficient) * range->least;
    const __int128 b = static_cast<__int128>(term.coefficient) * range->most;
    least += std::min(a, b), most += std::max(a, b);
    if (least < -limit || most > limit) return std::nullopt;
  }
  return Span{static_cast<int64_t>(least), static_cast<int64_t>(most)};
}

} // namespace

std::string to_string(const ParameterRange& range) {
  std::string text = fmt::format("{} to {}", range.least, range.most);
  if (range.multiple != 1) text += fmt::format(", a multiple of {}", range.multiple);
  return text;
}

std::string to_string(const std::vector<Parameter>& parameters) {
  std::string text;
  for (const Parameter& parameter : parameters)
    text += fmt::format("parameter {} from {}\n", parameter.name, to_string(parameter.range));
  return text;
}

std::optional<std::string> fault_in(const Parameter& parameter, int64_t value) {
  if (parameter.range.contains(value)) return std::nullopt;
  return fmt::format("{} is {}, not {}", parameter.name, value, to_string(parameter.range));
}

int64_t evaluate(const Affine& affine, const std::vector<int64_t>& parameters) {
  return affine.evaluate([&](Var var) { return parameters.at(static_cast<size_t>(var.id)); });
}

std::optional<Span> span_of(const Affine& affine, const std::vector<ParameterVar>& parameters) {
  return span(affine, [&](Var var) -> const ParameterRange* {
    for (const ParameterVar& parameter : parameters)
      if (parameter.var == var) return &parameter.range;
    return nullptr;
  });
}

std::optional<Span> span_of(const Affine& affine, const std::vector<Parameter>& parameters) {
  return span(affine, [&](Var var) -> const ParameterRange* {
    const auto id = static_cast<size_t>(var.id);
    return var.id >= 0 && id < parameters.size() ? &parameters[id].range : nullptr;
  });
}

} // namespace volute::ir
