#include "compiler/specialise/code_budget.h"

#include "ir/walk.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <unordered_map>

namespace volute::compiler {

using namespace ir;

namespace {

constexpr int64_t register_bytes = 64;
constexpr int64_t loop_overhead = 8; // its bounds, its counter, a pointer or two that move

int64_t times(int64_t a, int64_t b) {
  int64_t product = 0;
  return __builtin_mul_overflow(a, b, &product) ? std::numeric_limits<int64_t>::max() : product;
}
int64_t plus(int64_t a, int64_t b) {
  int64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? std::numeric_limits<int64_t>::max() : sum;
}

class Measure {
public:
  explicit Measure(const std::vector<View>& views) : views_(views) {}

  int64_t of(const Stmt& s) {
    if (const auto known = done_.find(s.get()); known != done_.end()) return known->second;
    const int64_t size = std::visit([&](const auto& is) { return of(is); }, s->is);
    done_.emplace(s.get(), size);
    return size;
  }

private:
  int64_t of(const Block& block) {
    int64_t size = 0;
    for (const Stmt& s : block.stmts) size = plus(size, of(s));
    return size;
  }
  int64_t of(const For& loop) {
    const int64_t body = of(loop.body);
    if (loop.kind != For::Kind::unrolled || !loop.range.is_constant())
      return plus(body, loop_overhead);
    return times(body, std::max<int64_t>(loop.range.end() - loop.range.begin(), 0));
  }
  int64_t of(const When& when) { return plus(of(when.body), 2); }
  int64_t of(const Set& set) { return of(set.value); }
  int64_t of(const Store& store) {
    const bool apart =
        store.lane_dim >= 0 && step(store.view, store.lane_dim, store.lane_step) != 1;
    return of(store.value) + (apart ? 2 * store.count : registers(*store.value));
  }
  int64_t of(const Scatter& scatter) { return of(scatter.offset) + of(scatter.value) + 4; }
  int64_t of(const Transpose& turn) {
    return int64_t{turn.count} * std::bit_width(static_cast<uint32_t>(turn.count));
  }
  int64_t of(const Fence&) { return 0; }
  int64_t of(const Prefetch&) { return 1; }
  int64_t of(const Tile&) { return 1; }

  int64_t of(const Expr& e) {
    int64_t size = 0;
    visit(e, [&](const ExprNode& node) {
      if (const auto* load = std::get_if<Load>(&node.is)) {
        const bool apart =
            load->lane_dim >= 0 && step(load->view, load->lane_dim, load->lane_step) > 1;
        size += apart ? 2 * load->count : registers(node);
      } else if (!std::holds_alternative<Imm>(node.is) && !std::holds_alternative<Reg>(node.is)) {
        size += registers(node);
      }
    });
    return size;
  }

  static int64_t registers(const ExprNode& node) {
    return ceil_div(node.lanes * size_of(node.type), register_bytes);
  }
  int64_t step(int32_t view, int32_t dim, int64_t lane_step) const {
    const Affine& stride = views_[static_cast<size_t>(view)].dims[static_cast<size_t>(dim)].stride;
    return stride.is_constant() ? lane_step * stride.number() : 2;
  }

  const std::vector<View>& views_;
  std::unordered_map<const StmtNode*, int64_t> done_;
};

} // namespace

int64_t code_size(const Stmt& code, const std::vector<View>& views) {
  return Measure(views).of(code);
}

void CodeBudget::writes_apart(size_t loop, int64_t times) {
  copies_by_[loop] = std::max(copies_by_[loop], times);
  parts_by_[loop] = std::max(parts_by_[loop], times);
}

CodeBudget::Copied::Copied(CodeBudget& budget, size_t loop, int64_t times)
    : budget_(budget), before_(budget.copies_) {
  budget.copies_by_[loop] = std::max(budget.copies_by_[loop], times);
  budget.copies_ = compiler::times(budget.copies_, times);
}

void CodeBudget::spend(const Stmt& code, const std::vector<View>& views) {
  spend(code_size(code, views));
}

void CodeBudget::spend_loop() { spend(loop_overhead); }

void CodeBudget::spend(int64_t instructions) {
  spent_ = plus(spent_, times(copies_, instructions));
  if (spent_ > most_instructions) refuse();
}

void CodeBudget::refuse() const {
  int64_t copies = 1;
  for (const int64_t by : copies_by_) copies = times(copies, by);
  const int64_t registers = plan_.tile_registers();
  const auto most = std::max_element(copies_by_.begin(), copies_by_.end());
  const std::string code = fmt::format("more than {} instructions", most_instructions);
  if (most == copies_by_.end() || *most < std::max<int64_t>(registers, 2)) {
    const RegisterDirective* largest = nullptr;
    for (const RegisterDirective& r : plan_.schedule.registers)
      if (!largest || r.size / std::max<int64_t>(r.lanes, 1) >
                          largest->size / std::max<int64_t>(largest->lanes, 1))
        largest = &r;
    const std::string axes =
        largest ? fmt::format("registers {} {}", largest->axis, largest->size) : "the formula";
    throw Error(fail(Diagnostic{largest ? largest->at : Location{}, "schedule",
                                fmt::format("nest {}: {}: {} copies of a tile of {} registers are "
                                            "{}",
                                            nest_.name, axes, copies, registers, code),
                                "a smaller tile, of as many registers as the target has"})
                    .diagnostics);
  }
  const auto at = static_cast<size_t>(most - copies_by_.begin());
  const PlanLoop& loop = plan_.loops[at];
  const LoopDirective& directive = plan_.schedule.loops[at];
  const std::string word = loop.parallel ? "parallel" : "for";
  const bool is_unrolled = directive.unroll != 1;
  std::string text = fmt::format("{} {}", word, loop.name), hint;
  if (loop.tile > 1) text += fmt::format(" by {}", loop.tile);
  if (is_unrolled) {
    text += " unroll";
    if (!loop.unrolls_all) text += fmt::format(" {}", loop.unroll);
    // Copies, and what they leave of the trips, which is copied out too.
    int64_t all = spent_; // and what the parts to come would add
    for (const int64_t parts : parts_by_) all = times(all, parts);
    const int64_t fits = times(*most, most_instructions / 8 * 7) / all;
    int64_t unroll = fits;
    while (unroll > 1 && unroll + loop.trips() % unroll > fits) --unroll;
    hint = loop.reduction && unroll > 1
               ? fmt::format("`{} unroll {}` would do", loop.name, unroll)
               : fmt::format("write `{} {}`, without `unroll`", word, loop.name);
  } else if (loop.tile > 1 && loop.extent % loop.tile != 0) {
    int64_t divisor = loop.tile;
    while (loop.extent % divisor != 0) --divisor;
    hint = fmt::format("fewer loops over {0}, or one that leaves no rest: the nearest is `{1} {0} "
                       "by {2}`",
                       loop.name, word, divisor);
  } else {
    hint = fmt::format("fewer loops over {}, or a smaller tile", loop.name);
  }
  throw Error(
      fail(Diagnostic{directive.at, "schedule",
                      fmt::format("nest {}: {}: the innermost tile would stand up to {} times "
                                  "in the code, {} of them by this loop, which is {}",
                                  nest_.name, text, copies, *most, code),
                      std::move(hint)})
          .diagnostics);
}

} // namespace volute::compiler
