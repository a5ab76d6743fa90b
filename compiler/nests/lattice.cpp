#include "compiler/nests/lattice.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace volute::compiler {
namespace {

using Wide = __int128;

/// Sum over i in [0, n) of floor((a * i + b) / m), for a, b >= 0 and m > 0.
Wide points_under(Wide n, Wide m, Wide a, Wide b) {
  Wide sum = 0;
  while (n > 0) {
    sum += n * (n - 1) / 2 * (a / m) + n * (b / m);
    a %= m, b %= m;
    const Wide top = a * n + b;
    if (top < m) break;
    n = top / m;
    b = top % m;
    std::swap(a, m);
  }
  return sum;
}

/// Pairs i in [0, a), j in [0, b) with f * i + g * j <= limit; f, g > 0.
Wide pairs_up_to(Wide limit, Wide f, Wide a, Wide g, Wide b) {
  if (limit < 0) return 0;
  const Wide rows = std::min(a, limit / f + 1); // i that leave room for a j at all
  const Wide room_of_all = limit - g * (b - 1); // where every j fits
  const Wide full = room_of_all < 0 ? 0 : std::min(rows, room_of_all / f + 1);
  // Of the others, from the last one back: floor((limit - f * i) / g) + 1 each.
  const Wide partial = rows - full;
  return full * b + points_under(partial, g, f, limit - f * (rows - 1)) + partial;
}

Wide pairs_below(Wide limit, Wide start, const Moving& a, const Moving& b) {
  if (a.count <= 0 || b.count <= 0) return 0;
  const auto forward = [&](const Moving& moving) { // mirrored where the position goes backwards
    if (moving.factor < 0) start += static_cast<Wide>(moving.factor) * (moving.count - 1);
    return moving.factor < 0 ? -static_cast<Wide>(moving.factor) : moving.factor;
  };
  const Wide f = forward(a), g = forward(b);
  const Wide room = limit - 1 - start;
  if (f == 0 && g == 0) return room < 0 ? 0 : static_cast<Wide>(a.count) * b.count;
  if (f == 0) return a.count * pairs_up_to(room, g, b.count, 1, 1);
  if (g == 0) return b.count * pairs_up_to(room, f, a.count, 1, 1);
  return pairs_up_to(room, f, a.count, g, b.count);
}

} // namespace

int64_t pairs_inside(int64_t extent, int64_t start, const Moving& a, const Moving& b,
                     int64_t reach) {
  const Wide pairs =
      pairs_below(extent, start, a, b) - pairs_below(0, static_cast<Wide>(start) + reach, a, b);
  return static_cast<int64_t>(std::min<Wide>(pairs, std::numeric_limits<int64_t>::max()));
}

} // namespace volute::compiler
