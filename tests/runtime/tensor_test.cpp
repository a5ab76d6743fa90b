#include "ir/number.h"
#include "runtime/tensor.h"
#include "tests/runtime/failure_text.h"
#include "tests/support/catch.h"
#include "tests/support/tensors.h"

#include <algorithm>
#include <set>

using namespace volute;
using ir::Axis;
using ir::ElementType;
using runtime::Fill;
using volute::tests::failure_text;
using volute::tests::filled;

namespace {

ir::TensorType image(ElementType element, int64_t h, int64_t w) {
  return {element, {{Axis::n, 1}, {Axis::c, 1}, {Axis::h, h}, {Axis::w, w}}};
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

TEST_CASE("a part of a tensor is a view with the whole one's strides") {
  Tensor whole = filled(image(ElementType::f32, 4, 5), {Fill::Kind::iota, 0});
  const TensorView part = TensorView(whole).narrow(Axis::h, 1, 2).narrow(Axis::w, 0, 3, 2);
  CHECK(part.type() == image(ElementType::f32, 2, 3));
  CHECK(part.strides() == TensorStrides{10, 10, 5, 2});
  CHECK(*part.as<float>() == 5);
  CHECK(!part.is_dense());
  const Tensor copy = *Tensor::copy(part);
  CHECK(std::vector<float>(copy.as<float>(), copy.as<float>() + 6) ==
        std::vector<float>{5, 7, 9, 10, 12, 14});
  CHECK(TensorView(whole).narrow(Axis::h, 1, 2).is_dense());
  CHECK(TensorView(whole).narrow(Axis::h, 4, 0).type().elements() == 0);

  whole.narrow(Axis::w, 3, 2).narrow(Axis::h, 0, 1).as<float>()[1] = -1;
  CHECK(whole.as<float>()[4] == -1);
  runtime::fill(whole.narrow(Axis::w, 1, 4, 1).narrow(Axis::h, 3, 1), {Fill::Kind::iota, 0});
  CHECK(std::vector<float>(whole.as<float>() + 14, whole.as<float>() + 20) ==
        std::vector<float>{14, 15, 0, 1, 2, 3});
  runtime::fill(whole.narrow(Axis::w, 0, 2, 4), {Fill::Kind::iota, 0});
  CHECK(whole.as<float>()[9] == 3);
  CHECK(whole.as<float>()[8] == 8);
}

TEST_CASE("an axis of one position is seen as many") {
  const Tensor row = filled(image(ElementType::f32, 1, 3), {Fill::Kind::iota, 0});
  const TensorView rows = TensorView(row).expand(Axis::h, 2);
  CHECK(rows.type() == image(ElementType::f32, 2, 3));
  const Tensor copy = *Tensor::copy(rows);
  CHECK(std::vector<float>(copy.as<float>(), copy.as<float>() + 6) ==
        std::vector<float>{0, 1, 2, 0, 1, 2});
  CHECK_THROWS_WITH(TensorView(row).expand(Axis::w, 6),
                    "expand: f32[n=1, c=1, h=1, w=3] cannot be seen with w = 6 (an axis of one "
                    "position can be expanded, to 0 or more)");
}

TEST_CASE("a part that is not there is refused") {
  const Tensor tensor = filled(image(ElementType::f32, 4, 5), {});
  const TensorView view = tensor;
  CHECK_THROWS_WITH(view.narrow(Axis::h, 2, 3), "narrow: there are no 3 positions from 2 on by 1 "
                                                "along h of f32[n=1, c=1, h=4, w=5]");
  CHECK_THROWS_AS(view.narrow(Axis::h, -1, 1), Error);
  CHECK_THROWS_AS(view.narrow(Axis::h, 0, -1), Error);
  CHECK_THROWS_AS(view.narrow(Axis::h, 0, 1, 0), Error);
  CHECK_THROWS_AS(view.narrow(Axis::w, 0, 3, INT64_MAX), Error);
  CHECK_THROWS_AS(view.narrow(Axis::w, INT64_MAX, 1), Error);
  CHECK(view.narrow(Axis::w, 0, 3, 2).type().size(Axis::w) == 3);
  CHECK(view.narrow(Axis::w, 4, 1, INT64_MAX).type().size(Axis::w) == 1);
  CHECK_THROWS_WITH(view.narrow(Axis::d, 0, 1),
                    "narrow: f32[n=1, c=1, h=4, w=5] does not name the axis d");
  const ir::TensorType blocked{ElementType::f32,
                               {{Axis::n, 1}, {Axis::c, 2}, {Axis::w, 5}, {Axis::c, 2}}};
  CHECK_THROWS_WITH(TensorView(blocked, tensor.data()).narrow(Axis::c, 0, 1),
                    "narrow: f32[n=1, c=2, w=5, c=2] splits the axis c");
  const std::string two =
      "view: a tensor has 2 strides for the 4 extents of f32[n=1, c=1, h=4, w=5]";
  CHECK_THROWS_WITH(TensorView(view.type(), view.data(), {1, 2}), two);
  CHECK_THROWS_WITH(MutableTensorView(view.type(), nullptr, {1, 2}), two);
  CHECK(failure_text(Tensor::copy(TensorView(view.type(), view.data(), {1, 1, 1, -1}))) ==
        "tensor: the view has the stride -1 along w; strides are 0 or more");
}

TEST_CASE("elements are not read as a type of another size, nor written where there is no memory") {
  const ir::TensorType type = {ElementType::bf16, {{Axis::n, 2}, {Axis::c, 3}}};
  Tensor tensor = *Tensor::allocate(type);
  CHECK(tensor.as<uint16_t>() == static_cast<const void*>(tensor.data()));
  CHECK(std::as_const(tensor).as<std::byte>() == tensor.data()); // a byte of them is no mistake
  const std::string words =
      "tensor: bf16[n=2, c=3] has elements of 2 bytes, asked for as a type of 4";
  CHECK_THROWS_WITH(tensor.as<float>(), words);
  CHECK_THROWS_WITH(std::as_const(tensor).as<float>(), words);
  CHECK_THROWS_WITH(TensorView(tensor).as<float>(), words);
  CHECK_THROWS_WITH(MutableTensorView(tensor).as<float>(), words);
  CHECK_THROWS_WITH(runtime::fill(MutableTensorView(type, nullptr), {}),
                    "fill: bf16[n=2, c=3] is a null pointer");
  CHECK_THROWS_WITH(runtime::fill(MutableTensorView(type, tensor.data(), {-3, 1}), {}),
                    "fill: the view has the stride -3 along n; strides are 0 or more");
  CHECK(failure_text(Tensor::allocate({ElementType::f32, {{Axis::n, 0}, {Axis::c, -4}}})) ==
        "tensor: f32[n=0, c=-4] has an extent below 0");
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
