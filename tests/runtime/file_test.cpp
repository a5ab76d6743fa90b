#include "runtime/file.h"
#include "tests/runtime/failure_text.h"
#include "tests/runtime/temporary_folder.h"
#include "tests/support/catch.h"

using namespace volute;
using runtime::open_to_read;
using volute::tests::failure_text;
using volute::tests::TemporaryFolder;
using volute::tests::write_file;

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
