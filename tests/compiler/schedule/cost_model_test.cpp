// What the model predicts, beside what is counted in the loops that come out.

#include "compiler/lower/lower.h"
#include "compiler/nests/flatten.h"
#include "compiler/schedule/cost_model.h"
#include "compiler/schedule/count_work.h"
#include "compiler/specialise/specialise.h"
#include "ir/loops.h"
#include "ir/parse.h"
#include "tests/support/catch.h"

#include <string>
#include <vector>

using namespace volute;
using namespace volute::compiler;

namespace {

struct Case {
  std::string program, schedule;
};

void check_counts(const Case& c, const char* target_text = "x86-64-v4") {
  CAPTURE(c.program, c.schedule);
  const Target target = parse_target(target_text).value();
  ir::NestProgram program = lower(ir::parse(c.program).value()).value();
  ir::Nest nest = program.nests.back();
  const Schedule schedule = parse_schedules(c.schedule).value().at("");
  for (const auto& axes : schedule.flatten) nest = flatten(nest, axes).value();
  const std::optional<ConstantWeight> weight = ConstantWeight::of(nest, program.buffers);
  const Plan plan = resolve(schedule, nest, target, weight ? &*weight : nullptr).value();
  const Counts predicted = count_work(nest, plan);
  const Specialised done =
      specialise(nest, plan, {program.buffers, static_cast<int32_t>(program.buffers.size()), 0})
          .value();
  const ir::StepWork counted = ir::count_work(done.step);
  CHECK(predicted.multiply_adds == static_cast<double>(counted.fmas));
  CHECK(predicted.loads == static_cast<double>(counted.loads));
  CHECK(predicted.stores == static_cast<double>(counted.stores));
  CHECK(counted.stores > 0);
}

std::string conv(const std::string& x, const std::string& w, const std::string& attributes = "") {
  return "program @p(%x: f32[" + x + "], %w: f32[" + w +
         "], %b: f32[o=29]) { %0 = conv %x, %w, %b {" + attributes + "} %y = relu %0 return %y }";
}

const std::string last = "n=2, h=11, w=13, c=7", first = "n=2, c=7, h=11, w=13";
const std::string filter = "o=29, i=7, h=3, w=3";

} // namespace

TEST_CASE("loads, stores and multiply-adds are those of the loops") {
  const std::vector<Case> cases = {
      {conv(last, filter), "naive"},
      {conv(last, filter), "parallel n, h; for o by 32, w by 4, kh, kw, i; registers w 4, o 32 "
                           "vector 16; pack weight"},
      {conv(first, filter), "parallel n, h; for o by 32, w by 4, kh, kw, i; registers w 4, o 32 "
                            "vector 16; pack weight"}, // turned at the store
      {conv(first, filter),
       "parallel n, h; for o by 3, w by 16, i, kh, kw; registers o 3, w 16 vector 16"},
      {conv(last, filter), "for n, h by 2, w by 3, o by 16, kh, kw, i by 3, i unroll 2; registers "
                           "h 2, w 3, o 16 vector 16; pack weight"},
      {conv(last, "o=29, i=7, h=1, w=1"),
       "flatten h, w; for n, hw by 9, o by 32, i; registers hw 9, o 32 vector 16; pack weight"},
      {conv(last, "o=29, i=7, h=1, w=1"),
       "for n, i by 3, h, o by 32, w by 5, i; registers w 5, o 32 vector 16; pack weight"},
  };
  for (const Case& c : cases)
    if (c.schedule == "naive")
      check_counts({c.program, "for n, o, h, w, i, kh, kw"});
    else
      check_counts(c);
}

TEST_CASE("taps in the padding are not counted, those that part of a tile meets are in part") {
  const std::string rows = "; for h, o by 32, w by 4, kh, kw, i; registers w 4, o 32 vector 16; "
                           "pack weight";
  const std::string pixels = "; for h, o by 3, w by 16, i, kh, kw; registers o 3, w 16 vector 16";
  for (const char* attributes : {"pad = 1", "pad = 2", "pad = [(0, 2), (1, 0)]",
                                 "pad = 3, dilation = 2", "pad = 1, stride = 2", "pad = same"}) {
    check_counts({conv(last, filter, attributes), "parallel n" + rows});
    check_counts({conv(first, filter, attributes), "parallel n" + pixels});
    check_counts({conv(last, filter, attributes), "for n, o, h, w, i, kh, kw"});
  }
  // Wider than a vector: still vectors, and counted so.
  check_counts({conv("n=1, c=1, h=1, w=101", "o=29, i=1, h=1, w=31", "pad = [0, 15]"),
                "for o, w by 32, kw; registers w 32 vector 16"});
  // Wider than can be told apart: an element at a time at the border, and counted so.
  check_counts({conv("n=1, c=1, h=1, w=701", "o=29, i=1, h=1, w=301", "pad = [0, 150]"),
                "for o, w by 64, kw; registers w 64 vector 16"});
}

TEST_CASE("poolings, depthwise and element-wise nests are counted likewise") {
  check_counts(
      {"program @p(%x: f32[n=1, h=9, w=11, c=37]) { %y = max_pool %x {kernel = 3, stride = "
       "2, pad = 1} return %y }",
       "parallel n, h; for w by 2, c by 32, kh, kw; registers w 2, c 32 vector 16"});
  check_counts(
      {"program @p(%x: f32[n=1, h=9, w=11, c=37], %w: f32[o=37, i=1, h=3, w=3]) { %y = conv "
       "%x, %w {pad = 1, groups = 37} return %y }",
       "parallel n, h; for w by 2, c by 32, kh, kw; registers w 2, c 32 vector 16"});
  check_counts(
      {"program @p(%x: f32[n=1, h=9, w=11, c=37], %z: f32[n=1, h=9, w=11, c=37]) { %0 = add "
       "%x, %z %y = relu %0 return %y }",
       "flatten n, h, w, c; for nhwc by 32; registers nhwc 32 vector 16"});
}

TEST_CASE("a tap whose weights stand in the code is loaded once for all numbers that it meets") {
  check_counts(
      {"program @p(%x: f32[n=1, c=1, h=11, w=64]) { %w = const [1, 2, 3, 4, 5, 6, 7, 8, 9, "
       "8, 7, 6] : f32[o=2, i=1, h=3, w=2] %y = conv %x, %w return %y }",
       "for h, o by 2, w by 32, kh unroll, kw unroll; registers o 2, w 32 vector 16"});
}

TEST_CASE("taps that slide read each row once, and what is held for them once a tap") {
  const auto depthwise = [](const std::string& x, const std::string& attributes) {
    return "program @p(%x: f32[" + x + "], %w: f32[o=37, i=1, h=3, w=3]) { %y = conv %x, %w {" +
           attributes + ", groups = 37} return %y }";
  };
  for (const char* attributes :
       {"pad = 1", "pad = 0", "pad = 2, stride = 2", "stride = [4, 4], pad = 1",
        "pad = [(0, 2), (1, 0)]", "pad = [2, 1], dilation = [2, 1]"}) {
    check_counts(
        {depthwise("n=2, h=11, w=13, c=37", attributes),
         "parallel n, h; for c by 16, w by 3, kh, kw slide; registers w 3, c 16 vector 16"});
    check_counts({depthwise("n=2, h=11, w=13, c=37", attributes),
                  "for n, h, w by 2, c by 48, kh, kw slide; registers w 2, c 48 vector 16; pack "
                  "weight"});
    if (std::string(attributes).find("dilation") == std::string::npos)
      check_counts({depthwise("n=2, c=37, h=11, w=13", attributes),
                    "parallel n, c, h by 4; for w by 16, kw, kh slide; registers h 4, w 16 vector "
                    "16; pack weight"});
  }
  check_counts({"program @p(%x: f32[n=1, h=9, w=11, c=37]) { %y = max_pool %x {kernel = 3, stride "
                "= 2, pad = 1} return %y }",
                "parallel n, h; for w by 2, c by 32, kh, kw slide; registers w 2, c 32 vector 16"});
  // Eleven taps of three vectors are too many to be held beside the sums.
  check_counts({"program @p(%x: f32[n=1, h=1, w=29, c=48], %w: f32[o=48, i=1, h=1, w=11]) { %y = "
                "conv %x, %w {pad = [0, 5], groups = 48} return %y }",
                "for n, h, w by 4, c by 48, kw slide; registers w 4, c 48 vector 16; pack weight"});
}

TEST_CASE("lanes along a sum are steps of so many taps, turned and added up once a tile") {
  for (const char* attributes : {"pad = 1", "pad = 0, stride = 2"}) {
    check_counts({conv("n=2, h=11, w=13, c=37", "o=29, i=37, h=3, w=3", attributes),
                  "parallel n, h; for w by 2, o by 4, kh, kw, i by 16; registers w 2, o 4, i 16 "
                  "vector 16; pack weight"});
    check_counts({conv("n=2, h=11, w=13, c=48", "o=29, i=48, h=3, w=3", attributes),
                  "parallel n, h, o by 8, w; for kh, kw, i by 16 unroll 2; registers o 8, i 16 "
                  "vector 16"});
  }
  check_counts(
      {"program @p(%x: f32[n=3, c=21, w=100]) { %y = avg_pool %x {kernel = 100} return %y }",
       "parallel n; for c by 5, w, kw by 16; registers c 5, kw 16 vector 16"});
}

TEST_CASE("dot products count each product, and a group that is not whole as one step") {
  check_counts({"program @p(%x: u8[n=1, w=9, c=10], %w: i8[o=19, i=10, w=3]) { %y = conv %x, %w "
                "return %y }",
                "for o by 16, w by 2, kw, i dot 4; registers w 2, o 16 vector 16; pack weight"});
}

TEST_CASE("the terms of a cost have names and explain it") {
  const Target target = parse_target("x86-64-v4").value();
  const ir::Nest nest =
      lower(ir::parse(conv("n=1, h=30, w=30, c=64", "o=29, i=64, h=3, w=3")).value())
          .value()
          .nests.back();
  const auto cost = [&](const std::string& schedule) {
    return predict(nest, resolve(parse_schedules(schedule).value().at(""), nest, target).value(),
                   target);
  };
  const Cost tile = cost("for n, h, o by 32, w by 14, kh, kw, i; registers w 14, o 32 vector 16; "
                         "pack weight");
  CHECK(tile.bound == "FMA");
  CHECK(tile.term("FMA") > tile.term("loads"));
  CHECK(tile.term("FMA") < tile.cycles);
  CHECK(tile.term("no such term") == 0);
  // One accumulator waits for itself.
  const Cost lone = cost("for n, h, w, o by 16, kh, kw, i; registers o 16 vector 16; pack weight");
  CHECK(lone.bound == "latency");
  CHECK(lone.cycles > 2 * tile.cycles);
  // Sums that wait cost their way to L2 and back.
  CHECK(tile.term("sums") == 0);
  CHECK(cost("for n, h, i by 16, o by 32, w by 14, kh, kw, i; registers w 14, o 32 vector 16; pack "
             "weight")
            .term("sums") > 0);
}

TEST_CASE("products of matrices, and what comes of them, are counted likewise") {
  const auto conv = [](const std::string& x, const std::string& w, const std::string& attributes) {
    return "program @p(%x: bf16[" + x + "], %w: bf16[" + w +
           "], %b: bf16[o=29]) { %0 = conv %x, %w, %b {" + attributes +
           "} %y = relu %0 return %y }";
  };
  const std::string filter = "o=29, i=24, h=3, w=3";
  for (const char* schedule :
       {"parallel n, h; for o by 32, w by 10, kh, kw, i tile 24; registers w 10 rows 10, o 32 "
        "vector 16; pack weight",
        "parallel n; for o by 16, w by 8, h by 2, kh, kw, i tile 12; registers h 2, w 8 rows 4, o "
        "16 vector 16; pack weight",
        "parallel n; for h by 2, o by 32, w by 8, kh, kw, i tile 8; registers h 2, w 8 rows 8, o "
        "32 vector 16; pack weight"})
    for (const char* attributes : {"", "pad = [1, 0]", "stride = [2, 1]"}) {
      check_counts({conv("n=2, h=11, w=13, c=24", filter, attributes), schedule}, "sapphirerapids");
    }
}
