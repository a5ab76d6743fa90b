#include "tests/support/evaluate.h"

#include <cmath>
#include <limits>

using Catch::Matchers::ContainsSubstring;
using volute::test::count_from;
using volute::test::evaluated;
using volute::test::Numbers;
using volute::test::y_of;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();

/// One pool along w, over f32 unless the type says otherwise.
std::string row(size_t extent, const std::string& operation, const std::string& type = "f32") {
  return "program @p(%x: " + type + "[n=1, c=1, w=" + std::to_string(extent) +
         "]) {\n  %y = " + operation + "\n  return %y\n}";
}

std::string indexed(size_t extent, const std::string& attributes, const std::string& type = "f32") {
  return "program @p(%x: " + type + "[n=1, c=1, w=" + std::to_string(extent) +
         "]) {\n  %y, %idx = max_pool %x {" + attributes + "}\n  return %y, %idx\n}";
}

void check_close(const Numbers& actual, const Numbers& expected) {
  REQUIRE(actual.size() == expected.size());
  for (size_t i = 0; i < actual.size(); ++i) CHECK(actual[i] == Approx(expected[i]));
}

} // namespace

TEST_CASE("max_pool over the 5x5 image gives the published numbers", "[reference][pool]") {
  const Numbers image = {1, 2, 0, 3, 1, 0, 1, 2, 3, 1, 1, 2, 1, 0, 0, 5, 2, 3, 1, 1, 2, 1, 0, 1, 1};
  const auto pooled = [&](const std::string& attributes) {
    return y_of("program @p(%x: f32[n=1, c=1, h=5, w=5]) {\n  %y = max_pool %x {" + attributes +
                    "}\n  return %y\n}",
                {{"x", image}});
  };
  CHECK(pooled("kernel = 3, ceil_mode = true") == Numbers{2, 3, 5, 1});
  CHECK(pooled("kernel = 3") == Numbers{2});
}

TEST_CASE("the arg-max is the first of equal values and the last of NaNs", "[reference][pool]") {
  const auto of = [](const Numbers& x) {
    return evaluated(indexed(x.size(), "kernel = " + std::to_string(x.size())), {{"x", x}});
  };
  CHECK(of({1, 3, 3, 2}).at("y") == Numbers{3});
  CHECK(of({1, 3, 3, 2}).at("idx") == Numbers{1});
  CHECK(of({-0.0, 0.0}).at("idx") == Numbers{0});
  CHECK(std::isnan(of({1, nan_value, nan_value, 2}).at("y")[0]));
  CHECK(of({1, nan_value, nan_value, 2}).at("idx") == Numbers{2});
  CHECK(of({nan_value, infinity}).at("idx") == Numbers{0});
  CHECK(of({-infinity, -infinity}).at("y") == Numbers{-infinity});
  CHECK(of({-infinity, -infinity}).at("idx") == Numbers{0});
}

TEST_CASE("the arg-max of a window that begins in padding counts from the input's begin",
          "[reference][pool]") {
  const auto result =
      evaluated(indexed(3, "kernel = 3, stride = 1, pad = 1"), {{"x", {-1, -1, -2}}});
  CHECK(result.at("y") == Numbers{-1, -1, -1});
  CHECK(result.at("idx") == Numbers{0, 0, 1});
}

TEST_CASE("a window whose taps all miss the input is -inf at -1", "[reference][pool]") {
  const std::string attributes = "kernel = 2, stride = 1, dilation = 3, pad = 1";
  const auto floats = evaluated(indexed(2, attributes), {{"x", {5, 6}}});
  CHECK(floats.at("y") == Numbers{-infinity});
  CHECK(floats.at("idx") == Numbers{-1});
  const auto bytes = evaluated(indexed(2, attributes, "i8"), {{"x", {5, 6}}});
  CHECK(bytes.at("y") == Numbers{-128});
  CHECK(bytes.at("idx") == Numbers{-1});
}

TEST_CASE("integers pool by their own order and never see a zero in the padding",
          "[reference][pool]") {
  CHECK(y_of(row(3, "max_pool %x {kernel = 3, stride = 2, pad = 1}", "i8"),
             {{"x", {-5, -3, -128}}}) == Numbers{-3, -3});
  CHECK(y_of(row(2, "max_pool %x {kernel = 2}", "u8"), {{"x", {200, 100}}}) == Numbers{200});
  CHECK(y_of(row(2, "max_pool %x {kernel = 2}", "i32"), {{"x", {-2147483648.0, 7}}}) == Numbers{7});
}

TEST_CASE("indices count d, h, w whatever the memory order", "[reference][pool]") {
  const auto of = [](const std::string& type, const Numbers& x) {
    return evaluated("program @p(%x: " + type +
                         ") {\n  %y, %idx = max_pool %x {kernel = [2, 3]}\n  return %y, %idx\n}",
                     {{"x", x}})
        .at("idx");
  };
  CHECK(of("f32[n=1, c=1, h=2, w=3]", {0, 0, 0, 9, 0, 0}) == Numbers{3});
  CHECK(of("f32[n=1, w=3, h=2, c=1]", {0, 9, 0, 0, 0, 0}) == Numbers{3});
  CHECK(evaluated("program @p(%x: f32[n=1, c=1, d=2, h=2, w=2]) {\n"
                  "  %y, %idx = max_pool %x {kernel = [2, 1, 1]}\n  return %y, %idx\n}",
                  {{"x", {0, 5, 0, 5, 4, 0, 4, 6}}})
            .at("idx") == Numbers{4, 1, 6, 7});
}

TEST_CASE("averages divide as PyTorch does under ceil_mode", "[reference][pool]") {
  const std::string text = "program @p(%x: f64[n=1, c=1, h=4, w=4]) {\n"
                           "  %y = avg_pool %x {kernel = 3, stride = 2, pad = 1, ceil_mode = true";
  const Numbers x = count_from(1, 16);
  // The last row and column hang over the end padding; only what is inside it counts.
  check_close(y_of(text + "}\n  return %y\n}", {{"x", x}}),
              {14.0 / 9, 30.0 / 9, 2, 57.0 / 9, 11, 6, 4.5, 7.5, 4});
  check_close(y_of(text + ", count_include_pad = false}\n  return %y\n}", {{"x", x}}),
              {3.5, 5, 6, 9.5, 11, 12, 13.5, 15, 16});
  check_close(y_of(text + ", divisor = -2}\n  return %y\n}", {{"x", x}}),
              {-7, -15, -6, -28.5, -49.5, -18, -13.5, -22.5, -8});
}

TEST_CASE("averages without padding ignore the padding that SAME adds", "[reference][pool]") {
  CHECK(y_of(row(3, "avg_pool %x {kernel = 2, stride = 1, pad = same_upper, "
                    "count_include_pad = false}"),
             {{"x", {1, 2, 3}}}) == Numbers{1.5, 2.5, 3});
  CHECK(y_of(row(3, "avg_pool %x {kernel = 2, stride = 1, pad = same_upper}"),
             {{"x", {1, 2, 3}}}) == Numbers{1.5, 2.5, 1.5});
}

TEST_CASE("an average over no taps is NaN, with padding counted 0", "[reference][pool]") {
  const std::string attributes = "kernel = 2, stride = 1, dilation = 3, pad = 1";
  CHECK(std::isnan(y_of(row(2, "avg_pool %x {" + attributes + ", count_include_pad = false}"),
                        {{"x", {5, 6}}})[0]));
  CHECK(y_of(row(2, "avg_pool %x {" + attributes + "}"), {{"x", {5, 6}}}) == Numbers{0});
  CHECK(y_of(row(2, "lp_pool %x {" + attributes + "}"), {{"x", {5, 6}}}) == Numbers{0});
}

TEST_CASE("averages and norms dilate", "[reference][pool]") {
  CHECK(y_of(row(5, "avg_pool %x {kernel = 2, stride = 1, dilation = 3}"),
             {{"x", {1, 2, 3, 4, 5}}}) == Numbers{2.5, 3.5});
  CHECK(y_of(row(4, "lp_pool %x {kernel = 2, stride = 1, dilation = 3}"), {{"x", {3, 9, 9, 4}}}) ==
        Numbers{5});
}

TEST_CASE("lp_pool is the norm of absolute values", "[reference][pool]") {
  const auto norm = [](const std::string& attributes) {
    return y_of(row(4, "lp_pool %x {kernel = 4" + attributes + "}", "f64"),
                {{"x", {-1, -2, -3, -4}}})[0];
  };
  CHECK(norm(", p = 1") == 10);
  CHECK(norm("") == Approx(std::sqrt(30)));
  CHECK(norm(", p = 3") == Approx(std::cbrt(100)));
}

TEST_CASE("lp_pool adds no more for a clipped last window than it holds", "[reference][pool]") {
  CHECK(y_of(row(3, "lp_pool %x {kernel = 2, p = 1, ceil_mode = true}"), {{"x", {1, 2, 3}}}) ==
        Numbers{3, 3});
}

TEST_CASE("global pools keep their spatial axes with one element", "[reference][pool]") {
  const std::string text = "program @p(%x: f32[n=1, c=2, h=2, w=2]) {\n"
                           "  %y = global_max_pool %x : f32[n=1, c=2, h=1, w=1]\n"
                           "  %a = global_avg_pool %x : f32[n=1, c=2, h=1, w=1]\n"
                           "  return %y, %a\n}";
  const auto result = evaluated(text, {{"x", {1, 2, 3, 4, -1, -2, -3, -4}}});
  CHECK(result.at("y") == Numbers{4, -1});
  CHECK(result.at("a") == Numbers{2.5, -2.5});
  CHECK(y_of(row(3, "global_max_pool %x", "i32"), {{"x", {-7, -9, -8}}}) == Numbers{-7});
  CHECK(std::isnan(y_of(row(3, "global_max_pool %x"), {{"x", {1, nan_value, 2}}})[0]));
}

TEST_CASE("adaptive cells overlap where the sizes do not divide", "[reference][pool]") {
  CHECK(y_of(row(5, "adaptive_avg_pool %x {output = 3}"), {{"x", {1, 2, 3, 4, 5}}}) ==
        Numbers{1.5, 3, 4.5});
  CHECK(y_of(row(5, "adaptive_max_pool %x {output = 3}"), {{"x", {1, 2, 3, 4, 5}}}) ==
        Numbers{2, 4, 5});
  const auto with_places =
      evaluated("program @p(%x: f32[n=1, c=2, h=3, w=4]) {\n"
                "  %y, %at = adaptive_max_pool %x {output = 2}\n  return %y, %at\n}",
                {{"x", {1,         2, 2, 1, 0,         2, 3, 3, 0,  0,  3,  1, //
                        nan_value, 0, 0, 0, nan_value, 0, 0, 0, -1, -1, -1, -1}}});
  CHECK(with_places.at("at") == Numbers{1, 6, 5, 6, 4, 2, 4, 6}); // first of equals, last of NaN
  CHECK(with_places.at("y")[1] == 3);
  CHECK(std::isnan(with_places.at("y")[4]));
  CHECK(y_of(row(2, "adaptive_avg_pool %x {output = 5}"), {{"x", {1, 3}}}) ==
        Numbers{1, 1, 2, 3, 3});
}

TEST_CASE("max_unpool puts values back where they came from", "[reference][pool]") {
  CHECK(y_of("program @p(%x: f32[n=1, c=1, w=4]) {\n"
             "  %0, %idx = max_pool %x {kernel = 2}\n"
             "  %y = max_unpool %0, %idx {kernel = 2}\n  return %y\n}",
             {{"x", {1, 2, 4, 3}}}) == Numbers{0, 2, 4, 0});
}

TEST_CASE("max_unpool counts its indices along the result's d, h, w", "[reference][pool]") {
  // Channels last: index 3 of a 2x3 result is the first of its second row.
  CHECK(y_of("program @p(%x: i8[n=1, h=1, w=1, c=2], %i: i64[n=1, h=1, w=1, c=2]) {\n"
             "  %y = max_unpool %x, %i {kernel = [2, 3]}\n  return %y\n}",
             {{"x", {7, 8}}, {"i", {3, 2}}}) == Numbers{0, 0, 0, 0, 0, 8, 7, 0, 0, 0, 0, 0});
}

TEST_CASE("of two values for one position max_unpool keeps the later", "[reference][pool]") {
  CHECK(y_of("program @p(%x: f32[n=1, c=1, w=2], %i: i64[n=1, c=1, w=2]) {\n"
             "  %y = max_unpool %x, %i {kernel = 2}\n  return %y\n}",
             {{"x", {5, 6}}, {"i", {1, 1}}}) == Numbers{0, 6, 0, 0});
}

TEST_CASE("max_unpool refuses an index that the result does not have", "[reference][pool]") {
  const std::string text = "program @p(%x: f32[n=1, c=1, w=2], %i: i64[n=1, c=1, w=2]) {\n"
                           "  %y = max_unpool %x, %i {kernel = 2}\n  return %y\n}";
  CHECK_THROWS_WITH(y_of(text, {{"x", {5, 6}}, {"i", {0, 4}}}),
                    ContainsSubstring("max_unpool: index 4 is outside the result's 4 positions") &&
                        ContainsSubstring("indices run from 0 to 3"));
  CHECK_THROWS_WITH(y_of(text, {{"x", {5, 6}}, {"i", {-1, 0}}}),
                    ContainsSubstring("max_unpool: index -1 is outside the result's 4 positions"));
}
