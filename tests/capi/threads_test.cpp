// The C interface with several threads: pending kernels, the caller's pool, shared handles.
#include "tests/capi/handles.h"

#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

using namespace volute_in_c;

TEST_CASE("a kernel is compiled by another thread, and outlives all that it came from") {
  Pending pending;
  {
    const Made<Session> session = make_session();
    pending = compile_async(session.handle, parse(layer).handle);
  }
  Made<Kernel> first = get(pending);
  REQUIRE(first.status == VOLUTE_OK);
  CHECK(volute_pending_wait(pending.get(), 0));
  volute_pending_cancel(pending.get()); // too late to matter
  const Made<Kernel> second = get(pending);
  CHECK(second.status == VOLUTE_OK);
  pending.reset();
  first.handle.reset();
  CHECK(volute_kernel_name(second.handle.get()) == std::string("layer"));
}

TEST_CASE("a pending kernel may be waited for, and given up") {
  const Made<Session> session = make_session();
  const Pending pending =
      compile_async(session.handle, parse(long_program().c_str()).handle, seldom);
  CHECK(!volute_pending_wait(pending.get(), 0));
  CHECK(!volute_pending_wait(pending.get(), -1));
  CHECK(!volute_pending_wait(pending.get(), 0.01));
  volute_pending_cancel(pending.get());
  const Made<Kernel> made = get(pending);
  CHECK(made.status == VOLUTE_CANCELLED);
  CHECK(volute_error_status(made.error.get()) == VOLUTE_CANCELLED);
  CHECK(made.message() == "long: its compilation was cancelled");
  CHECK(made.handle == nullptr);
  CHECK(volute_pending_wait(pending.get(), 1e300)); // it is ready
}

TEST_CASE("what is refused while another thread compiles is refused by the one who asks") {
  const Made<Session> session = make_session();
  const Program program = parse(layer).handle;
  const volute_option no_such[] = {{"threads", "2"}, {nullptr, nullptr}};
  volute_pending* pending = nullptr;
  CHECK(volute_compile_async(session.handle.get(), program.get(), no_such, &pending, nullptr) ==
        VOLUTE_REFUSED);
  CHECK(pending == nullptr);
  const volute_option no_schedule[] = {{"schedule", "for q"}, {nullptr, nullptr}};
  const Made<Kernel> made = get(compile_async(session.handle, program, no_schedule));
  CHECK(made.status == VOLUTE_REFUSED);
  CHECK(made.message().find("schedule:1:5: ") == 0);
}

TEST_CASE("kernels run on the caller's threads, and its failure is a status") {
  struct Runs {
    std::atomic<int> pieces{0};
    int result = 0;
  } runs;
  const volute_parallel_for on_threads = [](void* context, int64_t count,
                                            void (*body)(void*, int64_t), void* body_context) {
    auto* of = static_cast<Runs*>(context);
    std::vector<std::thread> threads;
    for (int64_t i = 0; i < count; ++i)
      threads.emplace_back([=] { body(body_context, i), ++of->pieces; });
    for (std::thread& thread : threads) thread.join();
    return of->result;
  };
  volute_session* made = nullptr;
  REQUIRE(volute_session_create_on(nullptr, 2, on_threads, &runs, &made, nullptr) == VOLUTE_OK);
  const Session session(made);
  const Made<Kernel> kernel =
      compile(session, parse("program @p(%x: f32[n=8, c=16, h=32, w=32]) {\n"
                             "  %y = max_pool %x {kernel = 2}\n  return %y\n}")
                           .handle);
  std::vector<float> x(8 * 16 * 32 * 32, 3), y(8 * 16 * 16 * 16);
  const volute_tensor arguments[] = {argument(kernel.handle, "x", x.data()),
                                     argument(kernel.handle, "y", y.data())};
  CHECK(volute_kernel_call(kernel.handle.get(), arguments, 2, nullptr) == VOLUTE_OK);
  CHECK(runs.pieces == 2);
  CHECK(y == std::vector<float>(y.size(), 3));
  runs.result = 1;
  CHECK(volute_kernel_call(kernel.handle.get(), arguments, 2, nullptr) == VOLUTE_POOL_FAILED);

  CHECK(volute_session_create_on(nullptr, 2, nullptr, nullptr, &made, nullptr) ==
        VOLUTE_INVALID_ARGUMENT);
  CHECK(volute_session_create_on(nullptr, 0, on_threads, &runs, &made, nullptr) == VOLUTE_REFUSED);
  const volute_option threads[] = {{"threads", "2"}, {nullptr, nullptr}};
  CHECK(volute_session_create_on(threads, 2, on_threads, &runs, &made, nullptr) ==
        VOLUTE_INVALID_ARGUMENT);
  CHECK(made == nullptr);
}

TEST_CASE("sessions, kernels and errors are used by several threads at once") {
  const Made<Session> session = make_session();
  const Program program = parse(layer).handle;
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      volute_kernel* made = nullptr;
      if (volute_compile(session.handle.get(), program.get(), nullptr, &made, nullptr)) return;
      const Kernel kernel(made);
      float x[10] = {1, 2, 3, 4, 5, 1, 1, 1, 1, 1}, w[18] = {1, 1, 1}, y[9];
      volute_tensor arguments[3];
      for (size_t i = 0; i < 3; ++i)
        if (!volute_kernel_argument(kernel.get(), i, nullptr, &arguments[i])) return;
      arguments[0].data = x, arguments[1].data = w, arguments[2].data = y;
      for (int i = 0; i < 100; ++i)
        if (volute_kernel_call(kernel.get(), arguments, 3, nullptr)) return;
      right += y[0] == 6 && y[2] == 12;
      volute_session_clear_cache(session.handle.get());
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(right == 4);
}
