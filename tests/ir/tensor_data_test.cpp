#include "ir/tensor_data.h"
#include "tests/support/catch.h"

#include <set>

using namespace volute::ir;

namespace {

int64_t offset(const Strides& strides, int64_t n, int64_t c, int64_t h, int64_t w) {
  return strides.offset(Axis::n, n) + strides.offset(Axis::c, c) + strides.offset(Axis::h, h) +
         strides.offset(Axis::w, w);
}

} // namespace

TEST_CASE("the axis written last is the one next to each other in memory", "[tensor_data]") {
  const Strides nchw({ElementType::f32, {{Axis::n, 2}, {Axis::c, 3}, {Axis::h, 5}, {Axis::w, 7}}});
  CHECK(offset(nchw, 1, 2, 3, 4) == ((1 * 3 + 2) * 5 + 3) * 7 + 4);
  const Strides nhwc({ElementType::f32, {{Axis::n, 2}, {Axis::h, 5}, {Axis::w, 7}, {Axis::c, 3}}});
  CHECK(offset(nhwc, 1, 2, 3, 4) == ((1 * 5 + 3) * 7 + 4) * 3 + 2);
}

TEST_CASE("of a split axis the part written first is the most significant", "[tensor_data]") {
  const Strides blocked(
      {ElementType::f32, {{Axis::n, 1}, {Axis::c, 4}, {Axis::h, 2}, {Axis::w, 3}, {Axis::c, 16}}});
  CHECK(offset(blocked, 0, 0, 0, 1) == 16);
  CHECK(offset(blocked, 0, 15, 0, 0) == 15);
  CHECK(offset(blocked, 0, 16, 0, 0) == 2 * 3 * 16);
  CHECK(offset(blocked, 0, 37, 1, 2) == 2 * 96 + 1 * 48 + 2 * 16 + 5);

  const Strides thrice(
      {ElementType::f32, {{Axis::c, 2}, {Axis::w, 5}, {Axis::c, 3}, {Axis::c, 4}}});
  CHECK(thrice.offset(Axis::c, 23) == 1 * 60 + 2 * 4 + 3);
}

TEST_CASE("every coordinate of a split layout has an element of its own", "[tensor_data]") {
  const TensorType type = {ElementType::f32,
                           {{Axis::h, 2}, {Axis::c, 3}, {Axis::w, 5}, {Axis::h, 3}, {Axis::c, 2}}};
  const Strides strides(type);
  std::set<int64_t> seen;
  for (int64_t c = 0; c < 6; ++c)
    for (int64_t h = 0; h < 6; ++h)
      for (int64_t w = 0; w < 5; ++w) seen.insert(offset(strides, 0, c, h, w));
  CHECK(std::ssize(seen) == type.elements());
  CHECK(*seen.begin() == 0);
  CHECK(*seen.rbegin() == type.elements() - 1);
}

TEST_CASE("a missing axis adds nothing and an empty tensor overflows nothing", "[tensor_data]") {
  const Strides bias({ElementType::f32, {{Axis::o, 8}}});
  CHECK(bias.offset(Axis::c, 5) == 0);
  CHECK(bias.offset(Axis::o, 5) == 5);
  const int64_t huge = int64_t{1} << 40;
  const Strides empty({ElementType::f32, {{Axis::n, 0}, {Axis::h, huge}, {Axis::w, huge}}});
  CHECK(empty.offset(Axis::h, 7) == 0);
}

TEST_CASE("zeros has the bytes of its type, all of them zero", "[tensor_data]") {
  const TensorData tensor = zeros({ElementType::f16, {{Axis::n, 2}, {Axis::w, 3}}});
  CHECK(tensor.bytes.size() == 12);
  for (std::byte byte : tensor.bytes) CHECK(byte == std::byte{0});
}

TEST_CASE("numbers become elements of any type and come back", "[tensor_data]") {
  const std::vector<double> numbers = {0, 1, 2, 100};
  for (ElementType type : {ElementType::f32, ElementType::f64, ElementType::f16, ElementType::bf16,
                           ElementType::i8, ElementType::u8, ElementType::i32, ElementType::i64})
    CHECK(elements_of(tensor_of({type, {{Axis::w, 4}}}, numbers)) == numbers);
  CHECK(elements_of(tensor_of({ElementType::u8, {{Axis::w, 3}}}, {257, -1, 2.5})) ==
        std::vector<double>{1, 255, 2});
  CHECK(elements_of(tensor_of({ElementType::f16, {{Axis::w, 2}}}, {2049})) ==
        std::vector<double>{2048, 0});
}
