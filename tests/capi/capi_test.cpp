// The C interface as a program in C meets it: what it is given right, and everything that a slip of
// the pen gives it.
#define VOLUTE_C_ONLY
#include "tests/support/catch.h"

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>
#include <volute/volute.h>

namespace {

template <auto end>
struct Ends {
  template <class T>
  void operator()(T* handle) const {
    end(handle);
  }
};
using Error = std::unique_ptr<volute_error, Ends<volute_error_free>>;
using Program = std::unique_ptr<volute_program, Ends<volute_program_free>>;
using Session = std::unique_ptr<volute_session, Ends<volute_session_free>>;
using Kernel = std::unique_ptr<volute_kernel, Ends<volute_kernel_free>>;
using Text = std::unique_ptr<char, Ends<volute_string_free>>;

const char* const layer = "program @layer(%x: f32[n=1, c=2, w=5], %w: f32[o=3, i=2, w=3]) {\n"
                          "  %0 = conv %x, %w\n"
                          "  %y = relu %0\n"
                          "  return %y\n"
                          "}\n";

/// What a function gave: the handle, or the words.
template <class Handle>
struct Made {
  Handle handle;
  volute_status status;
  Error error;
  std::string message() const { return volute_error_message(error.get()); }
};

Made<Session> make_session(const volute_option* options = nullptr) {
  volute_session* session = nullptr;
  volute_error* error = nullptr;
  const volute_status status = volute_session_create(options, &session, &error);
  return {Session(session), status, Error(error)};
}

Made<Program> parse(const char* text, const char* name = nullptr, const char* folder = nullptr) {
  volute_program* program = nullptr;
  volute_error* error = nullptr;
  const volute_status status = volute_program_parse(text, name, folder, &program, &error);
  return {Program(program), status, Error(error)};
}

Made<Kernel> compile(const Session& session, const Program& program,
                     const volute_option* options = nullptr) {
  volute_kernel* kernel = nullptr;
  volute_error* error = nullptr;
  const volute_status status =
      volute_compile(session.get(), program.get(), options, &kernel, &error);
  return {Kernel(kernel), status, Error(error)};
}

Kernel compiled(const char* text, const volute_option* options = nullptr) {
  const Made<Session> session = make_session();
  Made<Kernel> made = compile(session.handle, parse(text).handle, options);
  INFO(made.message());
  REQUIRE(made.status == VOLUTE_OK);
  return std::move(made.handle); // which outlives the session and the program
}

/// An argument of a kernel at memory of the caller's.
volute_tensor argument(const Kernel& kernel, const char* name, void* data) {
  volute_tensor tensor = {};
  REQUIRE(volute_kernel_argument_named(kernel.get(), name, &tensor));
  CHECK(tensor.data == nullptr);
  tensor.data = data;
  return tensor;
}

struct Layer {
  Kernel kernel = compiled(layer);
  std::vector<float> x = {1, 2, 3, 4, 5, 1, 1, 1, 1, 1};
  std::vector<float> w = {1, 1, 1, 0, 0, 0, 0, 1, 0, 1, 1, 1, -1, 0, 0, 0, 0, 0};
  std::vector<float> y = std::vector<float>(9, -1);
  const std::vector<float> expected = {6, 9, 12, 5, 6, 7, 0, 0, 0};

  volute_tensor at(const char* name, std::vector<float>& data) const {
    return argument(kernel, name, data.data());
  }
};

} // namespace

TEST_CASE("a C program parses, compiles, runs by name and by position, and binds") {
  Layer l;
  const volute_named_tensor named[] = {
      {"y", l.at("y", l.y)}, {"w", l.at("w", l.w)}, {"x", l.at("x", l.x)}};
  CHECK(volute_kernel_run(l.kernel.get(), named, 3, nullptr) == VOLUTE_OK);
  CHECK(l.y == l.expected);

  l.y.assign(9, -1);
  const volute_tensor all[] = {l.at("x", l.x), l.at("w", l.w), l.at("y", l.y)};
  CHECK(volute_kernel_call(l.kernel.get(), all, 3, nullptr) == VOLUTE_OK);
  CHECK(l.y == l.expected);

  volute_kernel* made = nullptr;
  REQUIRE(volute_kernel_bind(l.kernel.get(), "w", &all[1], &made, nullptr) == VOLUTE_OK);
  const Kernel bound(made);
  l.kernel.reset(); // the bound one stands by itself
  l.w.assign(18, 99);
  l.y.assign(9, -1);
  const volute_tensor open[] = {all[0], all[2]};
  CHECK(volute_kernel_call(bound.get(), open, 2, nullptr) == VOLUTE_OK);
  CHECK(l.y == l.expected);
  CHECK(volute_kernel_owned_bytes(bound.get()) > 0);
  CHECK(volute_kernel_mapped_bytes(bound.get()) > 0);
}

TEST_CASE("a kernel says what its arguments are") {
  const Layer l;
  CHECK(std::string(volute_kernel_name(l.kernel.get())) == "layer");
  CHECK(volute_kernel_arguments(l.kernel.get()) == 3);
  CHECK(volute_kernel_inputs(l.kernel.get()) == 2);
  const char* const names[] = {"x", "w", "y"};
  const char* const types[] = {"f32[n=1, c=2, w=5]", "f32[o=3, i=2, w=3]", "f32[n=1, c=3, w=3]"};
  for (size_t i = 0; i < 3; ++i) {
    const char* name = nullptr;
    volute_tensor tensor = {};
    REQUIRE(volute_kernel_argument(l.kernel.get(), i, &name, &tensor));
    CHECK(std::string(name) == names[i]);
    CHECK(Text(volute_tensor_type(&tensor)).get() == std::string(types[i]));
    CHECK(tensor.writable == (i == 2));
    CHECK(tensor.strides == nullptr);
  }
  CHECK(!volute_kernel_argument(l.kernel.get(), 3, nullptr, nullptr));
  CHECK(!volute_kernel_argument_named(l.kernel.get(), "z", nullptr));
  CHECK(!volute_kernel_runs_in_place(l.kernel.get(), "x", "y"));
  CHECK(!volute_kernel_runs_in_place(l.kernel.get(), "z", "y"));
  const Kernel in_place =
      compiled("program @r(%x: f32[n=1, c=1, w=4]) {\n  %y = relu %x\n  return %y\n}");
  CHECK(volute_kernel_runs_in_place(in_place.get(), "x", "y"));
  for (int e = 0; e < 256; ++e) {
    const int64_t bytes[] = {4, 8, 2, 2, 1, 1, 4, 8};
    CHECK(volute_element_bytes(static_cast<volute_element>(e)) == (e < 8 ? bytes[e] : 0));
  }
}

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

TEST_CASE("programs print, have names, and are picked out of several") {
  const Program program = parse(layer).handle;
  CHECK(std::string(volute_program_name(program.get())) == "layer");
  const Text text(volute_program_text(program.get()));
  CHECK(text.get() == std::string(layer));

  const std::string two = std::string(layer) + "program @other(%x: f32[n=1, c=1, w=4]) {\n"
                                               "  %y = relu %x\n  return %y\n}\n";
  CHECK(parse(two.c_str()).status == VOLUTE_REFUSED);
  volute_program* other = nullptr;
  REQUIRE(volute_program_parse_entry(two.c_str(), nullptr, nullptr, "other", &other, nullptr) ==
          VOLUTE_OK);
  CHECK(std::string(volute_program_name(Program(other).get())) == "other");
  volute_error* error = nullptr;
  CHECK(volute_program_parse_entry(two.c_str(), nullptr, nullptr, "third", &other, &error) ==
        VOLUTE_REFUSED);
  CHECK(other == nullptr);
  CHECK(volute_error_message(Error(error).get()) ==
        std::string("entry: there is no program 'third' (there are layer, other)"));
}

TEST_CASE("constants are read from the folder that is named, and from none otherwise") {
  const char* const text = "program @p() {\n"
                           "  %x = const file(\"missing.npy\") : f32[n=1, c=1, w=2]\n"
                           "  %y = relu %x\n  return %y\n}";
  CHECK(parse(text).status == VOLUTE_REFUSED);
  const Made<Program> made = parse(text, nullptr, "/nonexistent");
  CHECK(made.status == VOLUTE_REFUSED);
  CHECK(made.message().find("No such file or directory") != std::string::npos);
}

TEST_CASE("options are texts, and one that does not fit is refused with what would") {
  const auto refused = [](const char* name, const char* value) {
    const volute_option options[] = {{name, value}, {nullptr, nullptr}};
    const Made<Session> made = make_session(options);
    CHECK(made.status == VOLUTE_REFUSED);
    CHECK(!made.handle);
    return made.message();
  };
  CHECK(refused("threads", "none") == "threads: 'none' is not a number from 1 to 1024, or all");
  CHECK(refused("thread", "1").find("thread: there is no such option (there are threads, target") ==
        0);
  CHECK(refused("threads", nullptr) == "threads: its value is NULL");

  const volute_option two_threads[] = {{"threads", "2"}, {"accuracy", "0"}, {nullptr, nullptr}};
  const Made<Session> session = make_session(two_threads);
  CHECK(session.status == VOLUTE_OK);
  const Program program = parse(layer).handle;
  const auto compile_refused = [&](const char* name, const char* value) {
    const volute_option options[] = {{name, value}, {nullptr, nullptr}};
    const Made<Kernel> made = compile(session.handle, program, options);
    CHECK(made.status == VOLUTE_REFUSED);
    CHECK(!made.handle);
    return made.message();
  };
  CHECK(compile_refused("threads", "2")
            .find("threads: there is no such option (there are "
                  "schedule, ") == 0);
  CHECK(compile_refused("deterministic", "yes") == "deterministic: 'yes' is not 0 or 1");
  CHECK(compile_refused("accuracy", "-1") == "accuracy: '-1' is not a number of 0 or more");
  CHECK(compile_refused("target", "z80").find("z80") != std::string::npos);
  CHECK(compile_refused("strides.x", "1,two").find("strides.x: '1,two' is not a list") == 0);
  CHECK(compile_refused("strides.q", "1").find("q") != std::string::npos);
  CHECK(compile_refused("schedule", "for q").find("schedule:1:5:") == 0);
  const volute_option naive[] = {{"schedule", "naive"}, {"deterministic", "1"}, {nullptr, nullptr}};
  CHECK(compile(session.handle, program, naive).status == VOLUTE_OK);
}

TEST_CASE("views of other strides are compiled for, and only those are taken") {
  const volute_option options[] = {{"strides.x", "8, 8, 2"}, {nullptr, nullptr}};
  const Kernel kernel =
      compiled("program @r(%x: f32[n=1, c=1, w=4]) {\n  %y = relu %x\n  return %y\n}", options);
  float xs[] = {1, 9, -2, 9, 3, 9, -4, 9}, ys[4];
  volute_tensor arguments[] = {argument(kernel, "x", xs), argument(kernel, "y", ys)};
  REQUIRE(arguments[0].strides != nullptr);
  CHECK(arguments[0].strides[2] == 2);
  CHECK(volute_kernel_call(kernel.get(), arguments, 2, nullptr) == VOLUTE_OK);
  CHECK(std::vector<float>(ys, ys + 4) == std::vector<float>{1, 0, 3, 0});
  arguments[0].strides = nullptr;
  CHECK(volute_kernel_call(kernel.get(), arguments, 2, nullptr) == VOLUTE_INVALID_ARGUMENT);
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

TEST_CASE("workspaces may be the caller's") {
  Layer l;
  const volute_tensor all[] = {l.at("x", l.x), l.at("w", l.w), l.at("y", l.y)};
  const int64_t bytes = volute_kernel_workspace_bytes(l.kernel.get());
  std::unique_ptr<void, Ends<std::free>> memory(
      std::aligned_alloc(64, static_cast<size_t>((bytes + 127) / 64 * 64)));
  CHECK(volute_kernel_call_in(l.kernel.get(), all, 3, memory.get(), bytes, nullptr) == VOLUTE_OK);
  CHECK(l.y == l.expected);
  CHECK(volute_kernel_call_in(l.kernel.get(), all, 3, memory.get(), -1, nullptr) ==
        VOLUTE_INVALID_ARGUMENT);
  CHECK(volute_kernel_call_in(l.kernel.get(), all, 3, nullptr, 1, nullptr) ==
        VOLUTE_INVALID_ARGUMENT);
  if (bytes > 0)
    CHECK(volute_kernel_call_in(l.kernel.get(), all, 3, memory.get(), bytes - 1, nullptr) ==
          VOLUTE_INVALID_ARGUMENT);
}

TEST_CASE("every stage is there as text, and no other") {
  const Made<Session> session = make_session();
  const Program program = parse(layer).handle;
  const auto stage = [&](const char* name, volute_status wanted = VOLUTE_OK) {
    char* text = nullptr;
    volute_error* error = nullptr;
    CHECK(volute_inspect(session.handle.get(), program.get(), nullptr, name, &text, &error) ==
          wanted);
    const Text ends(text);
    const Error ends_too(error);
    return std::string(text ? text : volute_error_message(error));
  };
  CHECK(stage("program") == layer);
  CHECK(stage("nest").find("nests layer") == 0);
  CHECK(stage("schedule").find("for ") != std::string::npos);
  CHECK(stage("loops").find("loops layer") == 0);
  CHECK(stage("llvm").find("define ") != std::string::npos);
  CHECK(stage("asm").find("ret") != std::string::npos);
  CHECK(stage("report").find("program @layer") == 0);
  CHECK(stage("object", VOLUTE_REFUSED) ==
        "stage: there is no stage 'object' (the stages are program, nest, schedule, loops, llvm, "
        "asm, report, html)");
  const std::string page = stage("html");
  CHECK(page.find("<!doctype html>") == 0);
  for (const std::string part : {R"("file":"@layer")", "nests layer", "define ", "fma("})
    CHECK(page.find(part) != std::string::npos);
}

namespace {

using Pending = std::unique_ptr<volute_pending, Ends<volute_pending_free>>;

Pending compile_async(const Session& session, const Program& program,
                      const volute_option* options = nullptr) {
  volute_pending* pending = nullptr;
  CHECK(volute_compile_async(session.get(), program.get(), options, &pending, nullptr) ==
        VOLUTE_OK);
  REQUIRE(pending);
  return Pending(pending);
}

Made<Kernel> get(const Pending& pending) {
  volute_kernel* kernel = nullptr;
  volute_error* error = nullptr;
  const volute_status status = volute_pending_kernel(pending.get(), &kernel, &error);
  return {Kernel(kernel), status, Error(error)};
}

} // namespace

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
  std::string text = "program @long(%x: f32[n=1, c=8, h=90, w=90]";
  for (int i = 0; i < 40; ++i) text += ", %w" + std::to_string(i) + ": f32[o=8, i=8, h=3, w=3]";
  text += ") {\n  %y0 = conv %x, %w0\n";
  for (int i = 1; i < 40; ++i)
    text += "  %y" + std::to_string(i) + " = conv %y" + std::to_string(i - 1) + ", %w" +
            std::to_string(i) + "\n";
  text += "  return %y39\n}\n";
  const volute_option seldom[] = {{"accuracy", "1.75"}, {nullptr, nullptr}}; // on no disk
  const Pending pending = compile_async(session.handle, parse(text.c_str()).handle, seldom);
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
