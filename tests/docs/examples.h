// The programs in the documents, and what they say comes out of them:
//
//     ```volute
//     program @p() {
//       %x = const [1, 2, 3, 4] : f32[n=1, c=1, w=4]
//       %y = max_pool %x {kernel = 2}
//       return %y
//     }
//     // %y: f32[n=1, c=1, w=2] = 2 4
//     ```
//
// After the program, a line for a result gives its type and, of a program without inputs, its
// elements in memory order, with " / " after each run along the innermost axis. Lines that go on
// begin with four spaces after the slashes.
#pragma once

#include "tests/docs/markdown.h"

#include <string>
#include <vector>

namespace volute::tests {

struct Shown {
  size_t begin, end; // lines of the document
  std::string name;
  std::string text; // what follows the name and its colon, on one line
};

struct Example {
  std::string path; // of the document
  size_t line;      // where the program begins
  std::string text; // with the comments after the program
  std::vector<Shown> results;

  std::string place() const { return path + ":" + std::to_string(line + 1); }
};

inline std::vector<Shown> shown_results(const std::vector<std::string>& lines,
                                        const CodeBlock& block) {
  std::vector<Shown> found;
  for (size_t i = block.begin; i < block.end; ++i) {
    const std::string& line = lines[i];
    const size_t colon = line.find(':');
    if (line.starts_with("// %") && colon != std::string::npos)
      found.push_back({i, i + 1, line.substr(4, colon - 4), line.substr(colon + 1)});
    else if (line.starts_with("//     ") && !found.empty() && found.back().end == i)
      found.back().end = i + 1, found.back().text += line.substr(6);
  }
  for (Shown& shown : found)
    if (shown.text.starts_with(" ")) shown.text.erase(0, 1);
  return found;
}

/// Every block marked `volute` of every document.
inline std::vector<Example> examples() {
  std::vector<Example> found;
  for (const std::string& path : documents()) {
    const std::vector<std::string> lines = lines_of(read_file(in_source(path)));
    for (const CodeBlock& block : code_blocks(lines))
      if (block.info == "volute")
        found.push_back({path, block.begin, text_of(lines, block), shown_results(lines, block)});
  }
  return found;
}

} // namespace volute::tests
