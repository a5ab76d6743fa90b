// What was asked for: `auto`, `naive`, or a schedule's text for some of the nests.
#pragma once

#include "compiler/schedule/choose.h"
#include "compiler/schedule/schedule.h"
#include "compiler/target/target.h"
#include "ir/nest.h"

#include <map>
#include <string>
#include <vector>

namespace volute::compiler {

class Asked {
public:
  static Expected<Asked> parse(const std::string& text);

  bool is_naive() const { return naive_; }
  bool is_auto() const { return !naive_ && schedules_.empty(); }
  const Schedules& text() const { return schedules_; }
  /// Which nests are computed inside which: as `auto` chooses, which leaves those alone that have
  /// a place, or as the text says, whatever was before. `whys` gets sentences for the report.
  /// Refuses a text that is not for these nests.
  Expected<ir::NestProgram> place(ir::NestProgram program, const Target& target,
                                  std::vector<std::string>& whys) const;

  /// What is computed inside each nest, as the placements of the nests say before they are cut into
  /// bands.
  class Inside {
  public:
    explicit Inside(const ir::NestProgram& placed);
    std::vector<ComputeDirective> of(const std::string& nest) const;

  private:
    std::map<std::string, std::vector<ComputeDirective>> by_consumer_;
  };

  /// How a nest is scheduled, as it comes with `buffers`.
  /// `dot_products`: the nest is in that form. `sums`: the order that its schedule must keep.
  Choice for_nest(const ir::Nest& nest, const std::vector<ir::Buffer>& buffers,
                  const Inside& inside, bool dot_products, const Target& target,
                  SumOrder sums) const;

  /// Whether the nest's schedule is chosen, and not given.
  bool is_chosen(const std::string& nest) const;

private:
  std::vector<Diagnostic> misfit(const ir::NestProgram& program) const;
  Choice own(const ir::Nest& nest, const std::vector<ir::Buffer>& buffers, bool dot_products,
             const Target& target, SumOrder sums) const;

  bool naive_ = false;
  Schedules schedules_;
};

} // namespace volute::compiler
