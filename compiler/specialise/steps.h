// A program's nests to steps: `specialise` for each, what runs together merged, operands packed.
#pragma once

#include "compiler/schedule/plan.h"
#include "compiler/specialise/specialise.h"
#include "compiler/target/target.h"

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace volute::compiler {

/// An operand that some step reads in a packed order, which nothing makes yet.
struct PendingPacking {
  std::string step;
  Packing packing;
};

struct Steps {
  ir::LoopProgram loops;
  std::vector<PendingPacking> packings;
};

/// Each nest's loops in a step of its own, by its plan. `seen` is called with each nest and what
/// became of it. Nests that are refused are refused together; but `other_plan` may have another
/// plan for one that is.
Expected<Steps>
specialise_each(const ir::NestProgram& pieces, const std::map<std::string, Plan>& plans,
                const std::function<void(const ir::Nest&, const Specialised&)>& seen,
                const std::function<const Plan*(const ir::Nest&)>& other_plan);

/// Of which nests the stage before them is to be spread over their products (amid_products.h), and
/// who is told where that cannot be.
struct Overlap {
  std::function<bool(const ir::Nest&)> is_asked;
  std::function<void(const ir::Nest&, const std::string& misfit)> refuse;
};
/// Steps of nests that are placed inside others run in the steps of those. `pieces` are the nests
/// that the steps were made of.
Steps merge_placed(Steps steps, const ir::NestProgram& pieces, const Overlap& overlap);

/// Whatever is still to be packed is: a constant now, in a table, every other operand by a step
/// before the one that reads it; once for all steps that want it alike.
Expected<ir::LoopProgram> pack_operands(Steps steps, const Target& target);

} // namespace volute::compiler
