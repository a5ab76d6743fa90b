#include "tools/contact_sheet.h"

#include "compiler/image/tensor_strides.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

namespace volute::tools {
namespace {

// Letters of 5 by 7 dots from the space to the tilde: a byte a column, its lowest bit on top.
constexpr unsigned char letters[95][5] = {
    {0x00, 0x00, 0x00, 0x00, 0x00}, {0x00, 0x00, 0x5F, 0x00, 0x00}, {0x00, 0x07, 0x00, 0x07, 0x00},
    {0x14, 0x7F, 0x14, 0x7F, 0x14}, {0x24, 0x2A, 0x7F, 0x2A, 0x12}, {0x23, 0x13, 0x08, 0x64, 0x62},
    {0x36, 0x49, 0x55, 0x22, 0x50}, {0x00, 0x05, 0x03, 0x00, 0x00}, {0x00, 0x1C, 0x22, 0x41, 0x00},
    {0x00, 0x41, 0x22, 0x1C, 0x00}, {0x14, 0x08, 0x3E, 0x08, 0x14}, {0x08, 0x08, 0x3E, 0x08, 0x08},
    {0x00, 0x50, 0x30, 0x00, 0x00}, {0x08, 0x08, 0x08, 0x08, 0x08}, {0x00, 0x60, 0x60, 0x00, 0x00},
    {0x20, 0x10, 0x08, 0x04, 0x02}, {0x3E, 0x51, 0x49, 0x45, 0x3E}, {0x00, 0x42, 0x7F, 0x40, 0x00},
    {0x42, 0x61, 0x51, 0x49, 0x46}, {0x21, 0x41, 0x45, 0x4B, 0x31}, {0x18, 0x14, 0x12, 0x7F, 0x10},
    {0x27, 0x45, 0x45, 0x45, 0x39}, {0x3C, 0x4A, 0x49, 0x49, 0x30}, {0x01, 0x71, 0x09, 0x05, 0x03},
    {0x36, 0x49, 0x49, 0x49, 0x36}, {0x06, 0x49, 0x49, 0x29, 0x1E}, {0x00, 0x36, 0x36, 0x00, 0x00},
    {0x00, 0x56, 0x36, 0x00, 0x00}, {0x08, 0x14, 0x22, 0x41, 0x00}, {0x14, 0x14, 0x14, 0x14, 0x14},
    {0x00, 0x41, 0x22, 0x14, 0x08}, {0x02, 0x01, 0x51, 0x09, 0x06}, {0x32, 0x49, 0x79, 0x41, 0x3E},
    {0x7E, 0x11, 0x11, 0x11, 0x7E}, {0x7F, 0x49, 0x49, 0x49, 0x36}, {0x3E, 0x41, 0x41, 0x41, 0x22},
    {0x7F, 0x41, 0x41, 0x22, 0x1C}, {0x7F, 0x49, 0x49, 0x49, 0x41}, {0x7F, 0x09, 0x09, 0x09, 0x01},
    {0x3E, 0x41, 0x49, 0x49, 0x7A}, {0x7F, 0x08, 0x08, 0x08, 0x7F}, {0x00, 0x41, 0x7F, 0x41, 0x00},
    {0x20, 0x40, 0x41, 0x3F, 0x01}, {0x7F, 0x08, 0x14, 0x22, 0x41}, {0x7F, 0x40, 0x40, 0x40, 0x40},
    {0x7F, 0x02, 0x0C, 0x02, 0x7F}, {0x7F, 0x04, 0x08, 0x10, 0x7F}, {0x3E, 0x41, 0x41, 0x41, 0x3E},
    {0x7F, 0x09, 0x09, 0x09, 0x06}, {0x3E, 0x41, 0x51, 0x21, 0x5E}, {0x7F, 0x09, 0x19, 0x29, 0x46},
    {0x46, 0x49, 0x49, 0x49, 0x31}, {0x01, 0x01, 0x7F, 0x01, 0x01}, {0x3F, 0x40, 0x40, 0x40, 0x3F},
    {0x1F, 0x20, 0x40, 0x20, 0x1F}, {0x3F, 0x40, 0x38, 0x40, 0x3F}, {0x63, 0x14, 0x08, 0x14, 0x63},
    {0x07, 0x08, 0x70, 0x08, 0x07}, {0x61, 0x51, 0x49, 0x45, 0x43}, {0x00, 0x7F, 0x41, 0x41, 0x00},
    {0x02, 0x04, 0x08, 0x10, 0x20}, {0x00, 0x41, 0x41, 0x7F, 0x00}, {0x04, 0x02, 0x01, 0x02, 0x04},
    {0x40, 0x40, 0x40, 0x40, 0x40}, {0x00, 0x01, 0x02, 0x04, 0x00}, {0x20, 0x54, 0x54, 0x54, 0x78},
    {0x7F, 0x48, 0x44, 0x44, 0x38}, {0x38, 0x44, 0x44, 0x44, 0x20}, {0x38, 0x44, 0x44, 0x48, 0x7F},
    {0x38, 0x54, 0x54, 0x54, 0x18}, {0x08, 0x7E, 0x09, 0x01, 0x02}, {0x0C, 0x52, 0x52, 0x52, 0x3E},
    {0x7F, 0x08, 0x04, 0x04, 0x78}, {0x00, 0x44, 0x7D, 0x40, 0x00}, {0x20, 0x40, 0x44, 0x3D, 0x00},
    {0x7F, 0x10, 0x28, 0x44, 0x00}, {0x00, 0x41, 0x7F, 0x40, 0x00}, {0x7C, 0x04, 0x18, 0x04, 0x78},
    {0x7C, 0x08, 0x04, 0x04, 0x78}, {0x38, 0x44, 0x44, 0x44, 0x38}, {0x7C, 0x14, 0x14, 0x14, 0x08},
    {0x08, 0x14, 0x14, 0x18, 0x7C}, {0x7C, 0x08, 0x04, 0x04, 0x08}, {0x48, 0x54, 0x54, 0x54, 0x20},
    {0x04, 0x3F, 0x44, 0x40, 0x20}, {0x3C, 0x40, 0x40, 0x20, 0x7C}, {0x1C, 0x20, 0x40, 0x20, 0x1C},
    {0x3C, 0x40, 0x30, 0x40, 0x3C}, {0x44, 0x28, 0x10, 0x28, 0x44}, {0x0C, 0x50, 0x50, 0x50, 0x3C},
    {0x44, 0x64, 0x54, 0x4C, 0x44}, {0x00, 0x08, 0x36, 0x41, 0x00}, {0x00, 0x00, 0x7F, 0x00, 0x00},
    {0x00, 0x41, 0x36, 0x08, 0x00}, {0x10, 0x08, 0x08, 0x10, 0x08},
};
constexpr int64_t letter_width = 6, letter_height = 7;

using Colour = std::array<unsigned char, 3>;
constexpr Colour paper = {250, 250, 248}, ink = {28, 32, 37}, quiet = {104, 112, 122},
                 no_number = {214, 48, 49};

constexpr int64_t margin = 12, gap = 8, label_height = letter_height + 6;
constexpr int64_t picture_size = 96;  // that small ones are enlarged to, about
constexpr int64_t largest_size = 384; // that large ones are thinned out to, or
constexpr double most_pixels = 4e7;   // of all of a value's together
constexpr int64_t least_cell = 16 * letter_width;
constexpr int64_t largest_side = 16384; // of the sheet

/// Where the elements of a channel lie. Of weights, a filter is a picture of its input channels.
struct Planes {
  explicit Planes(const ir::TensorType& type)
      : images(type.size(ir::Axis::n) * type.size(ir::Axis::o)),
        channels(type.size(ir::Axis::c) * type.size(ir::Axis::i)), depth(type.size(ir::Axis::d)),
        height(type.size(ir::Axis::h)), width(type.size(ir::Axis::w)), type_(type),
        strides_(compiler::dense_strides(type)) {}

  int64_t images, channels, depth, height, width;

  size_t at(int64_t n, int64_t c, int64_t d, int64_t h, int64_t w) const {
    int64_t offset = 0;
    std::array<int64_t, 7> inner{}; // of each axis: elements that its parts so far stand for
    inner.fill(1);
    for (size_t i = type_.extents.size(); i-- > 0;) {
      const ir::Extent& extent = type_.extents[i];
      const int64_t position = extent.axis == ir::Axis::n || extent.axis == ir::Axis::o   ? n
                               : extent.axis == ir::Axis::c || extent.axis == ir::Axis::i ? c
                               : extent.axis == ir::Axis::d                               ? d
                               : extent.axis == ir::Axis::h                               ? h
                               : extent.axis == ir::Axis::w                               ? w
                                                                                          : 0;
      int64_t& unit = inner[static_cast<size_t>(extent.axis)];
      offset += position / unit % extent.size * strides_[i];
      unit *= extent.size;
    }
    return static_cast<size_t>(offset);
  }

private:
  const ir::TensorType& type_;
  compiler::TensorStrides strides_;
};

class Canvas {
public:
  Canvas(unsigned char* pixels, int64_t width, int64_t height)
      : pixels_(pixels), width_(width), height_(height) {
    for (int64_t i = 0; i < width * height; ++i) std::memcpy(pixels + 3 * i, paper.data(), 3);
  }
  void set(int64_t x, int64_t y, const Colour& colour) {
    if (x >= 0 && y >= 0 && x < width_ && y < height_)
      std::memcpy(pixels_ + 3 * (y * width_ + x), colour.data(), 3);
  }
  /// Cut off where there is room for no more.
  void write(int64_t x, int64_t y, std::string_view text, const Colour& colour, int64_t room) {
    for (size_t i = 0; i < text.size() && static_cast<int64_t>(i + 1) * letter_width <= room; ++i) {
      const auto c = static_cast<unsigned char>(text[i]);
      const unsigned char* columns = letters[c >= 32 && c < 127 ? c - 32 : '?' - 32];
      for (int64_t column = 0; column < 5; ++column)
        for (int64_t row = 0; row < letter_height; ++row)
          if (columns[column] >> row & 1)
            set(x + static_cast<int64_t>(i) * letter_width + column, y + row, colour);
    }
  }

private:
  unsigned char* pixels_;
  int64_t width_, height_;
};

/// One small picture: some channels of an image at a depth.
struct Cell {
  int64_t image, channel, depth;
};

/// A value on the sheet.
class Part {
public:
  explicit Part(const Pictured& value)
      : value_(value), planes_(value.data.type), elements_(ir::elements_of(value.data)) {
    in_colour_ = planes_.images > 1 && planes_.channels == 3;
    const int64_t channels = in_colour_ ? 1 : planes_.channels;
    all_ = planes_.images * channels * planes_.depth;
    for (int64_t n = 0; n < planes_.images; ++n)
      for (int64_t c = 0; c < channels; ++c)
        for (int64_t d = 0; d < planes_.depth; ++d)
          if (std::ssize(cells_) < most_pictures) cells_.push_back({n, c, d});
    const int64_t longest = std::max({planes_.height, planes_.width, int64_t{1}});
    larger_ = std::max<int64_t>(1, (picture_size + longest / 2) / longest);
    const auto room = static_cast<int64_t>(
        std::sqrt(most_pixels / std::max(1.0, static_cast<double>(cells_.size()))));
    const int64_t largest = std::min(largest_size, room);
    every_ = (longest + largest - 1) / largest;
    width_ = drawn(planes_.width);
    // A row of numbers has no height: it is drawn with one.
    height_ = planes_.height > 1 ? drawn(planes_.height) : std::max<int64_t>(larger_, 24);
    cell_width_ = std::max(width_, least_cell) + gap;
    cell_height_ = height_ + label_height + gap;
    const double count = static_cast<double>(cells_.size());
    columns_ = std::clamp<int64_t>(
        std::llround(std::ceil(std::sqrt(1.5 * count * static_cast<double>(cell_height_) /
                                         static_cast<double>(cell_width_)))),
        1,
        std::max<int64_t>(1, std::min((largest_side - 2 * margin) / cell_width_,
                                      static_cast<int64_t>(cells_.size()))));
  }

  int64_t width() const {
    const auto title_width = static_cast<int64_t>(title().size()) * letter_width;
    return 2 * margin + std::max(columns_ * cell_width_ - gap, title_width);
  }
  int64_t height() const {
    const int64_t rows = (std::ssize(cells_) + columns_ - 1) / columns_;
    return label_height + gap + rows * cell_height_;
  }

  void draw(Canvas& canvas, int64_t top) const {
    canvas.write(margin, top, title(), ink, std::numeric_limits<int64_t>::max());
    for (size_t i = 0; i < cells_.size(); ++i) {
      const auto at = static_cast<int64_t>(i);
      draw(canvas, cells_[i], margin + at % columns_ * cell_width_,
           top + label_height + gap + at / columns_ * cell_height_);
    }
  }

private:
  int64_t drawn(int64_t size) const { return (size + every_ - 1) / every_ * larger_; }

  std::string title() const {
    const std::string cut = all_ > std::ssize(cells_)
                                ? fmt::format(" (the first {} of {} pictures)", cells_.size(), all_)
                                : "";
    return fmt::format("%{}: {}{}", value_.name, ir::to_string(value_.data.type), cut);
  }

  std::string number(const Cell& cell) const {
    std::string text;
    if (planes_.images > 1) text = std::to_string(cell.image);
    if (!in_colour_ && planes_.channels > 1)
      text += fmt::format("{}{}", text.empty() ? "" : ".", cell.channel);
    if (planes_.depth > 1) text += fmt::format("{}d{}", text.empty() ? "" : " ", cell.depth);
    return text;
  }

  double element(const Cell& cell, int64_t channel, int64_t h, int64_t w) const {
    return elements_[planes_.at(cell.image, channel, cell.depth, h, w)];
  }

  void draw(Canvas& canvas, const Cell& cell, int64_t left, int64_t top) const {
    double least = std::numeric_limits<double>::infinity(), most = -least;
    const int64_t channels = in_colour_ ? 3 : 1;
    for (int64_t c = 0; c < channels; ++c)
      for (int64_t h = 0; h < planes_.height; ++h)
        for (int64_t w = 0; w < planes_.width; ++w) {
          const double value = element(cell, cell.channel + c, h, w);
          if (std::isfinite(value)) least = std::min(least, value), most = std::max(most, value);
        }
    const auto grey = [&](double value) {
      const double share = most > least ? (value - least) / (most - least) : 0.5;
      return static_cast<unsigned char>(std::lround(255 * share));
    };
    for (int64_t y = 0; y < height_; ++y)
      for (int64_t x = 0; x < width_; ++x) {
        const int64_t h = planes_.height > 1 ? y / larger_ * every_ : 0, w = x / larger_ * every_;
        Colour colour{};
        for (int64_t c = 0; c < 3; ++c) {
          const double value = element(cell, cell.channel + (in_colour_ ? c : 0), h, w);
          if (!std::isfinite(value)) {
            colour = no_number;
            break;
          }
          colour[static_cast<size_t>(c)] = grey(value);
        }
        canvas.set(left + x, top + y, colour);
      }
    const std::string range = most >= least ? fmt::format("{:.3g}..{:.3g}", least, most) : "none";
    const std::string own = number(cell);
    const int64_t room = cell_width_ - gap, y = top + height_ + 3;
    canvas.write(left, y, own, ink, room);
    const int64_t used = (static_cast<int64_t>(own.size()) + (own.empty() ? 0 : 1)) * letter_width;
    canvas.write(left + used, y, range, quiet, room - used);
  }

  const Pictured& value_;
  Planes planes_;
  std::vector<double> elements_;
  std::vector<Cell> cells_;
  bool in_colour_ = false;
  int64_t all_ = 0;
  int64_t larger_ = 1, every_ = 1; // pixels an element, elements a pixel
  int64_t width_ = 0, height_ = 0, cell_width_ = 0, cell_height_ = 0, columns_ = 1;
};

} // namespace

Expected<runtime::Tensor> contact_sheet(const std::vector<Pictured>& values) {
  std::vector<Part> parts(values.begin(), values.end());
  int64_t width = 0, height = 2 * margin;
  for (const Part& part : parts) width = std::max(width, part.width()), height += part.height();
  const ir::TensorType type = {
      ir::ElementType::u8,
      {{ir::Axis::n, 1}, {ir::Axis::h, height}, {ir::Axis::w, width}, {ir::Axis::c, 3}}};
  Expected<runtime::Tensor> sheet = runtime::Tensor::allocate(type);
  if (!sheet) return sheet;
  Canvas canvas(reinterpret_cast<unsigned char*>(sheet->data()), width, height);
  int64_t top = margin;
  for (const Part& part : parts) {
    part.draw(canvas, top);
    top += part.height();
  }
  return sheet;
}

} // namespace volute::tools
