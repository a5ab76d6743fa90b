#include "ir/sources.h"

#include <algorithm>
#include <iterator>

namespace volute::ir {

void Sources::add(const Sources& more) {
  std::vector<int32_t> all;
  std::set_union(statements.begin(), statements.end(), more.statements.begin(),
                 more.statements.end(), std::back_inserter(all));
  statements = std::move(all);
}

} // namespace volute::ir
