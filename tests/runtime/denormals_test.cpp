// Kernels that take denormal numbers for 0, and what is told of such numbers.
#include "ir/parse.h"
#include "runtime/float_control.h"
#include "runtime/session.h"
#include "tests/support/catch.h"

#include <algorithm>
#include <vector>

using namespace volute;

namespace {

// One product is of a denormal number, one is denormal itself, one is neither.
const char* const products = R"(program @p(%x: f32[n=1, c=1, h=64, w=3], %w: f32[c=1]) {
  %y = mul %x, %w
  return %y
})";

std::vector<float> results(const Kernel& kernel, float weight, bool bound) {
  Tensor x = *Tensor::allocate(kernel.type("x")), y = *Tensor::allocate(kernel.type("y"));
  for (int64_t i = 0; i < 64 * 3; i += 3) {
    x.as<float>()[i] = 0x1p-130f;
    x.as<float>()[i + 1] = 0x1p-120f;
    x.as<float>()[i + 2] = 1;
  }
  const TensorView w(kernel.type("w"), &weight);
  if (bound)
    kernel.bind("w", w)(x, y).check();
  else
    kernel(x, w, y).check();
  return {y.as<float>(), y.as<float>() + 64 * 3};
}

std::vector<float> rows_of(float a, float b, float c) {
  std::vector<float> all;
  for (int i = 0; i < 64; ++i) all.insert(all.end(), {a, b, c});
  return all;
}

} // namespace

TEST_CASE("a kernel flushes denormals on every thread when it is told to, and then only") {
  const ir::Program program = *ir::parse(products);
  const auto before = runtime::float_control();
  for (const int threads : {1, 3}) {
    runtime::Options options;
    options.threads = threads;
    Session session(options);
    const CompileOptions plain{.schedule = "parallel h\nfor n, c, w"};
    CompileOptions flushing = plain;
    flushing.flush_denormals = true;
    const Kernel keeps = session.compile(program, plain);
    const Kernel flushes = session.compile(program, flushing);
    CHECK(!keeps.flushes_denormals());
    CHECK(flushes.flushes_denormals());
    for (const bool bound : {false, true}) {
      CHECK(results(keeps, 0x1p-8f, bound) == rows_of(0x1p-138f, 0x1p-128f, 0x1p-8f));
      CHECK(results(flushes, 0x1p-8f, bound) == rows_of(0, 0, 0x1p-8f));
      CHECK(results(keeps.with_threads({}), 2, bound) == rows_of(0x1p-129f, 0x1p-119f, 2));
      CHECK(results(flushes.with_threads({}), 2, bound) == rows_of(0, 0x1p-119f, 2));
      CHECK(runtime::float_control() == before);
    }
  }
}

TEST_CASE("flushing is part of a kernel's key where it may change bits") {
  runtime::Options options;
  options.flush_denormals = true;
  Session session(options);
  const ir::Program floats = *ir::parse(products);
  CHECK(session.compile(floats).flushes_denormals()); // as the session does
  CHECK(!session.compile(floats, {.flush_denormals = false}).flushes_denormals());
  CHECK(session.cache_counters().compiles == 2);
  const ir::Program integers =
      *ir::parse("program @q(%x: i32[n=1, c=1, w=3]) {\n  %y = add %x, %x\n  return %y\n}");
  (void)session.compile(integers);
  (void)session.compile(integers, {.flush_denormals = false});
  CHECK(session.cache_counters().compiles == 3);
}

TEST_CASE("what is computed at bind is flushed as a call's numbers are") {
  const ir::Program program =
      *ir::parse("program @p(%x: f32[n=1, c=1, w=4], %a: f32[c=1], %b: f32[c=1]) {\n"
                 "  %0 = mul %a, %b\n  %y = mul %x, %0\n  return %y\n}");
  Session session{runtime::Options{}};
  for (const bool flush : {false, true}) {
    const Kernel kernel = session.compile(program, {.flush_denormals = flush});
    const float a = 0x1p-70f, b = 0x1p-70f, xs[] = {0x1p100f, 1, 2, 3};
    const TensorView x(kernel.type("x"), xs), av(kernel.type("a"), &a), bv(kernel.type("b"), &b);
    Tensor y = *Tensor::allocate(kernel.type("y"));
    for (const bool bound : {false, true}) {
      if (bound)
        kernel.bind("a", av).bind("b", bv)(x, y).check();
      else
        kernel(x, av, bv, y).check();
      CHECK(y.as<float>()[0] == (flush ? 0 : 0x1p-40f));
    }
  }
}

TEST_CASE("denormals are counted in what is bound") {
  const ir::Program program = *ir::parse(products);
  Session session{runtime::Options{}};
  const Kernel kernel = session.compile(program);
  CHECK(kernel.denormals().empty());
  const float normal = 0x1p-126f, denormal = 0x1p-127f;
  CHECK(kernel.bind("w", TensorView(kernel.type("w"), &normal)).denormals().empty());
  const Kernel bound = kernel.bind("w", TensorView(kernel.type("w"), &denormal));
  REQUIRE(bound.denormals().size() == 1);
  CHECK(bound.denormals()[0].input == "w");
  CHECK(bound.denormals()[0].count == 1);
  CHECK(bound.denormals()[0].elements == 1);
}

TEST_CASE("denormals are counted in views of any strides") {
  std::vector<float> numbers(6 * 5, 1);
  for (int i = 0; i < 30; i += 2) numbers[static_cast<size_t>(i)] = 0x1p-140f;
  const ir::TensorType type = *ir::parse_type("f32[n=1, c=1, h=3, w=5]");
  CHECK(runtime::count_denormals(TensorView(type, numbers.data())) == 8);
  CHECK(runtime::count_denormals(TensorView(type, numbers.data(), {0, 0, 10, 2})) == 15);
  CHECK(runtime::count_denormals(TensorView(type, numbers.data() + 1, {0, 0, 10, 2})) == 0);
  CHECK(runtime::count_denormals(TensorView(type, numbers.data(), {0, 0, 0, 1})) == 9);
}
