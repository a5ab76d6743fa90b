// What a plan comes to on a target, in sentences.
#pragma once

#include "compiler/schedule/cost_model.h"
#include "compiler/schedule/plan.h"
#include "compiler/target/target.h"
#include "ir/nest.h"

#include <string>
#include <vector>

namespace volute::compiler {

/// Its vectors or products of matrices, the registers that it needs, what bounds it. The nest has
/// no parameters.
std::vector<std::string> in_words(const ir::Nest& nest, const Plan& plan, const Cost& cost,
                                  const Target& target);

} // namespace volute::compiler
