#include "compiler/specialise/amid_products.h"

#include "compiler/specialise/rows_of_stage.h"
#include "ir/walk.h"

#include <algorithm>
#include <vector>

namespace volute::compiler {

using namespace ir;

namespace {

class Spreader {
public:
  Spreader(Step& merged, const RowsOfStage& rows) : step_(merged), rows_(rows) {}

  /// Changes the step.
  void run() {
    const Block both = std::get<Block>(step_.body->is);
    if (keeps_two()) {
      pair_ = new_var(step_.vars[static_cast<size_t>(rows_.loops.front().var.id)] + "_2");
      slot_ = new_var(step_.vars[static_cast<size_t>(rows_.loops.front().var.id)] + "_slot");
    }
    std::vector<Stmt> parts = {first_rows(both.stmts[0]), with_units(both.stmts[1])};
    step_.body = block(std::move(parts));
  }

  /// Of rows that are read once.
  bool keeps_two() const {
    return rows_.first_rows == 1 && rows_.step_rows == 1 && rows_.loops.front().trips > 2;
  }

private:
  int32_t buffer_of(int32_t view) const { return step_.views[static_cast<size_t>(view)].buffer; }

  /// The stage's loops for what the first row of products needs.
  Stmt first_rows(const Stmt& s) const {
    if (const auto* all = std::get_if<Block>(&s->is)) {
      std::vector<Stmt> parts;
      for (const Stmt& part : all->stmts) parts.push_back(first_rows(part));
      return block(std::move(parts), s->note);
    }
    const auto* loop = std::get_if<For>(&s->is);
    if (!loop || loop->kind != For::Kind::serial) return s;
    const bool is_row = loop->var == rows_.row.var;
    const int64_t end = is_row ? std::min(rows_.first_rows, rows_.row.trips) : loop->range.end();
    return with_source(
        for_loop(loop->var, Range::of(0, end), loop->kind, first_rows(loop->body), s->note),
        s->source);
  }

  /// Piece `number` of those that a step of the products has.
  Stmt unit(int64_t number) const {
    const int64_t element = number % rows_.each;
    const int64_t a_trip = rows_.along.trips / rows_.loops.back().trips;
    const int64_t part = number / rows_.each % a_trip, row = number / rows_.each / a_trip;
    const Affine at_row =
        Affine(rows_.loops.front().var) * rows_.step_rows + Affine(rows_.first_rows + row);
    const Affine at_element = rows_.tile * rows_.each + Affine(element);
    Stmt code = rows_.unit;
    if (keeps_two()) code = in_slot<Store>(code, Affine(1) - Affine(slot_));
    code = substitute(code, rows_.row.var, at_row);
    code =
        substitute(code, rows_.along.var, Affine(rows_.loops.back().var) * a_trip + Affine(part));
    if (rows_.other) {
      code = substitute(code, rows_.other->var, at_element);
      if (!rows_.is_even) code = stmt(When{at_element, 0, rows_.other->trips, std::move(code)});
    }
    return stmt(When{at_row, 0, rows_.row.trips, std::move(code)});
  }

  Stmt with_units(const Stmt& s) {
    if (const auto* all = std::get_if<Block>(&s->is)) {
      std::vector<Stmt> parts;
      for (const Stmt& part : all->stmts) parts.push_back(with_units(part));
      return block(std::move(parts), s->note);
    }
    if (is_group_of_products(s)) {
      std::vector<Stmt> parts = {s};
      const int64_t all = rows_.units();
      for (int64_t u = group_ * all / rows_.groups; u < (group_ + 1) * all / rows_.groups; ++u)
        parts.push_back(unit(u));
      ++group_;
      return block(std::move(parts));
    }
    const auto* loop = std::get_if<For>(&s->is);
    if (!loop || !has_products(s)) return s;
    StmtNode copy = *s;
    std::get<For>(copy.is).body = with_units(loop->body);
    if (keeps_two() && loop->var == rows_.loops.front().var)
      return in_pairs(std::get<For>(copy.is), s);
    return normal(std::move(copy));
  }

  Var new_var(std::string name) {
    step_.vars.push_back(std::move(name));
    return {static_cast<int32_t>(step_.vars.size()) - 1};
  }

  /// What `Access` does with a row of the stage, in that place.
  template <class Access>
  Stmt in_slot(const Stmt& s, const Affine& slot) const {
    return rewrite(s, [&](StmtNode& node) {
      auto* access = std::get_if<Access>(&node.is);
      if (access && access->view >= 0 && buffer_of(access->view) == rows_.buffer)
        access->index[rows_.dim].at = slot;
    });
  }

  /// Two rows of the stage are all that is kept: one is multiplied, the next is made.
  Stmt in_pairs(const For& rows, const Stmt& s) {
    const int64_t trips = rows_.loops.front().trips;
    Stmt body = in_slot<Tile>(rows.body, Affine(slot_));
    body = substitute(body, rows.var, Affine(pair_) * 2 + Affine(slot_));
    Range slots = Range::of(0, 2);
    if (trips % 2 != 0) slots.hi.push_back({Affine(pair_) * -2 + Affine(trips), 1});
    return with_source(
        for_loop(pair_, Range::of(0, ceil_div(trips, 2)), For::Kind::serial,
                 for_loop(slot_, std::move(slots), For::Kind::serial, std::move(body)), s->note),
        s->source);
  }

  Step& step_;
  const RowsOfStage& rows_;
  int64_t group_ = 0; // that comes next
  Var pair_{}, slot_{};
};

} // namespace

AmidProducts amid_products(Step merged) {
  const RowsOfStage rows = rows_of_stage(merged);
  if (!rows.misfit.empty()) return {std::move(merged), rows.misfit, std::nullopt};
  Spreader spreader(merged, rows);
  spreader.run();
  if (!spreader.keeps_two()) return {std::move(merged), "", std::nullopt};
  return {std::move(merged), "", KeptRows{rows.buffer, rows.dim, 2}};
}

} // namespace volute::compiler
