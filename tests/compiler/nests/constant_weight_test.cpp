#include "compiler/nests/constant_weight.h"
#include "ir/walk.h"
#include "tests/support/catch.h"
#include "tests/support/lowered.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string>
#include <vector>

using namespace volute;
using compiler::ConstantWeight;
using compiler::KnownValues;

namespace {

using Numbers = std::vector<int>;

/// A layer whose filter [o, i, w=3] is known, and what is known of it.
struct Filter {
  Filter(int outputs, int inputs, const Numbers& numbers, const std::string& type = "f32",
         const std::string& attributes = "")
      : nests(tests::lowered(fmt::format(
            "program @p(%x: {0}[n=1, c={2}, w=9]) {{ %k = const [{3}] : {0}[o={1}, i={2}, w=3]"
            " %y = conv %x, %k {{{4}}} return %y }}",
            type, outputs, inputs, fmt::join(numbers, ", "), attributes))),
        weight(ConstantWeight::of(nests.nests.front(), nests.buffers)) {
    REQUIRE(weight);
  }
  const ir::Nest& nest() const { return nests.nests.front(); }
  KnownValues known(const std::vector<std::pair<std::string, int64_t>>& values) const {
    KnownValues all(nest().vars.size());
    for (const auto& [name, value] : values)
      all[static_cast<size_t>(nest().axis(name)->var.id)] = value;
    return all;
  }

  ir::NestProgram nests;
  std::optional<ConstantWeight> weight;
};

} // namespace

TEST_CASE("a weight that is given at run time has no numbers") {
  const ir::NestProgram nests = tests::lowered(
      "program @p(%x: f32[n=1, c=1, w=9], %k: f32[o=1, i=1, w=3]) { %y = conv %x, %k return %y }");
  CHECK_FALSE(ConstantWeight::of(nests.nests.front(), nests.buffers));
}

TEST_CASE("zeros are found wherever nothing else is possible") {
  const Filter filter(2, 1, {0, 2, 0, 0, 5, 6});
  CHECK(filter.weight->count() == 6);
  CHECK(filter.weight->density() == 0.5);
  CHECK(filter.weight->is_zero(filter.known({{"o", 0}, {"i", 0}, {"kw", 0}})));
  CHECK_FALSE(filter.weight->is_zero(filter.known({{"o", 0}, {"i", 0}, {"kw", 1}})));
  CHECK(filter.weight->is_zero(filter.known({{"kw", 0}})));       // of both channels
  CHECK_FALSE(filter.weight->is_zero(filter.known({{"kw", 2}}))); // of one of them
  CHECK(filter.weight->is_tap(filter.nest().axis("kw")->var));
  CHECK_FALSE(filter.weight->is_tap(filter.nest().axis("i")->var));
  CHECK(filter.weight->moves_along(filter.nest().axis("o")->var));
  CHECK_FALSE(filter.weight->moves_along(filter.nest().axis("w")->var));
}

TEST_CASE("of bytes, what adds nothing is the zero point") {
  const Filter filter(1, 1, {0, 3, 7}, "u8", "w_zero_point = 3");
  CHECK_FALSE(filter.weight->is_zero(filter.known({{"kw", 0}})));
  CHECK(filter.weight->is_zero(filter.known({{"kw", 1}})));
}

TEST_CASE("numbers stand in the place of what is read, and products with 0 are gone") {
  const Filter filter(1, 1, {0, 2, 1});
  const ir::Expr& update = filter.nest().accumulators.front().update;
  const auto put_in = [&](int64_t tap) {
    return filter.weight->put_in(update, filter.known({{"o", 0}, {"i", 0}, {"kw", tap}}));
  };
  CHECK(put_in(0) == nullptr);
  const ir::Expr twice = put_in(1);
  REQUIRE(twice);
  const auto* product = std::get_if<ir::Fma>(&twice->is);
  REQUIRE(product);
  const auto* number = std::get_if<ir::Imm>(&product->b->is);
  REQUIRE(number);
  CHECK(number->real == 2);
}

TEST_CASE("few numbers are small, and taps that are nearly all empty are worth copying out") {
  CHECK(Filter(2, 2, Numbers(12, 1)).weight->is_small());
  CHECK_FALSE(Filter(8, 8, Numbers(192, 1)).weight->is_small());
  CHECK_FALSE(Filter(8, 8, Numbers(192, 1)).weight->has_empty_taps());
  Numbers last_tap_alone;
  for (int i = 0; i < 192; ++i) last_tap_alone.push_back(i % 3 == 2);
  CHECK(Filter(8, 8, last_tap_alone).weight->has_empty_taps());
}
