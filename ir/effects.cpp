#include "ir/effects.h"

#include <set>
#include <unordered_set>

namespace volute::ir {
namespace {

class Walk {
public:
  explicit Walk(const Step& step) : step_(step) {}

  Effects run() {
    if (step_.body) look(step_.body);
    return {{reads_.begin(), reads_.end()}, {writes_.begin(), writes_.end()}};
  }

private:
  void look(const Stmt& s) {
    if (!seen_.insert(s.get()).second) return;
    std::visit([this](const auto& is) { at(is); }, s->is);
  }

  void at(const Block& block) {
    for (const Stmt& s : block.stmts) look(s);
  }
  void at(const For& loop) { look(loop.body); }
  void at(const When& when) { look(when.body); }
  void at(const Set& set) { reads_in(set.value); }
  void at(const Store& store) {
    reads_in(store.value);
    writes_.insert(buffer(store.view));
  }
  void at(const Scatter& scatter) {
    reads_in(scatter.offset);
    reads_in(scatter.value);
    writes_.insert(buffer(scatter.view));
  }
  void at(const Transpose&) {}
  void at(const Fence&) {}
  void at(const Tile& tile) {
    if (tile.kind == Tile::Kind::load) reads_.insert(buffer(tile.view));
    if (tile.kind == Tile::Kind::store) writes_.insert(buffer(tile.view));
  }
  void at(const Prefetch& prefetch) { reads_.insert(buffer(prefetch.view)); }

  void reads_in(const Expr& e) {
    if (!seen_.insert(e.get()).second) return;
    if (const auto* load = std::get_if<Load>(&e->is)) reads_.insert(buffer(load->view));
    for (const Expr& operand : children(e)) reads_in(operand);
  }

  int32_t buffer(int32_t view) const { return step_.views.at(static_cast<size_t>(view)).buffer; }

  const Step& step_;
  std::set<int32_t> reads_, writes_;
  std::unordered_set<const void*> seen_;
};

} // namespace

Effects effects(const Step& step) { return Walk(step).run(); }

} // namespace volute::ir
