// Winograd's algorithm as nests: what its lowering and the table of forms both ask.
#pragma once

#include "ir/infer.h"

#include <cstdint>
#include <vector>

namespace volute::compiler {

/// How many sums the products of one point become, each over as many of the input channels, which
/// are added after that. Tiles of four outputs along every transformed axis multiply the error of
/// these sums by so much that shorter ones are wanted (rewrites/winograd.cpp has what was
/// measured).
int64_t parts_of_sums(const std::vector<int64_t>& tile, int64_t inputs);

/// Into how many bands the nests can be cut along an axis of the image without computing anything
/// twice: rows of tiles, or of results whose filter has one tap along it; 0 for other axes.
int64_t bands_along(int64_t tile, const ir::Window& window);
/// The most along any axis but the last, which vectors and their neighbours run along; at least 1.
int64_t most_bands(const std::vector<int64_t>& tile, const std::vector<ir::Window>& windows);

} // namespace volute::compiler
