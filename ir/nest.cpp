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
  case AxisRole::band: return "band";
  }
  return "";
}

std::string_view to_string(NestKind kind) {
  switch (kind) {
  case NestKind::compute: return "compute";
  case NestKind::copy: return "copy";
  case NestKind::pack: return "pack";
  case NestKind::stage: return "stage";
  case NestKind::offset: return "offset";
  case NestKind::window_sum: return "window sum";
  }
  return "";
}

} // namespace volute::ir
