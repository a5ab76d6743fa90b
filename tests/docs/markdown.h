// The documents and their fenced code blocks, for tests that hold documents to what they say.
#pragma once

#include "tests/runtime/temporary_folder.h"
#include "tests/support/text.h"

#include <algorithm>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

namespace volute::tests {

/// Paths of README.md and everything in docs/ and examples/, from the root of the repository.
inline std::vector<std::string> documents() {
  std::vector<std::string> paths = {"README.md"};
  for (const char* folder : {"docs", "docs/lessons", "examples"})
    for (const auto& entry :
         std::filesystem::directory_iterator(std::filesystem::path(VOLUTE_SOURCE_DIR) / folder))
      if (entry.path().extension() == ".md")
        paths.push_back(folder + ("/" + entry.path().filename().string()));
  std::sort(paths.begin(), paths.end());
  return paths;
}

inline std::string in_source(const std::string& path) { return VOLUTE_SOURCE_DIR "/" + path; }

inline std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + '\n';
  return text;
}

struct CodeBlock {
  std::string info;  // what follows the opening fence: "console", "volute", "cpp", ...
  size_t begin, end; // lines between the fences
};

inline std::vector<CodeBlock> code_blocks(const std::vector<std::string>& lines) {
  std::vector<CodeBlock> blocks;
  bool inside = false;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (!lines[i].starts_with("```")) continue;
    if (inside)
      blocks.back().end = i;
    else
      blocks.push_back({lines[i].substr(3), i + 1, lines.size()});
    inside = !inside;
  }
  return blocks;
}

inline std::string text_of(const std::vector<std::string>& lines, const CodeBlock& block) {
  return joined({lines.begin() + static_cast<long>(block.begin),
                 lines.begin() + static_cast<long>(block.end)});
}

} // namespace volute::tests
