// A second look at the verifier of loops: programs that the specialiser made, each broken in one
// place. What the verifier still accepts must run on the evaluator, which leaves no memory
// unchecked.

#include "compiler/pipeline.h"
#include "ir/parse.h"
#include "tests/support/catch.h"
#include "tests/support/random_program.h"
#include "tests/support/random_schedule.h"
#include "tests/support/stages.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

using namespace volute;
using tests::Dice;

namespace {

/// Walks a step's statements and changes the one that the countdown ends at.
class Mutation {
public:
  Mutation(Dice& dice, int64_t countdown) : dice_(dice), left_(countdown) {}

  /// What was done; empty when the countdown did not end.
  std::string what;

  ir::Stmt apply(const ir::Stmt& s) {
    ir::StmtNode node = *s;
    std::visit([&](auto& is) { change(is); }, node.is);
    return std::make_shared<const ir::StmtNode>(std::move(node));
  }
  int64_t seen() const { return seen_; }

private:
  bool is_here() {
    ++seen_;
    return left_-- == 0;
  }
  int64_t amount() { return dice_.one_of({-7, -2, -1, 1, 1, 2, 5}); }

  void shift(ir::Index& index, const char* of) {
    if (index.empty() || !is_here()) return;
    index[static_cast<size_t>(dice_.between(0, std::ssize(index) - 1))].at += ir::Affine(amount());
    what = std::string("shift ") + of;
  }

  void change(ir::Expr& value) {
    value = ir::rewrite(value, [&](const ir::Expr& node) {
      const auto* load = std::get_if<ir::Load>(&node->is);
      if (!load) return node;
      ir::Load changed = *load;
      shift(changed.index, "load");
      if (is_here()) what = "widen load", changed.count += 1;
      if (is_here()) what = "step of load", changed.lane_step += amount();
      return ir::load(node->type, node->lanes, std::move(changed));
    });
  }

  void change(ir::Block& block) {
    for (ir::Stmt& s : block.stmts) s = apply(s);
  }
  void change(ir::For& loop) {
    if (is_here()) what = "extend loop", loop.range.hi.back().numerator += ir::Affine(1);
    if (is_here()) what = "begin loop early", loop.range.lo.back().numerator += ir::Affine(-1);
    if (is_here()) what = "drop a bound", loop.range.hi.pop_back();
    if (is_here())
      what = "roll or unroll loop", loop.kind = loop.kind == ir::For::Kind::serial
                                                    ? ir::For::Kind::unrolled
                                                    : ir::For::Kind::serial;
    loop.body = apply(loop.body);
  }
  void change(ir::When& when) {
    if (is_here()) what = "widen when", when.hi += 1;
    if (is_here()) what = "widen when", when.lo -= 1;
    when.body = apply(when.body);
  }
  void change(ir::Set& set) {
    if (!set.index.empty() && is_here())
      what = "shift register",
      set.index[static_cast<size_t>(dice_.between(0, std::ssize(set.index) - 1))] +=
          ir::Affine(amount());
    change(set.value);
  }
  void change(ir::Store& store) {
    shift(store.index, "store");
    if (is_here()) what = "widen store", store.count += 1;
    if (is_here()) what = "step of store", store.lane_step += amount();
    change(store.value);
  }
  void change(ir::Scatter& scatter) {
    shift(scatter.index, "scatter");
    if (is_here()) what = "lengthen scatter", scatter.extent += amount();
    change(scatter.offset);
    change(scatter.value);
  }
  void change(ir::Transpose& transpose) {
    if (is_here()) what = "lengthen transpose", transpose.count += 1;
  }
  void change(ir::Fence&) {}
  void change(ir::Tile& tile) {
    if (tile.view < 0) return;
    shift(tile.index, "tile");
    if (is_here()) what = "step of tile", tile.row_step += amount();
  }
  void change(ir::Prefetch& prefetch) {
    if (is_here()) what = "shift prefetch", prefetch.offset += ir::Affine(1 << 20);
  }

  Dice& dice_;
  int64_t left_, seen_ = 0;
};

std::optional<ir::LoopProgram> random_loops(Dice& dice) {
  const tests::RandomProgram random = tests::random_program(dice);
  const ir::Program program = ir::parse(random.text()).value();
  compiler::CompileRequest request = tests::request_for("x86-64-v3");
  const compiler::Schedules schedules = tests::random_schedules(dice, program, request);
  if (!schedules.empty()) request.schedule = to_string(schedules);
  auto stages = compiler::specialise_program(program, request);
  if (!stages || stages->loops.steps.empty()) return std::nullopt;
  return std::move(stages->loops);
}

} // namespace

TEST_CASE("a broken loop program is refused, or stays inside its memory") {
  std::map<std::string, int> refused, accepted;
  int programs = 0;
  for (uint64_t seed = 1; programs < 60; ++seed) {
    Dice dice(seed);
    const std::optional<ir::LoopProgram> loops = random_loops(dice);
    if (!loops) continue;
    ++programs;
    for (int i = 0; i < 12; ++i) {
      ir::LoopProgram broken = *loops;
      ir::Step& step =
          broken.steps[static_cast<size_t>(dice.between(0, std::ssize(broken.steps) - 1))];
      Mutation count(dice, -1);
      count.apply(step.body);
      const bool is_items = !step.items.empty() && dice.once_in(12);
      Mutation mutation(dice, dice.between(0, std::max<int64_t>(count.seen() - 1, 0)));
      if (is_items)
        mutation.what = "extend items", step.items.back().count += 1;
      else
        step.body = mutation.apply(step.body);
      if (mutation.what.empty()) continue;
      INFO("seed " << seed << ", " << mutation.what << " in\n"
                   << (verify(broken).empty() ? to_string(broken) : ""));
      if (!verify(broken).empty()) {
        ++refused[mutation.what];
        continue;
      }
      ++accepted[mutation.what];
      ir::Memory memory = ir::allocate(broken.buffers);
      CHECK_NOTHROW(ir::evaluate(broken, memory));
    }
  }
  // Each kind of damage is met; shifts to an element that exists are accepted, and so is any
  // address for a prefetch.
  for (const char* what : {"shift load", "shift store", "widen load", "widen store", "extend loop",
                           "begin loop early", "drop a bound", "shift register"}) {
    CAPTURE(what);
    CHECK(refused[what] > 0);
  }
  CHECK(accepted["shift load"] > 0);
  CHECK(refused["shift prefetch"] == 0);
  CHECK(refused["drop a bound"] > accepted["drop a bound"]);
}
