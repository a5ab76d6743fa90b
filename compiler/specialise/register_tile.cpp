#include "compiler/specialise/register_tile.h"

#include "compiler/nests/weight_expression.h"
#include "ir/walk.h"

#include <fmt/format.h>

#include <algorithm>

namespace volute::compiler {

using namespace ir;

std::vector<Piece> pieces_of(int64_t lo, int64_t hi, int32_t lanes) {
  if (lo >= hi) return {};
  if (lanes == 0) return {{lo, hi, 0, 1}};
  std::vector<Piece> pieces;
  for (int64_t v = lo / lanes; v * lanes < hi; ++v) {
    const int64_t first = std::max<int64_t>(lo - v * lanes, 0);
    const int64_t last = std::min<int64_t>(hi - v * lanes, lanes);
    const bool whole = first == 0 && last == lanes;
    if (whole && !pieces.empty() && pieces.back().count == lanes)
      pieces.back().end = v + 1;
    else
      pieces.push_back({v, v + 1, static_cast<int32_t>(first), static_cast<int32_t>(last - first)});
  }
  return pieces;
}

int32_t TileWriter::lanes() const {
  for (const TileAxis& axis : axes_)
    if (axis.lanes) return axis.lanes;
  return 1;
}

uint32_t TileWriter::dependence(const ExprNode& node) const {
  uint32_t depends = 0;
  for (size_t i = 0; i < axes_.size(); ++i) {
    if (axes_[i].lanes && filled_.count(&node)) depends |= uint32_t{1} << i;
    for (const Subscript& s : std::get<Read>(node.is).index)
      if (s.at.depends_on(axes_[i].axis)) depends |= uint32_t{1} << i;
  }
  return depends;
}

/// Lanes in the padding add nothing since what they read is filled. Whether a lane lies there is a
/// matter of the domain, not of where its operand lies: where nothing that a value reads moves with
/// the lanes (a dimension of stride 0), all of it is filled.
void TileWriter::find_filled(const Expr& expr) {
  const int32_t weight = weight_of(source_.nest);
  std::vector<const ExprNode*> reads;
  bool moves = false;
  visit(expr, [&](const ExprNode& node) {
    const auto* read = std::get_if<Read>(&node.is);
    if (!read || read->operand == weight) return;
    reads.push_back(&node);
    for (const TileAxis& axis : axes_)
      for (const Subscript& s : read->index) moves |= axis.lanes && s.at.depends_on(axis.axis);
  });
  if (!moves) filled_.insert(reads.begin(), reads.end());
}

TileWriter::Address TileWriter::address(const Index& index,
                                        const std::vector<Affine>& registers) const {
  Address result;
  for (size_t d = 0; d < index.size(); ++d) {
    Affine at = index[d].at;
    for (size_t i = 0; i < axes_.size(); ++i) {
      const int64_t coefficient = at.coefficient(axes_[i].axis);
      if (coefficient == 0) continue;
      const Affine inner = registers[i] * std::max(axes_[i].lanes, 1);
      at =
          at.substitute(axes_[i].axis, source_.base[static_cast<size_t>(axes_[i].axis.id)] + inner);
      if (axes_[i].lanes == 0) continue;
      if (result.lane_dim >= 0 || index[d].table >= 0)
        throw InternalError(
            fmt::format("nest {}: {} cannot be the vector axis", source_.nest.name, axes_[i].name));
      result.lane_dim = static_cast<int32_t>(d);
      result.lane_step = coefficient;
    }
    // Axes that are not in the tile.
    for (const Affine::Term& term : index[d].at.terms()) {
      if (static_cast<size_t>(term.var.id) >= source_.base.size())
        continue; // a loop's own variable
      const bool in_tile = std::any_of(axes_.begin(), axes_.end(),
                                       [&](const TileAxis& a) { return a.axis == term.var; });
      if (!in_tile)
        at +=
            (source_.base[static_cast<size_t>(term.var.id)] - Affine(term.var)) * term.coefficient;
    }
    result.index.emplace_back(std::move(at), index[d].table);
  }
  return result;
}

Expr TileWriter::load(const ExprNode& node, const std::vector<Affine>& registers,
                      const Piece& vector) const {
  Read read = std::get<Read>(node.is);
  const bool whole = source_.is_padded && source_.is_padded(read);
  if (source_.redirect)
    if (auto other = source_.redirect(read)) read = *other;
  Address a = address(read.index, registers);
  if (source_.group) return load_group(node, read, std::move(a), whole);
  Load l{read.operand, std::move(a.index), a.lane_dim, a.lane_step, 0, 1, 0};
  const bool is_whole = vector.count == lanes() || filled_.count(&node) == 0;
  if (a.lane_dim < 0 && is_whole)
    return splat_to(lanes(), ir::load(node.type, 1, std::move(l), node.source));
  if (a.lane_dim < 0) l.lane_dim = static_cast<int32_t>(l.index.size()) - 1, l.lane_step = 0;
  l.first = whole ? 0 : vector.first;
  l.count = whole ? lanes() : vector.count;
  l.fill = fill_;
  return ir::load(node.type, lanes(), std::move(l), node.source);
}

/// A group of the image is the same in every lane; a packed weight has the groups of all lanes one
/// after the other.
Expr TileWriter::load_group(const ExprNode& node, const Read& read, Address a,
                            bool is_weight) const {
  const Source::Group& group = *source_.group;
  if (is_weight) {
    const auto last = static_cast<int32_t>(a.index.size()) - 1;
    return ir::load(node.type, operand_lanes(),
                    {read.operand, std::move(a.index), last, 1, 0, operand_lanes(), 0},
                    node.source);
  }
  int32_t along = -1;
  for (size_t d = 0; d < read.index.size(); ++d)
    if (read.index[d].at.depends_on(group.axis)) along = static_cast<int32_t>(d);
  // A staged image has whole groups; what it has beyond its channels meets weights that are 0.
  const auto dimension = static_cast<size_t>(along);
  const Dim& dim = source_.nest.operands[static_cast<size_t>(read.operand)].dims[dimension];
  const auto axis = std::find_if(source_.nest.axes.begin(), source_.nest.axes.end(),
                                 [&](const NestAxis& x) { return x.var == group.axis; });
  const int64_t whole = ceil_div(axis->extent.number(), group.ways) * group.ways;
  const bool has_whole_groups =
      read.index[dimension].at == Affine(group.axis) && whole <= dim.extent.number();
  const int32_t count = has_whole_groups ? group.ways : group.count;
  return splat_to(operand_lanes(),
                  ir::load(node.type, group.ways,
                           {read.operand, std::move(a.index), along, 1, 0, count, 0}, node.source));
}

std::vector<Affine> TileWriter::held_index(const Held& held,
                                           const std::vector<Affine>& registers) const {
  if (stays(held) != Residence::held) return {}; // lives inside the loops it depends on
  std::vector<Affine> index;
  for (size_t i = 0; i < axes_.size(); ++i)
    if (held.depends >> i & 1) index.push_back(registers[i]);
  return index;
}

Expr TileWriter::widen(const Expr& expr, const std::vector<Affine>& registers, const Piece& vector,
                       const AccumulatorRegister& accumulators, Widened& done) const {
  visit(expr, [&](const ExprNode& node) {
    Expr& result = done[&node];
    if (result) return;
    if (const auto* a = std::get_if<Acc>(&node.is)) {
      auto own = std::make_shared<ExprNode>(*accumulators(a->accumulator, registers));
      own->source = node.source;
      result = std::move(own);
      return;
    }
    if (std::holds_alternative<Read>(node.is)) {
      if (source_.in_registers)
        if (std::optional<Expr> there = source_.in_registers(node, registers)) {
          result = std::move(*there);
          return;
        }
      const auto held = std::find_if(held_.begin(), held_.end(), [&](const Held& h) {
        return h.read == &node && h.array >= 0;
      });
      result = held != held_.end() ? reg(node.type, operand_lanes(), held->array,
                                         held_index(*held, registers), node.source)
                                   : load(node, registers, vector);
      return;
    }
    auto wide = std::make_shared<ExprNode>(node);
    wide->lanes = lanes();
    if (auto* position = std::get_if<Position>(&wide->is)) {
      Address at = address({position->value}, registers);
      *position = Position{at.index.front().at, at.lane_dim < 0 ? 0 : at.lane_step};
    }
    for_each_part(*wide, [&](Expr& operand) { operand = done.at(operand.get()); });
    result = std::move(wide);
  });
  return done.at(expr.get());
}

/// Sets the registers that hold an operand, in loops over just the axes it depends on.
Stmt TileWriter::preload(Held& held, size_t depth, std::vector<Affine> registers, Piece vector) {
  while (depth < axes_.size() && !(held.depends >> depth & 1)) ++depth;
  if (depth == axes_.size())
    return stmt(Set{held.array, held_index(held, registers), load(*held.read, registers, vector)});
  std::vector<Stmt> parts;
  for (const Piece& piece : axes_[depth].pieces) {
    const Var var{static_cast<int32_t>(source_.step.vars.size())};
    source_.step.vars.push_back(axes_[depth].name);
    registers[depth] = var;
    parts.push_back(
        for_loop(var, Range::of(piece.begin, piece.end), For::Kind::unrolled,
                 preload(held, depth + 1, registers, axes_[depth].lanes ? piece : vector)));
  }
  return block(std::move(parts));
}

Stmt TileWriter::nest_loops(size_t depth, std::vector<Affine> registers, Piece vector,
                            const Part& part, const AccumulatorRegister& accumulators,
                            const Sink& sink) {
  std::vector<Stmt> parts;
  const uint32_t open = (uint32_t{1} << depth) - 1;
  for (Held& held : held_)
    if (held.array >= 0 && held.depends == open)
      parts.push_back(stmt(Set{held.array, {}, load(*held.read, registers, vector)}));
  if (depth == axes_.size()) {
    std::vector<Expr> values;
    Widened done;
    for (const Expr& e : part.exprs)
      values.push_back(widen(e, registers, vector, accumulators, done));
    parts.push_back(sink(values, registers, vector));
    return block(std::move(parts));
  }
  for (const Piece& piece : part.pieces[depth]) {
    const Var var{static_cast<int32_t>(source_.step.vars.size())};
    source_.step.vars.push_back(axes_[depth].name);
    registers[depth] = var;
    parts.push_back(for_loop(var, Range::of(piece.begin, piece.end), For::Kind::unrolled,
                             nest_loops(depth + 1, registers, axes_[depth].lanes ? piece : vector,
                                        part, accumulators, sink)));
  }
  return block(std::move(parts));
}

namespace {

int32_t array_for(Step& step, std::string name, ElementType type, int32_t lanes,
                  std::vector<int64_t> shape) {
  for (size_t i = 0; i < step.arrays.size(); ++i) {
    const RegisterArray& a = step.arrays[i];
    if (a.name == name && a.type == type && a.lanes == lanes && a.shape == shape && a.rows == 0)
      return static_cast<int32_t>(i);
  }
  step.arrays.push_back({std::move(name), type, lanes, std::move(shape)});
  return static_cast<int32_t>(step.arrays.size()) - 1;
}

} // namespace

Stmt TileWriter::write(const std::vector<Expr>& exprs, const AccumulatorRegister& accumulators,
                       const Sink& sink) {
  Part whole{{}, exprs};
  for (const TileAxis& axis : axes_) whole.pieces.push_back(axis.pieces);
  return write(std::vector<Part>{std::move(whole)}, accumulators, sink);
}

/// Finds what an expression reads, and gives what stays its registers.
void TileWriter::hold(const Expr& expr) {
  visit(expr, [&](const ExprNode& node) {
    const auto* read = std::get_if<Read>(&node.is);
    if (!read) return;
    if (source_.in_registers && source_.in_registers(node, std::vector<Affine>(axes_.size())))
      return;
    if (std::any_of(held_.begin(), held_.end(), [&](const Held& h) { return h.read == &node; }))
      return;
    Held held{&node, dependence(node), -1};
    if (stays(held) != Residence::in_place || axes_.empty()) {
      std::vector<int64_t> shape;
      if (stays(held) == Residence::held)
        for (size_t i = 0; i < axes_.size(); ++i)
          if (held.depends >> i & 1) shape.push_back(axes_[i].pieces.back().end);
      // Two reads of one operand in an expression need registers of their own.
      std::string name =
          fmt::format("{}_", source_.nest.operands[static_cast<size_t>(read->operand)].name);
      while (std::find(names_.begin(), names_.end(), name) != names_.end()) name += "_";
      names_.push_back(name);
      if (!axes_.empty())
        held.array = array_for(source_.step, name, node.type, operand_lanes(), shape);
    }
    held_.push_back(held);
  });
}

Stmt TileWriter::write(const std::vector<Part>& parts, const AccumulatorRegister& accumulators,
                       const Sink& sink) {
  held_.clear();
  filled_.clear();
  names_.clear();
  for (const Part& part : parts)
    for (const Expr& e : part.exprs) {
      if (source_.leaves_lanes_out) find_filled(e);
      hold(e);
    }
  std::vector<Stmt> code;
  const std::vector<Affine> none(axes_.size());
  for (Held& held : held_)
    if (held.array >= 0 && stays(held) == Residence::held)
      code.push_back(preload(held, 0, none, Piece{}));
  for (const Part& part : parts)
    code.push_back(nest_loops(0, none, Piece{}, part, accumulators, sink));
  return block(std::move(code));
}

} // namespace volute::compiler
