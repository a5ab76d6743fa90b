#include "runtime/kernel.h"
#include "tests/runtime/failure_text.h"
#include "tests/runtime/hand_assembled.h"
#include "tests/runtime/memory_map.h"
#include "tests/support/catch.h"
#include "tests/support/guarded_buffer.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>
#include <numeric>
#include <thread>

using namespace volute;
using volute::tests::failure_text;
using volute::tests::given;
using volute::tests::GuardedBuffer;
using volute::tests::packing_image;
using volute::tests::row_type;
using volute::tests::twice_image;
using Role = compiler::ImageBuffer::Role;

namespace {

constexpr int64_t width = 37;

Tensor row(int64_t size = width) {
  Tensor tensor = *Tensor::allocate(row_type(size));
  runtime::fill(tensor, {runtime::Fill::Kind::iota, 0});
  return tensor;
}

std::vector<float> values(const Tensor& tensor) {
  return {tensor.as<float>(), tensor.as<float>() + tensor.type().elements()};
}

} // namespace

TEST_CASE("an image whose tables do not hold together is refused") {
  const auto refusal = [](auto change) {
    compiler::Image image = packing_image(width);
    change(image);
    return failure_text(Kernel::load(image));
  };
  CHECK(refusal([](auto&) {}) == "no failure");
  CHECK(refusal([](auto& i) { i.thread_scratch_bytes = -8; }) ==
        "packing: the image asks for -8 bytes of scratch a thread");
  CHECK(refusal([](auto& i) {
          i.parameters = {{"h", {1, 8}}};
        }) == "packing: the image leaves the parameter h open: no input or output says its value");
  CHECK(refusal([](auto& i) { i.parameters = std::vector<ir::Parameter>(17); }) ==
        "packing: the image has 17 parameters, more than 16");
  CHECK(refusal([](auto& i) { i.steps[1].work_by = {ir::Var{0}}; }) ==
        "packing: the image has the step add with a parameter that it does not have");
  CHECK(refusal([](auto& i) {
          i.buffers[0].dims = {{1, 37}, {1, 37}, {ir::Var{2}, 1}};
        }) == "packing: the image has the buffer x with a parameter that it does not have");
  CHECK(refusal([](auto& i) {
          i.buffers[0].dims = {{37, 1}};
        }) == "packing: the image has the buffer x of 1 dimensions and another type");
  CHECK(refusal([](auto& i) { i.buffers[0].type.reset(); }) ==
        "packing: the image's buffer x is given by the caller and has no type");
  CHECK(refusal([](auto& i) { i.buffers[0].bytes = 4; }) ==
        "packing: the image's buffer x has 4 bytes, its type is f32[n=1, c=1, w=37]");
  CHECK(refusal([](auto& i) { i.buffers[4].bytes = -4; }) ==
        "packing: the image's buffer t has -4 bytes");
  CHECK(refusal([](auto& i) { i.buffers[4].bytes = INT64_MAX; }) ==
        "packing: the image asks for a workspace of more than 2^60 bytes");
  CHECK(refusal([](auto& i) { i.buffers[3].bytes = i.buffers[4].bytes = int64_t{1} << 62; }) ==
        "packing: the image asks for a workspace of more than 2^60 bytes");
  CHECK(refusal([](auto& i) {
          i.buffers[0].strides = {0, 0};
        }) ==
        "packing: the image's buffer x has 2 strides for the 3 extents of f32[n=1, c=1, w=37]");
  CHECK(refusal([](auto& i) {
          i.buffers[0].strides = {74, 74, 2};
        }) == "packing: the image's buffer x has 148 bytes, its type is f32[n=1, c=1, w=37] with "
              "strides [74, 74, 2]");
  CHECK(refusal([](auto& i) {
          i.buffers[2].strides = {0, 0, 0};
        }) ==
        "packing: the image's buffer y is written, and its stride 0 along w does not step over the "
        "1 elements that the shorter strides reach");
  CHECK(refusal([](auto& i) { i.buffers[2].may_alias = {3}; }) ==
        "packing: the image's buffer y may lie on buffer 3, which is no such input");
  CHECK(refusal([](auto& i) {
          i.buffers[2].may_alias = {0};
          i.buffers[0] = given("x", Role::input, 36);
        }) == "packing: the image's buffer y may lie on buffer 0, which is no such input");
  CHECK(refusal([](auto& i) { i.steps[0].entry = 4096; }) ==
        "packing: the image's step pack w begins at 4096 of 4096 bytes of text");
  CHECK(refusal([](auto& i) { i.steps[1].work = -1; }) ==
        "packing: the image's step add has -1 items of work");
  CHECK(refusal([](auto& i) { i.steps[0].reads = {5}; }) ==
        "packing: the image's step pack w touches buffer 5 of 5");
  CHECK(refusal([](auto& i) { i.steps[1].writes = {-1}; }) ==
        "packing: the image's step add touches buffer -1 of 5");
  CHECK(refusal([](auto& i) {
          i.steps[0].writes = {3, 1};
        }) == "packing: the image's step pack w writes w, an input");
  CHECK(refusal([](auto& i) {
          i.steps[1].reads = {0, 3, 2};
        }) == "packing: the image's step add reads y, which no step has written");
  CHECK(refusal([](auto& i) {
          i.steps[2].writes = {2, 3};
        }) == "packing: the image's step less writes w.packed, which a step before has read");
  CHECK(refusal([](auto& i) { i.steps[1].reads = {0, 3, 4}; }) == "no failure"); // its own
  CHECK(refusal([](auto& i) { i.text_bytes = 1 << 20; }) ==
        "packing: the image has 1048576 bytes of text in 4104 bytes");
  CHECK(refusal([](auto& i) { i.target = "pentium"; }).substr(0, 6) == "target");
}

#if defined(__x86_64__)

TEST_CASE("a kernel is called by name, in any order, and by position") {
  const Kernel kernel = *Kernel::load(packing_image(width));
  CHECK(kernel.name() == "packing");
  CHECK(kernel.inputs() == std::vector<std::string>{"x", "w"});
  CHECK(kernel.outputs() == std::vector<std::string>{"y"});
  CHECK(kernel.type("w") == row_type(width));
  CHECK(kernel.mapped_bytes() == 8192);

  const Tensor x = row(), w = row();
  std::vector<float> expected(width);
  for (int i = 0; i < width; ++i) expected[static_cast<size_t>(i)] = static_cast<float>(11 * i - 1);
  Tensor y = row();
  CHECK(kernel.run({{"w", w}, {"x", x}}, {{"y", y}}).ok());
  CHECK(values(y) == expected);

  Tensor by_position = row();
  CHECK(kernel(x, w, by_position).ok());
  CHECK(values(by_position) == expected);
  const MutableTensorView view(row_type(width), by_position.data());
  CHECK(kernel(TensorView(x), w, view).ok());
}

TEST_CASE("a kernel touches its arguments and nothing beside them") {
  const Kernel kernel = *Kernel::load(packing_image(width));
  for (const auto wall : {GuardedBuffer::Wall::at_end, GuardedBuffer::Wall::at_begin}) {
    const GuardedBuffer x(4 * width, wall), w(4 * width, wall), y(4 * width, wall);
    std::fill_n(x.as<float>(), width, 3.0f);
    std::fill_n(w.as<float>(), width, 2.0f);
    CHECK(kernel(TensorView(row_type(width), x.data()), TensorView(row_type(width), w.data()),
                 MutableTensorView(row_type(width), y.data()))
              .ok());
    CHECK(std::count(y.as<float>(), y.as<float>() + width, 22.0f) == width);
    CHECK(y.margin_is_untouched());
  }
}

TEST_CASE("a bound input is copied and packed once, and no longer asked for") {
  const Kernel kernel = *Kernel::load(packing_image(width));
  const Tensor x = row();
  Tensor w = row(), y = row();
  const Kernel bound = kernel.bind("w", w);
  CHECK(bound.inputs() == std::vector<std::string>{"x"});
  runtime::fill(w, {runtime::Fill::Kind::zeros, 0}); // too late to matter
  CHECK(bound(x, y).ok());
  CHECK(y.as<float>()[5] == 54);
  CHECK(bound.run({{"x", x}}, {{"y", y}}).ok());
  CHECK(y.as<float>()[6] == 65);
  CHECK(kernel(x, w, y).ok()); // the kernel that was bound stays as it was
  CHECK(y.as<float>()[5] == 4);
  CHECK(bound.workspace_bytes() < kernel.workspace_bytes()); // the packed weight has left it

  const Kernel constant = bound.bind("x", x);
  CHECK(constant.inputs().empty());
  CHECK(constant(y).ok());
  CHECK(y.as<float>()[5] == 54);
}

TEST_CASE("what cannot be bound is refused") {
  const Kernel kernel = *Kernel::load(packing_image(width));
  const Tensor w = row();
  CHECK(failure_text(kernel.try_bind("q", w)) ==
        "packing: there is no input %q (the inputs are %x, %w)");
  CHECK(failure_text(kernel.try_bind("y", w)) ==
        "packing: there is no input %y (the inputs are %x, %w)");
  CHECK(failure_text(kernel.try_bind("w", row(3))) ==
        "packing: %w is f32[n=1, c=1, w=37], not f32[n=1, c=1, w=3]");
  CHECK(failure_text(kernel.try_bind("w", TensorView(row_type(width), nullptr))) ==
        "packing: %w is a null pointer");
  CHECK(failure_text(kernel.bind("w", w).try_bind("w", w)) == "packing: %w is bound already");
  CHECK(failure_text(kernel.bind("w", w).bind("x", w).try_bind("q", w)) ==
        "packing: there is no input %q (the inputs are none)");
  CHECK_THROWS_WITH((void)kernel.bind("q", w),
                    "packing: there is no input %q (the inputs are %x, %w)");
}

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

TEST_CASE("a step's status ends the call and says which step it was") {
  const Kernel kernel = *Kernel::load(packing_image(width));
  Tensor x = row(), w = row(), y = row();
  x.as<float>()[20] = -1000;
  const Status status = kernel(x, w, y);
  CHECK(status.code() == StatusCode::index_out_of_range);
  CHECK(status.message() == "packing: less: an index in the data is outside its range");

  // mov eax, edx (the end of the range); ret
  compiler::Image image = twice_image(width);
  const uint8_t return_end[] = {0x89, 0xc8, 0xc3};
  std::memcpy(image.bytes.data(), return_end, sizeof return_end);
  Tensor out = row();
  CHECK((*Kernel::load(image))(x, out).message() == "twice: twice: the step failed with code 37");
  // Of two pieces that fail, the first one's code: it ends at 19.
  CHECK((*Kernel::load(image, *Threads::pool(2)))(x, out).message() ==
        "twice: twice: the step failed with code 19");
}

TEST_CASE("threads change nothing but the time, and every thread has scratch of its own") {
  const int64_t wide = 10007;
  const Kernel kernel = *Kernel::load(packing_image(wide));
  const Tensor x = row(wide), w = row(wide);
  Tensor alone = row(wide);
  REQUIRE(kernel(x, w, alone).ok());
  const auto backwards = [](int64_t count, const std::function<void(int64_t)>& body) {
    for (int64_t i = count; i-- > 0;) body(i);
  };
  for (const Threads& threads : {*Threads::pool(2), *Threads::pool(3), *Threads::on(2, backwards),
                                 *Threads::on(7, backwards), *Threads::on(64, backwards)}) {
    const int count = threads.count();
    const Kernel parallel = kernel.with_threads(threads);
    CHECK(parallel.workspace_bytes() == kernel.workspace_bytes() + 128 * (count - 1));
    Tensor y = row(wide);
    CHECK(parallel(x, w, y).ok());
    CHECK(values(y) == values(alone));
    const Kernel bound = parallel.bind("w", w);
    runtime::fill(y, {});
    CHECK(bound(x, y).ok());
    CHECK(values(y) == values(alone));
  }
}

TEST_CASE("a failure of the caller's pool is the call's failure") {
  const Threads lazy = *Threads::on(2, [](int64_t, const std::function<void(int64_t)>&) {});
  const Kernel kernel = *Kernel::load(twice_image(width), lazy);
  const Tensor x = row();
  Tensor y = row();
  CHECK(kernel(x, y).message() == "threads: the parallel-for ran 0 of 2 pieces");
}

TEST_CASE("one kernel is called from many threads at once") {
  const Kernel kernel = *Kernel::load(packing_image(width));
  const Tensor w = row();
  std::atomic<int> wrong{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 8; ++caller)
    callers.emplace_back([&, caller] {
      Tensor x = row(), y = row();
      std::fill_n(x.as<float>(), width, static_cast<float>(caller));
      for (int i = 0; i < 500; ++i) {
        if (!kernel(x, w, y)) ++wrong;
        for (int j = 0; j < width; ++j)
          if (y.as<float>()[j] != static_cast<float>(caller + 10 * j - 1)) ++wrong;
      }
    });
  for (std::thread& caller : callers) caller.join();
  CHECK(wrong == 0);
}

TEST_CASE("a call may be made inside a call, as by a pool whose waiting threads work") {
  const Kernel inner = *Kernel::load(packing_image(width));
  const Tensor x = row(), w = row();
  Tensor other = row();
  const Threads nested =
      *Threads::on(2, [&](int64_t count, const std::function<void(int64_t)>& body) {
        static thread_local bool inside = false;
        for (int64_t i = 0; i < count; ++i) body(i);
        if (inside) return;
        inside = true;
        // `outer` below: the same kernel, in the middle of a call to it.
        Tensor y = row();
        CHECK(inner(x, w, y).ok());
        inside = false;
      });
  const Kernel outer = inner.with_threads(nested);
  CHECK(outer(x, w, other).ok());
  CHECK(other.as<float>()[5] == 54);
}

TEST_CASE("an image with more buffers than the stack's table holds is called all the same") {
  compiler::Image image = packing_image(width);
  for (int i = 0; i < 60; ++i) {
    compiler::ImageBuffer buffer;
    buffer.name = "spare";
    buffer.role = Role::intermediate;
    image.buffers.push_back(buffer);
  }
  const Kernel kernel = *Kernel::load(image);
  const Tensor x = row(), w = row();
  Tensor y = row();
  CHECK(kernel(x, w, y).ok());
  CHECK(y.as<float>()[5] == 54);
  CHECK(kernel.bind("w", w)(x, y).ok());
  CHECK(y.as<float>()[5] == 54);
}

TEST_CASE("an image for a machine with other instructions is refused") {
  compiler::Image image = twice_image(width);
  image.target = "native";
  CHECK(Kernel::load(image).has_value());
}

TEST_CASE("2,000 kernels leave no mapping behind") {
  const Tensor x = row();
  Tensor y = row();
  const auto code = [] {
    const auto all = tests::mappings();
    return std::count_if(all.begin(), all.end(),
                         [](const auto& m) { return m.permissions == "r-xp" && m.file.empty(); });
  };
  const auto before = code();
  {
    std::vector<Kernel> kernels;
    for (int i = 0; i < 2000; ++i) {
      kernels.push_back(*Kernel::load(packing_image(width)));
      if (i % 100 == 0) kernels.push_back(kernels.back().bind("w", x)); // shares its mapping
    }
    CHECK(code() == before + 2000);
    CHECK(kernels[1](x, y).ok());
  }
  CHECK(code() == before);
}

TEST_CASE("a weak reference finds a kernel as long as somebody holds it") {
  std::optional<Kernel> kernel = *Kernel::load(twice_image(width));
  const runtime::WeakKernel weak(*kernel);
  CHECK(weak.lock().has_value());
  kernel.reset();
  CHECK(weak.expired());
  CHECK(!weak.lock().has_value());
}

#endif
