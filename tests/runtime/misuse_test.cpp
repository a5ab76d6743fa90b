// What a slip of the pen hands to the library: objects that were moved from, types of no tensor,
// pointers that are null, functions that are empty. Words come back, and never a signal.
#include "ir/parse.h"
#include "runtime/png.h"
#include "runtime/replace_files.h"
#include "runtime/volute.hpp"
#include "tests/runtime/failure_text.h"
#include "tests/support/catch.h"

#include <fmt/format.h>

#include <limits>
#include <span>

using namespace volute;
using volute::tests::failure_text;

namespace {

const char* const doubling =
    "program @p(%x: f32[n=1, c=1, w=4]) {\n  %y = add %x, %x\n  return %y\n}";

} // namespace

TEST_CASE("kernels and sessions that were moved from are what they were") {
  Session session{runtime::Options{}};
  Session taken = std::move(session);
  Kernel kernel = session.compile(*ir::parse(doubling));
  const Kernel other = std::move(kernel);
  const float xs[] = {1, 2, 3, 4};
  float ys[4] = {};
  CHECK(kernel(TensorView(kernel.type("x"), xs), MutableTensorView(kernel.type("y"), ys)).ok());
  CHECK(ys[3] == 8);
  CHECK(kernel.name() == other.name());
  CHECK(taken.compile(*ir::parse(doubling)).name() == "p");
  CHECK(session.cache_counters().hits == 1);
}

TEST_CASE("a tensor that was moved from is refused wherever it is given") {
  Session session{runtime::Options{}};
  const Kernel kernel = session.compile(*ir::parse(doubling));
  Tensor x = *Tensor::allocate(kernel.type("x")), y = *Tensor::allocate(kernel.type("y"));
  const Tensor kept = std::move(x);
  CHECK(kernel(kept, y).ok());
  CHECK(kernel(x, y).message() == "p: %x is f32[n=1, c=1, w=4], not f32[]");
  CHECK(!kernel.try_bind("x", x));
  CHECK_THROWS_AS(runtime::fill(x, {}), Error);
  CHECK(!Tensor::copy(x));
  CHECK(runtime::count_denormals(x) == 0);
  CHECK(runtime::clamped_samples(x) == 0);
  CHECK_THROWS_AS(volute::functional::relu(session, x), Error);
}

TEST_CASE("views of what is no tensor's type are refused when they are made") {
  using ir::Axis;
  const auto type = [](int64_t n, int64_t c) {
    return ir::TensorType{ir::ElementType::f32, {{Axis::n, n}, {Axis::c, c}}};
  };
  float numbers[4] = {};
  CHECK_THROWS_WITH(TensorView(type(-2, -2), numbers),
                    "view: f32[n=-2, c=-2] has an extent below 0");
  CHECK_THROWS_WITH(MutableTensorView(type(4, -1), numbers),
                    "view: f32[n=4, c=-1] has an extent below 0");
  const int64_t huge = std::numeric_limits<int64_t>::max();
  CHECK_THROWS_WITH(TensorView(type(huge, huge), numbers),
                    "view: f32[n=9223372036854775807, c=9223372036854775807] is larger than 2^62 "
                    "bytes");
  CHECK_THROWS_AS(runtime::count_denormals(TensorView(type(2, 2), numbers, {-8, 1})), Error);
  CHECK(TensorView(type(0, huge), nullptr).type().elements() == 0);
}

TEST_CASE("options that make no sense are refused in words") {
  Session session{runtime::Options{}};
  const ir::Program program = *ir::parse(doubling);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const double accuracy : {-1.0, nan, std::numeric_limits<double>::infinity()})
    CHECK(failure_text(session.try_compile(program, {.accuracy = accuracy})) ==
          "accuracy: " + fmt::format("{}", accuracy) + " is not a number of 0 or more");
  CHECK(!session.try_compile(program, {.target = "no such"}));
  CHECK(!session.try_compile(program, {.schedule = "no such"}));
  CompileOptions options;
  options.strides["x"] = {1};
  CHECK(!session.try_compile(program, options));
  options.strides = {{"no such", {1, 1, 1}}};
  CHECK(!session.try_compile(program, options));
}

TEST_CASE("functions that are empty and bodies that are null are refused in words") {
  CHECK(Threads().run(3, nullptr, nullptr).message() ==
        "threads: there is nothing to run: the body is a null pointer");
  CHECK(failure_text(Threads::on(2, {})) == "threads: the parallel-for is an empty function");
  CHECK(runtime::replace_file("/dev/null", {}).message() ==
        "/dev/null: there is nobody to write it");
  CHECK(runtime::replace_files({}).ok());
  CHECK_THROWS_WITH(Session(runtime::Options{}, Threads(), runtime::CompileImage()),
                    "session: its compiler is an empty function");
}

TEST_CASE("empty lists and names are answered") {
  Session session{runtime::Options{}};
  const Kernel kernel = session.compile(*ir::parse(doubling));
  CHECK(kernel.call({}).message() == "p: takes 1 inputs and 1 outputs, 0 arguments were given");
  CHECK(kernel.run({}, {}).message() == "p: the input %x is not given");
  CHECK(kernel.run(std::span<const Kernel::Named>(), {}).message() ==
        "p: the input %x is not given");
  CHECK(kernel.run({{{}, {}}}, {}).code() == StatusCode::invalid_argument);
  CHECK_THROWS_AS(kernel.type({}), Error);
  CHECK_THROWS_AS(kernel.strides({}), Error);
  CHECK_THROWS_AS(kernel.runs_in_place({}, {}), Error);
  CHECK_THROWS_AS(kernel.type_at(2), Error);
  CHECK(!kernel.try_bind({}, TensorView(kernel.type("x"), nullptr)));
  CHECK(!runtime::WeakKernel().lock());
}
