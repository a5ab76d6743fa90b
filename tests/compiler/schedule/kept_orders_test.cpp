#include "compiler/nests/cut_bands.h"
#include "compiler/schedule/kept_orders.h"
#include "tests/support/catch.h"
#include "tests/support/lowered.h"
#include "tests/support/small_nest.h"
#include "tests/support/stages.h"

#include <string>

using namespace volute;
using namespace volute::compiler;

namespace {

using Misfit = std::optional<Diagnostic> (*)(const Schedule&, const ir::Nest&);

std::string verdict(Misfit misfit, const ir::Nest& nest, const std::string& schedule) {
  const auto fault = misfit(parse_schedules(schedule).value().at(""), nest);
  return fault ? fault->message + (fault->hint.empty() ? "" : " | " + fault->hint) : "";
}

} // namespace

TEST_CASE("elements that are scattered over a plane keep their order, planes may be shared") {
  const ir::Nest nest =
      tests::lowered("program @p(%x: f32[n=2, c=3, h=2, w=2], %i: i64[n=2, c=3, h=2, w=2]) {"
                     " %y = max_unpool %x, %i {kernel = 2} return %y }")
          .nests.back();
  const auto of = [&](const char* schedule) { return verdict(misfit_of_scatter, nest, schedule); };
  CHECK(of("parallel n, c; for h, w") == "");
  CHECK(of("for h, n, w, c") == "");
  CHECK(of("parallel n, h; for c, w") ==
        "nest max_unpool_y: parallel h: elements along h may be scattered to one place, the last "
        "one stays");
  CHECK(of("for n, c, w, h") ==
        "nest max_unpool_y: for w, h: elements are scattered in the order of h, w");
  CHECK(of("for n, c, h, w by 2, w") ==
        "nest max_unpool_y: for h, w, w: elements are scattered in the order of h, w");
  CHECK(of("for n, c, h, w by 2; registers w 2") ==
        "nest max_unpool_y: registers: elements are scattered one at a time");
}

TEST_CASE("products of small parts are added up first, matrices' in any order") {
  const ir::NestProgram program = tests::nest_of(R"(
  x: input f32[2][8]
  k: input f32[2][8]
  y: output f32[8]
  parallel w in 0..8
  reduce wp in 0..2, xp in 0..2, i in 0..8
  acc = 0
  acc <- fma(x[xp, i], k[wp, i], acc)
  y[w] = acc
)");
  const auto of = [&](const char* schedule) {
    return verdict(misfit_of_parts, program.nests.front(), schedule);
  };
  CHECK(of("for w, wp, xp, i") == "");
  CHECK(of("for wp, w, xp, i by 4, i") == "");
  CHECK(of("for w, i, wp, xp") ==
        "nest y: for wp inside i: the products of small parts are added up first | put wp outside "
        "of all that is summed over");
  CHECK(of("for w, wp, i by 4, xp, i") ==
        "nest y: for xp inside i: the products of small parts are added up first | put xp outside "
        "of all that is summed over");
  CHECK(of("for w, i by 4, wp, xp, i tile 4") == "");
}

TEST_CASE("nests of one step share its work items, one each") {
  const Stages stages =
      tests::stages_of("program @p(%x: f32[n=1, c=3, h=64, w=64], %k: f32[o=64, i=3, h=3, w=3]) {"
                       " %0 = conv %x, %k {pad = 1} %y = max_pool %0 {kernel = 2} return %y }",
                       "znver4");
  REQUIRE(stages.pieces.nests.size() == 2);
  const ir::Nest& conv = stages.pieces.nests.front();
  const auto of = [&](const char* schedule) { return verdict(misfit_of_bands, conv, schedule); };
  CHECK(of("parallel n, band; for o, h, w, i, kh, kw") == "");
  CHECK(of("parallel band; for n, o, h, w, i, kh, kw") ==
        "nest conv_0: parallel band: the nests of a step share its work items | write `parallel n, "
        "band`");
  CHECK(of("parallel n, band by 2; for o, h, w, i, kh, kw") ==
        "nest conv_0: parallel band by 2: the nests of a step share its work items, one band each");
  CHECK(of("parallel n, band; for o, h, w, i, kh, kw; registers band 2") ==
        "nest conv_0: registers band 2: band is shared with the other nests of the step, and not "
        "tiled");
}
