// Kernels from one session to the next, and everything that may be wrong with a folder or a file:
// the result is right, at worst it is compiled again and there is one warning.
#include "compiler/compile.h"
#include "ir/parse.h"
#include "runtime/cache_entry.h"
#include "runtime/disk_cache.h"
#include "runtime/key.h"
#include "runtime/volute.hpp"
#include "tests/runtime/failure_text.h"
#include "tests/runtime/temporary_folder.h"
#include "tests/support/catch.h"

#include <algorithm>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

using namespace volute;
using Catch::Matchers::ContainsSubstring;
using runtime::CacheFolder;
using runtime::DiskCache;
using volute::tests::failure_text;
using volute::tests::TemporaryFolder;

namespace {

namespace fs = std::filesystem;

ir::Program times(int number) {
  return *ir::parse("program @times(%x: f32[n=1, c=1, w=16]) {\n  %w = const [" +
                    std::to_string(number) + "] : f32[o=1, i=1, w=1]\n" +
                    "  %y = conv %x, %w\n  return %y\n}");
}

runtime::Options kept_in(const std::string& folder, int64_t bytes = int64_t{1} << 30) {
  runtime::Options options;
  options.cache_dir = folder;
  options.disk_cache_bytes = bytes;
  return options;
}

/// Whether a session's kernel for the program multiplies by its number.
bool is_right(Session& session, int number) {
  const Kernel kernel = session.compile(times(number));
  Tensor x = *Tensor::allocate(kernel.type("x")), y = *Tensor::allocate(kernel.type("y"));
  runtime::fill(x, {runtime::Fill::Kind::iota, 0});
  return kernel(x, y).ok() && y.as<float>()[5] == 5.0f * static_cast<float>(number);
}

struct Counted {
  bool right;
  int64_t loads, compiles;
  bool operator==(const Counted&) const = default;
};
/// What a process that starts now makes of a folder.
Counted fresh(const std::string& folder, int number = 3, int64_t bytes = int64_t{1} << 30) {
  Session session(kept_in(folder, bytes));
  const bool right = is_right(session, number);
  const auto counters = session.cache_counters();
  return {right, counters.loads, counters.compiles};
}
constexpr Counted found{true, 1, 0}, made{true, 0, 1};

std::string only_file(const std::string& folder) {
  std::string path;
  for (const auto& entry : fs::directory_iterator(folder)) {
    CHECK(path == "");
    path = entry.path().string();
  }
  return path;
}

std::vector<std::string> warnings;
DiskCache::Warn keep_warnings() {
  warnings.clear();
  return [](const Diagnostic& d) { warnings.push_back(to_string(d)); };
}

bool is_root() { return geteuid() == 0; }

} // namespace

TEST_CASE("what one session compiles the next finds, and says the same of it") {
  const TemporaryFolder temporary;
  const std::string folder = temporary / "a/b";
  CHECK(fresh(folder) == made);
  CHECK(fresh(folder) == found);
  struct stat status;
  REQUIRE(stat(folder.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0700);
  REQUIRE(stat(only_file(folder).c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);

  Session cached(kept_in(folder));
  const std::string said = compiler::to_string(cached.report(times(3)).value());
  CHECK(cached.cache_counters().compiles == 0);
  // The same words and numbers as of a compilation now, but for the time that it takes.
  Session anew(kept_in(""));
  const std::string fresh_words = compiler::to_string(anew.report(times(3)).value());
  CHECK(said.substr(0, said.find("\ntime\n")) ==
        fresh_words.substr(0, fresh_words.find("\ntime\n")));
  CHECK_THAT(said, ContainsSubstring("conv"));
}

TEST_CASE("an entry keeps the schedule that was asked for and the one that was resolved") {
  const TemporaryFolder temporary;
  CHECK(fresh(temporary / "k") == made);
  const std::string bytes = tests::read_file(only_file(temporary / "k"));
  const auto view = runtime::view_entry(std::as_bytes(std::span(bytes)));
  REQUIRE(view);
  CHECK_THAT(std::string(view->key), ContainsSubstring("\nschedule auto\n"));
  CHECK_THAT(std::string(view->key), ContainsSubstring("generator "));
  CHECK_THAT(std::string(view->schedule), ContainsSubstring("registers"));
  // It is that of a schedule given in full: the same code follows.
  CompileOptions by_hand;
  by_hand.schedule = std::string(view->schedule);
  Session session(kept_in(""));
  CHECK(session.inspect(times(3), *session.request(times(3), by_hand))->image.bytes ==
        session.inspect(times(3), *session.request(times(3)))->image.bytes);
}

TEST_CASE("nothing is kept where nothing shall be") {
  const TemporaryFolder temporary;
  CHECK(fresh("") == made);
  CHECK(fresh(temporary / "k", 3, 0) == made);
  CHECK(temporary.files() == 0);
  // A compiler of the caller's may be any: its code is nobody else's.
  Session own(kept_in(temporary / "k"), {}, [](const ir::Program&, const CompileOptions&) {
    return Expected<compiler::Image>(fail("own", "no"));
  });
  CHECK(!own.try_compile(times(3)));
  CHECK(temporary.files() == 0);
  // What is refused is told again, not kept.
  Session session(kept_in(temporary / "k"));
  CompileOptions wrong;
  wrong.schedule = "for nowhere";
  CHECK(!session.try_compile(times(3), wrong));
  CHECK(temporary.files() == 0);
}

TEST_CASE("a damaged entry is compiled anew and replaced") {
  const TemporaryFolder temporary;
  const std::string folder = temporary / "k";
  REQUIRE(fresh(folder) == made);
  const std::string path = only_file(folder), whole = tests::read_file(path);
  const std::string key = runtime::kernel_key(times(3), [] {
    CompileOptions complete;
    complete.target = compiler::to_string(compiler::host());
    complete.accuracy = 2;
    complete.flush_denormals = false;
    return complete;
  }());
  const auto damaged = [&](const std::string& bytes) {
    tests::write_file(path, bytes);
    chmod(path.c_str(), 0600);
    DiskCache cache(folder, 1 << 30, keep_warnings());
    CHECK(!cache.find(key));
    CHECK(warnings.size() == 1);
    const std::string warning = warnings.empty() ? "" : warnings.front();
    CHECK(fresh(folder) == made);
    CHECK(fresh(folder) == found);
    return warning;
  };
  REQUIRE(runtime::entry_name(key) == fs::path(path).filename().string());
  CHECK(damaged("") == path + ": it is no kernel (it is made anew)");
  CHECK_THAT(damaged(whole.substr(0, whole.size() / 2)), ContainsSubstring(" and should have "));
  for (const size_t at : {size_t{9}, size_t{30}, size_t{200}, whole.size() / 2, whole.size() - 1}) {
    std::string flipped = whole;
    flipped[at] = static_cast<char>(flipped[at] ^ 16);
    CHECK(damaged(flipped) != "");
  }
}

TEST_CASE("an entry whose name is another key's is not its kernel") {
  const TemporaryFolder temporary;
  const std::string folder = temporary / "k";
  REQUIRE(fresh(folder, 3) == made);
  const std::string of_three = only_file(folder), bytes = tests::read_file(of_three);
  fs::remove(of_three);
  REQUIRE(fresh(folder, 4) == made);
  tests::write_file(only_file(folder), bytes); // a collision
  CHECK(fresh(folder, 4) == made);
  CHECK(fresh(folder, 4) == found);
}

TEST_CASE("code for a machine that this is not does not run") {
  const TemporaryFolder temporary;
  const std::string folder = temporary / "k";
  // An entry under this machine's key whose code asks for what it has not.
  Session session(kept_in(""));
  const auto made_here = session.inspect(times(3), *session.request(times(3)));
  compiler::Image image = made_here->image;
  image.target = "sapphirerapids";
  if (const auto target = compiler::parse_target(image.target);
      !target || compiler::runs_on(*target, compiler::host()))
    image.target = "a64fx";
  CompileOptions complete;
  complete.target = compiler::to_string(compiler::host());
  complete.accuracy = 2;
  complete.flush_denormals = false;
  DiskCache(folder, 1 << 30).store(runtime::kernel_key(times(3), complete), "", {}, image);
  CHECK(fresh(folder) == made);
  CHECK(fresh(folder) == found);
}

TEST_CASE("a folder or file that others may write is not believed") {
  const TemporaryFolder temporary;
  const std::string folder = temporary / "k";
  REQUIRE(fresh(folder) == made);
  const std::string file = only_file(folder);
  for (const mode_t mode : {0620, 0602, 0666}) {
    chmod(file.c_str(), mode);
    CHECK(fresh(folder) == made); // and replaces it
    CHECK(fresh(folder) == found);
  }
  for (const mode_t mode : {0770, 0707, 01777}) {
    chmod(folder.c_str(), mode);
    CHECK(fresh(folder) == made);
    CHECK(fresh(folder) == made);
    CHECK_THAT(failure_text(CacheFolder::open(folder, false)),
               ContainsSubstring("others may write it"));
  }
  chmod(folder.c_str(), 0755);
  CHECK(fresh(folder) == found);
  // A folder that others may read, they may read to some end; the umask is not asked.
  const mode_t before = umask(0077);
  CHECK(fresh(folder, 4) == made);
  umask(before);
  for (const auto& entry : fs::directory_iterator(folder)) {
    struct stat status;
    REQUIRE(stat(entry.path().c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == (entry.path() == file ? 0600 : 0644));
  }
  if (!is_root()) return;
  REQUIRE(chown(file.c_str(), 1234, 0) == 0);
  CHECK(fresh(folder) == made);
  CHECK(fresh(folder) == found);
  REQUIRE(chown(folder.c_str(), 1234, 0) == 0);
  CHECK(fresh(folder) == made);
  CHECK_THAT(failure_text(CacheFolder::open(folder, false)),
             ContainsSubstring("it belongs to user 1234"));
}

TEST_CASE("links, pipes and folders in the place of a file or folder are not followed") {
  const TemporaryFolder temporary;
  const std::string folder = temporary / "k";
  REQUIRE(fresh(folder) == made);
  const std::string file = only_file(folder), elsewhere = temporary / "elsewhere";
  fs::rename(file, elsewhere);
  REQUIRE(symlink(elsewhere.c_str(), file.c_str()) == 0);
  CHECK(fresh(folder) == made); // replaces the link
  CHECK(!fs::is_symlink(file));
  CHECK(fs::exists(elsewhere));
  fs::remove(file);
  REQUIRE(mkfifo(file.c_str(), 0600) == 0);
  CHECK(fresh(folder) == made);
  fs::remove(file);
  fs::create_directory(file);
  CHECK(fresh(folder) == made); // which cannot be replaced
  CHECK(fs::is_directory(file));
  const std::string link = temporary / "link";
  REQUIRE(symlink(folder.c_str(), link.c_str()) == 0);
  for (const std::string end : {"", "/", "//"}) {
    CHECK(fresh(link + end) == made);
    CHECK_THAT(failure_text(CacheFolder::open(link + end, true)),
               ContainsSubstring("it is a symbolic link"));
  }
  CHECK_THAT(failure_text(CacheFolder::open(elsewhere, true)),
             ContainsSubstring("Not a directory"));
  CHECK_THAT(failure_text(CacheFolder::open("k", true)), ContainsSubstring("by its whole path"));
}

TEST_CASE("a folder that cannot be made, or written, costs a warning and no more") {
  CHECK(fresh("/proc/nowhere/k") == made);
  DiskCache cache("/proc/nowhere/k", 1 << 30, keep_warnings());
  cache.store("key", "", {}, {});
  cache.store("key", "", {}, {});
  CHECK(!cache.find("key"));
  CHECK(warnings == std::vector<std::string>{"/proc/nowhere/k: No such file or directory"});
  // Full: /dev/full is a file, so a folder on a disk without room is made by a limit.
  const TemporaryFolder temporary;
  CHECK(fresh(temporary / "k", 3, 1000) == made); // an entry is larger than that
  CHECK(fresh(temporary / "k", 3, 1000) == made);
}

TEST_CASE("a folder that is removed under a session is made again") {
  const TemporaryFolder temporary;
  const std::string folder = temporary / "k";
  Session session(kept_in(folder));
  CHECK(is_right(session, 3));
  fs::remove_all(folder);
  CHECK(is_right(session, 4));
  CHECK(fresh(folder, 4) == found);
}

TEST_CASE("of too many the kernels used last stay") {
  const TemporaryFolder temporary;
  const std::string folder = temporary / "k";
  std::vector<std::string> files;
  for (int number = 1; number <= 8; ++number) {
    CHECK(fresh(folder, number) == made);
    for (const auto& entry : fs::directory_iterator(folder))
      if (std::find(files.begin(), files.end(), entry.path()) == files.end())
        files.push_back(entry.path());
  }
  REQUIRE(files.size() == 8);
  // Last used an hour ago and more, the first of them the longest; then 2 is used now.
  for (int i = 0; i < 8; ++i) {
    const time_t then = time(nullptr) - 3600 * (9 - i);
    const timespec times[2] = {{then, 0}, {then, 0}};
    REQUIRE(utimensat(AT_FDCWD, files[static_cast<size_t>(i)].c_str(), times, 0) == 0);
  }
  CHECK(fresh(folder, 2) == found);
  const std::string left = folder + "/.x.kernel-1-1.tmp", foreign = folder + "/README";
  tests::write_file(left, "half a ker");
  tests::write_file(foreign, "not the cache's");
  const timespec long_ago[2] = {{1000, 0}, {1000, 0}};
  REQUIRE(utimensat(AT_FDCWD, left.c_str(), long_ago, 0) == 0);

  const auto opened = CacheFolder::open(folder, false);
  int64_t bytes = 0, evicted = 0;
  for (const CacheFolder::Item& item : (*opened)->items()) bytes += item.is_kernel ? item.bytes : 0;
  const int64_t each = bytes / 8;
  CHECK(runtime::evict(**opened, bytes, &evicted) == bytes);
  CHECK(evicted == 0);
  CHECK(!fs::exists(left)); // swept
  CHECK(fs::exists(foreign));
  CHECK(runtime::evict(**opened, 4 * each, &evicted) <= 4 * each);
  CHECK(evicted >= 4);
  CHECK(!fs::exists(files[0]));
  CHECK(fs::exists(files[1])); // 2
  CHECK(!fs::exists(files[2]));
  CHECK(fs::exists(files[7]));

  // A session keeps the limit by itself.
  const int64_t limit = 4 * each;
  Session session(kept_in(folder, limit));
  for (int number = 20; number < 40; ++number) CHECK(is_right(session, number));
  bytes = 0;
  for (const CacheFolder::Item& item : (*opened)->items()) bytes += item.bytes;
  CHECK(bytes <= limit);
  CHECK(bytes > 0);
  CHECK(fresh(folder, 39, limit) == found);
}
