#include "compiler/nests/unused_name.h"

#include <algorithm>

namespace volute::compiler {

std::string unused_name(const std::vector<std::string>& taken, const std::string& name) {
  std::string numbered = name;
  for (int i = 2; std::find(taken.begin(), taken.end(), numbered) != taken.end(); ++i)
    numbered = name + std::to_string(i);
  return numbered;
}

std::string UnusedNames::unused(const std::string& name) {
  if (taken_.insert(name).second) return name;
  int& number = next_.try_emplace(name, 2).first->second;
  for (;;)
    if (const std::string numbered = name + "_" + std::to_string(number++);
        taken_.insert(numbered).second)
      return numbered;
}

} // namespace volute::compiler
