#include "compiler/compile.h"
#include "ir/parse.h"
#include "tests/support/catch.h"
#include "tests/support/every_stage.h"

#include <string>

using namespace volute;
using namespace volute::compiler;

namespace {

const char* const padded =
    R"(program @p(%x: f32[n=2, c=3, h=7, w=11], %w: f32[o=5, i=3, h=3, w=3]) {
  %0 = conv %x, %w {pad = [1, 1], stride = [1, 2]}
  %y = relu %0
  return %y })";

} // namespace

TEST_CASE("an image packed in the order of the loops gives the results that it gives as it lies") {
  for (const std::string schedule :
       {"pack x", "for n, h, o, w by 4, i, kh, kw; registers w 4, o 1; pack x, weight",
        "parallel n; for h, o by 8, w by 3, i, kh, kw; registers w 3, o 8 vector 8; pack weight, x",
        "for n, o, h, w by 8, i, kh, kw; registers w 8 vector 8; pack x",
        "for n, h, i, o by 4, w by 2, kh, kw; registers o 4 vector 4, w 2; pack %x"})
    for (const std::string& text :
         {std::string(padded), std::string(R"(program @p(%x: f32[n=2, h=5, w=7, c=6],
              %w: f32[o=10, i=6, h=1, w=1]) { %y = conv %x, %w {stride = 2} return %y })"),
          std::string(R"(program @p(%x: bf16[n=1, h=9, w=8, c=4], %w: bf16[o=8, i=2, h=3, w=3]) {
              %y = conv %x, %w {groups = 2, pad = 1} return %y })")}) {
      CAPTURE(schedule, text);
      const ir::Program program = ir::parse(text).value();
      CompileRequest request;
      request.schedule = schedule;
      const Expected<Compiled> compiled = compile(program, request);
      if (!compiled) { // groups have an axis more
        CHECK(text.find("groups") != std::string::npos);
        continue;
      }
      CHECK(compiled->image.steps.size() == (schedule.find("weight") == std::string::npos ? 2 : 3));
      tests::Dice dice(7);
      CHECK(tests::fault_of_stages(*compiled, program, tests::whole_numbers(program, 7), dice) ==
            "");
    }
}

TEST_CASE("an operand to which different things are done is packed as it is") {
  // Bytes that are widened, scaled, rounded, and compared with themselves: by one number, by one of
  // each channel's, beside another operand; across memory, which is a sum of one.
  const std::string types = "%x: u8[n=2, c=4, d=2, h=5, w=2], %z: u8[n=2, c=4, d=2, h=5, w=2]",
                    turned = "u8[w=2, d=2, h=5, c=4, n=2]";
  for (const std::string scale : {"0.5", "[0.5, 2, 1, 0.25]"})
    for (const std::string behind :
         {"%1 = clamp %0 {min = -1000, max = 70} %y = max %1, %x",
          "%1 = max %0, %z %y = max %1, %x", "%1 = sub %0, %z %2 = add %1, %x %y = min %2, %z"})
      for (const std::string schedule : {"pack x", "pack z", "pack x, z"}) {
        if (behind.find("%z") == std::string::npos && schedule != "pack x") continue;
        const std::string text = "program @p(" + types +
                                 ") { %0 = requantize %x {scale = " + scale +
                                 ", zero_point = 3} : u8[n=2, c=4, d=2, h=5, w=2] " + behind +
                                 " : " + turned + " return %y }";
        CAPTURE(schedule, text);
        const ir::Program program = ir::parse(text).value();
        const Compiled compiled =
            compile(program, tests::request_for("x86-64-v4", schedule)).value();
        CHECK(compiled.image.steps.size() == (schedule == "pack x, z" ? 3 : 2));
        tests::Dice dice(7);
        CHECK(tests::fault_of_stages(compiled, program, tests::whole_numbers(program, 7), dice) ==
              "");
      }
}
