// Names for what a transform makes: people tell things apart by them, so no two are the same.
#pragma once

#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace volute::compiler {

/// The name, with a number when it is taken.
std::string unused_name(const std::vector<std::string>& taken, const std::string& name);

/// The same where names are many.
class UnusedNames {
public:
  void take(const std::string& name) { taken_.insert(name); }
  /// The name, with `_` and a number when it is taken; it is taken now.
  std::string unused(const std::string& name);

private:
  std::unordered_set<std::string> taken_;
  std::unordered_map<std::string, int> next_; // number to try, by name
};

} // namespace volute::compiler
