#include "compiler/nests/slides.h"
#include "compiler/nests/strides.h"
#include "tests/support/catch.h"
#include "tests/support/small_nest.h"

#include <optional>
#include <string>

using namespace volute;

namespace {

/// Along h and kh, of an image and a filter that are read there.
std::optional<int64_t> step(const std::string& image, const std::string& filter = "kh",
                            const std::string& where = "") {
  const ir::NestProgram program = tests::nest_of(R"(
  x: input f32[40]
  k: input f32[40]
  y: output f32[4]
  table0 = [2, 1, 0]
  parallel h in 0..4
  reduce kh in 0..3
)" + (where.empty() ? "" : "  where 0 <= " + where + " < 40\n") +
                                                 R"(  acc = 0
  acc <- fma(x[)" + image + "], k[" + filter + R"(], acc)
  y[h] = acc
)");
  const ir::Nest& nest = program.nests.front();
  return compiler::slide_step(nest, compiler::inner_reads(nest), nest.axis("h")->var,
                              nest.axis("kh")->var);
}

} // namespace

TEST_CASE("taps slide by the elements that lie between neighbours, in taps") {
  CHECK(step("h + kh") == 1);
  CHECK(step("2*h + kh") == 2);
  CHECK(step("4*h + 2*kh") == 2);
  CHECK(step("h + kh + 5", "kh", "h + kh") == 1);
}

TEST_CASE("taps that meet no place twice, or at other places than they seem to, do not slide") {
  CHECK_FALSE(step("h + 2*kh"));     // farther apart than elements
  CHECK_FALSE(step("3*h + 2*kh"));   // at places of their own
  CHECK_FALSE(step("2*h - kh + 2")); // the other way
  CHECK_FALSE(step("h", "kh"));      // the image does not move with them
  CHECK_FALSE(step("h + kh", "table0[kh]"));
  CHECK_FALSE(step("h + kh", "h + 2*kh"));
  CHECK_FALSE(step("h + kh", "kh", "2*h + kh"));
  CHECK_FALSE(step("h + kh", "kh", "h"));
}
