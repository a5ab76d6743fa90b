// Kernels of the C interface that may be called at once, and are fast a little later.
#include "tests/capi/handles.h"

#include <cstdint>
#include <string>
#include <vector>

using namespace volute_in_c;

TEST_CASE("a tiered kernel outlives all that it came from, is called and bound, and becomes fast") {
  Kernel kernel;
  {
    const Made<Session> session = make_session();
    Made<Kernel> made = compile_tiered(session.handle, parse(layer).handle);
    INFO(made.message());
    REQUIRE(made.status == VOLUTE_OK);
    kernel = std::move(made.handle);
  }
  Layer l; // an ordinary kernel of the same program
  const volute_tensor w = l.at("w", l.w);
  volute_kernel* bound_handle = nullptr;
  REQUIRE(volute_kernel_bind(kernel.get(), "w", &w, &bound_handle, nullptr) == VOLUTE_OK);
  Kernel bound(bound_handle);
  const auto answers = [&] {
    const volute_named_tensor by_name[] = {{"w", w}, {"y", l.at("y", l.y)}, {"x", l.at("x", l.x)}};
    l.y.assign(9, -1);
    CHECK(volute_kernel_run(kernel.get(), by_name, 3, nullptr) == VOLUTE_OK);
    CHECK(l.y == l.expected);
    const volute_tensor by_position[] = {l.at("x", l.x), l.at("y", l.y)};
    l.y.assign(9, -1);
    CHECK(volute_kernel_call(bound.get(), by_position, 2, nullptr) == VOLUTE_OK);
    CHECK(l.y == l.expected);
    const auto bytes = volute_kernel_workspace_bytes(bound.get());
    std::vector<char> memory(static_cast<size_t>(bytes) + 64);
    char* workspace = memory.data() + 64 - reinterpret_cast<uintptr_t>(memory.data()) % 64;
    l.y.assign(9, -1);
    CHECK(volute_kernel_call_in(bound.get(), by_position, 2, workspace, bytes, nullptr) ==
          VOLUTE_OK);
    CHECK(l.y == l.expected);
  };
  answers();
  CHECK(volute_kernel_name(kernel.get()) == std::string("layer"));
  CHECK(volute_kernel_arguments(kernel.get()) == 3);
  CHECK(volute_kernel_inputs(bound.get()) == 1);
  volute_tensor described = {};
  const char* name = nullptr;
  REQUIRE(volute_kernel_argument(kernel.get(), 1, &name, &described));
  CHECK(name == std::string("w"));

  CHECK(volute_kernel_wait(kernel.get(), 600));
  CHECK(volute_kernel_wait(bound.get(), 600));
  CHECK(volute_kernel_wait(kernel.get(), 0));
  answers();
  CHECK(Text(volute_tensor_type(&described)).get() == std::string("f32[o=3, i=2, w=3]"));
  CHECK(volute_kernel_mapped_bytes(kernel.get()) > 0); // it has code
  CHECK(volute_kernel_owned_bytes(bound.get()) > 0);

  // By itself it needs the tiered one no more.
  Made<Kernel> good = final_of(bound);
  REQUIRE(good.status == VOLUTE_OK);
  const Made<Kernel> again = final_of(bound);
  CHECK(again.status == VOLUTE_OK);
  CHECK(again.handle != good.handle);
  bound = std::move(good.handle);
  answers();
  CHECK(final_of(l.kernel).status == VOLUTE_OK); // of one without tiers
  CHECK(volute_kernel_wait(l.kernel.get(), 0));
  volute_kernel_cancel(l.kernel.get());
}

TEST_CASE("a tiered kernel is waited for, given up, and goes on answering") {
  const Made<Session> session = make_session();
  const Made<Kernel> kernel =
      compile_tiered(session.handle, parse(long_program().c_str()).handle, seldom);
  REQUIRE(kernel.status == VOLUTE_OK);
  CHECK(!volute_kernel_wait(kernel.handle.get(), 0));
  CHECK(!volute_kernel_wait(kernel.handle.get(), -1));
  CHECK(!volute_kernel_wait(kernel.handle.get(), 0.01));
  CHECK(volute_kernel_mapped_bytes(kernel.handle.get()) == 0);
  std::vector<float> x(8 * 90 * 90, 1), w(8 * 8 * 9, 0), y(8 * 10 * 10, -1);
  w[4] = 1; // the middle of the first channel, again and again
  std::vector<volute_tensor> arguments(volute_kernel_arguments(kernel.handle.get()));
  for (size_t i = 0; i < arguments.size(); ++i) {
    REQUIRE(volute_kernel_argument(kernel.handle.get(), i, nullptr, &arguments[i]));
    arguments[i].data = i == 0 ? x.data() : arguments[i].writable ? y.data() : w.data();
  }
  const auto answers = [&] {
    y.assign(y.size(), -1);
    CHECK(volute_kernel_call(kernel.handle.get(), arguments.data(), arguments.size(), nullptr) ==
          VOLUTE_OK);
    return y[0] == 1 && y[99] == 1 && y[100] == 0;
  };
  // Before the first call, which may take longer than the compile.
  volute_kernel_cancel(kernel.handle.get());
  const Made<Kernel> good = final_of(kernel.handle);
  CHECK(good.status == VOLUTE_CANCELLED);
  CHECK(volute_error_status(good.error.get()) == VOLUTE_CANCELLED);
  CHECK(good.message() == "long: its compilation was cancelled");
  CHECK(good.handle == nullptr);
  CHECK(volute_kernel_wait(kernel.handle.get(), 1e300));
  CHECK(answers());
}

TEST_CASE("what is refused of a tiered kernel is refused when it is asked for, or by its end") {
  const Made<Session> session = make_session();
  const Program program = parse(layer).handle;
  const volute_option no_such[] = {{"threads", "2"}, {nullptr, nullptr}};
  const Made<Kernel> none = compile_tiered(session.handle, program, no_such);
  CHECK(none.status == VOLUTE_REFUSED);
  CHECK(none.handle == nullptr);
  CHECK(none.message().find("threads: there is no such option") == 0);
  const volute_option no_schedule[] = {{"schedule", "for q"}, {nullptr, nullptr}};
  const Made<Kernel> kernel = compile_tiered(session.handle, program, no_schedule);
  REQUIRE(kernel.status == VOLUTE_OK);
  const Made<Kernel> good = final_of(kernel.handle);
  CHECK(good.status == VOLUTE_REFUSED);
  CHECK(good.message().find("schedule:1:5: ") == 0);
  CHECK(good.handle == nullptr);
  volute_kernel_cancel(kernel.handle.get()); // too late: why it failed stays what it was
  CHECK(final_of(kernel.handle).status == VOLUTE_REFUSED);
  CHECK(volute_kernel_wait(kernel.handle.get(), 0));
}

TEST_CASE("both tiers of a deterministic kernel give the same bits, from the first call on") {
  const Made<Session> session = make_session();
  const Program program =
      parse("program @p(%x: f32[n=1, h=20, w=20, c=32], %w: f32[o=32, i=32, h=3, w=3]) {\n"
            "  %0 = conv %x, %w {pad = 1}\n  %y = sigmoid %0\n  return %y\n}")
          .handle;
  const volute_option options[] = {{"deterministic", "1"}, {nullptr, nullptr}};
  const Made<Kernel> made = compile_tiered(session.handle, program, options);
  REQUIRE(made.status == VOLUTE_OK);
  const Kernel& kernel = made.handle;
  std::vector<float> x(20 * 20 * 32), w(32 * 32 * 9), at_first(20 * 20 * 32);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i * 7 % 23) * 0.1F - 1;
  for (size_t i = 0; i < w.size(); ++i) w[i] = static_cast<float>(i * 5 % 19) * 0.01F - 0.1F;
  const auto call = [&](std::vector<float>& y) {
    const volute_tensor arguments[] = {argument(kernel, "x", x.data()),
                                       argument(kernel, "w", w.data()),
                                       argument(kernel, "y", y.data())};
    return volute_kernel_call(kernel.get(), arguments, 3, nullptr);
  };
  REQUIRE(call(at_first) == VOLUTE_OK);
  std::vector<float> y(at_first.size());
  while (!volute_kernel_wait(kernel.get(), 0)) {
    REQUIRE(call(y) == VOLUTE_OK);
    REQUIRE(y == at_first);
  }
  CHECK(volute_kernel_mapped_bytes(kernel.get()) > 0);
  CHECK(call(y) == VOLUTE_OK);
  CHECK(y == at_first);
}
