// Arithmetic on elements: the expressions of the nest language and of the loops language.
//
// Nodes are immutable and shared; a pass returns a new tree. A node has an element type and a
// number of lanes; in a nest every value has one lane. Every operation here is exactly rounded in
// its element type (one rounding a node, Fma one for both), so an evaluator and the machine agree
// bit for bit; only the functions under "transcendental" are not, and expand_math rewrites those
// into the others before code generation.
#pragma once

#include "ir/affine.h"
#include "ir/sources.h"
#include "ir/types.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

namespace volute::ir {

struct ExprNode;
using Expr = std::shared_ptr<const ExprNode>;

/// One index of an access. With a table, element `at` of that constant table is the index: how a
/// staging nest reads reflected, circular or replicated borders.
struct Subscript {
  Affine at;
  int32_t table = -1;                           // index into the owner's tables
  Subscript(Affine a) : at(std::move(a)) {}     // NOLINT
  Subscript(Var var) : at(var) {}               // NOLINT: {n, i, 0} is an index
  Subscript(int64_t constant) : at(constant) {} // NOLINT
  Subscript(Affine a, int32_t t) : at(std::move(a)), table(t) {}
  bool operator==(const Subscript&) const = default;
};
using Index = std::vector<Subscript>; // one per dimension, outermost first

// ---- leaves -----------------------------------------------------------------------------------

struct Imm { // a number, the same in every lane; `integer` for integer types
  double real = 0;
  int64_t integer = 0;
};

struct Position { // the value of an index expression, as i32 or i64 (arg-max)
  Affine value;
  int64_t lane_step = 0; // loops: lane l has value + l * lane_step
};

struct Read { // nest: one element of an operand
  int32_t operand;
  Index index;
};

struct Acc { // nest: the value of an accumulator so far
  int32_t accumulator;
};

/// loops: `lanes` elements of a view; lane l reads index[lane_dim] + l * lane_step. Lanes outside
/// [first, first + count) are not read and give `fill`.
struct Load {
  int32_t view;
  Index index;
  int32_t lane_dim = -1; // -1: one element
  int64_t lane_step = 1;
  int32_t first = 0, count = 1;
  double fill = 0;
};

struct Reg { // loops: one register of an array
  int32_t array;
  std::vector<Affine> index;
};

// ---- operations -------------------------------------------------------------------------------

enum class UnaryFn : uint8_t {
  neg,
  abs,
  sqrt,
  rint,    // to nearest even, still a float
  convert, // to the node's element type: float to integer rounds to nearest even, saturates, NaN
           // gives 0; integer to integer wraps
  flushed, // f32 to bf16, a denormal number to 0 of its sign: what CPUs have an instruction for
  cut,     // f32 to bf16, its upper half: rounded towards 0; a NaN may become infinity
  bitcast, // the same bits as another type of the same size
  splat,   // to all lanes of the node: one lane, or a group of lanes again and again
  // transcendental
  exp,
  expm1,
  log,
  log1p,
  tanh,
  erf,
};

enum class BinaryFn : uint8_t {
  add,
  sub,
  mul,
  div,
  max, // a > b ? a : b   (so b when either is NaN or they are equal: one x86 instruction)
  min, // a < b ? a : b
  bit_and,
  bit_or,
  bit_xor,
  shift_left,
  shift_right, // integers; shift_right is arithmetic
};

enum class Compare : uint8_t {
  lt,
  le,
  gt,
  ge,
  eq,
  ne,
  unordered
}; // false on NaN, but ne and unordered

struct UnaryOp {
  UnaryFn fn;
  Expr a;
};
struct BinaryOp {
  BinaryFn fn;
  Expr a, b;
};
struct Fma { // a * b + c, rounded once
  Expr a, b, c;
};
struct Select { // compare(a, b) ? then : otherwise, lane by lane
  Compare compare;
  Expr a, b, then, otherwise;
};
/// acc + the sum over each group of `ways` narrow elements of a * b, into one wide lane: the dot
/// product instructions (u8 x i8 into i32 by 4, bf16 into f32 by 2).
struct Dot {
  int32_t ways;
  Expr acc, a, b;
};

struct ExprNode {
  ElementType type = ElementType::f32;
  int32_t lanes = 1;
  std::variant<Imm, Position, Read, Acc, Load, Reg, UnaryOp, BinaryOp, Fma, Select, Dot> is;
  SourceId source = no_source; // never part of what it is
};

// ---- making them ------------------------------------------------------------------------------

Expr imm(double value, ElementType type = ElementType::f32, int32_t lanes = 1);
Expr imm_integer(int64_t value, ElementType type, int32_t lanes = 1);
Expr position(Affine value, ElementType type);
Expr read(ElementType type, int32_t operand, Index index);
Expr acc(ElementType type, int32_t accumulator);
Expr load(ElementType type, int32_t lanes, Load load, SourceId source = no_source);
Expr reg(ElementType type, int32_t lanes, int32_t array, std::vector<Affine> index,
         SourceId source = no_source);
/// Operations take the type and lanes of their first operand, but `select` those of `then`.
/// `convert_to` and `bitcast_to` name the type, `splat_to` the lanes.
Expr unary(UnaryFn fn, Expr a);
Expr convert_to(ElementType type, Expr a);
Expr flushed_bf16(Expr a);
Expr cut_bf16(Expr a);
Expr bitcast_to(ElementType type, Expr a);
Expr splat_to(int32_t lanes, Expr a); // `a` itself when it has that many lanes already
                                      // (which must be a multiple of its own); has its source
Expr binary(BinaryFn fn, Expr a, Expr b);
Expr fma(Expr a, Expr b, Expr c);
Expr select(Compare compare, Expr a, Expr b, Expr then, Expr otherwise);
Expr dot(int32_t ways, Expr acc, Expr a, Expr b);

inline Expr operator+(Expr a, Expr b) { return binary(BinaryFn::add, std::move(a), std::move(b)); }
inline Expr operator-(Expr a, Expr b) { return binary(BinaryFn::sub, std::move(a), std::move(b)); }
inline Expr operator*(Expr a, Expr b) { return binary(BinaryFn::mul, std::move(a), std::move(b)); }
inline Expr operator/(Expr a, Expr b) { return binary(BinaryFn::div, std::move(a), std::move(b)); }

// ---- taking them apart (ir/walk.h walks over them) ----------------------------------------------

/// The operands of a node, in order; empty for leaves.
std::vector<Expr> children(const Expr& expr);
/// The same node over other operands (as many as it has), type and lanes kept unless given.
Expr with_children(const Expr& expr, std::vector<Expr> operands);
/// Each node once, its operands before it. Operands that are missing are passed over.
void visit(const Expr& expr, const std::function<void(const ExprNode&)>& fn);
/// Bottom-up: `fn` sees each node once, with its operands already rewritten, and returns its
/// replacement, or the node itself. What was shared stays shared, and what replaces a node has its
/// source.
Expr rewrite(const Expr& expr, const std::function<Expr(const Expr&)>& fn);

std::string_view to_string(UnaryFn fn);
std::string_view to_string(BinaryFn fn);
std::string_view to_string(Compare compare); // "<", "<=", ..., "unordered"

/// How an owner prints its leaves and names.
struct ExprNames {
  std::vector<std::string> vars;
  std::function<std::string(const ExprNode&)> leaf; // Read, Acc, Load, Reg
};
std::string to_string(const Expr& expr, const ExprNames& names);
/// `x[n, i, h + kh - 1, table1[w]]`
std::string to_string(const Index& index, const std::vector<std::string>& names,
                      const std::vector<std::string>& tables);

/// One operation on values held as double (float types, already rounded to `type`) or int64
/// (integer types): the arithmetic that both evaluators share. `operands` are in children() order;
/// a Dot has `ways` values of a and of b.
struct Scalar {
  double real = 0;
  int64_t integer = 0;
};
Scalar apply(const ExprNode& node, const Scalar* operands);

} // namespace volute::ir
