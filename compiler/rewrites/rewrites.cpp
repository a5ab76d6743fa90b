#include "compiler/rewrites/rewrites.h"

#include "compiler/lower/legalise.h"
#include "compiler/rewrites/fold_batch_norm.h"
#include "compiler/rewrites/fold_constants.h"

namespace volute::compiler {

ir::Program rewrite(const ir::Program& program, const LowerOptions& options,
                    std::vector<std::string>& notes) {
  ir::Program now = fold_constants(program);
  now = fold_batch_norm(now, notes);
  now = legalise(now, options);
  return fold_constants(now); // legalising reorders weights, constant ones too
}

} // namespace volute::compiler
