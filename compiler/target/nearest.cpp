#include "compiler/target/nearest.h"

#include <algorithm>
#include <numeric>

namespace volute::compiler {
namespace {

constexpr size_t longest_word = 64; // longer ones are no mistyped word, and the table is quadratic

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] != b[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row[b.size()];
}

} // namespace

std::string_view nearest(std::string_view word, const std::vector<std::string_view>& valid) {
  if (word.size() > longest_word) return {};
  std::string_view best;
  size_t least = std::string_view::npos;
  for (const std::string_view name : valid) {
    const size_t distance = edit_distance(word, name);
    if (distance >= least || distance > std::max<size_t>(word.size() / 3, 1)) continue;
    least = distance;
    best = name;
  }
  return best;
}

} // namespace volute::compiler
