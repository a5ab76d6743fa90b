// Convolutions, transposed ones too, of bytes and of bf16 in the form that dot-product instructions
// take: u8 times i8, four at a time, or bf16 times bf16, two at a time, along input channels that
// lie one after the other.
//
// Of bytes one is made unsigned and the other signed, and the zero points are taken out of the sum
// (X and W are the bytes as they are multiplied, p and q their zero points, N the taps of an
// output):
//
//     sum (X - p)(W - q) = sum X W  -  p sum W  -  q sum X  +  N p q
//
// The second and the last term depend on the output channel alone, and on which taps an output has,
// where it is transposed: a nest of its own, run when the weight is bound, and the sum starts from
// it. The third is a sum over each window, wanted only when the weight has a zero point. All of it
// needs every tap to be there, so an image with padding is copied into a frame of its zero point,
// which then contributes nothing. The copy also brings channels together, rounds their number up to
// whole groups, and makes the bytes unsigned. Everything wraps at 32 bits, so the terms may be
// added in any order.
//
// A matrix unit adds many products at a time. Where channels alone do not fill its steps (a first
// layer has 3), all taps along a row of the filter are one axis of the sum with them. In the copy
// of the image, pixel beside pixel, they lie one after the other as they are, and rows of the
// unit's registers overlap:
//
//     x_staged[n, h, 2*4*w + i]      7 taps of 3 channels and a zero each, i in 0..28, stride 2
//
// Of bytes, channels last, they are rows as the image has them, and the weight has zeros for what a
// row has behind its taps:
//
//     x_staged[n, h, 2*3*w + i]      7 taps of 3 channels and 3 bytes of the next, i in 0..24
//
// A bf16 behind them could be infinite, and 0 times that is none. With dilation they do not, and
// are copied side by side for each result.

#include "compiler/lower/phase.h"
#include "compiler/nests/matrix_steps.h"
#include "ir/loops.h"
#include "ir/number.h"
#include "ir/operators.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace volute::compiler {

using ir::Affine;
using ir::Axis;
using ir::ElementType;
using ir::Expr;
using ir::Window;

namespace {

struct Problem {
  explicit Problem(const GroupLowering& lowered)
      : group(lowered), conv(ir::convolution(lowered.head.operation).value()),
        x(lowered.head.operands[0]), w(lowered.head.operands[1]), x_type(lowered.program.type(x)),
        w_type(lowered.program.type(w)), axes(x_type.spatial_axes()), windows(windows_of(lowered)),
        inputs(conv.inputs(w_type)), bytes(is_integer(x_type.element)),
        matrices(lowered.lowering.options.matrix_products.contains(lowered.head.results[0])),
        all_(whole_frames(lowered)) {}

  const GroupLowering& group;
  const ir::Convolution conv;
  const ir::ValueId x, w;
  const ir::TensorType &x_type, &w_type;
  const std::vector<Axis> axes;
  const std::vector<Window> windows;
  const int64_t inputs; // of a group
  const bool bytes;
  const bool matrices; // for a matrix unit

  int64_t ways() const { return bytes ? 4 : 2; }
  int64_t most_in_a_step() const { return ir::most_tile_row_bytes / (bytes ? 1 : 2); }
  bool x_signed() const { return x_type.element == ElementType::i8; }
  bool w_unsigned() const { return w_type.element == ElementType::u8; }
  int64_t x_zero_point() const { return conv.x_zero_point + (x_signed() ? 128 : 0); }
  std::vector<int64_t> w_zero_points() const {
    std::vector<int64_t> points = conv.w_zero_points;
    for (int64_t& point : points) point -= w_unsigned() ? 128 : 0;
    return points;
  }
  bool has_w_zero_point() const {
    const std::vector<int64_t> points = w_zero_points();
    return std::any_of(points.begin(), points.end(), [](int64_t p) { return p != 0; });
  }
  /// Whether taps along an axis of space lie outside the image.
  bool is_padded(size_t i) const { return all_[i].before > 0 || all_[i].extent > windows[i].input; }
  bool has_padding() const {
    for (size_t i = 0; i < axes.size(); ++i)
      if (is_padded(i)) return true;
    return false;
  }
  /// Of the image that the sums read: bf16's padding is clipped, not copied, by vectors.
  std::vector<Frame> frames() const {
    const bool is_whole = is_staged() && (bytes || matrices);
    return is_whole ? all_ : bare_frames(group);
  }
  int64_t row_taps() const { return windows.back().kernel; }
  int64_t steps(int64_t products) const { return ir::ceil_div(products, most_in_a_step()); }
  int64_t whole_channels() const { return ir::ceil_div(inputs, ways()) * ways(); }
  /// Whether rows of joined taps are the image's own, pixel by pixel: what they read behind their
  /// taps meets zeros of the weight, which takes nothing but a byte to leave no trace.
  bool keeps_pixels() const {
    std::vector<Axis> channels_last = axes;
    channels_last.insert(channels_last.begin(), Axis::n);
    channels_last.push_back(Axis::c);
    const bool lies_so = std::equal(
        channels_last.begin(), channels_last.end(), x_type.extents.begin(), x_type.extents.end(),
        [](Axis axis, const ir::Extent& extent) { return axis == extent.axis; });
    return bytes && conv.groups == 1 && overlaps_rows() && lies_so &&
           steps(taps_of(inputs) * inputs) <= steps(row_taps() * whole_channels()) &&
           !group.lowering.options.strides.count(group.program.name_of(x));
  }
  /// Of joined taps: channels of a pixel, and taps that are whole groups of them.
  int64_t pixel_channels() const { return keeps_pixels() ? inputs : whole_channels(); }
  int64_t joined_taps() const { return taps_of(pixel_channels()); }
  /// Whether taps along a row are summed up with the channels: where it takes fewer steps, and no
  /// copy that would not be made without, or channels are few. A phase's taps are not neighbours.
  bool joins_taps() const {
    if (!matrices || conv.transposed || row_taps() == 1 || has_w_zero_point() ||
        steps(joined_taps() * pixel_channels()) >= row_taps() * steps(whole_channels()))
      return false;
    return few_channels * inputs <= most_in_a_step() || (overlaps_rows() && must_be_staged());
  }
  static constexpr int64_t few_channels = 4; // of so many times as many products
  /// Whether they are neighbours in the copy.
  bool overlaps_rows() const { return windows.back().dilation == 1; }
  bool is_staged() const { return joins_taps() || must_be_staged(); }
  /// Whether the image must be copied: its channels apart, its bytes signed, its padding missed.
  bool must_be_staged() const {
    if (x_type.extents.back().axis != Axis::c || x_type.parts(Axis::c) > 1) return true;
    if (group.lowering.options.strides.count(group.program.name_of(x))) return true;
    if (matrices &&
        (is_padded(axes.size() - 1) || !has_good_steps(inputs, ways(), most_in_a_step())))
      return true;
    return bytes && (x_signed() || (has_padding() && (x_zero_point() != 0 || has_w_zero_point())));
  }

private:
  /// Taps of a row, and as many behind as make whole groups of pixels of so many channels.
  int64_t taps_of(int64_t channels) const {
    const int64_t pixels = ways() / std::gcd(ways(), channels);
    return ir::ceil_div(row_taps(), pixels) * pixels;
  }

  std::vector<Frame> all_; // that some tap reads
};

/// An element of the image that is multiplied; of one outside, its zero point, 0 for bf16.
void accumulate_image(NestBuilder& to, const Problem& problem, Expr element) {
  if (problem.x_signed())
    element = ir::bitcast_to(ElementType::u8, ir::binary(ir::BinaryFn::bit_xor, element,
                                                         ir::imm_integer(-128, ElementType::i8)));
  const Expr outside = number(problem.bytes ? problem.x_zero_point() : 0, element->type);
  to.accumulate(outside, [&](const Expr&) { return element; });
}

/// The image's rows as they lie, with their padding and as much behind as joined taps read: n, d,
/// h, group, a row of pixels and channels.
Lowering::Memory stage_rows(const Problem& problem) {
  const std::string& image = problem.group.program.name_of(problem.x);
  NestBuilder to = problem.group.start_beside(ir::NestKind::stage, "stage_" + image,
                                              fmt::format("the rows of the image %{} of {}", image,
                                                          ir::name(problem.group.head.operation)));
  const std::vector<Frame> frames = problem.frames();
  std::vector<int64_t> extents;
  std::vector<ir::Dim> dims = to.lowering.dims(problem.x);
  ir::Index read, written;
  const auto along = [&](Axis axis, const Frame& frame, int64_t of_image) {
    const Affine at = to.parallel(axis, frame.extent), in_image = at * frame.step - frame.before;
    extents.push_back(frame.extent);
    written.emplace_back(at);
    read.emplace_back(in_image);
    to.constrain(in_image, of_image);
  };
  along(Axis::n, {0, problem.x_type.size(Axis::n)}, problem.x_type.size(Axis::n));
  for (size_t i = 0; i + 1 < problem.axes.size(); ++i)
    along(problem.axes[i], frames[i], problem.windows[i].input);
  extents.push_back(1); // group
  written.emplace_back(0);
  const int64_t behind = problem.joined_taps() - problem.row_taps();
  along(problem.axes.back(),
        {frames.back().before * problem.inputs, (frames.back().extent + behind) * problem.inputs},
        problem.windows.back().input * problem.inputs);
  dims.pop_back();
  dims.back() = {problem.windows.back().input * problem.inputs, 1};
  accumulate_image(to, problem, to.read(spoken(image), to.lowering.buffer(problem.x), dims, read));
  const Lowering::Memory staged =
      to.lowering.memory(spoken(image) + "_staged",
                         problem.x_signed() ? ElementType::u8 : problem.x_type.element, extents);
  to.write(staged, written, to.value);
  to.finish();
  return staged;
}

/// The image in whole groups of channels, with its padding: n, d, h, w, group, channel; or n, d, h,
/// group, a row of pixels and channels.
Lowering::Memory stage(const Problem& problem) {
  if (problem.joins_taps() && problem.keeps_pixels()) return stage_rows(problem);
  const std::string& image = problem.group.program.name_of(problem.x);
  NestBuilder to = problem.group.start_beside(
      ir::NestKind::stage, "stage_" + image,
      fmt::format("the image %{} of {}", image, ir::name(problem.group.head.operation)));
  const bool joins_taps = problem.joins_taps();
  const bool overlaps_rows = joins_taps && problem.overlaps_rows();
  const int64_t channels =
      problem.matrices && !joins_taps
          ? channels_in_steps(problem.inputs, problem.ways(), problem.most_in_a_step())
          : problem.whole_channels();
  const std::vector<Frame> frames = problem.frames();
  std::vector<int64_t> extents = {problem.x_type.size(Axis::n)};
  Coordinates input;
  ir::Index written;
  Affine row_tap = 0;
  const Affine n = to.parallel(Axis::n, extents[0], boundaries(problem.x_type, Axis::n));
  input[Axis::n] = n;
  written.emplace_back(n);
  for (size_t i = 0; i < problem.axes.size(); ++i) {
    extents.push_back(frames[i].extent);
    if (joins_taps && !overlaps_rows && i + 1 == problem.axes.size()) { // one for each result
      const Window& window = problem.windows[i];
      extents.back() = window.output;
      const Affine result = to.parallel(problem.axes[i], window.output);
      row_tap = to.parallel(ir::AxisRole::other, "k", window.kernel);
      input[problem.axes[i]] =
          result * window.stride + row_tap * window.dilation - window.pad_begin;
      written.emplace_back(result);
      continue;
    }
    const Affine at = to.parallel(problem.axes[i], extents.back());
    input[problem.axes[i]] = at * frames[i].step - frames[i].before;
    written.emplace_back(at);
  }
  const Boundaries cuts = boundaries(problem.x_type, Axis::c);
  const Affine group = problem.conv.groups > 1
                           ? to.parallel_groups(problem.conv.groups, above(cuts, problem.inputs))
                           : Affine(0);
  const Affine channel = to.parallel(Axis::c, channels, below(cuts, problem.inputs));
  if (overlaps_rows) {
    const Affine pixel = written.back().at;
    extents.back() *= channels;
    extents.insert(extents.end() - 1, problem.conv.groups);
    written.back() = ir::Subscript(pixel * channels + channel);
    written.insert(written.end() - 1, ir::Subscript(group));
  } else {
    extents.push_back(problem.conv.groups);
    extents.push_back(joins_taps ? channels * problem.row_taps() : channels);
    written.emplace_back(group);
    written.emplace_back(row_tap * channels + channel);
  }
  input[Axis::c] = group * problem.inputs + channel;

  to.constrain(channel, problem.inputs);
  for (size_t i = 0; i < problem.axes.size(); ++i)
    to.constrain(input[problem.axes[i]], problem.windows[i].input);
  accumulate_image(to, problem, to.read(problem.x, input));
  const bool is_apart = problem.matrices && !overlaps_rows && problem.conv.groups == 1;
  const Lowering::Memory staged = to.lowering.memory(
      spoken(image) + "_staged", to.value->type, extents,
      is_apart ? pitch(extents.back(), size_of(to.value->type)) : extents.back());
  to.write(staged, written, to.value);
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
Lowering::Memory join_taps(const Problem& problem) {
  const std::string& weight = problem.group.program.name_of(problem.w);
  NestBuilder to =
      problem.group.start_beside(ir::NestKind::filter_transform, "join_" + weight,
                                 fmt::format("the taps along a row of the weight %{}", weight));
  const int64_t channels = problem.pixel_channels(), taps = problem.joined_taps();
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
  tap[row] = to.parallel(ir::AxisRole::other, fmt::format("k{}", to_char(row)), taps);
  tap[Axis::i] = to.parallel(Axis::i, channels);
  to.constrain(tap[row], problem.row_taps()); // zeros behind
  to.constrain(tap[Axis::i], problem.inputs);
  extents.push_back(taps * channels);
  written.emplace_back(tap[row] * channels + tap[Axis::i]);
  const Expr element = weight_element(to, problem, tap);
  to.accumulate(number(0, element->type), [&](const Expr&) { return element; });
  const Lowering::Memory joined =
      to.lowering.memory(spoken(weight) + "_joined", element->type, extents);
  to.write(joined, written, to.value);
  to.finish();
  return joined;
}

/// A weight's zero point, made for the signed byte: a number, or a table by output channel.
Expr w_zero_point(NestBuilder& to, const Problem& problem, const Affine& channel, int32_t table) {
  const std::vector<int64_t> points = problem.w_zero_points();
  return table < 0 ? ir::imm_integer(points[0], ElementType::i32) : to.read_vector(table, channel);
}

ir::Index with(ir::Index index, const Affine& last) {
  index.emplace_back(last);
  return index;
}

/// N p q - p sum W for the residues of a phase and each output channel: made of the weight alone.
Lowering::Memory offsets(const Problem& problem, const std::vector<Phase>& of_axes,
                         int32_t points) {
  const std::string& weight = problem.group.program.name_of(problem.w);
  const ir::Convolution& conv = problem.conv;
  PhaseAxes space(problem.group, of_axes);
  std::vector<int64_t> extents = space.residue_extents();
  extents.push_back(conv.outputs(problem.w_type) * conv.groups);
  Lowering::Memory memory =
      problem.group.lowering.memory(spoken(weight) + "_offset", ElementType::i32, extents);
  NestBuilder to = problem.group.start_beside(
      ir::NestKind::offset, "offset_" + weight,
      fmt::format("the zero points of {} and of the weight %{}", conv.x_zero_point, weight));
  // As the weight has them: its output channels are all, or those of one group.
  Coordinates tap;
  const bool is_by_group = conv.transposed && conv.groups > 1;
  const Affine group = is_by_group ? to.parallel_groups(conv.groups) : Affine(0);
  tap[Axis::o] =
      to.parallel(Axis::o, problem.w_type.size(Axis::o), boundaries(problem.w_type, Axis::o));
  const Affine channel = group * conv.outputs(problem.w_type) + tap[Axis::o];
  space.add_residues(to);
  tap[Axis::i] = group * problem.inputs +
                 to.reduce(Axis::i, problem.inputs, boundaries(problem.w_type, Axis::i));
  space.add_taps(to, tap);
  int64_t taps = problem.inputs;
  for (const Phase& phase : of_axes) taps *= phase.taps;
  const Expr element = converted(ElementType::i32, weight_element(to, problem, tap));
  const Expr sum = to.accumulate(number(0, ElementType::i32),
                                 [&](const Expr& so_far) { return so_far + element; });
  const Expr both = w_zero_point(to, problem, channel, points) *
                    ir::imm_integer(ir::wrap_to(ElementType::i32, taps * problem.x_zero_point()),
                                    ElementType::i32);
  to.write(memory, with(space.residues(), channel),
           both - sum * number(problem.x_zero_point(), ElementType::i32));
  to.finish();
  return memory;
}

/// The convolution's own axes, over the image where it is or where it was copied.
struct Domain {
  NestBuilder to;
  Channels channels;
  PhaseAxes space;
  Coordinates tap = {};
  Expr image = nullptr;
};

Domain domain(const Problem& problem, const std::vector<Phase>& of_axes,
              const Lowering::Memory& staged, const std::string& suffix, bool with_outputs) {
  const GroupLowering& group = problem.group;
  Domain d{group.start(suffix), Channels(group), PhaseAxes(group, of_axes)};
  NestBuilder& to = d.to;
  if (with_outputs) {
    group.add_parallel(to, Axis::n, problem.x_type.size(Axis::n));
    d.channels.add_parallel(to);
  } else {
    to.at[Axis::n] = to.parallel(Axis::n, problem.x_type.size(Axis::n), // as the image is cut
                                 boundaries(problem.x_type, Axis::n));
    if (problem.conv.groups > 1) d.channels.group = to.parallel_groups(problem.conv.groups);
  }
  d.space.add_results(to, with_outputs);
  Coordinates input;
  input[Axis::n] = to.at[Axis::n];
  size_t axes_with_taps = problem.axes.size();
  if (problem.joins_taps()) {
    d.channels.in = to.reduce(Axis::i, problem.joined_taps() * problem.pixel_channels());
    input[problem.axes.back()] = to.at[problem.axes.back()];
    --axes_with_taps;
  } else {
    input[Axis::c] = d.channels.add_reduction(to);
  }
  d.channels.set_tap(d.tap);
  d.space.add_taps(to, problem.frames(), input, d.tap, axes_with_taps);
  if (!staged.exists()) {
    d.image = to.read(problem.x, input);
    return d;
  }
  ir::Index index = {to.at[Axis::n]};
  for (Axis axis : problem.axes) index.emplace_back(input[axis]);
  if (problem.joins_taps() && problem.overlaps_rows()) {
    const int64_t apart = problem.windows.back().stride * problem.pixel_channels();
    index.back() = ir::Subscript(d.channels.group);
    index.emplace_back(to.at[problem.axes.back()] * apart + d.channels.in);
  } else {
    index.emplace_back(d.channels.group);
    index.emplace_back(d.channels.in);
  }
  d.image = to.read(staged, std::move(index));
  return d;
}

ir::Index window_of(const Domain& d) {
  ir::Index index = d.space.results();
  index.insert(index.begin(), {d.to.at[Axis::n], d.channels.group});
  return index;
}

/// sum X over each window of a phase and of each group, for weights that have a zero point.
Lowering::Memory window_sums(const Problem& problem, const std::vector<Phase>& of_axes,
                             const Lowering::Memory& staged) {
  Domain d = domain(problem, of_axes, staged, "_window_sum", false);
  d.to.nest.kind = ir::NestKind::window_sum;
  std::vector<int64_t> extents = d.space.result_extents();
  extents.insert(extents.begin(), {problem.x_type.size(Axis::n), problem.conv.groups});
  const std::string name = spoken(problem.group.program.name_of(problem.x)) + "_window_sum";
  Lowering::Memory memory = d.to.lowering.memory(name, ElementType::i32, extents);
  const Expr element = converted(ElementType::i32, d.image);
  d.to.accumulate(number(0, ElementType::i32),
                  [&](const Expr& so_far) { return so_far + element; });
  d.to.write(memory, window_of(d), d.to.value);
  d.to.finish();
  return memory;
}

/// What all phases read.
Lowering::GroupedProducts copies(const Problem& problem) {
  Lowering::GroupedProducts made;
  if (problem.is_staged()) made.image = stage(problem);
  const std::vector<int64_t> points = problem.w_zero_points();
  if (problem.bytes && problem.has_w_zero_point() && points.size() > 1)
    made.points = problem.group.lowering.table(spoken(problem.group.program.name_of(problem.w)) +
                                                   "_zero_point",
                                               ElementType::i32, {points.begin(), points.end()});
  return made;
}

} // namespace

bool lower_grouped_products(const GroupLowering& group, const std::vector<Phase>& of_axes) {
  const ir::ValueId result = group.head.results[0];
  if (!group.lowering.options.dot_products.contains(result)) return false;
  const Problem problem(group);
  const auto [entry, is_new] = group.lowering.grouped.try_emplace(result);
  Lowering::GroupedProducts& made = entry->second;
  if (is_new) made = copies(problem);
  const bool has_offsets = problem.bytes && problem.x_zero_point() != 0;
  const bool has_sums = problem.bytes && problem.has_w_zero_point();
  Lowering::Memory of_weight, of_windows;
  if (has_offsets) of_weight = offsets(problem, of_axes, made.points);
  if (has_sums) of_windows = window_sums(problem, of_axes, made.image);
  const Lowering::Memory joined = problem.joins_taps() ? join_taps(problem) : Lowering::Memory{};

  Domain d = domain(problem, of_axes, made.image, "", true);
  NestBuilder& to = d.to;
  to.flushes = !problem.bytes;
  Expr element;
  if (joined.exists()) {
    ir::Index index = {d.tap[Axis::o]};
    for (size_t i = 0; i + 1 < problem.axes.size(); ++i) index.emplace_back(d.tap[problem.axes[i]]);
    element = to.read(joined, with(std::move(index), d.tap[Axis::i]));
  } else {
    element = weight_element(to, problem, d.tap);
  }
  const ElementType type = problem.bytes ? ElementType::i32 : ElementType::f32;
  const Expr filter = converted(type, element);
  const Expr image = converted(type, d.image);
  Coordinates channel;
  channel[Axis::o] = to.at[Axis::c];
  Expr start = group.head.operands.size() > 2 ? computed(to.read(group.head.operands[2], channel))
                                              : number(0, type);
  if (has_offsets) start = start + to.read(of_weight, with(d.space.residues(), to.at[Axis::c]));
  to.accumulate(start, [&](const Expr& sum) { return fma(image, filter, sum); });
  if (has_sums)
    to.value = to.value - w_zero_point(to, problem, to.at[Axis::c], made.points) *
                              to.read(of_windows, window_of(d));
  group.finish(std::move(to));
  return true;
}

} // namespace volute::compiler
