// Libraries that are loaded when they are asked for: what needs none works where there is none, and
// what needs one says which.
#include "runtime/late_library.h"
#include "tests/runtime/temporary_folder.h"
#include "tests/support/catch.h"
#include "tests/tools/run_tool.h"

using Catch::Matchers::ContainsSubstring;
using volute::runtime::LateLibrary;
using volute::tests::Ran;
using volute::tests::run_volute;
using volute::tests::TemporaryFolder;
using volute::tests::write_file;

TEST_CASE("a library that is not there, or lacks a function, is a fault in words") {
  LateLibrary none("libvolute-no-such.so");
  CHECK_THAT(none.fault(), ContainsSubstring("libvolute-no-such.so"));
  CHECK(none.function<int()>("anything") == nullptr);
  CHECK_THAT(none.fault(), ContainsSubstring("libvolute-no-such.so"));
  LateLibrary there("libm.so.6");
  CHECK(there.fault().empty());
  auto* root = there.function<double(double)>("sqrt");
  REQUIRE(root);
  CHECK(root(4) == 2);
  CHECK(there.function<int()>("volute_no_such_function") == nullptr);
  CHECK_THAT(there.fault(), ContainsSubstring("volute_no_such_function"));
}

TEST_CASE(
    "without libpng and pthreadpool, what needs neither runs, and pictures and pools say so") {
  const TemporaryFolder folder;
  // What the loader meets first and cannot load.
  write_file(folder / VOLUTE_PNG_LIBRARY, "no library");
  write_file(folder / VOLUTE_PTHREADPOOL_LIBRARY, "no library");
  const std::string without = "LD_LIBRARY_PATH='" + (folder / "") + "' VOLUTE_DISK_CACHE=0";

  const Ran plain = run_volute("run examples/first.vlt", without);
  CHECK(plain.err == "");
  CHECK(plain.status == 0);
  CHECK_THAT(plain.out, ContainsSubstring("[[[[10. 12. 12.]"));

  const Ran picture =
      run_volute("run examples/edges.vlt x=examples/photo.png -o y=" + (folder / "y.png"), without);
  CHECK(picture.status == 1);
  CHECK_THAT(picture.err, ContainsSubstring("pictures are read and written by libpng: "));
  CHECK_THAT(picture.err, ContainsSubstring(VOLUTE_PNG_LIBRARY));

  const Ran pool = run_volute("run examples/first.vlt --threads 2", without);
  CHECK(pool.status == 1);
  CHECK_THAT(pool.err, ContainsSubstring("threads: a pool of threads takes pthreadpool: "));
  CHECK_THAT(pool.err, ContainsSubstring(VOLUTE_PTHREADPOOL_LIBRARY));
}
