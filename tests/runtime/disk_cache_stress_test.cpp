// Many processes and threads over one folder of kernels, some killed at any moment: every result is
// right, and what is left is whole. The runs here are short; VOLUTE_STRESS=N makes them N times as
// long.
#include "runtime/cache_entry.h"
#include "runtime/cache_folder.h"
#include "tests/runtime/temporary_folder.h"
#include "tests/support/catch.h"
#include "tests/support/dice.h"

#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace volute;
using volute::tests::Dice;
using volute::tests::TemporaryFolder;

namespace {

int times_longer() {
  const char* text = std::getenv("VOLUTE_STRESS");
  return text ? std::max(1, std::atoi(text)) : 1;
}

pid_t start(std::vector<std::string> words) {
  std::string program = VOLUTE_CACHE_WORKER;
  std::vector<char*> arguments = {program.data()};
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  pid_t child = -1;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  const int error = posix_spawn(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  REQUIRE(error == 0);
  return child;
}

int status_of(pid_t child) {
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/// Every file that has a kernel's name is one.
size_t whole_kernels(const std::string& folder) {
  const auto opened = runtime::CacheFolder::open(folder, false);
  REQUIRE(opened);
  if (!*opened) return 0;
  size_t count = 0;
  for (const auto& item : (*opened)->items()) {
    if (!item.is_kernel) continue;
    const auto file = (*opened)->read(item.name);
    REQUIRE(file);
    REQUIRE(*file);
    const auto view = runtime::view_entry((*file)->bytes);
    if (!view) FAIL(to_string(view.diagnostics().front()));
    CHECK(runtime::entry_name(view->key) == item.name);
    ++count;
  }
  return count;
}

/// Until somebody is on the way of storing a kernel, or seconds have gone by.
void wait_for_unfinished(const std::string& folder) {
  for (int i = 0; i < 30'000; ++i) {
    const auto opened = runtime::CacheFolder::open(folder, false);
    if (opened && *opened)
      for (const auto& item : (*opened)->items())
        if (!item.is_kernel) return;
    usleep(1000);
  }
}

/// What those who were killed have left on its way.
int remove_unfinished(const std::string& folder) {
  const auto opened = runtime::CacheFolder::open(folder, false);
  int count = 0;
  if (opened && *opened)
    for (const auto& item : (*opened)->items())
      if (!item.is_kernel) count += (*opened)->remove(item.name);
  return count;
}

} // namespace

TEST_CASE("8 processes of 4 threads share a folder, with room for all and with room for few") {
  const int kernels = 30 * times_longer();
  for (const char* limit : {"1000000000", "60000"}) {
    const TemporaryFolder temporary;
    const std::string folder = temporary / "k";
    std::vector<pid_t> children;
    for (int i = 0; i < 8; ++i)
      children.push_back(start({folder, "4", std::to_string(kernels), std::to_string(i), limit}));
    for (const pid_t child : children) CHECK(status_of(child) == 0);
    const size_t whole = whole_kernels(folder);
    if (limit[0] == '1')
      CHECK(whole == static_cast<size_t>(kernels));
    else
      CHECK(whole <= 15);
  }
}

TEST_CASE("processes that are killed at any moment leave whole kernels") {
  const TemporaryFolder temporary;
  const std::string folder = temporary / "k";
  Dice dice(17);
  int killed = 0, unfinished = 0;
  for (int round = 0; round < 20 * times_longer(); ++round) {
    std::vector<pid_t> children;
    for (int i = 0; i < 2; ++i)
      children.push_back(start({folder, "2", "0", std::to_string(2 * round + i), "30000000"}));
    // At any moment, which on a busy machine is before the first, and in the middle of one.
    if (round % 2 == 0)
      usleep(static_cast<useconds_t>(dice.between(0, 100'000)));
    else
      wait_for_unfinished(folder);
    for (const pid_t child : children) kill(child, SIGKILL);
    for (const pid_t child : children) killed += status_of(child) == -SIGKILL;
    whole_kernels(folder);
    unfinished += remove_unfinished(folder);
  }
  CHECK(unfinished > 0); // in the middle of some
  CHECK(killed > 0);
  CHECK(status_of(start({folder, "1", "20", "999", "1000000000"})) == 0);
}
