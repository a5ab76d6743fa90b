// The compiler apart: loaded when there is something to compile, and not before.
#include "tests/runtime/temporary_folder.h"
#include "tests/support/catch.h"
#include "tests/tools/run_tool.h"

#include <cstdlib>
#include <filesystem>

using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;
using volute::tests::Ran;
using volute::tests::read_file;
using volute::tests::run_volute;
using volute::tests::TemporaryFolder;

// Sanitizers take the copies of a type in two libraries for two types.
#if (defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)) &&                             \
    !defined(VOLUTE_COMPILER_INSIDE)
#error "a sanitized build has the compiler inside"
#endif

// With the compiler inside there is nothing to load.
#if !defined(VOLUTE_COMPILER_INSIDE)

namespace {

std::string output_of(const std::string& line) {
  const TemporaryFolder folder;
  (void)std::system((line + " > " + folder / "out" + " 2>&1").c_str());
  return read_file(folder / "out");
}

} // namespace

TEST_CASE("neither the tool nor the library is linked with LLVM", "[compiler_library]") {
  for (const std::string file : {VOLUTE_TOOL, VOLUTE_LIBRARY}) {
    const std::string linked = output_of("ldd '" + file + "'");
    CHECK_THAT(linked, ContainsSubstring("libc.so"));
    CHECK(linked.find("LLVM") == std::string::npos);
  }
  // And the compiler shows nothing but its door.
  CHECK(output_of("nm -D --defined-only '" VOLUTE_COMPILER_LIBRARY "' | sed 's/^[0-9a-f]* //'") ==
        "T volute_open_compiler\n");
}

TEST_CASE("without the compiler, kernels on disk run, and a miss says what is missing",
          "[compiler_library]") {
  const TemporaryFolder temporary;
  const std::string cache = " --cache-dir " + temporary / "k",
                    nowhere = "VOLUTE_COMPILER=/nowhere/c.so";
  const std::string run = "run examples/first.vlt" + cache;
  const Ran miss = run_volute(run, nowhere);
  CHECK(miss.status == 1);
  CHECK(miss.out == "");
  CHECK(miss.err == "examples/first.vlt: error: compiler: there is no compiler here, and this "
                    "kernel is not among those on disk: libvolute-compiler.so is not "
                    "/nowhere/c.so (VOLUTE_COMPILER names it where it is)\n");
  const Ran made = run_volute(run);
  CHECK(made.status == 0);
  const Ran found = run_volute(run, nowhere);
  CHECK(found.status == 0);
  CHECK(found.out == made.out);
  CHECK(found.err == "");
  // What takes no code generator works too.
  CHECK(run_volute("inspect examples/first.vlt --stage loops", nowhere).out ==
        run_volute("inspect examples/first.vlt --stage loops").out);
  CHECK(run_volute("inspect examples/first.vlt --stage asm", nowhere).status == 1);
  CHECK(run_volute("targets", nowhere).status == 0);
}

TEST_CASE("kernels made for all users serve those who have no compiler", "[compiler_library]") {
  const TemporaryFolder temporary;
  const std::string theirs = temporary / "theirs", run = "run examples/first.vlt --verbose";
  const std::string given = "VOLUTE_SHARED_CACHE=/nowhere/at/all:" + theirs;
  REQUIRE(
      run_volute("compile examples/first.vlt --target x86-64-v2 --cache-dir " + theirs).status ==
      0);
  const Ran found = run_volute(run, given + " VOLUTE_DISK_CACHE=1G VOLUTE_CACHE_DIR='" +
                                        temporary / "own" + "' VOLUTE_COMPILER=/nowhere/c.so");
  CHECK(found.status == 0);
  CHECK_THAT(found.err, ContainsSubstring("@first found in " + theirs));
  CHECK_THAT(found.out, StartsWith("%y: "));
  CHECK(!std::filesystem::exists(temporary / "own"));
  // A compiler makes a better one, which is kept in the user's own folder.
  const Ran better = run_volute(run + " --cache-dir " + temporary / "own", given);
  CHECK(better.err.find("found in") == std::string::npos);
  CHECK_THAT(run_volute(run + " --cache-dir " + temporary / "own", given).err,
             ContainsSubstring("@first found in " + temporary / "own"));
  // Who asks for that target gets it from there, and what others may write is not believed.
  CHECK_THAT(run_volute(run + " --target x86-64-v2 --cache-dir " + temporary / "own", given).err,
             ContainsSubstring("@first found in " + theirs));
  CHECK(run_volute(run + " --target x86-64-v2 --no-cache", given).err.find("found in") ==
        std::string::npos);
  std::filesystem::permissions(theirs, std::filesystem::perms::all);
  const Ran refused =
      run_volute(run + " --target x86-64-v2 --cache-dir " + temporary / "own", given);
  CHECK(refused.status == 0);
  CHECK_THAT(refused.err, ContainsSubstring("volute: warning: kernels on disk: " + theirs));
}

TEST_CASE("what is not the compiler is not taken for it", "[compiler_library]") {
  const auto refused = [](const std::string& file) {
    const Ran ran = run_volute("run examples/first.vlt", "VOLUTE_COMPILER='" + file + "'");
    CHECK(ran.status == 1);
    return ran.err;
  };
  CHECK_THAT(refused(VOLUTE_SOURCE_DIR "/README.md"), ContainsSubstring("cannot be loaded"));
  CHECK_THAT(refused(VOLUTE_LIBRARY), ContainsSubstring("is another library"));
  CHECK_THAT(run_volute("run examples/first.vlt", "VOLUTE_COMPILER=c.so").err,
             StartsWith("error: VOLUTE_COMPILER: 'c.so' is not a whole path"));
}

TEST_CASE("the compiler is found beside what it is installed with", "[compiler_library]") {
  const TemporaryFolder temporary;
  const std::string bin = temporary / "prefix/bin", lib = temporary / "prefix/lib";
  std::filesystem::create_directories(bin);
  std::filesystem::create_directories(lib);
  std::filesystem::copy_file(VOLUTE_TOOL, bin + "/volute");
  const std::string run =
      "cd '" VOLUTE_SOURCE_DIR "' && '" + bin + "/volute' run examples/first.vlt";
  const std::string miss = output_of(run);
  for (const std::string& place : {bin + "/libvolute-compiler.so", bin + "/../lib/"})
    CHECK_THAT(miss, ContainsSubstring(place));
  std::filesystem::create_symlink(VOLUTE_COMPILER_LIBRARY, lib + "/libvolute-compiler.so");
  CHECK_THAT(output_of(run), StartsWith("%y: "));
  // Not from where others could have put it, as in a folder like /tmp.
  std::filesystem::create_symlink(VOLUTE_COMPILER_LIBRARY, bin + "/libvolute-compiler.so");
  std::filesystem::permissions(bin, std::filesystem::perms::all);
  CHECK_THAT(output_of(run), ContainsSubstring("may be written by others"));
}

TEST_CASE("a second LLVM in the process neither disturbs nor is disturbed", "[compiler_library]") {
  for (const std::string when : {"before", "after"}) {
    INFO(when);
    CHECK(output_of("'" VOLUTE_SECOND_LLVM "' '" VOLUTE_SHARED_LLVM "' " + when) ==
          "ours 1, other 1\n");
  }
}

#else

TEST_CASE("with the compiler inside, none is looked for", "[compiler_library]") {
  CHECK(run_volute("run examples/first.vlt", "VOLUTE_COMPILER=/nowhere/c.so").status == 0);
}

#endif
