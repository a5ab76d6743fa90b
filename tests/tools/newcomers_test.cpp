// What people type at a shell before they have read the help, and the words that answer them.
#include "tests/support/catch.h"
#include "tests/tools/run_tool.h"

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::EndsWith;
using volute::tests::Ran;
using volute::tests::read_file;
using volute::tests::run_volute;
using volute::tests::TemporaryFolder;
using volute::tests::write_file;

TEST_CASE("command lines that are nearly right are told what is", "[newcomers]") {
  struct Typed {
    std::string arguments, answer;
  };
  const std::vector<Typed> table = {
      {"examples/first.vlt", "`volute run examples/first.vlt` runs a program"},
      {"rnu examples/first.vlt", "did you mean run?"},
      {"benchmark examples/first.vlt", "did you mean bench?"},
      {"run examples/first.vlt --treads 2", "did you mean --threads?"},
      {"run examples/first.vlt --thread=2", "did you mean --threads?"},
      {"run examples/first.vlt --chekc", "did you mean --check?"},
      {"bench examples/first.vlt --scedule naive", "did you mean --schedule?"},
      {"inspect examples/first.vlt --stages asm", "did you mean --stage?"},
      {"run examples/first.vlt --qqqqq", "there is no option '--qqqqq'"},
      {"run examples/first.vlt --schedule mine.txt", "--schedule @mine.txt"},
      {"run examples/first.vlt --schedule ./mine", "--schedule @./mine"},
      {"bench examples/first.vlt x=x.npy", "has no input 'x'"},
      {"inspect examples/first.vlt x=x.npy", "`volute run` computes results"},
      {"inspect x=x.npy", "a FILE with the program comes first"},
      {"run x=x.npy", "a FILE with the program comes first"},
      {"run x.npy", "volute run FILE x=x.npy"},
      {"run photo.png examples/edges.vlt", "the program comes first"},
      {"run -e examples/first.vlt", "a file is named without -e"},
      {"run examples/first.vlt --target foo", "`volute targets` lists those that are known"},
      {"run examples/first.vlt --target znver44", "the nearest known one is znver4"},
      {"run examples/first.vlt --target zen4", "here that is znver4"},
      {"run examples/first.vlt --target avx2", "here that is x86-64-v3"},
      {"run examples/first.vlt --target icelake", "here that is icelake-client"},
      {"run examples/first.vlt --target amd64", "here that is x86-64"},
      {"inspect examples/first.vlt --stage assembly", "the stages are"},
  };
  for (const Typed& typed : table) {
    INFO(typed.arguments);
    const Ran ran = run_volute(typed.arguments);
    CHECK(ran.status == 2);
    CHECK(ran.out == "");
    CHECK_THAT(ran.err, ContainsSubstring(typed.answer));
  }
}

TEST_CASE("directives of other languages are told what they are here", "[newcomers]") {
  for (const auto& [directive, answer] : std::vector<std::pair<std::string, std::string>>{
           {"vectorize w", "registers w 4, o 16 vector 8"},
           {"unroll kh", "for kh, kw unroll"},
           {"tile h, w", "for w by 14"},
           {"reorder o, h", "for o, h, w, i"},
           {"fuse h, w", "flatten h, w"},
           {"compute_at conv, h", "compute NEST at AXIS by ROWS"},
           {"parallelize h", "did you mean parallel?"},
           {"cache_read w", "did you mean pack weight?"},
           {"paralel h", "did you mean parallel?"},
           {"zzz", "the directives are parallel, for"}}) {
    INFO(directive);
    const Ran ran = run_volute("run examples/first.vlt --schedule '" + directive + "'");
    CHECK(ran.status == 1);
    CHECK_THAT(ran.err, ContainsSubstring(answer));
  }
}

TEST_CASE("a file that is no .npy says what it is, where that is plain", "[newcomers]") {
  const TemporaryFolder folder;
  const std::string path = folder / "x.npy";
  for (const auto& [contents, answer] : std::vector<std::pair<std::string, std::string>>{
           {"", "not a .npy file: it is empty"},
           {"hello", "not a .npy file: it does not begin with \\x93NUMPY\n"},
           {"hello, world", "not a .npy file: it does not begin with \\x93NUMPY\n"},
           {"\x93NUM", "the file ends after 4 bytes"},
           {"PK\x03\x04 and so on", "it is an archive, as np.savez"},
           {"\x80\x04\x95 and so on", "it is a pickle"},
           {"\x89PNG\r\n\x1a\n", "it is a picture"}}) {
    write_file(path, contents);
    const Ran ran = run_volute("run -e 'program @p(%x: f32[c=2]) { return %x }' x=" + path);
    CHECK(ran.status == 1);
    CHECK_THAT(ran.err, ContainsSubstring(answer));
  }
}

TEST_CASE("--json - is standard output", "[newcomers]") {
  const Ran ran = run_volute("bench examples/first.vlt --against none --seconds 0.02 --json -");
  CHECK(ran.err == "");
  CHECK(ran.status == 0);
  CHECK(ran.out.front() == '{');
  const auto json = nlohmann::json::parse(ran.out);
  CHECK(json.at("programs").size() == 1);
  CHECK(json.at("call_overhead_seconds") > 0);
  // Not a program on standard input.
  CHECK_THAT(json.at("command").get<std::string>(), EndsWith("--seconds 0.02 --json -"));
  CHECK(!std::filesystem::exists(VOLUTE_SOURCE_DIR "/-"));
}

TEST_CASE("every positional of the help is said in one word", "[newcomers]") {
  for (const char* command : {"run", "inspect", "bench"})
    CHECK(run_volute(std::string(command) + " --help").out.find("FILE TEXT") == std::string::npos);
}
