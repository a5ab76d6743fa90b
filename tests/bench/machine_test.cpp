#include "bench/machine.h"
#include "compiler/target/target.h"
#include "tests/support/catch.h"

using namespace volute::bench;
namespace compiler = volute::compiler;

namespace {

MeasureOptions quickly() {
  MeasureOptions options;
  options.warm_up_seconds = 0.002;
  options.sample_seconds = 0.0002;
  options.minimum_seconds = 0.01;
  return options;
}

} // namespace

TEST_CASE("a vector width has a probe where the machine has the width", "[machine]") {
  const compiler::Target& here = compiler::host();
  CHECK(fma_probe(64).has_value() == here.has("avx512f"));
  CHECK(fma_probe(32).has_value() == here.has("avx"));
  REQUIRE(fma_probe(16));
  CHECK_FALSE(fma_probe(0));
  CHECK_FALSE(fma_probe(48));
  CHECK_FALSE(fma_probe(-1));
}

// One chain that the compiler folded out of twelve would report six times what the units can do;
// chains that wait for each other, a twelfth.
TEST_CASE("no width does more multiply-adds a cycle than a core has units", "[machine]") {
  const std::optional<Probe> clock = clock_probe();
  if (!clock) return;
  for (const int bytes : {64, 32, 16}) {
    const std::optional<Probe> fma = fma_probe(bytes);
    if (!fma) continue;
    CAPTURE(bytes);
    const auto timings = measure({fma->candidate, clock->candidate}, quickly(), thread_seconds);
    const double calls_a_cycle = speedup(timings[0], timings[1]) / clock->work;
    const double vectors_a_cycle = calls_a_cycle * fma->work / (2 * bytes / 4);
    CHECK(vectors_a_cycle < 2.2);
    CHECK(vectors_a_cycle > 0.3);
  }
}

TEST_CASE("loads come faster from L1 than from memory", "[machine]") {
  const Probe near = load_probe(16 << 10), far = load_probe(int64_t{64} << 20);
  CHECK(near.work == 16 << 10);
  CHECK(near.candidate.name == "load 16 KiB");
  CHECK(far.candidate.name == "load 64 MiB");
  const auto timings = measure({near.candidate, far.candidate}, quickly(), thread_seconds);
  CHECK(work_per_second(near, timings[0]) > 1.5 * work_per_second(far, timings[1]));
}

TEST_CASE("no core loads or stores more than four of its widest vectors a cycle", "[machine]") {
  const std::optional<Probe> clock = clock_probe();
  if (!clock) return;
  const Probe load = load_probe(16 << 10), store = store_probe(16 << 10);
  const auto timings =
      measure({load.candidate, store.candidate, clock->candidate}, quickly(), thread_seconds);
  for (const size_t i : {size_t{0}, size_t{1}}) {
    const double bytes = i == 0 ? load.work : store.work;
    const double bytes_a_cycle = bytes * speedup(timings[i], timings[2]) / clock->work;
    CHECK(bytes_a_cycle < 4.2 * compiler::host().vector_bytes);
    CHECK(bytes_a_cycle > 4);
  }
}

TEST_CASE("a buffer is never empty and always whole loop iterations", "[machine]") {
  CHECK(load_probe(0).work == 512);
  CHECK(load_probe(-5).work == 512);
  CHECK(store_probe(1000).work == 512);
  CHECK(store_probe(1025).work == 1024);
}

TEST_CASE("a time of zero gives no rate", "[machine]") {
  const Probe probe = {candidate("nothing", [] {}), 100};
  CHECK(work_per_second(probe, {"nothing", 1, {}}) == 0);
  CHECK(work_per_second(probe, {"something", 1, {0.5}}) == 200);
}

TEST_CASE("the report of the CPU names the target that is compiled for", "[machine]") {
  CHECK(cpu_report().find("(" + compiler::short_text(compiler::host()) + ")") != std::string::npos);
}
