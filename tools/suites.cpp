#include "tools/suites.h"

#include <algorithm>
#include <charconv>
#include <filesystem>

namespace volute::tools {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view ending = ".vlt";

/// What follows `word` in a line that begins with it, blanks aside.
std::optional<std::string_view> after(std::string_view line, std::string_view word) {
  if (!line.starts_with(word)) return std::nullopt;
  line.remove_prefix(word.size());
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  return line;
}

} // namespace

std::string suites_folder() {
  std::error_code ignored;
  const fs::path self = fs::read_symlink("/proc/self/exe", ignored);
  for (const char* beside : {"../share/volute/suites", "../../bench/suites"}) {
    const fs::path folder = (self.parent_path() / beside).lexically_normal();
    if (fs::is_directory(folder, ignored)) return folder.string();
  }
  return "";
}

std::vector<std::string> suite_names() {
  std::vector<std::string> names;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(suites_folder(), ignored))
    if (entry.path().extension() == ending) names.push_back(entry.path().stem().string());
  std::sort(names.begin(), names.end());
  return names;
}

std::optional<std::string> suite_file(const std::string& word) {
  if (word.empty() || word.find_first_of("./") != std::string::npos) return std::nullopt;
  std::error_code ignored;
  if (fs::exists(word, ignored)) return std::nullopt; // a file of that name comes first
  const fs::path file = fs::path(suites_folder()) / (word + std::string(ending));
  if (!fs::is_regular_file(file, ignored)) return std::nullopt;
  return file.string();
}

std::map<std::string, int, std::less<>> uses_in(std::string_view text) {
  std::map<std::string, int, std::less<>> uses;
  int pending = 1;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (const auto count = after(line, "// used ")) {
      std::from_chars(count->data(), count->data() + count->size(), pending);
    } else if (const auto rest = after(line, "program ")) {
      const size_t name_end = std::min(rest->find_first_of(" ("), rest->size());
      if (name_end > 1 && pending > 1)
        uses.emplace(std::string(rest->substr(1, name_end - 1)), pending);
      pending = 1;
    }
  }
  return uses;
}

Layout layout_of(const ir::Program& program) {
  for (const auto* ids : {&program.inputs, &program.outputs})
    for (const ir::ValueId id : *ids) {
      const ir::TensorType& type = program.type(id);
      if (!type.has(ir::Axis::n) || type.size(ir::Axis::c) == 1) continue;
      return type.extents.back().axis == ir::Axis::c && type.parts(ir::Axis::c) == 1
                 ? Layout::last
                 : Layout::first;
    }
  return Layout::either;
}

} // namespace volute::tools
