#include "compiler/rewrites/rewrites.h"

#include "compiler/lower/legalise.h"
#include "compiler/rewrites/fold_batch_norm.h"
#include "compiler/rewrites/fold_constants.h"
#include "compiler/rewrites/separable.h"

namespace volute::compiler {

ir::Program rewrite(const ir::Program& program, const LowerOptions& options, bool free_form,
                    std::vector<std::string>& notes) {
  ir::Program now = fold_constants(program);
  now = fold_batch_norm(now, notes);
  if (free_form) now = separable(now, notes);
  now = legalise(now, options);
  return fold_constants(now); // legalising reorders weights, constant ones too
}

} // namespace volute::compiler
