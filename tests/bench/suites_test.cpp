// Every suite by its smallest layers: compiled for three targets, verified on this machine.
#include "bench/bench.h"
#include "compiler/compile.h"
#include "compiler/target/target.h"
#include "ir/parse.h"
#include "runtime/file.h"
#include "tests/support/catch.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

using namespace volute;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;

namespace {

double elements(const ir::Program& program) {
  double sum = 0;
  for (const ir::Value& value : program.values) sum += static_cast<double>(value.type.elements());
  return sum;
}

/// The smallest program of a suite in each layout: its name says which.
std::vector<ir::Program> smallest(const std::filesystem::path& file) {
  const auto opened = runtime::open_to_read(file.string());
  auto programs =
      *ir::parse_file_text(*runtime::read_text(opened->get(), file.string(), 1 << 20, ""));
  std::stable_sort(
      programs.begin(), programs.end(),
      [](const ir::Program& a, const ir::Program& b) { return elements(a) < elements(b); });
  std::vector<ir::Program> chosen;
  for (const bool is_last : {false, true}) {
    const auto found = std::find_if(programs.begin(), programs.end(), [&](const ir::Program& p) {
      return (p.name.ends_with("hwc") || p.name.ends_with("nwc")) == is_last;
    });
    if (found != programs.end()) chosen.push_back(*found);
  }
  return chosen;
}

} // namespace

TEST_CASE("every suite compiles for three targets, and computes what the reference does",
          "[suites]") {
  int suites = 0;
  for (const auto& entry : std::filesystem::directory_iterator(VOLUTE_SOURCE_DIR "/bench/suites")) {
    if (entry.path().extension() != ".vlt") continue;
    ++suites;
    for (const ir::Program& program : smallest(entry.path())) {
      CAPTURE(entry.path().stem(), program.name);
      for (const char* target : {"x86-64", "haswell", "znver4"}) {
        runtime::Options options;
        options.target = target;
        const runtime::Session session(options);
        const auto request = session.request(program);
        REQUIRE(request);
        CHECK(session.inspect(program, *request));
      }
      bench::BenchOptions options;
      options.seconds = 0.001;
      const auto measured = bench::benchmark(program, options);
      REQUIRE(measured);
      CHECK_THAT(measured->verification,
                 StartsWith("equal to the reference: volute") ||
                     StartsWith("within the tolerance of the reference: volute"));
    }
  }
  CHECK(suites >= 20);
}

TEST_CASE("the suites are what their generator writes", "[suites]") {
  if (std::system("command -v python3 > /dev/null") != 0) {
    WARN("there is no Python here to run the generator");
    return;
  }
  CHECK(std::system("python3 '" VOLUTE_SOURCE_DIR "/bench/suites/generate.py' --check") == 0);
}
