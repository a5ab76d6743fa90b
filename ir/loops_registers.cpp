#include "ir/loops_registers.h"

#include "ir/walk.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

namespace volute::ir {
namespace {

// Code for this many statements would take minutes to generate.
constexpr int64_t max_statements = 2'000'000;

class RegisterFlow {
public:
  RegisterFlow(const Step& step, const Scope& scope, Findings& findings)
      : step_(step), bounds_(scope.bounds), findings_(findings), unrolled_(step.vars.size(), 0) {
    for (const RegisterArray& array : step.arrays)
      set_.emplace_back(static_cast<size_t>(array.count()), 0);
  }

  void follow(const Stmt& s) {
    if (++statements_ > max_statements) {
      if (statements_ == max_statements + 1)
        findings_.add(fmt::format("unrolls to more than {} statements", max_statements));
      return;
    }
    std::visit([this](const auto& is) { follow(is); }, s->is);
  }

private:
  /// What a value reads. Most operations go lane by lane: they need as many lanes as they give.
  struct Registers {
    bool by_lane = true;
    std::vector<const ExprNode*> nodes;
  };

  // The expression for the copy that is being followed.
  Affine expanded(const Affine& affine) const {
    Affine result = affine;
    for (const Affine::Term& term : affine.terms())
      if (copied_.count(term.var))
        result = result.substitute(term.var, unrolled_[static_cast<size_t>(term.var.id)]);
    return result;
  }

  Range expanded(const Range& range) const {
    Range result = range;
    for (auto* side : {&result.lo, &result.hi})
      for (Bound& bound : *side) bound.numerator = expanded(bound.numerator);
    return result;
  }

  void follow(const Block& block) {
    for (const Stmt& inner : block.stmts) follow(inner);
  }

  void follow(const When& when) {
    const Affine value = expanded(when.value);
    follow_guarded(bounds_.is_inside(value, when.lo, when.hi), [&] {
      bounds_.assume_in(value, when.lo, when.hi);
      follow(when.body);
    });
  }

  void follow(const Set& set) {
    const int32_t lanes = read(set.value, 1);
    set_[static_cast<size_t>(set.array)][place(set.array, set.index)] = lanes;
  }

  void follow(const Store& store) { read(store.value, store.count); }

  void follow(const Scatter& scatter) {
    read(scatter.offset, 1);
    read(scatter.value, 1);
  }

  void follow(const Tile& tile) {
    const auto is_set = [&](const TileRegister& at) {
      read(at.array, place(at.array, at.index), step_.arrays[static_cast<size_t>(at.array)].lanes);
    };
    if (tile.kind == Tile::Kind::multiply) is_set(tile.a), is_set(tile.b);
    if (tile.kind == Tile::Kind::multiply || tile.kind == Tile::Kind::store)
      return is_set(tile.tile);
    const TileRegister& at = tile.tile;
    set_[static_cast<size_t>(at.array)][place(at.array, at.index)] =
        step_.arrays[static_cast<size_t>(at.array)].lanes;
  }

  void follow(const Fence&) {}
  void follow(const Prefetch&) {}

  template <class Follow>
  void follow_guarded(bool certain, const Follow& follow) {
    const auto mark = bounds_.mark();
    if (certain) {
      follow();
    } else {
      const auto before = set_;
      follow();
      set_ = before;
    }
    bounds_.forget(mark);
  }

  void follow(const For& loop) {
    const Range range = expanded(loop.range);
    if (loop.kind == For::Kind::unrolled) return follow_copies(loop, range);
    follow_guarded(bounds_.runs(range), [&] {
      bounds_.enter(loop.var, range);
      follow(loop.body);
    });
  }

  void follow_copies(const For& loop, const Range& range) {
    // Bounds that depend on unrolled loops only are numbers here.
    int64_t begin = INT64_MIN, end = INT64_MAX;
    for (const Bound& bound : range.lo)
      begin = std::max(begin, ceil_div(bound.numerator.number(), bound.divisor));
    for (const Bound& bound : range.hi)
      end = std::min(end, ceil_div(bound.numerator.number(), bound.divisor));
    copied_.insert(loop.var);
    for (int64_t i = begin; i < end && statements_ <= max_statements; ++i) {
      unrolled_[static_cast<size_t>(loop.var.id)] = i;
      follow(loop.body);
    }
    copied_.erase(loop.var);
  }

  // Which register of its array: its index is known in a copy, and inside the array's shape.
  size_t place(int32_t array, const std::vector<Affine>& index, size_t axis = 0,
               int64_t further = 0) const {
    const std::vector<int64_t>& shape = step_.arrays[static_cast<size_t>(array)].shape;
    int64_t at = 0;
    for (size_t i = 0; i < index.size(); ++i) {
      const int64_t value =
          index[i].evaluate([&](Var var) { return unrolled_[static_cast<size_t>(var.id)]; });
      at = at * shape[i] + value + (i == axis ? further : 0);
    }
    return static_cast<size_t>(at);
  }

  // Reads the first `lanes` lanes of the value; gives the number of lanes that it certainly has.
  int32_t read(const Expr& value, int32_t lanes) {
    const Registers& reads = registers_in(value);
    int32_t certain = value->lanes;
    for (const ExprNode* node : reads.nodes) {
      const Reg& reg = std::get<Reg>(node->is);
      const int32_t has = read(reg.array, place(reg.array, reg.index),
                               reads.by_lane ? std::min(lanes, node->lanes) : node->lanes);
      if (node->lanes == value->lanes) certain = std::min(certain, has);
    }
    return certain;
  }

  // Found once a value, not once a copy of it.
  const Registers& registers_in(const Expr& value) {
    const auto [entry, is_new] = registers_in_.try_emplace(value.get());
    Registers& reads = entry->second;
    if (is_new)
      visit(value, [&](const ExprNode& node) {
        const auto* op = std::get_if<UnaryOp>(&node.is);
        const bool repeats = op && op->fn == UnaryFn::splat && op->a->lanes > 1;
        reads.by_lane &= !repeats && !std::holds_alternative<Dot>(node.is);
        if (std::holds_alternative<Reg>(node.is)) reads.nodes.push_back(&node);
      });
    return reads;
  }

  int32_t read(int32_t array, size_t at, int32_t lanes) {
    const int32_t has = set_[static_cast<size_t>(array)][at];
    if (has < lanes) report(array, at, has);
    return has;
  }

  void report(int32_t array, size_t at, int32_t lanes) {
    const RegisterArray& owner = step_.arrays[static_cast<size_t>(array)];
    std::string text;
    for (size_t i = owner.shape.size(); i-- > 0;) {
      const auto extent = static_cast<size_t>(owner.shape[i]);
      text = fmt::format("[{}]", at % extent) + text;
      at /= extent;
    }
    findings_.add(lanes == 0
                      ? fmt::format("{}{} is read before it is certainly set", owner.name, text)
                      : fmt::format("{}{} is read beyond its first {} lanes, and no others are set",
                                    owner.name, text, lanes));
  }

  void follow(const Transpose& transpose) {
    for (int64_t r = 0; r < transpose.count; ++r)
      read(transpose.from,
           place(transpose.from, transpose.from_index, static_cast<size_t>(transpose.from_axis), r),
           step_.arrays[static_cast<size_t>(transpose.from)].lanes);
    const int32_t rows = step_.arrays[static_cast<size_t>(transpose.from)].lanes;
    for (int32_t l = 0; l < rows; ++l)
      set_[static_cast<size_t>(transpose.to)][static_cast<size_t>(l)] = transpose.count;
  }

  const Step& step_;
  Bounds bounds_;
  Findings& findings_;
  std::vector<int64_t> unrolled_;         // values of unrolled variables, by Var::id
  std::set<Var> copied_;                  // those that have one now
  std::vector<std::vector<int32_t>> set_; // by array and register: how many lanes certainly are
  std::unordered_map<const ExprNode*, Registers> registers_in_; // by value
  int64_t statements_ = 0;
};

} // namespace

void check_registers_set(const Step& step, const Scope& scope, Findings& findings) {
  RegisterFlow(step, scope, findings).follow(step.body);
}

} // namespace volute::ir
