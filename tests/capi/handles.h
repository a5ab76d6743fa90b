// What tests of the C interface share: handles that free themselves, and a layer with its numbers.
#pragma once

#ifndef VOLUTE_C_ONLY
#define VOLUTE_C_ONLY
#endif
#include "tests/support/catch.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>
#include <volute/volute.h>

namespace volute_in_c {

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

inline const char* const layer =
    "program @layer(%x: f32[n=1, c=2, w=5], %w: f32[o=3, i=2, w=3]) {\n"
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

inline Made<Session> make_session(const volute_option* options = nullptr) {
  volute_session* session = nullptr;
  volute_error* error = nullptr;
  const volute_status status = volute_session_create(options, &session, &error);
  return {Session(session), status, Error(error)};
}

inline Made<Program> parse(const char* text, const char* name = nullptr,
                           const char* folder = nullptr) {
  volute_program* program = nullptr;
  volute_error* error = nullptr;
  const volute_status status = volute_program_parse(text, name, folder, &program, &error);
  return {Program(program), status, Error(error)};
}

inline Made<Kernel> compile(const Session& session, const Program& program,
                            const volute_option* options = nullptr) {
  volute_kernel* kernel = nullptr;
  volute_error* error = nullptr;
  const volute_status status =
      volute_compile(session.get(), program.get(), options, &kernel, &error);
  return {Kernel(kernel), status, Error(error)};
}

inline Kernel compiled(const char* text, const volute_option* options = nullptr) {
  const Made<Session> session = make_session();
  Made<Kernel> made = compile(session.handle, parse(text).handle, options);
  INFO(made.message());
  REQUIRE(made.status == VOLUTE_OK);
  return std::move(made.handle); // which outlives the session and the program
}

/// An argument of a kernel at memory of the caller's.
inline volute_tensor argument(const Kernel& kernel, const char* name, void* data) {
  volute_tensor tensor = {};
  REQUIRE(volute_kernel_argument_named(kernel.get(), name, &tensor));
  CHECK(tensor.data == nullptr);
  tensor.data = data;
  return tensor;
}

inline Made<Kernel> compile_tiered(const Session& session, const Program& program,
                                   const volute_option* options = nullptr) {
  volute_kernel* kernel = nullptr;
  volute_error* error = nullptr;
  const volute_status status =
      volute_compile_tiered(session.get(), program.get(), options, &kernel, &error);
  return {Kernel(kernel), status, Error(error)};
}

/// The good kernel of a tiered one, which is waited for.
inline Made<Kernel> final_of(const Kernel& tiered) {
  volute_kernel* kernel = nullptr;
  volute_error* error = nullptr;
  const volute_status status = volute_kernel_final(tiered.get(), &kernel, &error);
  return {Kernel(kernel), status, Error(error)};
}

/// A program that takes some seconds to compile.
inline std::string long_program() {
  std::string text = "program @long(%x: f32[n=1, c=8, h=90, w=90]";
  for (int i = 0; i < 40; ++i) text += ", %w" + std::to_string(i) + ": f32[o=8, i=8, h=3, w=3]";
  text += ") {\n  %y0 = conv %x, %w0\n";
  for (int i = 1; i < 40; ++i)
    text += "  %y" + std::to_string(i) + " = conv %y" + std::to_string(i - 1) + ", %w" +
            std::to_string(i) + "\n";
  return text + "  return %y39\n}\n";
}
inline const volute_option seldom[] = {{"accuracy", "1.75"}, {nullptr, nullptr}}; // on no disk

using Pending = std::unique_ptr<volute_pending, Ends<volute_pending_free>>;

inline Pending compile_async(const Session& session, const Program& program,
                             const volute_option* options = nullptr) {
  volute_pending* pending = nullptr;
  CHECK(volute_compile_async(session.get(), program.get(), options, &pending, nullptr) ==
        VOLUTE_OK);
  REQUIRE(pending);
  return Pending(pending);
}

inline Made<Kernel> get(const Pending& pending) {
  volute_kernel* kernel = nullptr;
  volute_error* error = nullptr;
  const volute_status status = volute_pending_kernel(pending.get(), &kernel, &error);
  return {Kernel(kernel), status, Error(error)};
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

} // namespace volute_in_c
