#include "compiler/specialise/rows_of_stage.h"

#include "compiler/schedule/overlap.h"
#include "ir/walk.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace volute::compiler {

using namespace ir;

namespace {

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
std::optional<PlainLoop> plain_loop(const Stmt& s) {
  const auto* loop = std::get_if<For>(&s->is);
  if (!loop || loop->kind != For::Kind::serial || !loop->range.is_constant() ||
      loop->range.begin() != 0)
    return std::nullopt;
  return PlainLoop{loop->var, loop->range.end()};
}

const Stmt& body_of(const Stmt& s) { return std::get<For>(s->is).body; }

/// Loops around one body.
struct PlainNest {
  std::vector<PlainLoop> loops; // outermost first
  Stmt unit;
};

PlainNest plain_nest(const Stmt& s) {
  PlainNest nest;
  const Stmt* at = &inside(s);
  while (const std::optional<PlainLoop> loop = plain_loop(*at))
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

} // namespace

bool is_group_of_products(const Stmt& s) {
  return !std::holds_alternative<Block>(s->is) && are_products(s);
}

bool has_products(const Stmt& s) {
  bool found = false;
  visit(s, [&](const StmtNode& node) {
    const auto* tile = std::get_if<Tile>(&node.is);
    found |= tile && tile->kind == Tile::Kind::multiply;
  });
  return found;
}

namespace {

/// The loops around all products of a step, and how many groups of products their body has.
class Products {
public:
  explicit Products(const Stmt& s) { walk(s); }

  std::vector<PlainLoop> loops; // outermost first
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
    if (is_group_of_products(s)) {
      if (groups == 0)
        loops = around_;
      else if (!std::equal(loops.begin(), loops.end(), around_.begin(), around_.end(),
                           [](const PlainLoop& a, const PlainLoop& b) {
                             return a.var == b.var && a.trips == b.trips;
                           }))
        misfit = "its products have tiles of several shapes";
      ++groups;
    } else if (const std::optional<PlainLoop> loop = plain_loop(s)) {
      around_.push_back(*loop);
      walk(body_of(s));
      around_.pop_back();
    } else if (has_products(s)) {
      misfit = "its products are not all in plain loops over whole bands and tiles";
    }
  }

  std::vector<PlainLoop> around_;
};

class Finder : RowsOfStage {
public:
  explicit Finder(const Step& merged) : step_(merged) {}

  RowsOfStage run() {
    misfit = find();
    return std::move(*this);
  }

private:
  std::string find() {
    const auto* both = std::get_if<Block>(&step_.body->is);
    if (!both || both->stmts.size() != 2) return "there is no work"; // an empty batch
    PlainNest stage = plain_nest(both->stmts[0]);
    const Products products(both->stmts[1]);
    if (!products.misfit.empty()) return products.misfit;
    if (products.groups == 0) return "a matrix unit has no products there";
    loops = products.loops, groups = products.groups;
    unit = stage.unit, others_ = std::move(stage.loops);
    for (const std::string& why : {link_rows(both->stmts[1]), spread()})
      if (!why.empty()) return why;
    return "";
  }

  int32_t buffer_of(int32_t view) const { return step_.views[static_cast<size_t>(view)].buffer; }

  /// Which loop of the stage walks rows, and which of its rows a row of products needs.
  std::string link_rows(const Stmt& products) {
    if (loops.size() < 2) return "a band is one row of products";
    if (others_.empty()) return "it is no plain nest of loops";
    for (const std::string& why : {find_stores(), find_loads(products), keep_apart(products)})
      if (!why.empty()) return why;
    const auto is_row = [&](const PlainLoop& loop) {
      return std::all_of(stores_.begin(), stores_.end(), [&](const Store* store) {
        return store->index[dim].at == Affine(loop.var);
      });
    };
    const auto found = std::find_if(others_.begin(), others_.end(), is_row);
    if (found == others_.end()) return "no loop of it walks rows";
    row = *found;
    others_.erase(found);
    return "";
  }

  /// What the stage makes: one value, in straight code.
  std::string find_stores() {
    std::string why;
    visit(unit, [&](const StmtNode& node) {
      const auto* loop = std::get_if<For>(&node.is);
      if ((loop && loop->kind != For::Kind::unrolled) || std::holds_alternative<When>(node.is))
        why = "it is no plain nest of loops";
      if (std::holds_alternative<Tile>(node.is) || std::holds_alternative<Scatter>(node.is))
        why = "a stage is made by vectors"; // the unit's registers are the products'
      const auto* store = std::get_if<Store>(&node.is);
      if (!store) return;
      if (!stores_.empty() && buffer_of(store->view) != buffer) why = "it stores several values";
      buffer = buffer_of(store->view);
      stores_.push_back(store);
    });
    return stores_.empty() ? "it is no plain nest of loops" : why;
  }

  /// What the products load of that: rows along one dimension, as the outermost loop goes on.
  std::string find_loads(const Stmt& products) {
    const Var rows = loops.front().var; // of one trip there are no loops
    std::vector<std::optional<Span>> ranges(step_.vars.size());
    for (const ItemLoop& item : step_.items)
      if (item.count.is_constant())
        ranges[static_cast<size_t>(item.var.id)] = Span{0, item.count.number() - 1};
    visit(products, [&](const StmtNode& node) {
      const auto* loop = std::get_if<For>(&node.is);
      if (loop && loop->range.is_constant())
        widen(ranges[static_cast<size_t>(loop->var.id)], loop->range);
    });
    std::optional<size_t> along_dim;
    int64_t reach = 0; // the last row that the products of the first row need
    bool goes_along = true;
    visit(products, [&](const StmtNode& node) {
      const auto* tile = std::get_if<Tile>(&node.is);
      if (!tile || tile->kind != Tile::Kind::load || buffer_of(tile->view) != buffer) return;
      const auto first = std::find_if(tile->index.begin(), tile->index.end(),
                                      [&](const auto& s) { return s.at.depends_on(rows); });
      const auto at = static_cast<size_t>(first - tile->index.begin());
      if (first == tile->index.end() || tile->row_dim == static_cast<int32_t>(at) ||
          (along_dim && *along_dim != at)) {
        goes_along = false;
        return;
      }
      const int64_t step = first->at.coefficient(rows);
      goes_along &= step > 0 && (!along_dim || step == step_rows);
      for (size_t d = at + 1; d < tile->index.size(); ++d)
        goes_along &= !tile->index[d].at.depends_on(rows);
      along_dim = at, step_rows = step;
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
    if (!along_dim || !goes_along) return "rows of products do not go along rows of it";
    const View* first = nullptr;
    for (const View& view : step_.views) {
      if (view.buffer != buffer) continue;
      if (first && view.dims != first->dims) return "its axes are joined for some";
      first = &view;
    }
    dim = *along_dim, first_rows = reach + 1;
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
    for_each_expression(unit, [&](const Expr& e) {
      visit(e, [&](const ExprNode& node) {
        if (const auto* load = std::get_if<Load>(&node.is)) read.push_back(buffer_of(load->view));
      });
    });
    for_each_expression(products, [&](const Expr& e) {
      visit(e, [&](const ExprNode& node) {
        const auto* load = std::get_if<Load>(&node.is);
        is_shared |= load && buffer_of(load->view) == buffer;
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
      is_shared |= prefetch && buffer_of(prefetch->view) == buffer;
    });
    const auto is_written = [&](int32_t buffer) {
      return std::find(written.begin(), written.end(), buffer) != written.end();
    };
    if (is_shared || is_written(buffer)) return "more than products meet what it makes";
    if (std::any_of(read.begin(), read.end(), is_written))
      return "what it reads is written beside the products";
    return "";
  }

  /// One of the stage's other loops, the innermost that can, goes along with the innermost of the
  /// products; the other one is spread over the tiles of a row.
  std::string spread() {
    const PlainLoop inner = loops.back();
    const auto found = std::find_if(others_.rbegin(), others_.rend(), [&](const PlainLoop& loop) {
      return loop.trips % inner.trips == 0;
    });
    if (found == others_.rend()) return "no loop of it goes along with the steps of the products";
    along = *found;
    others_.erase(std::next(found).base());
    if (!others_.empty()) other = others_.front();
    if (others_.size() > 1) return "it has more loops than one beside rows and steps";
    int64_t tiles = 1;
    tile = 0;
    for (size_t i = 1; i + 1 < loops.size(); ++i) {
      tiles *= loops[i].trips;
      tile = tile * loops[i].trips + Affine(loops[i].var);
    }
    const int64_t elements = other ? other->trips : 1;
    each = ceil_div(elements, tiles);
    is_even = each * tiles == elements;
    if (units() > most_units_amid_products)
      return fmt::format("a step of products would have {} pieces of it, and {} are the most",
                         units(), most_units_amid_products);
    return "";
  }

  const Step& step_;
  std::vector<const Store*> stores_; // of the unit
  std::vector<PlainLoop> others_;    // of the stage, that have no part yet
};

} // namespace

RowsOfStage rows_of_stage(const Step& merged) { return Finder(merged).run(); }

} // namespace volute::compiler
