#include "tests/support/evaluate.h"

#include <limits>

using volute::test::count_from;
using volute::test::Numbers;
using volute::test::y_of;

namespace {

const Numbers image = {1, 2, 0, 3, 1, //
                       0, 1, 2, 3, 1, //
                       1, 2, 1, 0, 0, //
                       5, 2, 3, 1, 1, //
                       2, 1, 0, 1, 1};
const Numbers filter = {1, 2, 1, //
                        0, 1, 0, //
                        2, 1, 0};

std::string on_image(const std::string& operation) {
  return "program @p(%x: f32[n=1, c=1, h=5, w=5], %f: f32[o=1, i=1, h=3, w=3]) {\n  %y = " +
         operation + "\n  return %y\n}";
}

} // namespace

TEST_CASE("a 3x3 filter over a 5x5 image gives the published numbers", "[reference][conv]") {
  CHECK(y_of(on_image("conv %x, %f"), {{"x", image}, {"f", filter}}) ==
        Numbers{10, 12, 12, 18, 16, 16, 13, 9, 3});
  CHECK(y_of(on_image("conv %x, %f {stride = 2}"), {{"x", image}, {"f", filter}}) ==
        Numbers{10, 12, 13, 3});
  CHECK(y_of(on_image("conv %x, %f {stride = 2, pad = 1}"), {{"x", image}, {"f", filter}}) ==
        Numbers{1, 4, 8, 7, 16, 8, 14, 9, 4});
}

TEST_CASE("same, same_upper and same_lower put the odd element where they say",
          "[reference][conv]") {
  const auto padded = [](const std::string& attributes, int64_t extent) {
    return y_of("program @p(%x: f32[n=1, c=1, w=" + std::to_string(extent) +
                    "], %w: f32[o=1, i=1, w=2]) {\n  %y = conv %x, %w {" + attributes +
                    "}\n  return %y\n}",
                {{"x", count_from(1, extent)}, {"w", {1, 2}}});
  };
  CHECK(padded("pad = same", 4) == Numbers{5, 8, 11, 4});
  CHECK(padded("pad = same_upper", 4) == Numbers{5, 8, 11, 4});
  CHECK(padded("pad = same_lower", 4) == Numbers{2, 5, 8, 11});
  CHECK(padded("pad = valid", 4) == Numbers{5, 8, 11});
  CHECK(padded("pad = same_upper, stride = 2", 4) == Numbers{5, 11}); // no padding needed
  CHECK(padded("pad = same_upper, stride = 2", 5) == Numbers{5, 11, 5});
  CHECK(padded("pad = same_lower, stride = 2", 5) == Numbers{2, 8, 14});
}

TEST_CASE("padding modes read what they are named after", "[reference][conv]") {
  const auto padded = [](const std::string& mode) {
    return y_of("program @p(%x: f32[n=1, c=1, w=4], %w: f32[o=1, i=1, w=1]) {\n"
                "  %y = conv %x, %w {pad = 2, padding_mode = " +
                    mode + "}\n  return %y\n}",
                {{"x", {0, 1, 2, 3}}, {"w", {1}}});
  };
  CHECK(padded("reflect") == Numbers{2, 1, 0, 1, 2, 3, 2, 1});
  CHECK(padded("circular") == Numbers{2, 3, 0, 1, 2, 3, 0, 1});
  CHECK(padded("replicate") == Numbers{0, 0, 0, 1, 2, 3, 3, 3});
  CHECK(padded("zeros") == Numbers{0, 0, 0, 1, 2, 3, 0, 0});
}

TEST_CASE("each side of each axis has its own padding", "[reference][conv]") {
  CHECK(y_of("program @p(%x: f32[n=1, c=1, h=1, w=2], %w: f32[o=1, i=1, h=1, w=1]) {\n"
             "  %y = conv %x, %w {pad = [(1, 0), (0, 2)]}\n  return %y\n}",
             {{"x", {1, 2}}, {"w", {3}}}) == Numbers{0, 0, 0, 0, 3, 6, 0, 0});
}

TEST_CASE("a tap on padding adds nothing, even for an infinite weight", "[reference][conv]") {
  const double infinity = std::numeric_limits<double>::infinity();
  CHECK(y_of("program @p(%x: f32[n=1, c=1, w=1], %w: f32[o=1, i=1, w=3]) {\n"
             "  %y = conv %x, %w {pad = 1}\n  return %y\n}",
             {{"x", {2}}, {"w", {infinity, 1, infinity}}}) == Numbers{2});
}

TEST_CASE("dilation spreads the taps", "[reference][conv]") {
  CHECK(y_of("program @p(%x: f32[n=1, c=1, w=5], %w: f32[o=1, i=1, w=2]) {\n"
             "  %y = conv %x, %w {dilation = 3}\n  return %y\n}",
             {{"x", {1, 2, 3, 4, 5}}, {"w", {10, 1}}}) == Numbers{14, 25});
}

TEST_CASE("output channels read the input channels of their group", "[reference][conv]") {
  // Depthwise with two outputs a channel: outputs 0 and 1 read channel 0.
  CHECK(y_of("program @p(%x: f32[n=1, c=2, w=2], %w: f32[o=4, i=1, w=1]) {\n"
             "  %y = conv %x, %w {groups = 2}\n  return %y\n}",
             {{"x", {1, 2, 3, 4}}, {"w", {1, 10, 100, 1000}}}) ==
        Numbers{1, 2, 10, 20, 300, 400, 3000, 4000});
  CHECK(y_of("program @p(%x: f32[n=1, c=2, w=2], %w: f32[o=2, i=2, w=1], %b: f32[o=2]) {\n"
             "  %y = conv %x, %w, %b\n  return %y\n}",
             {{"x", {1, 2, 3, 4}}, {"w", {1, 10, 100, 1000}}, {"b", {0.5, 0.25}}}) ==
        Numbers{31.5, 42.5, 3100.25, 4200.25});
}

TEST_CASE("a 3-d convolution sums over all three axes", "[reference][conv]") {
  CHECK(y_of("program @p(%x: f32[n=1, c=1, d=2, h=2, w=3], %w: f32[o=1, i=1, d=2, h=2, w=2]) {\n"
             "  %y = conv %x, %w\n  return %y\n}",
             {{"x", count_from(0, 12)}, {"w", {1, 1, 1, 1, 1, 1, 1, 10}}}) ==
        Numbers{(0 + 1 + 3 + 4 + 6 + 7 + 9) + 100, (1 + 2 + 4 + 5 + 7 + 8 + 10) + 110});
}

TEST_CASE("memory order and split axes change where numbers stand, not what they are",
          "[reference][conv]") {
  // 1x1 over two pixels and four channels; the result asked for channels last, split in two.
  CHECK(y_of("program @p(%x: f32[n=1, w=2, c=4], %w: f32[w=1, i=4, o=4]) {\n"
             "  %y = conv %x, %w : f32[n=1, c=2, w=2, c=2]\n  return %y\n}",
             {{"x", {1, 2, 3, 4, 5, 6, 7, 8}},
              {"w", {1, 0, 0, 1, 0, 1, 0, 10, 0, 0, 1, 100, 0, 0, 0, 1000}}}) ==
        Numbers{1, 2, 5, 6, 3, 4321, 7, 8765});
}

TEST_CASE("an empty batch convolves to an empty batch", "[reference][conv]") {
  CHECK(y_of("program @p(%x: f32[n=0, c=1, w=5], %w: f32[o=1, i=1, w=2]) {\n"
             "  %y = conv %x, %w\n  return %y\n}",
             {{"x", {}}, {"w", {1, 2}}})
            .empty());
}

TEST_CASE("integers subtract their zero points, and padding counts as zero", "[reference][conv]") {
  CHECK(y_of("program @p(%x: u8[n=1, c=1, w=2], %w: i8[o=1, i=1, w=2]) {\n"
             "  %y = conv %x, %w {pad = 1, x_zero_point = 128, w_zero_point = 1}\n  return %y\n}",
             {{"x", {128, 130}}, {"w", {3, -2}}}) == Numbers{0, -6, 4});
  // One weight zero point for each output channel.
  CHECK(y_of("program @p(%x: i8[n=1, c=1, w=1], %w: u8[o=2, i=1, w=1]) {\n"
             "  %y = conv %x, %w {w_zero_point = [5, 250]}\n  return %y\n}",
             {{"x", {-128}}, {"w", {0, 255}}}) == Numbers{640, -640});
}

TEST_CASE("byte products are exact and their sums wrap at 32 bits", "[reference][conv]") {
  CHECK(y_of("program @p(%x: i8[n=1, c=1, h=3, w=3], %w: i8[o=1, i=1, h=3, w=3]) {\n"
             "  %y = conv %x, %w\n  return %y\n}",
             {{"x", Numbers(9, 100)}, {"w", Numbers(9, 2)}}) == Numbers{1800});
  CHECK(y_of("program @p(%x: u8[n=1, c=1, w=1], %w: u8[o=1, i=1, w=1]) {\n"
             "  %y = conv %x, %w {x_zero_point = 255, w_zero_point = 255}\n  return %y\n}",
             {{"x", {0}}, {"w", {0}}}) == Numbers{65025});
  CHECK(y_of("program @p(%x: u8[n=1, c=1, w=1], %w: u8[o=1, i=1, w=1], %b: i32[o=1]) {\n"
             "  %y = conv %x, %w, %b\n  return %y\n}",
             {{"x", {1}}, {"w", {1}}, {"b", {2147483647}}}) == Numbers{-2147483648.0});
}

TEST_CASE("a transposed convolution adds each input's copy of the filter", "[reference][conv]") {
  const auto transposed = [](const std::string& attributes) {
    return y_of("program @p(%x: f32[n=1, c=1, w=2], %w: f32[i=1, o=1, w=3], %b: f32[o=1]) {\n"
                "  %y = conv_transpose %x, %w, %b {" +
                    attributes + "}\n  return %y\n}",
                {{"x", {1, 2}}, {"w", {1, 10, 100}}, {"b", {0.5}}});
  };
  CHECK(transposed("stride = 1") == Numbers{1.5, 12.5, 120.5, 200.5});
  CHECK(transposed("stride = 2") == Numbers{1.5, 10.5, 102.5, 20.5, 200.5});
  CHECK(transposed("stride = 2, pad = 1") == Numbers{10.5, 102.5, 20.5});
  CHECK(transposed("stride = 2, pad = [(0, 2)]") == Numbers{1.5, 10.5, 102.5});
  CHECK(transposed("stride = 1, dilation = 2") == Numbers{1.5, 2.5, 10.5, 20.5, 100.5, 200.5});
}

TEST_CASE("output padding adds rows at the end, with whatever taps reach them",
          "[reference][conv]") {
  const auto transposed = [](const std::string& attributes) {
    return y_of("program @p(%x: f32[n=1, c=1, w=2], %w: f32[i=1, o=1, w=3], %b: f32[o=1]) {\n"
                "  %y = conv_transpose %x, %w, %b {" +
                    attributes + "}\n  return %y\n}",
                {{"x", {1, 2}}, {"w", {1, 10, 100}}, {"b", {0.5}}});
  };
  CHECK(transposed("stride = 2, output_padding = 1") ==
        Numbers{1.5, 10.5, 102.5, 20.5, 200.5, 0.5}); // bias alone
  CHECK(transposed("stride = 2, pad = 1, output_padding = 1") == Numbers{10.5, 102.5, 20.5, 200.5});
}

TEST_CASE("a transposed convolution's outputs read the inputs of their group",
          "[reference][conv]") {
  CHECK(y_of("program @p(%x: f32[n=1, c=2, w=1], %w: f32[i=2, o=2, w=1]) {\n"
             "  %y = conv_transpose %x, %w\n  return %y\n}",
             {{"x", {2, 3}}, {"w", {1, 10, 100, 1000}}}) == Numbers{302, 3020});
  CHECK(y_of("program @p(%x: f32[n=1, c=2, w=1], %w: f32[i=2, o=2, w=1]) {\n"
             "  %y = conv_transpose %x, %w {groups = 2}\n  return %y\n}",
             {{"x", {2, 3}}, {"w", {1, 10, 100, 1000}}}) == Numbers{2, 20, 300, 3000});
}

TEST_CASE("transposed integers subtract zero points too, one for each output channel",
          "[reference][conv]") {
  CHECK(y_of("program @p(%x: u8[n=1, c=2, w=1], %w: i8[i=2, o=1, w=2]) {\n"
             "  %y = conv_transpose %x, %w {groups = 2, x_zero_point = 10, w_zero_point = [1, 2]}\n"
             "  return %y\n}",
             {{"x", {12, 13}}, {"w", {1, 2, 3, 4}}}) == Numbers{0, 2, 3, 6});
}
