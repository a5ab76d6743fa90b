#include "compiler/lower/legalise.h"
#include "compiler/lower/lower.h"
#include "compiler/pipeline.h"
#include "compiler/specialise/pack.h"
#include "ir/parse.h"
#include "tests/support/catch.h"

#include <string>

using namespace volute;
using namespace volute::compiler;

namespace {

/// Output channels in two parts, so that both can be in the register tile.
const char* const split_channels = R"(program @p(%x: u8[n=1, w=5, c=8], %w: i8[o=32, i=8, w=1]) {
  %y = conv %x, %w : i32[n=1, c=4, w=5, c=8]
  return %y
})";

Schedule schedule_of(const std::string& text) { return parse_schedules(text).value().at(""); }

} // namespace

TEST_CASE("lanes of a packed weight are neighbours, in whatever order registers are listed") {
  const ir::Program program = legalise(ir::parse(split_channels).value());
  const ir::Nest nest = lower(program).value().nests.back();
  REQUIRE(nest.axis("o1"));
  for (const char* registers : {"registers o1 8 vector 8, o 2", "registers o 2, o1 8 vector 8"}) {
    const Plan plan =
        resolve(
            schedule_of(std::string("for o by 2, o1 by 8, w, i dot 4; pack weight; ") + registers),
            nest, parse_target("x86-64-v4").value())
            .value();
    REQUIRE(plan.packed);
    const PackedLayout& layout = *plan.packed;
    CAPTURE(registers);
    CHECK(layout.group == 4);
    REQUIRE(layout.dimensions.size() >= 3);
    const auto& last = layout.dimensions[layout.dimensions.size() - 2];
    CHECK((nest.name_of(last.axis) == "o1" && last.count == 8));
  }
}

TEST_CASE("a dot product may have its vectors first in the register tile") {
  CompileRequest request;
  request.target = parse_target("x86-64-v4").value();
  request.schedule = "for o by 2, o1 by 8, w, i dot 4; registers o1 8 vector 8, o 2; pack weight";
  CHECK(specialise_program(ir::parse(split_channels).value(), request)); // verifies what it makes
}
