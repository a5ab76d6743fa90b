#include "runtime/compiler_library.h"

#include "compiler/image/generator.h"

#include <climits>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <atomic>
#include <cstdlib>
#include <dlfcn.h>
#include <link.h>
#include <mutex>
#include <new>
#include <optional>
#include <pthread.h>
#include <unistd.h>
#include <vector>

namespace volute::runtime {
namespace {

using compiler::CompilerLibrary;

#ifndef VOLUTE_COMPILER_INSIDE

constexpr const char* file_name = "libvolute-compiler.so";

std::string whole_path(const std::string& path) {
  char whole[PATH_MAX];
  return realpath(path.c_str(), whole) ? whole : path;
}

/// The folder of the library or program that this code is in.
std::string own_folder() {
  static const char here = 0;
  Dl_info info{};
  link_map* map = nullptr;
  const bool is_found = dladdr1(&here, &info, reinterpret_cast<void**>(&map), RTLD_DL_LINKMAP) != 0;
  // The program's own entry has no name in the list of what is loaded.
  const bool is_program = !is_found || !map || !map->l_name || map->l_name[0] == '\0';
  const std::string file = whole_path(is_program ? "/proc/self/exe" : map->l_name);
  return file.substr(0, file.rfind('/'));
}

std::vector<std::string> places(const std::string& path) {
  if (!path.empty()) return {path};
  const std::string own = own_folder();
  return {own + "/" + file_name, own + "/lib/" + file_name, own + "/../lib/" + file_name,
          own + "/" VOLUTE_LIBRARIES_FROM_BIN "/" + file_name};
}

Expected<const CompilerLibrary*> load(const std::string& path) {
  const std::vector<std::string> tried = places(path);
  for (const std::string& place : tried) {
    if (access(place.c_str(), F_OK) != 0) continue;
    void* library = dlopen(place.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!library) {
      const char* words = dlerror();
      return fail("compiler", fmt::format("{} cannot be loaded: {}", place, words ? words : ""));
    }
    const auto open =
        reinterpret_cast<compiler::OpenCompiler>(dlsym(library, compiler::open_compiler_name));
    if (!open) return fail("compiler", fmt::format("{} is another library", place));
    if (const CompilerLibrary* opened = open(compiler::build_id())) return opened;
    return fail("compiler", fmt::format("{} is of another build than this library", place),
                "the two are installed together");
  }
  return fail("compiler",
              fmt::format("there is no compiler here, and this kernel is not among those on disk: "
                          "{} is not {}",
                          file_name, fmt::join(tried, ", nor ")),
              "VOLUTE_COMPILER names it where it is");
}

#else

Expected<const CompilerLibrary*> load(const std::string&) {
  return volute_open_compiler(compiler::build_id());
}

#endif

// None of them has a destructor: they are used until the very end.
std::mutex mutex; // held while the compiler is loaded
std::atomic<const CompilerLibrary*> loaded{nullptr};
std::atomic<bool> is_ending{false};
thread_local bool loads_now = false;

void forget_loading() { // in a child, where the thread that loaded is not
  if (!loads_now) new (&mutex) std::mutex;
}

// A thread may end because it has called exit(), of which the first thing is that what belongs to
// it is destroyed. So what is being loaded is waited for; and when it is the main thread, which
// ends at no other time, nothing is loaded from then on.
struct Watch {
  ~Watch() {
    if (gettid() == getpid()) is_ending.store(true);
    if (!loads_now) const std::lock_guard wait(mutex);
    if (const CompilerLibrary* library = loaded.load()) library->end_thread();
  }
};

// Registered behind what LLVM's objects have registered while they were made, so it runs before.
void end_compiling() {
  is_ending.store(true);
  loaded.load()->end_process();
}

// The thread that loads this library ends the process when main returns: it may never compile.
[[maybe_unused]] const bool is_watched = (watch_this_thread(), true);

} // namespace

Expected<const CompilerLibrary*> compiler_library(const std::string& path) {
  if (const CompilerLibrary* library = loaded.load(std::memory_order_acquire)) return library;
  const std::lock_guard lock(mutex);
  if (const CompilerLibrary* library = loaded.load()) return library;
  if (is_ending.load())
    return fail("compiler", "the process is ending, and nothing is compiled now");
  static const bool is_registered = pthread_atfork(nullptr, nullptr, forget_loading) == 0;
  (void)is_registered;
  loads_now = true;
  Expected<const CompilerLibrary*> library = load(path);
  loads_now = false;
  if (!library) return library;
  loaded.store(*library, std::memory_order_release);
  std::atexit(end_compiling);
  return library;
}

void watch_this_thread() {
  static thread_local const Watch watch;
  (void)&watch;
}

} // namespace volute::runtime
