#include "ir/literals.h"
#include "ir/number.h"
#include "tests/support/catch.h"

#include <cmath>
#include <limits>

namespace volute::ir {
namespace {

TEST_CASE("numbers print in the fewest digits that read back the same") {
  CHECK(shortest(0.1, ElementType::f64) == "0.1");
  CHECK(shortest(static_cast<double>(0.1f), ElementType::f32) == "0.1");
  CHECK(shortest(round_to(ElementType::f16, 0.1), ElementType::f16) == "0.1");
  CHECK(shortest(round_to(ElementType::bf16, 3.14159), ElementType::bf16) == "3.14");
  CHECK(shortest(65504, ElementType::f16) == "65504");
  CHECK(shortest(-0.0, ElementType::f32) == "-0");
  CHECK(shortest(1, ElementType::f32) == "1");
}

TEST_CASE("every f16 and bf16 reads back from its text") {
  for (const ElementType type : {ElementType::f16, ElementType::bf16})
    for (int bits = 0; bits < 65536; ++bits) {
      const auto half = static_cast<uint16_t>(bits);
      const double value = type == ElementType::f16 ? f16_to_float(half) : bf16_to_float(half);
      const auto again = parse_real(shortest(value, type), type);
      if (!again || (*again != value && !std::isnan(value))) {
        FAIL(to_string(type) << " bits " << bits);
      }
    }
}

TEST_CASE("a number too large for its type is refused and one too small is zero") {
  CHECK(!parse_real("1e39", ElementType::f32));
  CHECK(!parse_real("-1e400", ElementType::f64));
  CHECK(!parse_real("1e99999999999999999999999", ElementType::f64));
  CHECK(!parse_real("70000", ElementType::f16));
  CHECK(parse_real("1e-400", ElementType::f64) == 0.0);
  CHECK(parse_real("0.0000e99999", ElementType::f64) == 0.0);
  CHECK(parse_real("1e-99999999999999999999999", ElementType::f64) == 0.0);
  CHECK(std::signbit(*parse_real("-1e-60", ElementType::f32)));
  CHECK(parse_real("1e38", ElementType::f32) == static_cast<double>(1e38f));
  CHECK(!parse_real(std::string(400, '9'), ElementType::f64));
  CHECK(parse_real("0." + std::string(400, '0') + "1", ElementType::f64) == 0.0);
}

TEST_CASE("only decimal numbers and the three words read as real numbers") {
  CHECK(parse_real("inf", ElementType::f32) == std::numeric_limits<double>::infinity());
  CHECK(parse_real("-inf", ElementType::f16) == -std::numeric_limits<double>::infinity());
  CHECK(std::isnan(*parse_real("nan", ElementType::f32)));
  for (const char* text : {"", "-", "infinity", "-nan", "nan(1)", "0x10", "1f", "e5", "+1", " 1"})
    CHECK(!parse_real(text, ElementType::f64));
}

TEST_CASE("whole numbers read to the ends of 64 bits") {
  CHECK(parse_integer("-9223372036854775808") == std::numeric_limits<int64_t>::min());
  CHECK(!parse_integer("9223372036854775808"));
  CHECK(!parse_integer("1.0"));
  CHECK(!parse_integer(""));
}

TEST_CASE("text from outside is shown cut and escaped") {
  CHECK(ir::quoted(std::string_view("a\0\xff\n", 4)) == "'a\\x00\\xff\\x0a'");
  CHECK(ir::quoted(std::string(100, 'x')) == "'" + std::string(40, 'x') + "...'");
}

} // namespace
} // namespace volute::ir
