#include "compiler/schedule/bypass.h"

namespace volute::compiler {

using namespace ir;

namespace {

constexpr double worth_it = 0.99;     // of the cycles without
constexpr double worth_trying = 0.25; // of them, in which lines come from L2 beside the products

} // namespace

Cost choose_bypass(Plan& plan, const Nest& nest, const Target& target) {
  Cost least = predict(nest, plan, target);
  if (least.bound != "L2" && least.term("L2") < worth_trying * least.cycles) return least;
  plan.matrix->bypass.weight = true;
  if (Cost cost = predict(nest, plan, target); cost.cycles < worth_it * least.cycles) {
    plan.schedule.bypass = {{"weight"}};
    return cost;
  }
  plan.matrix->bypass.weight = false;
  return least;
}

} // namespace volute::compiler
