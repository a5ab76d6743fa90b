#include "runtime/file.h"
#include "runtime/replace_files.h"
#include "tests/runtime/temporary_folder.h"
#include "tests/support/catch.h"

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <fcntl.h>
#include <functional>
#include <iterator>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdexcept>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace volute;
using runtime::replace_file;
using volute::tests::read_file;
using volute::tests::TemporaryFolder;
using volute::tests::write_file;

namespace {

auto writing(const std::string& path, const std::string& text) {
  return
      [=](std::FILE* file) { return runtime::write_bytes(file, path, text.data(), text.size()); };
}

} // namespace

TEST_CASE("a file is replaced whole and leaves nothing beside it") {
  const TemporaryFolder folder;
  const std::string path = folder / "out";
  write_file(path, "before");
  CHECK(replace_file(path, writing(path, "after")).ok());
  CHECK(read_file(path) == "after");
  CHECK(folder.files() == 1);
}

TEST_CASE("a file whose writing fails or throws stays as it was, and nothing is left beside it") {
  const TemporaryFolder folder;
  const std::string path = folder / "out";
  write_file(path, "before");
  const Status status = replace_file(path, [&](std::FILE* file) {
    std::fputs("half", file);
    return Status(StatusCode::file_failed, {{}, path, "no more", ""});
  });
  CHECK(status.message() == path + ": no more");
  CHECK_THROWS_WITH(
      (void)replace_file(path, [](std::FILE*) -> Status { throw std::runtime_error("stop"); }),
      "stop");
  CHECK(read_file(path) == "before");
  CHECK(folder.files() == 1);
}

TEST_CASE("a refusal has the file, the system's words and the rule") {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder / "inner");
  write_file(folder / "file", "before");
  std::filesystem::create_symlink("b", folder / "a");
  std::filesystem::create_symlink("a", folder / "b");
  const auto refusal = [](const std::string& path) {
    const Status status = replace_file(path, writing(path, "x"));
    CHECK(status.code() == StatusCode::file_failed);
    return status.message().substr(std::min(path.size(), status.message().size()));
  };
  CHECK(refusal(folder / "none/out") ==
        ": No such file or directory (there is no folder " + folder / "none" + ")");
  CHECK(refusal(folder / "file/out") == ": Not a directory (" + folder / "file" + " is no folder)");
  for (const char* name : {"inner", ".", "..", "inner/", ""})
    CHECK(refusal(folder / name) == ": Is a directory (a file cannot take a folder's place)");
  CHECK(refusal(folder / "a") ==
        ": Too many levels of symbolic links (symbolic links must lead to an end)");
  CHECK(refusal(folder / std::string(256, 'n')) ==
        ": File name too long (a name has at most 255 bytes, a path 4095)");
  CHECK(refusal("") == "No such file or directory (there is no folder .)");
}

// In a child, since it concerns the whole process: gives up being root, or leaves the folder.
std::string refusal_in_child(const std::string& path, const std::function<bool()>& prepare) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) { // no exception and no check of Catch's may leave this block
    const std::string words =
        prepare() ? replace_file(path, writing(path, "x")).message() : "not prepared";
    _exit(::write(ends[1], words.data(), words.size()) < 0 ? 1 : 0);
  }
  ::close(ends[1]);
  char words[512];
  const ssize_t length = ::read(ends[0], words, sizeof words);
  ::close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  return length < 0 ? "" : std::string(words, static_cast<size_t>(length));
}

TEST_CASE("a folder that may not be written, and one that is gone, are refused") {
  const TemporaryFolder folder;
  REQUIRE(chmod((folder / ".").c_str(), 0755) == 0);
  std::filesystem::create_directory(folder / "closed");
  REQUIRE(chmod((folder / "closed").c_str(), 0555) == 0);
  const auto as_nobody = [] { return getuid() != 0 || setuid(65534) == 0; };
  CHECK(refusal_in_child(folder / "closed/out", as_nobody) ==
        folder / "closed/out: Permission denied (the folder " + folder / "closed" +
            " must let you make files in it)");
  CHECK(refusal_in_child("out", [&] {
          std::filesystem::create_directory(folder / "gone");
          return chdir((folder / "gone").c_str()) == 0 && rmdir((folder / "gone").c_str()) == 0;
        }) == "out: No such file or directory (there is no folder .)");
}

TEST_CASE("a name may be as long as the system allows") {
  const TemporaryFolder folder;
  const std::string path = folder / std::string(255, 'n');
  for (const char* text : {"new", "replaced"}) {
    CHECK(replace_file(path, writing(path, text)).message() == "");
    CHECK(read_file(path) == text);
    CHECK(folder.files() == 1);
  }
}

TEST_CASE("a full disk is a failure in the system's words") {
  if (access("/dev/full", W_OK) != 0) return;
  CHECK(replace_file("/dev/full", writing("/dev/full", "x")).message() ==
        "/dev/full: No space left on device");
}

TEST_CASE("a symbolic link stays one, and what it leads to is replaced") {
  const TemporaryFolder folder;
  write_file(folder / "target", "before");
  REQUIRE(symlink("target", (folder / "link").c_str()) == 0);
  CHECK(replace_file(folder / "link", writing("link", "after")).ok());
  CHECK(std::filesystem::is_symlink(folder / "link"));
  CHECK(read_file(folder / "target") == "after");
  // One that leads to nothing yet, by way of another folder.
  std::filesystem::create_directory(folder / "inner");
  std::filesystem::create_symlink("../fresh", folder / "inner/far");
  std::filesystem::create_symlink("inner/far", folder / "near");
  CHECK(replace_file(folder / "near", writing("near", "new")).ok());
  CHECK(std::filesystem::is_symlink(folder / "inner/far"));
  CHECK(read_file(folder / "fresh") == "new");
}

TEST_CASE("what is no regular file is written in place") {
  const TemporaryFolder folder;
  const std::string path = folder / "pipe";
  REQUIRE(mkfifo(path.c_str(), 0600) == 0);
  const int reader = ::open(path.c_str(), O_RDONLY | O_NONBLOCK);
  REQUIRE(reader >= 0);
  CHECK(replace_file(path, writing(path, "through")).ok());
  char got[16] = "";
  CHECK(::read(reader, got, sizeof got) == 7);
  CHECK(std::string(got) == "through");
  CHECK(std::filesystem::is_fifo(path));
  ::close(reader);
}

TEST_CASE("a file gets the permissions that the user's umask leaves") {
  const TemporaryFolder folder;
  const mode_t before = umask(027);
  CHECK(replace_file(folder / "out", writing("out", "x")).ok());
  umask(before);
  CHECK(std::filesystem::status(folder / "out").permissions() == std::filesystem::perms{0640});
}

TEST_CASE("a process that is killed while it writes leaves nothing") {
  const TemporaryFolder folder;
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    (void)replace_file(folder / "out", [&](std::FILE* file) {
      std::fputs("half", file);
      std::fflush(file);
      if (::write(ends[1], "!", 1) == 1) pause();
      return Status();
    });
    _exit(1);
  }
  char sign = 0;
  CHECK(::read(ends[0], &sign, 1) == 1);
  kill(child, SIGKILL);
  int status = 0;
  waitpid(child, &status, 0);
  CHECK(folder.files() == 0);
  ::close(ends[0]);
  ::close(ends[1]);
}

namespace {

/// A child that replaces the file and comes as far as renaming: there it tells the pipe, and waits.
pid_t stopped_before_renaming(const std::string& path, int pipe) {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child != 0) return child;
  static int told;
  told = pipe;
  signal(SIGSYS, [](int) {
    if (::write(told, "!", 1) == 1) pause();
  });
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_renameat, 1, 0), // glibc's for no flags
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_renameat2, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program = {std::size(filter), filter};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
      prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0)
    (void)replace_file(path, writing(path, "of the child"));
  _exit(1);
}

} // namespace

TEST_CASE("what a process leaves that is killed between two steps goes with the next writing") {
  const TemporaryFolder folder;
  const std::string path = folder / "out";
  write_file(path, "before");
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const pid_t child = stopped_before_renaming(path, ends[1]);
  ::close(ends[1]);
  char sign = 0;
  REQUIRE(::read(ends[0], &sign, 1) == 1);
  ::close(ends[0]);
  CHECK(folder.files() == 2);
  CHECK(read_file(path) == "before");

  // What belongs to a process that lives is left alone.
  CHECK(replace_file(path, writing(path, "beside the child")).ok());
  CHECK(folder.files() == 2);
  CHECK(replace_file(folder / "other", writing("other", "")).ok());

  kill(child, SIGKILL);
  int status = 0;
  waitpid(child, &status, 0);
  CHECK(WIFSIGNALED(status));
  CHECK(folder.files() == 3);
  CHECK(replace_file(path, writing(path, "after")).ok());
  CHECK(read_file(path) == "after");
  CHECK(folder.files() == 2);
}

TEST_CASE("several files arrive together or not at all") {
  const TemporaryFolder folder;
  const std::string a = folder / "a", b = folder / "b", c = folder / "c";
  write_file(a, "old a");
  const auto write_three = [&](const std::function<Status(std::FILE*)>& last) {
    const runtime::FileToWrite files[] = {
        {a, writing(a, "new a")}, {b, writing(b, "new b")}, {c, last}};
    return runtime::replace_files(files);
  };
  SECTION("when one cannot be written") {
    const Status status = write_three([](std::FILE*) {
      return Status(StatusCode::file_failed, {{}, "c", "no more", ""});
    });
    CHECK(status.message() == "c: no more");
  }
  SECTION("when one cannot take its place") {
    // A folder that comes to be at its place after everything was found right.
    const Status status = write_three([&](std::FILE* file) {
      std::filesystem::create_directory(c);
      return writing(c, "new c")(file);
    });
    CHECK(status.message() == c + ": Is a directory (a file cannot take a folder's place)");
    std::filesystem::remove(c);
  }
  CHECK(read_file(a) == "old a");
  CHECK(folder.files() == 1);
  CHECK(write_three(writing(c, "new c")).ok());
  CHECK(read_file(a) + read_file(b) + read_file(c) == "new anew bnew c");
  CHECK(folder.files() == 3);
}

TEST_CASE("two paths that lead to one file are refused before anything is written") {
  const TemporaryFolder folder;
  write_file(folder / "out", "before");
  std::filesystem::create_symlink("out", folder / "link");
  std::filesystem::create_directory(folder / "inner");
  std::filesystem::create_directory_symlink(".", folder / "here");
  for (const char* other : {"link", "inner/../out", "here/here/out"}) {
    const runtime::FileToWrite files[] = {{folder / "out", writing("out", "x")},
                                          {folder / other, writing(other, "y")}};
    CHECK(runtime::replace_files(files).message() ==
          folder / other + ": is the same file as " + folder / "out");
  }
  CHECK(read_file(folder / "out") == "before");
}

TEST_CASE("what is open already is written where it is") {
  const TemporaryFolder folder;
  write_file(folder / "out", "");
  const int fd = ::open((folder / "out").c_str(), O_WRONLY);
  REQUIRE(fd >= 0);
  std::filesystem::create_symlink("/dev/fd/" + std::to_string(fd), folder / "link");
  CHECK(replace_file(folder / "link", writing("link", "through")).ok());
  CHECK(read_file(folder / "out") == "through");
  struct stat opened, named;
  REQUIRE((fstat(fd, &opened) == 0 && stat((folder / "out").c_str(), &named) == 0));
  CHECK(opened.st_ino == named.st_ino);
  ::close(fd);
}
