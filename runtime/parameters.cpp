#include "runtime/parameters.h"

#include <fmt/format.h>

#include <algorithm>
#include <bitset>
#include <vector>

namespace volute::runtime {
namespace {

using compiler::Image;
using compiler::ImageBuffer;
using ir::Affine;

size_t id(ir::Var var) { return static_cast<size_t>(var.id); }

bool is_given(const ImageBuffer& buffer) {
  return buffer.role == ImageBuffer::Role::input || buffer.role == ImageBuffer::Role::output;
}

/// The parameter of an expression that says its value as soon as the expression's is known.
std::optional<size_t> lone_parameter(const Affine& affine) {
  if (affine.terms().size() != 1) return std::nullopt;
  return id(affine.terms().front().var);
}

/// `f32[n=N, h=18, w=18, c=3] with strides [S, 54, 3, 1]`.
std::string shape_text(const ImageBuffer& buffer, const Image& image) {
  std::vector<std::string> names;
  for (const ir::Parameter& parameter : image.parameters) names.push_back(parameter.name);
  std::string text, strides;
  bool is_dense = true;
  Affine dense = 1;
  for (size_t d = buffer.dims.size(); d-- > 0;) {
    const ir::Dim& dim = buffer.dims[d];
    text = fmt::format("{}={}{}{}", ir::to_char(buffer.type->extents[d].axis),
                       to_string(dim.extent, names), text.empty() ? "" : ", ", text);
    strides =
        fmt::format("{}{}{}", to_string(dim.stride, names), strides.empty() ? "" : ", ", strides);
    is_dense &= dim.stride == dense;
    if (d > 0) dense = dim.extent.is_constant() ? dense * dim.extent.number() : Affine(0);
  }
  return fmt::format("{}[{}]{}", ir::to_string(buffer.type->element), text,
                     is_dense ? "" : fmt::format(" with strides [{}]", strides));
}

class Reader {
public:
  Reader(const Image& image, ParameterValues& values) : image_(image), values_(values) {}

  Status run(std::span<const size_t> open, std::span<const TensorRef> arguments) {
    const size_t count = std::min(open.size(), arguments.size());
    for (size_t i = 0; i < count; ++i)
      if (!has_shape_of(image_.buffers[open[i]], arguments[i]))
        return misfit(open[i], arguments[i]);
    // Extents first: a stride is often a product of some.
    for (const bool strides : {false, true})
      for (size_t i = 0; i < count; ++i)
        if (Status status = learn(open[i], arguments[i], strides); !status) return status;
    for (size_t p = 0; p < image_.parameters.size(); ++p)
      if (!known_[p]) values_[p] = first(image_.parameters[p].range); // of no consequence
    for (size_t i = 0; i < count; ++i)
      if (Status status = compare(open[i], arguments[i]); !status) return status;
    return {};
  }

private:
  static int64_t first(const ir::ParameterRange& range) {
    return ir::ceil_div(range.least, range.multiple) * range.multiple;
  }

  int64_t evaluate(const Affine& affine) const {
    return affine.evaluate([&](ir::Var var) { return values_[id(var)]; });
  }

  static bool has_shape_of(const ImageBuffer& buffer, const TensorRef& argument) {
    if (buffer.dims.empty()) return true; // compared as every tensor is
    if (argument.element != buffer.type->element || !argument.extents ||
        argument.rank != std::ssize(buffer.dims))
      return false;
    for (size_t d = 0; d < buffer.dims.size(); ++d)
      if (argument.extents[d].axis != buffer.type->extents[d].axis || argument.extents[d].size < 0)
        return false;
    return true;
  }

  static int64_t stride_of(const TensorRef& argument, size_t d) {
    if (argument.strides) return argument.strides[d];
    int64_t stride = 1;
    for (size_t i = d + 1; i < static_cast<size_t>(argument.rank); ++i)
      stride *= argument.extents[i].size;
    return stride;
  }

  /// Gives those parameters their values that extents, or strides, are alone.
  Status learn(size_t at, const TensorRef& argument, bool strides) {
    const ImageBuffer& buffer = image_.buffers[at];
    for (size_t d = 0; d < buffer.dims.size(); ++d) {
      const Affine& wanted = strides ? buffer.dims[d].stride : buffer.dims[d].extent;
      const std::optional<size_t> lone = lone_parameter(wanted);
      if (!lone || known_[*lone]) continue;
      const int64_t extent = argument.extents[d].size;
      if (strides && extent == 1) continue; // leads nowhere
      const int64_t given = strides ? stride_of(argument, d) : extent;
      const int64_t rest = given - wanted.constant_term();
      const int64_t factor = wanted.terms().front().coefficient;
      if (rest % factor != 0) return misfit(at, argument);
      values_[*lone] = rest / factor;
      known_[*lone] = true;
      if (const auto fault = ir::fault_in(image_.parameters[*lone], values_[*lone]))
        return refuse(fmt::format("%{} is {}: {}", buffer.name, text(argument), *fault));
    }
    return {};
  }

  Status compare(size_t at, const TensorRef& argument) const {
    const ImageBuffer& buffer = image_.buffers[at];
    for (size_t d = 0; d < buffer.dims.size(); ++d) {
      const int64_t extent = argument.extents[d].size;
      if (extent != evaluate(buffer.dims[d].extent)) return misfit(at, argument);
      if (extent != 1 && stride_of(argument, d) != evaluate(buffer.dims[d].stride))
        return misfit(at, argument);
    }
    return {};
  }

  static std::string text(const TensorRef& argument) {
    std::string result = type_text(argument);
    if (argument.strides && argument.extents && argument.rank > 0) {
      std::string strides;
      for (int32_t d = 0; d < argument.rank; ++d)
        strides += fmt::format("{}{}", d == 0 ? "" : ", ", argument.strides[d]);
      result += fmt::format(" with strides [{}]", strides);
    }
    return result;
  }

  Status misfit(size_t at, const TensorRef& argument) const {
    const ImageBuffer& buffer = image_.buffers[at];
    std::string known;
    for (size_t p = 0; p < image_.parameters.size(); ++p)
      if (known_[p])
        known += fmt::format("{}{} = {}", known.empty() ? ", where " : ", ",
                             image_.parameters[p].name, values_[p]);
    return refuse(fmt::format("%{} is {}, not {}{}", buffer.name, text(argument),
                              shape_text(buffer, image_), known));
  }

  Status refuse(std::string message) const {
    return Status(StatusCode::invalid_argument,
                  Diagnostic{{}, image_.name, std::move(message), ""});
  }

  const Image& image_;
  ParameterValues& values_;
  std::bitset<most_parameters> known_;
};

} // namespace

std::optional<std::string> fault_in_parameters(const Image& image) {
  if (image.parameters.size() > most_parameters)
    return fmt::format("has {} parameters, more than {}", image.parameters.size(), most_parameters);
  std::bitset<most_parameters> said;
  const auto is_known = [&](const Affine& affine) {
    return std::all_of(affine.terms().begin(), affine.terms().end(), [&](const Affine::Term& t) {
      return t.var.id >= 0 && id(t.var) < image.parameters.size();
    });
  };
  for (const ImageBuffer& buffer : image.buffers) {
    if (buffer.dims.empty() || !is_given(buffer)) continue;
    if (!buffer.type || buffer.type->extents.size() != buffer.dims.size())
      return fmt::format("has the buffer {} of {} dimensions and another type", buffer.name,
                         buffer.dims.size());
    for (const auto& [extent, stride] : buffer.dims) {
      if (!is_known(extent) || !is_known(stride))
        return fmt::format("has the buffer {} with a parameter that it does not have", buffer.name);
      for (const Affine& affine : {extent, stride})
        if (const auto lone = lone_parameter(affine)) said[*lone] = true;
    }
  }
  for (const compiler::ImageStep& step : image.steps)
    if (!std::all_of(step.work_by.begin(), step.work_by.end(), is_known))
      return fmt::format("has the step {} with a parameter that it does not have", step.name);
  for (size_t p = 0; p < image.parameters.size(); ++p)
    if (!said[p])
      return fmt::format("leaves the parameter {} open: no input or output says its value",
                         image.parameters[p].name);
  return std::nullopt;
}

Status read_parameters(const Image& image, std::span<const size_t> open,
                       std::span<const TensorRef> arguments, ParameterValues& values) noexcept {
  try {
    return Reader(image, values).run(open, arguments);
  } catch (...) {
    return Status(StatusCode::out_of_memory);
  }
}

} // namespace volute::runtime
