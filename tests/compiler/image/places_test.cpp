#include "compiler/image/places.h"
#include "tests/support/catch.h"

#include <vector>

using namespace volute;
using namespace volute::compiler;
using ir::Axis;

namespace {

std::string fault(const ir::TensorType& type, int64_t limit, const std::vector<int64_t>& places,
                  const TensorStrides& strides = {}) {
  const ImagePlaces of{"i", type, limit, 0, ""};
  return fault_in_places(of, reinterpret_cast<const std::byte*>(places.data()), strides)
      .value_or("none");
}

} // namespace

TEST_CASE("the first place outside is named with its position, in memory order") {
  const ir::TensorType type{ir::ElementType::i64, {{Axis::n, 1}, {Axis::w, 3}, {Axis::c, 2}}};
  CHECK(fault(type, 4, {0, 1, 2, 3, 0, 3}) == "none");
  CHECK(fault(type, 4, {0, 1, 2, 4, 0, -1}) ==
        "%i: the index 4 at [n=0, w=1, c=1] is outside the result's 4 positions");
  CHECK(fault(type, 1, {0, 0, 0, 0, 0, -1}) ==
        "%i: the index -1 at [n=0, w=2, c=1] is outside the result's 1 positions");
}

TEST_CASE("strided places are found where they lie, and nothing between them is looked at") {
  const ir::TensorType type{ir::ElementType::i64, {{Axis::c, 2}, {Axis::w, 2}}};
  CHECK(fault(type, 3, {0, 99, 2, 99, 99, 1, 99, 5}, {5, 2}) ==
        "%i: the index 5 at [c=1, w=1] is outside the result's 3 positions");
  CHECK(fault(type, 6, {0, 99, 2, 99, 99, 1, 99, 5}, {5, 2}) == "none");
  CHECK(fault({ir::ElementType::i64, {{Axis::c, 0}}}, 1, {}) == "none");
}
