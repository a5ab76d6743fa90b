#include "tests/support/catch.h"
#include "tests/tools/run_tool.h"

using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;
using volute::tests::Ran;
using volute::tests::run_volute;
using volute::tests::TemporaryFolder;
using volute::tests::write_file;

namespace {

std::string stage(const std::string& name, const std::string& options = "") {
  const Ran ran = run_volute("inspect examples/stem.vlt --stage " + name + " " + options);
  INFO(ran.err);
  CHECK(ran.status == 0);
  return ran.out;
}

} // namespace

TEST_CASE("the program stage prints what parses to the same program", "[inspect]") {
  const std::string text = stage("program");
  CHECK_THAT(text, StartsWith("program @stem(%x: f32[n=1, c=3, h=224, w=224]"));
  CHECK_THAT(text, ContainsSubstring("%y = max_pool %1 {kernel = 3, stride = 2, pad = 1}"));
  const TemporaryFolder folder;
  write_file(folder / "stem.vlt", text);
  CHECK(run_volute("inspect --stage program " + folder / "stem.vlt").out == text);
}

TEST_CASE("every stage between has its own language", "[inspect]") {
  CHECK_THAT(stage("nest"), ContainsSubstring("nest "));
  CHECK_THAT(stage("loops"), ContainsSubstring("step "));
  CHECK_THAT(stage("llvm"), ContainsSubstring("define "));
  CHECK_THAT(stage("asm"), ContainsSubstring("ret"));
}

TEST_CASE("the report names the work, the memory and the reasons", "[inspect]") {
  const std::string text = run_volute("inspect examples/stem.vlt").out;
  CHECK(text.substr(0, 15) == stage("report").substr(0, 15));
  // 64 x 3 x 7 x 7 weights and 64 biases; 0.6 MB in, 0.8 MB out, the weights.
  CHECK_THAT(text, ContainsSubstring("  parameters     9,472\n"));
  CHECK_THAT(text,
             ContainsSubstring("  bytes          1,442,816 (inputs and outputs, each once)\n"));
  // 64 * 3 * 776 * 776: along either axis 112 windows of 7 taps, of which 8 fall into the padding.
  CHECK_THAT(text, ContainsSubstring(" (taps in the padding left out)\n"));
  CHECK_THAT(text, ContainsSubstring("  schedule\n"));
  CHECK_THAT(text, ContainsSubstring("  why\n"));
}

TEST_CASE("a printed schedule is accepted back and gives the same loops", "[inspect]") {
  const TemporaryFolder folder;
  write_file(folder / "s.txt", stage("schedule"));
  CHECK(stage("loops", "--schedule @" + folder / "s.txt") == stage("loops"));
}

TEST_CASE("code for another CPU can be looked at", "[inspect]") {
  CHECK_THAT(stage("asm", "--target skylake-avx512"), ContainsSubstring("zmm"));
  const std::string narrow = stage("asm", "--target haswell");
  CHECK_THAT(narrow, ContainsSubstring("ymm"));
  CHECK(narrow.find("zmm") == std::string::npos);
}

TEST_CASE("assembly stands beside its loops and statements, or bare", "[inspect]") {
  const std::string page = stage("asm", "--target haswell");
  CHECK_THAT(page, ContainsSubstring("\n#     line  11  %1 = relu %0\n"));
  CHECK_THAT(page, ContainsSubstring("innermost, a trip is 12 multiply-adds, "));
  const std::string bare = stage("asm", "--target haswell --bare");
  CHECK(bare.find('%') != std::string::npos);
  CHECK(bare.find("relu") == std::string::npos);
  CHECK(bare.find(".loc") == std::string::npos);
  CHECK_THAT(stage("report", "--target haswell"),
             ContainsSubstring(" of 16 in the inner step; no spills in the code\n"));
}

TEST_CASE("a stage that there is not is named, with those that there are", "[inspect]") {
  const Ran ran = run_volute("inspect examples/stem.vlt --stage ir");
  CHECK(ran.status == 2);
  CHECK(ran.err == "error: --stage: there is no stage 'ir'\n"
                   "the stages are program, nest, schedule, loops, llvm, asm, report\n");
}

TEST_CASE("the page is not built yet, and says so", "[inspect]") {
  const TemporaryFolder folder;
  const Ran ran = run_volute("inspect examples/stem.vlt --html " + folder / "out.html");
  CHECK(ran.status == 1);
  CHECK_THAT(ran.err, StartsWith("error: volute inspect --html: not built yet\n"));
  CHECK(folder.files() == 0);
}

TEST_CASE("inspect wants one program", "[inspect]") {
  CHECK_THAT(run_volute("inspect").err, StartsWith("error: there is no program"));
  CHECK_THAT(run_volute("inspect examples/stem.vlt -e 'program @p() {}'").err,
             StartsWith("error: a FILE and -e are two programs"));
  const Ran none = run_volute("inspect none.vlt");
  CHECK(none.status == 1);
  CHECK(none.err == "none.vlt: error: No such file or directory\n");
}

TEST_CASE("forms are printed, taken back, and bounded by an accuracy", "[inspect]") {
  const std::string edges = "inspect examples/edges.vlt --target haswell ";
  const std::string printed = run_volute(edges + "--stage schedule").out;
  CHECK_THAT(printed, StartsWith("form conv_smooth separable\n"));
  const TemporaryFolder folder;
  write_file(folder / "mine.txt", printed);
  const std::string loops = run_volute(edges + "--stage loops").out;
  CHECK(run_volute(edges + "--stage loops --schedule @" + (folder / "mine.txt")).out == loops);

  for (const Ran& exact : {run_volute(edges + "--stage schedule --accuracy 0"),
                           run_volute(edges + "--stage schedule", "VOLUTE_ACCURACY=0")})
    CHECK(exact.out.find("form ") == std::string::npos);
  CHECK(run_volute(edges + "--stage schedule --accuracy 2", "VOLUTE_ACCURACY=0").out == printed);
  CHECK_THAT(run_volute(edges + "--accuracy 0").out,
             ContainsSubstring("conv_smooth: direct (one sum over all taps)\n"));

  const Ran refused = run_volute(edges + "--accuracy 0 --schedule @" + (folder / "mine.txt"));
  CHECK(refused.status == 1);
  CHECK_THAT(refused.err, ContainsSubstring("form conv_smooth separable: its error is up to"));
}
