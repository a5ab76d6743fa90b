#include "tests/support/evaluate.h"

#include <cmath>
#include <limits>

using volute::test::Numbers;
using volute::test::y_of;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();

std::string row(const std::string& type, size_t extent) {
  return type + "[n=1, c=1, w=" + std::to_string(extent) + "]";
}

/// The operation between two element types, over one row of elements.
Numbers between(const std::string& from, const std::string& to, const std::string& operation,
                const std::string& attributes, const Numbers& x) {
  return y_of("program @p(%x: " + row(from, x.size()) + ") {\n  %y = " + operation + " %x" +
                  attributes + " : " + row(to, x.size()) + "\n  return %y\n}",
              {{"x", x}});
}

Numbers converted(const std::string& from, const std::string& to, const Numbers& x) {
  return between(from, to, "convert", "", x);
}

} // namespace

TEST_CASE("floats become integers to nearest even, saturated, NaN as 0", "[reference][convert]") {
  const Numbers x = {0.5, 1.5, -2.5, 300, -300, infinity, -infinity, nan_value};
  CHECK(converted("f32", "i8", x) == Numbers{0, 2, -2, 127, -128, 127, -128, 0});
  CHECK(converted("f32", "u8", x) == Numbers{0, 2, 0, 255, 0, 255, 0, 0});
  CHECK(converted("f64", "i32", {3e9, -2147483648.6}) == Numbers{2147483647, -2147483648.0});
}

TEST_CASE("integers become other integers by wrapping", "[reference][convert]") {
  CHECK(converted("i32", "i8", {200, -129, 65536}) == Numbers{-56, 127, 0});
  CHECK(converted("i8", "u8", {-1}) == Numbers{255});
  CHECK(converted("u8", "i64", {255}) == Numbers{255});
  CHECK(converted("i64", "i32", {4294967295.0}) == Numbers{-1});
}

TEST_CASE("numbers become floats by one rounding", "[reference][convert]") {
  CHECK(converted("i32", "f32", {16777217, 16777219}) == Numbers{16777216, 16777220});
  CHECK(converted("f32", "f16", {2049, 65520, 1e-9}) == Numbers{2048, infinity, 0});
  CHECK(converted("f64", "bf16", {257, 259}) == Numbers{256, 260});
  CHECK(converted("f16", "f64", {0.333251953125}) == Numbers{0.333251953125});
}

TEST_CASE("quantize rounds halves to even and saturates", "[reference][quantize]") {
  const auto quantized = [](const std::string& attributes, const Numbers& x) {
    return between("f32", "u8", "quantize", " {" + attributes + "}", x);
  };
  CHECK(quantized("scale = 1, zero_point = 10", {0.5, 1.5, 2.5, -0.5, -1.5}) ==
        Numbers{10, 12, 12, 10, 8});
  CHECK(quantized("scale = 0.5, zero_point = 128", {1, 100, -100, infinity}) ==
        Numbers{130, 255, 0, 255});
}

TEST_CASE("quantize divides in f32, so that a tie of f32 is a tie", "[reference][quantize]") {
  // In double 0.35f / 0.1 is a little below 3.5 and would become 3.
  CHECK(between("f32", "i8", "quantize", " {scale = 0.1, zero_point = 0}", {0.35}) == Numbers{4});
}

TEST_CASE("scales and zero points may differ by channel", "[reference][quantize]") {
  CHECK(y_of("program @p(%x: f32[n=1, w=2, c=2]) {\n"
             "  %y = quantize %x {scale = [1, 0.5], zero_point = [0, 10]} : i8[n=1, c=2, w=2]\n"
             "  return %y\n}",
             {{"x", {1, 1, 2, 2}}}) == Numbers{1, 2, 12, 14});
  CHECK(y_of("program @p(%x: i8[n=1, c=2, w=1]) {\n"
             "  %y = dequantize %x {scale = [1, 0.5], zero_point = [0, 10]}\n  return %y\n}",
             {{"x", {7, 4}}}) == Numbers{7, -3});
}

TEST_CASE("dequantize subtracts without wrapping", "[reference][quantize]") {
  CHECK(between("i8", "f32", "dequantize", " {scale = 2, zero_point = 127}", {-128, 127}) ==
        Numbers{-510, 0});
  // Nor does i32, whose difference is then an f32 as every frame takes it: 2^31 + 128 is 2^31.
  CHECK(between("i32", "f32", "dequantize", " {scale = 0.1, zero_point = 128}", {-2147483648LL}) ==
        Numbers{static_cast<double>(-2147483648.0f * 0.1f)});
  CHECK(between("i32", "f64", "dequantize", " {scale = 0.5, zero_point = 128}", {-2147483648LL}) ==
        Numbers{-1073741888});
}

TEST_CASE("requantize multiplies once, in f32", "[reference][quantize]") {
  const std::string attributes = " {scale = 0.5, zero_point = 3}";
  CHECK(between("i32", "u8", "requantize", attributes, {1, 3, 5, -7, 1000, -1000}) ==
        Numbers{3, 5, 5, 0, 255, 0});
  // 16777217 is 2^24 + 1, which f32 takes for 2^24; the product is then a tie at 0.5.
  CHECK(between("i32", "i8", "requantize", " {scale = 2.98023223876953125e-8, zero_point = 0}",
                {16777217, 16777218}) == Numbers{0, 1});
}

TEST_CASE("reorder moves elements and changes none", "[reference][reorder]") {
  CHECK(y_of("program @p(%x: i64[n=1, c=2, h=1, w=3]) {\n"
             "  %y = reorder %x : i64[n=1, h=1, w=3, c=2]\n  return %y\n}",
             {{"x", {1, 2, 3, 4, 5, 6}}}) == Numbers{1, 4, 2, 5, 3, 6});
  CHECK(y_of("program @p(%x: f32[n=1, c=4, w=2]) {\n"
             "  %y = reorder %x : f32[n=1, c=2, w=2, c=2]\n  return %y\n}",
             {{"x", {1, 2, 3, 4, 5, 6, 7, 8}}}) == Numbers{1, 3, 2, 4, 5, 7, 6, 8});
}

TEST_CASE("pad fills with its value or by its mode", "[reference][pad]") {
  const auto padded = [](const std::string& attributes) {
    return y_of("program @p(%x: f32[n=1, c=1, w=4]) {\n  %y = pad %x {" + attributes +
                    "}\n  return %y\n}",
                {{"x", {0, 1, 2, 3}}});
  };
  CHECK(padded("pad = 1, value = 9") == Numbers{9, 0, 1, 2, 3, 9});
  CHECK(padded("pad = [(0, 1)], value = -inf") == Numbers{0, 1, 2, 3, -infinity});
  CHECK(padded("pad = 2, mode = reflect") == Numbers{2, 1, 0, 1, 2, 3, 2, 1});
  CHECK(padded("pad = 2, mode = circular") == Numbers{2, 3, 0, 1, 2, 3, 0, 1});
  CHECK(padded("pad = 2, mode = replicate") == Numbers{0, 0, 0, 1, 2, 3, 3, 3});
}

TEST_CASE("pad crops first and pads what is left", "[reference][pad]") {
  const auto padded = [](const std::string& attributes) {
    return y_of("program @p(%x: i8[n=1, c=1, w=4]) {\n  %y = pad %x {" + attributes +
                    "}\n  return %y\n}",
                {{"x", {0, 1, 2, 3}}});
  };
  CHECK(padded("pad = -1") == Numbers{1, 2});
  CHECK(padded("pad = [(-2, 1)], value = -7") == Numbers{2, 3, -7});
  CHECK(padded("pad = [(2, -1)], mode = reflect") == Numbers{2, 1, 0, 1, 2});
  CHECK(padded("pad = [(-1, 2)], mode = circular") == Numbers{1, 2, 3, 1, 2});
}

TEST_CASE("pad works on each spatial axis and on no other", "[reference][pad]") {
  CHECK(y_of("program @p(%x: f32[n=1, h=1, w=2, c=2]) {\n"
             "  %y = pad %x {pad = [(1, 0), (0, 1)], value = 9}\n  return %y\n}",
             {{"x", {1, 2, 3, 4}}}) == Numbers{9, 9, 9, 9, 9, 9, 1, 2, 3, 4, 9, 9});
}
