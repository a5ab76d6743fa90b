// How a tile of a nest's points is spread over registers, and code over it.
//
// An axis of the tile is either unrolled (one register an element) or the vector axis (lanes
// elements a register). The same tile is spread in two ways in a kernel whose result is stored
// along another axis than it was computed along: 14 pixels x 2 vectors of 16 channels while
// accumulating, then, transposed, 32 channels x 1 vector of 14 pixels for a channels-first store.
#pragma once

#include "compiler/schedule/plan.h"
#include "ir/loops.h"

#include <functional>
#include <map>
#include <optional>
#include <set>

namespace volute::compiler {

/// Registers [begin, end) of a tile axis. Of the vector axis, the lanes of each that hold elements.
struct Piece {
  int64_t begin = 0, end = 1;
  int32_t first = 0, count = 1;
};

struct TileAxis {
  ir::Var axis;      // of the nest
  int32_t lanes = 0; // 0: unrolled
  std::vector<Piece> pieces;
  std::string name; // of the loop variable over its registers
};

/// Elements [lo, hi) of a tile axis as pieces: whole vectors together, partial ones alone.
std::vector<Piece> pieces_of(int64_t lo, int64_t hi, int32_t lanes);

/// Where a nest's accumulator is while this code runs.
using AccumulatorRegister =
    std::function<ir::Expr(int32_t accumulator, const std::vector<ir::Affine>& registers)>;

/// Writes code over a register tile: the loops over registers, and in them, operands loaded as
/// early as what they depend on allows, so that a weight vector serves every pixel of the tile.
class TileWriter {
public:
  struct Source { // what the tile is part of
    const ir::Nest& nest;
    ir::Step& step;
    const std::vector<ir::Affine>& base; // of the tile, by nest variable
    /// Replaces reads of one operand: the packed weight. Null for none.
    std::function<std::optional<ir::Read>(const ir::Read&)> redirect;
    std::function<bool(const ir::Read&)> is_padded; // may be loaded in whole vectors
    /// Of a dot product: elements of each lane, along an axis of the nest, of which `count` exist.
    struct Group {
      ir::Var axis;
      int32_t ways = 1, count = 1;
    };
    std::optional<Group> group = std::nullopt;
    /// Whether some lanes of the vector axis lie in the padding: those of the tile that no piece
    /// takes. What is read there is the fill.
    bool leaves_lanes_out = false;
    /// Operands that lie in registers already: the value for a read, at a register of the tile.
    std::function<std::optional<ir::Expr>(const ir::ExprNode& read,
                                          const std::vector<ir::Affine>& registers)>
        in_registers = nullptr;
  };

  TileWriter(Source source, std::vector<TileAxis> axes, double fill = 0)
      : source_(std::move(source)), axes_(std::move(axes)), fill_(fill) {}

  int32_t lanes() const;
  /// Of an operand: more than the tile's when each lane takes a group.
  int32_t operand_lanes() const { return lanes() * (source_.group ? source_.group->ways : 1); }

  /// `exprs` at every register of the tile; `sink` makes the statement that takes their values. It
  /// receives the register index of each axis, and the piece of the vector axis.
  using Sink =
      std::function<ir::Stmt(const std::vector<ir::Expr>& values,
                             const std::vector<ir::Affine>& registers, const Piece& vector)>;
  ir::Stmt write(const std::vector<ir::Expr>& exprs, const AccumulatorRegister& accumulators,
                 const Sink& sink);
  /// What is computed at some of the tile's registers: those of the axes' pieces here.
  struct Part {
    std::vector<std::vector<Piece>> pieces; // by axis
    std::vector<ir::Expr> exprs;
  };
  /// Parts that compute something else each. What several of them read is loaded once.
  ir::Stmt write(const std::vector<Part>& parts, const AccumulatorRegister& accumulators,
                 const Sink& sink);

  /// The subscripts of an access at a register: of lane 0, with the dimension that lanes run along
  /// (-1 when the access does not depend on the vector axis).
  struct Address {
    ir::Index index;
    int32_t lane_dim = -1;
    int64_t lane_step = 1;
  };
  Address address(const ir::Index& index, const std::vector<ir::Affine>& registers) const;

private:
  struct Held { // an operand kept in registers
    const ir::ExprNode* read;
    uint32_t depends = 0; // bit per tile axis
    int32_t array = -1;   // -1: read in place
  };

  /// The tile's axes along which the operand is another one, a bit each.
  uint32_t dependence(const ir::ExprNode& node) const;
  void find_filled(const ir::Expr& expr);
  ir::Expr load(const ir::ExprNode& node, const std::vector<ir::Affine>& registers,
                const Piece& vector) const;
  ir::Expr load_group(const ir::ExprNode& node, const ir::Read& read, Address address,
                      bool is_weight) const;
  /// The expression at one register. Expressions are graphs: each node is widened once.
  using Widened = std::map<const ir::ExprNode*, ir::Expr>;
  ir::Expr widen(const ir::Expr& expr, const std::vector<ir::Affine>& registers,
                 const Piece& vector, const AccumulatorRegister& accumulators, Widened& done) const;
  ir::Stmt preload(Held& held, size_t depth, std::vector<ir::Affine> registers, Piece vector);
  ir::Stmt nest_loops(size_t depth, std::vector<ir::Affine> registers, Piece vector,
                      const Part& part, const AccumulatorRegister& accumulators, const Sink& sink);
  void hold(const ir::Expr& expr);
  std::vector<ir::Affine> held_index(const Held& held,
                                     const std::vector<ir::Affine>& registers) const;
  Residence stays(const Held& held) const { return residence(held.depends, axes_.size()); }

  Source source_;
  std::vector<TileAxis> axes_;
  double fill_;
  std::vector<Held> held_;
  std::vector<std::string> names_;       // of arrays for operands
  std::set<const ir::ExprNode*> filled_; // reads that do not move, and are filled all the same
};

} // namespace volute::compiler
