// One way to walk over expressions, statements and nests.
//
// `for_each_part` says what a node is made of, once for each kind of node. Whatever reads or
// changes all expressions, all subscripts or all views of something is written over it, so that a
// kind of node that is added is met by every walk, or stops the build. What treats every kind of
// statement in its own way (a printer, an evaluator, the code generator) is a std::visit over
// `overloaded`, and stops the build too.
//
// Expressions are graphs: a polynomial names its argument many times, so the tree that a graph
// stands for may be exponentially larger than it. Every walk here meets a shared node once, and
// none of those over expressions is recursive, so that their depth costs no stack.
#pragma once

#include "ir/expr.h"
#include "ir/loops.h"
#include "ir/nest.h"

#include <concepts>
#include <cstdint>
#include <functional>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <variant>

namespace volute::ir {

template <class... Fn>
struct overloaded : Fn... {
  using Fn::operator()...;
};
template <class... Fn>
overloaded(Fn...) -> overloaded<Fn...>;

// ---- the parts of a node ----------------------------------------------------------------------

/// What a number in a node names; handed over with the number.
struct OperandId {};
struct AccumulatorId {};
struct ViewId {};
struct ArrayId {};
struct TableId {};
struct LoopVariable {};

namespace parts {

template <class T, class Node>
concept Is = std::same_as<std::remove_const_t<T>, Node>;

/// A walk takes the parts that it knows.
template <class Fn, class... Part>
void give(Fn& fn, Part&&... part) {
  if constexpr (std::is_invocable_v<Fn&, Part...>) fn(std::forward<Part>(part)...);
}

template <class List, class Fn>
void give_all(List& affines, Fn& fn) {
  for (auto& affine : affines) give(fn, affine);
}

template <Is<Index> T, class Fn>
void of(T& index, Fn& fn) {
  for (auto& subscript : index) {
    give(fn, subscript.at);
    if (subscript.table >= 0) give(fn, TableId{}, subscript.table);
  }
}

template <Is<Imm> T, class Fn>
void of(T&, Fn&) {}
template <Is<Position> T, class Fn>
void of(T& position, Fn& fn) {
  give(fn, position.value);
}
template <Is<Read> T, class Fn>
void of(T& read, Fn& fn) {
  give(fn, OperandId{}, read.operand), of(read.index, fn);
}
template <Is<Acc> T, class Fn>
void of(T& acc, Fn& fn) {
  give(fn, AccumulatorId{}, acc.accumulator);
}
template <Is<Load> T, class Fn>
void of(T& load, Fn& fn) {
  give(fn, ViewId{}, load.view), of(load.index, fn);
}
template <Is<Reg> T, class Fn>
void of(T& reg, Fn& fn) {
  give(fn, ArrayId{}, reg.array), give_all(reg.index, fn);
}
template <Is<UnaryOp> T, class Fn>
void of(T& op, Fn& fn) {
  give(fn, op.a);
}
template <Is<BinaryOp> T, class Fn>
void of(T& op, Fn& fn) {
  give(fn, op.a), give(fn, op.b);
}
template <Is<Fma> T, class Fn>
void of(T& op, Fn& fn) {
  give(fn, op.a), give(fn, op.b), give(fn, op.c);
}
template <Is<Select> T, class Fn>
void of(T& op, Fn& fn) {
  give(fn, op.a), give(fn, op.b), give(fn, op.then), give(fn, op.otherwise);
}
template <Is<Dot> T, class Fn>
void of(T& op, Fn& fn) {
  give(fn, op.acc), give(fn, op.a), give(fn, op.b);
}

template <Is<Range> T, class Fn>
void of(T& range, Fn& fn) {
  for (auto& bound : range.lo) give(fn, bound.numerator);
  for (auto& bound : range.hi) give(fn, bound.numerator);
}

template <Is<Block> T, class Fn>
void of(T& block, Fn& fn) {
  for (auto& s : block.stmts) give(fn, s);
}
template <Is<For> T, class Fn>
void of(T& loop, Fn& fn) {
  give(fn, LoopVariable{}, loop.var), of(loop.range, fn), give(fn, loop.body);
}
template <Is<When> T, class Fn>
void of(T& when, Fn& fn) {
  give(fn, when.value), give(fn, when.body);
}
template <Is<Set> T, class Fn>
void of(T& set, Fn& fn) {
  give(fn, ArrayId{}, set.array), give_all(set.index, fn), give(fn, set.value);
}
template <Is<Store> T, class Fn>
void of(T& store, Fn& fn) {
  give(fn, ViewId{}, store.view), of(store.index, fn), give(fn, store.value);
}
template <Is<Scatter> T, class Fn>
void of(T& scatter, Fn& fn) {
  give(fn, ViewId{}, scatter.view), of(scatter.index, fn);
  give(fn, scatter.offset), give(fn, scatter.value);
}
template <Is<Transpose> T, class Fn>
void of(T& turn, Fn& fn) {
  give(fn, ArrayId{}, turn.to), give(fn, ArrayId{}, turn.from), give_all(turn.from_index, fn);
}
template <Is<Fence> T, class Fn>
void of(T&, Fn&) {}
template <Is<Prefetch> T, class Fn>
void of(T& prefetch, Fn& fn) {
  give(fn, ViewId{}, prefetch.view), give(fn, prefetch.offset);
}
template <Is<TileRegister> T, class Fn>
void of(T& tile, Fn& fn) {
  give(fn, ArrayId{}, tile.array), give_all(tile.index, fn);
}
template <Is<Tile> T, class Fn>
void of(T& tile, Fn& fn) {
  of(tile.tile, fn);
  if (tile.kind == Tile::Kind::multiply) of(tile.a, fn), of(tile.b, fn);
  if (tile.view >= 0) give(fn, ViewId{}, tile.view), of(tile.index, fn);
}

} // namespace parts

/// Hands the parts of an expression's or statement's node to `fn`, in the order of its text: an
/// Expr, a Stmt, an Affine, or one of the tags above and its number; those for which `fn` has an
/// overload. The node may be const or not.
template <class Node, class Fn>
void for_each_part(Node& node, Fn&& fn) {
  std::visit([&](auto& is) { parts::of(is, fn); }, node.is);
}

// ---- expressions ------------------------------------------------------------------------------

// `visit` and `rewrite` of one expression are in ir/expr.h.

/// Gives several expressions, which may share nodes, a source: those of their nodes that have none
/// and are not below one that has. What was shared stays shared.
class SourceGiver {
public:
  explicit SourceGiver(SourceId source) : source_(source) {}
  Expr operator()(const Expr& expr);

private:
  SourceId source_;
  struct Result {
    Expr before, after;
  };
  std::unordered_map<const ExprNode*, Result> done_;
};

/// A rewrite of several expressions, which may share nodes: what was shared stays shared. What
/// replaces a node has its source.
class Rewriter {
public:
  explicit Rewriter(std::function<Expr(const Expr&)> fn) : fn_(std::move(fn)) {}
  Expr operator()(const Expr& expr);

private:
  std::function<Expr(const Expr&)> fn_;
  struct Result {
    Expr before, after; // `before` keeps its node, and with it the key, alive
  };
  std::unordered_map<const ExprNode*, Result> done_;
};

// ---- statements -------------------------------------------------------------------------------

/// Each statement once, before the ones inside it. Statements that are missing are passed over.
void visit(const Stmt& s, const std::function<void(const StmtNode&)>& fn);
/// The values of all statements; one that several share may be seen several times.
void for_each_expression(const Stmt& s, const std::function<void(const Expr&)>& fn);

/// Bottom-up, in normal form: what becomes empty goes, and a loop that becomes one trip becomes
/// its body. `fn` changes the parts of each node but the statements in it, which are done already.
Stmt rewrite(const Stmt& s, const std::function<void(StmtNode&)>& fn);

// ---- nests ------------------------------------------------------------------------------------

/// All expressions of a nest, in the order of its text; `fn` may change those of a nest that is not
/// const.
template <class N, class Fn>
requires parts::Is<N, Nest>
void for_each_expression(N& nest, Fn&& fn) {
  for (auto& accumulator : nest.accumulators) fn(accumulator.initial), fn(accumulator.update);
  for (auto& write : nest.writes) {
    fn(write.value);
    if (write.offset) fn(write.offset);
  }
}
/// Every node of every expression, once.
void visit(const Nest& nest, const std::function<void(const ExprNode&)>& fn);

// ---- what walks cost --------------------------------------------------------------------------

/// Nodes that this thread's walks have met so far: compilation time without a clock.
int64_t nodes_walked();
/// Says that a walk of its own kind has met so many; where the thread has a budget (ir/budget.h)
/// and it is spent, this is where work ends.
void count_walked(int64_t nodes = 1);

} // namespace volute::ir
