#include "tests/support/catch.h"
#include "tests/tools/run_tool.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;
using volute::tests::Ran;
using volute::tests::read_file;
using volute::tests::run_volute;
using volute::tests::TemporaryFolder;
using volute::tests::write_file;

namespace {

const std::string small =
    "-e 'program @small(%x: f32[n=1, c=8, h=10, w=10], %w: f32[o=16, i=8, h=3, "
    "w=3], %b: f32[o=16]) {\n  %0 = conv %x, %w, %b {pad = 1}\n  %y = relu "
    "%0\n  return %y\n}' --seconds 0.05 ";

} // namespace

TEST_CASE("a benchmark verifies, times and compares", "[bench]") {
  const TemporaryFolder folder;
  const Ran ran =
      run_volute("bench " + small + "--against naive,cpp --json " + folder / "out.json");
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
    const double seconds = contender.at("median_seconds");
    CHECK(contender.at("rate") == Approx(2e-9 * 16 * 8 * 28 * 28 / seconds));
    CHECK(contender.at("rate_unit") == "GFLOP/s");
    CHECK(contender.at("over_bound") ==
          Approx(seconds / program.at("bound").at("seconds").get<double>()));
  }
  CHECK(program.at("contenders").at(0).at("name") == "volute");
  CHECK(program.at("contenders").at(1).at("volute_is_faster") > 0);
  CHECK(json.at("command").get<std::string>().find("volute bench -e") != std::string::npos);
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
             StartsWith("error: --against: there is no contender 'mkl'\nthere are naive, cpp"));
  CHECK_THAT(run_volute("bench").err, StartsWith("error: there is no program"));
  CHECK(run_volute("bench").status == 2);
  CHECK_THAT(run_volute("bench resnet18 --only 5x5").err,
             StartsWith("error: --only and --layout leave no program\n"
                        "there are 26, as conv7x7s2_3_64_224_nchw, "));
  const Ran seconds = run_volute("bench examples/first.vlt --seconds 0");
  CHECK(seconds.status == 2);
  CHECK_THAT(seconds.err, StartsWith("error: --seconds: 0 is not above 0"));
  const Ran json = run_volute("bench " + small + "--against none --json /nowhere/out.json");
  CHECK(json.status == 1);
  CHECK(json.err ==
        "error: /nowhere/out.json: No such file or directory (there is no folder /nowhere)\n");
}

TEST_CASE("a schedule that is given twice is measured against the other", "[bench]") {
  const Ran ran = run_volute("bench --against none " + small + "--schedule auto --schedule naive");
  CHECK(ran.err == "");
  CHECK(ran.status == 0);
  CHECK_THAT(ran.out, ContainsSubstring("         volute naive"));
  CHECK_THAT(run_volute("bench --against none " + small + "--target native --target x86-64").out,
             ContainsSubstring("         volute x86-64"));
}

TEST_CASE("data come from files, or are filled as asked", "[bench]") {
  const TemporaryFolder folder;
  const std::string one = "-e 'program @one(%x: f32[n=1, c=1, w=4]) {\n  %y = exp %x\n  return "
                          "%y\n}' --against none --seconds 0.01 ";
  REQUIRE(run_volute("run -e 'program @z(%x: f32[n=1, c=1, w=4]) {\n  %y = relu %x\n  return "
                     "%y\n}' --fill ones -o y=" +
                     folder / "x.npy")
              .status == 0);
  CHECK(run_volute("bench " + one + "x=" + folder / "x.npy").status == 0);
  CHECK(run_volute("bench " + one + "--fill random:3").status == 0);
  CHECK(run_volute("bench " + one + "--fill normal").status == 0);
  CHECK(run_volute("bench " + one + "--fill strange").status == 2);
  CHECK(run_volute("bench " + one + "z=" + folder / "x.npy").status == 2);
  CHECK(run_volute("bench " + one + "x=/nowhere.npy").status == 1);
  const Ran many = run_volute("bench examples/pooled.vlt x=" + folder / "x.npy");
  CHECK(many.status == 2);
  CHECK_THAT(many.err, ContainsSubstring("is for one program"));
}

TEST_CASE("two runs are compared, and a page and CSV are written", "[bench]") {
  const TemporaryFolder folder;
  const std::string files =
      "--json " + folder / "a.json" + " --csv " + folder / "a.csv" + " --html " + folder / "a.html";
  REQUIRE(run_volute("bench --against cpp " + small + files).status == 0);
  const Ran compared = run_volute("bench compare " + folder / "a.json" + " " + folder / "a.json");
  CHECK(compared.err == "");
  CHECK(compared.status == 0);
  CHECK_THAT(compared.out, ContainsSubstring("0 of 1 programs changed by more than their spread"));
  CHECK(
      run_volute("bench compare " + folder / "a.json" + " " + folder / "a.json --by cpp").status ==
      0);
  CHECK_THAT(read_file(folder / "a.csv"), StartsWith("file,program,uses,by,median_us"));
  CHECK_THAT(read_file(folder / "a.html"), StartsWith("<!doctype html>"));
  const Ran other = run_volute("bench compare " + folder / "a.csv" + " " + folder / "a.json");
  CHECK(other.status == 1);
  CHECK_THAT(other.err,
             ContainsSubstring("a.csv: error: this is not what `volute bench --json` writes"));
  CHECK(run_volute("bench compare /nowhere/a.json /nowhere/b.json").status == 1);
}

TEST_CASE("many programs have a line each, and a sum", "[bench]") {
  const TemporaryFolder folder;
  std::string text = "// used 3 times\n";
  for (const char name : std::string("abcde"))
    text +=
        fmt::format("program @{}(%x: f32[n=1, w=8, c=2]) {{\n  %y = max_pool %x {{kernel = 2}}\n"
                    "  return %y\n}}\n",
                    name);
  write_file(folder / "net.vlt", text);
  const Ran ran = run_volute("bench --against cpp --seconds 0.005 " + folder / "net.vlt");
  CHECK(ran.err == "");
  CHECK(ran.status == 0);
  CHECK_THAT(ran.out,
             ContainsSubstring("\nprogram   volute us   spread           rate  bound     cpp\na "));
  CHECK_THAT(ran.out, ContainsSubstring("\ne "));
  CHECK_THAT(ran.out,
             ContainsSubstring("net, channels last, 5 programs as often as they are used, ms:"));
  CHECK_THAT(run_volute("bench --long --against cpp --seconds 0.005 " + folder / "net.vlt").out,
             ContainsSubstring("verified: equal to the reference: volute, cpp"));
}
