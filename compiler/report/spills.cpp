#include "compiler/report/spills.h"

#include <algorithm>
#include <map>

namespace volute::compiler {
namespace {

/// The source that most instructions of a loop are for.
ir::SourceId source_of(const Listing& listing, const Listing::Loop& loop) {
  std::map<ir::SourceId, int64_t> times;
  for (size_t i = loop.begin; i < loop.end; ++i)
    if (listing.lines[i].kind == Listing::Line::Kind::instruction)
      ++times[listing.lines[i].place.source];
  const auto most = std::max_element(
      times.begin(), times.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == times.end() ? ir::no_source : most->first;
}

/// The nest whose step it is; among those that share it, the one of the statement. Steps that pack
/// are no nest's.
NestReport* nest_of(std::vector<NestReport>& nests, const std::string& step, ir::SourceId source) {
  const auto own = std::find_if(nests.begin(), nests.end(),
                                [&](const NestReport& nest) { return nest.name == step; });
  if (own == nests.end()) return nullptr;
  const auto is_for = [&](const NestReport& nest) {
    return std::find(nest.statements.begin(), nest.statements.end(), static_cast<size_t>(source)) !=
           nest.statements.end();
  };
  if (source == ir::no_source || is_for(*own)) return &*own;
  const auto other = std::find_if(nests.begin(), nests.end(), is_for);
  return other == nests.end() ? &*own : &*other;
}

} // namespace

void count_spills(std::vector<NestReport>& nests, const Listing& listing,
                  const std::vector<std::string>& steps) {
  for (size_t s = 0; s < listing.steps.size(); ++s)
    for (const Listing::Loop& loop : listing.steps[s].loops) {
      if (!loop.innermost) continue;
      NestReport* nest = nest_of(nests, steps[s], source_of(listing, loop));
      if (!nest) continue; // a packing
      if (!nest->spills) nest->spills.emplace();
      nest->spills->stores += loop.work.vector_spills;
      nest->spills->reloads += loop.work.vector_reloads;
    }
}

} // namespace volute::compiler
