#include "runtime/compiler_library.h"

#include "compiler/image/generator.h"
#include "runtime/own_folder.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <atomic>
#include <cstdlib>
#include <dlfcn.h>
#include <mutex>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace volute::runtime {
namespace {

using compiler::CompilerLibrary;

#ifndef VOLUTE_COMPILER_INSIDE

/// Whether anybody but this user and root could have put the file there: a program may lie in a
/// folder of everybody's, and what it loads from beside itself becomes part of it.
bool may_be_of_others(const std::string& file) {
  for (const std::string& path : {file.substr(0, file.rfind('/')), file}) {
    struct stat status;
    if (stat(path.c_str(), &status) != 0 || (status.st_mode & S_IWOTH) != 0 ||
        (status.st_uid != geteuid() && status.st_uid != 0))
      return true;
  }
  return false;
}

Expected<const CompilerLibrary*> load(const std::string& path) {
  const std::vector<std::string> tried = path.empty() ? places_of_compiler() : std::vector{path};
  for (const std::string& place : tried) {
    if (access(place.c_str(), F_OK) != 0) continue;
    if (path.empty() && may_be_of_others(place))
      return fail("compiler", fmt::format("{} or its folder may be written by others", place),
                  "VOLUTE_COMPILER names it where it shall be believed");
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
                          "libvolute-compiler.so is not {}",
                          fmt::join(tried, ", nor ")),
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

// Whoever forks waits for a loading under way: a child has not the thread that would end it, and
// no library that is half there; nor LLVM, which the library waits for. These are the only
// handlers: of two, each registered in its time, threads that fork at once would take the locks in
// two orders.
void before_fork() {
  if (!loads_now) mutex.lock();
  if (const CompilerLibrary* library = loaded.load()) library->before_fork();
}
void after_fork() {
  if (const CompilerLibrary* library = loaded.load()) library->after_fork();
  if (!loads_now) mutex.unlock();
}
void after_fork_in_child() {
  if (const CompilerLibrary* library = loaded.load()) library->after_fork_in_child();
  if (!loads_now) mutex.unlock();
}
[[maybe_unused]] const bool forks_wait =
    pthread_atfork(before_fork, after_fork, after_fork_in_child) == 0;

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
