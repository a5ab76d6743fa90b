// The loops language: a nest with every decision taken. What the code generator spells out.
//
//     step conv: 2 x 56 items of o_t, h                 // independent work, any order, any thread
//       registers acc[14][2]: f32x16
//       for w_t in 0..4:
//         unroll r in 0..14, v in 0..2:  acc[r][v] = load b[32*o_t + 16*v] x16
//         for i in 0..64:
//           for kh in max(0, 1 - h)..min(3, 57 - h):
//             ...
//               acc[r][v] = fma(splat x[...], k1[v], acc[r][v])
//         ...
//
// Matrix units have registers with rows, of which a step has `most_tiles` at most:
//
//       registers acc[2]: f32x16 rows 14
//       tile acc[r] = 0
//       tile x_[r] = load x[0, h + 2*r + kh, 14*w_t + kw, 32*i_t] rows along dim 2
//       tile acc[r] += x_[r] * w_
//       tile store sums[14*r, 0] rows along dim 0 = acc[r]
//
// Loops run over constant ranges but for one kind: a tap loop clipped at the border of the image,
// whose bounds are the larger or smaller of a few quotients of affine expressions. Unrolled loops
// are copied out by the code generator; a register array is indexed by their variables only, so
// that after unrolling each element is one machine register.
#pragma once

#include "ir/buffer.h"
#include "ir/diagnostic.h"
#include "ir/expr.h"
#include "ir/nest.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace volute::ir {

/// ceil(numerator / divisor), divisor > 0.
struct Bound {
  Affine numerator;
  int64_t divisor = 1;
  bool operator==(const Bound&) const = default;
};

/// [max of lo, min of hi); empty when hi <= lo.
struct Range {
  std::vector<Bound> lo = {{0, 1}};
  std::vector<Bound> hi;
  static Range of(int64_t lo, int64_t hi) { return {{{lo, 1}}, {{hi, 1}}}; }
  bool is_constant() const;                                       // one constant bound on each side
  int64_t begin() const { return lo.front().numerator.number(); } // of constant ranges
  int64_t end() const { return hi.front().numerator.number(); }
};

struct StmtNode;
using Stmt = std::shared_ptr<const StmtNode>;

struct Block {
  std::vector<Stmt> stmts;
};

struct For {
  enum class Kind : uint8_t { serial, unrolled };
  Var var;
  Range range;
  Kind kind = Kind::serial;
  Stmt body;
};

/// Runs the body when lo <= value < hi: separates full tiles from the last one among work items.
struct When {
  Affine value;
  int64_t lo = 0, hi = 0;
  Stmt body;
};

/// array[index] = value; index over unrolled variables and constants.
struct Set {
  int32_t array;
  std::vector<Affine> index;
  Expr value;
};

/// view[index + l * lane_step along lane_dim] = lane l of value, for l in [0, count).
struct Store {
  int32_t view;
  Index index;
  int32_t lane_dim = -1;
  int64_t lane_step = 1;
  int32_t count = 1;
  Expr value;
};

/// The element `offset` (one lane, i64) behind view[index] = value (one lane), when 0 <= offset <
/// extent; otherwise the step ends with status 1 (StatusCode::index_out_of_range).
struct Scatter {
  int32_t view;
  Index index;
  Expr offset;
  int64_t extent = 0;
  Expr value;
};

/// to[to_index, l][lane r] = from[r along from_axis][lane l]: `count` registers of `lanes(from)`
/// lanes become lanes(from) registers of lanes(to) >= count lanes; lanes r >= count are not set,
/// and nothing may look at them. Turns a tile that was computed with channels in lanes into rows of
/// pixels, for channels-first stores.
struct Transpose {
  int32_t to, from;
  std::vector<Affine> from_index; // with a hole at from_axis (the entry there is its first value)
  int32_t from_axis = 0;
  int32_t count = 0;
};

/// Values loaded before are not kept in registers past this point. What else is not: multiply-adds
/// of before, left for later, which would keep what they read (`sums`); numbers that
/// stand in what follows, to the end of the loop or condition around (`numbers`).
struct Fence {
  enum class Kind : uint8_t { loads, sums, numbers };
  Kind kind = Kind::loads;
};

/// Asks for the line that holds element `offset` of the view, which need not exist: it is not an
/// access, and changes nothing but when data arrive.
struct Prefetch {
  int32_t view;
  Affine offset;
};

/// One register with rows (RegisterArray::rows).
struct TileRegister {
  int32_t array = -1;
  std::vector<Affine> index; // over unrolled variables and constants
};

/// What a matrix unit does with one register that has rows, and all that is ever done with those:
/// they are no part of values.
///
///     zero      every element becomes 0
///     load      row r, lane l becomes view[index + r * row_step along row_dim + l along the last]
///     store     the same elements of the view become those of the register
///     multiply  every element [m, n] of the register gets the sum over k and p of a's row m, lane
///               ways * k + p, times b's row k, lane ways * n + p (ir/tile_product.h says in which
///               order, and how it is rounded); as many rows k as b has, ways products at a time
struct Tile {
  enum class Kind : uint8_t { zero, load, store, multiply };
  Kind kind = Kind::zero;
  TileRegister tile;
  int32_t view = -1; // load, store
  Index index = {};
  int32_t row_dim = -1;
  int64_t row_step = 1;
  TileRegister a = {}, b = {}; // multiply
  bool bypasses = false; // load: its lines pass L1 by, and leave there what will be used again
};

struct StmtNode {
  std::variant<Block, For, When, Set, Store, Scatter, Transpose, Fence, Prefetch, Tile> is;
  std::string note;            // what this part is, for readers: "left border", "full tiles"
  SourceId source = no_source; // none: that of the statement around it
};

Stmt block(std::vector<Stmt> stmts, std::string note = "");
/// A loop; an empty constant range gives an empty block, and a range of one its body with the
/// variable replaced.
Stmt for_loop(Var var, Range range, For::Kind kind, Stmt body, std::string note = "");
Stmt stmt(decltype(StmtNode::is) is, std::string note = "");
/// A statement as `block` and `for_loop` would make it; a `when` that is decided is its body, or
/// an empty block.
Stmt normal(StmtNode node);
/// The same statement with a source, unless it has one; of a block, each statement in it.
Stmt with_source(const Stmt& s, SourceId source);
Stmt substitute(const Stmt& s, Var var, const Affine& value);
Expr substitute(const Expr& e, Var var, const Affine& value);

struct RegisterArray {
  std::string name;
  ElementType type = ElementType::f32;
  int32_t lanes = 1;
  std::vector<int64_t> shape; // empty: one register
  int32_t rows = 0;           // of a matrix unit's register, `lanes` elements each; 0: a vector's
  int64_t count() const;
  int64_t elements() const { return int64_t{rows > 0 ? rows : 1} * lanes; } // of one register
};

/// The registers of a matrix unit: as many, of so many rows, of so many bytes each.
inline constexpr int64_t most_tiles = 8, most_tile_rows = 16, most_tile_row_bytes = 64;

/// One loop over independent work; items are numbered with the last one fastest.
struct ItemLoop {
  Var var;
  Affine count = 1; // constant, or of parameters
};

struct Step {
  std::string name;
  std::vector<std::string> vars;
  std::vector<ParameterVar> parameters;
  std::vector<ItemLoop> items; // the flat work range is their product
  std::vector<View> views;
  std::vector<std::vector<int64_t>> tables;
  std::vector<RegisterArray> arrays;
  Stmt body;
  int64_t scratch_bytes = 0;
  std::string origin;
  std::vector<size_t> statements; // as Nest::statements, of all nests in it

  /// Items of a step whose work does not depend on a parameter.
  int64_t work() const;
  /// Items for given values of the step's variables that are parameters.
  int64_t work(const std::function<int64_t(Var)>& value_of) const;
};

struct LoopProgram {
  std::string name;
  std::vector<Buffer> buffers;
  std::vector<Parameter> parameters;
  std::vector<Step> steps;
  std::vector<Sources> sources = {}; // as NestProgram::sources
};

std::string to_string(const Step& step, const std::vector<Buffer>& buffers);
std::string to_string(const LoopProgram& program);
/// The same with the lines (from 1) that things stand on. A walk over a step's statements that
/// meets each before those inside it finds them in this order, and the nodes of a value as
/// ir::visit does.
struct LoopsText {
  std::string text;
  struct StepLines {
    int header = 0; // "step conv_y: 8 items of h"
    /// By statement; a block, which has no line of its own, counts with that of its first.
    std::vector<int> statements;
    /// By statement and node of its value, where values in it are named on lines before it; else
    /// empty: they all stand on the statement's line.
    std::vector<std::vector<int>> nodes;
  };
  std::vector<StepLines> steps;
};
LoopsText text_of(const LoopProgram& program);
/// Reads what to_string prints, and refuses what does not verify, with the line of the fault.
Expected<LoopProgram> parse_loops(std::string_view text);

/// Well-formedness: every subscript of every executed lane provably inside its view (interval
/// arithmetic over loop ranges; a clipped loop's bounds are used), registers set before they are
/// read and indexed inside their shapes by unrolled variables only, lanes and types consistent.
std::vector<Diagnostic> verify(const LoopProgram& program);

/// Runs the steps in order, each over its whole range, with the machine's arithmetic: the result
/// equals the compiled kernel's bit for bit. `memory` as in nest.h.
void evaluate(const LoopProgram& program, Memory& memory,
              const std::vector<int64_t>& parameters = {});

/// Multiply-adds (Fma nodes times lanes, masked ones included; `ways` of them in a Dot, all of a
/// tile's) that one run executes; counts that do not depend on the clock. A parameter counts as the
/// least value that it may have.
int64_t count_fmas(const Step& step);

/// The same for all that a step executes: multiply-adds as above, loads (of a vector, a part of one
/// or an element, each one; of a tile, each row), and stores likewise.
struct StepWork {
  int64_t fmas = 0, loads = 0, stores = 0;
};
StepWork count_work(const Step& step);

} // namespace volute::ir
