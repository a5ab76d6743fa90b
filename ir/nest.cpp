#include "ir/nest.h"

namespace volute::ir {

const NestAxis* Nest::axis(std::string_view axis_name) const {
  for (const NestAxis& candidate : axes)
    if (vars.at(static_cast<size_t>(candidate.var.id)) == axis_name) return &candidate;
  return nullptr;
}

const NestAxis& Nest::axis(Var var) const {
  for (const NestAxis& candidate : axes)
    if (candidate.var == var) return candidate;
  throw InternalError(name + ": a variable that is no axis");
}

int64_t Nest::points() const {
  int64_t product = 1;
  for (const NestAxis& a : axes)
    if (a.extent.is_constant()) product *= a.extent.number();
  return product;
}

} // namespace volute::ir
