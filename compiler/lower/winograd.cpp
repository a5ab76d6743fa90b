// Convolutions by Winograd's algorithm: F(m x m, r x r) nested from F(m, r) along each axis that is
// cut into tiles (toom_cook.h), as a program of nests. Of a 3x3 filter in tiles of 4x4 outputs,
// where a tile has 6x6 points:
//
//     filter         u[p, i, o]              made of the weight alone, when it is bound
//     image          d[n, h, w, c]           copied so that channels lie together, if they do not
//     along h        v[n, h, ph, w, c]       6 rows of points of every tile, from 6 rows
//     along w        v[p, n, h, w, c]        6 x 6 points of every tile
//     products       m[p, n, h, w, o]        for each point a product of matrices, tiles x channels
//     along h        y[n, h, rh, pw, w, o]   4 rows of a tile's outputs
//     along w        y[n, 4 h + rh, 4 w + rw, o]
//     the result     bias, and what is folded in; outputs beyond its end are left where they are
//
// An axis whose tiles are of one output keeps its taps, and the products add them up as they do
// channels: of 3x3x3 taps in tiles of 1x4x4 outputs m[p, n, d, h, w, o] is the sum over kd of
// v[p, n, d + kd, h, w, c] u[p, kd, i, o]. Any stride and dilation will do along it.
//
// In transforms the numbers of the matrices are a weight that is known when compiling. Tiles that
// reach into the padding leave out those taps, and tiles at the end compute outputs that nothing
// reads; nothing outside of the image is ever read. All nests walk rows of tiles, and can be
// computed inside the last one, some rows at a time (nests/bands.h).

#include "compiler/lower/winograd.h"

#include "compiler/lower/nest_builder.h"
#include "compiler/lower/toom_cook.h"

#include <fmt/format.h>

#include <algorithm>

namespace volute::compiler {

using ir::Affine;
using ir::Axis;
using ir::AxisRole;
using ir::ElementType;
using ir::Expr;
using ir::NestKind;
using ir::Window;

int64_t parts_of_sums(const std::vector<int64_t>& tile, int64_t inputs) {
  constexpr int64_t longest_sum = 96, enough_channels = 128, most_parts_of_a_line = 4;
  int64_t wide = 0, transformed = 0;
  for (const int64_t outputs : tile) wide += outputs >= 4, transformed += outputs > 1;
  if (wide < transformed) return 1;
  if (wide == 1) {
    if (inputs < enough_channels / 2) return 1;
    for (int64_t parts = 2; parts <= most_parts_of_a_line; ++parts)
      if (inputs % parts == 0) return parts;
    return 1;
  }
  for (int64_t parts = inputs < enough_channels ? 4 : 2; parts <= inputs / 2; ++parts)
    if (inputs % parts == 0 && inputs / parts <= longest_sum) return parts;
  return 1;
}

int64_t bands_along(int64_t tile, const Window& window) {
  return tile > 1 || window.kernel == 1 ? ir::ceil_div(window.output, tile) : 0;
}

int64_t most_bands(const std::vector<int64_t>& tile, const std::vector<Window>& windows) {
  int64_t most = 1;
  for (size_t i = 0; i + 1 < windows.size(); ++i)
    most = std::max(most, bands_along(tile[i], windows[i]));
  return most;
}

namespace {

/// Memory between two nests.
struct Array {
  std::string name;
  int32_t buffer = -1;
  std::vector<ir::Dim> dims;
};

/// A place in such memory, an index and the extents that it stays within.
struct Place {
  ir::Index index;
  std::vector<int64_t> extents;
  void add(const Affine& at, int64_t extent) { index.emplace_back(at), extents.push_back(extent); }
  void add_outermost(const Affine& at, int64_t extent) {
    index.insert(index.begin(), ir::Subscript(at));
    extents.insert(extents.begin(), extent);
  }
};

/// An axis of space, cut into tiles.
struct Tiled {
  Axis axis;
  Window window;
  int64_t outputs; // of a tile
  int64_t tiles;
  ToomCook numbers; // of one point, where the axis is not transformed
  bool is_transformed() const { return outputs > 1; }
  std::string letter() const { return std::string(1, ir::to_char(axis)); }
};

class Winograd {
public:
  Winograd(const GroupLowering& group, const std::vector<int64_t>& tile)
      : group_(group), lowering_(group.lowering), x_(group.head.operands[0]),
        w_(group.head.operands[1]), x_type_(group.program.type(x_)),
        w_type_(group.program.type(w_)), images_(x_type_.size(Axis::n)),
        inputs_(w_type_.size(Axis::i)), outputs_(w_type_.size(Axis::o)),
        parts_(parts_of_sums(tile, inputs_)) {
    const std::vector<Axis> axes = x_type_.spatial_axes();
    const std::vector<Window> windows = ir::windows(group.program, group.head);
    for (size_t i = 0; i < axes.size(); ++i) {
      axes_.push_back({axes[i], windows[i], tile[i], ir::ceil_div(windows[i].output, tile[i]),
                       toom_cook(tile[i], tile[i] > 1 ? windows[i].kernel : 1)});
      points_ *= axes_.back().numbers.points();
    }
  }

  void lower() {
    const Array filter = transform_filter();
    Array image = image_with_channels_last();
    for (size_t i = 0; i < axes_.size(); ++i)
      if (axes_[i].is_transformed()) image = transform_image(image, i);
    Array result = multiply(image, filter);
    for (size_t i = 0; i < axes_.size(); ++i)
      if (axes_[i].is_transformed()) result = transform_result(result, i);
    finish(result);
  }

private:
  std::string image_name() const { return spoken(group_.program.name_of(x_)); }
  std::string result_name() const { return spoken(group_.program.name_of(group_.head.results[0])); }

  /// Ends the nest with a write of its value into memory of its own.
  Array write(NestBuilder& to, const std::string& name, const Place& where) {
    int64_t elements = 1;
    for (const int64_t extent : where.extents) elements *= extent;
    const int32_t buffer = lowering_.intermediate(name, ElementType::f32, elements);
    Array result{name, buffer, ir::contiguous(where.extents)};
    to.write(name, buffer, result.dims, where.index, to.value);
    to.finish();
    return result;
  }

  Expr read(NestBuilder& to, const Array& from, ir::Index index) const {
    return to.read(from.name, from.buffer, from.dims, std::move(index));
  }

  /// The numbers of a matrix as the weight of a nest.
  Expr weight(NestBuilder& to, const std::string& name, const Matrix& matrix, const Affine& row,
              const Affine& column) {
    std::vector<double> numbers;
    for (const std::vector<double>& r : matrix) numbers.insert(numbers.end(), r.begin(), r.end());
    const int32_t table = lowering_.table(name, ElementType::f32, numbers);
    return to.read(name, table, ir::contiguous({std::ssize(matrix), std::ssize(matrix.front())}),
                   {row, column});
  }

  Affine parallel_points(NestBuilder& to, const Tiled& tiled) const {
    if (!tiled.is_transformed()) return 0;
    return to.parallel(AxisRole::other, "p" + tiled.letter(), tiled.numbers.points());
  }

  bool is_first_pass(size_t at) const {
    for (size_t i = 0; i < at; ++i)
      if (axes_[i].is_transformed()) return false;
    return true;
  }
  bool is_last_pass(size_t at) const {
    for (size_t i = at + 1; i < axes_.size(); ++i)
      if (axes_[i].is_transformed()) return false;
    return true;
  }

  // ---- the filter -----------------------------------------------------------------------------

  /// u[p, i, o] = sum over taps of G[ph, kh] G[pw, kw] w[o, i, kh, kw], in double and rounded once;
  /// taps along other axes stay, u[p, kd, i, o].
  Array transform_filter() {
    const std::string& name = group_.program.name_of(w_);
    NestBuilder to = group_.start_beside(NestKind::filter_transform, "transform_" + name,
                                         fmt::format("the weight %{} at {} points", name, points_));
    const Affine p = to.parallel(AxisRole::group, "p", points_);
    Coordinates tap;
    tap[Axis::i] = to.parallel(Axis::i, inputs_);
    tap[Axis::o] = to.parallel(Axis::o, outputs_);
    Place into;
    into.add(p, points_);
    for (const Tiled& tiled : axes_) {
      const int64_t taps = tiled.window.kernel;
      if (tiled.is_transformed() || taps == 1) continue;
      into.add(tap[tiled.axis] = to.parallel(AxisRole::other, "k" + tiled.letter(), taps), taps);
    }
    std::vector<int64_t> extents = {points_};
    ir::Index index = {p};
    for (const Tiled& tiled : axes_) {
      if (!tiled.is_transformed()) continue;
      tap[tiled.axis] = to.reduce_taps(tiled.axis, tiled.window.kernel);
      extents.push_back(tiled.window.kernel);
      index.emplace_back(tap[tiled.axis]);
    }
    std::vector<double> numbers = {1}; // of all axes so far: points, then taps
    int64_t points = 1, taps = 1;
    for (const Tiled& tiled : axes_) {
      if (!tiled.is_transformed()) continue;
      std::vector<double> more;
      for (int64_t q = 0; q < points; ++q)
        for (const std::vector<double>& row : tiled.numbers.filter)
          for (int64_t k = 0; k < taps; ++k)
            for (const double number : row)
              more.push_back(numbers[static_cast<size_t>(q * taps + k)] * number);
      numbers = std::move(more);
      points *= tiled.numbers.points(), taps *= tiled.window.kernel;
    }
    const std::string table = spoken(name) + "_transform";
    const Expr factor = to.read(table, lowering_.table(table, ElementType::f64, numbers),
                                ir::contiguous(extents), std::move(index));
    const Expr element = converted(ElementType::f64, to.read(w_, tap));
    to.accumulate(number(0, ElementType::f64),
                  [&](const Expr& sum) { return fma(element, factor, sum); });
    into.add(tap[Axis::i], inputs_), into.add(tap[Axis::o], outputs_);
    return write(to, spoken(name) + "_points", into);
  }

  // ---- the image ------------------------------------------------------------------------------

  /// The image where it lies, if channels lie together there, or a copy.
  Array image_with_channels_last() {
    if (x_type_.extents.back().axis == Axis::c) return {};
    const std::string& name = group_.program.name_of(x_);
    NestBuilder to = group_.start_beside(NestKind::transform, fmt::format("turn_{}", name),
                                         fmt::format("the image %{} with channels last", name));
    Coordinates at;
    Place into;
    const auto along = [&](Axis axis, int64_t extent) {
      at[axis] = to.parallel(axis, extent);
      into.add(at[axis], extent);
    };
    along(Axis::n, images_);
    for (const Tiled& tiled : axes_) along(tiled.axis, tiled.window.input);
    along(Axis::c, inputs_);
    // A sum of one element, so that it may lie in registers along one axis and go along another.
    const Expr element = to.read(x_, at);
    to.accumulate(number(0, ElementType::f32), [&](const Expr&) { return element; });
    return write(to, image_name() + "_turned", into);
  }

  /// Along an axis of the image: tiles from where it was transformed on, else its elements.
  static int64_t image_extent(const Tiled& tiled, bool is_done) {
    return is_done && tiled.is_transformed() ? tiled.tiles : tiled.window.input;
  }

  /// The points of all tiles along one more axis. `image` has those of the axes before it; without
  /// a buffer it is the image itself.
  Array transform_image(const Array& image, size_t at) {
    const Tiled& here = axes_[at];
    const std::string& name = group_.program.name_of(x_);
    NestBuilder to = group_.start_beside(NestKind::transform,
                                         fmt::format("transform_{}_{}", name, here.letter()),
                                         fmt::format("the image %{} at {} points along {}", name,
                                                     here.numbers.points(), here.letter()));
    const Affine n = to.parallel(Axis::n, images_);
    std::vector<Affine> position, point; // by axis
    for (size_t i = 0; i < axes_.size(); ++i) {
      const Tiled& tiled = axes_[i];
      position.push_back(to.parallel(tiled.axis, image_extent(tiled, i <= at)));
      point.push_back(i <= at ? parallel_points(to, tiled) : Affine(0));
    }
    const Affine c = to.parallel(Axis::c, inputs_);
    const Affine tap = to.reduce_taps(here.axis, here.numbers.points());
    const Affine row = position[at] * here.outputs + tap - here.window.pad_begin;
    to.constrain(row, here.window.input);

    Coordinates in_image;
    in_image[Axis::n] = n, in_image[Axis::c] = c;
    Place from, into, tiles;
    Affine all_points = 0;
    for (Place* place : {&from, &into, &tiles}) place->add(n, images_);
    for (size_t i = 0; i < axes_.size(); ++i) {
      const Tiled& tiled = axes_[i];
      const Affine reads = i == at ? row : position[i];
      in_image[tiled.axis] = reads;
      from.add(reads, image_extent(tiled, i < at));
      if (i < at && tiled.is_transformed()) from.add(point[i], tiled.numbers.points());
      into.add(position[i], image_extent(tiled, i <= at));
      if (i <= at && tiled.is_transformed()) into.add(point[i], tiled.numbers.points());
      tiles.add(position[i], image_extent(tiled, true));
      all_points = all_points * tiled.numbers.points() + point[i];
    }
    for (Place* place : {&from, &into, &tiles}) place->add(c, inputs_);
    const Expr element = image.buffer < 0 ? to.read(x_, in_image) : read(to, image, from.index);
    const Expr factor = weight(to, fmt::format("{}_numbers_{}", image_name(), here.letter()),
                               here.numbers.image, point[at], tap);
    to.accumulate(number(0, ElementType::f32),
                  [&](const Expr& sum) { return fma(element, factor, sum); });
    if (!is_last_pass(at))
      return write(to, fmt::format("{}_points_{}", image_name(), here.letter()), into);
    tiles.add_outermost(all_points, points_);
    return write(to, image_name() + "_points", tiles);
  }

  // ---- products -------------------------------------------------------------------------------

  Array multiply(const Array& image, const Array& filter) {
    NestBuilder to = group_.start("_products");
    const Affine n = to.parallel(Axis::n, images_);
    const Affine part = parts_ > 1 ? to.parallel(AxisRole::group, "part", parts_) : Affine(0);
    const Affine p = to.parallel(AxisRole::group, "p", points_);
    const Affine o = to.parallel(Axis::o, outputs_);
    ir::Index from = {p, n}, of_filter = {p};
    Place into;
    into.add(part, parts_), into.add(p, points_), into.add(n, images_);
    for (const Tiled& tiled : axes_) {
      const Affine tile = to.parallel(tiled.axis, tiled.tiles);
      into.add(tile, tiled.tiles);
      from.emplace_back(tile);
    }
    const Affine i = part * (inputs_ / parts_) + to.reduce(Axis::i, inputs_ / parts_);
    for (size_t a = 0; a < axes_.size(); ++a) {
      const auto& [axis, window, outputs, tiles, numbers] = axes_[a];
      if (axes_[a].is_transformed()) continue;
      Affine tap = 0;
      if (window.kernel > 1) of_filter.emplace_back(tap = to.reduce_taps(axis, window.kernel));
      Affine& reads = from[2 + a].at;
      reads = reads * window.stride + tap * window.dilation - window.pad_begin;
      to.constrain(reads, window.input);
    }
    from.emplace_back(i);
    of_filter.emplace_back(i), of_filter.emplace_back(o);
    into.add(o, outputs_);
    const Expr element = read(to, image, std::move(from));
    const Expr factor = read(to, filter, std::move(of_filter));
    to.accumulate(number(0, ElementType::f32),
                  [&](const Expr& sum) { return fma(element, factor, sum); });
    return write(to, result_name() + "_points", into);
  }

  // ---- the result -----------------------------------------------------------------------------

  /// The outputs of all tiles along one more axis, of whose points `from` is made.
  Array transform_result(const Array& from, size_t at) {
    const Tiled& here = axes_[at];
    NestBuilder to = group_.start("_" + here.letter());
    to.nest.kind = NestKind::transform;
    const Affine n = to.parallel(Axis::n, images_);
    std::vector<Affine> tile, output, point; // by axis
    for (size_t i = 0; i < axes_.size(); ++i) {
      const Tiled& tiled = axes_[i];
      tile.push_back(to.parallel(tiled.axis, tiled.tiles));
      output.push_back(i <= at && tiled.is_transformed()
                           ? to.parallel_residues(tiled.axis, tiled.outputs)
                           : Affine(0));
      point.push_back(i > at ? parallel_points(to, tiled) : Affine(0));
    }
    const Affine o = to.parallel(Axis::o, outputs_);
    const bool is_first = is_first_pass(at);
    const Affine part =
        is_first && parts_ > 1 ? to.reduce(AxisRole::channel, "part", parts_) : Affine(0);
    point[at] = to.reduce(AxisRole::tap, "p" + here.letter(), here.numbers.points());

    Place reads, into, outputs;
    Affine all_points = 0;
    for (Place* place : {&reads, &into, &outputs}) place->add(n, images_);
    for (size_t i = 0; i < axes_.size(); ++i) {
      const Tiled& tiled = axes_[i];
      reads.add(tile[i], tiled.tiles), into.add(tile[i], tiled.tiles);
      if (tiled.is_transformed() && !is_first)
        i < at ? reads.add(output[i], tiled.outputs) : reads.add(point[i], tiled.numbers.points());
      if (tiled.is_transformed())
        i <= at ? into.add(output[i], tiled.outputs) : into.add(point[i], tiled.numbers.points());
      outputs.add(tile[i] * tiled.outputs + output[i], tiled.tiles * tiled.outputs);
      all_points = all_points * tiled.numbers.points() + point[i];
    }
    for (Place* place : {&reads, &into, &outputs}) place->add(o, outputs_);
    if (is_first) reads.add_outermost(all_points, points_), reads.add_outermost(part, parts_);
    const Expr element = read(to, from, reads.index);
    const Expr factor = weight(to, fmt::format("{}_numbers_{}", result_name(), here.letter()),
                               here.numbers.result, output[at], point[at]);
    to.accumulate(number(0, ElementType::f32),
                  [&](const Expr& sum) { return fma(element, factor, sum); });
    return is_last_pass(at)
               ? write(to, result_name() + "_tiles", outputs)
               : write(to, fmt::format("{}_points_{}", result_name(), here.letter()), into);
  }

  /// The axes of the result, first the one along which all nests are cut into bands (nests/bands.h
  /// takes the outermost).
  std::vector<const Tiled*> in_order_of_bands() const {
    std::vector<const Tiled*> order;
    for (const Tiled& tiled : axes_) order.push_back(&tiled);
    const auto bands = [](const Tiled* tiled) {
      return bands_along(tiled->outputs, tiled->window);
    };
    if (order.size() > 1)
      std::stable_sort(order.begin(), order.end() - 1,
                       [&](const Tiled* a, const Tiled* b) { return bands(a) > bands(b); });
    return order;
  }

  /// The result in its own layout, as far as it reaches, with all that is folded in.
  void finish(const Array& tiles) {
    NestBuilder to = group_.start();
    group_.add_parallel(to, Axis::n, images_);
    to.at[Axis::c] = to.parallel(Axis::o, outputs_);
    for (const Tiled* tiled : in_order_of_bands())
      group_.add_parallel(to, tiled->axis, tiled->window.output);
    ir::Index index = {to.at[Axis::n]};
    for (const Tiled& tiled : axes_) index.emplace_back(to.at[tiled.axis]);
    index.emplace_back(to.at[Axis::c]);
    const Expr element = read(to, tiles, std::move(index));
    Coordinates channel;
    channel[Axis::o] = to.at[Axis::c];
    const Expr start = group_.head.operands.size() > 2
                           ? computed(to.read(group_.head.operands[2], channel))
                           : number(0, ElementType::f32);
    to.accumulate(start, [&](const Expr& sum) { return sum + element; });
    group_.finish(std::move(to));
  }

  const GroupLowering& group_;
  Lowering& lowering_;
  const ir::ValueId x_, w_;
  const ir::TensorType &x_type_, &w_type_;
  const int64_t images_, inputs_, outputs_, parts_;
  std::vector<Tiled> axes_;
  int64_t points_ = 1; // of a tile
};

} // namespace

bool lower_winograd(const GroupLowering& group) {
  const auto found = group.lowering.options.tiles.find(group.head.results[0]);
  if (found == group.lowering.options.tiles.end()) return false;
  Winograd(group, found->second).lower();
  return true;
}

} // namespace volute::compiler
