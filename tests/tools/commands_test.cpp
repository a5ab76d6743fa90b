#include "tests/support/catch.h"
#include "tests/tools/run_tool.h"
#include "tools/version.h"

#include <algorithm>
#include <regex>
#include <string>
#include <vector>

using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;
using volute::tests::Ran;
using volute::tests::read_file;
using volute::tests::run_volute;

TEST_CASE("--version names Volute, its generator and LLVM, and the build file agrees",
          "[commands]") {
  const Ran ran = run_volute("--version");
  CHECK(ran.status == 0);
  CHECK(std::regex_match(
      ran.out,
      std::regex("volute 0\\.1\\.0, generator [0-9a-f]{16}, LLVM 19\\.[0-9.]+, on [^\n]+\n")));
  CHECK_THAT(read_file(VOLUTE_SOURCE_DIR "/CMakeLists.txt"),
             ContainsSubstring("VERSION " + std::string(volute::tools::version)));
}

TEST_CASE("--help lists every command and every environment variable", "[commands]") {
  const Ran ran = run_volute("--help");
  CHECK(ran.status == 0);
  CHECK(ran.err == "");
  for (const char* word :
       {"run", "inspect", "bench", "targets", "compile", "tune", "cache", "VOLUTE_THREADS",
        "VOLUTE_TARGET", "VOLUTE_ACCURACY", "VOLUTE_MEMORY_CACHE", "VOLUTE_CACHE_DIR",
        "VOLUTE_DISK_CACHE", "VOLUTE_VERBOSE", "Exit status"})
    CHECK_THAT(ran.out, ContainsSubstring(word));
}

TEST_CASE("each command's help shows its options and examples", "[commands]") {
  for (const char* command : {"run", "inspect", "bench", "compile"}) {
    const Ran ran = run_volute(std::string(command) + " --help");
    CHECK(ran.status == 0);
    for (const char* word :
         {"Examples:", "--target", "--schedule", "--threads", "--accuracy", "--deterministic",
          "--cache-dir", "--no-cache", "--verbose", "--entry"})
      CHECK_THAT(ran.out, ContainsSubstring(word));
  }
}

TEST_CASE("every option and command does something", "[commands]") {
  for (const char* command : {"", "run ", "inspect ", "bench ", "compile ", "tune ", "cache "}) {
    const std::string help = run_volute(std::string(command) + "--help").out;
    INFO(help);
    CHECK(help.find("ithout effect") == std::string::npos);
    CHECK(help.find("not built yet") == std::string::npos);
  }
}

TEST_CASE("nothing at all is answered by the help, as a mistake", "[commands]") {
  const Ran ran = run_volute("");
  CHECK(ran.status == 2);
  CHECK(ran.out == "");
  CHECK_THAT(ran.err, ContainsSubstring("inspect"));
}

TEST_CASE("a command that there is not is named, with those that there are", "[commands]") {
  const Ran ran = run_volute("rum examples/first.vlt");
  CHECK(ran.status == 2);
  CHECK(ran.err ==
        "error: there is no command 'rum'\n"
        "did you mean run? the commands are run, inspect, bench, tune, targets, compile, "
        "cache\n");
}

TEST_CASE("targets lists this machine and others", "[commands]") {
  const Ran ran = run_volute("targets");
  CHECK(ran.status == 0);
  CHECK_THAT(ran.out, StartsWith("native  "));
  CHECK_THAT(ran.out, ContainsSubstring("haswell"));
  CHECK_THAT(ran.out, ContainsSubstring("znver4"));
}

TEST_CASE("an environment that makes no sense is named", "[commands]") {
  const Ran ran = run_volute("run examples/first.vlt", "VOLUTE_THREADS=many");
  CHECK(ran.status == 2);
  CHECK(ran.err == "error: VOLUTE_THREADS: 'many' is not a number from 1 to 1024, or all\n");
}

TEST_CASE("a reader that goes away is no failure, a full or closed output is one", "[commands]") {
  // By the time that it writes, the one process that could read has ended.
  const Ran gone =
      run_volute("inspect examples/first.vlt; echo status $? >&2; } | :", "{ sleep 0.3;");
  CHECK(gone.err == "status 0\n");
  const Ran full = run_volute("--version > /dev/full");
  CHECK(full.status == 1);
  CHECK(full.err == "error: standard output: No space left on device\n");
  const Ran closed = run_volute("run examples/first.vlt >&-");
  CHECK(closed.status == 1);
  CHECK(closed.err == "error: standard output: Bad file descriptor\n");
}
