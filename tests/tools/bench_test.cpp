#include "tests/support/catch.h"
#include "tests/tools/run_tool.h"

#include <nlohmann/json.hpp>

using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;
using volute::tests::Ran;
using volute::tests::read_file;
using volute::tests::run_volute;
using volute::tests::TemporaryFolder;

namespace {

const std::string small =
    "-e 'program @small(%x: f32[n=1, c=8, h=10, w=10], %w: f32[o=16, i=8, h=3, "
    "w=3], %b: f32[o=16]) {\n  %0 = conv %x, %w, %b {pad = 1}\n  %y = relu "
    "%0\n  return %y\n}' --seconds 0.05 ";

} // namespace

TEST_CASE("a benchmark verifies, times and compares", "[bench]") {
  const TemporaryFolder folder;
  const Ran ran = run_volute("bench " + small + "--json " + folder / "out.json");
  CHECK(ran.err == "");
  CHECK(ran.status == 0);
  CHECK_THAT(ran.out, ContainsSubstring("small    volute"));
  CHECK_THAT(ran.out, ContainsSubstring("         naive"));
  CHECK_THAT(ran.out, ContainsSubstring("         cpp"));
  CHECK_THAT(ran.out, ContainsSubstring("verified: equal to the reference: volute, naive, cpp\n"));

  const auto json = nlohmann::json::parse(read_file(folder / "out.json"));
  const auto& program = json.at("programs").at(0);
  CHECK(program.at("name") == "small");
  // 28 of the 30 taps along an axis are inside the image.
  CHECK(program.at("multiply_adds") == 16 * 8 * 28 * 28);
  REQUIRE(program.at("contenders").size() == 3);
  for (const auto& contender : program.at("contenders")) {
    const auto samples = contender.at("samples_seconds").size();
    CHECK(samples >= 3);
    const double flops = contender.at("flops");
    CHECK(flops == Approx(2.0 * 16 * 8 * 28 * 28 / contender.at("median_seconds").get<double>()));
  }
  CHECK(program.at("contenders").at(0).at("name") == "volute");
  CHECK(program.at("contenders").at(1).at("volute_is_faster") > 0);
  CHECK(json.at("command").get<std::string>().rfind("volute bench -e", 0) == 0);
}

TEST_CASE("volute alone is a benchmark too, and a pool has no multiply-adds", "[bench]") {
  const Ran ran =
      run_volute("bench --against none -e 'program @pool(%x: f32[n=1, c=8, h=16, w=16]) {\n"
                 "  %y = max_pool %x {kernel = 2}\n  return %y\n}' --seconds 0.05");
  CHECK(ran.err == "");
  CHECK(ran.status == 0);
  CHECK_THAT(ran.out, ContainsSubstring("pool     volute"));
  CHECK(ran.out.find("naive") == std::string::npos);
}

TEST_CASE("every program of a file is run, or the one that is named", "[bench]") {
  const Ran all = run_volute("bench --against none examples/pooled.vlt --seconds 0.02");
  CHECK(all.status == 0);
  CHECK_THAT(all.out, ContainsSubstring("\nwhole  "));
  CHECK_THAT(all.out, ContainsSubstring("\nkept  "));
  const Ran one =
      run_volute("bench --against none examples/pooled.vlt --seconds 0.02 --entry kept");
  CHECK(one.out.find("\nwhole  ") == std::string::npos);
}

TEST_CASE("a contender that cannot says why, and the others are timed", "[bench]") {
  const Ran ran =
      run_volute("bench --against cpp -e 'program @p(%x: f32[n=1, c=4, w=16]) {\n"
                 "  %0 = relu %x\n  %y = max_pool %0 {kernel = 2}\n  return %y\n}' --seconds "
                 "0.02");
  CHECK(ran.status == 0);
  CHECK_THAT(ran.out, ContainsSubstring("cpp     cannot: "));
}

TEST_CASE("a bench command line that makes no sense is refused", "[bench]") {
  const Ran other = run_volute("bench " + small + "--against mkl");
  CHECK(other.status == 2);
  CHECK_THAT(other.err,
             StartsWith("error: --against: this build has no contender 'mkl'\nit has naive, "
                        "cpp"));
  CHECK_THAT(run_volute("bench").err, StartsWith("error: there is no program"));
  CHECK(run_volute("bench").status == 2);
  const Ran seconds = run_volute("bench examples/first.vlt --seconds 0");
  CHECK(seconds.status == 2);
  CHECK_THAT(seconds.err, StartsWith("error: --seconds: 0 is not above 0"));
  const Ran json = run_volute("bench " + small + "--against none --json /nowhere/out.json");
  CHECK(json.status == 1);
  CHECK(json.err ==
        "error: /nowhere/out.json: No such file or directory (there is no folder /nowhere)\n");
}
