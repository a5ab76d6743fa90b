#include "compiler/image/tensor_strides.h"
#include "ir/parse.h"
#include "tests/support/catch.h"

using namespace volute;
using namespace volute::compiler;
using ir::Axis;
using ir::ElementType;

namespace {

ir::TensorType image(int64_t n, int64_t c, int64_t h, int64_t w) {
  return {ElementType::f32, {{Axis::n, n}, {Axis::c, c}, {Axis::h, h}, {Axis::w, w}}};
}

std::string fault(const ir::TensorType& type, const TensorStrides& strides) {
  return fault_in_strides(type, strides).value_or("none");
}

std::string output_fault(const ir::TensorType& type, const TensorStrides& strides) {
  return fault_in_output_strides(type, strides).value_or("none");
}

std::string refusal(const StridesByName& given) {
  const auto program = ir::parse("program @p(%x: f32[n=1, c=2, w=5]) { %y = relu %x return %y }");
  const auto checked = checked_strides(*program, given);
  return checked ? "none" : Error(checked.diagnostics()).what();
}

} // namespace

TEST_CASE("lists that place every element alike are one list in canonical form") {
  const ir::TensorType type = image(1, 3, 4, 5);
  CHECK(dense_strides(type) == TensorStrides{60, 20, 5, 1});
  CHECK(canonical_strides(type, {60, 20, 5, 1}).empty());
  CHECK(canonical_strides(type, {7, 20, 5, 1}).empty()); // n has one position
  CHECK(canonical_strides(type, {7, 40, 10, 2}) == TensorStrides{120, 40, 10, 2});
  CHECK(canonical_strides(image(2, 3, 0, 5), {1, 2, 3, 4}).empty());
  const TensorStrides wide = {60, 21, 5, 1};
  CHECK(same_strides(type, {}, TensorStrides{0, 20, 5, 1}));
  CHECK(same_strides(type, TensorStrides{8, 21, 5, 1}, TensorStrides{9, 21, 5, 1}));
  CHECK(!same_strides(type, wide, {}));
  CHECK(!same_strides(type, wide, TensorStrides{60, 20, 5, 1}));
}

TEST_CASE("a span reaches from the first element to the end of the last") {
  const ir::TensorType type = image(1, 3, 4, 5);
  CHECK(checked_span_bytes(type, {}) == 240);
  CHECK(checked_span_bytes(type, {60, 20, 5, 1}) == 240);
  CHECK(checked_span_bytes(type, {0, 100, 10, 2}) == 4 * (1 + 200 + 30 + 8));
  CHECK(checked_span_bytes(type, {0, 0, 0, 0}) == 4);
  CHECK(checked_span_bytes(image(0, 3, 4, 5), {1, 1, 1, 1}) == 0);
  CHECK(checked_span_bytes(image(2, 1, 1, 1), {(int64_t{1} << 60) - 1, 0, 0, 0}) == int64_t{1}
                                                                                        << 62);
  CHECK(!checked_span_bytes(image(2, 1, 1, 1), {int64_t{1} << 60, 0, 0, 0}));
  CHECK(!checked_span_bytes(image(3, 1, 1, 1), {INT64_MAX, 0, 0, 0}));
  CHECK(!checked_span_bytes(image(2, 2, 1, 1), {INT64_MAX, INT64_MAX, 0, 0}));
}

TEST_CASE("what is read may lie anywhere, what is written only where no two elements meet") {
  const ir::TensorType type = image(1, 3, 4, 5);
  CHECK(fault(type, {}) == "none");
  CHECK(fault(type, {0, 0, 1, 1}) == "none");
  CHECK(fault(type, {1, 1, 1}) == "has 3 strides for the 4 extents of f32[n=1, c=3, h=4, w=5]");
  CHECK(fault(type, {1, 1, -5, 1}) == "has the stride -5 along h; strides are 0 or more");
  CHECK(fault(type, {1, INT64_MAX, 5, 1}) ==
        "spans more than 2^62 bytes with the strides [1, 9223372036854775807, 5, 1]");
  CHECK(output_fault(type, {1, 20, 5, 1}) == "none");
  CHECK(output_fault(type, {1, 1, 3, 12}) == "none"); // w outermost
  CHECK(output_fault(type, {1, 20, 5, 0}) ==
        "is written, and its stride 0 along w does not step over the 1 elements that the shorter "
        "strides reach");
  CHECK(output_fault(type, {1, 20, 4, 1}) ==
        "is written, and its stride 4 along h does not step over the 5 elements that the shorter "
        "strides reach");
  CHECK(output_fault(image(0, 3, 4, 5), {0, 0, 0, 0}) == "none");
}

TEST_CASE("a program's strides are checked by name") {
  CHECK(refusal({{"x", {0, 0, 0}}, {"y", {20, 10, 2}}}) == "none");
  CHECK(refusal({{"z", {1, 1, 1}}}) == "strides: %z is no input or output of the program");
  CHECK(refusal({{"x", {1}}, {"y", {0, 0, 0}}}) ==
        "strides: %x has 1 strides for the 3 extents of f32[n=1, c=2, w=5]\n"
        "strides: %y is written, and its stride 0 along c does not step over the 1 elements that "
        "the shorter strides reach");
  const auto program = ir::parse("program @p(%x: f32[n=1, c=2, w=5]) { %y = relu %x return %y }");
  CHECK(*checked_strides(*program, {{"x", {3, 10, 2}}, {"y", {10, 5, 1}}}) ==
        StridesByName{{"x", {20, 10, 2}}});
}
