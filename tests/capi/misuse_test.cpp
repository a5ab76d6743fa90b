// Everything that a slip of the pen gives the C interface.
#include "tests/capi/handles.h"

#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

using namespace volute_in_c;

TEST_CASE("a refused program has each fault with its place, rule, numbers and way out") {
  const Made<Program> made =
      parse("program @p(%x: f32[n=1, c=63, w=8], %w: f32[o=4, i=31, w=3]) {\n"
            "  %y = conv %x, %w {groups = 2}\n"
            "  %z = relu %q\n"
            "  return %y\n"
            "}\n",
            "edge.vlt");
  CHECK(made.status == VOLUTE_REFUSED);
  CHECK(!made.handle);
  CHECK(volute_error_status(made.error.get()) == VOLUTE_REFUSED);
  REQUIRE(volute_error_count(made.error.get()) == 2);
  volute_diagnostic d = {};
  REQUIRE(volute_error_at(made.error.get(), 0, &d));
  CHECK(d.line == 2);
  CHECK(d.column == 21);
  CHECK(d.subject == std::string("conv"));
  CHECK(d.message == std::string("groups = 2 does not divide the input's 63 channels"));
  CHECK(std::strlen(d.hint) > 0);
  CHECK(!volute_error_at(made.error.get(), 2, &d));
  CHECK(made.message().find("2:21: conv: groups = 2 does not divide") == 0);
  const std::string rendered = volute_error_render(made.error.get());
  CHECK(rendered.find("edge.vlt:2:21: error: conv: groups = 2 does not divide the input's 63 "
                      "channels") == 0);
  CHECK(rendered.find("\n    %y = conv %x, %w {groups = 2}\n"
                      "                      ^\n") != std::string::npos);
}

TEST_CASE("calls that do not fit are refused with words, and nothing is written") {
  Layer l;
  const volute_tensor x = l.at("x", l.x), w = l.at("w", l.w), y = l.at("y", l.y);
  const auto message = [&](std::vector<volute_tensor> arguments) {
    volute_error* error = nullptr;
    CHECK(volute_kernel_call(l.kernel.get(), arguments.data(), arguments.size(), &error) ==
          VOLUTE_INVALID_ARGUMENT);
    CHECK(l.y == std::vector<float>(9, -1));
    const Error ends(error);
    REQUIRE(error != nullptr);
    CHECK(volute_error_status(error) == VOLUTE_INVALID_ARGUMENT);
    return std::string(volute_error_message(error));
  };
  CHECK(message({x, w}).find("layer: ") == 0);
  CHECK(message({}).find("layer: ") == 0);
  CHECK(message({w, w, y}) == "layer: %x is f32[n=1, c=2, w=5], not f32[o=3, i=2, w=3]");
  volute_tensor wrong = y;
  wrong.writable = false;
  CHECK(message({x, w, wrong}).find("%y") != std::string::npos);
  wrong = x;
  wrong.data = nullptr;
  CHECK(message({wrong, w, y}).find("%x") != std::string::npos);
  wrong.data = reinterpret_cast<char*>(l.x.data()) + 1;
  CHECK(message({wrong, w, y}).find("%x") != std::string::npos);
  wrong = x;
  wrong.rank = -1;
  CHECK(message({wrong, w, y}).find("a tensor of rank -1") != std::string::npos);
  wrong = x;
  wrong.element = 77;
  CHECK(message({wrong, w, y}).find("%x") != std::string::npos);
  wrong = y;
  wrong.data = l.x.data();
  CHECK(message({x, w, wrong}).find("overlap") != std::string::npos);
  CHECK(Text(volute_tensor_type(nullptr)) == nullptr);
  wrong.rank = -1;
  CHECK(Text(volute_tensor_type(&wrong)).get() == std::string("a tensor of rank -1"));
}

TEST_CASE("an index outside its range is a status of its own") {
  const Kernel kernel = compiled("program @u(%x: f32[n=1, c=1, w=2], %i: i64[n=1, c=1, w=2]) {\n"
                                 "  %y = max_unpool %x, %i {kernel = 2}\n  return %y\n}");
  float x[] = {1, 2}, y[4];
  int64_t indices[] = {0, 9};
  const volute_tensor arguments[] = {argument(kernel, "x", x), argument(kernel, "i", indices),
                                     argument(kernel, "y", y)};
  volute_error* error = nullptr;
  CHECK(volute_kernel_call(kernel.get(), arguments, 3, &error) == VOLUTE_INDEX_OUT_OF_RANGE);
  CHECK(volute_error_status(Error(error).get()) == VOLUTE_INDEX_OUT_OF_RANGE);
}

TEST_CASE("NULL is refused or means nothing, wherever it is given") {
  const Made<Session> session = make_session();
  const Program program = parse(layer).handle;
  Layer l;
  const volute_tensor w = l.at("w", l.w);
  volute_program* made_program = nullptr;
  volute_kernel* made_kernel = nullptr;
  volute_pending* made_pending = nullptr;
  const Pending pending = compile_async(session.handle, program);
  volute_session* made_session = nullptr;
  char* text = nullptr;
  const std::vector<std::function<volute_status(volute_error**)>> calls = {
      [&](auto e) { return volute_session_create(nullptr, nullptr, e); },
      [&](auto e) { return volute_program_parse(nullptr, nullptr, nullptr, &made_program, e); },
      [&](auto e) { return volute_program_parse(layer, nullptr, nullptr, nullptr, e); },
      [&](auto e) {
        return volute_program_parse_entry(layer, nullptr, nullptr, nullptr, &made_program, e);
      },
      [&](auto e) {
        return volute_program_parse_entry(nullptr, nullptr, nullptr, "p", &made_program, e);
      },
      [&](auto e) {
        return volute_program_parse_entry(layer, nullptr, nullptr, "layer", nullptr, e);
      },
      [&](auto e) { return volute_compile(nullptr, program.get(), nullptr, &made_kernel, e); },
      [&](auto e) {
        return volute_compile(session.handle.get(), nullptr, nullptr, &made_kernel, e);
      },
      [&](auto e) {
        return volute_compile(session.handle.get(), program.get(), nullptr, nullptr, e);
      },
      [&](auto e) {
        return volute_compile_async(nullptr, program.get(), nullptr, &made_pending, e);
      },
      [&](auto e) {
        return volute_compile_async(session.handle.get(), nullptr, nullptr, &made_pending, e);
      },
      [&](auto e) {
        return volute_compile_async(session.handle.get(), program.get(), nullptr, nullptr, e);
      },
      [&](auto e) {
        return volute_compile_tiered(nullptr, program.get(), nullptr, &made_kernel, e);
      },
      [&](auto e) {
        return volute_compile_tiered(session.handle.get(), nullptr, nullptr, &made_kernel, e);
      },
      [&](auto e) {
        return volute_compile_tiered(session.handle.get(), program.get(), nullptr, nullptr, e);
      },
      [&](auto e) { return volute_kernel_final(nullptr, &made_kernel, e); },
      [&](auto e) { return volute_kernel_final(l.kernel.get(), nullptr, e); },
      [&](auto e) { return volute_pending_kernel(nullptr, &made_kernel, e); },
      [&](auto e) { return volute_pending_kernel(pending.get(), nullptr, e); },
      [&](auto e) { return volute_inspect(nullptr, program.get(), nullptr, "asm", &text, e); },
      [&](auto e) {
        return volute_inspect(session.handle.get(), nullptr, nullptr, "asm", &text, e);
      },
      [&](auto e) {
        return volute_inspect(session.handle.get(), program.get(), nullptr, nullptr, &text, e);
      },
      [&](auto e) {
        return volute_inspect(session.handle.get(), program.get(), nullptr, "asm", nullptr, e);
      },
      [&](auto e) { return volute_kernel_call(nullptr, &w, 1, e); },
      [&](auto e) { return volute_kernel_call(l.kernel.get(), nullptr, 1, e); },
      [&](auto e) { return volute_kernel_call_in(nullptr, &w, 1, nullptr, 0, e); },
      [&](auto e) { return volute_kernel_call_in(l.kernel.get(), nullptr, 1, nullptr, 0, e); },
      [&](auto e) { return volute_kernel_run(nullptr, nullptr, 0, e); },
      [&](auto e) { return volute_kernel_run(l.kernel.get(), nullptr, 1, e); },
      [&](auto e) {
        const volute_named_tensor nameless = {nullptr, w};
        return volute_kernel_run(l.kernel.get(), &nameless, 1, e);
      },
      [&](auto e) { return volute_kernel_bind(nullptr, "w", &w, &made_kernel, e); },
      [&](auto e) { return volute_kernel_bind(l.kernel.get(), nullptr, &w, &made_kernel, e); },
      [&](auto e) { return volute_kernel_bind(l.kernel.get(), "w", nullptr, &made_kernel, e); },
      [&](auto e) { return volute_kernel_bind(l.kernel.get(), "w", &w, nullptr, e); },
  };
  for (size_t i = 0; i < calls.size(); ++i) {
    INFO("call " << i);
    volute_error* error = nullptr;
    CHECK(calls[i](&error) == VOLUTE_INVALID_ARGUMENT);
    const Error ends(error);
    CHECK(std::strstr(volute_error_message(error), "NULL") != nullptr);
    CHECK(calls[i](nullptr) == VOLUTE_INVALID_ARGUMENT);
  }
  CHECK(made_program == nullptr);
  CHECK(made_kernel == nullptr);
  CHECK(made_pending == nullptr);
  CHECK(volute_pending_wait(nullptr, 0));
  volute_pending_cancel(nullptr);
  volute_pending_free(nullptr);
  CHECK(volute_kernel_wait(nullptr, 0));
  volute_kernel_cancel(nullptr);
  CHECK(made_session == nullptr);
  CHECK(text == nullptr);

  CHECK(volute_error_status(nullptr) == VOLUTE_OK);
  CHECK(volute_error_count(nullptr) == 0);
  CHECK(volute_error_message(nullptr) == std::string());
  CHECK(volute_error_render(nullptr) == std::string());
  CHECK(volute_kernel_name(nullptr) == std::string());
  CHECK(volute_program_name(nullptr) == std::string());
  CHECK(volute_program_text(nullptr) == nullptr);
  CHECK(volute_kernel_arguments(nullptr) == 0);
  CHECK(volute_kernel_inputs(nullptr) == 0);
  CHECK(!volute_kernel_argument(nullptr, 0, nullptr, nullptr));
  CHECK(!volute_kernel_argument_named(l.kernel.get(), nullptr, nullptr));
  CHECK(!volute_kernel_runs_in_place(l.kernel.get(), nullptr, "y"));
  CHECK(volute_kernel_workspace_bytes(nullptr) == 0);
  CHECK(volute_kernel_owned_bytes(nullptr) == 0);
  CHECK(volute_kernel_mapped_bytes(nullptr) == 0);
  volute_error_free(nullptr);
  volute_program_free(nullptr);
  volute_session_free(nullptr);
  volute_kernel_free(nullptr);
  volute_string_free(nullptr);
  volute_session_clear_cache(nullptr);
}

TEST_CASE("binding what does not fit is refused in words") {
  Layer l;
  volute_kernel* bound = nullptr;
  const auto message = [&](const char* name, volute_tensor tensor) {
    volute_error* error = nullptr;
    CHECK(volute_kernel_bind(l.kernel.get(), name, &tensor, &bound, &error) != VOLUTE_OK);
    CHECK(bound == nullptr);
    return std::string(volute_error_message(Error(error).get()));
  };
  CHECK(message("q", l.at("w", l.w)).find("q") != std::string::npos);
  CHECK(message("w", l.at("x", l.x)).find("%w is f32[o=3, i=2, w=3], not") != std::string::npos);
  volute_tensor wrong = l.at("w", l.w);
  wrong.data = nullptr;
  CHECK(message("w", wrong).find("%w") != std::string::npos);
  wrong.rank = 1 << 30;
  CHECK(!message("w", wrong).empty());
  wrong = l.at("w", l.w);
  wrong.extents = nullptr;
  CHECK(!message("w", wrong).empty());
}
