// Random small steps: what verify accepts never leaves its memory when every point is visited, and
// what leaves it is refused.

#include "ir/loops.h"
#include "tests/ir/loops_small_conv.h"
#include "tests/support/catch.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <set>

using namespace volute;
using namespace volute::ir;

namespace {

constexpr ElementType f32 = ElementType::f32;

// Whether any executed lane of any access lies outside its view, by visiting all of them.
class Enumeration {
public:
  explicit Enumeration(const Step& step) : step_(step), values_(step.vars.size()) {}

  bool leaves() {
    visit_items(0);
    return leaves_;
  }
  bool has_accesses() const { return accesses_ > 0; }

private:
  int64_t at(const Affine& affine) const {
    return affine.evaluate([&](Var var) { return values_[static_cast<size_t>(var.id)]; });
  }

  void visit_items(size_t depth) {
    if (depth == step_.items.size()) return visit_stmt(step_.body);
    for (int64_t n = 0; n < at(step_.items[depth].count); ++n) {
      values_[static_cast<size_t>(step_.items[depth].var.id)] = n;
      visit_items(depth + 1);
    }
  }

  void visit_stmt(const Stmt& s) {
    if (const auto* inner = std::get_if<Block>(&s->is)) {
      for (const Stmt& child : inner->stmts) visit_stmt(child);
    } else if (const auto* loop = std::get_if<For>(&s->is)) {
      int64_t begin = INT64_MIN, end = INT64_MAX;
      for (const Bound& b : loop->range.lo)
        begin = std::max(begin, ceil_div(at(b.numerator), b.divisor));
      for (const Bound& b : loop->range.hi)
        end = std::min(end, ceil_div(at(b.numerator), b.divisor));
      for (int64_t n = begin; n < end; ++n) {
        values_[static_cast<size_t>(loop->var.id)] = n;
        visit_stmt(loop->body);
      }
    } else if (const auto* when = std::get_if<When>(&s->is)) {
      if (when->lo <= at(when->value) && at(when->value) < when->hi) visit_stmt(when->body);
    } else if (const auto* store = std::get_if<Store>(&s->is)) {
      touch(store->view, store->index, store->lane_dim, store->lane_step, 0, store->count);
      const auto& load = std::get<Load>(store->value->is);
      touch(load.view, load.index, load.lane_dim, load.lane_step, load.first, load.count);
    }
  }

  void touch(int32_t view, const Index& index, int32_t lane_dim, int64_t step, int32_t first,
             int32_t count) {
    for (int32_t lane = first; lane < first + count; ++lane) {
      ++accesses_;
      for (size_t d = 0; d < index.size(); ++d) {
        int64_t place = at(index[d].at);
        if (index[d].table >= 0) {
          const auto& table = step_.tables[static_cast<size_t>(index[d].table)];
          if (place < 0 || place >= static_cast<int64_t>(table.size())) {
            leaves_ = true;
            continue;
          }
          place = table[static_cast<size_t>(place)];
        }
        if (static_cast<int32_t>(d) == lane_dim) place += lane * step;
        const int64_t extent = step_.views[static_cast<size_t>(view)].dims[d].extent.number();
        leaves_ |= place < 0 || place >= extent;
      }
    }
  }

  const Step& step_;
  std::vector<int64_t> values_;
  bool leaves_ = false;
  int64_t accesses_ = 0;
};

class RandomStep {
public:
  explicit RandomStep(uint32_t seed) : random_(seed) {}

  LoopProgram make() {
    step_.name = "random";
    step_.vars = {"p", "q", "a", "b", "c"};
    step_.items = {{Var{0}, number(1, 4)}, {Var{1}, number(1, 3)}};
    visible_ = {Var{0}, Var{1}};
    step_.views = {{"x", 0, f32, contiguous({8, 9})}, {"y", 1, f32, contiguous({8, 9})}};
    step_.tables = {{2, 0, 1, 5, 3, 7, 4, 6}};
    step_.body = statement(2);
    return {"random",
            {small_conv::buffer("x", Buffer::Role::input, 72),
             small_conv::buffer("y", Buffer::Role::output, 72)},
            {},
            {step_}};
  }

private:
  int64_t number(int64_t lo, int64_t hi) {
    return lo + static_cast<int64_t>(random_() % static_cast<uint64_t>(hi - lo + 1));
  }

  Affine affine(int64_t lo, int64_t hi) {
    Affine sum = number(lo, hi);
    for (Var var : visible_)
      if (number(0, 2) == 0) sum += Affine(var) * number(-1, 2);
    return sum;
  }

  // Around what the loops before keep inside: a clipped loop and an access that it is clipped for.
  Stmt statement(int32_t id) {
    if (id == 5 || number(0, 5) == 0) return access();
    const Var var{id};
    if (number(0, 5) == 0) {
      const Affine value = affine(-2, 2);
      const int64_t lo = number(-2, 2);
      return stmt(When{value, lo, lo + number(1, 4), statement(id)});
    }
    Range range = Range::of(0, number(1, 4));
    const int64_t factor = number(1, 3);
    if (number(0, 2) > 0) {
      const Affine base = affine(-3, 2);
      // A little too wide, now and then.
      range.lo.push_back({base * -1 - (number(0, 6) == 0), factor});
      range.hi.push_back({8 - base + (number(0, 6) == 0), factor});
      clipped_.push_back(base + factor * Affine(var));
    }
    visible_.push_back(var);
    Stmt body = statement(id + 1);
    visible_.pop_back();
    return stmt(For{var, range, For::Kind::serial, std::move(body)});
  }

  Subscript subscript() {
    if (!clipped_.empty() && number(0, 4) > 0)
      return clipped_[static_cast<size_t>(number(0, static_cast<int64_t>(clipped_.size()) - 1))];
    if (number(0, 5) == 0) return {affine(0, 3), 0};
    return affine(0, 4);
  }

  Stmt access() {
    Load l{0, {subscript(), number(0, 3)}};
    const int32_t lanes = static_cast<int32_t>(number(1, 4));
    l.lane_dim = static_cast<int32_t>(number(0, 3) == 0 ? 0 : 1);
    l.lane_step = number(-1, 2);
    l.first = static_cast<int32_t>(number(0, lanes - 1));
    l.count = static_cast<int32_t>(number(0, lanes - l.first));
    if (l.lane_step < 0) l.index[1] = number(2, 8);
    Store s;
    s.view = 1;
    s.index = {subscript(), number(0, 6)};
    s.lane_dim = 1;
    s.count = lanes;
    s.value = load(f32, lanes, l);
    return stmt(std::move(s));
  }

  std::mt19937 random_;
  Step step_;
  std::vector<Var> visible_;
  std::vector<Affine> clipped_;
};

} // namespace

TEST_CASE("what verify accepts stays inside its memory, and what leaves it is refused") {
  int accepted = 0, refused = 0, refused_in_vain = 0;
  for (uint32_t seed = 0; seed < 20000; ++seed) {
    const LoopProgram program = RandomStep(seed).make();
    const bool is_fine = verify(program).empty();
    Enumeration enumeration(program.steps[0]);
    const bool leaves = enumeration.leaves();
    INFO("seed " << seed << "\n" << to_string(program));
    REQUIRE_FALSE((is_fine && leaves));
    if (!enumeration.has_accesses()) continue;
    accepted += is_fine;
    refused += leaves;
    refused_in_vain += !is_fine && !leaves;
  }
  INFO(accepted << " accepted, " << refused << " refused, " << refused_in_vain << " in vain");
  CHECK(accepted > 1000);
  CHECK(refused > 1000);
  CHECK(refused_in_vain < accepted / 2); // a verifier that refuses everything is safe as well
}

TEST_CASE("what verify accepts is evaluated without a refusal") {
  int evaluated = 0;
  for (uint32_t seed = 0; seed < 4000; ++seed) {
    const LoopProgram program = RandomStep(seed).make();
    if (!verify(program).empty()) continue;
    Memory memory = allocate(program.buffers);
    INFO("seed " << seed << "\n" << to_string(program));
    REQUIRE_NOTHROW(evaluate(program, memory));
    ++evaluated;
  }
  CHECK(evaluated > 200);
}
