#include "compiler/rewrites/form.h"

#include "compiler/rewrites/dot_products.h"
#include "compiler/rewrites/separable.h"
#include "compiler/rewrites/winograd.h"

#include <algorithm>
#include <array>

namespace volute::compiler {
namespace {

std::optional<std::string> none(const ir::Program&, const ir::Statement&, const Target&) {
  return std::nullopt;
}
double no_error(const ir::Program&, const ir::Statement&) { return 0; }

/// Winograd's algorithm in tiles of so many outputs.
template <int64_t... tile>
constexpr Form winograd(std::string_view name, std::string_view sentence) {
  using Rows = WinogradForm<tile...>;
  // Filters are divided by 2 in tiles of 2 outputs, by 3 and 15 in tiles of 4.
  const bool is_exact = ((tile <= 2) && ...);
  return {name,        sentence,       Rows::obstacle,          Rows::error, nullptr,
          Rows::lower, Rows::estimate, std::max({tile...}) - 1, is_exact,    sizeof...(tile)};
}

constexpr std::array table = {
    Form{"direct", "one sum over all taps", none, no_error, nullptr, nullptr},
    Form{"dot", "products of narrow elements, several added by one instruction",
         dot_products_obstacle, dot_products_error, nullptr, lower_as_dot_products},
    Form{"separable", "a filter that is a column times a row, as two passes", separable_obstacle,
         separable_error, separable, nullptr},
    winograd<2, 2>("winograd2x2",
                   "fewer products, by Winograd's algorithm in tiles of 2x2 outputs"),
    winograd<2, 4>("winograd2x4",
                   "fewer products, by Winograd's algorithm in tiles of 2x4 outputs"),
    winograd<4, 4>("winograd4x4",
                   "fewer products, by Winograd's algorithm in tiles of 4x4 outputs"),
    winograd<4, 1>("winograd4x1",
                   "fewer products, by Winograd's algorithm in tiles of 4 outputs along h"),
    winograd<1, 4>("winograd1x4",
                   "fewer products, by Winograd's algorithm in tiles of 4 outputs along w"),
    winograd<4>("winograd4", "fewer products, by Winograd's algorithm in tiles of 4 outputs"),
    winograd<4, 1, 1>("winograd4x1x1",
                      "fewer products, by Winograd's algorithm in tiles of 4 outputs along d"),
    winograd<1, 2, 2>("winograd1x2x2",
                      "fewer products, by Winograd's algorithm in tiles of 2x2 outputs of a slice"),
    winograd<1, 4, 4>("winograd1x4x4",
                      "fewer products, by Winograd's algorithm in tiles of 4x4 outputs of a slice"),
};

} // namespace

std::span<const Form> forms() { return table; }

const Form* find_form(std::string_view name) {
  const auto found =
      std::find_if(table.begin(), table.end(), [&](const Form& form) { return form.name == name; });
  return found == table.end() ? nullptr : &*found;
}

} // namespace volute::compiler
