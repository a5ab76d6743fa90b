#include "compiler/schedule/long_end.h"

#include "compiler/nests/expand_math.h"
#include "compiler/nests/facts.h"
#include "ir/walk.h"

#include <algorithm>

namespace volute::compiler {

using namespace ir;

namespace {

// Instructions of all registers' ends together. Below, a loop saves little, and costs each register
// a store and a load.
constexpr int64_t most_written_out = 512;

/// Instructions, about, of one register's end.
int64_t instructions(const Nest& nest, const Plan& plan) {
  constexpr int64_t of_a_function = 32; // at least, as expand_math writes it
  int64_t count = 0;
  for (const Write& w : nest.writes) {
    visit(w.value, [&](const ExprNode& node) {
      bool is_operation = false;
      for_each_part(node, [&](const Expr&) { is_operation = true; });
      count += is_function(node) ? of_a_function : is_operation;
    });
    if (plan.store.kind == PlannedStore::Kind::lanes) count += 2 * int64_t{plan.lanes};
  }
  return count;
}

} // namespace

bool ends_in_loop(const Nest& nest, const Plan& plan, const Target& target) {
  if (nest.accumulators.empty() || plan.matrix || plan.across) return false;
  if (std::any_of(nest.writes.begin(), nest.writes.end(),
                  [](const Write& w) { return w.offset != nullptr; }))
    return false;
  if (plan.tile_registers() * instructions(nest, plan) <= most_written_out) return false;
  // Numbers of 32 bits can be read from memory; others would take registers from the sums.
  return widest_in_registers(nest) <= 4 || plan.store.kind != PlannedStore::Kind::vectors ||
         !end_reads_numbers(nest, plan, target);
}

// The numbers of a function are the same for all tiles, and LLVM keeps as many of them in registers
// as it can. Where a tile leaves few, it is the sums that go onto the stack, in the innermost loop.
bool end_reads_numbers(const Nest& nest, const Plan& plan, const Target& target) {
  constexpr int64_t few = 4;
  return plan.registers_needed(nest) + few > target.vector_registers;
}

} // namespace volute::compiler
