#include "compiler/report/sizes.h"

#include "ir/affine.h"
#include "ir/infer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace volute::compiler {
namespace {

using namespace ir;

/// "(7 - 1)", "2 * (3 - 1)": from the first tap to the last.
std::string reach(const Window& window) {
  const std::string taps = fmt::format("({} - 1)", window.kernel);
  return window.dilation == 1 ? taps : fmt::format("{} * {}", window.dilation, taps);
}

std::string pads(const Window& window, char sign) {
  if (window.pad_begin == 0 && window.pad_end == 0) return "";
  return fmt::format(" {} {} {} {}", sign, window.pad_begin, sign, window.pad_end);
}

std::string moved(const Window& window, bool ceil_mode) {
  const std::string room =
      fmt::format("{}{} - {} - 1", window.input, pads(window, '+'), reach(window));
  const int64_t span = window.dilation * (window.kernel - 1) + 1;
  const int64_t steps = window.input + window.pad_begin + window.pad_end - span;
  std::string text =
      fmt::format("{}(({}) / {}) + 1", ceil_mode ? "ceil" : "floor", room, window.stride);
  // The last window must begin inside the image or the padding in front of it.
  if (ceil_mode && ceil_div(steps, window.stride) + 1 > window.output)
    text += " - 1, as the last window would begin behind the image,";
  return text;
}

std::string spread(const Window& window, int64_t output_padding) {
  std::string text = fmt::format("({} - 1) * {}{} + {} + 1", window.input, window.stride,
                                 pads(window, '-'), reach(window));
  if (output_padding > 0) text += fmt::format(" + {}", output_padding);
  return text;
}

class Sizes {
public:
  explicit Sizes(const Program& program) : program_(program) {}

  std::vector<std::string> all() {
    for (const Statement& statement : program_.statements) tell(statement);
    return std::move(lines_);
  }

private:
  void tell(const Statement& s) {
    std::vector<std::string> formulas;
    if (const auto* pool = std::get_if<Pool>(&s.operation)) {
      for (const Window& window : windows(program_, s))
        formulas.push_back(moved(window, pool->ceil_mode));
    } else if (std::holds_alternative<Conv>(s.operation)) {
      for (const Window& window : windows(program_, s)) formulas.push_back(moved(window, false));
    } else if (const auto* conv = std::get_if<ConvTranspose>(&s.operation)) {
      for (const Window& window : transposed_windows(program_, s))
        formulas.push_back(spread(window, conv->output_padding[formulas.size()]));
    } else if (const auto* pad = std::get_if<PadOp>(&s.operation)) {
      const TensorType& x = program_.type(s.operands.front());
      for (const Axis axis : x.spatial_axes()) {
        const auto [begin, end] = pad->pad.sides[formulas.size()];
        formulas.push_back(fmt::format("{} + {} + {}", x.size(axis), begin, end));
      }
    }
    if (!formulas.empty()) tell(s.results.front(), formulas);
  }

  void tell(ValueId result, const std::vector<std::string>& formulas) {
    const TensorType& type = program_.type(result);
    const std::vector<Axis> axes = type.spatial_axes();
    for (size_t i = 0; i < formulas.size();) {
      std::string names(1, to_char(axes[i]));
      size_t next = i + 1;
      for (; next < formulas.size() && formulas[next] == formulas[i]; ++next)
        names += fmt::format(" = {}", to_char(axes[next]));
      lines_.push_back(fmt::format("%{}: {} = {} = {}", program_.name_of(result), names,
                                   formulas[i], type.size(axes[i])));
      i = next;
    }
  }

  const Program& program_;
  std::vector<std::string> lines_;
};

} // namespace

std::vector<std::string> sizes_written_out(const Program& program) { return Sizes(program).all(); }

} // namespace volute::compiler
