#include "compiler/report/kernel_name.h"

#include "compiler/image/encode.h"
#include "ir/infer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace volute::compiler {
namespace {

using namespace ir;

/// "3x3", or "3" where all are the same and `alone` says so.
std::string by_axis(const PerAxis& sizes, bool shortest) {
  const bool equal =
      std::all_of(sizes.begin(), sizes.end(), [&](int64_t size) { return size == sizes.front(); });
  if (shortest && equal && !sizes.empty()) return std::to_string(sizes.front());
  return fmt::format("{}", fmt::join(sizes, "x"));
}

PerAxis space_of(const TensorType& type) {
  PerAxis sizes;
  for (const Axis axis : type.spatial_axes()) sizes.push_back(type.size(axis));
  return sizes;
}

/// "nchw", "nhwc", "nchwc8": the axes in memory order, inner parts with their extents.
std::string layout(const TensorType& type) {
  std::string text;
  for (size_t i = 0; i < type.extents.size(); ++i) {
    const Axis axis = type.extents[i].axis;
    const bool is_inner =
        std::any_of(type.extents.begin(), type.extents.begin() + static_cast<std::ptrdiff_t>(i),
                    [&](const Extent& e) { return e.axis == axis; });
    text += to_char(axis);
    if (is_inner) text += std::to_string(type.extents[i].size);
  }
  return text;
}

std::string windows_text(const std::vector<Window>& windows) {
  PerAxis kernel, stride, dilation;
  for (const Window& window : windows) {
    kernel.push_back(window.kernel);
    stride.push_back(window.stride);
    dilation.push_back(window.dilation);
  }
  std::string text = fmt::format("{}s{}", by_axis(kernel, false), by_axis(stride, true));
  if (std::any_of(dilation.begin(), dilation.end(), [](int64_t d) { return d != 1; }))
    text += "d" + by_axis(dilation, true);
  return text;
}

std::string isa(const Target& target) {
  if (target.vector_bytes == 64) return "avx512";
  if (target.vector_bytes == 32) return target.has_fma ? "avx2" : "avx";
  return "sse";
}

/// Of the statement that a step is for first.
std::string words_of(const Program& program, const Statement& s) {
  const TensorType& x = program.type(s.operands.empty() ? s.results.front() : s.operands.front());
  const size_t axes = x.spatial_axes().size();
  std::string text{name(s.operation)};
  const auto is_conv = [&](const auto* conv, bool transposed) {
    const TensorType& w = program.type(s.operands[1]);
    text =
        fmt::format("{}{}d_{}_i{}o{}", text, axes,
                    windows_text(transposed ? transposed_windows(program, s) : windows(program, s)),
                    x.size(Axis::c), program.type(s.results.front()).size(Axis::c));
    if (conv->groups != 1) text += fmt::format("g{}", conv->groups);
    if (w.element != ElementType::f32) text += fmt::format("_{}", to_string(w.element));
  };
  if (const auto* conv = std::get_if<Conv>(&s.operation)) {
    is_conv(conv, false);
  } else if (const auto* transposed = std::get_if<ConvTranspose>(&s.operation)) {
    is_conv(transposed, true);
  } else {
    if (std::holds_alternative<Pool>(s.operation))
      text += fmt::format("{}d_{}", axes, windows_text(windows(program, s)));
    text += fmt::format("_c{}", x.size(Axis::c));
    if (x.element != ElementType::f32) text += fmt::format("_{}", to_string(x.element));
  }
  if (const int64_t images = x.size(Axis::n); images != 1) text += fmt::format("_n{}", images);
  return fmt::format("{}_{}_{}", text, by_axis(space_of(x), false), layout(x));
}

} // namespace

std::string kernel_name(const LoopProgram& loops, size_t step, const Program& written,
                        const Target& target, std::span<const std::byte> code) {
  const Step& made = loops.steps[step];
  const Statement* head = nullptr;
  if (!made.statements.empty() && made.statements.front() < loops.sources.size())
    for (const int32_t id : loops.sources[made.statements.front()].statements)
      if (static_cast<size_t>(id) < written.statements.size() && !head)
        head = &written.statements[static_cast<size_t>(id)];
  std::string text = made.name;
  if (head) {
    // The step that computes a statement is called by it alone: conv_y.
    const bool serves = !made.name.starts_with(name(head->operation));
    text = (serves ? made.name + "_" : "") + words_of(written, *head);
  }
  const auto digest = static_cast<uint32_t>(checksum(code) >> 16);
  return fmt::format("{}_{}_{:08x}", text, isa(target), digest);
}

} // namespace volute::compiler
