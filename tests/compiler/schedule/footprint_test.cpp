// The bytes that a plan's loops bring into a cache, beside a cache that is simulated over every
// element that the loops that come out read and write.

#include "compiler/lower/lower.h"
#include "compiler/nests/flatten.h"
#include "compiler/pipeline.h"
#include "compiler/schedule/footprint.h"
#include "ir/access_watch.h"
#include "ir/parse.h"
#include "tests/support/catch.h"
#include "tests/support/stages.h"

#include <list>
#include <string>
#include <unordered_map>

using namespace volute;
using namespace volute::compiler;

namespace {

constexpr int64_t line = 64;

/// Fully associative, drops the line that was used longest ago.
class Cache {
public:
  explicit Cache(int64_t bytes) : lines_(bytes / line) {}

  void touch(int32_t buffer, int64_t byte) {
    const int64_t key = (static_cast<int64_t>(buffer) << 40) + byte / line;
    const auto found = where_.find(key);
    if (found != where_.end()) {
      order_.splice(order_.begin(), order_, found->second);
      return;
    }
    missed_ += line;
    order_.push_front(key);
    where_[key] = order_.begin();
    if (static_cast<int64_t>(order_.size()) <= lines_) return;
    where_.erase(order_.back());
    order_.pop_back();
  }
  int64_t missed() const { return missed_; }

private:
  int64_t lines_, missed_ = 0;
  std::list<int64_t> order_;
  std::unordered_map<int64_t, std::list<int64_t>::iterator> where_;
};

struct Counted {
  double predicted = 0, simulated = 0;
  double beside = 0, pieces = 0; // predicted
};

/// Of what passes the cache by, each line that is not the one before.
class Passing {
public:
  void touch(int64_t byte) {
    bytes_ += byte / line == last_ ? 0 : line;
    last_ = byte / line;
  }
  int64_t bytes() const { return bytes_; }

private:
  int64_t last_ = -1, bytes_ = 0;
};

Counted traffic(const std::string& text, const std::string& schedule, int64_t capacity,
                const char* target = "x86-64-v4") {
  CompileRequest request = tests::request_for(target, schedule);
  const Stages stages = specialise_program(ir::parse(text).value(), request).value();
  REQUIRE(stages.pieces.nests.size() == 1);
  const ir::Nest& nest = stages.pieces.nests.front();
  ir::LoopProgram main = stages.loops; // without the step that packs
  main.steps = {stages.loops.steps.back()};
  ir::Memory memory = ir::allocate(main.buffers);
  const Plan& plan = stages.plans.at(nest.name);
  const Bypass past = plan.matrix ? plan.matrix->bypass : Bypass{};
  const auto passes = [&](int32_t buffer) {
    const ir::Buffer& is = main.buffers[static_cast<size_t>(buffer)];
    return (past.weight && is.name == "w_packed") || (past.image && is.name == "x");
  };
  Cache cache(capacity);
  Passing passing;
  ir::evaluate_watched(main, memory, [&](int32_t buffer, int64_t byte) {
    if (buffer < std::ssize(main.buffers) && passes(buffer))
      passing.touch(byte);
    else
      cache.touch(buffer, byte);
  });
  const Footprint footprint(nest, plan, request.target);
  const Footprint::Traffic predicted = Footprint::sum(footprint.traffic_of_each(capacity, past));
  return {predicted.bytes, static_cast<double>(cache.missed() + passing.bytes()), predicted.beside,
          predicted.pieces};
}

void check_equal(const std::string& text, const std::string& schedule, int64_t capacity) {
  CAPTURE(schedule, capacity);
  const Counted counted = traffic(text, schedule, capacity);
  CHECK(counted.predicted == counted.simulated);
}

void check_near(const std::string& text, const std::string& schedule, int64_t capacity,
                const char* target = "x86-64-v4") {
  CAPTURE(schedule, capacity);
  const Counted counted = traffic(text, schedule, capacity, target);
  CHECK(counted.predicted <= 1.25 * counted.simulated);
  CHECK(counted.predicted >= 0.8 * counted.simulated);
}

const char* const product = R"(program @p(%x: f32[n=1, w=64, c=64], %w: f32[o=64, i=64, w=1]) {
  %y = conv %x, %w return %y })";
const char* const filter =
    R"(program @p(%x: f32[n=1, h=18, w=34, c=16], %w: f32[o=32, i=16, h=3, w=3])
  { %y = conv %x, %w return %y })";

} // namespace

TEST_CASE("what comes into a cache is what a simulated one misses") {
  // x 16 KiB, w 16 KiB, y 16 KiB; a panel of w for 16 outputs is 4 KiB, 4 rows of x are 1 KiB.
  const std::string panels = "for o by 16, w by 4, i; registers w 4, o 16 vector 16; pack weight";
  const std::string rows = "for w by 4, o by 16, i; registers w 4, o 16 vector 16; pack weight";
  for (const std::string& schedule : {panels, rows})
    for (const int64_t capacity : {64 << 10, 32 << 10, 8 << 10})
      check_equal(product, schedule, capacity);
  // Once each where all fits, and else x anew for each of the 4 panels of w.
  CHECK(traffic(product, panels, 64 << 10).predicted == 3 * (16 << 10));
  CHECK(traffic(product, panels, 8 << 10).predicted == (4 + 1 + 1) * (16 << 10));
}

TEST_CASE("rows that taps share come in once where the cache holds them") {
  const std::string image = "for o by 16, h, w by 8, kh, kw, i; registers w 8, o 16 vector 16; "
                            "pack weight";
  for (const int64_t capacity : {256 << 10, 48 << 10, 24 << 10})
    check_near(filter, image, capacity);
  const std::string blocks = "for h by 4, o by 16, h, w by 8, kh, kw, i; registers w 8, o 16 "
                             "vector 16; pack weight";
  for (const int64_t capacity : {256 << 10, 64 << 10}) check_near(filter, blocks, capacity);
}

TEST_CASE("loops in another order bring in what the order says") {
  // The image is swept for each panel, or the weight for each row: the smaller one should be.
  const std::string wide = R"(program @p(%x: f32[n=1, w=256, c=32], %w: f32[o=32, i=32, w=1]) {
    %y = conv %x, %w return %y })";
  const std::string image_again =
      "for o by 16, w by 4, i; registers w 4, o 16 vector 16; pack weight";
  const std::string weight_again =
      "for w by 4, o by 16, i; registers w 4, o 16 vector 16; pack weight";
  check_equal(wide, image_again, 8 << 10);
  check_equal(wide, weight_again, 8 << 10);
  CHECK(traffic(wide, weight_again, 8 << 10).predicted <
        traffic(wide, image_again, 8 << 10).predicted);
}

TEST_CASE("what passes a cache by leaves it to the other factor, and comes anew for each tile") {
  // 64 pixels of 512 bytes, 96 channels of 512: 32 of each are 16 KiB.
  const std::string pixels =
      R"(program @p(%x: bf16[n=1, w=64, c=256], %w: bf16[o=96, i=256, w=1]) {
    %y = conv %x, %w return %y })";
  const std::string tile = ", i tile 32; registers w 32 rows 16, o 32 vector 16; pack weight";
  const auto counted = [&](const std::string& loops, const std::string& bypass) {
    const std::string schedule = loops + tile + bypass;
    check_near(pixels, schedule, 24 << 10, "sapphirerapids");
    return traffic(pixels, schedule, 24 << 10, "sapphirerapids").predicted;
  };
  const double image = 32 << 10, weight = 48 << 10, result = 64 * 96 * 2;
  const std::string by_image = "for w by 32, o by 32", by_weight = "for o by 32, w by 32";
  CHECK(counted(by_image, "") == 3 * image + 2 * weight + result);
  CHECK(counted(by_image, "; bypass weight") == image + 2 * weight + result);
  CHECK(counted(by_weight, "; bypass x") == 3 * image + weight + result);
  CHECK(counted(by_image, "; bypass x") == 3 * image + 2 * weight + result);
}

TEST_CASE("copies and pools touch each line once, rows far apart by themselves") {
  const std::string pool = R"(program @p(%x: f32[n=1, h=16, w=16, c=32]) {
    %y = max_pool %x {kernel = 2} return %y })";
  check_equal(pool, "for h, w, c by 16, kh, kw; registers c 16 vector 16", 16 << 10);
  check_equal(pool, "for c by 16, h, w, kh, kw; registers c 16 vector 16", 16 << 10);
  // Of 32 channels 16 at a time: 64 bytes of each pixel's 128, of x and of y, in both sweeps.
  const double beside =
      traffic(pool, "for c by 16, h, w, kh, kw; registers c 16 vector 16", 4 << 10).beside;
  CHECK(beside == 2 * 64 * (16 * 16 + 8 * 8));
  CHECK(traffic(pool, "for h, w, c by 16, kh, kw; registers c 16 vector 16", 4 << 10).beside == 0);
}

TEST_CASE(
    "a piece far from the one before waits, but where a tile goes on at the ends of the last") {
  // Pixels of 3 KiB, 8 of them in a tile; a window of one pixel, so that nothing is shared.
  const std::string far = R"(program @p(%x: f32[n=1, w=16, c=768], %w: f32[o=768, i=1, w=1]) {
    %y = conv %x, %w {groups = 768} return %y })";
  const auto pieces = [&](const std::string& loops) {
    return traffic(far, loops + "; registers w 8, c 16 vector 16", 8 << 10).pieces;
  };
  // The weight is one piece, in each of two sweeps or in one; of x and y each tile has 8.
  const double by_channels = pieces("for c by 16, w by 8"),
               by_pixels = pieces("for w by 8, c by 16");
  CAPTURE(by_channels, by_pixels);
  CHECK(by_channels >= 2 * 8 * 2 * 48);
  CHECK(by_pixels <= 2 * 8 * 2 + 2);
}
