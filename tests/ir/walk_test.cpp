// The one way to walk: every part of every kind of statement is met, and none twice.

#include "ir/loops.h"
#include "ir/walk.h"
#include "tests/support/catch.h"

#include <string>

using namespace volute;
using namespace volute::ir;

namespace {

/// Loops in loops, a condition, and what stands on one line.
const char* const small = R"(loops p

input x: f32[4096]
output y: f32[4096]

step s: 2 items of n
  x: input f32[2][32][64]
  y: output f32[2][32][64]
  registers q[16]: f32x16
  registers r[16]: f32x16
  for h in 0..2:
    when 0 <= h < 1:
      prefetch x + 64*h
      fence
    unroll i in 0..16:  q[i] = load x[n, i, 16*h] x16
    r = transpose q[0..16]
    unroll i in 0..16:  store y[n, i, 16*h] x16 = r[i]
)";

std::string parts_of(const StmtNode& node) {
  std::string parts;
  for_each_part(node,
                overloaded{[&](const Expr&) { parts += "e"; }, [&](const Stmt&) { parts += "s"; },
                           [&](const Affine&) { parts += "a"; },
                           [&](ViewId, const int32_t&) { parts += "v"; },
                           [&](ArrayId, const int32_t&) { parts += "r"; },
                           [&](LoopVariable, const Var&) { parts += "l"; }});
  return parts;
}

} // namespace

TEST_CASE("the parts of every kind of statement are handed over in the order of its text") {
  const auto parts = [](decltype(StmtNode::is) is) { return parts_of(*stmt(std::move(is))); };
  const Expr value = reg(ElementType::f32, 16, 0, {Affine(1)});
  CHECK(parts(Block{{stmt(Fence{}), stmt(Fence{})}}) == "ss");
  CHECK(parts(For{Var{0}, {{{0, 1}, {2, 1}}, {{4, 1}}}, For::Kind::serial, stmt(Fence{})}) ==
        "laaas");
  When when;
  when.value = Affine(Var{0}), when.body = stmt(Fence{});
  CHECK(parts(when) == "as");
  CHECK(parts(Set{0, {Affine(1), Affine(2)}, value}) == "raae");
  Store store;
  store.view = 0, store.index = {Affine(1), Affine(2)}, store.value = value;
  CHECK(parts(store) == "vaae");
  Scatter scatter;
  scatter.view = 0, scatter.index = {Affine(1)}, scatter.offset = value, scatter.value = value;
  CHECK(parts(scatter) == "vaee");
  CHECK(parts(Fence{}) == "");
  CHECK(parts(Prefetch{0, Affine(3)}) == "va");
  CHECK(parts(Transpose{0, 1, {Affine(0)}}) == "rra");
  Tile product{Tile::Kind::multiply, {0, {Affine(1)}}};
  product.a = {1, {}}, product.b = {2, {Affine(1)}};
  CHECK(parts(product) == "rarra");
  CHECK(parts(Tile{Tile::Kind::load, {0, {}}, 3, {Affine(1), Affine(2)}}) == "rvaa");
}

TEST_CASE("statements are met once, before those inside them") {
  const Expected<LoopProgram> program = parse_loops(small);
  if (!program) FAIL(to_string(program.diagnostics().front()));
  int fors = 0, whens = 0, others = 0;
  visit(program->steps.front().body, [&](const StmtNode& node) {
    fors += std::holds_alternative<For>(node.is);
    if (std::holds_alternative<When>(node.is)) {
      CHECK(fors == 1);
      ++whens;
    }
    others += parts_of(node).find('s') == std::string::npos;
  });
  CHECK(fors == 3);
  CHECK(whens == 1);
  CHECK(others == 5); // prefetch, fence, set, transpose, store
}

TEST_CASE("a rewrite leaves normal form: what is empty goes, one trip is its body") {
  const LoopProgram program = parse_loops(small).value();
  const Stmt nothing = rewrite(program.steps.front().body, [](StmtNode& node) {
    if (auto* loop = std::get_if<For>(&node.is)) loop->range = {{{0, 1}}, {{0, 1}}};
  });
  REQUIRE(std::holds_alternative<Block>(nothing->is));
  CHECK(std::get<Block>(nothing->is).stmts.empty());
  int loops = 0;
  visit(rewrite(program.steps.front().body,
                [](StmtNode& node) {
                  if (auto* loop = std::get_if<For>(&node.is)) loop->range = {{{0, 1}}, {{1, 1}}};
                }),
        [&](const StmtNode& node) { loops += std::holds_alternative<For>(node.is); });
  CHECK(loops == 0);
}
