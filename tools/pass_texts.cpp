#include "tools/pass_texts.h"

#include "ir/print.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <set>

namespace volute::tools {

using compiler::Pass;
using compiler::Section;
using compiler::Stages;

namespace {

/// "nest" of "nest conv_y": parts of one kind follow each other through the passes.
std::string kind_of(const std::string& part) { return part.substr(0, part.find(' ')); }

/// Two steps that pack one weight have one name.
void make_unique(std::vector<Section>& parts) {
  std::map<std::string, int> count;
  for (Section& part : parts)
    if (const int number = ++count[part.name]; number > 1)
      part.name += fmt::format(" ({})", number);
}

} // namespace

PassTexts::PassTexts(const ir::Program& written)
    : program_("program @" + written.name), written_(ir::to_string(written)) {}

void PassTexts::see(const Pass& pass, const Stages& value) {
  if (seen_.empty() || seen_.front().pass == &pass) { // from the start, or once more
    seen_.clear();
    parts_ = {{program_, written_}};
  }
  std::vector<Section> parts = pass.makes.text(value);
  make_unique(parts);
  std::string changed;
  std::vector<std::string> unchanged;
  std::set<std::string> names;
  for (Section& part : parts) {
    names.insert(part.name);
    std::string& before = parts_[part.name];
    if (before == part.text) {
      unchanged.push_back(part.name);
      continue;
    }
    changed += (changed.empty() ? "" : "\n") + part.text;
    before = std::move(part.text);
  }
  std::string gone;
  if (!parts.empty())
    std::erase_if(parts_, [&, kind = kind_of(parts.front().name)](const auto& known) {
      if (kind_of(known.first) != kind || names.count(known.first)) return false;
      gone += fmt::format("// {}: gone\n", known.first);
      return true;
    });
  std::string text;
  if (changed.empty() && gone.empty()) {
    text = "// unchanged\n";
  } else {
    if (!unchanged.empty()) text += fmt::format("// unchanged: {}\n", fmt::join(unchanged, ", "));
    text += gone + changed;
  }
  seen_.push_back({&pass, std::move(text)});
}

std::string PassTexts::after(std::string_view name) const {
  for (const Seen& seen : seen_)
    if (seen.pass->name == name)
      return fmt::format("// {}: {}\n{}", name, seen.pass->sentence, seen.text);
  return "";
}

std::string PassTexts::after_each() const {
  std::string text;
  for (size_t i = 0; i < seen_.size(); ++i)
    text += fmt::format("{}// {} of {}, {}: {}\n{}", i > 0 ? "\n" : "", i + 1, seen_.size(),
                        seen_[i].pass->name, seen_[i].pass->sentence, seen_[i].text);
  return text;
}

} // namespace volute::tools
