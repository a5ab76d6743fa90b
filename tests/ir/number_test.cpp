#include "ir/number.h"
#include "tests/support/catch.h"

#include <array>
#include <cmath>
#include <limits>

using namespace volute::ir;

namespace {
constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();
} // namespace

TEST_CASE("every f16 and bf16 pattern survives the way to float and back", "[number]") {
  for (uint32_t pattern = 0; pattern < 0x10000; ++pattern) {
    const auto bits = static_cast<uint16_t>(pattern);
    INFO("bits " << bits);
    const bool f16_nan = (bits & 0x7C00) == 0x7C00 && (bits & 0x3FF) != 0;
    const bool bf16_nan = (bits & 0x7F80) == 0x7F80 && (bits & 0x7F) != 0;
    if (f16_nan)
      CHECK(std::isnan(f16_to_float(bits)));
    else
      CHECK(float_to_f16(f16_to_float(bits)) == bits);
    if (bf16_nan)
      CHECK(std::isnan(bf16_to_float(bits)));
    else
      CHECK(float_to_bf16(bf16_to_float(bits)) == bits);
  }
}

TEST_CASE("f16 has the values that its format defines", "[number]") {
  CHECK(f16_to_float(0x3C00) == 1.0f);
  CHECK(f16_to_float(0xC000) == -2.0f);
  CHECK(f16_to_float(0x7BFF) == 65504.0f);
  CHECK(f16_to_float(0x0400) == std::ldexp(1.0f, -14)); // smallest normal
  CHECK(f16_to_float(0x0001) == std::ldexp(1.0f, -24)); // smallest denormal
  CHECK(std::isinf(f16_to_float(0x7C00)));
  CHECK(std::signbit(f16_to_float(0x8000)));
}

TEST_CASE("floats round to f16 to nearest, ties to even", "[number]") {
  CHECK(float_to_f16(2049.0f) == float_to_f16(2048.0f));
  CHECK(float_to_f16(2051.0f) == float_to_f16(2052.0f));
  CHECK(float_to_f16(65519.0f) == 0x7BFF);
  CHECK(float_to_f16(65520.0f) == 0x7C00); // halfway to 65536, which f16 does not have
  CHECK(float_to_f16(-1e30f) == 0xFC00);
  CHECK(float_to_f16(std::ldexp(1.0f, -25)) == 0x0000);    // half the smallest denormal
  CHECK(float_to_f16(std::ldexp(3.0f, -25)) == 0x0002);    // one and a half of it
  CHECK(float_to_f16(std::ldexp(2047.0f, -25)) == 0x0400); // a denormal rounds up to a normal
  CHECK(std::isnan(f16_to_float(float_to_f16(std::nanf("")))));
}

TEST_CASE("floats round to bf16 to nearest, ties to even", "[number]") {
  CHECK(bf16_to_float(float_to_bf16(257.0f)) == 256.0f);
  CHECK(bf16_to_float(float_to_bf16(259.0f)) == 260.0f);
  CHECK(float_to_bf16(3.39e38f) == 0x7F7F);
  CHECK(float_to_bf16(3.4e38f) == 0x7F80); // nearer to 2^128 than to the largest
  CHECK(float_to_bf16(-0.0f) == 0x8000);
  CHECK(std::isnan(bf16_to_float(float_to_bf16(std::nanf("")))));
}

TEST_CASE("double rounds to a narrow float once, not by way of f32", "[number]") {
  // To f32 this is a tie between two f16 values, which then goes the wrong way.
  const double above_tie = 1 + std::ldexp(1.0, -11) + std::ldexp(1.0, -40);
  CHECK(round_to(ElementType::f16, above_tie) == 1 + std::ldexp(1.0, -10));
  const double above_bf16_tie = 1 + std::ldexp(1.0, -8) + std::ldexp(1.0, -40);
  CHECK(round_to(ElementType::bf16, above_bf16_tie) == 1 + std::ldexp(1.0, -7));
  CHECK(round_to(ElementType::f32, 1 + std::ldexp(1.0, -24)) == 1);
  CHECK(round_to(ElementType::f64, 0.1) == 0.1);
}

TEST_CASE("infinities, NaN and the sign of zero survive rounding", "[number]") {
  for (ElementType type :
       {ElementType::f16, ElementType::bf16, ElementType::f32, ElementType::f64}) {
    CHECK(round_to(type, infinity) == infinity);
    CHECK(round_to(type, -infinity) == -infinity);
    CHECK(std::isnan(round_to(type, nan_value)));
    CHECK(std::signbit(round_to(type, -0.0)));
  }
  CHECK(std::signbit(round_to(ElementType::f16, -1e-30)));
}

TEST_CASE("integers round to a float type once, from all 64 bits", "[number]") {
  const int64_t above_tie = (int64_t{1} << 60) + (int64_t{1} << 52) + 1; // double drops the 1
  CHECK(round_integer_to(ElementType::bf16, above_tie) ==
        std::ldexp(1.0, 60) + std::ldexp(1.0, 53));
  CHECK(round_integer_to(ElementType::bf16, -above_tie) ==
        -std::ldexp(1.0, 60) - std::ldexp(1.0, 53));
  CHECK(round_integer_to(ElementType::bf16, above_tie - 1) == std::ldexp(1.0, 60));
  const int64_t above_f32_tie = (int64_t{1} << 60) + (int64_t{1} << 36) + 1;
  CHECK(round_integer_to(ElementType::f32, above_f32_tie) ==
        std::ldexp(1.0, 60) + std::ldexp(1.0, 37));
  CHECK(round_integer_to(ElementType::f16, 65519) == 65504);
  CHECK(round_integer_to(ElementType::f16, 65520) == infinity);
  CHECK(round_integer_to(ElementType::f64, -3) == -3);
}

TEST_CASE("halves round to the even whole number", "[number]") {
  CHECK(round_half_even(0.5) == 0);
  CHECK(round_half_even(1.5) == 2);
  CHECK(round_half_even(2.5) == 2);
  CHECK(round_half_even(-0.5) == 0);
  CHECK(round_half_even(-1.5) == -2);
  CHECK(round_half_even(-2.5) == -2);
  CHECK(round_half_even(0.49999999999999994) == 0);
  CHECK(round_half_even(4503599627370497.5) == 4503599627370498.0);
  CHECK(round_half_even(1e300) == 1e300);
}

TEST_CASE("saturation goes to the nearest value that the integer type has", "[number]") {
  CHECK(saturate_to(ElementType::i8, 127.5) == 127);
  CHECK(saturate_to(ElementType::i8, -1000) == -128);
  CHECK(saturate_to(ElementType::u8, -0.4) == 0);
  CHECK(saturate_to(ElementType::u8, 254.5) == 254);
  CHECK(saturate_to(ElementType::u8, infinity) == 255);
  CHECK(saturate_to(ElementType::i32, 3e9) == 2147483647);
  CHECK(saturate_to(ElementType::i64, 1e19) == std::numeric_limits<int64_t>::max());
  CHECK(saturate_to(ElementType::i64, -infinity) == std::numeric_limits<int64_t>::min());
  CHECK(saturate_to(ElementType::i64, -9007199254740993.0) == -9007199254740992);
  for (ElementType type : {ElementType::i8, ElementType::u8, ElementType::i32, ElementType::i64})
    CHECK(saturate_to(type, nan_value) == 0);
}

TEST_CASE("wrapping keeps the low bits", "[number]") {
  CHECK(wrap_to(ElementType::i8, 200) == -56);
  CHECK(wrap_to(ElementType::i8, -129) == 127);
  CHECK(wrap_to(ElementType::u8, -1) == 255);
  CHECK(wrap_to(ElementType::u8, 300) == 44);
  CHECK(wrap_to(ElementType::i32, 2147483648) == -2147483648);
  CHECK(wrap_to(ElementType::i64, -5) == -5);
}

TEST_CASE("an element is read as it was written, at any address", "[number]") {
  std::array<std::byte, 16> memory{};
  std::byte* odd = memory.data() + 1;
  for (ElementType type :
       {ElementType::f16, ElementType::bf16, ElementType::f32, ElementType::f64}) {
    write_real(odd, type, -1.5);
    CHECK(read_real(odd, type) == -1.5);
  }
  for (ElementType type : {ElementType::i8, ElementType::u8, ElementType::i32, ElementType::i64}) {
    write_integer(odd, type, 100);
    CHECK(read_integer(odd, type) == 100);
    write_integer(odd, type, lowest(type));
    CHECK(read_integer(odd, type) == lowest(type));
    write_integer(odd, type, highest(type));
    CHECK(read_integer(odd, type) == highest(type));
  }
  write_integer(odd, ElementType::i8, 200);
  CHECK(read_integer(odd, ElementType::i8) == -56);
  write_real(odd, ElementType::f16, 1e9);
  CHECK(read_real(odd, ElementType::f16) == infinity);
}

TEST_CASE("writing an element touches its own bytes only", "[number]") {
  for (ElementType type :
       {ElementType::f16, ElementType::bf16, ElementType::f32, ElementType::f64}) {
    std::array<std::byte, 16> memory{};
    write_real(memory.data(), type, -0.1);
    for (size_t i = static_cast<size_t>(size_of(type)); i < memory.size(); ++i)
      CHECK(memory[i] == std::byte{0});
  }
  for (ElementType type : {ElementType::i8, ElementType::u8, ElementType::i32, ElementType::i64}) {
    std::array<std::byte, 16> memory{};
    write_integer(memory.data(), type, -1);
    for (size_t i = 0; i < memory.size(); ++i)
      CHECK(memory[i] == std::byte(i < static_cast<size_t>(size_of(type)) ? 0xFF : 0));
  }
}
