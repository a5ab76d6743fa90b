// Convolutions of f32 and f16 as sums of products of bf16. A float is the sum of three bf16, each
// the nearest to what the ones before leave (but for the image's x1, below), x = x1 + x2 + x3: 8
// digits, 8 digits and what is left.
// Products of two bf16 are exact in f32, and sums are f32's, so that
//
//     x w = x1 w1  +  x1 w2 + x2 w1  +  x2 w2 + x1 w3 + x3 w1  +  at most 1.01 * 2^-23 of it
//            2^0       2^-7 at most        2^-15 at most
//
// has all digits that a direct sum has; two parts each, and three products, have those down to
// 2^-16 or so. An f16 has 11 digits: it is the sum of two bf16, and four products are all of it.
//
// Digits are taken by arithmetic on bits, which costs half of what conversions there and back do:
// splitting the image is a third of the time of a 1x1 convolution of 256 channels to 64. Of
// three parts x1 of the image is its first 8 digits: that is one operation in place of four, and x2
// and x3 may then be twice as large (with weights so as well the error were 1.6 times that of a
// direct sum of two products).
//
// The parts of the image and those of the weight are a dimension of memory each, the smallest
// first, and an axis each of the sum:
//
//     reduce wp in 0..3, xp in 0..3, i in 0..64, kh in 0..3, kw in 0..3
//     where 0 <= wp + xp - 2 < 3                                          six of the nine
//     acc <- fma(f32(x_parts[n, xp, h + kh, w + kw, i]), f32(w_parts[wp, o, i, kh, kw]), acc)
//
// In this order all small products are added up before the first large one, and only those of x1
// and w1 are rounded to the digits of the result; with the axes of the parts inside of the others,
// each would be, and six roundings for one make the error 2.4 times that of a direct sum.
//
// What is too large for a bf16, beyond 2^128 - 2^119, would round to infinity: x1 is the largest
// bf16 there, x2 what is left. Of infinity and NaN some part is infinite or NaN. No f16 is too
// large, and none has a part that is denormal.

#include "compiler/lower/phase.h"
#include "compiler/nests/matrix_steps.h"
#include "compiler/nests/parts.h"
#include "ir/operators.h"

#include <fmt/format.h>

#include <algorithm>

namespace volute::compiler {

using ir::Affine;
using ir::Axis;
using ir::ElementType;
using ir::Expr;
using ir::Window;

namespace {

constexpr double largest_bf16 = 0x1.fep127;

/// Into how many parts, and how many products of theirs count.
struct Split {
  int64_t parts, products;
  bool cuts = false;                            // x1 is its first digits, not the nearest
  bool has_all() const { return products > 3; } // digits of an element
};

/// A number of f32, plus so many units of its last place, with the digits of a bf16. A NaN may
/// become 0 so: what is left of it is a NaN as well, and so is the last part.
Expr first_digits(const Expr& x, int64_t more) {
  Expr bits = ir::bitcast_to(ElementType::i32, x);
  if (more != 0) bits = bits + number(more, ElementType::i32);
  constexpr int64_t upper_half = -0x10000;
  bits = binary(ir::BinaryFn::bit_and, bits, number(upper_half, ElementType::i32));
  return ir::bitcast_to(ElementType::f32, bits);
}

/// The parts of an element, the smallest first, where that is f32 or what an f16 is as one: what is
/// left after some of them is exact, and after the last nothing, or too little to matter.
std::vector<Expr> parts_of(const Expr& x, ElementType element, Split split) {
  constexpr int64_t half = 0x8000; // of the last place of a bf16: rounds to the nearest
  std::vector<Expr> parts;
  const auto take = [&](const Expr& part) {
    parts.insert(parts.begin(), ir::cut_bf16(part));
    return part;
  };
  Expr in_range = x;
  if (!split.cuts && element == ElementType::f32) {
    const Expr most = ir::imm(largest_bf16), least = ir::imm(-largest_bf16);
    in_range = binary(ir::BinaryFn::min, binary(ir::BinaryFn::max, x, least), most);
  }
  Expr left = x - take(first_digits(in_range, split.cuts ? 0 : half));
  if (split.parts == 3) left = left - take(first_digits(left, half));
  parts.insert(parts.begin(), split.has_all() ? ir::cut_bf16(left) : ir::flushed_bf16(left));
  return parts;
}

/// Ends a nest whose value is an element, with a write for each part of it, at `index` and the part
/// as dimension `dim`. `apart`: elements from one row of the last dimension to the next.
Lowering::Memory write_parts(NestBuilder& to, const std::string& name, ElementType element,
                             Split split, size_t dim, std::vector<int64_t> extents, int64_t apart,
                             const ir::Index& index) {
  extents.insert(extents.begin() + static_cast<std::ptrdiff_t>(dim), split.parts);
  Lowering::Memory memory = to.lowering.memory(name, ElementType::bf16, extents, apart);
  const std::vector<Expr> parts = parts_of(to.value, element, split);
  for (int64_t part = 0; part < split.parts; ++part) {
    ir::Index at = index;
    at.insert(at.begin() + static_cast<std::ptrdiff_t>(dim), ir::Subscript(part));
    to.write(memory, std::move(at), parts[static_cast<size_t>(part)]);
  }
  to.finish();
  return memory;
}

std::string count_text(int64_t parts) { return fmt::format("as sums of {} bf16", parts); }

/// Channels last, as many as pairs take, or the products of a matrix unit.
int64_t whole_channels(const GroupLowering& group, int64_t channels) {
  const ir::Convolution conv = ir::convolution(group.head.operation).value();
  constexpr int64_t ways = 2;
  if (!group.lowering.options.has_matrix_unit || conv.groups > 1)
    return ir::ceil_div(channels, ways) * ways;
  return channels_in_steps(channels, ways, parts_in_a_step);
}

/// x_parts[n, part, d, h, w, c].
Lowering::Memory split_image(const GroupLowering& group, Split split) {
  const ir::ValueId x = group.head.operands[0];
  const ir::TensorType& type = group.program.type(x);
  const std::string& image = group.program.name_of(x);
  NestBuilder to = group.start_beside(
      ir::NestKind::stage, "split_" + image,
      fmt::format("the elements of the image %{} {}", image, count_text(split.parts)));
  Coordinates input;
  ir::Index index;
  std::vector<int64_t> extents;
  const auto along = [&](Axis axis, const Frame& frame, int64_t of_image) {
    const Affine at = to.parallel(axis, frame.extent);
    index.emplace_back(at);
    extents.push_back(frame.extent);
    input[axis] = at * frame.step - frame.before;
    to.constrain(input[axis], of_image);
  };
  const std::vector<Frame> framed =
      group.lowering.options.has_matrix_unit ? whole_frames(group) : bare_frames(group);
  const std::vector<Axis> axes = type.spatial_axes();
  along(Axis::n, {0, type.size(Axis::n)}, type.size(Axis::n));
  for (size_t i = 0; i < axes.size(); ++i) along(axes[i], framed[i], type.size(axes[i]));
  const int64_t channels = type.size(Axis::c);
  along(Axis::c, {0, whole_channels(group, channels)}, channels);
  // A sum of one element, so that it may lie in registers along one axis and go along another; what
  // is outside the image is 0.
  const Expr element = computed(to.read(x, input));
  to.accumulate(number(0, ElementType::f32), [&](const Expr&) { return element; });
  const int64_t row = extents.back();
  const bool is_for_matrices = group.lowering.options.has_matrix_unit;
  return write_parts(to, spoken(image) + "_parts", type.element, split, 1, extents,
                     is_for_matrices ? pitch(row, size_of(ElementType::bf16)) : row, index);
}

/// w_parts[part, ...]: made of the weight alone, in its own order.
Lowering::Memory split_weight(const GroupLowering& group, Split split) {
  const ir::ValueId w = group.head.operands[1];
  const ir::TensorType& type = group.program.type(w);
  const std::string& weight = group.program.name_of(w);
  NestBuilder to = group.start_beside(
      ir::NestKind::filter_transform, "split_" + weight,
      fmt::format("the numbers of the weight %{} {}", weight, count_text(split.parts)));
  Coordinates tap;
  std::vector<int64_t> extents;
  for (const ir::Extent& extent : type.extents) {
    tap[extent.axis] = to.parallel(extent.axis, extent.size);
    extents.push_back(extent.size);
  }
  to.value = computed(to.read(w, tap));
  return write_parts(to, spoken(weight) + "_parts", type.element, split, 0, extents, extents.back(),
                     to.index(type, tap));
}

} // namespace

const Lowering::SplitProducts* split_products(const GroupLowering& group) {
  const ir::ValueId result = group.head.results[0];
  const std::map<ir::ValueId, int64_t>& asked = group.lowering.options.split_products;
  const auto products = asked.find(result);
  if (products == asked.end()) return nullptr;
  const int64_t parts = products->second > 4 ? 3 : 2;
  auto [entry, is_new] = group.lowering.splits.try_emplace(result);
  if (is_new) {
    const Split of_weight{parts, products->second};
    Split of_image = of_weight;
    of_image.cuts = parts == 3;
    entry->second = {parts, products->second, group.lowering.options.has_matrix_unit,
                     split_image(group, of_image), split_weight(group, of_weight)};
  }
  return &entry->second;
}

void accumulate_split_products(const Lowering::SplitProducts& split, const GroupLowering& group,
                               NestBuilder& to, const std::function<Expr()>& bias,
                               const Coordinates& input, const Coordinates& tap) {
  const int64_t parts = split.parts;
  std::vector<ir::NestAxis>& axes = to.nest.axes;
  const auto sums =
      std::ssize(axes) -
      std::count_if(axes.begin(), axes.end(), [](const auto& axis) { return axis.reduction; });
  const Affine of_weight = to.reduce(ir::AxisRole::part, "wp", parts);
  const Affine of_image = to.reduce(ir::AxisRole::part, "xp", parts);
  std::rotate(axes.begin() + sums, axes.end() - 2, axes.end());
  if (split.products < parts * parts) // not those of two small ones
    to.constrain(of_weight + of_image - (parts - 1), parts);

  const ir::TensorType &x = group.program.type(group.head.operands[0]),
                       &w = group.program.type(group.head.operands[1]);
  ir::Index at = {input[Axis::n], of_image};
  for (const Axis axis : x.spatial_axes()) at.emplace_back(input[axis]);
  at.emplace_back(input[Axis::c]);
  const Expr image = to.read(split.image, at);
  at = to.index(w, tap);
  at.insert(at.begin(), ir::Subscript(of_weight));
  const Expr filter = to.read(split.weight, at);
  to.accumulate(bias(), [&](const Expr& sum) {
    return fma(ir::convert_to(ElementType::f32, image), ir::convert_to(ElementType::f32, filter),
               sum);
  });
}

} // namespace volute::compiler
