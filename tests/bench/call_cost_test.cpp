// What a call costs beyond its kernel's own work: allocations are counted, times only printed.
#include "bench/measure.h"
#include "compiler/compile.h"
#include "ir/parse.h"
#include "runtime/executable_memory.h"
#include "runtime/function_key.h"
#include "runtime/volute.hpp"
#include "tests/support/catch.h"
#include "tests/support/counted_memory.h"
#include "tests/support/tensors.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>

using namespace volute;

namespace {

template <class Do>
int64_t allocations_of(const Do& what) {
  const int64_t before = tests::allocations;
  what();
  return tests::allocations - before;
}

ir::TensorType image(ir::Axis first, int64_t n, int64_t c, int64_t size) {
  const bool weight = first == ir::Axis::o;
  return {ir::ElementType::f32,
          {{first, n},
           {weight ? ir::Axis::i : ir::Axis::c, c},
           {ir::Axis::h, size},
           {ir::Axis::w, size}}};
}

// A convolution whose kernel takes less than a microsecond, and all ways to call it.
struct Small {
  Session session{runtime::Options{}};
  Tensor x = tests::random_tensor(image(ir::Axis::n, 1, 4, 8), 0);
  Tensor w = tests::random_tensor(image(ir::Axis::o, 8, 4, 3), 1);
  Tensor y = *Tensor::allocate(image(ir::Axis::n, 1, 8, 8));
  Kernel kernel = session.compile(*ir::parse(R"(
    program @small(%x: f32[n=1, c=4, h=8, w=8], %w: f32[o=8, i=4, h=3, w=3]) {
      %y = conv %x, %w {pad = 1}
      return %y
    })"));
  Kernel bound = kernel.bind("w", w);

  ir::ConvOptions options = {.padding = 1};

  Tensor functional() { return conv2d(session, x, w, options); }
};

} // namespace

TEST_CASE("a call allocates nothing, by position and by name, and a function its result") {
  Small small;
  const TensorView x = small.x, w = small.w;
  const MutableTensorView y = small.y;
  REQUIRE(small.kernel(small.x, small.w, small.y).ok()); // the first one's workspace stays
  CHECK(allocations_of([&] { (void)small.kernel(x, w, y).ok(); }) == 0);
  CHECK(allocations_of([&] { (void)small.bound(x, y).ok(); }) == 0);
  CHECK(allocations_of([&] {
          (void)small.kernel.run({{"x", x}, {"w", w}}, {{"y", y}}).ok();
        }) == 0);

  Tensor first = small.functional();
  const auto before = small.session.cache_counters();
  // The type of the result has a list of extents; its elements come from elsewhere.
  CHECK(allocations_of([&] { first = small.functional(); }) == 1);
  const auto after = small.session.cache_counters();
  CHECK(after.hits == before.hits + 1);
  CHECK(after.compiles == before.compiles);
  CHECK(std::equal(first.as<float>(), first.as<float>() + 8 * 8 * 8, small.y.as<float>()));
}

// Run it pinned, by its name, on a machine with nothing else to do.
TEST_CASE("calls by every way, in nanoseconds", "[.timing]") {
  Small small;
  const ir::Program pool = *ir::parse(R"(
    program @pool(%x: f32[n=1, c=4, h=8, w=8]) { %y = max_pool %x {kernel = 2} return %y })");
  (void)small.session.compile(pool);
  (void)small.functional();
  runtime::FunctionKey key;
  key.add(small.x);
  key.add(small.w);
  key.add(small.options);
  small.session.remember(key, small.kernel);
  const compiler::Compiled compiled = *compiler::compile(pool);
  const auto memory = *runtime::ExecutableMemory::map(
      compiled.image.bytes, compiled.image.text_bytes, compiled.image.name);
  REQUIRE(compiled.image.steps.size() == 1);
  REQUIRE(compiled.image.buffers.size() == 2);
  const auto entry = reinterpret_cast<compiler::StepEntry>(
      reinterpret_cast<uintptr_t>(memory->data() + compiled.image.steps[0].entry));
  const int64_t work = compiled.image.steps[0].work;
  const Kernel kernel = *Kernel::load(compiled.image);
  Tensor pooled = *Tensor::allocate(kernel.type("y"));
  const std::array<std::byte*, 2> table = {small.x.data(), pooled.data()};
  const compiler::StepArguments arguments = {table.data(), nullptr};
  const TensorView x = small.x, w = small.w;
  const MutableTensorView y = small.y, z = pooled;

  const std::vector<bench::Candidate> candidates = {
      bench::candidate("max_pool, its step alone",
                       [&] { (void)entry(&arguments, nullptr, 0, work); }),
      bench::candidate("max_pool, the kernel's call", [&] { (void)kernel(x, z).ok(); }),
      bench::candidate("max_pool2d", [&] { (void)max_pool2d(small.session, small.x, 2); }),
      bench::candidate("conv, bound", [&] { (void)small.bound(x, y).ok(); }),
      bench::candidate("conv, by position", [&] { (void)small.kernel(x, w, y).ok(); }),
      bench::candidate("conv, by name",
                       [&] {
                         (void)small.kernel.run({{"x", x}, {"w", w}}, {{"y", y}}).ok();
                       }),
      bench::candidate("conv2d", [&] { (void)small.functional(); }),
      bench::candidate("compile, found by the program", [&] { (void)small.session.compile(pool); }),
      bench::candidate("conv2d's key, found", [&] { (void)small.session.recall(key); }),
  };
  const std::vector<bench::Timing> timings = bench::measure(candidates, {}, bench::thread_seconds);
  for (size_t i = 0; i < candidates.size(); ++i)
    std::printf("%-30s %8.1f ns\n", candidates[i].name.c_str(), 1e9 * timings[i].median());
}
