#include "ir/effects.h"
#include "tests/support/catch.h"

using namespace volute::ir;

namespace {

constexpr ElementType f32 = ElementType::f32;

/// Views 0..5 of the buffers 10..15.
Step with(Stmt body) {
  Step step;
  for (int32_t i = 0; i < 6; ++i) step.views.push_back({"v", 10 + i, f32, contiguous({8})});
  step.arrays = {{"r", f32, 1, {}}};
  step.body = std::move(body);
  return step;
}

Expr element(int32_t view) { return load(f32, 1, {view, {Affine(0)}}); }

using Buffers = std::vector<int32_t>;

} // namespace

TEST_CASE("a step reads what it loads and writes what it stores, not what it views") {
  const Var i{0};
  const Effects found = effects(with(for_loop(
      i, Range::of(0, 8), For::Kind::serial,
      block({stmt(Set{0, {}, element(4) + element(0)}),
             stmt(When{Affine(i), 0, 3,
                       stmt(Store{2, {Affine(i)}, -1, 1, 1, element(1) * element(1)})})}))));
  CHECK(found.reads == Buffers{10, 11, 14});
  CHECK(found.writes == Buffers{12});
}

TEST_CASE("a scattered write reads its offset, and lines asked for count as read") {
  const Expr offset = load(ElementType::i64, 1, {1, {Affine(0)}});
  const Effects found =
      effects(with(block({stmt(Scatter{0, {Affine(0)}, offset, 8, element(3)}), stmt(Fence{}),
                          stmt(Transpose{0, 0, {}, 0, 0}), stmt(Prefetch{5, Affine(64)})})));
  CHECK(found.reads == Buffers{11, 13, 15});
  CHECK(found.writes == Buffers{10});
  CHECK(effects(with(block({}))).reads.empty());
  CHECK(effects(with(nullptr)).writes.empty());
}

TEST_CASE("shared statements and expressions are looked at once") {
  Expr value = element(1);
  for (int i = 0; i < 64; ++i) value = value + value;
  Stmt body = stmt(Store{0, {Affine(0)}, -1, 1, 1, value});
  for (int i = 0; i < 64; ++i) body = stmt(Block{{body, body}});
  const Effects found = effects(with(body)); // as trees, 2^64 of each
  CHECK(found.reads == Buffers{11});
  CHECK(found.writes == Buffers{10});
}
