// The whole path as a user walks it: a program's text, a session, a kernel, the right numbers.
#include "ir/parse.h"
#include "ir/reference.h"
#include "runtime/session.h"
#include "tests/runtime/failure_text.h"
#include "tests/support/catch.h"
#include "tests/support/guarded_buffer.h"
#include "tests/support/tensors.h"

#include <cstring>

using namespace volute;
using volute::tests::failure_text;
using volute::tests::GuardedBuffer;

namespace {

const char* const stem = R"(
program @stem(%x: f32[n=1, c=3, h=19, w=23], %w: f32[o=8, i=3, h=3, w=3], %b: f32[o=8]) {
  %0 = conv %x, %w, %b {stride = 2, pad = 1}
  %1 = relu %0
  %y = max_pool %1 {kernel = 3, stride = 2, pad = 1}
  return %y
})";

ir::TensorData data(const Tensor& tensor) {
  return {tensor.type(), {tensor.data(), tensor.data() + tensor.bytes()}};
}

} // namespace

TEST_CASE("a session's kernel gives the reference's numbers, bound or not, on any threads") {
  Session session;
  const ir::Program program = *ir::parse(stem);
  const Kernel kernel = session.compile(program);
  const Tensor x = tests::random_tensor(kernel.type("x"), 0),
               w = tests::random_tensor(kernel.type("w"), 1),
               b = tests::random_tensor(kernel.type("b"), 2);
  const ir::TensorData xd = data(x), wd = data(w), bd = data(b);
  const auto expected = *ir::evaluate(program, {{"x", &xd}, {"w", &wd}, {"b", &bd}});
  const std::vector<std::byte>& wanted = expected.at("y").bytes;

  const Kernel on_two = kernel.with_threads(*Threads::pool(2));
  for (const Kernel& each : {kernel, on_two}) {
    GuardedBuffer y(wanted.size());
    const MutableTensorView view(kernel.type("y"), y.data());
    each.run({{"w", w}, {"b", b}, {"x", x}}, {{"y", view}}).check();
    // Whole numbers this small are exact in any order of summation, so the bytes are the same.
    CHECK(std::memcmp(y.data(), wanted.data(), wanted.size()) == 0);
    CHECK(y.margin_is_untouched());
    y.reset();
    each.bind("w", w).bind("b", b)(x, view).check();
    CHECK(std::memcmp(y.data(), wanted.data(), wanted.size()) == 0);
  }
  (void)session.compile(*ir::parse(stem));
  CHECK(session.cache_counters().hits == 1);
}

TEST_CASE("a kernel runs in place where it says so, with the same bits") {
  Session session;
  const struct {
    const char *text, *input;
  } cases[] = {
      {"program @p(%x: f32[n=2, c=3, h=5, w=37]) { %y = relu %x return %y }", "x"},
      {"program @p(%x: f32[n=2, c=3, h=5, w=37]) { %y = silu %x return %y }", "x"},
      {"program @p(%a: f32[n=1, c=37, w=19], %b: f32[n=1, c=37, w=19]) {"
       "  %y = sub %a, %b return %y }",
       "b"},
      {"program @p(%x: f32[n=1, c=5, h=14, w=17], %w: f32[o=35, i=5, h=3, w=3],"
       "           %r: f32[n=1, c=35, h=14, w=17]) {"
       "  %0 = conv %x, %w {pad = 1} %1 = add %0, %r %y = relu %1 return %y }",
       "r"},
      {"program @p(%x: f32[n=1, h=14, w=17, c=5], %w: f32[o=35, i=5, h=3, w=3],"
       "           %r: f32[n=1, h=14, w=17, c=35]) {"
       "  %0 = conv %x, %w {pad = 1} %1 = add %0, %r %y = relu %1 return %y }",
       "r"},
  };
  for (const auto& [text, alias] : cases)
    for (const char* schedule : {"auto", "naive"}) {
      CAPTURE(text, schedule);
      const Kernel alone = session.compile(*ir::parse(text), {.schedule = schedule});
      REQUIRE(alone.runs_in_place(alias, "y"));
      for (const Kernel& kernel : {alone, alone.with_threads(*Threads::pool(2))}) {
        std::vector<Tensor> inputs;
        for (const std::string& name : kernel.inputs())
          inputs.push_back(tests::random_tensor(kernel.type(name), inputs.size()));
        Tensor y = *Tensor::allocate(kernel.type("y"));
        std::vector<TensorRef> arguments(inputs.begin(), inputs.end());
        arguments.emplace_back(y);
        kernel.call(arguments).check();
        for (size_t i = 0; i < inputs.size(); ++i)
          if (kernel.inputs()[i] == alias) arguments.back() = TensorRef(inputs[i]);
        kernel.call(arguments).check();
        CHECK(std::memcmp(arguments.back().data, y.data(), static_cast<size_t>(y.bytes())) == 0);
      }
    }
}

TEST_CASE("an index beyond the output is a failure of the call, in the program's name") {
  Session session;
  const Kernel kernel = session.compile(
      *ir::parse("program @p(%x: f32[n=1, c=2, h=3, w=4], %i: i64[n=1, c=2, h=3, w=4]) {"
                 "  %y = max_unpool %x, %i {kernel = 2} return %y }"));
  const Tensor x = tests::random_tensor(kernel.type("x"), 0);
  Tensor i = *Tensor::allocate(kernel.type("i")), y = *Tensor::allocate(kernel.type("y"));
  CHECK(kernel(x, i, y).ok());
  for (const int64_t index : {int64_t{-1}, int64_t{6 * 8}, INT64_MAX}) {
    i.as<int64_t>()[17] = index;
    const Status status = kernel(x, i, y);
    CHECK(status.code() == StatusCode::index_out_of_range);
    CHECK(status.message() == "p: max_unpool_y: %i: the index " + std::to_string(index) +
                                  " at [n=0, c=1, h=1, w=1] is outside the result's 48 positions");
  }
}

TEST_CASE("a window of the input may not lie where the output is written") {
  Session session;
  const Kernel kernel = session.compile(
      *ir::parse("program @p(%x: f32[n=1, c=4, h=6, w=6]) {"
                 "  %y = max_pool %x {kernel = 3, stride = 1, pad = 1} return %y }"));
  CHECK(!kernel.runs_in_place("x", "y"));
  Tensor x = tests::random_tensor(kernel.type("x"), 0);
  CHECK(kernel(x, x).message() ==
        "p: the output %y overlaps the input %x (the kernel does not run in place here: the result "
        "needs memory of its own)");
}

TEST_CASE("results between steps share memory, and bound weights leave it") {
  Session session;
  // Results that two others read are steps of their own.
  const ir::Program program = *ir::parse(R"(
program @chain(%x: f32[n=1, c=8, h=20, w=20], %w: f32[o=8, i=8, h=3, w=3]) {
  %0 = conv %x, %w {pad = 1}
  %1 = max_pool %0 {kernel = 3, stride = 1, pad = 1}
  %2 = conv %1, %w {pad = 1}
  %3 = max_pool %2 {kernel = 3, stride = 1, pad = 1}
  %4 = conv %3, %w {pad = 1}
  %y = max_pool %4 {kernel = 3, stride = 1, pad = 1}
  return %y
})");
  const Kernel kernel = session.compile(program);
  const Tensor x = tests::random_tensor(kernel.type("x"), 0),
               w = tests::random_tensor(kernel.type("w"), 1);
  const ir::TensorData xd = data(x), wd = data(w);
  const ir::TensorData expected = ir::evaluate(program, {{"x", &xd}, {"w", &wd}})->at("y");
  const int64_t one = int64_t{4} * 8 * 20 * 20;
  const Kernel bound = kernel.bind("w", w);
  CHECK(bound.workspace_bytes() < 3 * one); // of five
  CHECK(bound.workspace_bytes() < kernel.workspace_bytes());
  for (int call = 0; call < 2; ++call) { // the second finds what the first left
    Tensor y = *Tensor::allocate(kernel.type("y")), z = *Tensor::allocate(kernel.type("y"));
    kernel(x, w, y).check();
    CHECK(std::memcmp(y.data(), expected.bytes.data(), expected.bytes.size()) == 0);
    bound(x, z).check();
    CHECK(std::memcmp(z.data(), expected.bytes.data(), expected.bytes.size()) == 0);
  }
}

TEST_CASE("a schedule that does not fit its program is refused in the compiler's words") {
  Session session;
  const ir::Program program = *ir::parse(stem);
  const CompileOptions options{.schedule = "nest conv_1:\nfor q"};
  const std::string text = failure_text(session.try_compile(program, options));
  CAPTURE(text);
  CHECK(text.substr(0, 8) == "schedule");
  CHECK(text.find("for q: no such axis") != std::string::npos);
  CHECK_THROWS_AS((void)session.compile(program, options), Error);
}
