// What each pass made of a program, as text: of each value, only what the pass has changed.
#pragma once

#include "compiler/pipeline.h"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace volute::tools {

class PassTexts {
public:
  explicit PassTexts(const ir::Program& written);

  /// After each pass: CompileRequest::watch.
  void see(const compiler::Pass& pass, const compiler::Stages& value);

  /// `// PASS: what it does`, and the parts that it changed in full; the others are named.
  std::string after(std::string_view pass) const;
  /// That of every pass, numbered.
  std::string after_each() const;

private:
  struct Seen {
    const compiler::Pass* pass;
    std::string text;
  };
  std::string program_, written_;
  std::map<std::string, std::string> parts_; // as they are now, by name
  std::vector<Seen> seen_;
};

} // namespace volute::tools
