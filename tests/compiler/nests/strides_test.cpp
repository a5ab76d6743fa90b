#include "compiler/nests/strides.h"
#include "tests/support/catch.h"
#include "tests/support/small_nest.h"

using namespace volute;
using namespace volute::compiler;

namespace {

/// Two rows of an image with a row between them, three taps each, along w cut into digits of 4.
const ir::NestProgram program = tests::nest_of(R"(
  x: input f32[2][10] strides [20][1]
  k: input f32[3]
  y: output f32[2][8]
  parallel h in 0..2, w in 0..2 by 4, w1 in 0..4
  reduce kw in 0..3
  where 0 <= 4*w + w1 + kw - 1 < 8
  acc = 0
  acc <- fma(x[h, 4*w + w1 + kw], k[kw], acc)
  y[h, 4*w + w1] = max(k[0], acc)
)",
                                               30, 3, 16);
const ir::Nest& nest = program.nests.front();

ir::Var axis(const char* name) { return nest.axis(name)->var; }

} // namespace

TEST_CASE("an access moves with the axes in its subscripts, by their strides in memory") {
  const std::vector<ir::Read> reads = inner_reads(nest);
  REQUIRE(reads.size() == 2);
  const ir::Read& x = reads[0];
  const auto stride = [&](const char* name) {
    CHECK(moves(x.index, axis(name)) == (stride_along(nest, x.operand, x.index, axis(name)) != 0));
    return stride_along(nest, x.operand, x.index, axis(name));
  };
  CHECK(stride("h") == 20);
  CHECK(stride("w") == 4);
  CHECK(stride("w1") == 1);
  CHECK(stride("kw") == 1);
  CHECK(moves(reads[1].index, axis("kw")));
  CHECK_FALSE(moves(reads[1].index, axis("h")));
  const ir::Expr& update = nest.accumulators.front().update;
  CHECK(moves(update, axis("h")));
  CHECK_FALSE(moves(std::get<ir::Fma>(update->is).b, axis("h")));
}

TEST_CASE("reads of the sums are each met once, those of the results where nothing is summed up") {
  const ir::NestProgram square = tests::nest_of(R"(
  x: input f32[8]
  y: output f32[8]
  parallel w in 0..8
  y[w] = fma(x[w], x[w], x[w])
)");
  CHECK(inner_reads(square.nests.front()).size() == 1);
  CHECK(inner_reads(nest).size() == 2); // not k[0] of the result
}

TEST_CASE("digits of one position share its border, and a row by itself has its own") {
  CHECK(shares_border(nest, axis("w")));
  CHECK(shares_border(nest, axis("w1")));
  CHECK_FALSE(shares_border(nest, axis("h")));
  CHECK(shares_border(nest, axis("kw")));
}

TEST_CASE("lanes run along one dimension, and not through a table") {
  CHECK(lanes_may_run_along(nest, axis("w1")));
  CHECK(lanes_may_run_along(nest, axis("kw")));
  const auto may = [](const std::string& place, bool sums_too) {
    const ir::NestProgram other = tests::nest_of(R"(
  x: input f32[8][8]
  y: output f32[8]
  table0 = [7, 6, 5, 4, 3, 2, 1, 0]
  parallel w in 0..8
  reduce i in 0..1
  acc = 0
  acc <- acc + x[)" + place + R"(]
  y[w] = acc
)");
    return lanes_may_run_along(other.nests.front(), other.nests.front().axis("w")->var, sums_too);
  };
  CHECK(may("0, w", true));
  CHECK_FALSE(may("w, w", true));
  CHECK_FALSE(may("0, table0[w]", true));
  CHECK(may("0, table0[w]", false)); // of the results alone
}
