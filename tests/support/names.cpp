#include "tests/support/names.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

namespace volute::tests {

namespace {

std::vector<std::string> numbered(const std::string& stem, size_t count) {
  std::vector<std::string> names;
  for (size_t i = 0; i < count; ++i) names.push_back(fmt::format("{}{}", stem, i));
  return names;
}

/// New names for the members of a list.
template <class T>
void rename(std::vector<T>& list, std::string T::*member, const Renaming& renaming) {
  std::vector<std::string> names;
  for (const T& item : list) names.push_back(item.*member);
  names = renaming(names);
  for (size_t i = 0; i < list.size(); ++i) list[i].*member = names[i];
}

} // namespace

std::vector<std::string> meaningless(const std::vector<std::string>& names) {
  return numbered("zq", names.size());
}

std::vector<std::string> rotated(const std::vector<std::string>& names) {
  std::vector<std::string> result = names;
  if (!result.empty()) std::rotate(result.begin(), result.begin() + 1, result.end());
  return result;
}

std::vector<std::string> misleading(const std::vector<std::string>& names) {
  const std::vector<std::string> words = {"kh",   "band",    "rh",       "n",  "kd",    "i",
                                          "d",    "g",       "stage_x",  "w",  "c",     "h",
                                          "rw_k", "offset_", "copy_dhw", "o1", "conv_n"};
  std::vector<std::string> result;
  for (size_t i = 0; i < names.size(); ++i)
    result.push_back(words[i % words.size()] +
                     (i < words.size() ? "" : fmt::format("{}", i / words.size())));
  return result;
}

ir::NestProgram renamed(ir::NestProgram program, const Renaming& renaming) {
  rename(program.nests, &ir::Nest::name, renaming);
  for (ir::Nest& nest : program.nests) {
    nest.origin = "conv %" + nest.name;
    nest.vars = renaming(nest.vars);
    rename(nest.operands, &ir::View::name, renaming);
    rename(nest.accumulators, &ir::Accumulator::name, renaming);
  }
  return program;
}

std::string text_without_names(ir::LoopProgram program) {
  rename(program.buffers, &ir::Buffer::name,
         [](const auto& names) { return numbered("buffer", names.size()); });
  for (size_t s = 0; s < program.steps.size(); ++s) {
    ir::Step& step = program.steps[s];
    step.name = fmt::format("step{}", s);
    step.origin.clear();
    step.vars = numbered("v", step.vars.size());
    rename(step.views, &ir::View::name,
           [](const auto& names) { return numbered("view", names.size()); });
    rename(step.arrays, &ir::RegisterArray::name,
           [](const auto& names) { return numbered("r", names.size()); });
  }
  std::string text;
  std::istringstream lines(to_string(program));
  for (std::string line; std::getline(lines, line);)
    if (const size_t at = line.find_first_not_of(' ');
        at == std::string::npos || line.compare(at, 2, "//") != 0)
      text += line + "\n";
  return text;
}

} // namespace volute::tests
