#include "compiler/nests/facts.h"
#include "compiler/nests/strides.h"
#include "tests/support/catch.h"
#include "tests/support/lowered.h"

#include <string>

using namespace volute;
using compiler::NestFacts;

TEST_CASE("the facts of a nest are what is found by asking each question anew") {
  for (const std::string text :
       {"(%x: f32[n=2, c=3, h=7, w=9], %w: f32[o=4, i=3, h=3, w=3]) { "
        "%y = conv %x, %w {pad = [0, 1]} return %y }",
        "(%x: bf16[n=1, h=5, w=6, c=8], %w: bf16[o=4, i=8, h=1, w=1]) { "
        "%y = conv %x, %w return %y }",
        "(%x: f32[n=1, c=2, w=8]) { %y = max_pool %x {kernel = 3, stride = 1, pad = 1} "
        "return %y }",
        "(%x: f32[n=1, c=2, w=8], %z: f32[n=1, c=2, w=8]) { %y = add %x, %z return %y }"}) {
    CAPTURE(text);
    const ir::Nest nest = tests::lowered("program @p" + text).nests.back();
    const NestFacts facts(nest);
    const std::vector<ir::Read> reads = compiler::inner_reads(nest);
    REQUIRE(facts.reads().size() == reads.size());
    for (size_t i = 0; i < reads.size(); ++i) {
      CHECK(facts.reads()[i].operand == reads[i].operand);
      CHECK(facts.reads()[i].index == reads[i].index);
    }
    for (const ir::NestAxis& axis : nest.axes) {
      CAPTURE(nest.name_of(axis.var));
      bool constrained = false;
      for (const ir::Constraint& c : nest.constraints) constrained |= c.value.depends_on(axis.var);
      CHECK(facts.constrained(axis.var) == constrained);
      CHECK_FALSE(facts.in_domain(axis.var));
      CHECK(facts.lanes_may_run_along(axis.var) == compiler::lanes_may_run_along(nest, axis.var));
      CHECK(facts.results_may_run_along(axis.var) ==
            compiler::lanes_may_run_along(nest, axis.var, false));
      const auto dot = compiler::dot_form(nest, axis.var);
      CHECK(facts.dot(axis.var).has_value() == dot.has_value());
      if (dot && facts.dot(axis.var)) CHECK(facts.dot(axis.var)->ways == dot->ways);
    }
    CHECK((facts.weight() ? facts.weight()->operand : -1) == compiler::weight_of(nest));
  }
}
