// Kernels that are called at once and fast a little later: what a call does before, while and after
// the good code comes, and when it never does.
#include "compiler/compile.h"
#include "ir/parse.h"
#include "runtime/background.h"
#include "runtime/volute.hpp"
#include "tests/runtime/failure_text.h"
#include "tests/runtime/small_layer.h"
#include "tests/runtime/temporary_folder.h"
#include "tests/support/catch.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <latch>
#include <memory>
#include <stdexcept>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace volute;
using volute::tests::failure_text;
using volute::tests::small_layer;

namespace {

/// Whole numbers, so that every order of summation gives the same.
struct Data {
  explicit Data(const ir::Program& program)
      : x(*Tensor::allocate(program.values[0].type)), w(*Tensor::allocate(program.values[1].type)),
        y(*Tensor::allocate(program.type(program.outputs[0]))),
        expected(*Tensor::allocate(y.type())) {
    runtime::fill(x, {runtime::Fill::Kind::random, 1});
    runtime::fill(w, {runtime::Fill::Kind::random, 2});
    CompileOptions plain;
    plain.schedule = "naive";
    Session session(runtime::Options{});
    session.compile(program, plain)(x, w, expected).check();
  }
  bool is_right(const Tensor& result) const {
    return std::equal(result.data(), result.data() + result.bytes(), expected.data());
  }
  Tensor x, w, y, expected;
};

/// A session whose compiler waits until it is told to go on, and then does as the test says.
struct HeldSession {
  using Does = std::function<Expected<compiler::Image>(const ir::Program&, const CompileOptions&)>;
  explicit HeldSession(Does then)
      : session(runtime::Options{}, Threads(),
                [go_on = may_go_on, then = std::move(then)](const ir::Program& program,
                                                            const CompileOptions& options) {
                  go_on->wait();
                  return then(program, options);
                }) {}
  // The compile's as well, which may outlive this.
  const std::shared_ptr<std::latch> may_go_on = std::make_shared<std::latch>(1);
  Session session;
};

/// What a session of its own makes of a program.
Expected<compiler::Image> image_of(const ir::Program& program, const CompileOptions& options) {
  Session session(runtime::Options{});
  return session.inspect(program, *session.request(program, options))->image;
}

} // namespace

TEST_CASE("a tiered kernel answers at once, and by the good one when that is ready") {
  const ir::Program program = small_layer(29);
  Data data(program);
  Session session(runtime::Options{});
  const TieredKernel kernel = session.compile_tiered(program);
  const TieredKernel bound = kernel.bind("w", data.w); // before or after: both are right
  CHECK(kernel(data.x, data.w, data.y).ok());
  CHECK(data.is_right(data.y));
  std::atomic<bool> is_over{false};
  std::atomic<int> wrong{0}, calls{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([&] {
      Tensor y = *Tensor::allocate(data.y.type());
      while (!is_over.load()) {
        if (!bound(data.x, y).ok() || !data.is_right(y)) ++wrong;
        ++calls;
      }
    });
  const Expected<Kernel> good = kernel.wait();
  REQUIRE(good);
  REQUIRE(bound.wait());
  CHECK(kernel.is_final());
  CHECK(bound.is_final());
  const int before = calls.load();
  while (calls.load() < before + 10) std::this_thread::yield();
  is_over.store(true);
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong.load() == 0);
  CHECK(kernel(data.x, data.w, data.y).ok());
  CHECK(data.is_right(data.y));
  CHECK(kernel.now().steps() == good->steps());
  // It is the session's now: the next one is good from the beginning.
  CHECK(session.compile_tiered(program).is_final());
  CHECK(session.compile_tiered(program).bind("w", data.w).is_final());
}

TEST_CASE("both tiers of a deterministic kernel give the same bits") {
  // One that Winograd, or sums in another order, would compute otherwise.
  const ir::Program program =
      *ir::parse("program @layer(%x: f32[n=1, h=30, w=30, c=64], %w: f32[o=64, i=64, h=3, w=3]) {\n"
                 "  %0 = conv %x, %w {pad = 1}\n  %y = sigmoid %0\n  return %y\n}");
  Tensor x = *Tensor::allocate(program.values[0].type),
         w = *Tensor::allocate(program.values[1].type);
  uint64_t seed = 1;
  for (Tensor* t : {&x, &w}) { // tenths: sums of their products are rounded, in any order otherwise
    runtime::fill(*t, {runtime::Fill::Kind::random, seed++});
    auto* element = reinterpret_cast<float*>(t->data());
    for (size_t i = 0; i < t->bytes() / sizeof(float); ++i) element[i] *= 0.1F;
  }
  const auto result_of = [&](const Kernel& kernel) {
    Tensor y = *Tensor::allocate(program.type(program.outputs[0]));
    kernel(x, w, y).check();
    return std::vector<std::byte>(y.data(), y.data() + y.bytes());
  };
  Session session(runtime::Options{});
  CompileOptions options, plain;
  options.deterministic = plain.deterministic = true;
  plain.schedule = "naive";
  const TieredKernel kernel = session.compile_tiered(program, options);
  const std::vector<std::byte> at_once = result_of(kernel.now());
  CHECK(result_of(session.compile(program, plain)) == at_once); // which the tier began with
  const Expected<Kernel> good = kernel.wait();
  REQUIRE(good);
  CHECK(good->steps() != session.compile(program, plain).steps());
  CHECK(result_of(*good) == at_once);
  CHECK(result_of(session.compile(program)) != at_once); // as this is not
}

TEST_CASE("a tiered kernel that nobody keeps, and refusals of one") {
  Session session(runtime::Options{});
  for (int64_t width = 30; width < 40; ++width) {
    Data data(small_layer(width));
    (void)session.compile_tiered(small_layer(width))
        .bind("w", data.w); // both go before they are ready
  }
  CompileOptions wrong;
  wrong.schedule = "for nowhere";
  const auto kernel = session.try_compile_tiered(small_layer(7), wrong);
  // What needs no schedule serves, and what was asked for is refused by wait().
  REQUIRE(kernel);
  CHECK(failure_text(kernel->wait()) == failure_text(session.try_compile(small_layer(7), wrong)));
  const TieredKernel good = session.compile_tiered(small_layer(8));
  CHECK(!good.try_bind("nothing", *Tensor::allocate(small_layer(8).values[1].type)));
}

TEST_CASE("who has waited for the good one calls that") {
  const ir::Program program = small_layer(20);
  const compiler::Image image = *image_of(program, {});
  Data data(program);
  for (int round = 0; round < 200; ++round) {
    HeldSession held([&](const ir::Program&, const CompileOptions&) { return image; });
    const TieredKernel kernel = held.session.compile_tiered(program);
    const TieredKernel bound = kernel.bind("w", data.w);
    if (round == 0) {
      CHECK(!kernel.is_final());
      CHECK(!kernel.wait_for(0.001));
      CHECK(!bound.wait_for(0));
      CHECK(kernel.now().mapped_bytes() == 0); // no code
    }
    held.may_go_on->count_down();
    const Expected<Kernel> good = round % 2 == 0 ? kernel.wait() : bound.wait();
    REQUIRE(good);
    const TieredKernel& waited_for = round % 2 == 0 ? kernel : bound;
    REQUIRE(waited_for.is_final());
    REQUIRE(waited_for.now().mapped_bytes() > 0);
  }
}

TEST_CASE("where the compile fails, the kernel goes on as it is, and who waits is told") {
  const ir::Program program = small_layer(21);
  Data data(program);
  const auto goes_on = [&](const TieredKernel& kernel, const TieredKernel& bound) {
    const TieredKernel late = kernel.bind("w", data.w);
    for (const TieredKernel* one : {&kernel, &bound, &late}) CHECK(one->is_final());
    CHECK(kernel(data.x, data.w, data.y).ok());
    CHECK(data.is_right(data.y));
    for (const TieredKernel* one : {&bound, &late}) {
      runtime::fill(data.y, {});
      CHECK((*one)(data.x, data.y).ok());
      CHECK(data.is_right(data.y));
    }
  };
  SECTION("by a refusal") {
    HeldSession held([](const ir::Program&, const CompileOptions&) {
      return Expected<compiler::Image>(Failure{{Diagnostic{{}, "layer", "is not liked", ""}}});
    });
    const TieredKernel kernel = held.session.compile_tiered(program);
    const TieredKernel bound = kernel.bind("w", data.w);
    held.may_go_on->count_down();
    CHECK(failure_text(kernel.wait()) == "layer: is not liked");
    CHECK(failure_text(bound.wait()) == "layer: is not liked");
    CHECK(failure_text(kernel.bind("w", data.w).wait()) == "layer: is not liked");
    goes_on(kernel, bound);
  }
  SECTION("by an exception") {
    HeldSession held([](const ir::Program&, const CompileOptions&) -> Expected<compiler::Image> {
      throw std::runtime_error("out of order");
    });
    const TieredKernel kernel = held.session.compile_tiered(program);
    const TieredKernel bound = kernel.bind("w", data.w);
    held.may_go_on->count_down();
    CHECK_THROWS_WITH(kernel.wait(), "out of order");
    CHECK_THROWS_WITH(bound.wait(), "out of order");
    CHECK_THROWS_WITH(kernel.bind("w", data.w).wait(), "out of order");
    goes_on(kernel, bound);
  }
  SECTION("given up, by whichever of those that were bound from each other") {
    Session session(runtime::Options{});
    const int threads = runtime::available_threads();
    const auto are_busy = std::make_shared<std::latch>(threads);
    const auto may_go_on = std::make_shared<std::latch>(1);
    for (int i = 0; i < threads; ++i)
      runtime::in_background([are_busy, may_go_on] { are_busy->count_down(), may_go_on->wait(); },
                             threads);
    are_busy->wait(); // what is asked for now begins later
    const TieredKernel kernel = session.compile_tiered(program);
    const TieredKernel bound = kernel.bind("w", data.w);
    CHECK(!bound.is_cancelled());
    bound.cancel();
    CHECK(bound.is_cancelled());
    CHECK(kernel.is_cancelled());
    may_go_on->count_down();
    CHECK(failure_text(kernel.wait()) == "layer: its compilation was cancelled");
    CHECK(failure_text(bound.wait()) == "layer: its compilation was cancelled");
    goes_on(kernel, bound);
    CHECK(session.cache_counters().compiles == 0);
    const TieredKernel again = session.compile_tiered(program); // the next asks anew
    CHECK(again.wait());
    again.cancel(); // too late
    CHECK(again.wait());
    TieredKernel(*again.wait()).cancel(); // nothing to give up
  }
}

// A pooling in bands is one step, where an operand of what follows cannot be the result.
TEST_CASE("a call that the first kernel takes is taken to the end") {
  const ir::Program program = *ir::parse(
      "program @pooled(%x: f32[n=1, h=10, w=10, c=4], %w: f32[o=8, i=4, h=3, w=3],\n"
      "                %r: f32[n=1, h=4, w=4, c=8]) {\n"
      "  %0 = conv %x, %w\n  %1 = max_pool %0 {kernel = 2, stride = 2}\n  %y = add %1, %r\n"
      "  return %y\n}");
  CompileOptions options;
  options.schedule = "nest conv_0:\nparallel n, band\nfor o by 8, h, w by 4, kh, kw, i\n"
                     "registers w 4, o 8 vector 8\npack weight\n"
                     "nest max_pool_y:\ncompute conv_0 at h by 2\nparallel n, band\n"
                     "for c by 8, h, w, kh, kw\nregisters c 8 vector 8\n";
  Session session(runtime::Options{});
  HeldSession held(image_of);
  const TieredKernel kernel = held.session.compile_tiered(program, options);
  const Kernel good = session.compile(program, options);
  REQUIRE(kernel.now().runs_in_place("r", "y"));
  REQUIRE(!good.runs_in_place("r", "y"));

  Tensor x = *Tensor::allocate(good.type("x")), w = *Tensor::allocate(good.type("w")),
         r = *Tensor::allocate(good.type("r")), y = *Tensor::allocate(good.type("y"));
  uint64_t seed = 1;
  for (Tensor* input : {&x, &w, &r}) runtime::fill(*input, {runtime::Fill::Kind::random, seed++});
  good(x, w, r, y).check();
  const auto in_place_is_right = [&](const TieredKernel& one) {
    Tensor both = *Tensor::allocate(r.type());
    std::copy_n(r.data(), r.bytes(), both.data());
    CHECK(one(x, w, both, both).ok());
    return std::equal(y.data(), y.data() + y.bytes(), both.data());
  };
  CHECK(in_place_is_right(kernel));
  held.may_go_on->count_down();
  REQUIRE(kernel.wait());
  CHECK(!kernel.now().runs_in_place("r", "y"));
  CHECK(in_place_is_right(kernel));
  Tensor both = *Tensor::copy(r);
  CHECK(kernel.run({{"w", w}, {"x", x}, {"r", both}}, {{"y", both}}).ok());
  CHECK(std::equal(y.data(), y.data() + y.bytes(), both.data()));
  // What both refuse is refused in the words of the good one.
  CHECK(kernel(x, w, r, r).ok());
  CHECK(kernel(x, w, r, x).message() == good(x, w, r, x).message());
}

TEST_CASE("both tiers take tensors of the strides that were asked for, and no others") {
  const ir::Program program = small_layer(24);
  Data data(program);
  ir::TensorType wide = data.x.type(), tall = data.y.type();
  wide.extents[3].size += 5, tall.extents[2].size *= 2;
  Tensor around_x = *Tensor::allocate(wide), around_y = *Tensor::allocate(tall);
  const MutableTensorView x = MutableTensorView(around_x).narrow(ir::Axis::w, 3, 24);
  const MutableTensorView y =
      MutableTensorView(around_y).narrow(ir::Axis::h, 0, data.y.type().size(ir::Axis::h), 2);
  for (int64_t row = 0; row < 8 * 6; ++row) // channels times rows
    std::copy_n(data.x.as<float>() + row * 24, 24, x.as<float>() + row * 29);
  const CompileOptions options = CompileOptions{}.like("x", x).like("y", y);
  HeldSession held(image_of);
  const TieredKernel kernel = held.session.compile_tiered(program, options);
  const auto is_right = [&] {
    CHECK(kernel(x, data.w, y).ok());
    for (int64_t row = 0; row < 16 * 4; ++row)
      if (!std::equal(data.expected.as<float>() + row * 22,
                      data.expected.as<float>() + row * 22 + 22, y.as<float>() + row * 2 * 22))
        return false;
    CHECK(kernel(data.x, data.w, y).code() == StatusCode::invalid_argument);
    return true;
  };
  CHECK(is_right());
  runtime::fill(around_y, {});
  held.may_go_on->count_down();
  REQUIRE(kernel.wait());
  CHECK(is_right());
}

TEST_CASE("a workspace that was enough for a tiered kernel stays enough") {
  const ir::Program program =
      *ir::parse("program @layer(%x: f32[n=1, h=34, w=34, c=32], %w: f32[o=32, i=32, h=3, w=3]) {\n"
                 "  %y = conv %x, %w\n  return %y\n}");
  CompileOptions options;
  options.schedule = "form conv_y winograd2x2";
  HeldSession held(image_of);
  const TieredKernel kernel = held.session.compile_tiered(program, options);
  Data data(program);
  const std::vector<TensorRef> arguments = {TensorRef(data.x), TensorRef(data.w),
                                            TensorRef(data.y)};
  const auto memory = [](const Kernel& one) {
    return runtime::AlignedMemory::allocate(one.workspace_bytes());
  };
  const auto call_in = [&](const runtime::AlignedMemory& workspace) {
    runtime::fill(data.y, {});
    return kernel.call(arguments, {workspace.data(), static_cast<size_t>(workspace.size())});
  };
  const runtime::AlignedMemory at_first = memory(kernel.now());
  CHECK(call_in(at_first).ok());
  CHECK(data.is_right(data.y));
  held.may_go_on->count_down();
  REQUIRE(kernel.wait());
  const runtime::AlignedMemory in_the_end = memory(kernel.now());
  REQUIRE(in_the_end.size() > at_first.size());
  CHECK(call_in(at_first).ok());
  CHECK(data.is_right(data.y));
  CHECK(call_in(in_the_end).ok());
  const Status refused = call_in(runtime::AlignedMemory::allocate(64));
  CHECK(refused.message() ==
        "layer: the workspace has 64 bytes, the kernel needs " + std::to_string(in_the_end.size()));
}

TEST_CASE("in a child of the process a tiered kernel stays as it was, and waits for nobody") {
  const ir::Program program = small_layer(22);
  Data data(program);
  HeldSession held(image_of);
  const TieredKernel kernel = held.session.compile_tiered(program);
  const TieredKernel bound = kernel.bind("w", data.w);
  CHECK(!kernel.is_final());
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) { // no exception and no check of Catch's may leave this block
    alarm(60);      // a child that hangs is killed, which the parent sees
    const TieredKernel late = kernel.bind("w", data.w);
    bool right = kernel(data.x, data.w, data.y).ok() && data.is_right(data.y);
    for (const TieredKernel* one : {&kernel, &bound, &late}) {
      right = right && one->is_final() && one->wait_for(60);
      right = right && failure_text(one->wait()) ==
                           "kernel: it was being compiled when the process "
                           "forked: the parent alone has it";
    }
    for (const TieredKernel* one : {&bound, &late}) {
      runtime::fill(data.y, {});
      right = right && (*one)(data.x, data.y).ok() && data.is_right(data.y);
    }
    held.may_go_on->count_down(); // the child's; the parent's compile is still under way
    const Expected<Kernel> again = held.session.try_compile(program);
    right = right && again && (*again)(data.x, data.w, data.y).ok() && data.is_right(data.y);
    _exit(right ? 0 : 1);
  }
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  held.may_go_on->count_down();
  CHECK(kernel.wait());
  CHECK(bound.wait());
}

TEST_CASE("a tiered kernel that is on disk is final, and counted as one that was loaded") {
  const tests::TemporaryFolder folder;
  runtime::Options options;
  options.cache_dir = folder / "k";
  options.disk_cache_bytes = 1 << 30;
  REQUIRE(Session(options).try_compile(small_layer(23)));
  Session session(options);
  const TieredKernel kernel = session.compile_tiered(small_layer(23));
  CHECK(kernel.is_final());
  CHECK(session.compile_tiered(small_layer(23)).is_final());
  const auto counters = session.cache_counters();
  CHECK(counters.loads == 1);
  CHECK(counters.compiles == 0);
  CHECK(counters.hits == 1);
  CHECK(counters.kernels == 1);
}
