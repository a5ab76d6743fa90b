#include "compiler/target/target.h"
#include "runtime/key.h"
#include "runtime/session.h"
#include "tests/runtime/failure_text.h"
#include "tests/runtime/hand_assembled.h"
#include "tests/support/catch.h"

#include <atomic>
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
