#include "compiler/schedule/sum_order.h"
#include "tests/support/catch.h"
#include "tests/support/lowered.h"

#include <string>

using namespace volute;
using namespace volute::compiler;

namespace {

const char* const conv = R"(program @p(%x: f32[n=1, c=4, h=9, w=9], %w: f32[o=8, i=4, h=3, w=3]) {
  %y = conv %x, %w return %y })";

/// "kh kw i": what is summed over, in order.
std::string order_of(const std::string& program) {
  const ir::Nest nest = in_stated_order(tests::lowered(program).nests.back());
  std::string names;
  for (const ir::NestAxis& axis : nest.axes)
    if (axis.reduction) names += (names.empty() ? "" : " ") + nest.name_of(axis.var);
  return names;
}

/// Why a schedule adds up in another order than taps, then channels.
std::string verdict(const std::string& schedule) {
  const ir::Nest nest = in_stated_order(tests::lowered(conv).nests.back());
  const auto fault = out_of_order(parse_schedules(schedule).value().at(""), nest);
  return fault ? fault->message : "";
}

} // namespace

TEST_CASE("sums of floats go by taps, then channels; what is the same in every order stays") {
  CHECK(order_of(conv) == "kh kw i");
  CHECK(order_of(R"(program @p(%x: u8[n=1, c=4, w=9], %w: i8[o=8, i=4, w=3]) {
    %y = conv %x, %w return %y })") == "i kw");
  const ir::Nest pool = tests::lowered(R"(program @p(%x: f32[n=1, c=4, w=9]) {
    %y = max_pool %x {kernel = 3} return %y })")
                            .nests.back();
  CHECK_FALSE(order_matters(pool));
  // Sums of bytes in f32, all of which are exact.
  const ir::Nest bytes =
      tests::lowered(R"(program @p(%x: u8[n=1, c=4, w=9], %w: i8[o=4, i=1, w=3]) {
    %y = conv %x, %w {groups = 4, w_zero_point = [1, 2, 3, 4]} return %y })")
          .nests.back();
  CHECK(bytes.accumulators[0].type == ir::ElementType::f32);
  CHECK_FALSE(order_matters(bytes));
  CHECK(order_matters(tests::lowered(conv).nests.back()));
}

TEST_CASE("tiles, vectors along results, unrolling and blocks of the first axis keep the order") {
  for (const char* schedule : {"for h, w, o, kh, kw, i",
                               "for o by 8, w by 3, h, kh, kw unroll, i unroll; registers w 3, "
                               "o 8 vector 8; pack weight",
                               "for kh, n, o, h, w, kw, i", "for n, o, h, w, kh, kw, i by 2, i"}) {
    CAPTURE(schedule);
    CHECK(verdict(schedule) == "");
  }
}

TEST_CASE("another order, and several sums for one result, are told with the nest's order") {
  const std::string rule = ": a deterministic kernel adds up one product after the other, in the "
                           "order of kh, kw, i";
  CHECK(verdict("for n, o, h, w, i, kh, kw") == "nest conv_y: for kh inside i" + rule);
  CHECK(verdict("for n, o, h, w, kh, i, kw") == "nest conv_y: for kw inside i" + rule);
  CHECK(verdict("for n, o, h, w, kh, i by 2, kw, i") == "nest conv_y: for kw inside i" + rule);
  CHECK(verdict("for n, o, h, w, kh, kw, i; registers i 4 vector 4") ==
        "nest conv_y: registers i 4 vector 4" + rule);
  CHECK(verdict("for n, o, h, w, kh, kw, i dot 2") == "nest conv_y: for i dot 2" + rule);
}
