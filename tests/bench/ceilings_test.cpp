#include "bench/ceilings.h"
#include "ir/parse.h"
#include "tests/support/catch.h"

using namespace volute;
using namespace volute::bench;

namespace {

// 100 GFLOP/s; 100 bytes in L1, 1000 in L2, the rest in memory, each ten times slower than the
// last.
Ceilings machine() {
  Ceilings c;
  c.f32 = 100e9, c.bf16 = 200e9, c.bytes = 400e9;
  c.levels = {{"L1", 100, 100e9, 50e9}, {"L2", 1000, 10e9, 10e9}, {"memory", 0, 1e9, 1e9}};
  return c;
}

Bound bound(const std::string& text, int64_t multiply_adds, bool is_cold = false, int threads = 1) {
  compiler::Report report;
  report.multiply_adds = multiply_adds;
  return bound_of(*ir::parse(text), report, machine(), is_cold, threads);
}

const std::string relu = "program @p(%x: u8[n=1, c=1, w=40]) {\n  %y = relu %x\n  return %y\n}";
const std::string large = "program @p(%x: u8[n=1, c=1, w=1000]) {\n  %y = relu %x\n  return %y\n}";

std::string conv(const std::string& x, const std::string& w) {
  return "program @p(%x: " + x + "[n=1, c=1, w=8], %w: " + w +
         "[o=1, i=1, w=3]) {\n  %y = conv %x, %w\n  return %y\n}";
}

} // namespace

TEST_CASE("the arithmetic bound is that of the unit for the element type", "[ceilings]") {
  CHECK(bound(conv("f32", "f32"), 18).arithmetic == Approx(36 / 100e9));
  CHECK(bound(conv("f64", "f64"), 18).arithmetic == Approx(36 / 50e9));
  CHECK(bound(conv("bf16", "bf16"), 18).arithmetic == Approx(36 / 200e9));
  CHECK(bound(conv("u8", "i8"), 18).arithmetic == Approx(36 / 400e9));
  CHECK(bound(conv("f16", "f16"), 18).arithmetic == Approx(36 / 100e9));
  CHECK(bound(conv("f32", "f32"), 18, false, 2).arithmetic == Approx(18 / 100e9));
  CHECK(bound(relu, 0).arithmetic == 0);
}

TEST_CASE("traffic is each tensor once, at the rate of the level that holds it", "[ceilings]") {
  const Bound near = bound(relu, 0); // 40 bytes in, 40 out: stores are the slower
  CHECK(near.read == 40);
  CHECK(near.written == 40);
  CHECK(near.traffic == Approx(40 / 50e9));
  CHECK(near.level == "L1");
  CHECK(near.seconds() == near.traffic);
  // 2000 bytes: 100 from L1, 900 from L2, 1000 from memory, half of each is read, half written.
  const Bound far = bound(large, 0);
  CHECK(far.traffic == Approx(50 / 50e9 + 450 / 10e9 + 500 / 1e9));
  CHECK(far.level == "memory");
  CHECK(bound(relu, 0, true).traffic == Approx(40 / 1e9));
  CHECK(bound(relu, 0, true).level == "memory");
}

TEST_CASE("the larger bound is the bound", "[ceilings]") {
  CHECK(bound(conv("f32", "f32"), 18).is_arithmetic() == false);
  CHECK(bound(conv("f32", "f32"), 1000000).is_arithmetic());
}

TEST_CASE("of two looks at the machine the better figures count, and their drift is told",
          "[ceilings]") {
  Ceilings later = machine();
  later.f32 = 50e9;
  later.levels[2].load = 2e9;
  const Ceilings best = best_of(machine(), later);
  CHECK(best.f32 == 100e9);
  CHECK(best.levels[2].load == 2e9);
  CHECK(drift(machine(), machine()) == 0);
  CHECK(drift(machine(), later) == Approx(0.5));
}

TEST_CASE("the ceilings of this machine are there, and nearer levels are not slower",
          "[ceilings]") {
  const Ceilings here = measure_ceilings(0.05);
  CHECK(here.f32 > 0);
  CHECK(here.bf16 >= here.f32 * 0.9);
  CHECK(here.bytes > here.f32 / 2);
  REQUIRE(here.levels.size() >= 2);
  CHECK(here.levels.front().name == "L1");
  CHECK(here.levels.back().name == "memory");
  CHECK(here.levels.front().load > here.levels.back().load);
}
