#include "compiler/lower.h"
#include "ir/parse.h"
#include "tests/support/catch.h"

#include <string>
#include <vector>

using namespace volute;

namespace {

/// What lower says about a program that the language allows, one line a refusal.
std::vector<std::string> refused(const std::string& text) {
  const Expected<ir::NestProgram> nests = compiler::lower(ir::parse(text).value());
  std::vector<std::string> lines;
  if (!nests)
    for (const Diagnostic& diagnostic : nests.diagnostics()) lines.push_back(to_string(diagnostic));
  return lines;
}

using Lines = std::vector<std::string>;

} // namespace

TEST_CASE("operators that are not compiled are refused by name") {
  CHECK(refused(R"(program @p(%x: f32[n=1, c=2, w=5], %w: f32[i=2, o=3, w=2]) {
    %y = conv_transpose %x, %w
    return %y })") == Lines{"conv_transpose: not compiled yet"});
  CHECK(refused(R"(program @p(%x: f32[n=1, c=2, w=5]) {
    %y = adaptive_avg_pool %x {output = 2}
    return %y })") == Lines{"adaptive_avg_pool: not compiled yet"});
  CHECK(refused(R"(program @p(%x: f32[n=1, c=2, w=5]) {
    %y = lp_pool %x {kernel = 2}
    return %y })") == Lines{"lp_pool: not compiled yet"});
  CHECK(refused(R"(program @p(%x: f32[n=1, c=2, w=5], %i: i64[n=1, c=2, w=5]) {
    %y = max_unpool %x, %i {kernel = 2}
    return %y })") == Lines{"max_unpool: not compiled yet"});
  CHECK(refused(R"(program @p(%x: f32[n=1, c=2, w=5]) {
    %y = quantize %x {scale = 0.5, zero_point = 3} : u8[n=1, c=2, w=5]
    return %y })") == Lines{"quantize: not compiled yet"});
}

TEST_CASE("attributes that are not compiled are refused with their value") {
  CHECK(refused(R"(program @p(%x: f32[n=1, c=2, w=5], %w: f32[o=1, i=2, w=3]) {
    %y = conv %x, %w {pad = 1, padding_mode = reflect}
    return %y })") == Lines{"conv: padding_mode = reflect is not compiled yet"});
  CHECK(refused(R"(program @p(%x: f32[n=1, c=2, w=5]) {
    %y = pad %x {pad = 1, mode = circular}
    return %y })") == Lines{"pad: mode = circular is not compiled yet"});
  CHECK(refused(R"(program @p(%x: f32[n=1, c=2, w=5]) {
    %y, %i = max_pool %x {kernel = 2}
    return %y, %i })") == Lines{"max_pool: a second result (the arg-max) is not compiled yet"});
}

TEST_CASE("element types other than f32 are refused, each once a statement") {
  CHECK(refused(R"(program @p(%x: bf16[n=1, c=2, w=5], %w: bf16[o=1, i=2, w=3]) {
    %y = conv %x, %w
    return %y })") == Lines{"conv: element type bf16 is not compiled yet"});
  CHECK(refused(R"(program @p(%x: f32[n=1, c=2, w=5]) {
    %y = convert %x : i32[n=1, c=2, w=5]
    return %y })") == Lines{"convert: element type i32 is not compiled yet"});
  CHECK(refused("program @p(%x: f64[c=2]) { return %x }") ==
        Lines{"return: element type f64 is not compiled yet"});
  CHECK(refused("program @p() { %k = const [1, 2] : u8[c=2] return %k }") ==
        Lines{"return: element type u8 is not compiled yet"});
}

TEST_CASE("split axes are refused, naming the axis and the value") {
  CHECK(refused(R"(program @p(%x: f32[n=1, c=2, h=3, w=5, c=8]) {
    %y = relu %x : f32[n=1, c=16, h=3, w=5]
    return %y })") == Lines{"relu: the split axis c of %x is not compiled yet"});
  CHECK(refused(R"(program @p(%x: f32[n=1, c=16, h=4, w=5]) {
    %y = reorder %x : f32[n=1, c=2, h=2, w=5, c=8, h=2]
    return %y })") == Lines{"reorder: the split axis c of %y is not compiled yet",
                            "reorder: the split axis h of %y is not compiled yet"});
}

TEST_CASE("an average whose divisors would fill the image is refused") {
  CHECK(refused(R"(program @p(%x: f32[n=1, c=1, w=2000000]) {
    %y = avg_pool %x {kernel = 3, stride = 1, pad = 1, count_include_pad = false}
    return %y })") == Lines{"avg_pool: a divisor that differs between 2000000 outputs along one "
                            "axis is not compiled yet, at most 1048576 are"});
  CHECK(refused(R"(program @p(%x: f32[n=1, c=1, w=2000000]) {
    %y = avg_pool %x {kernel = 3, stride = 1, pad = 1}
    return %y })") == Lines{});
}

TEST_CASE("independent refusals come together, each with its place") {
  const std::string text = R"(program @p(%x: f32[n=1, c=2, w=5], %w: bf16[o=1, i=2, w=3],
             %v: bf16[n=1, c=2, w=5]) {
  %0 = conv %v, %w {pad = 1, padding_mode = replicate}
  %1 = convert %0 : f32[n=1, c=1, w=5]
  %y, %i = max_pool %x {kernel = 2}
  return %1, %y, %i
})";
  const auto nests = compiler::lower(ir::parse(text).value());
  REQUIRE_FALSE(nests);
  CHECK(refused(text) == Lines{"conv: padding_mode = replicate is not compiled yet",
                               "conv: element type bf16 is not compiled yet",
                               "convert: element type bf16 is not compiled yet",
                               "max_pool: a second result (the arg-max) is not compiled yet"});
  CHECK(nests.diagnostics()[0].where.line == 3);
  CHECK(nests.diagnostics()[0].where.column == 8);
  CHECK(nests.diagnostics()[3].where.line == 5);
}

TEST_CASE("a conversion to f32 from f32 is a copy and is compiled") {
  CHECK(refused(R"(program @p(%x: f32[n=1, c=2, w=5]) {
    %y = convert %x : f32[n=1, w=5, c=2]
    return %y })") == Lines{});
}
