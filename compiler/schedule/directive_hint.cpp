#include "compiler/schedule/directive_hint.h"

#include "ir/operators.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

namespace volute::compiler {
namespace {

constexpr std::string_view directives[] = {"parallel", "for",      "registers", "flatten", "pack",
                                           "bypass",   "prefetch", "compute",   "form",    "nest"};

constexpr std::string_view in_lanes =
    "the axis in lanes stands in the tile: registers w 4, o 16 vector 8";
constexpr std::string_view unrolled = "a loop says it itself: for kh, kw unroll";
constexpr std::string_view tiled = "a loop says it itself: for w by 14";
constexpr std::string_view ordered =
    "the loops run in the order in which for names them: for o, h, w, i";
constexpr std::string_view joined = "did you mean flatten h, w?";
constexpr std::string_view inside = "did you mean compute NEST at AXIS by ROWS?";
constexpr std::string_view shared = "did you mean parallel?";
constexpr std::string_view formed = "did you mean form NEST NAME, as in form conv_y separable?";
constexpr std::string_view packed = "did you mean pack weight?";

constexpr std::pair<std::string_view, std::string_view> others[] = {{"vectorize", in_lanes},
                                                                    {"vectorise", in_lanes},
                                                                    {"vector", in_lanes},
                                                                    {"simd", in_lanes},
                                                                    {"lanes", in_lanes},
                                                                    {"unroll", unrolled},
                                                                    {"tile", tiled},
                                                                    {"split", tiled},
                                                                    {"block", tiled},
                                                                    {"strip_mine", tiled},
                                                                    {"by", tiled},
                                                                    {"reorder", ordered},
                                                                    {"order", ordered},
                                                                    {"loop", ordered},
                                                                    {"loops", ordered},
                                                                    {"interchange", ordered},
                                                                    {"serial", ordered},
                                                                    {"fuse", joined},
                                                                    {"collapse", joined},
                                                                    {"join", joined},
                                                                    {"compute_at", inside},
                                                                    {"store_at", inside},
                                                                    {"compute_with", inside},
                                                                    {"at", inside},
                                                                    {"parallelize", shared},
                                                                    {"parallelise", shared},
                                                                    {"threads", shared},
                                                                    {"omp", shared},
                                                                    {"bind", shared},
                                                                    {"cache_read", packed},
                                                                    {"cache", packed},
                                                                    {"packed", packed},
                                                                    {"weight", packed},
                                                                    {"algorithm", formed},
                                                                    {"separable", formed},
                                                                    {"direct", formed},
                                                                    {"dot", formed},
                                                                    {"weights", packed}};

} // namespace

bool is_directive(std::string_view word) {
  return std::find(std::begin(directives), std::end(directives), word) != std::end(directives);
}

std::string directive_hint(std::string_view word) {
  for (const auto& [other, words] : others)
    if (word == other) return std::string(words);
  if (const auto similar = ir::nearest_word(word, directives))
    return fmt::format("did you mean {}?", *similar);
  return fmt::format("the directives are parallel, for, registers, flatten, pack, bypass, "
                     "prefetch, compute, form and nest");
}

} // namespace volute::compiler
