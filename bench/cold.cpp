#include "bench/cold.h"

#include "bench/measure.h"
#include "compiler/target/target.h"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace volute::bench {

void empty_caches() {
  constexpr int64_t least = int64_t{32} << 20;
  const compiler::Target& here = compiler::host();
  // Twice what the last cache holds: none of them replaces strictly the oldest line.
  static auto& memory = *new std::vector<char>(
      static_cast<size_t>(2 * std::max({least, here.l2_bytes, here.l3_bytes})), 1);
  char sum = 0;
  for (size_t at = 0; at < memory.size(); at += static_cast<size_t>(here.line_bytes)) {
    memory[at] = static_cast<char>(memory[at] + 1);
    sum = static_cast<char>(sum + memory[at]);
  }
  touch(&sum);
  touch(memory.data());
}

} // namespace volute::bench
