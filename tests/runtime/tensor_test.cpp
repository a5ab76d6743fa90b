#include "ir/number.h"
#include "runtime/tensor.h"
#include "tests/runtime/failure_text.h"
#include "tests/support/catch.h"

#include <algorithm>
#include <set>

using namespace volute;
using ir::Axis;
using ir::ElementType;
using runtime::Fill;
using volute::tests::failure_text;

namespace {

ir::TensorType image(ElementType element, int64_t h, int64_t w) {
  return {element, {{Axis::n, 1}, {Axis::c, 1}, {Axis::h, h}, {Axis::w, w}}};
}

Tensor filled(const ir::TensorType& type, const Fill& how, uint64_t stream = 0) {
  Tensor tensor = *Tensor::allocate(type);
  runtime::fill(tensor, how, stream);
  return tensor;
}

} // namespace

TEST_CASE("a tensor is zero and aligned to 64 bytes, small, large and empty") {
  for (const int64_t w : {0, 1, 17, 1000, 3'000'000}) {
    Tensor tensor = *Tensor::allocate(image(ElementType::f32, 1, w));
    REQUIRE(tensor.data() != nullptr);
    CHECK(reinterpret_cast<uintptr_t>(tensor.data()) % 64 == 0);
    CHECK(tensor.bytes() == 4 * w);
    CHECK(std::all_of(tensor.data(), tensor.data() + tensor.bytes(),
                      [](std::byte b) { return b == std::byte{0}; }));
    if (w > 0) tensor.as<float>()[w - 1] = 1; // the last element is there
  }
}

TEST_CASE("a tensor beyond the language's limit or the machine's memory is refused") {
  CHECK(
      failure_text(Tensor::allocate(image(ElementType::f32, int64_t{1} << 40, int64_t{1} << 40))) ==
      "tensor: f32[n=1, c=1, h=1099511627776, w=1099511627776] is larger than 2^62 bytes");
  CHECK(failure_text(Tensor::allocate(image(ElementType::u8, 1, int64_t{1} << 62))) ==
        "tensor: no memory for the 4611686018427387904 bytes of "
        "u8[n=1, c=1, h=1, w=4611686018427387904]");
}

TEST_CASE("moving a tensor hands over its memory") {
  Tensor a = filled(image(ElementType::i32, 1, 3), {Fill::Kind::iota, 0});
  const std::byte* data = a.data();
  Tensor b = std::move(a);
  CHECK(b.data() == data);
  Tensor c = *Tensor::allocate(image(ElementType::i32, 1, 5));
  c = std::move(b);
  CHECK(c.data() == data);
  CHECK(c.as<int32_t>()[2] == 2);
}

TEST_CASE("a copy of a view owns its elements") {
  const float values[2] = {3, 4};
  const Tensor copy = *Tensor::copy(TensorView(image(ElementType::f32, 1, 2), values));
  CHECK(copy.data() != reinterpret_cast<const std::byte*>(values));
  CHECK(copy.as<float>()[1] == 4);
  CHECK(failure_text(Tensor::copy(TensorView(image(ElementType::f32, 1, 2), nullptr))) ==
        "tensor: there is nothing to copy at a null pointer");
}

TEST_CASE("a tensor is filled with zeros, ones, or 0, 1, 2, ...") {
  const ir::TensorType type = image(ElementType::f16, 2, 3);
  Tensor tensor = filled(type, {Fill::Kind::iota, 0});
  for (int i = 0; i < 6; ++i) CHECK(ir::read_real(tensor.data() + 2 * i, type.element) == i);
  runtime::fill(tensor, {Fill::Kind::ones, 0});
  CHECK(ir::read_real(tensor.data() + 10, type.element) == 1);
  runtime::fill(tensor, {Fill::Kind::zeros, 0});
  CHECK(ir::read_real(tensor.data() + 10, type.element) == 0);
}

TEST_CASE("iota starts again where its type can no longer count, and integers wrap") {
  const Tensor bf16 = filled(image(ElementType::bf16, 1, 258), {Fill::Kind::iota, 0});
  CHECK(ir::read_real(bf16.data() + 2 * 255, ElementType::bf16) == 255);
  CHECK(ir::read_real(bf16.data() + 2 * 256, ElementType::bf16) == 0);
  const Tensor f16 = filled(image(ElementType::f16, 1, 2050), {Fill::Kind::iota, 0});
  CHECK(ir::read_real(f16.data() + 2 * 2047, ElementType::f16) == 2047);
  CHECK(ir::read_real(f16.data() + 2 * 2049, ElementType::f16) == 1);
  const Tensor i8 = filled(image(ElementType::i8, 1, 200), {Fill::Kind::iota, 0});
  CHECK(i8.as<int8_t>()[128] == -128);
}

TEST_CASE("random values are whole, in their range, reach all of it, and repeat by seed") {
  struct Expected {
    ElementType element;
    int64_t lowest, highest;
  };
  for (const Expected& e :
       {Expected{ElementType::f32, -4, 4}, Expected{ElementType::f64, -4, 4},
        Expected{ElementType::f16, -4, 4}, Expected{ElementType::bf16, -4, 4},
        Expected{ElementType::i8, -128, 127}, Expected{ElementType::u8, 0, 255},
        Expected{ElementType::i32, -1000, 1000}, Expected{ElementType::i64, -1000, 1000}}) {
    const ir::TensorType type = image(e.element, 200, 300);
    const Tensor tensor = filled(type, {Fill::Kind::random, 7});
    std::set<double> seen;
    for (int64_t i = 0; i < type.elements(); ++i) {
      const std::byte* at = tensor.data() + i * ir::size_of(e.element);
      seen.insert(ir::is_float(e.element) ? ir::read_real(at, e.element)
                                          : static_cast<double>(ir::read_integer(at, e.element)));
    }
    CHECK(static_cast<int64_t>(seen.size()) == e.highest - e.lowest + 1); // so all are whole
    CHECK(*seen.begin() == static_cast<double>(e.lowest));
    CHECK(*seen.rbegin() == static_cast<double>(e.highest));
    const auto same = [&](const Tensor& other) {
      return std::equal(tensor.data(), tensor.data() + tensor.bytes(), other.data());
    };
    CHECK(same(filled(type, {Fill::Kind::random, 7})));
    CHECK(!same(filled(type, {Fill::Kind::random, 8})));
    CHECK(!same(filled(type, {Fill::Kind::random, 7}, 1)));
  }
}

TEST_CASE("the random values of a seed are the same on every machine") {
  const Tensor tensor = filled(image(ElementType::i32, 1, 4), {Fill::Kind::random, 42});
  CHECK(std::vector<int>(tensor.as<int32_t>(), tensor.as<int32_t>() + 4) ==
        std::vector<int>{-314, 912, -27, -866});
}

TEST_CASE("a fill is named as on the command line") {
  CHECK(*runtime::parse_fill("zeros") == Fill{Fill::Kind::zeros, 0});
  CHECK(*runtime::parse_fill("ones") == Fill{Fill::Kind::ones, 0});
  CHECK(*runtime::parse_fill("iota") == Fill{Fill::Kind::iota, 0});
  CHECK(*runtime::parse_fill("random") == Fill{Fill::Kind::random, 0});
  CHECK(*runtime::parse_fill("random:18446744073709551615") ==
        Fill{Fill::Kind::random, UINT64_MAX});
  CHECK(failure_text(runtime::parse_fill("twos")) ==
        "fill: 'twos' is not a way to fill a tensor (it is zeros, ones, iota, random or "
        "random:SEED)");
  for (const char* text :
       {"random:", "random:x", "random:-1", "random:1.5", "random:18446744073709551616"})
    CHECK(failure_text(runtime::parse_fill(text)) ==
          "fill: the seed in '" + std::string(text) +
              "' is not a whole number of 64 bits (for example random:42)");
}
