#include "compiler/rewrites/winograd.h"

#include "compiler/lower/toom_cook.h"
#include "compiler/lower/winograd.h"
#include "compiler/nests/place_bands.h"
#include "ir/infer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

namespace volute::compiler {

using ir::Axis;
using ir::ElementType;
using ir::TensorType;

namespace {

// What the image and the products take at all their points, in elements. Bands keep less of it at a
// time; where there are none, it is what a call asks for.
constexpr int64_t most_elements = int64_t{1} << 40;

bool is_whole(const TensorType& type) { return type.axes().size() == type.extents.size(); }

} // namespace

std::optional<std::string> winograd_obstacle(const ir::Program& program,
                                             const ir::Statement& statement,
                                             const std::vector<int64_t>& tile) {
  const auto* conv = std::get_if<ir::Conv>(&statement.operation);
  if (!conv) return "it is no convolution";
  const TensorType &x = program.type(statement.operands[0]),
                   &w = program.type(statement.operands[1]),
                   &y = program.type(statement.results[0]);
  if (x.element != ElementType::f32 || y.element != ElementType::f32)
    return fmt::format("its elements are {}, not f32",
                       to_string(x.element != ElementType::f32 ? x.element : y.element));
  const std::vector<Axis> axes = x.spatial_axes();
  if (axes.size() != tile.size())
    return fmt::format("its image has {} axes of space, and tiles have {}", axes.size(),
                       tile.size());
  if (conv->groups != 1) return fmt::format("it has {} groups", conv->groups);
  if (conv->padding_mode != ir::PadMode::zeros) return "its padding is not of zeros";
  if (!is_whole(x) || !is_whole(w) || !is_whole(y)) return "a type of it has split axes";
  if (y.elements() == 0) return "there is no work";
  const std::vector<ir::Window> windows = ir::windows(program, statement);
  int64_t elements = y.size(Axis::n) * std::max(w.size(Axis::i), w.size(Axis::o));
  for (size_t i = 0; i < axes.size(); ++i) {
    const ir::Window& window = windows[i];
    if (tile[i] == 1) { // its taps are added up as channels are
      elements *= std::max(window.input, window.output);
      if (elements > most_elements) return "its image is too large";
      continue;
    }
    if (window.stride != 1) return fmt::format("its stride is {}", window.stride);
    if (window.dilation != 1) return fmt::format("its dilation is {}", window.dilation);
    if (window.kernel == 1) return fmt::format("its filter has one tap along {}", to_char(axes[i]));
    const int64_t points = tile[i] + window.kernel - 1;
    if (points > most_toom_cook_points)
      return fmt::format("tiles of {} outputs of {} taps have {} points, more than {}", tile[i],
                         window.kernel, points, most_toom_cook_points);
    elements *= points * ir::ceil_div(window.output, tile[i]);
    if (elements > most_elements) return "its image is too large";
  }
  return std::nullopt;
}

namespace {

/// Of filters of three taps along each axis that is cut into tiles.
double error_of_three_taps(const std::vector<int64_t>& tile, int64_t inputs) {
  const auto channels = static_cast<double>(inputs);
  const auto wide = std::count_if(tile.begin(), tile.end(), [](int64_t m) { return m >= 4; });
  const auto transformed = std::count_if(tile.begin(), tile.end(), [](int64_t m) { return m > 1; });
  if (wide == 0) return 0.6 + 1.4 / std::sqrt(channels);
  if (wide < transformed) return 1.7 + 8 / channels;
  if (wide == 1) return parts_of_sums(tile, inputs) == 1 ? 2.5 + 8 / channels : 1.9;
  if (parts_of_sums(tile, inputs) == 1) return 3 + 16 / channels;
  return channels >= 64 ? 1.9 : 1.2 + 45 / channels;
}

} // namespace

double winograd_error(const ir::Program& program, const ir::Statement& statement,
                      const std::vector<int64_t>& tile) {
  const int64_t inputs = program.type(statement.operands[1]).size(Axis::i);
  // Transforms err by so much for each channel, which adds up more slowly than the error of a
  // direct sum does; that of the sums of products grows as fast, they are shorter, and the last
  // transform multiplies what they are off by. Measured with 3x3 taps and 1 to 512 channels, the
  // largest errors of 13,000 to 18,000 outputs: in tiles of 2x2 outputs 1.7 (1 channel) to 0.3, of
  // 2x4 6.9 to 0.9, of 4x4 in sums over all channels 13 to 2.9, in sums over parts of them at most
  // 1.75 from 64 channels on. More taps have more points: 5x5 in tiles of 2x2 4.3 to 1.2, of 4x4
  // 17 to 1.3 (2.5 of 256 channels), 7x7 in tiles of 2x2 12 to 2.5. Of fewer a direct sum errs
  // less.
  const std::vector<ir::Window> windows = ir::windows(program, statement);
  int64_t least = 3, most = 3;
  bool is_wide = false;
  for (size_t i = 0; i < tile.size(); ++i) {
    if (tile[i] == 1) continue;
    least = std::min(least, windows[i].kernel), most = std::max(most, windows[i].kernel);
    is_wide |= tile[i] >= 4;
  }
  const double root = std::sqrt(static_cast<double>(inputs));
  double error = error_of_three_taps(tile, inputs);
  if (most > 5)
    error *= 8;
  else if (most > 3)
    error = is_wide ? 2.7 * error : most == 4 ? 1.5 + 10 / root : 1.3 + 5 / root;
  return least < 3 ? 1.7 * error : error;
}

namespace {

double count_of_numbers(const Matrix& matrix) {
  double count = 0;
  for (const std::vector<double>& row : matrix)
    count += static_cast<double>(
        std::count_if(row.begin(), row.end(), [](double number) { return number != 0; }));
  return count;
}

// Of direct sums, and of products between transforms. Measured on Zen 4.
constexpr double share_of_peak = 0.95;
constexpr double cycles_a_store = 2; // of a vector, where little is done but loads and stores

} // namespace

Form::Estimate winograd_estimate(const ir::Program& program, const ir::Statement& statement,
                                 const Target& target, const std::vector<int64_t>& tile) {
  const TensorType& w = program.type(statement.operands[1]);
  const int64_t inputs = w.size(Axis::i), outputs = w.size(Axis::o), lanes = target.lanes(4);
  const auto vectors_in = static_cast<double>(ir::ceil_div(inputs, lanes)),
             vectors_out = static_cast<double>(ir::ceil_div(outputs, lanes)),
             channels = static_cast<double>(inputs),
             parts = static_cast<double>(parts_of_sums(tile, inputs));
  const std::vector<ir::Window> windows = ir::windows(program, statement);
  double tiles = static_cast<double>(program.type(statement.results[0]).size(Axis::n));
  double results = tiles, points = 1, taps = 1, per_tile = 1;
  // Along an axis that is not cut into tiles there are as many slices of the image as it has
  // elements, and the products of a result are those of so many slices.
  double slices = 1, taps_of_slices = 1;
  std::vector<ToomCook> numbers; // of the others
  for (size_t i = 0; i < windows.size(); ++i) {
    const ir::Window& window = windows[i];
    const auto along = static_cast<double>(ir::ceil_div(window.output, tile[i]));
    tiles *= along;
    results *= static_cast<double>(window.output);
    taps *= static_cast<double>(window.kernel);
    if (tile[i] == 1) {
      slices *= static_cast<double>(window.input) / static_cast<double>(window.output);
      taps_of_slices *= static_cast<double>(window.kernel);
      continue;
    }
    numbers.push_back(toom_cook(tile[i], window.kernel));
    points *= static_cast<double>(numbers.back().points());
    per_tile *= static_cast<double>(tile[i]);
  }
  // Multiply-adds and stores for a tile and a vector of channels, axis by axis: axes before have
  // their points already, and on the way back their outputs.
  double image = 0, result = parts * points * cycles_a_store;
  const double rate = target.fma_per_cycle;
  double done = 1, left = per_tile, back = 1, points_left = points;
  for (size_t i = 0; i < numbers.size(); ++i) {
    const auto p = static_cast<double>(numbers[i].points()),
               m = static_cast<double>(numbers[i].outputs);
    left /= m, points_left /= p;
    image += done * left * (count_of_numbers(numbers[i].image) / rate + p * cycles_a_store);
    result +=
        back * points_left *
        ((i == 0 ? parts : 1) * count_of_numbers(numbers[i].result) / rate + m * cycles_a_store);
    done *= p, back *= m;
  }
  result += per_tile * cycles_a_store; // into its own layout

  const double filter = 4 * points * taps_of_slices * channels * static_cast<double>(outputs);
  const double between =
      4 * tiles * points * (slices * channels + parts * static_cast<double>(outputs));
  const auto l2 = static_cast<double>(target.l2_bytes);
  const double rows = // bands are of one image's
      static_cast<double>(program.type(statement.results[0]).size(Axis::n) *
                          most_bands(tile, windows));
  const double bands = between <= l2 ? 1 : std::min(rows, between / (0.75 * l2));
  const double way =
      std::min(cycles_in_bands(target, filter, bands), cycles_in_turn(target, filter, between));
  const double products = points * taps_of_slices * channels * vectors_out / (share_of_peak * rate);
  return {tiles * (products + slices * image * vectors_in + result * vectors_out) + way,
          results * taps * channels * vectors_out / (share_of_peak * rate)};
}

} // namespace volute::compiler
