#include "ir/nest.h"

namespace volute::ir {

const NestAxis* Nest::axis(std::string_view axis_name) const {
  for (const NestAxis& candidate : axes)
    if (vars.at(static_cast<size_t>(candidate.var.id)) == axis_name) return &candidate;
  return nullptr;
}

const NestAxis* Nest::axis(Var var) const {
  for (const NestAxis& candidate : axes)
    if (candidate.var == var) return &candidate;
  return nullptr;
}

const NestAxis& Nest::axis_of(Var var) const {
  if (const NestAxis* found = axis(var)) return *found;
  throw InternalError(name + ": a variable that is no axis");
}

int64_t Nest::points() const {
  int64_t product = 1;
  for (const NestAxis& a : axes)
    if (a.extent.is_constant()) product *= a.extent.number();
  return product;
}

std::string_view to_string(AxisRole role) {
  switch (role) {
  case AxisRole::other: return "other";
  case AxisRole::batch: return "batch";
  case AxisRole::group: return "group";
  case AxisRole::channel: return "channel";
  case AxisRole::space: return "space";
  case AxisRole::residue: return "residue";
  case AxisRole::tap: return "tap";
  case AxisRole::part: return "part";
  case AxisRole::band: return "band";
  }
  return "";
}

AxisRole usual_role(std::string_view axis_name) {
  const size_t end = axis_name.find_last_not_of("0123456789");
  const std::string_view letters = axis_name.substr(0, end == axis_name.npos ? 0 : end + 1);
  const auto is_one_of = [&](std::string_view names) {
    return letters.size() == 1 && names.find(letters[0]) != names.npos;
  };
  const auto is_spatial = [](std::string_view name) {
    return name == "d" || name == "h" || name == "w";
  };
  const bool all_spatial = !letters.empty() && letters.find_first_not_of("dhw") == letters.npos;
  if (letters == "n") return AxisRole::batch;
  if (letters == "g") return AxisRole::group;
  if (is_one_of("coi")) return AxisRole::channel;
  if (all_spatial) return AxisRole::space; // hw is both in one
  if (letters.starts_with('k') && is_spatial(letters.substr(1))) return AxisRole::tap;
  if (letters.starts_with('r') && is_spatial(letters.substr(1))) return AxisRole::residue;
  if (letters == "xp" || letters == "wp") return AxisRole::part;
  return letters == "band" ? AxisRole::band : AxisRole::other;
}

std::string_view to_string(NestKind kind) {
  switch (kind) {
  case NestKind::compute: return "compute";
  case NestKind::copy: return "copy";
  case NestKind::pack: return "pack";
  case NestKind::stage: return "stage";
  case NestKind::offset: return "offset";
  case NestKind::window_sum: return "window sum";
  case NestKind::transform: return "transform";
  case NestKind::filter_transform: return "filter transform";
  }
  return "";
}

} // namespace volute::ir
