#include "runtime/file.h"
#include "tests/runtime/failure_text.h"
#include "tests/runtime/temporary_folder.h"
#include "tests/support/catch.h"

#include <fcntl.h>
#include <stdexcept>
#include <sys/stat.h>
#include <unistd.h>

using namespace volute;
using runtime::open_to_read;
using runtime::replace_file;
using volute::tests::failure_text;
using volute::tests::read_file;
using volute::tests::TemporaryFolder;
using volute::tests::write_file;

namespace {

auto writing(const std::string& path, const std::string& text) {
  return
      [=](std::FILE* file) { return runtime::write_bytes(file, path, text.data(), text.size()); };
}

} // namespace

TEST_CASE("a file that cannot be opened says so in the system's words") {
  const TemporaryFolder folder;
  CHECK(failure_text(open_to_read(folder / "no.npy")) ==
        folder / "no.npy" + ": No such file or directory");
  CHECK(failure_text(open_to_read(folder / ".")) == folder / "." + ": Is a directory");
}

TEST_CASE("a text is read whole, and one that never ends is cut") {
  const TemporaryFolder folder;
  const auto read = [](const std::string& path) {
    return runtime::read_text(open_to_read(path)->get(), path, 2 << 20, "poem");
  };
  write_file(folder / "a", std::string(2 << 20, 'a'));
  CHECK(read(folder / "a")->size() == 2 << 20);
  write_file(folder / "a", std::string((2 << 20) + 1, 'a'));
  CHECK(failure_text(read(folder / "a")) == folder / "a" + ": longer than 2 MiB, which no poem is");
  CHECK(failure_text(read("/dev/zero")) == "/dev/zero: longer than 2 MiB, which no poem is");
}

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

TEST_CASE("a file in a folder that does not exist, or in place of a folder, is refused") {
  const TemporaryFolder folder;
  const std::string path = folder / "none/out";
  CHECK(replace_file(path, writing(path, "x")).message() == path + ": No such file or directory");
  CHECK(replace_file(folder / ".", writing(path, "x")).code() == StatusCode::file_failed);
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
