// The C interface as a program in C meets it.
#include "tests/capi/handles.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

using namespace volute_in_c;

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
