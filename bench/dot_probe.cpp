// The peaks of dot products: bytes four at a time, bf16 two at a time, by what this machine has; of
// products of matrices where it has a unit for them.
#include "bench/machine.h"
#include "compiler/target/target.h"
#include "runtime/tile_permission.h"

#include <fmt/format.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace volute::bench {

#if defined(__x86_64__)

namespace {

constexpr int chains = 12; // as many as the multiply-adds of machine.cpp, for the same reasons
constexpr int64_t steps_a_call = 256;

using Loop = void (*)(int64_t steps, const void* data);

// Each chain is an accumulator that `dot_of` adds products to. Where the machine has no such
// instruction, it is the pair that takes its place, and the accumulator is a factor too, or the
// product would be the same every time and taken out of the loop.
#define VOLUTE_DOT_LOOP(suffix, isa, Vector, load_of, dot_of)                                      \
  __attribute__((target(isa), noinline)) void dot_##suffix(int64_t steps, const void* data) {      \
    const Vector* from = static_cast<const Vector*>(data);                                         \
    const auto a = load_of(from), b = load_of(from + 1);                                           \
    auto x0 = load_of(from + 2), x1 = load_of(from + 3), x2 = load_of(from + 4);                   \
    auto x3 = load_of(from + 5), x4 = load_of(from + 6), x5 = load_of(from + 7);                   \
    auto x6 = load_of(from + 8), x7 = load_of(from + 9), x8 = load_of(from + 10);                  \
    auto x9 = load_of(from + 11), x10 = load_of(from + 12), x11 = load_of(from + 13);              \
    for (int64_t i = 0; i < steps; ++i) {                                                          \
      x0 = dot_of(x0, a, b), x1 = dot_of(x1, a, b), x2 = dot_of(x2, a, b);                         \
      x3 = dot_of(x3, a, b), x4 = dot_of(x4, a, b), x5 = dot_of(x5, a, b);                         \
      x6 = dot_of(x6, a, b), x7 = dot_of(x7, a, b), x8 = dot_of(x8, a, b);                         \
      x9 = dot_of(x9, a, b), x10 = dot_of(x10, a, b), x11 = dot_of(x11, a, b);                     \
    }                                                                                              \
    decltype(x0) all[chains] = {x0, x1, x2, x3, x4, x5, x6, x7, x8, x9, x10, x11};                 \
    touch(all);                                                                                    \
  }

#define VOLUTE_PAIRS_128(x, a, b) _mm_add_epi32(_mm_madd_epi16(x, a), b)
#define VOLUTE_PAIRS_256(x, a, b) _mm256_add_epi32(_mm256_madd_epi16(x, a), b)
#define VOLUTE_PAIRS_512(x, a, b) _mm512_add_epi32(_mm512_madd_epi16(x, a), b)
#define VOLUTE_LOAD_512(p) _mm512_load_si512(p)
#define VOLUTE_LOAD_PS_512(p) _mm512_load_ps(reinterpret_cast<const float*>(p))
#define VOLUTE_BF16_512(x, a, b)                                                                   \
  _mm512_dpbf16_ps(x, reinterpret_cast<__m512bh>(a), reinterpret_cast<__m512bh>(b))

VOLUTE_DOT_LOOP(vnni512, "avx512f,avx512vnni", __m512i, VOLUTE_LOAD_512, _mm512_dpbusd_epi32)
VOLUTE_DOT_LOOP(vnni256, "avx2,avxvnni", __m256i, _mm256_load_si256, _mm256_dpbusd_avx_epi32)
VOLUTE_DOT_LOOP(pairs512, "avx512f,avx512bw", __m512i, VOLUTE_LOAD_512, VOLUTE_PAIRS_512)
VOLUTE_DOT_LOOP(pairs256, "avx2", __m256i, _mm256_load_si256, VOLUTE_PAIRS_256)
VOLUTE_DOT_LOOP(pairs128, "sse2", __m128i, _mm_load_si128, VOLUTE_PAIRS_128)
VOLUTE_DOT_LOOP(bf16, "avx512f,avx512bf16", __m512, VOLUTE_LOAD_PS_512, VOLUTE_BF16_512)

#undef VOLUTE_BF16_512
#undef VOLUTE_LOAD_PS_512
#undef VOLUTE_LOAD_512
#undef VOLUTE_PAIRS_512
#undef VOLUTE_PAIRS_256
#undef VOLUTE_PAIRS_128
#undef VOLUTE_DOT_LOOP

// Two by two sums, of matrices that stay where they are: 16 rows of 64 bytes each. GCC 12 takes
// _tile_loadconfig for a read of 8 bytes: `touch` lets the other 56 be written before it.
constexpr int tile_sums = 4, tile_rows = 16, tile_bytes = 64;
// Shaping the registers takes some 250 cycles a call; so many products, of 16 each, a hundred times
// as long.
constexpr int64_t tile_steps_a_call = 2048;

#define VOLUTE_TILE_LOOP(suffix, dot_of)                                                           \
  __attribute__((target("amx-tile,amx-bf16,amx-int8"), noinline)) void tile_##suffix(              \
      int64_t steps, const void* data) {                                                           \
    alignas(64) unsigned char shapes[64] = {1};                                                    \
    for (int t = 0; t < 8; ++t) shapes[16 + 2 * t] = tile_bytes, shapes[48 + t] = tile_rows;       \
    touch(shapes);                                                                                 \
    _tile_loadconfig(shapes);                                                                      \
    _tile_zero(0);                                                                                 \
    _tile_zero(1);                                                                                 \
    _tile_zero(2);                                                                                 \
    _tile_zero(3);                                                                                 \
    _tile_loadd(4, data, tile_bytes);                                                              \
    _tile_loadd(5, data, tile_bytes);                                                              \
    _tile_loadd(6, data, tile_bytes);                                                              \
    _tile_loadd(7, data, tile_bytes);                                                              \
    for (int64_t i = 0; i < steps / tile_sums; ++i) {                                              \
      dot_of(0, 4, 6);                                                                             \
      dot_of(1, 4, 7);                                                                             \
      dot_of(2, 5, 6);                                                                             \
      dot_of(3, 5, 7);                                                                             \
    }                                                                                              \
    _tile_release();                                                                               \
  }

VOLUTE_TILE_LOOP(of_bf16, _tile_dpbf16ps)
VOLUTE_TILE_LOOP(of_bytes, _tile_dpbusd)

#undef VOLUTE_TILE_LOOP

Probe tile_probe(std::string name, Loop loop, double products_a_dot) {
  struct alignas(64) Tiles {
    unsigned char bytes[tile_rows * tile_bytes];
  } tiles;
  // Zeros are multiplied faster than anything else; bf16 between 0.5 and 2.
  for (size_t i = 0; i < sizeof tiles.bytes; ++i)
    tiles.bytes[i] = static_cast<unsigned char>(i % 2 ? 0x3f : i * 37);
  const auto call = [loop, tiles] {
    touch(&tiles);
    loop(tile_steps_a_call, tiles.bytes);
  };
  return {candidate(std::move(name), call), 2.0 * products_a_dot * tile_steps_a_call, true};
}

Probe probe(std::string name, Loop loop, double products_a_dot) {
  const auto call = [loop] {
    alignas(64) char data[(2 + chains) * 64] = {};
    touch(data);
    loop(steps_a_call, data);
  };
  return {candidate(std::move(name), call), 2.0 * products_a_dot * chains * steps_a_call};
}

} // namespace

Probe byte_dot_probe() {
  const compiler::Target& here = compiler::host();
  if (here.has("amx-int8") && runtime::may_use_tiles())
    return tile_probe("tdpbusd", tile_of_bytes, 16 * 16 * 64);
  if (here.has("avx512vnni")) return probe("vpdpbusd 512-bit", dot_vnni512, 64);
  if (here.has("avxvnni")) return probe("vpdpbusd 256-bit", dot_vnni256, 32);
  if (here.has("avx512bw")) return probe("vpmaddwd 512-bit", dot_pairs512, 32);
  if (here.has("avx2")) return probe("vpmaddwd 256-bit", dot_pairs256, 16);
  return probe("pmaddwd 128-bit", dot_pairs128, 8);
}

std::optional<Probe> bf16_dot_probe() {
  if (compiler::host().has("amx-bf16") && runtime::may_use_tiles())
    return tile_probe("tdpbf16ps", tile_of_bf16, 16 * 16 * 32);
  if (!compiler::host().has("avx512bf16")) return std::nullopt;
  return probe("vdpbf16ps 512-bit", dot_bf16, 32);
}

#else

Probe byte_dot_probe() { return *fma_probe(16); }
std::optional<Probe> bf16_dot_probe() { return std::nullopt; }

#endif

} // namespace volute::bench
