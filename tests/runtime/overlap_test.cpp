#include "runtime/overlap.h"
#include "tests/support/catch.h"
#include "tests/support/dice.h"

#include <set>
#include <vector>

using namespace volute;
using runtime::Footprint;
using runtime::may_overlap;
using volute::tests::Dice;

namespace {

/// A tensor of bytes somewhere in a row of them.
struct Placed {
  ir::TensorType type;
  compiler::TensorStrides strides;
  const std::byte* data;

  Footprint footprint() const {
    return {data, *compiler::checked_span_bytes(type, strides), &type, &strides};
  }
  std::set<int64_t> bytes(const std::byte* origin) const {
    std::set<int64_t> result;
    if (type.elements() == 0) return result;
    for (int64_t i = 0; i < type.extents[0].size; ++i)
      for (int64_t j = 0; j < type.extents[1].size; ++j)
        for (int64_t k = 0; k < type.extents[2].size; ++k)
          result.insert(data - origin + i * strides[0] + j * strides[1] + k * strides[2]);
    return result;
  }
};

Placed placed(std::vector<int64_t> extents, compiler::TensorStrides strides,
              const std::byte* data) {
  using ir::Axis;
  return {
      {ir::ElementType::u8, {{Axis::n, extents[0]}, {Axis::w, extents[1]}, {Axis::c, extents[2]}}},
      std::move(strides),
      data};
}

const std::vector<std::byte> memory(4096);

} // namespace

TEST_CASE("channels of one image, channels last, are told apart") {
  const std::byte* image = memory.data();
  const Placed front = placed({2, 10, 3}, {80, 8, 1}, image + 1);
  const auto meets = [&](int64_t offset) {
    return may_overlap(front.footprint(),
                       placed({2, 10, 3}, {80, 8, 1}, image + 1 + offset).footprint());
  };
  CHECK(meets(0));
  CHECK(meets(1));
  CHECK(meets(2));
  CHECK(!meets(3));
  CHECK(!meets(4));
  CHECK(!meets(5));
  CHECK(meets(6)); // reaches into the next pixel
  CHECK(meets(8));
  CHECK(!meets(160)); // behind the last image
}

TEST_CASE("memory without a shape overlaps whatever reaches into it") {
  const std::byte* at = memory.data();
  const Footprint block{at, 64};
  CHECK(may_overlap(block, {at + 63, 1}));
  CHECK(!may_overlap(block, {at + 64, 1}));
  CHECK(!may_overlap(block, {at + 10, 0}));
  CHECK(!may_overlap({nullptr, 0}, block));
}

TEST_CASE("two tensors that share an element are never taken for apart") {
  Dice dice(5);
  int told_apart = 0;
  for (int round = 0; round < 20000; ++round) {
    const auto draw = [&] {
      std::vector<int64_t> extents, strides;
      for (int i = 0; i < 3; ++i) {
        extents.push_back(dice.between(dice.once_in(20) ? 0 : 1, 4));
        strides.push_back(dice.one_of({0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32}));
      }
      return placed(extents, strides, memory.data() + dice.between(0, 60));
    };
    const Placed a = draw(), b = draw();
    const std::set<int64_t> of_a = a.bytes(memory.data()), of_b = b.bytes(memory.data());
    bool share = false;
    for (const int64_t byte : of_a) share = share || of_b.count(byte) > 0;
    const bool told = may_overlap(a.footprint(), b.footprint());
    if (share) CHECK(told);
    told_apart += !told;
  }
  CHECK(told_apart > 1000);
}
