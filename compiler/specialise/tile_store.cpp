#include "compiler/specialise/tile_store.h"

#include "compiler/nests/strides.h"
#include "ir/walk.h"

#include <fmt/format.h>

#include <algorithm>

namespace volute::compiler {

using namespace ir;

AccumulatorRegister in_frame(const Nest& nest, const TileFrame& frame) {
  return [&](int32_t a, const std::vector<Affine>& registers) {
    const auto at = static_cast<size_t>(a);
    return reg(nest.accumulators[at].type, frame.lanes, frame.accumulators[at], registers);
  };
}

std::vector<Affine> bases(const std::vector<Place>& places) {
  std::vector<Affine> result;
  for (const Place& place : places) result.push_back(place.base);
  return result;
}

namespace {

class TileStore {
public:
  TileStore(const Nest& nest, Step& step, const TileFrame& frame)
      : nest_(nest), step_(step), frame_(frame) {}

  Stmt write(const std::vector<Place>& places, const AccumulatorRegister& sums) {
    if (frame_.store.kind == PlannedStore::Kind::transposed) {
      if (narrows_first()) {
        const ElementType narrow = nest_.writes.front().value->type;
        const std::string& name = nest_.accumulators.front().name;
        narrowed_ = new_array(name + "_narrow", narrow, {frame_.lanes});
        turned_.push_back(new_array(name + "_rows", narrow, {frame_.lanes}));
      } else {
        for (const Accumulator& a : nest_.accumulators)
          turned_.push_back(new_array(a.name + "_rows", a.type, {frame_.lanes}));
      }
      if (frame_.across) {
        const Accumulator& a = nest_.accumulators.front();
        sum_ = new_array(a.name + "_sum", a.type, {});
      }
      return turned_blocks(places, frame_.store.rows, 0, std::vector<Affine>(frame_.axes.size()),
                           Piece{});
    }
    std::vector<TileAxis> axes = frame_.axes;
    for (TileAxis& axis : axes) axis.pieces = pieces_of(0, places[id(axis.axis)].size, axis.lanes);
    return finish(places, std::move(axes), sums);
  }

private:
  static size_t id(Var var) { return static_cast<size_t>(var.id); }

  int32_t new_array(std::string name, ElementType type, std::vector<int64_t> shape) {
    step_.arrays.push_back({std::move(name), type, frame_.lanes, std::move(shape)});
    return static_cast<int32_t>(step_.arrays.size()) - 1;
  }

  /// Whether results are made of the sums before these are turned: results that are narrower, of
  /// which turning moves fewer bytes, and that need nothing which lies along the rows.
  bool narrows_first() const {
    if (nest_.accumulators.size() != 1 || nest_.writes.size() != 1 || nest_.writes.front().offset ||
        frame_.across || !frame_.waiting.empty())
      return false;
    const ElementType narrow = nest_.writes.front().value->type;
    constexpr int64_t shuffled = 16; // bytes, of the shortest vector that shuffles are made for
    if (size_of(narrow) >= size_of(nest_.accumulators.front().type) ||
        size_of(narrow) * frame_.lanes < shuffled)
      return false;
    bool may = true;
    visit(with_initial(nest_.writes.front().value), [&](const ExprNode& node) {
      const auto* read = std::get_if<Read>(&node.is);
      if (!read) return;
      const auto stride = [&](size_t axis) {
        return stride_along(nest_, read->operand, read->index, frame_.axes[axis].axis);
      };
      may &= stride(frame_.store.rows) == 0 &&
             (stride(frame_.vector) == 0 || stride(frame_.vector) == 1);
    });
    return may;
  }

  Stmt finish(const std::vector<Place>& places, std::vector<TileAxis> axes,
              const AccumulatorRegister& accumulators) {
    if (frame_.waiting.empty()) return write_results(places, std::move(axes), accumulators);
    std::vector<Expr> sums;
    for (size_t a = 0; a < nest_.accumulators.size(); ++a)
      sums.push_back(acc(nest_.accumulators[a].type, static_cast<int32_t>(a)));
    const std::vector<Affine> base = bases(places);
    Stmt wait =
        TileWriter({nest_, step_, base, nullptr, nullptr}, axes)
            .write(sums, accumulators,
                   [&](const auto& values, const auto& registers, const Piece& vector) {
                     std::vector<Stmt> stores;
                     const Affine row = row_of(axes, registers);
                     for (size_t a = 0; a < values.size(); ++a)
                       stores.push_back(
                           stmt(Store{frame_.waiting[a], {row, 0}, 1, 1, vector.count, values[a]}));
                     return block(std::move(stores));
                   });
    return block({std::move(wait), finish_waiting(places, axes, axes, 0, {})});
  }

  /// Which row of scratch a register of the tile waits in.
  static Affine row_of(const std::vector<TileAxis>& axes, const std::vector<Affine>& registers) {
    Affine row;
    for (size_t i = 0; i < axes.size(); ++i) row = row * axes[i].pieces.back().end + registers[i];
    return row;
  }

  /// Loops over what waits, `depth` of them around: inside them the tile is `one` register. Where
  /// lanes are stored one by one they go to lines far apart, which the elements of the other axes
  /// share: those come one after the other.
  Stmt finish_waiting(const std::vector<Place>& places, const std::vector<TileAxis>& axes,
                      std::vector<TileAxis> one, size_t depth, std::vector<Affine> registers) {
    registers.resize(axes.size());
    if (depth == axes.size()) {
      int32_t lanes = 1; // that wait
      for (const TileAxis& axis : one)
        if (axis.lanes) lanes = axis.pieces.front().count;
      const Affine row = row_of(axes, registers);
      Stmt results =
          write_results(places, std::move(one), [&](int32_t a, const std::vector<Affine>&) {
            const auto at = static_cast<size_t>(a);
            return load(nest_.accumulators[at].type, frame_.lanes,
                        {frame_.waiting[at], {row, 0}, 1, 1, 0, lanes, 0});
          });
      if (!frame_.reads_numbers) return results;
      return block({stmt(Fence{Fence::Kind::numbers}), std::move(results)});
    }
    size_t i = depth;
    if (frame_.store.kind == PlannedStore::Kind::lanes)
      i = depth == 0 ? frame_.vector : depth - (depth <= frame_.vector);
    const TileAxis& axis = axes[i];
    std::vector<Stmt> parts;
    for (const Piece& piece : axis.pieces) {
      const auto finish_one = [&](const Affine& at) {
        std::vector<Place> here = places;
        here[id(axis.axis)].base += at * std::max(axis.lanes, 1);
        one[i].pieces = {{0, 1, piece.first, piece.count}};
        registers[i] = at;
        return finish_waiting(here, axes, one, depth + 1, registers);
      };
      if (piece.end - piece.begin == 1) {
        parts.push_back(finish_one(piece.begin));
        continue;
      }
      const Var var{static_cast<int32_t>(step_.vars.size())};
      step_.vars.push_back(axis.name);
      parts.push_back(
          for_loop(var, Range::of(piece.begin, piece.end), For::Kind::serial, finish_one(var)));
    }
    return block(std::move(parts));
  }

  Stmt write_results(const std::vector<Place>& places, std::vector<TileAxis> axes,
                     const AccumulatorRegister& accumulators) {
    std::vector<Expr> values;
    for (const Write& w : nest_.writes)
      values.push_back(narrowed_ < 0 ? with_initial(w.value) : acc(w.value->type, 0));
    for (const Write& w : nest_.writes)
      if (w.offset) values.push_back(w.offset);
    const std::vector<Affine> base = bases(places);
    TileWriter writer({nest_, step_, base, nullptr, nullptr}, std::move(axes));
    return writer.write(
        values, accumulators, [&](const auto& lowered, const auto& registers, const Piece& vector) {
          std::vector<Stmt> stores;
          size_t offset = nest_.writes.size();
          for (size_t i = 0; i < nest_.writes.size(); ++i) {
            const Write& write = nest_.writes[i];
            TileWriter::Address to = writer.address(write.index, registers);
            if (write.offset) { // one element at a time, as resolve sees to
              stores.push_back(stmt(Scatter{write.operand, std::move(to.index), lowered[offset++],
                                            write.extent, lowered[i]}));
              continue;
            }
            if (to.lane_dim < 0 && writer.lanes() > 1)
              throw InternalError(fmt::format(
                  "nest {}: the result does not move along the vector axis", nest_.name));
            stores.push_back(
                stmt(Store{nest_.writes[i].operand, std::move(to.index), to.lane_dim, to.lane_step,
                           to.lane_dim < 0 ? 1 : vector.count, lowered[i]}));
          }
          return block(std::move(stores));
        });
  }

  /// Lanes that are parts of a sum started from 0: what it starts from is added now.
  Expr with_initial(const Expr& value) const {
    if (!frame_.across && !frame_.adds_initial) return value;
    const auto* number = std::get_if<Imm>(&nest_.accumulators.front().initial->is);
    if (!frame_.across && number && number->real == 0 && number->integer == 0) return value;
    return Rewriter([&](const Expr& e) {
      return std::holds_alternative<Acc>(e->is)
                 ? binary(BinaryFn::add, nest_.accumulators.front().initial, e)
                 : e;
    })(value);
  }

  /// In lane r the sum of all lanes of row r, which are lane r of the turned rows: by halves, so
  /// that additions wait for each other as little as they must.
  Stmt add_lanes() const {
    const Accumulator& a = nest_.accumulators.front();
    std::vector<Expr> parts;
    for (int32_t l = 0; l < frame_.lanes; ++l)
      parts.push_back(reg(a.type, frame_.lanes, turned_.front(), {Affine(l)}));
    while (parts.size() > 1) {
      for (size_t i = 0; i < parts.size() / 2; ++i)
        parts[i] = binary(BinaryFn::add, parts[2 * i], parts[2 * i + 1]);
      parts.resize(parts.size() / 2); // lanes are a power of two
    }
    return stmt(Set{sum_, {}, parts.front()});
  }

  /// Every vector of the tile by every run of at most `lanes` elements along `rows`.
  Stmt turned_blocks(const std::vector<Place>& places, size_t rows, size_t depth,
                     std::vector<Affine> registers, const Piece& vector) {
    std::vector<Stmt> parts;
    if (depth == frame_.axes.size()) {
      const int64_t size = places[id(frame_.axes[rows].axis)].size;
      for (int64_t begin = 0; begin < size; begin += frame_.lanes)
        parts.push_back(
            turned_block(places, rows, registers, vector, begin,
                         static_cast<int32_t>(std::min<int64_t>(size - begin, frame_.lanes))));
      return block(std::move(parts));
    }
    if (depth == rows) return turned_blocks(places, rows, depth + 1, registers, vector);
    const TileAxis& axis = frame_.axes[depth];
    const bool one_vector = frame_.across && depth == frame_.vector;
    for (const Piece& piece : one_vector ? std::vector<Piece>{{0, 1, 0, axis.lanes}}
                                         : pieces_of(0, places[id(axis.axis)].size, axis.lanes)) {
      const Var var{static_cast<int32_t>(step_.vars.size())};
      step_.vars.push_back(axis.name);
      registers[depth] = var;
      parts.push_back(for_loop(var, Range::of(piece.begin, piece.end), For::Kind::unrolled,
                               turned_blocks(places, rows, depth + 1, registers,
                                             depth == frame_.vector ? piece : vector)));
    }
    return block(std::move(parts));
  }

  Stmt turned_block(std::vector<Place> places, size_t rows, std::vector<Affine> registers,
                    const Piece& vector, int64_t begin, int32_t count) {
    std::vector<Stmt> parts;
    registers[rows] = begin;
    if (narrowed_ >= 0) {
      parts.push_back(narrow(places, rows, registers, vector, count));
      parts.push_back(stmt(Transpose{turned_.front(), narrowed_, {Affine(0)}, 0, count}));
    } else {
      for (size_t a = 0; a < turned_.size(); ++a)
        parts.push_back(stmt(Transpose{turned_[a], frame_.accumulators[a], registers,
                                       static_cast<int32_t>(rows), count}));
    }
    std::vector<TileAxis> axes;
    for (size_t i = 0; i < frame_.axes.size(); ++i) {
      const Var axis = frame_.axes[i].axis;
      const std::string& name = nest_.vars[id(axis)];
      places[id(axis)].base += registers[i] * (i == frame_.vector ? frame_.lanes : 1);
      if (i == frame_.vector && !frame_.across)
        axes.insert(axes.begin(), {axis, 0, pieces_of(0, vector.count, 0), name + "_l"});
      if (i == rows)
        axes.push_back({axis, frame_.lanes, pieces_of(0, count, frame_.lanes), name + "_v"});
    }
    if (frame_.across) parts.push_back(add_lanes());
    const AccumulatorRegister from_rows = [this](int32_t a, const std::vector<Affine>& at) {
      if (frame_.across) return reg(nest_.accumulators.front().type, frame_.lanes, sum_, {});
      const int32_t rows_of = turned_[static_cast<size_t>(a)];
      return reg(step_.arrays[static_cast<size_t>(rows_of)].type, frame_.lanes, rows_of,
                 {at.front()});
    };
    parts.push_back(finish(places, std::move(axes), from_rows));
    return block(std::move(parts));
  }

  /// The results of `count` of the tile's registers along `rows`, from the one at `registers` on.
  Stmt narrow(std::vector<Place> places, size_t rows, const std::vector<Affine>& registers,
              const Piece& vector, int32_t count) {
    std::vector<TileAxis> axes;
    for (size_t i = 0; i < frame_.axes.size(); ++i) {
      const Var axis = frame_.axes[i].axis;
      places[id(axis)].base += registers[i] * (i == frame_.vector ? frame_.lanes : 1);
      if (i == rows) axes.push_back({axis, 0, pieces_of(0, count, 0), frame_.axes[i].name});
      if (i == frame_.vector)
        axes.push_back(
            {axis, frame_.lanes, {{0, 1, vector.first, vector.count}}, frame_.axes[i].name});
    }
    const size_t along = rows < frame_.vector ? 0 : 1; // of the two, the one of rows
    const std::vector<Affine> base = bases(places);
    return TileWriter({nest_, step_, base, nullptr, nullptr}, std::move(axes))
        .write(
            {with_initial(nest_.writes.front().value)},
            [&](int32_t, const std::vector<Affine>& at) {
              std::vector<Affine> from = registers;
              from[rows] += at[along];
              return in_frame(nest_, frame_)(0, from);
            },
            [&](const auto& values, const auto& at, const Piece&) {
              return stmt(Set{narrowed_, {at[along]}, values.front()});
            });
  }

  const Nest& nest_;
  Step& step_;
  const TileFrame& frame_;
  int32_t narrowed_ = -1;       // register array of results that are turned, if those are
  std::vector<int32_t> turned_; // register arrays of turned accumulators
  int32_t sum_ = -1;            // of the sums of their lanes
};

} // namespace

Stmt store_tile(const Nest& nest, Step& step, const TileFrame& frame,
                const std::vector<Place>& places) {
  return store_tile(nest, step, frame, places, in_frame(nest, frame));
}

Stmt store_tile(const Nest& nest, Step& step, const TileFrame& frame,
                const std::vector<Place>& places, const AccumulatorRegister& sums) {
  return TileStore(nest, step, frame).write(places, sums);
}

} // namespace volute::compiler
