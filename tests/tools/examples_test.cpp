// The examples, as their comments say to run them, with the numbers that they promise.
#include "tests/support/catch.h"
#include "tests/tools/run_tool.h"

#include <filesystem>

using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;
using volute::tests::Ran;
using volute::tests::read_file;
using volute::tests::run_volute;
using volute::tests::TemporaryFolder;

TEST_CASE("the first example gives the nine published numbers", "[examples]") {
  const Ran ran = run_volute("run examples/first.vlt --check");
  CHECK(ran.err == "");
  CHECK(ran.status == 0);
  CHECK(ran.out == "check %y: equal to the reference, all 9 elements (exact: whole numbers, and no "
                   "sum can exceed 2^24)\n"
                   "%y: f32[n=1, c=1, h=3, w=3]\n"
                   "[[[[10. 12. 12.]\n"
                   "   [18. 16. 16.]\n"
                   "   [13.  9.  3.]]]]\n"
                   "min 3, max 18, mean 12.1111\n");
}

TEST_CASE("stride 2 leaves four of the nine", "[examples]") {
  const Ran ran = run_volute("run examples/strided.vlt");
  CHECK(ran.status == 0);
  CHECK_THAT(ran.out, StartsWith("%y: f32[n=1, c=1, h=2, w=2]\n"
                                 "[[[[10. 12.]\n"
                                 "   [13.  3.]]]]\n"));
}

TEST_CASE("stride 2 with a border of one gives nine other numbers", "[examples]") {
  const Ran ran = run_volute("run examples/padded.vlt");
  CHECK(ran.status == 0);
  CHECK_THAT(ran.out, StartsWith("%y: f32[n=1, c=1, h=3, w=3]\n"
                                 "[[[[ 1.  4.  8.]\n"
                                 "   [ 7. 16.  8.]\n"
                                 "   [14.  9.  4.]]]]\n"));
}

TEST_CASE("max pooling leaves out the window over the edge, or keeps it with ceil_mode",
          "[examples]") {
  const Ran whole = run_volute("run examples/pooled.vlt --entry whole");
  CHECK_THAT(whole.out, StartsWith("%y: f32[n=1, c=1, h=1, w=1]\n[[[[2.]]]]\n"));
  const Ran kept = run_volute("run examples/pooled.vlt --entry kept");
  CHECK_THAT(kept.out, StartsWith("%y: f32[n=1, c=1, h=2, w=2]\n"
                                  "[[[[2. 3.]\n"
                                  "   [5. 1.]]]]\n"));
}

TEST_CASE("the sizes that the examples write down are the inferred ones", "[examples]") {
  for (const char* entry : {"k2", "k3", "k2s2", "k2s2_of_6", "k2p1", "k3p1", "k3s2p2"}) {
    INFO(entry);
    const Ran ran =
        run_volute(std::string("run examples/sizes.vlt --fill random --check --entry ") + entry);
    CHECK(ran.err == "");
    CHECK(ran.status == 0);
  }
}

TEST_CASE("the stem runs on made-up data and agrees with the reference", "[examples]") {
  const Ran ran = run_volute("run examples/stem.vlt --fill random --check");
  CHECK(ran.err == "");
  CHECK(ran.status == 0);
  CHECK_THAT(ran.out, StartsWith("check %y: equal to the reference, all 200704 elements"));
  CHECK_THAT(ran.out, ContainsSubstring("%y: f32[n=1, c=64, h=56, w=56]"));
}

TEST_CASE("the quantised layer is exact, and its report says that it cannot wrap", "[examples]") {
  const Ran ran = run_volute("run examples/int8.vlt --fill random --check");
  CHECK(ran.err == "");
  CHECK(ran.status == 0);
  CHECK_THAT(ran.out,
             StartsWith("check %y: equal to the reference, all 50176 elements (integers)"));
  CHECK_THAT(ran.out, ContainsSubstring("\nmin 64, max 255, "));
  const Ran report = run_volute("inspect examples/int8.vlt --target sapphirerapids-amx-tile");
  CHECK_THAT(report.out, ContainsSubstring("conv %0: i32: proven (288 taps of up to 128 * 128 "));
  CHECK_THAT(report.out, ContainsSubstring("conv %0, requantize %1, clamp %y run as one nest"));
  CHECK_THAT(report.out, ContainsSubstring("4 added at a time by vpdpbusd"));
}

TEST_CASE("filters laid down side by side add up, and maxima return to their places",
          "[examples]") {
  const Ran sum = run_volute("run examples/upsampled.vlt --entry transposed --check");
  CHECK(sum.status == 0);
  CHECK_THAT(sum.out, ContainsSubstring("[[[1. 2. 3. 4. 5. 6. 3.]]]"));
  const Ran back = run_volute("run examples/upsampled.vlt --entry unpooled --check");
  CHECK(back.status == 0);
  CHECK_THAT(back.out, ContainsSubstring("[[[[0. 5. 2. 0.]\n   [0. 0. 0. 0.]]]]"));
}

TEST_CASE("a photograph becomes its edges, and again when they are read back", "[examples]") {
  const TemporaryFolder folder;
  const Ran ran =
      run_volute("run examples/edges.vlt x=examples/photo.png --check -o y=" + folder / "y.png");
  CHECK(ran.err == "");
  CHECK(ran.status == 0);
  CHECK_THAT(ran.out, ContainsSubstring("%y: f32[n=1, c=1, h=394, w=594] -> "));
  CHECK(read_file(folder / "y.png").substr(1, 3) == "PNG");
  CHECK(folder.files() == 1);

  // The drawing is a picture of 594 x 394: mostly paper, with some ink.
  const Ran back = run_volute("run -e 'program @p(%x: f32[n=1, c=1, h=394, w=594]) {\n"
                              "%y = global_avg_pool %x\nreturn %y }' x=" +
                              folder / "y.png");
  CHECK(back.status == 0);
  const size_t begin = back.out.find("[[[[");
  REQUIRE(begin != std::string::npos);
  const double mean = std::stod(back.out.substr(begin + 4));
  CHECK(mean > 150);
  CHECK(mean < 250);
}
