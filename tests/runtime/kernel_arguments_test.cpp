// What a call is given, and everything about it that does not fit.

#include "runtime/kernel.h"
#include "tests/runtime/failure_text.h"
#include "tests/runtime/hand_assembled.h"
#include "tests/runtime/rows.h"
#include "tests/support/catch.h"
#include "tests/support/guarded_buffer.h"

#include <algorithm>
#include <cstdlib>
#include <new>
#include <numeric>

using namespace volute;
using namespace volute::tests;
using Role = compiler::ImageBuffer::Role;

TEST_CASE("a call with the wrong names is refused") {
  const Kernel kernel = *Kernel::load(packing_image(width));
  const Tensor x = row(), w = row();
  Tensor y = row();
  const auto refusal = [&](const Status& status) {
    CHECK(status.code() == StatusCode::invalid_argument);
    return status.message();
  };
  CHECK(refusal(kernel.run({{"x", x}}, {{"y", y}})) == "packing: the input %w is not given");
  CHECK(refusal(kernel.run({{"x", x}, {"w", w}}, {})) == "packing: the output %y is not given");
  CHECK(refusal(kernel.run({{"x", x}, {"w", w}, {"b", w}}, {{"y", y}})) ==
        "packing: there is no input %b (the inputs are %x, %w)");
  CHECK(refusal(kernel.run({{"x", x}, {"w", w}}, {{"z", y}})) ==
        "packing: there is no output %z (the outputs are %y)");
  CHECK(refusal(kernel.run({{"x", x}, {"y", w}}, {{"w", y}})) ==
        "packing: there is no input %y (the inputs are %x, %w)");
  CHECK(refusal(kernel.run({{"x", x}, {"x", w}}, {{"y", y}})) == "packing: %x is given twice");
  CHECK(refusal(kernel.bind("w", w).run({{"x", x}, {"w", w}}, {{"y", y}})) ==
        "packing: %w is bound already");
  CHECK(refusal(kernel(x, y)) == "packing: takes 2 inputs and 1 outputs, 2 arguments were given");
}

TEST_CASE("a call with a wrong type, extent, address or order of arguments is refused") {
  const Kernel kernel = *Kernel::load(packing_image(width));
  const Tensor x = row(), w = row();
  Tensor y = row(width);
  const auto refusal = [&](const auto&... arguments) {
    const Status status = kernel(arguments...);
    CHECK(status.code() == StatusCode::invalid_argument);
    return status.message();
  };
  const MutableTensorView out(row_type(width), y.data());
  CHECK(refusal(row(36), w, out) == "packing: %x is f32[n=1, c=1, w=37], not f32[n=1, c=1, w=36]");
  ir::TensorType integers = row_type(width);
  integers.element = ir::ElementType::i32;
  CHECK(refusal(x, TensorView(integers, w.data()), out) ==
        "packing: %w is f32[n=1, c=1, w=37], not i32[n=1, c=1, w=37]");
  ir::TensorType other_order = row_type(width);
  std::swap(other_order.extents[0], other_order.extents[2]);
  CHECK(refusal(x, w, MutableTensorView(other_order, y.data())) ==
        "packing: %y is f32[n=1, c=1, w=37], not f32[w=37, c=1, n=1]");
  CHECK(refusal(TensorView(row_type(width), nullptr), w, out) == "packing: %x is a null pointer");
  CHECK(refusal(x, w, MutableTensorView(row_type(width), nullptr)) ==
        "packing: %y is a null pointer");
  std::vector<std::byte> odd(4 * width + 8);
  CHECK(refusal(TensorView(row_type(width), odd.data() + 1), w, out) ==
        "packing: %x is at an address that is not a multiple of 4, the size of its elements");
  CHECK(refusal(x, w, TensorView(row_type(width), y.data())) ==
        "packing: %y is an output and was given memory that is only to be read");
}

TEST_CASE("a call takes tensors as plain data, and refuses nonsense in any field") {
  const Kernel kernel = *Kernel::load(packing_image(width));
  std::vector<float> x(width, 1), w(width, 2), y(width);
  const ir::Extent extents[] = {{ir::Axis::n, 1}, {ir::Axis::c, 1}, {ir::Axis::w, width}};
  const int64_t strides[] = {width, width, 1};
  const TensorRef in = {x.data(), extents, strides, 3, ir::ElementType::f32, false};
  const TensorRef weight = {w.data(), extents, nullptr, 3, ir::ElementType::f32, false};
  const TensorRef out = {y.data(), extents, nullptr, 3, ir::ElementType::f32, true};
  CHECK(kernel(in, weight, out).ok());
  CHECK(y == std::vector<float>(width, 20));
  CHECK(kernel.run({{"w", weight}, {"x", in}}, {{"y", out}}).ok());
  const std::vector<Kernel::Named> inputs = {{"x", in}, {"w", weight}}, outputs = {{"y", out}};
  CHECK(kernel.run(inputs, outputs).ok());

  const auto refusal = [&](auto change) {
    TensorRef wrong = in;
    change(wrong);
    const Status status = kernel(wrong, weight, out);
    CHECK(status.code() == StatusCode::invalid_argument);
    CHECK(kernel.run({{"x", wrong}, {"w", weight}}, {{"y", out}}).message() == status.message());
    return status.message();
  };
  const std::string is = "packing: %x is f32[n=1, c=1, w=37], not ";
  CHECK(refusal([](TensorRef& r) { r.rank = 2; }) == is + "f32[n=1, c=1]");
  CHECK(refusal([](TensorRef& r) { r.rank = -1; }) == is + "a tensor of rank -1");
  CHECK(refusal([](TensorRef& r) { r.rank = INT32_MAX; }) == is + "a tensor of rank 2147483647");
  CHECK(refusal([](TensorRef& r) { r.extents = nullptr; }) ==
        is + "a tensor whose extents are a null pointer");
  CHECK(refusal([](TensorRef& r) { r.element = static_cast<ir::ElementType>(200); }) ==
        is + "a tensor of element type 200, of which there is none");
  const ir::Extent odd[] = {{static_cast<ir::Axis>(9), 1}, {ir::Axis::c, 1}, {ir::Axis::w, width}};
  CHECK(refusal([&](TensorRef& r) { r.extents = odd; }) ==
        is + "a tensor with an axis 9, of which there is none");
  CHECK(refusal([](TensorRef& r) { r.data = nullptr; }) == "packing: %x is a null pointer");
  const int64_t others[] = {width, width, -1};
  CHECK(refusal([&](TensorRef& r) { r.strides = others; }) ==
        "packing: %x has the strides [37, 37, -1], and the kernel was compiled for dense, "
        "[37, 37, 1]");
  TensorRef read_only = out;
  read_only.writable = false;
  CHECK(kernel(in, weight, read_only).message() ==
        "packing: %y is an output and was given memory that is only to be read");
}

TEST_CASE("lists that are null are refused, whatever their length says") {
  const Kernel kernel = *Kernel::load(packing_image(width));
  const Tensor x = row(), w = row();
  Tensor y = row();
  CHECK(kernel.call(std::span<const TensorRef>(static_cast<const TensorRef*>(nullptr), 3))
            .message() == "packing: the list of arguments is a null pointer");
  const std::array<TensorRef, 3> arguments = {x, w, y};
  const std::span<std::byte> nowhere(static_cast<std::byte*>(nullptr), size_t{1} << 20);
  CHECK(kernel.call(arguments, nowhere).message() == "packing: the workspace is a null pointer");
  CHECK(kernel.run({{"x", x}, {"w", w}}, {{"y", y}}, nowhere).message() ==
        "packing: the workspace is a null pointer");
  const std::span<const Kernel::Named> none(static_cast<const Kernel::Named*>(nullptr), 2);
  CHECK(kernel.run(none, {{"y", y}}).message() == "packing: the list of inputs is a null pointer");
  CHECK(kernel.run({{"x", x}, {"w", w}}, none).message() ==
        "packing: the list of outputs is a null pointer");
}

TEST_CASE("a name that a kernel does not have is an error with the names it has, nearest first") {
  compiler::Image image = packing_image(width);
  image.buffers[0].name = "image";
  image.buffers[1].name = "filter";
  image.buffers[2].name = "result";
  const Kernel kernel = *Kernel::load(image);
  CHECK_THROWS_WITH(kernel.type("fliter"), "packing: there is no input or output %fliter (there "
                                           "are %filter, %image, %result)");
  CHECK_THROWS_WITH(kernel.type("t"), "packing: there is no input or output %t (there are %image, "
                                      "%filter, %result)"); // a buffer between its steps
  CHECK_THROWS_WITH(kernel.strides("results"), "packing: there is no input or output %results "
                                               "(there are %result, %image, %filter)");
  CHECK_THROWS_WITH(kernel.runs_in_place("imagee", "result"),
                    "packing: there is no input or output %imagee (there are %image, %filter, "
                    "%result)");
  CHECK_THROWS_WITH(kernel.runs_in_place("image", ""),
                    "packing: there is no input or output % (there are %image, %filter, %result)");
  Tensor x = row();
  CHECK(kernel.run({{"fliter", x}}, {}).message() ==
        "packing: there is no input %fliter (the inputs are %filter, %image)");
  CHECK(failure_text(kernel.try_bind("fliter", x)) ==
        "packing: there is no input %fliter (the inputs are %filter, %image)");
}

TEST_CASE("an output that shares a byte with another argument is refused") {
  const Kernel kernel = *Kernel::load(packing_image(width));
  const Tensor w = row();
  std::vector<float> memory(4 * width);
  float* const middle = memory.data() + width + 10;
  const TensorView x(row_type(width), middle);
  const auto status = [&](int64_t offset) {
    return kernel(x, w, MutableTensorView(row_type(width), middle + offset));
  };
  CHECK(status(0).message() ==
        "packing: the output %y overlaps the input %x (the kernel does not run in place here: the "
        "result needs memory of its own)");
  CHECK(status(1 - width).message() == "packing: the output %y overlaps the input %x");
  CHECK(status(width - 1).message() == "packing: the output %y overlaps the input %x");
  CHECK(status(width).ok());
  CHECK(status(-width).ok());
  CHECK(kernel(x, x, MutableTensorView(row_type(width), middle + width)).ok()); // inputs may

  compiler::Image image = twice_image(width);
  image.buffers.push_back(given("z", Role::output, width));
  const Kernel two = *Kernel::load(image);
  Tensor y = row();
  CHECK(two(w, y, y).message() == "twice: the output %z overlaps the output %y");
}

TEST_CASE("an output may be the input that its image allows, and nothing else of it") {
  compiler::Image image = twice_image(width);
  image.buffers[1].may_alias = {0};
  const Kernel kernel = *Kernel::load(image);
  CHECK(kernel.runs_in_place("x", "y"));
  CHECK(!kernel.runs_in_place("y", "x"));
  CHECK(!Kernel::load(twice_image(width))->runs_in_place("x", "y"));
  Tensor x = row();
  CHECK(kernel(x, x).ok());
  for (int i = 0; i < width; ++i) CHECK(x.as<float>()[i] == static_cast<float>(2 * i));
  std::vector<float> memory(2 * width);
  const TensorView from(row_type(width), memory.data());
  const MutableTensorView shifted(row_type(width), memory.data() + 1);
  CHECK(kernel(from, shifted).message() == "twice: the output %y overlaps the input %x");
}

// y[i] = 2 x[i] for every second element of rows twice as wide, from
//
//     int32_t twice(const StepArguments* a, std::byte*, int64_t begin, int64_t end) {
//       const float* x = (const float*)a->buffers[0]; float* y = (float*)a->buffers[1];
//       for (int64_t i = begin; i < end; ++i) y[2 * i] = x[2 * i] + x[2 * i];
//       return 0;
//     }
//
// which differs from `twice` in the scale of its two addresses.
compiler::Image every_second_image() {
  compiler::Image image = twice_image(width);
  for (const size_t scale_at : {0x13, 0x1c}) {
    REQUIRE((image.bytes[scale_at] == std::byte{0x96} || image.bytes[scale_at] == std::byte{0x90}));
    image.bytes[scale_at] |= std::byte{0x40}; // times 8 instead of 4
  }
  for (compiler::ImageBuffer& buffer : image.buffers) {
    buffer.strides = {2 * width, 2 * width, 2};
    buffer.strides = compiler::canonical_strides(*buffer.type, buffer.strides);
    buffer.bytes = 4 * (2 * width - 1);
  }
  return image;
}

TEST_CASE("a strided kernel takes views of its strides, and says what others are") {
  const Kernel kernel = *Kernel::load(every_second_image());
  CHECK(kernel.strides("x") == TensorStrides{74, 74, 2});
  Tensor x = row(2 * width), y = row(2 * width);
  const MutableTensorView out = y.narrow(ir::Axis::w, 1, width, 2);
  CHECK(kernel(x.narrow(ir::Axis::w, 0, width, 2), out).ok());
  for (int i = 0; i < width; ++i) {
    CHECK(y.as<float>()[2 * i] == static_cast<float>(2 * i)); // as it was
    CHECK(y.as<float>()[2 * i + 1] == static_cast<float>(4 * i));
  }
  // The strides of extents of one do not matter.
  CHECK(kernel(TensorView(row_type(width), x.data(), {1, 0, 2}), out).ok());
  CHECK(
      kernel(row(), out).message() ==
      "twice: %x has the strides dense, [37, 37, 1], and the kernel was compiled for [74, 74, 2]");
  CHECK(kernel(TensorView(row_type(width), x.data(), {9, 9, 3}), out).message() ==
        "twice: %x has the strides [9, 9, 3], and the kernel was compiled for [74, 74, 2]");
  CHECK_THROWS_WITH(TensorView(row_type(width), x.data(), {2}),
                    "view: a tensor has 1 strides for the 3 extents of f32[n=1, c=1, w=37]");
  const Kernel dense = *Kernel::load(twice_image(width));
  Tensor same = row();
  CHECK(dense(TensorView(row_type(width), x.data(), {1, 1, 2}), same).message() ==
        "twice: %x has the strides [1, 1, 2], and the kernel was compiled for dense, [37, 37, 1]");
  CHECK(dense(TensorView(row_type(width), x.data(), {5, 7, 1}), same).ok());
}

TEST_CASE("parts of one tensor that interlock without meeting may be input and output") {
  const Kernel kernel = *Kernel::load(every_second_image());
  Tensor both = row(2 * width);
  CHECK(kernel(both.narrow(ir::Axis::w, 0, width, 2), both.narrow(ir::Axis::w, 1, width, 2)).ok());
  CHECK(both.as<float>()[2 * 9] == 18);
  CHECK(both.as<float>()[2 * 9 + 1] == 36);
  const MutableTensorView even = both.narrow(ir::Axis::w, 0, width, 2);
  CHECK(kernel(even, even).message().find("the output %y overlaps the input %x") !=
        std::string::npos);
}

TEST_CASE("a bound input may have any strides, and is read nowhere but at its elements") {
  const Kernel kernel = *Kernel::load(packing_image(width));
  const Tensor x = row();
  Tensor y = row();
  const GuardedBuffer w(4 * (2 * width - 1)); // the wall is right behind the last element
  for (int i = 0; i < width; ++i) w.as<float>()[2 * i] = static_cast<float>(i);
  const TensorView every_second(row_type(width), w.data(), {1, 1, 2});
  CHECK(kernel.bind("w", every_second)(x, y).ok());
  CHECK(y.as<float>()[5] == 54);
  CHECK(failure_text(kernel.try_bind("w", TensorView(row_type(width), w.data(), {1, 1, -2}))) ==
        "packing: %w has the stride -2 along w; strides are 0 or more");

  // The other way round: what is bound keeps the strides that the code was compiled for.
  const Kernel strided = *Kernel::load(every_second_image());
  Tensor wide = row(2 * width);
  const Kernel bound = strided.bind("x", x);
  CHECK(bound(wide.narrow(ir::Axis::w, 0, width, 2)).ok());
  CHECK(wide.as<float>()[2 * 7] == 14);
  CHECK(wide.as<float>()[2 * 7 + 1] == 15);
}

TEST_CASE("an empty tensor may be anywhere, null too, and no step runs") {
  const Kernel kernel = *Kernel::load(twice_image(0));
  CHECK(kernel(TensorView(row_type(0), nullptr), MutableTensorView(row_type(0), nullptr)).ok());
  Tensor same = row(0);
  CHECK(kernel(same, same).ok());
}

TEST_CASE("a call in the caller's workspace checks its size, its place and overlap") {
  const Kernel kernel = *Kernel::load(packing_image(width));
  const Tensor x = row(), w = row();
  Tensor y = row();
  const auto bytes = static_cast<size_t>(kernel.workspace_bytes());
  CHECK(bytes >= 384 + 8);           // the buffers, both needed by `add`, and a thread's scratch
  const GuardedBuffer memory(bytes); // bytes is a multiple of 64, so is its begin
  REQUIRE(reinterpret_cast<uintptr_t>(memory.data()) % 64 == 0);
  CHECK(kernel.run({{"x", x}, {"w", w}}, {{"y", y}}, {memory.data(), bytes}).ok());
  CHECK(y.as<float>()[3] == 32);
  CHECK(memory.margin_is_untouched());
  const TensorRef arguments[] = {x, w, y};
  CHECK(kernel.call(arguments, {memory.data(), bytes}).ok());

  CHECK(kernel.call(arguments, {memory.data(), bytes - 1}).message() ==
        "packing: the workspace has 511 bytes, the kernel needs 512");
  CHECK(kernel.call(arguments, {}).message() ==
        "packing: the workspace has 0 bytes, the kernel needs 512");
  std::vector<std::byte> large(bytes + 128);
  const size_t to_64 = 64 - reinterpret_cast<uintptr_t>(large.data()) % 64;
  CHECK(kernel.call(arguments, {large.data() + to_64 + 8, bytes}).message() ==
        "packing: the workspace is not at a multiple of 64");
  const MutableTensorView inside(row_type(width), memory.data() + 64);
  const TensorRef overlapping[] = {x, w, inside};
  CHECK(kernel.call(overlapping, {memory.data(), bytes}).message() ==
        "packing: the workspace overlaps %y");
}
