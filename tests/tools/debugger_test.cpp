// Kernels as profilers and debuggers see them: real perf, real gdb, where they are installed and
// allowed to work.
#include "tests/support/catch.h"
#include "tests/tools/run_tool.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

using Catch::Matchers::ContainsSubstring;
using volute::tests::Ran;
using volute::tests::read_file;
using volute::tests::run_volute;
using volute::tests::TemporaryFolder;
using volute::tests::write_file;

namespace {

constexpr const char* layer =
    "program @layer(%x: f32[n=1, h=58, w=58, c=32], %w: f32[o=64, i=32, h=3, w=3]) {\n"
    "  %0 = conv %x, %w\n  %y = relu %0\n  return %y\n}\n";

/// What a shell command prints, both streams.
Ran shell(const std::string& command) {
  const TemporaryFolder folder;
  const int status =
      std::system(("{ " + command + "\n} > '" + folder / "out" + "' 2>&1 < /dev/null").c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_file(folder / "out"), ""};
}

/// The line (from 1) of a text that has the words, the last one.
int line_with(const std::string& text, const std::string& words) {
  std::istringstream stream(text);
  int at = 0, found = 0;
  for (std::string line; std::getline(stream, line);)
    if (++at, line.find(words) != std::string::npos) found = at;
  return found;
}

} // namespace

TEST_CASE("perf knows kernels by name where it is told", "[debugger]") {
  const TemporaryFolder folder;
  const std::string data = folder / "perf.data";
  if (shell("perf record -e cpu-clock -o '" + data + "' true").status != 0) {
    WARN("there is no perf here that may work");
    return;
  }
  write_file(folder / "layer.vlt", layer);
  const std::string work =
      "'" VOLUTE_TOOL "' bench '" + folder / "layer.vlt" + "' --against naive --seconds 0.1";
  const Ran recorded =
      shell("VOLUTE_PROFILE=map perf record -e cpu-clock -F 999 -o '" + data + "' " + work);
  INFO(recorded.out);
  REQUIRE(recorded.status == 0);
  const Ran report = shell("perf report --stdio -i '" + data + "' --sort symbol");
  INFO(report.out);
  CHECK(std::regex_search(report.out,
                          std::regex("conv2d_3x3s1_i32o64_58x58_nhwc_[a-z0-9]+_[0-9a-f]{8}")));

  // A jitdump has the code too, and the lines of the loops that it is of: perf annotates with them.
  const Ran dumped = shell("VOLUTE_PROFILE=jitdump perf record -k mono -e cpu-clock -F 999 -o '" +
                           data + "' " + work);
  INFO(dumped.out);
  REQUIRE(dumped.status == 0);
  REQUIRE(shell("perf inject --jit -i '" + data + "' -o '" + folder / "jit.data" + "'").status ==
          0);
  const Ran injected = shell("perf report --stdio -i '" + folder / "jit.data" + "' --sort symbol");
  INFO(injected.out);
  CHECK_THAT(injected.out, ContainsSubstring("conv2d_3x3s1_i32o64_58x58_nhwc_"));
  std::smatch name;
  REQUIRE(std::regex_search(injected.out, name, std::regex("conv2d_3x3s1_[a-z0-9_]+")));
  const Ran annotated =
      shell("perf annotate --stdio -i '" + folder / "jit.data" + "' -s '" + name.str() + "'");
  INFO(annotated.out);
  CHECK_THAT(annotated.out, ContainsSubstring("vfmadd"));
  CHECK_THAT(annotated.out, ContainsSubstring("= fma(")); // a line of the loops above its code
}

TEST_CASE("VTune is told of each kernel, its lines and its end, through its own library",
          "[debugger]") {
  const TemporaryFolder folder;
  write_file(folder / "layer.vlt", layer);
  const std::string work = "'" VOLUTE_TOOL "' run '" + folder / "layer.vlt" +
                           "' --accuracy 0 --target native --fill ones -o y='" + folder / "y.npy" +
                           "'";
  const std::string collector = "VOLUTE_PROFILE=vtune INTEL_JIT_PROFILER64='" VOLUTE_FAKE_COLLECTOR
                                "' FAKE_COLLECTOR_LOG='" +
                                folder / "log" + "' ";
  const Ran ran = shell(collector + work);
  INFO(ran.out);
  REQUIRE(ran.status == 0);
  const std::string loops = run_volute("inspect '" + folder / "layer.vlt" +
                                       "' --accuracy 0 --target native --stage loops")
                                .out;
  const int fma = line_with(loops, "= fma(");
  REQUIRE(fma > 0);
  std::istringstream log(read_file(folder / "log"));
  std::map<std::string, bool> is_loaded; // by number
  bool has_fma = false;
  for (std::string line; std::getline(log, line);) {
    CAPTURE(line);
    std::istringstream words(line);
    std::string what, number, name, module, source, rest;
    unsigned size = 0;
    words >> what >> number;
    CHECK(std::stoul(number) >= 1000);
    if (what == "unload") {
      CHECK(is_loaded[number]);
      is_loaded[number] = false;
      continue;
    }
    CHECK(is_loaded.count(number) == 0);
    is_loaded[number] = true;
    words >> name >> size >> module >> source >> rest;
    CHECK(std::regex_match(
        name, std::regex("[a-z0-9_]*conv2d_3x3s1_i32o64_58x58_nhwc_[a-z0-9]+_[0-9a-f]{8}")));
    CHECK(size > 0);
    CHECK(module == "volute");
    CHECK(read_file(source) == loops);
    unsigned last = 0, offset = 0, at = 0;
    char colon = 0;
    int lines = 0;
    for (; words >> offset >> colon >> at; last = offset, ++lines) {
      CHECK(offset > last);
      CHECK(offset <= size);
      CHECK(at >= 1);
      CHECK(at <= static_cast<unsigned>(std::count(loops.begin(), loops.end(), '\n')));
      has_fma |= at == static_cast<unsigned>(fma);
    }
    CHECK(lines > 3);
  }
  CHECK(is_loaded.size() == 2); // the weight is packed, and the convolution
  for (const auto& [number, is] : is_loaded) CHECK(!is);
  CHECK(has_fma);

  // A collector that takes no samples is told nothing; one that is not there is told of.
  std::remove((folder / "log").c_str());
  CHECK(shell("FAKE_COLLECTOR_IDLE=1 " + collector + work).status == 0);
  CHECK(!std::ifstream(folder / "log"));
  const Ran without = shell("VOLUTE_PROFILE=vtune INTEL_JIT_PROFILER64=/nowhere/lib.so " + work);
  CHECK(without.status == 0);
  CHECK_THAT(without.out,
             ContainsSubstring("tools are not told: ") && ContainsSubstring("/nowhere/lib.so"));
}

TEST_CASE("the map of perf has an address, a size and a name for each step", "[debugger]") {
  const TemporaryFolder folder;
  write_file(folder / "layer.vlt", layer);
  // The shell's child keeps the shell's number: exec.
  const Ran ran = shell("VOLUTE_PROFILE=map sh -c 'echo $$ > \"" + folder / "pid" +
                        "\"; exec \"" VOLUTE_TOOL "\" run \"" + folder / "layer.vlt" +
                        "\" --accuracy 0 --fill ones -o y=\"" + folder / "y.npy" + "\"'");
  INFO(ran.out);
  REQUIRE(ran.status == 0);
  std::string pid = read_file(folder / "pid");
  pid.pop_back();
  const std::string path = "/tmp/perf-" + pid + ".map";
  std::istringstream map(read_file(path));
  std::remove(path.c_str());
  int lines = 0;
  for (std::string line; std::getline(map, line); ++lines)
    CHECK(std::regex_match(
        line,
        std::regex(
            "[0-9a-f]+ [0-9a-f]+ [a-z0-9_]*conv2d_3x3s1_i32o64_58x58_nhwc_[a-z0-9]+_[0-9a-f]{8}")));
  CHECK(lines == 2); // the weight is packed, and the convolution
}

TEST_CASE("gdb stops in a kernel at a line of its loops, and finds its way out", "[debugger]") {
  if (shell("gdb -batch -ex run /bin/true").out.find("exited normally") == std::string::npos) {
    WARN("there is no gdb here that may work");
    return;
  }
  const TemporaryFolder folder;
  write_file(folder / "layer.vlt", layer);
  const std::string arguments = "'" + folder / "layer.vlt" + "' --target native --accuracy 0";
  const std::string loops = run_volute("inspect " + arguments + " --stage loops").out;
  const int line = line_with(loops, "= fma(");
  REQUIRE(line > 0);
  const std::string place = "layer.loops:" + std::to_string(line);
  const Ran seen = shell(
      "VOLUTE_DEBUG=gdb VOLUTE_CACHE_DIR='" + folder / "cache" +
      "' gdb -batch -nx -iex 'set debuginfod enabled off' -ex 'set breakpoint pending on' -ex 'set "
      "width 0' -ex 'break " +
      place +
      "' -ex run -ex 'backtrace' -ex 'info source' -ex next -ex "
      "'kill' --args '" VOLUTE_TOOL "' run " +
      arguments + " --fill ones -o y='" + folder / "y.npy" + "'");
  INFO(seen.out);
  CHECK(std::regex_search(seen.out,
                          std::regex("#0 .*conv2d_3x3s1_i32o64_58x58_nhwc_[a-z0-9]+_[0-9a-f]{8}")));
  CHECK_THAT(seen.out, ContainsSubstring(place));
  CHECK_THAT(seen.out, ContainsSubstring("= fma(")); // the line itself, as source
  CHECK_THAT(seen.out, ContainsSubstring("main"));   // the outermost frame
  CHECK_THAT(seen.out, ContainsSubstring("volute-debug-"));
}

TEST_CASE("code is the same whether tools are told of it or not", "[debugger]") {
  const TemporaryFolder folder;
  write_file(folder / "layer.vlt", layer);
  const std::string run = "run '" + folder / "layer.vlt" + "' --fill normal -o y='";
  CHECK(run_volute(run + folder / "a.npy" + "'").status == 0);
  CHECK(run_volute(run + folder / "b.npy" + "'", "VOLUTE_DEBUG=gdb").status == 0);
  CHECK(read_file(folder / "a.npy") == read_file(folder / "b.npy"));
  const Ran wrong = run_volute(run + folder / "c.npy" + "'", "VOLUTE_PROFILE=perf");
  CHECK(wrong.status == 2);
  CHECK_THAT(wrong.err, ContainsSubstring("VOLUTE_PROFILE: 'perf' is not map, jitdump or vtune"));
}

TEST_CASE("the log has a line an event, in words or for programs", "[debugger]") {
  const TemporaryFolder folder;
  write_file(folder / "layer.vlt", layer);
  const std::string plain = "run '" + folder / "layer.vlt" + "' --fill ones --cache-dir '" +
                            folder / "kernels" + "' -o y='" + folder / "y.npy" + "'";
  const auto lines = [&](const std::string& level) {
    const Ran ran = run_volute(plain, "VOLUTE_VERBOSE=" + level);
    CHECK(ran.status == 0);
    std::vector<std::string> all;
    std::istringstream stream(ran.err);
    for (std::string line; std::getline(stream, line);) all.push_back(line);
    return all;
  };
  REQUIRE(shell("mkdir -m 700 '" + folder / "kernels" + "'").status == 0);
  const auto first = lines("3,json");
  REQUIRE(first.size() > 3);
  std::map<std::string, int> events;
  for (const std::string& line : first) {
    CAPTURE(line);
    const nlohmann::json event = nlohmann::json::parse(line);
    CHECK(event["program"] == "layer");
    ++events[event["event"].get<std::string>()];
  }
  CHECK(events["compiled"] == 1);
  CHECK(events["pass"] > 10);
  CHECK(events["chosen"] >= 1);
  const auto second = lines("1,json");
  REQUIRE(second.size() == 1);
  const nlohmann::json found = nlohmann::json::parse(second[0]);
  CHECK(found["event"] == "found");
  CHECK(found["where"] == "disk");
  const auto words = lines("1");
  REQUIRE(words.size() == 1);
  CHECK_THAT(words[0], ContainsSubstring("volute: @layer found in "));
  CHECK(lines("0").empty());
}
