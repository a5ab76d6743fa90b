#include "ir/denormals.h"
#include "ir/number.h"
#include "tests/support/catch.h"

#include <cmath>
#include <limits>
#include <vector>

using namespace volute::ir;

namespace {

int64_t count(ElementType element, const std::vector<double>& values) {
  std::vector<std::byte> bytes(values.size() * static_cast<size_t>(size_of(element)));
  for (size_t i = 0; i < values.size(); ++i)
    write_real(bytes.data() + i * static_cast<size_t>(size_of(element)), element, values[i]);
  return count_denormals(bytes.data(), static_cast<int64_t>(values.size()), element);
}

} // namespace

TEST_CASE("denormals lie between 0 and the least normal number, of either sign") {
  const double inf = std::numeric_limits<double>::infinity();
  for (const ElementType element : {ElementType::f32, ElementType::bf16, ElementType::f64}) {
    const double least = least_normal(element);
    CHECK(count(element, {0.0, -0.0, 1, least, -least, inf, -inf, std::nan("")}) == 0);
    const int digits = element == ElementType::f64 ? 52 : element == ElementType::f32 ? 23 : 7;
    const double first = std::ldexp(least, -digits);
    CHECK(count(element, {least - first, first - least, first, -first, least / 2, 3}) == 5);
  }
}

TEST_CASE("half floats and integers have none") {
  CHECK(count(ElementType::f16, {0x1p-24, 0x1p-15}) == 0);
  const int64_t one = 1;
  CHECK(count_denormals(reinterpret_cast<const std::byte*>(&one), 1, ElementType::i64) == 0);
  CHECK(count_denormals(nullptr, 0, ElementType::f32) == 0);
}
