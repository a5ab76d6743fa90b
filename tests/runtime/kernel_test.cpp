#include "runtime/kernel.h"
#include "tests/runtime/failure_text.h"
#include "tests/runtime/hand_assembled.h"
#include "tests/runtime/memory_map.h"
#include "tests/runtime/rows.h"
#include "tests/support/catch.h"
#include "tests/support/guarded_buffer.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>
#include <numeric>
#include <thread>

using namespace volute;
using namespace volute::tests;
using Role = compiler::ImageBuffer::Role;

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
