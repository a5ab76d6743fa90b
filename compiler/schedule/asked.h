// What was asked for: `auto`, `naive`, or a schedule's text for some of the nests.
#pragma once

#include "compiler/schedule/choose.h"
#include "compiler/schedule/schedule.h"
#include "compiler/target/target.h"
#include "ir/nest.h"

#include <string>
#include <vector>

namespace volute::compiler {

class Asked {
public:
  static Expected<Asked> parse(const std::string& text);

  bool is_text() const { return !schedules_.empty(); }
  /// Why the text is not for these nests; nothing when it is.
  std::vector<Diagnostic> misfit(const ir::NestProgram& program) const;

  /// Which nests are computed inside which: as `auto` chooses, or as the text says. `whys` gets
  /// sentences for the report.
  Expected<ir::NestProgram> place(ir::NestProgram program, const Target& target,
                                  std::vector<std::string>& whys) const;

  /// How a nest is scheduled, as it comes with `buffers`. What is computed inside it is told by the
  /// placements of the nests as they were before they were cut into bands, `placed`.
  Choice for_nest(const ir::Nest& nest, const std::vector<ir::Buffer>& buffers,
                  const ir::NestProgram& placed, const Target& target) const;

private:
  Choice own(const ir::Nest& nest, const Target& target,
             const std::vector<ir::Buffer>& buffers) const;

  bool naive_ = false;
  Schedules schedules_;
};

} // namespace volute::compiler
