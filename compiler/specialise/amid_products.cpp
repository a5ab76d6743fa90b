#include "compiler/specialise/amid_products.h"

#include "compiler/schedule/overlap.h"
#include "ir/walk.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <vector>

namespace volute::compiler {

using namespace ir;

namespace {

struct Loop {
  Var var;
  int64_t trips;
};

/// Values of a variable, both ends among them.
struct Span {
  int64_t lo, hi;
};

/// The one statement that is in a block, or the statement itself.
const Stmt& inside(const Stmt& s) {
  const auto* block = std::get_if<Block>(&s->is);
  return block && block->stmts.size() == 1 ? inside(block->stmts.front()) : s;
}

/// A serial loop from 0 to a number.
std::optional<Loop> plain_loop(const Stmt& s) {
  const auto* loop = std::get_if<For>(&s->is);
  if (!loop || loop->kind != For::Kind::serial || !loop->range.is_constant() ||
      loop->range.begin() != 0)
    return std::nullopt;
  return Loop{loop->var, loop->range.end()};
}

const Stmt& body_of(const Stmt& s) { return std::get<For>(s->is).body; }

/// Loops around one body.
struct PlainNest {
  std::vector<Loop> loops; // outermost first
  Stmt unit;
};

PlainNest plain_nest(const Stmt& s) {
  PlainNest nest;
  const Stmt* at = &inside(s);
  while (const std::optional<Loop> loop = plain_loop(*at))
    nest.loops.push_back(*loop), at = &inside(body_of(*at));
  nest.unit = *at;
  return nest;
}

/// Statements that are products of a matrix unit, with what these load between them.
bool are_products(const Stmt& s) {
  bool multiply = false, other = false;
  visit(s, [&](const StmtNode& node) {
    if (const auto* tile = std::get_if<Tile>(&node.is)) {
      multiply |= tile->kind == Tile::Kind::multiply;
      other |= tile->kind == Tile::Kind::store || tile->kind == Tile::Kind::zero;
    } else if (const auto* loop = std::get_if<For>(&node.is)) {
      other |= loop->kind != For::Kind::unrolled;
    } else {
      other |= !std::holds_alternative<Block>(node.is);
    }
  });
  return multiply && !other;
}

/// Products that follow each other, with nothing between them but what they load.
bool is_group(const Stmt& s) { return !std::holds_alternative<Block>(s->is) && are_products(s); }

bool has_products(const Stmt& s) {
  bool found = false;
  visit(s, [&](const StmtNode& node) {
    const auto* tile = std::get_if<Tile>(&node.is);
    found |= tile && tile->kind == Tile::Kind::multiply;
  });
  return found;
}

/// The loops around all products of a step, and how many groups of products their body has.
class Products {
public:
  explicit Products(const Stmt& s) { walk(s); }

  std::vector<Loop> loops; // outermost first
  int64_t groups = 0;
  std::string misfit;

private:
  void walk(const Stmt& s) {
    if (std::holds_alternative<Block>(s->is)) {
      for (const Stmt& part : std::get<Block>(s->is).stmts) walk_part(part);
    } else {
      walk_part(s);
    }
  }

  void walk_part(const Stmt& s) {
    if (std::holds_alternative<Block>(s->is)) return walk(s);
    if (is_group(s)) {
      if (groups == 0)
        loops = around_;
      else if (!std::equal(loops.begin(), loops.end(), around_.begin(), around_.end(),
                           [](const Loop& a, const Loop& b) {
                             return a.var == b.var && a.trips == b.trips;
                           }))
        misfit = "its products have tiles of several shapes";
      ++groups;
    } else if (const std::optional<Loop> loop = plain_loop(s)) {
      around_.push_back(*loop);
      walk(body_of(s));
      around_.pop_back();
    } else if (has_products(s)) {
      misfit = "its products are not all in plain loops over whole bands and tiles";
    }
  }

  std::vector<Loop> around_;
};

class Spreader {
public:
  explicit Spreader(Step& merged) : step_(merged) {}

  /// "" where it has changed the step.
  std::string run() {
    const auto* both = std::get_if<Block>(&step_.body->is);
    if (!both || both->stmts.size() != 2)
      throw InternalError(fmt::format("step {} is not of two nests", step_.name));
    const Stmt first = both->stmts[0], second = both->stmts[1];
    stage_ = plain_nest(first);
    const Products products(second);
    if (!products.misfit.empty()) return products.misfit;
    if (products.groups == 0) return "a matrix unit has no products there";
    loops_ = products.loops, groups_ = products.groups;
    for (const std::string& why : {link_rows(second), spread()})
      if (!why.empty()) return why;
    keeps_two_ = first_rows_ == 1 && step_rows_ == 1 && loops_.front().trips > 2;
    if (keeps_two_) {
      pair_ = new_var(step_.vars[static_cast<size_t>(loops_.front().var.id)] + "_2");
      slot_ = new_var(step_.vars[static_cast<size_t>(loops_.front().var.id)] + "_slot");
    }
    std::vector<Stmt> parts = {first_rows(first), with_units(second)};
    step_.body = block(std::move(parts));
    return "";
  }

  std::optional<KeptRows> kept() const {
    if (!keeps_two_) return std::nullopt;
    return KeptRows{buffer_, dim_, 2};
  }

private:
  int32_t buffer_of(int32_t view) const { return step_.views[static_cast<size_t>(view)].buffer; }

  /// Which loop of the stage walks rows, and which of its rows a row of products needs.
  std::string link_rows(const Stmt& products) {
    if (loops_.size() < 2) return "a band is one row of products";
    if (stage_.loops.empty()) return "it is no plain nest of loops";
    for (const std::string& why : {find_stores(), find_loads(products), keep_apart(products)})
      if (!why.empty()) return why;
    const auto is_row = [&](const Loop& loop) {
      return std::all_of(stores_.begin(), stores_.end(), [&](const Store* store) {
        return store->index[dim_].at == Affine(loop.var);
      });
    };
    const auto row = std::find_if(stage_.loops.begin(), stage_.loops.end(), is_row);
    if (row == stage_.loops.end()) return "no loop of it walks rows";
    row_ = *row;
    others_ = stage_.loops;
    others_.erase(others_.begin() + (row - stage_.loops.begin()));
    return "";
  }

  /// What the stage makes: one value, in straight code.
  std::string find_stores() {
    std::string why;
    visit(stage_.unit, [&](const StmtNode& node) {
      const auto* loop = std::get_if<For>(&node.is);
      if ((loop && loop->kind != For::Kind::unrolled) || std::holds_alternative<When>(node.is))
        why = "it is no plain nest of loops";
      if (std::holds_alternative<Tile>(node.is) || std::holds_alternative<Scatter>(node.is))
        why = "a stage is made by vectors"; // the unit's registers are the products'
      const auto* store = std::get_if<Store>(&node.is);
      if (!store) return;
      if (!stores_.empty() && buffer_of(store->view) != buffer_) why = "it stores several values";
      buffer_ = buffer_of(store->view);
      stores_.push_back(store);
    });
    return stores_.empty() ? "it is no plain nest of loops" : why;
  }

  /// What the products load of that: rows along one dimension, as the outermost loop goes on.
  std::string find_loads(const Stmt& products) {
    const Var rows = loops_.front().var; // of one trip there are no loops
    std::vector<std::optional<Span>> ranges(step_.vars.size());
    for (const ItemLoop& item : step_.items)
      if (item.count.is_constant())
        ranges[static_cast<size_t>(item.var.id)] = Span{0, item.count.number() - 1};
    visit(products, [&](const StmtNode& node) {
      const auto* loop = std::get_if<For>(&node.is);
      if (loop && loop->range.is_constant())
        ranges[static_cast<size_t>(loop->var.id)] =
            Span{loop->range.begin(), loop->range.end() - 1};
    });
    std::optional<size_t> dim;
    int64_t reach = 0; // the last row that the products of the first row need
    bool goes_along = true;
    visit(products, [&](const StmtNode& node) {
      const auto* tile = std::get_if<Tile>(&node.is);
      if (!tile || tile->kind != Tile::Kind::load || buffer_of(tile->view) != buffer_) return;
      const auto first = std::find_if(tile->index.begin(), tile->index.end(),
                                      [&](const auto& s) { return s.at.depends_on(rows); });
      const auto at = static_cast<size_t>(first - tile->index.begin());
      if (first == tile->index.end() || tile->row_dim == static_cast<int32_t>(at) ||
          (dim && *dim != at)) {
        goes_along = false;
        return;
      }
      const int64_t step = first->at.coefficient(rows);
      goes_along &= step > 0 && (!dim || step == step_rows_);
      for (size_t d = at + 1; d < tile->index.size(); ++d)
        goes_along &= !tile->index[d].at.depends_on(rows);
      dim = at, step_rows_ = step;
      Affine rest = first->at + Affine(rows) * -step;
      int64_t last = rest.constant_term();
      for (const Affine::Term& t : rest.terms()) {
        const std::optional<Span>& range = ranges[static_cast<size_t>(t.var.id)];
        if (!range)
          goes_along = false;
        else
          last += t.coefficient * (t.coefficient > 0 ? range->hi : range->lo);
      }
      reach = std::max(reach, last);
    });
    if (!dim || !goes_along) return "rows of products do not go along rows of it";
    const View* first = nullptr;
    for (const View& view : step_.views) {
      if (view.buffer != buffer_) continue;
      if (first && view.dims != first->dims) return "its axes are joined for some";
      first = &view;
    }
    dim_ = *dim, first_rows_ = reach + 1;
    return "";
  }

  /// A variable may be that of several loops.
  static void widen(std::optional<Span>& span, const Range& range) {
    const Span more{range.begin(), range.end() - 1};
    span = span ? Span{std::min(span->lo, more.lo), std::max(span->hi, more.hi)} : more;
  }

  /// Whether nothing but products reads what the stage makes, and nothing writes what it reads.
  std::string keep_apart(const Stmt& products) const {
    std::vector<int32_t> read, written;
    bool is_shared = false;
    for_each_expression(stage_.unit, [&](const Expr& e) {
      visit(e, [&](const ExprNode& node) {
        if (const auto* load = std::get_if<Load>(&node.is)) read.push_back(buffer_of(load->view));
      });
    });
    for_each_expression(products, [&](const Expr& e) {
      visit(e, [&](const ExprNode& node) {
        const auto* load = std::get_if<Load>(&node.is);
        is_shared |= load && buffer_of(load->view) == buffer_;
      });
    });
    visit(products, [&](const StmtNode& node) {
      if (const auto* store = std::get_if<Store>(&node.is))
        written.push_back(buffer_of(store->view));
      if (const auto* scatter = std::get_if<Scatter>(&node.is))
        written.push_back(buffer_of(scatter->view));
      const auto* tile = std::get_if<Tile>(&node.is);
      if (tile && tile->kind == Tile::Kind::store) written.push_back(buffer_of(tile->view));
      const auto* prefetch = std::get_if<Prefetch>(&node.is);
      is_shared |= prefetch && buffer_of(prefetch->view) == buffer_;
    });
    const auto is_written = [&](int32_t buffer) {
      return std::find(written.begin(), written.end(), buffer) != written.end();
    };
    if (is_shared || is_written(buffer_)) return "more than products meet what it makes";
    if (std::any_of(read.begin(), read.end(), is_written))
      return "what it reads is written beside the products";
    return "";
  }

  /// One of the stage's other loops, the innermost that can, goes along with the innermost of the
  /// products; the other one is spread over the tiles of a row.
  std::string spread() {
    const Loop inner = loops_.back();
    const auto along = std::find_if(others_.rbegin(), others_.rend(), [&](const Loop& loop) {
      return loop.trips % inner.trips == 0;
    });
    if (along == others_.rend()) return "no loop of it goes along with the steps of the products";
    along_ = *along;
    others_.erase(std::next(along).base());
    if (others_.size() > 1) return "it has more loops than one beside rows and steps";
    int64_t tiles = 1;
    tile_ = 0;
    for (size_t i = 1; i + 1 < loops_.size(); ++i) {
      tiles *= loops_[i].trips;
      tile_ = tile_ * loops_[i].trips + Affine(loops_[i].var);
    }
    const int64_t elements = others_.empty() ? 1 : others_.front().trips;
    each_ = ceil_div(elements, tiles);
    is_even_ = each_ * tiles == elements;
    if (units() > most_units_amid_products)
      return fmt::format("a step of products would have {} pieces of it, and {} are the most",
                         units(), most_units_amid_products);
    return "";
  }

  /// Of one step of the products.
  int64_t units() const { return step_rows_ * (along_.trips / loops_.back().trips) * each_; }

  /// The stage's loops for what the first row of products needs.
  Stmt first_rows(const Stmt& s) const {
    if (const auto* all = std::get_if<Block>(&s->is)) {
      std::vector<Stmt> parts;
      for (const Stmt& part : all->stmts) parts.push_back(first_rows(part));
      return block(std::move(parts), s->note);
    }
    const auto* loop = std::get_if<For>(&s->is);
    if (!loop || loop->kind != For::Kind::serial) return s;
    const bool is_row = loop->var == row_.var;
    const int64_t end = is_row ? std::min(first_rows_, row_.trips) : loop->range.end();
    return with_source(
        for_loop(loop->var, Range::of(0, end), loop->kind, first_rows(loop->body), s->note),
        s->source);
  }

  /// Piece `number` of those that a step of the products has.
  Stmt unit(int64_t number) const {
    const int64_t element = number % each_;
    const int64_t a_trip = along_.trips / loops_.back().trips;
    const int64_t part = number / each_ % a_trip, row = number / each_ / a_trip;
    const Affine at_row = Affine(loops_.front().var) * step_rows_ + Affine(first_rows_ + row);
    const Affine at_element = tile_ * each_ + Affine(element);
    Stmt code = stage_.unit;
    if (keeps_two_) code = in_slot<Store>(code, Affine(1) - Affine(slot_));
    code = substitute(code, row_.var, at_row);
    code = substitute(code, along_.var, Affine(loops_.back().var) * a_trip + Affine(part));
    if (!others_.empty()) {
      code = substitute(code, others_.front().var, at_element);
      if (!is_even_) code = stmt(When{at_element, 0, others_.front().trips, std::move(code)});
    }
    return stmt(When{at_row, 0, row_.trips, std::move(code)});
  }

  Stmt with_units(const Stmt& s) {
    if (const auto* all = std::get_if<Block>(&s->is)) {
      std::vector<Stmt> parts;
      for (const Stmt& part : all->stmts) parts.push_back(with_units(part));
      return block(std::move(parts), s->note);
    }
    if (is_group(s)) {
      std::vector<Stmt> parts = {s};
      const int64_t all = units();
      for (int64_t u = group_ * all / groups_; u < (group_ + 1) * all / groups_; ++u)
        parts.push_back(unit(u));
      ++group_;
      return block(std::move(parts));
    }
    const auto* loop = std::get_if<For>(&s->is);
    if (!loop || !has_products(s)) return s;
    StmtNode copy = *s;
    std::get<For>(copy.is).body = with_units(loop->body);
    if (keeps_two_ && loop->var == loops_.front().var) return in_pairs(std::get<For>(copy.is), s);
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
      if (access && access->view >= 0 && buffer_of(access->view) == buffer_)
        access->index[dim_].at = slot;
    });
  }

  /// Two rows of the stage are all that is kept: one is multiplied, the next is made.
  Stmt in_pairs(const For& rows, const Stmt& s) {
    const int64_t trips = loops_.front().trips;
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
  PlainNest stage_;
  std::vector<const Store*> stores_; // of the stage's unit
  std::vector<Loop> loops_;          // around products
  int64_t groups_ = 0, group_ = 0;
  Loop row_{}, along_{};     // of the stage
  std::vector<Loop> others_; // of the stage, one at most
  int64_t step_rows_ = 1;    // from a row of products to the next
  int64_t first_rows_ = 1;   // that the first row of products needs
  Affine tile_ = 0;          // of a row of products, its number
  int64_t each_ = 1;         // elements along the other loop that a tile takes
  bool is_even_ = true;
  size_t dim_ = 0;      // of the stage's result, along which its rows lie
  int32_t buffer_ = -1; // that holds it
  bool keeps_two_ = false;
  Var pair_{}, slot_{};
};

} // namespace

AmidProducts amid_products(Step merged) {
  Spreader spreader(merged);
  std::string misfit = spreader.run();
  return {std::move(merged), std::move(misfit), spreader.kept()};
}

} // namespace volute::compiler
