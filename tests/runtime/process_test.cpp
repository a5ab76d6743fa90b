// What a process does besides calling kernels: it forks, and it ends.
#include "ir/parse.h"
#include "runtime/volute.hpp"
#include "tests/runtime/temporary_folder.h"
#include "tests/support/catch.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <sys/time.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace volute;

namespace {

ir::Program program(int64_t width) {
  return *ir::parse("program @p(%x: f32[n=1, c=8, h=16, w=" + std::to_string(width) +
                    "], %w: f32[o=8, i=8, h=3, w=3]) {\n"
                    "  %0 = conv %x, %w {pad = 1}\n  %y = tanh %0\n  return %y\n}");
}

/// What a child of this process ended with: 0, or what it was killed by.
std::string end_of(pid_t child) {
  int status = 0;
  if (waitpid(child, &status, 0) != child) return "waitpid failed";
  if (WIFSIGNALED(status)) return "killed by signal " + std::to_string(WTERMSIG(status));
  return std::to_string(WEXITSTATUS(status));
}

} // namespace

// The thread sanitizer ends a child that starts threads.
#if !defined(__SANITIZE_THREAD__)

TEST_CASE("a kernel on a pool runs in a child of the process, and a session compiles there") {
  runtime::Options options;
  options.threads = 2;
  Session session(options);
  const Kernel kernel = session.compile(program(16));
  Tensor x = *Tensor::allocate(kernel.type("x")), w = *Tensor::allocate(kernel.type("w")),
         expected = *Tensor::allocate(kernel.type("y")), y = *Tensor::allocate(kernel.type("y"));
  runtime::fill(x, {runtime::Fill::Kind::random, 1});
  runtime::fill(w, {runtime::Fill::Kind::random, 2});
  kernel(x, w, expected).check(); // the pool has its threads now

  const auto gives_the_same = [&](const Kernel& one) {
    runtime::fill(y, {});
    return one(x, w, y).ok() && std::equal(y.data(), y.data() + y.bytes(), expected.data());
  };
  for (int generation = 0; generation < 2; ++generation) {
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) { // no exception and no check of Catch's may leave this block
      alarm(60);      // a child that hangs is killed, which the parent sees
      bool right = gives_the_same(kernel);
      const pid_t grandchild = fork(); // of a process whose pool has started anew
      if (grandchild == 0) _exit(gives_the_same(kernel) ? 0 : 1);
      right = right && end_of(grandchild) == "0" && gives_the_same(kernel);
      const Expected<Kernel> again = session.try_compile(program(16));
      const Expected<Kernel> other = session.try_compile(program(17));
      right = right && again && other && gives_the_same(*again);
      _exit(right ? 0 : 1);
    }
    CHECK(end_of(child) == "0");
    CHECK(gives_the_same(kernel)); // the parent's threads are as they were
  }
}

#endif

namespace {

constexpr const char* delay_variable = "VOLUTE_TEST_EXIT_AFTER";
constexpr const char* folder_variable = "VOLUTE_TEST_FOLDER";

/// How these tests end, run in a process of their own that is given so many microseconds.
std::string end_of_process(const char* tests, const std::string& delay) {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    alarm(120); // a child that hangs is killed
    setenv(delay_variable, delay.c_str(), 1);
    execl("/proc/self/exe", "runtime_tests", tests, nullptr);
    _exit(127);
  }
  return end_of(child);
}

} // namespace

// Run by the next, in a process of its own.
TEST_CASE("exit while three threads compile", "[.exit]") {
  const char* delay = std::getenv(delay_variable);
  const Session shared{runtime::Options{}};
  for (int64_t i = 0; i < 3; ++i)
    std::thread([i, session = shared]() mutable {
      // Until the process ends; then no compile begins, and none crashes.
      for (int64_t width = 8 + i; session.try_compile(program(width)); width += 3) continue;
      std::this_thread::sleep_for(std::chrono::seconds(60));
    }).detach();
  std::this_thread::sleep_for(std::chrono::microseconds(delay ? std::atoi(delay) : 0));
  std::exit(0);
}

// The same, but that the thread which ends the process has had nothing to do with sessions.
TEST_CASE("exit while three threads begin", "[.exit-apart]") {
  const char* delay = std::getenv(delay_variable);
  for (int64_t i = 0; i < 3; ++i)
    std::thread([i] {
      Session session{runtime::Options{}};
      for (int64_t width = 8 + i; session.try_compile(program(width)); width += 3) continue;
      std::this_thread::sleep_for(std::chrono::seconds(60));
    }).detach();
  std::this_thread::sleep_for(std::chrono::microseconds(delay ? std::atoi(delay) : 0));
  std::exit(0);
}

// The same, but that it is kernels of two tiers, called and bound all along.
TEST_CASE("exit while good kernels are on their way", "[.exit-tiered]") {
  const char* delay = std::getenv(delay_variable);
  for (int64_t i = 0; i < 2; ++i)
    std::thread([i] {
      Session session{runtime::Options{}};
      Tensor w = *Tensor::allocate(program(8).values[1].type);
      for (int64_t width = 8 + i;; width += 2) {
        const auto kernel = session.try_compile_tiered(program(width));
        if (!kernel) break;
        const TieredKernel bound = kernel->bind("w", w);
        Tensor x = *Tensor::allocate(program(width).values[0].type),
               y = *Tensor::allocate(x.type());
        if (!bound(x, y).ok()) std::abort();
      }
      std::this_thread::sleep_for(std::chrono::seconds(60));
    }).detach();
  std::this_thread::sleep_for(std::chrono::microseconds(delay ? std::atoi(delay) : 0));
  std::exit(0);
}

TEST_CASE("a process may exit while its threads compile, at any moment") {
  const char* const cases[] = {"[.exit]", "[.exit-apart]", "[.exit-tiered]"};
  for (int run = 0; run < 72; ++run) {
    const int step = run / 3; // 0 to 80 ms, the early ones close
    const std::string delay = std::to_string(step * step * 150);
    INFO(delay);
    CHECK(end_of_process(cases[run % 3], delay) == "0");
  }
}

// A child of a process whose threads are in the address sanitizer's allocator waits for its locks
// for ever: GCC 14's library does not hold them across a fork.
#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)

// Run by the next, in a process of its own, that has met no compiler yet.
TEST_CASE("fork while another thread meets the compiler", "[.fork-early]") {
  const char* delay = std::getenv(delay_variable);
  Session session{runtime::Options{}};
  const TieredKernel kernel = session.compile_tiered(program(16));
  std::this_thread::sleep_for(std::chrono::microseconds(delay ? std::atoi(delay) : 0));
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);
    Session own{runtime::Options{}};
    _exit(own.try_compile(program(17)) ? 0 : 1);
  }
  CHECK(end_of(child) == "0");
  CHECK(kernel.wait());
}

// Run by the next, likewise: two threads that fork must not wait for each other.
TEST_CASE("several threads fork while another meets the compiler", "[.fork-many]") {
  Session session{runtime::Options{}};
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i)
    threads.emplace_back([] {
      for (int k = 0; k < 30; ++k) {
        const pid_t child = fork();
        if (child == 0) _exit(0);
        int status = 0;
        while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
        }
      }
    });
  CHECK(session.try_compile(program(18)));
  for (std::thread& thread : threads) thread.join();
}

TEST_CASE("threads of a process may fork at the same time") {
  for (int run = 0; run < 30; ++run) CHECK(end_of_process("[.fork-many]", "0") == "0");
}

TEST_CASE("a process may fork at any moment, and its child compiles") {
  for (int run = 0; run < 40; ++run) {
    const std::string delay = std::to_string(run * 200); // microseconds: to 8 ms
    INFO(delay);
    CHECK(end_of_process("[.fork-early]", delay) == "0");
  }
}

#endif

// ---- signals ------------------------------------------------------------------------------------

namespace {

volatile std::sig_atomic_t alarms = 0;

/// Every disposition of this process's.
std::vector<void (*)(int)> handlers() {
  std::vector<void (*)(int)> all;
  for (int signal = 1; signal < NSIG; ++signal) {
    struct sigaction action {};
    all.push_back(sigaction(signal, nullptr, &action) == 0 ? action.sa_handler : nullptr);
  }
  return all;
}

/// The signals that each thread of the process does not take, a bit each, as Linux tells.
std::map<std::string, uint64_t> blocked() {
  std::map<std::string, uint64_t> all;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream status(thread.path() / "status");
    for (std::string word; status >> word;)
      if (word == "SigBlk:") status >> std::hex >> all[thread.path().filename()];
  }
  return all;
}

bool is_blocked(uint64_t mask, int signal) { return (mask >> (signal - 1) & 1) != 0; }

} // namespace

TEST_CASE("signals are the host's: no handler and no mask is set, and interrupted work goes on") {
  const std::vector<void (*)(int)> before = handlers();
  const std::map<std::string, uint64_t> blocked_before = blocked();
  const tests::TemporaryFolder temporary;
  runtime::Options options;
  options.cache_dir = temporary / "k";
  options.disk_cache_bytes = 1 << 30;
  options.threads = 2;
  Session session(options);
  const Kernel kernel = session.compile(program(30));
  Tensor x = *Tensor::allocate(kernel.type("x")), w = *Tensor::allocate(kernel.type("w")),
         y = *Tensor::allocate(kernel.type("y"));
  kernel(x, w, y).check(); // on a pool
  CHECK(session.compile_async(program(31)).get());
  CHECK(handlers() == before);
  // The host's threads are as they were, those of the library take nothing that is sent.
  int own = 0;
  for (const auto& [thread, mask] : blocked()) {
    CAPTURE(thread);
    if (const auto found = blocked_before.find(thread); found != blocked_before.end()) {
      CHECK(mask == found->second);
      continue;
    }
    ++own;
    for (const int signal : {SIGINT, SIGTERM, SIGALRM, SIGCHLD, SIGUSR1, SIGPIPE, SIGRTMIN})
      CHECK(is_blocked(mask, signal));
#if !defined(__SANITIZE_THREAD__) // which begins a thread of its own that takes nothing
    for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGPROF}) CHECK(!is_blocked(mask, signal));
#endif
  }
  CHECK(own >= 2);

  // Every system call that is waited in ends early, again and again.
  struct sigaction action {
  }, old{};
  action.sa_handler = [](int) { alarms = alarms + 1; };
  REQUIRE(sigaction(SIGALRM, &action, &old) == 0);
  const itimerval often = {{0, 300}, {0, 300}}, never = {};
  setitimer(ITIMER_REAL, &often, nullptr);
  int refused = 0;
  for (int64_t width = 32; width < 44; ++width) refused += !session.try_compile(program(width));
  Session again(options);
  for (int64_t width = 30; width < 44; ++width) refused += !again.try_compile(program(width));
  setitimer(ITIMER_REAL, &never, nullptr);
  sigaction(SIGALRM, &old, nullptr);
  CHECK(alarms > 10);
  CHECK(refused == 0);
  CHECK(again.cache_counters().loads == 14);
}

// Run by the next, in a process of its own.
TEST_CASE("compile until a signal ends it", "[.endless]") {
  std::signal(SIGINT, SIG_DFL); // which Catch handles
  runtime::Options options;
  options.cache_dir = std::getenv(folder_variable);
  options.disk_cache_bytes = 1 << 30;
  Session session(options);
  for (int64_t width = 8; session.try_compile(program(width)); ++width) continue;
}

TEST_CASE("Ctrl-C ends a process that compiles, at once, and leaves whole kernels") {
  const tests::TemporaryFolder temporary;
  const std::string folder = temporary / "k";
  for (int run = 0; run < 8; ++run) {
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      std::signal(SIGINT, SIG_DFL); // what runs in a shell's background inherits that it is ignored
      alarm(120);
      setenv(folder_variable, folder.c_str(), 1);
      execl("/proc/self/exe", "runtime_tests", "[.endless]", nullptr);
      _exit(127);
    }
    const auto has_one = [&] { // kernel, however busy the machine is
      return std::filesystem::exists(folder) && !std::filesystem::is_empty(folder);
    };
    for (int wait = 0; wait < 12'000 && !has_one(); ++wait)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    std::this_thread::sleep_for(std::chrono::milliseconds(7 * run));
    kill(child, SIGINT);
    CHECK(end_of(child) == "killed by signal " + std::to_string(SIGINT));
  }
  Session session([&] {
    runtime::Options options;
    options.cache_dir = folder;
    options.disk_cache_bytes = 1 << 30;
    return options;
  }());
  for (int64_t width = 8; width < 12; ++width) CHECK(session.try_compile(program(width)));
  CHECK(session.cache_counters().loads >= 1); // what was kept before they were ended
}
