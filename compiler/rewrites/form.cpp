#include "compiler/rewrites/form.h"

#include "compiler/rewrites/dot_products.h"
#include "compiler/rewrites/separable.h"

#include <algorithm>
#include <array>

namespace volute::compiler {
namespace {

std::optional<std::string> none(const ir::Program&, const ir::Statement&, const Target&) {
  return std::nullopt;
}
double no_error(const ir::Program&, const ir::Statement&) { return 0; }

constexpr std::array table = {
    Form{"direct", "one sum over all taps", none, no_error, nullptr, nullptr},
    Form{"dot", "products of narrow elements, several added by one instruction",
         dot_products_obstacle, dot_products_error, nullptr, lower_as_dot_products},
    Form{"separable", "a filter that is a column times a row, as two passes", separable_obstacle,
         separable_error, separable, nullptr},
};

} // namespace

std::span<const Form> forms() { return table; }

const Form* find_form(std::string_view name) {
  const auto found =
      std::find_if(table.begin(), table.end(), [&](const Form& form) { return form.name == name; });
  return found == table.end() ? nullptr : &*found;
}

} // namespace volute::compiler
