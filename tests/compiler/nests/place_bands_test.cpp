// Which nests are computed inside which, as the report says it.

#include "compiler/nests/place_bands.h"
#include "compiler/pipeline.h"
#include "compiler/target/target.h"
#include "ir/parse.h"
#include "tests/support/catch.h"
#include "tests/support/stages.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

using namespace volute;

namespace {

/// What is said of bands inside a nest of a convolution in a form, for a core with so many bytes of
/// L2.
std::string said_of(const std::string& nest, const std::string& x, const std::string& w,
                    const std::string& form, int64_t l2_bytes) {
  const std::string text = fmt::format(
      "program @p(%x: f32[{}], %w: f32[{}]) {{\n  %y = conv %x, %w\n  return %y\n}}\n", x, w);
  compiler::CompileRequest request = tests::request_for("znver4");
  request.target.l2_bytes = l2_bytes;
  request.accuracy = 1000;
  request.schedule = "form conv_y " + form;
  const compiler::Stages all =
      compiler::specialise_program(ir::parse(text).value(), request).value();
  std::string said;
  for (const std::string& why : all.report.bands)
    if (why.find("inside " + nest + ",") != why.npos ||
        why.find("inside " + nest + ":") != why.npos)
      said += why + "\n";
  return said;
}

/// Of the last transform.
std::string said_of_last(const std::string& x, const std::string& w, const std::string& form,
                         int64_t l2_bytes) {
  return said_of("conv_y", x, w, form, l2_bytes);
}

} // namespace

TEST_CASE("the nests of an algorithm are cut along an axis where bands compute nothing twice") {
  // Rows of h are tiles; along d each of three slices would be transformed for three bands.
  CHECK_THAT(said_of_last("n=1, d=18, h=30, w=30, c=16", "o=16, i=16, d=3, h=3, w=3",
                          "winograd1x4x4", 256 << 10),
             Catch::Matchers::StartsWith("conv_y_w is computed inside conv_y, 4 rows for every 4 "
                                         "of h: "));
  // One tap along d and h, tiles along d: there are more rows of h.
  CHECK_THAT(said_of_last("n=1, d=18, h=28, w=28, c=16", "o=16, i=16, d=3, h=1, w=1",
                          "winograd4x1x1", 256 << 10),
             Catch::Matchers::StartsWith("conv_y_d is computed inside conv_y, 1 rows for every 1 "
                                         "of h: "));
}

TEST_CASE("slices that are more than L2 holds are images, and cut into bands each") {
  CHECK_THAT(said_of_last("n=1, d=16, h=30, w=30, c=64", "o=64, i=64, d=1, h=3, w=3",
                          "winograd1x2x2", 256 << 10),
             Catch::Matchers::ContainsSubstring("of h: "));
  CHECK_THAT(said_of_last("n=1, d=16, h=30, w=30, c=64", "o=64, i=64, d=1, h=3, w=3",
                          "winograd1x2x2", 4 << 20),
             Catch::Matchers::ContainsSubstring("of d: "));
}

TEST_CASE("a filter that comes from memory is not read again for every band") {
  const std::string said = said_of_last("n=1, d=4, h=16, w=16, c=512",
                                        "o=512, i=512, d=3, h=3, w=3", "winograd1x4x4", 1 << 20);
  CHECK_THAT(said,
             Catch::Matchers::StartsWith("conv_y_w is not computed in bands inside conv_y: "));
  CHECK_THAT(said, Catch::Matchers::ContainsSubstring("a filter of 110592 KiB would be read for "
                                                      "every band"));
  // Nor for every image, by the products alone.
  const std::string x = "n=16, h=9, w=9, c=512", w = "o=512, i=512, h=3, w=3";
  for (const char* nest : {"conv_y", "conv_y_products"}) {
    CAPTURE(nest);
    const std::string of_batch = said_of(nest, x, w, "winograd4x4", 1 << 20);
    CHECK_THAT(of_batch, Catch::Matchers::ContainsSubstring("a filter of 36864 KiB would be read "
                                                            "for every band"));
    CHECK_THAT(of_batch, !Catch::Matchers::ContainsSubstring("is computed inside"));
  }
  // Nor where L2 holds everything.
  CHECK_THAT(said_of_last("n=1, h=16, w=16, c=16", "o=16, i=16, h=3, w=3", "winograd4x4", 4 << 20),
             Catch::Matchers::ContainsSubstring("L2 holds"));
}

TEST_CASE("what bands cost: the filter for each, or all that is between once more") {
  const compiler::Target target = compiler::parse_target("znver4,l2=1M,l3=32M").value();
  CHECK(compiler::cycles_in_bands(target, 512 << 10, 100) == 0); // stays in L2
  const double few = compiler::cycles_in_bands(target, 8 << 20, 3);
  CHECK(compiler::cycles_in_bands(target, 8 << 20, 6) == 2 * few);
  // Four times the bytes, and from memory.
  CHECK(compiler::cycles_in_bands(target, 32 << 20, 3) > 8 * few);
  CHECK(compiler::cycles_in_turn(target, 8 << 20, 16 << 20) >
        compiler::cycles_in_turn(target, 8 << 20, 8 << 20));
}
