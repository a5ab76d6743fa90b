// Axes of the parts of numbers: how many of their combinations count.

#include "compiler/nests/domain_points.h"
#include "compiler/nests/parts.h"
#include "ir/nest.h"
#include "tests/support/catch.h"

#include <fmt/format.h>

#include <string>

using namespace volute;

namespace {

/// A product of matrices whose elements have so many parts; those count whose sum is large enough.
ir::NestProgram product(int64_t parts, const std::string& where) {
  return ir::parse_nests(fmt::format(
                             R"(nests p

input x: bf16[{2}]
input w: bf16[{3}]
output y: f32[4]

nest product_y {{
  x: input bf16[{0}][8]
  w: input bf16[{0}][4][8]
  y: output f32[4]
  parallel o in 0..4
  reduce wp in 0..{0}, xp in 0..{0}, i in 0..8
  {1}
  acc = 0
  acc <- fma(f32(x[xp, i]), f32(w[wp, o, i]), acc)
  y[o] = acc
}}
)",
                             parts, where, 8 * parts, 32 * parts))
      .value();
}

} // namespace

TEST_CASE("products of small parts are left out of the count") {
  const auto share = [](int64_t parts, const std::string& where) {
    const ir::NestProgram program = product(parts, where);
    CHECK(compiler::has_parts(program.nests.front()));
    return compiler::share_of_parts(program.nests.front());
  };
  CHECK(share(3, "where 0 <= wp + xp - 2 < 3") == 6.0 / 9);
  CHECK(share(2, "where 0 <= wp + xp - 1 < 2") == 3.0 / 4);
  CHECK(share(3, "where 0 <= xp < 3") == 1);
  CHECK(share(1, "where 0 <= wp + xp < 1") == 1);
}

TEST_CASE("what is asked for is the products that count") {
  const ir::Nest nest = product(3, "where 0 <= wp + xp - 2 < 3").nests.front();
  CHECK(compiler::multiply_adds_asked_for(nest) == 6 * 4 * 8);
}

TEST_CASE("other axes have no parts, whatever meets padding") {
  const ir::Nest nest = ir::parse_nests(R"(nests p

input x: f32[9]
input k: f32[3]
output y: f32[9]

nest y {
  x: input f32[9]
  k: input f32[3]
  y: output f32[9]
  parallel w in 0..9
  reduce kw in 0..3
  where 0 <= w + kw - 1 < 9
  acc = 0
  acc <- fma(x[w + kw - 1], k[kw], acc)
  y[w] = acc
}
)")
                            .value()
                            .nests.front();
  CHECK(!compiler::has_parts(nest));
  CHECK(compiler::share_of_parts(nest) == 1);
}
