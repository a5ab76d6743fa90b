#include "ir/loops.h"
#include "ir/walk.h"
#include "tests/support/catch.h"

using namespace volute::ir;

TEST_CASE("sources are a set, in order, and make nothing differ") {
  Sources sources{{2, 5}};
  sources.add({{1, 5, 7}});
  CHECK(sources.statements == std::vector<int32_t>{1, 2, 5, 7});
  sources.add({});
  CHECK(sources.statements == std::vector<int32_t>{1, 2, 5, 7});
  CHECK(sources == Sources{});
}

TEST_CASE("what has no source is given one, what has keeps it, and what was shared stays shared") {
  const Expr x = read(ElementType::f32, 0, {0});
  const Expr square = x * x;
  SourceGiver first(3);
  const Expr a = first(square + imm(1));
  const Expr b = first(square);
  CHECK(a->source == 3);
  CHECK(b->source == 3);
  CHECK(children(a).front() == b);
  CHECK(children(b).front() == children(b).back());
  CHECK(square->source == no_source); // nodes are immutable

  const Expr both = SourceGiver(4)(binary(BinaryFn::max, a, imm(0)));
  CHECK(both->source == 4);
  CHECK(children(both).front() == a);
  CHECK(children(both).back()->source == 4);
  CHECK(SourceGiver(5)(both) == both);
  CHECK(SourceGiver(no_source)(square) == square);
}

TEST_CASE("what replaces a node has its source") {
  const Expr x = read(ElementType::f32, 0, {0});
  const Expr before = SourceGiver(2)(SourceGiver(1)(unary(UnaryFn::exp, x)) + imm(1));
  const Expr after = rewrite(before, [](const Expr& node) {
    const auto* op = std::get_if<UnaryOp>(&node->is);
    return op ? op->a * op->a + imm(7) : node;
  });
  CHECK(after->source == 2);
  const Expr sum = children(after).front();
  CHECK(sum->source == 1);
  CHECK(children(sum).front()->source == 1); // the product
  CHECK(children(sum).back()->source == 1);  // 7
  CHECK(children(after).back()->source == 2);
}

TEST_CASE("a statement's source survives the forms in which statements dissolve") {
  const Var i{0};
  const Stmt fence = stmt(Fence{}), prefetch = stmt(Prefetch{0, Affine(i)});
  const auto source = [](const Stmt& s) { return s->source; };

  const Stmt both = with_source(block({fence, with_source(prefetch, 9)}), 4);
  const auto& parts = std::get<Block>(both->is).stmts;
  CHECK(source(parts[0]) == 4);
  CHECK(source(parts[1]) == 9);
  CHECK(source(block({with_source(fence, 4)}, "a note")) == 4);
  CHECK(block({with_source(fence, 4)}, "a note")->note == "a note");

  // A loop that a rewrite leaves one trip, or nothing.
  const Stmt loop =
      with_source(for_loop(i, Range::of(0, 3), For::Kind::serial, block({prefetch, fence})), 6);
  const Stmt once = rewrite(loop, [](StmtNode& node) {
    if (auto* is = std::get_if<For>(&node.is)) is->range = Range::of(2, 3);
  });
  for (const Stmt& s : std::get<Block>(once->is).stmts) CHECK(source(s) == 6);
  const Stmt when = with_source(stmt(When{Affine(i), 0, 2, fence}), 8);
  CHECK(source(substitute(when, i, 1)) == 8);
  CHECK(std::holds_alternative<Fence>(substitute(when, i, 1)->is));
}
