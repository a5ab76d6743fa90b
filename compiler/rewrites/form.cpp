#include "compiler/rewrites/form.h"

#include "compiler/rewrites/dot_products.h"
#include "compiler/rewrites/separable.h"
#include "compiler/rewrites/split_products.h"
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
  // Filters of three taps are divided by 2 in tiles of 2 outputs, by 3 and 15 in tiles of 4, as
  // those of five are in tiles of 2: what counts is how many points there are.
  const bool is_exact = ((tile <= 2) && ...);
  constexpr int64_t most_exact = 3; // taps
  return {name,     sentence,    Rows::obstacle, Rows::error,
          nullptr,  Rows::lower, Rows::estimate, std::max({tile...}) - 1,
          is_exact, most_exact,  sizeof...(tile)};
}

/// Operands that are sums of so many bf16, of whose products those count that are large enough.
template <int64_t products>
constexpr Form split_products(std::string_view name, std::string_view sentence) {
  using Rows = SplitProductsForm<products>;
  Form form{name, sentence, Rows::obstacle, Rows::error, nullptr, Rows::lower};
  form.keeps_whole_numbers = products > 3; // every f32 is the sum of three, every f16 of two
  form.adds_groups = true;
  form.parts = products > 4 ? 3 : 2;
  form.too_slow = Rows::too_slow;
  return form;
}

constexpr std::array table = {
    Form{"direct", "one sum over all taps", none, no_error, nullptr, nullptr},
    Form{"dot", "products of narrow elements, several added by one instruction",
         dot_products_obstacle, dot_products_error, nullptr, lower_as_dot_products, nullptr, 0,
         true, 0, 0, true},
    Form{"tile", "products of narrow elements as matrices, over an image in a frame",
         matrix_products_obstacle, dot_products_error, nullptr, lower_as_matrix_products, nullptr,
         0, true, 0, 0, true, "amx-tile"},
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
    split_products<6>("bf16x6", "each f32 the sum of three bf16, and six products of those"),
    split_products<4>("bf16x4", "each f16 the sum of two bf16, and four products of those"),
    split_products<3>("bf16x3",
                      "each float nearly the sum of two bf16, and three products of those"),
};

} // namespace

std::span<const Form> forms() { return table; }

const Form* find_form(std::string_view name) {
  const auto found =
      std::find_if(table.begin(), table.end(), [&](const Form& form) { return form.name == name; });
  return found == table.end() ? nullptr : &*found;
}

bool keeps_whole_numbers(const Form& form, const ir::Program& program,
                         const ir::Statement& statement) {
  if (!form.keeps_whole_numbers || form.exact_taps == 0) return form.keeps_whole_numbers;
  const ir::TensorType& weight = program.type(statement.operands[1]);
  const std::vector<ir::Axis> axes = weight.spatial_axes();
  return std::all_of(axes.begin(), axes.end(),
                     [&](ir::Axis axis) { return weight.size(axis) <= form.exact_taps; });
}

} // namespace volute::compiler
