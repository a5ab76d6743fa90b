#include "compiler/target/target.h"
#include "ir/parse.h"
#include "runtime/key.h"
#include "runtime/session.h"
#include "tests/runtime/failure_text.h"
#include "tests/runtime/hand_assembled.h"
#include "tests/runtime/memory_map.h"
#include "tests/support/catch.h"

#include <atomic>
#include <functional>
#include <string>
#include <thread>

using namespace volute;
using volute::tests::failure_text;
using volute::tests::row_type;
using volute::tests::twice_image;

namespace {

// program @name(%x) { return %x }: enough of a program to be compiled by a compiler that looks at
// its input's type.
ir::Program program(const std::string& name, int64_t width) {
  ir::Program p;
  p.name = name;
  p.values = {{"x", row_type(width), {}}};
  p.inputs = {0};
  p.outputs = {0};
  return p;
}

struct CountingCompiler {
  std::shared_ptr<std::atomic<int>> compiles = std::make_shared<std::atomic<int>>(0);

  Expected<compiler::Image> operator()(const ir::Program& p, const CompileOptions& options) const {
    ++*compiles;
    if (options.schedule == "impossible") return fail("schedule", "does not fit");
    return twice_image(p.type(p.inputs.front()).extents.back().size);
  }
};

} // namespace

TEST_CASE("a session compiles a configuration once and finds it after") {
  const CountingCompiler compiler;
  Session session({}, {}, compiler);
  const Kernel kernel = session.compile(program("a", 5));
  CHECK(session.compile(program("a", 5)).name() == "twice");
  CHECK(*compiler.compiles == 1);
  (void)session.compile(program("a", 6));
  (void)session.compile(program("a", 5), {.schedule = "naive"});
  (void)session.compile(program("a", 5), {.accuracy = 0});
  (void)session.compile(program("a", 5), {.deterministic = true});
  CHECK(*compiler.compiles == 5);
  Session copy = session;
  (void)copy.compile(program("a", 5));
  CHECK(*compiler.compiles == 5);
  CHECK(session.cache_counters().hits == 2);
  session.clear_cache();
  (void)session.compile(program("a", 5));
  CHECK(*compiler.compiles == 6);
}

TEST_CASE("a program that is asked for again is found as it is, and as it is alone") {
  const CountingCompiler compiler;
  Session session({}, {}, compiler);
  ir::Program one = program("a", 5);
  const Kernel kernel = session.compile(one);
  for (int i = 0; i < 3; ++i) (void)session.compile(one);
  CHECK(*compiler.compiles == 1);
  CHECK(session.cache_counters().hits == 3);
  one.values[0].type.extents.back().size = 7; // it is another program now
  CHECK(session.compile(one).type("x").extents.back().size == 7);
  CHECK(session.compile(program("a", 5)).type("x").extents.back().size == 5);
  CHECK(*compiler.compiles == 2);
  (void)session.compile(one, {.flush_denormals = true});
  CHECK(*compiler.compiles == 3);
  CHECK(!session.try_compile(one, {.schedule = "impossible"}));
  CHECK(!session.try_compile(one, {.schedule = "impossible"})); // a refusal is not remembered
  CHECK(*compiler.compiles == 5);
  // It keeps nothing alive: without a cache a kernel lives as long as its last holder.
  runtime::Options small;
  small.memory_cache_bytes = 0;
  Session holds_nothing(small, {}, compiler);
  (void)holds_nothing.compile(one);
  (void)holds_nothing.compile(one);
  CHECK(*compiler.compiles == 7);
}

TEST_CASE("a target is one configuration however it is written") {
  const CountingCompiler compiler;
  Session session({}, {}, compiler);
  (void)session.compile(program("a", 5));
  (void)session.compile(program("a", 5), {.target = "native"});
  (void)session.compile(program("a", 5), {.target = compiler::to_string(compiler::host())});
  CHECK(*compiler.compiles == 1);
  CHECK(!session.try_compile(program("a", 5), {.target = "8086"}));
  CHECK(*compiler.compiles == 1);
}

TEST_CASE("an accuracy that is not said is the session's") {
  const CountingCompiler compiler;
  Session session({}, {}, compiler);
  (void)session.compile(program("a", 5));
  (void)session.compile(program("a", 5), {.accuracy = 2});
  CHECK(*compiler.compiles == 1);
  (void)session.compile(program("a", 5), {.accuracy = 0});
  CHECK(*compiler.compiles == 2);
  double seen = -1;
  Session exact({.accuracy = 0}, {}, [&](const ir::Program& p, const CompileOptions& options) {
    seen = options.accuracy.value();
    return compiler(p, options);
  });
  (void)exact.compile(program("a", 5));
  CHECK(seen == 0);
  (void)exact.compile(program("a", 5), {.accuracy = 3});
  CHECK(seen == 3);
}

TEST_CASE("a refusal is a value or an exception, and is tried again") {
  const CountingCompiler compiler;
  Session session({}, {}, compiler);
  CHECK(failure_text(session.try_compile(program("a", 5), {.schedule = "impossible"})) ==
        "schedule: does not fit");
  CHECK_THROWS_WITH((void)session.compile(program("a", 5), {.schedule = "impossible"}),
                    "schedule: does not fit");
  CHECK(*compiler.compiles == 2);
}

TEST_CASE("a session starts from its options") {
  runtime::Options options;
  options.threads = 2;
  CHECK(Session(options).threads().count() == 2);
  options.threads = 0;
  CHECK_THROWS_WITH(Session(options), "threads: a pool has 1 to 1024 threads, not 0");
  runtime::Options small;
  small.memory_cache_bytes = 0;
  Session forgetful(small, {}, CountingCompiler());
  (void)forgetful.compile(program("a", 5));
  CHECK(forgetful.cache_counters().kernels == 0);
}

#if defined(__x86_64__)
TEST_CASE("a session's kernels run, on the session's threads") {
  Session session({}, *Threads::pool(2), CountingCompiler());
  const Kernel kernel = session.compile(program("a", 5));
  Tensor x = *Tensor::allocate(row_type(5)), y = *Tensor::allocate(row_type(5));
  runtime::fill(x, {runtime::Fill::Kind::iota, 0});
  kernel.run({{"x", x}}, {{"y", y}}).check();
  CHECK(y.as<float>()[4] == 8);
}
#endif

#if defined(__x86_64__)
namespace {

/// Two poolings with a tensor of some 4 MiB between them.
ir::Program with_workspace(int64_t width) {
  return *ir::parse("program @p(%x: f32[n=1, c=1, h=1100, w=" + std::to_string(width) +
                    "]) {\n  %0 = max_pool %x {kernel = 2}\n"
                    "  %1 = reorder %x : f32[n=1, h=1100, w=" +
                    std::to_string(width) + ", c=1]\n" +
                    "  %y = max_pool %1 {kernel = 2}\n  return %0, %y\n}");
}

} // namespace

TEST_CASE("the limit of the cache holds for all that kernels keep, their workspaces too") {
  runtime::Options options;
  options.memory_cache_bytes = 32 << 20;
  Session session(options);
  const auto compile_and_run = [&](int64_t width) {
    const Kernel kernel = session.compile(with_workspace(width), {.schedule = "naive"});
    REQUIRE(kernel.workspace_bytes() >= 4 << 20);
    CHECK(kernel.held_bytes() >= kernel.workspace_bytes() + kernel.mapped_bytes());
    const Tensor x = *Tensor::allocate(kernel.type("x"));
    Tensor y = *Tensor::allocate(kernel.type("0")), z = *Tensor::allocate(kernel.type("y"));
    kernel(x, y, z).check();
    CHECK(session.cache_counters().bytes <= options.memory_cache_bytes);
  };
  compile_and_run(1000);
  const int64_t before = tests::resident_bytes();
  for (int64_t width = 1001; width <= 1030; ++width) compile_and_run(width);
  CHECK(tests::resident_bytes() - before <
        options.memory_cache_bytes + (16 << 20)); // of 140 MiB in all
  const runtime::MemoryCache::Counters counters = session.cache_counters();
  CHECK(counters.kernels >= 4);
  CHECK(counters.kernels <= 7);
  CHECK(counters.evictions == 31 - counters.kernels);
}

TEST_CASE("workspaces that calls at one time need are counted, and kernels go for them") {
  constexpr int deepest = 8;
  int depth = 0;
  std::function<void()> call_again = [] {};
  runtime::Options options;
  options.memory_cache_bytes = 64 << 20;
  Session session(options, *Threads::on(2, [&](int64_t count, const auto& body) {
                    if (++depth < deepest) call_again();
                    for (int64_t i = 0; i < count; ++i) body(i);
                  }));
  const auto compile = [&](int64_t width) {
    return session.compile(with_workspace(width),
                           {.schedule = "nest max_pool_y\nparallel h\nfor w, kh, kw"});
  };
  for (int64_t width = 1000; width < 1008; ++width) (void)compile(width);
  REQUIRE(session.cache_counters().kernels == 8);
  const int64_t before = session.cache_counters().bytes;

  const Kernel kernel = compile(1007);
  const int64_t held_before = kernel.held_bytes();
  const Tensor x = *Tensor::allocate(kernel.type("x"));
  call_again = [&] {
    Tensor y = *Tensor::allocate(kernel.type("0")), z = *Tensor::allocate(kernel.type("y"));
    kernel(x, y, z).check();
  };
  call_again();
  CHECK(depth > deepest);
  const int64_t more = kernel.held_bytes() - held_before;
  CHECK(more >= (deepest - 1) * kernel.workspace_bytes());
  CHECK(session.cache_counters().bytes == before + more);
  CHECK(session.cache_counters().bytes > options.memory_cache_bytes);
  (void)compile(1006);
  CHECK(session.cache_counters().bytes <= options.memory_cache_bytes);
  CHECK(session.cache_counters().kernels < 8);
}
#endif

TEST_CASE("sessions are used from many threads") {
  const CountingCompiler compiler;
  Session session({}, {}, compiler);
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i)
    threads.emplace_back([&] {
      for (int64_t width = 1; width <= 50; ++width) (void)session.compile(program("a", width));
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(*compiler.compiles == 50);
}
