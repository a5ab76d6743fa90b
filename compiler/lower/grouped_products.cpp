// Convolutions of bytes and of bf16 in the form that dot-product instructions take: u8 times i8,
// four at a time, or bf16 times bf16, two at a time, along input channels that lie one after the
// other.
//
// Of bytes one is made unsigned and the other signed, and the zero points are taken out of the sum
// (X and W are the bytes as they are multiplied, p and q their zero points, N the taps of an
// output):
//
//     sum (X - p)(W - q) = sum X W  -  p sum W  -  q sum X  +  N p q
//
// The second and the last term depend on the output channel alone: a nest of its own, run when the
// weight is bound, and the sum starts from it. The third is a sum over each window, wanted only
// when the weight has a zero point. All of it needs every tap to be there, so an image with padding
// is copied into a frame of its zero point, which then contributes nothing. The copy also brings
// channels together, rounds their number up to whole groups, and makes the bytes unsigned.
// Everything wraps at 32 bits, so the terms may be added in any order.
//
// A matrix unit adds many products at a time. Where there are few channels (a first layer has 3),
// the copy has all taps of a row of the filter beside each other for each result, and so has a copy
// of the weight: they are one axis of the sum.

#include "compiler/lower/nest_builder.h"
#include "compiler/nests/matrix_steps.h"
#include "ir/loops.h"
#include "ir/number.h"

#include <fmt/format.h>

#include <algorithm>

namespace volute::compiler {

using ir::Affine;
using ir::Axis;
using ir::Buffer;
using ir::ElementType;
using ir::Expr;
using ir::Window;

namespace {

struct Problem {
  const GroupLowering& group;
  const ir::Conv& conv;
  ir::ValueId x, w;
  const ir::TensorType &x_type, &w_type;
  std::vector<Axis> axes;
  std::vector<Window> windows;
  int64_t inputs, outputs; // of a group
  bool bytes;
  bool matrices; // for a matrix unit
  int64_t ways() const { return bytes ? 4 : 2; }
  int64_t most_in_a_step() const { return ir::most_tile_row_bytes / (bytes ? 1 : 2); }

  bool x_signed() const { return x_type.element == ElementType::i8; }
  bool w_unsigned() const { return w_type.element == ElementType::u8; }
  int64_t x_zero_point() const { return conv.x_zero_point + (x_signed() ? 128 : 0); }
  std::vector<int64_t> w_zero_points() const {
    std::vector<int64_t> points = conv.w_zero_point;
    for (int64_t& point : points) point -= w_unsigned() ? 128 : 0;
    return points;
  }
  bool has_w_zero_point() const {
    const std::vector<int64_t> points = w_zero_points();
    return std::any_of(points.begin(), points.end(), [](int64_t p) { return p != 0; });
  }
  static bool is_padded(const Window& w) {
    return w.pad_begin > 0 || (w.output - 1) * w.stride + w.span() - w.pad_begin > w.input;
  }
  bool has_padding() const { return std::any_of(windows.begin(), windows.end(), is_padded); }
  /// Whether the image's padding is copied with it.
  bool has_frame() const { return bytes || matrices; }
  int64_t row_taps() const { return windows.back().kernel; }
  /// Whether taps along a row are summed up with the channels.
  bool joins_taps() const {
    return matrices && row_taps() > 1 && few_channels * inputs <= most_in_a_step() &&
           !has_w_zero_point();
  }
  static constexpr int64_t few_channels = 4; // of so many times as many products
  /// Whether the image must be copied: its channels apart, its bytes signed, its padding missed.
  bool is_staged() const {
    if (x_type.extents.back().axis != Axis::c || x_type.parts(Axis::c) > 1) return true;
    if (group.lowering.options.strides.count(group.program.name_of(x))) return true;
    if (joins_taps()) return true;
    if (matrices &&
        (is_padded(windows.back()) || !has_good_steps(inputs, ways(), most_in_a_step())))
      return true;
    return bytes && (x_signed() || (has_padding() && (x_zero_point() != 0 || has_w_zero_point())));
  }
};

/// The image in whole groups of channels, with its padding; the windows over it have none.
struct Staged {
  int32_t buffer = -1;
  std::vector<ir::Dim> dims; // n, d, h, w, group, channel
  ElementType element;
};

Staged stage(const Problem& problem) {
  const std::string& image = problem.group.program.name_of(problem.x);
  NestBuilder to = problem.group.start_beside(
      ir::NestKind::stage, "stage_" + image,
      fmt::format("the image %{} of {}", image, ir::name(problem.group.head.operation)));
  const bool padded = problem.has_frame();
  const bool joins_taps = problem.joins_taps();
  const int64_t channels =
      problem.matrices && !joins_taps
          ? channels_in_steps(problem.inputs, problem.ways(), problem.most_in_a_step())
          : ir::ceil_div(problem.inputs, problem.ways()) * problem.ways();
  Staged staged;
  staged.element = problem.bytes ? ElementType::u8 : ElementType::bf16;
  std::vector<int64_t> extents = {problem.x_type.size(Axis::n)};
  Coordinates input;
  ir::Index written;
  Affine row_tap = 0;
  const Affine n = to.parallel(Axis::n, extents[0], boundaries(problem.x_type, Axis::n));
  input[Axis::n] = n;
  written.emplace_back(n);
  for (size_t i = 0; i < problem.axes.size(); ++i) {
    const Window& window = problem.windows[i];
    const int64_t before = padded ? window.pad_begin : 0;
    const int64_t reached = (window.output - 1) * window.stride + window.span();
    extents.push_back(padded ? std::max(reached, before + 1) : window.input);
    if (joins_taps && i + 1 == problem.axes.size()) { // one for each result
      extents.back() = window.output;
      const Affine result = to.parallel(problem.axes[i], window.output);
      row_tap = to.parallel(ir::AxisRole::other, "k", window.kernel);
      input[problem.axes[i]] =
          result * window.stride + row_tap * window.dilation - window.pad_begin;
      written.emplace_back(result);
      continue;
    }
    const Affine at = to.parallel(problem.axes[i], extents.back());
    input[problem.axes[i]] = at - before;
    written.emplace_back(at);
  }
  const Boundaries cuts = boundaries(problem.x_type, Axis::c);
  const Affine group = problem.conv.groups > 1
                           ? to.parallel_groups(problem.conv.groups, above(cuts, problem.inputs))
                           : Affine(0);
  const Affine channel = to.parallel(Axis::c, channels, below(cuts, problem.inputs));
  extents.push_back(problem.conv.groups);
  extents.push_back(joins_taps ? channels * problem.row_taps() : channels);
  written.emplace_back(group);
  written.emplace_back(row_tap * channels + channel);
  input[Axis::c] = group * problem.inputs + channel;

  // What lies outside the image is its zero point: 0 for bf16.
  to.constrain(channel, problem.inputs);
  for (size_t i = 0; i < problem.axes.size(); ++i)
    to.constrain(input[problem.axes[i]], problem.windows[i].input);
  Expr element = to.read(problem.x, input);
  if (problem.x_signed())
    element = ir::bitcast_to(ElementType::u8, ir::binary(ir::BinaryFn::bit_xor, element,
                                                         ir::imm_integer(-128, ElementType::i8)));
  const Expr outside = number(problem.bytes ? problem.x_zero_point() : 0, staged.element);
  to.accumulate(outside, [&](const Expr&) { return element; });
  int64_t elements = 1;
  for (int64_t extent : extents) elements *= extent;
  const std::string name = spoken(image) + "_staged";
  staged.buffer = to.lowering.intermediate(name, staged.element, elements);
  staged.dims = ir::contiguous(extents);
  to.write(name, staged.buffer, staged.dims, written, to.value);
  to.finish();
  return staged;
}

/// The element of the weight as it is multiplied.
Expr weight_element(NestBuilder& to, const Problem& problem, const Coordinates& tap) {
  const Expr element = to.read(problem.w, tap);
  if (!problem.bytes || !problem.w_unsigned()) return element;
  return ir::bitcast_to(ElementType::i8, ir::binary(ir::BinaryFn::bit_xor, element,
                                                    ir::imm_integer(128, ElementType::u8)));
}

/// The weight where taps along a row are summed up with the channels: a row of both for each output
/// channel and tap along another axis.
struct JoinedWeight {
  int32_t buffer = -1;
  std::vector<ir::Dim> dims;
  ElementType element;
};

JoinedWeight join_taps(const Problem& problem) {
  const std::string& weight = problem.group.program.name_of(problem.w);
  NestBuilder to =
      problem.group.start_beside(ir::NestKind::filter_transform, "join_" + weight,
                                 fmt::format("the taps along a row of the weight %{}", weight));
  const int64_t channels = ir::ceil_div(problem.inputs, problem.ways()) * problem.ways();
  Coordinates tap;
  std::vector<int64_t> extents = {problem.w_type.size(Axis::o)};
  tap[Axis::o] = to.parallel(Axis::o, extents[0], boundaries(problem.w_type, Axis::o));
  ir::Index written = {tap[Axis::o]};
  for (size_t i = 0; i + 1 < problem.axes.size(); ++i) {
    const Axis axis = problem.axes[i];
    extents.push_back(problem.w_type.size(axis));
    tap[axis] = to.parallel(ir::AxisRole::other, fmt::format("k{}", to_char(axis)), extents.back());
    written.emplace_back(tap[axis]);
  }
  const Axis row = problem.axes.back();
  tap[row] = to.parallel(ir::AxisRole::other, fmt::format("k{}", to_char(row)), problem.row_taps());
  tap[Axis::i] = to.parallel(Axis::i, channels);
  to.constrain(tap[Axis::i], problem.inputs); // zeros behind
  extents.push_back(problem.row_taps() * channels);
  written.emplace_back(tap[row] * channels + tap[Axis::i]);
  const Expr element = weight_element(to, problem, tap);
  JoinedWeight joined;
  joined.element = element->type;
  joined.dims = ir::contiguous(extents);
  to.accumulate(number(0, element->type), [&](const Expr&) { return element; });
  int64_t elements = 1;
  for (const int64_t extent : extents) elements *= extent;
  const std::string name = spoken(weight) + "_joined";
  joined.buffer = to.lowering.intermediate(name, element->type, elements);
  to.write(name, joined.buffer, joined.dims, written, to.value);
  to.finish();
  return joined;
}

/// A weight's zero point, made for the signed byte: a number, or a table by output channel.
Expr w_zero_point(NestBuilder& to, const Problem& problem, const Affine& channel, int32_t table) {
  const std::vector<int64_t> points = problem.w_zero_points();
  return table < 0 ? ir::imm_integer(points[0], ElementType::i32) : to.read_vector(table, channel);
}

/// N p q - p sum W for each output channel: made of the weight alone.
int32_t offsets(const Problem& problem, int32_t points) {
  Lowering& lowering = problem.group.lowering;
  const std::string& weight = problem.group.program.name_of(problem.w);
  const std::string name = spoken(weight) + "_offset";
  const int64_t channels = problem.w_type.size(Axis::o);
  const int32_t buffer = lowering.intermediate(name, ElementType::i32, channels);
  NestBuilder to =
      problem.group.start_beside(ir::NestKind::offset, "offset_" + weight,
                                 fmt::format("the zero points of {} and of the weight %{}",
                                             problem.conv.x_zero_point, weight));
  Coordinates tap;
  const Affine o = to.parallel(Axis::o, channels, boundaries(problem.w_type, Axis::o));
  tap[Axis::o] = o;
  tap[Axis::i] = to.reduce(Axis::i, problem.inputs, boundaries(problem.w_type, Axis::i));
  int64_t taps = problem.inputs;
  for (Axis axis : problem.axes) {
    tap[axis] = to.reduce_taps(axis, problem.w_type.size(axis));
    taps *= problem.w_type.size(axis);
  }
  const Expr element = converted(ElementType::i32, weight_element(to, problem, tap));
  const Expr sum = to.accumulate(number(0, ElementType::i32),
                                 [&](const Expr& so_far) { return so_far + element; });
  const Expr both = w_zero_point(to, problem, o, points) *
                    ir::imm_integer(ir::wrap_to(ElementType::i32, taps * problem.x_zero_point()),
                                    ElementType::i32);
  to.write_vector(buffer, o, both - sum * number(problem.x_zero_point(), ElementType::i32));
  to.finish();
  return buffer;
}

/// The convolution's own axes, over the image where it is or where it was staged.
struct Domain {
  NestBuilder to;
  Channels channels;
  Coordinates tap;
  Expr image;
};

Domain domain(const Problem& problem, const Staged& staged, const std::string& suffix,
              bool with_outputs) {
  const GroupLowering& group = problem.group;
  Domain d{group.start(suffix), Channels(group), {}, nullptr};
  NestBuilder& to = d.to;
  if (with_outputs) {
    group.add_parallel(to, Axis::n, problem.x_type.size(Axis::n));
    d.channels.add_parallel(to);
  } else {
    to.at[Axis::n] = to.parallel(Axis::n, problem.x_type.size(Axis::n), // as the image is cut
                                 boundaries(problem.x_type, Axis::n));
    if (problem.conv.groups > 1) d.channels.group = to.parallel_groups(problem.conv.groups);
  }
  for (size_t i = 0; i < problem.axes.size(); ++i) {
    const Axis axis = problem.axes[i];
    if (with_outputs)
      group.add_parallel(to, axis, problem.windows[i].output);
    else
      to.at[axis] = to.parallel(axis, problem.windows[i].output);
  }
  Coordinates input;
  input[Axis::n] = to.at[Axis::n];
  const bool joins_taps = problem.joins_taps();
  if (joins_taps)
    d.channels.in = to.reduce(Axis::i, staged.dims.back().extent.number());
  else
    input[Axis::c] = d.channels.add_reduction(to);
  d.tap[Axis::i] = d.channels.in;
  d.tap[Axis::o] = to.at[Axis::c];
  if (staged.buffer < 0) {
    add_taps(to, problem.axes, problem.windows, input, d.tap);
    d.image = to.read(problem.x, input);
    return d;
  }
  std::vector<Window> windows = problem.windows;
  for (Window& window : windows) {
    if (!problem.has_frame()) continue; // its padding is clipped, not copied
    window.input =
        std::max((window.output - 1) * window.stride + window.span(), window.pad_begin + 1);
    window.pad_begin = window.pad_end = 0;
  }
  std::vector<Axis> axes = problem.axes;
  if (joins_taps) {
    input[axes.back()] = to.at[axes.back()];
    axes.pop_back(), windows.pop_back();
  }
  add_taps(to, axes, windows, input, d.tap);
  ir::Index index = {to.at[Axis::n]};
  for (Axis axis : problem.axes) index.emplace_back(input[axis]);
  index.emplace_back(d.channels.group);
  index.emplace_back(d.channels.in);
  d.image = to.read(spoken(group.program.name_of(problem.x)) + "_staged", staged.buffer,
                    staged.dims, std::move(index));
  return d;
}

/// sum X over each window of each group, for weights that have a zero point.
int32_t window_sums(const Problem& problem, const Staged& staged, std::vector<ir::Dim>& dims) {
  Domain d = domain(problem, staged, "_window_sum", false);
  d.to.nest.kind = ir::NestKind::window_sum;
  std::vector<int64_t> extents = {problem.x_type.size(Axis::n), problem.conv.groups};
  ir::Index written = {d.to.at[Axis::n], d.channels.group};
  for (size_t i = 0; i < problem.axes.size(); ++i) {
    extents.push_back(problem.windows[i].output);
    written.emplace_back(d.to.at[problem.axes[i]]);
  }
  dims = ir::contiguous(extents);
  int64_t elements = 1;
  for (int64_t extent : extents) elements *= extent;
  const std::string name = spoken(problem.group.program.name_of(problem.x)) + "_window_sum";
  const int32_t buffer = d.to.lowering.intermediate(name, ElementType::i32, elements);
  const Expr element = converted(ElementType::i32, d.image);
  d.to.accumulate(number(0, ElementType::i32),
                  [&](const Expr& so_far) { return so_far + element; });
  d.to.write(name, buffer, dims, written, d.to.value);
  d.to.finish();
  return buffer;
}

} // namespace

bool lower_grouped_products(const GroupLowering& group) {
  const auto& conv = std::get<ir::Conv>(group.head.operation);
  const ir::ValueId x = group.head.operands[0], w = group.head.operands[1];
  const ir::TensorType &x_type = group.program.type(x), &w_type = group.program.type(w);
  if (!group.lowering.options.dot_products.contains(group.head.results[0])) return false;
  const bool bytes = is_integer(x_type.element);
  Problem problem{group,
                  conv,
                  x,
                  w,
                  x_type,
                  w_type,
                  x_type.spatial_axes(),
                  ir::windows(group.program, group.head),
                  w_type.size(Axis::i),
                  w_type.size(Axis::o) / conv.groups,
                  bytes,
                  group.lowering.options.matrix_products.contains(group.head.results[0])};

  const Staged staged = problem.is_staged() ? stage(problem) : Staged{};
  const ElementType type = bytes ? ElementType::i32 : ElementType::f32;
  int32_t points = -1, offset = -1, sums = -1;
  std::vector<ir::Dim> sum_dims;
  if (bytes && problem.has_w_zero_point() && conv.w_zero_point.size() > 1) {
    const std::vector<int64_t> all = problem.w_zero_points();
    points = group.lowering.table(spoken(group.program.name_of(w)) + "_zero_point",
                                  ElementType::i32, {all.begin(), all.end()});
  }
  if (bytes && problem.x_zero_point() != 0) offset = offsets(problem, points);
  if (bytes && problem.has_w_zero_point()) sums = window_sums(problem, staged, sum_dims);

  const JoinedWeight joined = problem.joins_taps() ? join_taps(problem) : JoinedWeight{};
  Domain d = domain(problem, staged, "", true);
  NestBuilder& to = d.to;
  Expr element;
  if (joined.buffer >= 0) {
    ir::Index index = {d.tap[Axis::o]};
    for (size_t i = 0; i + 1 < problem.axes.size(); ++i) index.emplace_back(d.tap[problem.axes[i]]);
    index.emplace_back(d.tap[Axis::i]);
    element = to.read(spoken(group.program.name_of(w)) + "_joined", joined.buffer, joined.dims,
                      std::move(index));
  } else {
    element = weight_element(to, problem, d.tap);
  }
  const Expr filter = converted(type, element);
  const Expr image = converted(type, d.image);
  Coordinates channel;
  channel[Axis::o] = to.at[Axis::c];
  Expr start = group.head.operands.size() > 2 ? computed(to.read(group.head.operands[2], channel))
                                              : number(0, type);
  if (offset >= 0) start = start + to.read_vector(offset, to.at[Axis::c]);
  to.accumulate(start, [&](const Expr& sum) { return fma(image, filter, sum); });
  if (sums >= 0) {
    ir::Index index = {to.at[Axis::n], d.channels.group};
    for (Axis axis : problem.axes) index.emplace_back(to.at[axis]);
    const Expr sum =
        to.read(spoken(group.program.name_of(x)) + "_window_sum", sums, sum_dims, std::move(index));
    to.value = to.value - w_zero_point(to, problem, to.at[Axis::c], points) * sum;
  }
  group.finish(std::move(to));
  return true;
}

} // namespace volute::compiler
