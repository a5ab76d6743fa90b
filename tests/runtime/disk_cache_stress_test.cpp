// Many processes and threads over one folder of kernels, some killed at any moment: every result is
// right, and what is left is whole. The runs here are short; VOLUTE_STRESS=N makes them N times as
// long.
#include "runtime/cache_entry.h"
#include "runtime/cache_folder.h"
#include "tests/runtime/temporary_folder.h"
#include "tests/support/catch.h"
#include "tests/support/dice.h"

#include <algorithm>
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

namespace {

/// What a script does in a mount namespace of its own, as root of it, and says; nothing where that
/// is not allowed to this user.
struct Ran {
  int status;
  std::string out, err;
};
std::optional<Ran> in_own_mounts(const std::string& script) {
  if (std::system("unshare -rm true 2>/dev/null") != 0) {
    WARN("no mount namespace for this user: not tried");
    return std::nullopt;
  }
  const TemporaryFolder temporary;
  tests::write_file(temporary / "script", "set -e\n" + script);
  const int status = std::system(("unshare -rm sh '" + temporary / "script" + "' >'" +
                                  temporary / "out" + "' 2>'" + temporary / "err" + "'")
                                     .c_str());
  return Ran{WIFEXITED(status) ? WEXITSTATUS(status) : -1, tests::read_file(temporary / "out"),
             tests::read_file(temporary / "err")};
}

std::string worker(const std::string& folder, const std::string& arguments) {
  return "'" VOLUTE_CACHE_WORKER "' '" + folder + "' " + arguments + "\n";
}

} // namespace

TEST_CASE("on a disk that is full every result is right, and what was kept is whole") {
  const TemporaryFolder temporary;
  const std::string disk = temporary / "disk", kept = temporary / "kept";
  const auto ran = in_own_mounts("mkdir '" + disk + "'\nmount -t tmpfs -o size=96k none '" + disk +
                                 "'\n" + worker(disk + "/k", "3 40 1 1000000000") + "df -k '" +
                                 disk + "' | tail -1\ncp -a '" + disk + "/k' '" + kept + "'\n");
  if (!ran) return;
  INFO(ran->out << ran->err);
  CHECK(ran->status == 0); // the worker's: nothing wrong, nothing refused
  CHECK(ran->err == "volute: warning: kernels on disk: " + disk + "/k: No space left on device\n");
  const size_t whole = whole_kernels(kept);
  CHECK(whole > 2);
  CHECK(whole < 40);
  CHECK(remove_unfinished(kept) == 0); // what did not fit is gone
}

TEST_CASE("from a disk that is read only kernels are found, and others are compiled") {
  const TemporaryFolder temporary;
  const std::string folder = temporary / "k";
  REQUIRE(status_of(start({folder, "1", "10", "1"})) == 0);
  const auto ran =
      in_own_mounts("mount --bind '" + folder + "' '" + folder + "'\nmount -o remount,bind,ro '" +
                    folder + "'\n" + worker(folder, "1 20 2"));
  if (!ran) return;
  INFO(ran->out << ran->err);
  CHECK(ran->status == 0);
  CHECK(ran->out.find("compiled 10 loaded 10 ") != std::string::npos);
  CHECK(ran->err == "volute: warning: kernels on disk: " + folder + ": Read-only file system\n");
  CHECK(whole_kernels(folder) == 10);
}
