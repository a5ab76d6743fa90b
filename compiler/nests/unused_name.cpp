#include "compiler/nests/unused_name.h"

#include <algorithm>

namespace volute::compiler {

std::string unused_name(const std::vector<std::string>& taken, const std::string& name) {
  std::string numbered = name;
  for (int i = 2; std::find(taken.begin(), taken.end(), numbered) != taken.end(); ++i)
    numbered = name + std::to_string(i);
  return numbered;
}

} // namespace volute::compiler
