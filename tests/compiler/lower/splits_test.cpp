#include "compiler/lower/splits.h"
#include "ir/parse.h"
#include "tests/support/catch.h"

#include <vector>

using namespace volute;
using namespace volute::compiler;
using ir::Affine;
using ir::Axis;
using ir::TensorType;
using ir::Var;

namespace {

TensorType activation(std::vector<ir::Extent> extents) {
  return {ir::ElementType::f32, std::move(extents)};
}

} // namespace

TEST_CASE("the boundaries of a split axis are the products of its inner parts") {
  const TensorType type = activation(
      {{Axis::n, 2}, {Axis::c, 4}, {Axis::h, 3}, {Axis::c, 2}, {Axis::w, 5}, {Axis::c, 8}});
  CHECK(boundaries(type, Axis::c) == Boundaries{8, 16});
  CHECK(boundaries(type, Axis::h).empty());
  CHECK(boundaries(type, Axis::d).empty());
}

TEST_CASE("parts of extent one cut nothing") {
  CHECK(boundaries(activation({{Axis::c, 4}, {Axis::c, 1}}), Axis::c).empty());
  CHECK(boundaries(activation({{Axis::c, 1}, {Axis::c, 4}}), Axis::c).empty());
}

TEST_CASE("cuts are a chain when each divides the next") {
  CHECK(is_chain({}));
  CHECK(is_chain({4, 16, 48}));
  CHECK_FALSE(is_chain({6, 16}));
  CHECK(below({2, 4, 16}, 4) == Boundaries{2});
  CHECK(above({2, 4, 16, 32}, 4) == Boundaries{4, 8});
}

TEST_CASE("a digit of a position is what its element along that part is, or is not affine") {
  const Var outer{0}, inner{1};
  const auto extent_of = [&](Var v) { return v == outer ? 3 : 16; };
  const Affine position = Affine(outer) * 16 + Affine(inner);
  CHECK(*digit(position, 16, 3, true, extent_of) == Affine(outer));
  CHECK(*digit(position, 1, 16, false, extent_of) == Affine(inner));
  // Half of an axis of 16 is no affine function of it.
  CHECK_FALSE(digit(position, 8, 2, false, extent_of));
  CHECK_FALSE(digit(position - 1, 16, 3, true, extent_of));
  // A constant is carried into the digit it belongs to, as long as no sum overflows into the next.
  const auto of_eight = [&](Var v) { return v == outer ? 3 : 8; };
  CHECK(*digit(position + 8, 16, 3, true, of_eight) == Affine(outer));
  CHECK(*digit(position + 8, 1, 16, false, of_eight) == Affine(inner) + 8);
  CHECK_FALSE(digit(position + 9, 1, 16, false, of_eight));
}

TEST_CASE("digits put together are the position, for every point of the axes") {
  // 60 = 3 * 4 * 5, walked as 3, 4, 5 and cut at 5 and 20.
  const std::vector<int64_t> extents = {3, 4, 5};
  const Affine position = Affine(Var{0}) * 20 + Affine(Var{1}) * 5 + Affine(Var{2});
  const auto extent_of = [&](Var v) { return extents[static_cast<size_t>(v.id)]; };
  const Affine high = *digit(position, 20, 3, true, extent_of);
  const Affine middle = *digit(position, 5, 4, false, extent_of);
  const Affine low = *digit(position, 1, 5, false, extent_of);
  CHECK(high * 20 + middle * 5 + low == position);
}

TEST_CASE("channels of a grouped convolution are cut at groups and within them") {
  // 2 groups of 8 inputs and 16 outputs; the image lies in parts of 4, the result in parts of 16.
  const TensorType weight = activation({{Axis::o, 32}, {Axis::i, 2}, {Axis::i, 4}});
  const ChannelCuts cuts = channel_cuts({4}, {16}, weight, 8, 16);
  CHECK(cuts.go_together);
  CHECK(cuts.in == Boundaries{4});
  CHECK(cuts.out.empty());
  CHECK(cuts.group.empty());
}

TEST_CASE("parts larger than a group cut the groups") {
  const TensorType weight = activation({{Axis::o, 32}, {Axis::i, 2}});
  const ChannelCuts cuts = channel_cuts({8}, {}, weight, 2, 2);
  CHECK(cuts.go_together);
  CHECK(cuts.group == Boundaries{4});
}

TEST_CASE("parts that neither divide a group nor are divided by one do not go together") {
  const TensorType weight = activation({{Axis::o, 12}, {Axis::i, 6}});
  CHECK_FALSE(channel_cuts({4}, {}, weight, 6, 6).go_together);
  CHECK_FALSE(channel_cuts({2}, {}, activation({{Axis::o, 12}, {Axis::i, 2}, {Axis::i, 3}}), 6, 6)
                  .go_together);
  CHECK(channel_cuts({3}, {2}, weight, 6, 6).go_together);
}

TEST_CASE("an unsplit type has every axis whole where it first appears") {
  CHECK(to_string(unsplit(
            activation({{Axis::n, 1}, {Axis::c, 4}, {Axis::h, 3}, {Axis::w, 5}, {Axis::c, 8}}))) ==
        "f32[n=1, c=32, h=3, w=5]");
}
