// A plug-in that has loaded the library goes away: dlclose() of libvolute.so, with kernels in use
// and threads of it asleep. It is defined to leave everything as it is: nothing is ever unmapped.
#define VOLUTE_C_ONLY
#include "tests/support/catch.h"

#include <cstring>
#include <dlfcn.h>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <volute/volute.h>

namespace {

/// What a plug-in calls, by name.
template <class Function>
Function* symbol(void* library, const char* name) {
  return reinterpret_cast<Function*>(dlsym(library, name));
}
#define CALL(name) (*symbol<decltype(name)>(library, #name))

/// Loads, compiles on two threads, unloads, and calls; a kernel of each round. 0: all was right.
int use_and_unload(int rounds) {
  for (int round = 0; round < rounds; ++round) {
    void* library = dlopen(VOLUTE_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!library) return 2;
    const std::string text = "program @p(%x: f32[n=1, c=1, w=" + std::to_string(100 + round) +
                             "]) { %y = relu %x return %y }";
    const volute_option options[] = {{"threads", "2"}, {nullptr, nullptr}};
    volute_session* session = nullptr;
    volute_program* program = nullptr;
    volute_kernel* kernel = nullptr;
    if (CALL(volute_session_create)(options, &session, nullptr) ||
        CALL(volute_program_parse)(text.c_str(), nullptr, nullptr, &program, nullptr) ||
        CALL(volute_compile)(session, program, nullptr, &kernel, nullptr))
      return 3;
    auto* argument = symbol<decltype(volute_kernel_argument)>(library, "volute_kernel_argument");
    auto* call = symbol<decltype(volute_kernel_call)>(library, "volute_kernel_call");
    auto* end = symbol<decltype(volute_kernel_free)>(library, "volute_kernel_free");
    CALL(volute_program_free)(program);
    CALL(volute_session_free)(session);
    if (dlclose(library) != 0) return 4;
    if (!dlopen(VOLUTE_LIBRARY, RTLD_NOW | RTLD_NOLOAD)) return 5;

    float x[200] = {-1, 2}, y[200] = {7, 7};
    volute_tensor arguments[2];
    argument(kernel, 0, nullptr, &arguments[0]);
    argument(kernel, 1, nullptr, &arguments[1]);
    arguments[0].data = x, arguments[1].data = y;
    if (call(kernel, arguments, 2, nullptr) || y[0] != 0 || y[1] != 2) return 6;
    end(kernel);
  }
  return 0;
}

} // namespace

TEST_CASE(
    "the library is unloaded by nobody: kernels go on, it is loaded again, and exit is clean") {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    alarm(120);
    const int result = use_and_unload(3);
    if (result != 0) _exit(result);
    exit(0); // with all that the library has registered
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}
