// The whole path as a user walks it: a program's text, a session, a kernel, the right numbers.
#include "ir/parse.h"
#include "ir/reference.h"
#include "runtime/session.h"
#include "tests/runtime/failure_text.h"
#include "tests/support/catch.h"
#include "tests/support/guarded_buffer.h"

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

Tensor random(const ir::TensorType& type, uint64_t stream) {
  Tensor tensor = *Tensor::allocate(type);
  runtime::fill(tensor, {runtime::Fill::Kind::random, 1}, stream);
  return tensor;
}

ir::TensorData data(const Tensor& tensor) {
  return {tensor.type(), {tensor.data(), tensor.data() + tensor.bytes()}};
}

} // namespace

TEST_CASE("a session's kernel gives the reference's numbers, bound or not, on any threads") {
  Session session;
  const ir::Program program = *ir::parse(stem);
  const Kernel kernel = session.compile(program);
  const Tensor x = random(*kernel.type("x"), 0), w = random(*kernel.type("w"), 1),
               b = random(*kernel.type("b"), 2);
  const ir::TensorData xd = data(x), wd = data(w), bd = data(b);
  const auto expected = *ir::evaluate(program, {{"x", &xd}, {"w", &wd}, {"b", &bd}});
  const std::vector<std::byte>& wanted = expected.at("y").bytes;

  const Kernel on_two = kernel.with_threads(*Threads::pool(2));
  for (const Kernel& each : {kernel, on_two}) {
    GuardedBuffer y(wanted.size());
    const MutableTensorView view(*kernel.type("y"), y.data());
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
