#include "bench/machine.h"

#include "compiler/target/cpuid.h"
#include "compiler/target/target.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <new>
#include <vector>

#if defined(__linux__)
#include <sched.h>
#endif
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace volute::bench {
namespace {

struct ProbeLoops {
  int vector_bytes = 0;
  void (*multiply_add)(int64_t steps, float* data) = nullptr;
  void (*load)(const float* from, int64_t elements, float* sink) = nullptr;
  void (*store)(float* to, int64_t elements) = nullptr;
};

// Chains in a multiply-add step. Two units with a latency of 5 cycles need 10; with the two
// constant operands, 12 leave two of the 16 registers that machines without AVX-512 have.
constexpr int chains = 12;
constexpr int64_t steps_a_call = 256; // some 1500 cycles: a call's overhead is out of sight

#if defined(__x86_64__)

// The loops of one instruction set. Every chain is x = x * 0.5 + 0.5, which goes to 1 and stays:
// no denormal or infinity slows it down. All numbers come from `data`, each chain's start from a
// place of its own, or the compiler would see that the chains are equal and keep one. The
// accumulators of the load loop are there so that no load may be dropped.
#define VOLUTE_PROBE_LOOPS(suffix, isa, Vector, broadcast, multiply_add_of, load_of, store_of,     \
                           or_of)                                                                  \
  __attribute__((target(isa), noinline)) void multiply_add_##suffix(int64_t steps, float* data) {  \
    const Vector factor = broadcast(data[0]), summand = broadcast(data[1]);                        \
    Vector x0 = broadcast(data[2]), x1 = broadcast(data[3]), x2 = broadcast(data[4]);              \
    Vector x3 = broadcast(data[5]), x4 = broadcast(data[6]), x5 = broadcast(data[7]);              \
    Vector x6 = broadcast(data[8]), x7 = broadcast(data[9]), x8 = broadcast(data[10]);             \
    Vector x9 = broadcast(data[11]), x10 = broadcast(data[12]), x11 = broadcast(data[13]);         \
    for (int64_t i = 0; i < steps; ++i) {                                                          \
      x0 = multiply_add_of(x0, factor, summand), x1 = multiply_add_of(x1, factor, summand);        \
      x2 = multiply_add_of(x2, factor, summand), x3 = multiply_add_of(x3, factor, summand);        \
      x4 = multiply_add_of(x4, factor, summand), x5 = multiply_add_of(x5, factor, summand);        \
      x6 = multiply_add_of(x6, factor, summand), x7 = multiply_add_of(x7, factor, summand);        \
      x8 = multiply_add_of(x8, factor, summand), x9 = multiply_add_of(x9, factor, summand);        \
      x10 = multiply_add_of(x10, factor, summand), x11 = multiply_add_of(x11, factor, summand);    \
    }                                                                                              \
    Vector all[chains] = {x0, x1, x2, x3, x4, x5, x6, x7, x8, x9, x10, x11};                       \
    touch(all);                                                                                    \
  }                                                                                                \
  __attribute__((target(isa), noinline)) void load_##suffix(const float* from, int64_t elements,   \
                                                            float* sink) {                         \
    constexpr int64_t lanes = sizeof(Vector) / sizeof(float);                                      \
    Vector x0 = load_of(from), x1 = x0, x2 = x0, x3 = x0, x4 = x0, x5 = x0, x6 = x0, x7 = x0;      \
    for (const float* end = from + elements; from < end; from += 8 * lanes) {                      \
      x0 = or_of(x0, load_of(from)), x1 = or_of(x1, load_of(from + lanes));                        \
      x2 = or_of(x2, load_of(from + 2 * lanes)), x3 = or_of(x3, load_of(from + 3 * lanes));        \
      x4 = or_of(x4, load_of(from + 4 * lanes)), x5 = or_of(x5, load_of(from + 5 * lanes));        \
      x6 = or_of(x6, load_of(from + 6 * lanes)), x7 = or_of(x7, load_of(from + 7 * lanes));        \
    }                                                                                              \
    const Vector low = or_of(or_of(x0, x1), or_of(x2, x3));                                        \
    store_of(sink, or_of(low, or_of(or_of(x4, x5), or_of(x6, x7))));                               \
  }                                                                                                \
  __attribute__((target(isa), noinline)) void store_##suffix(float* to, int64_t elements) {        \
    constexpr int64_t lanes = sizeof(Vector) / sizeof(float);                                      \
    const Vector x = broadcast(to[0]);                                                             \
    for (float* end = to + elements; to < end; to += 4 * lanes) {                                  \
      store_of(to, x), store_of(to + lanes, x);                                                    \
      store_of(to + 2 * lanes, x), store_of(to + 3 * lanes, x);                                    \
      touch(to); /* keeps the stores what they are: no call of memset */                           \
    }                                                                                              \
  }

#define VOLUTE_MULTIPLY_ADD_128(x, a, b) _mm_add_ps(_mm_mul_ps(x, a), b)
#define VOLUTE_MULTIPLY_ADD_256(x, a, b) _mm256_add_ps(_mm256_mul_ps(x, a), b)
#define VOLUTE_OR_512(a, b)                                                                        \
  _mm512_castsi512_ps(_mm512_or_si512(_mm512_castps_si512(a), _mm512_castps_si512(b)))

VOLUTE_PROBE_LOOPS(sse2, "sse2", __m128, _mm_set1_ps, VOLUTE_MULTIPLY_ADD_128, _mm_load_ps,
                   _mm_store_ps, _mm_or_ps)
VOLUTE_PROBE_LOOPS(fma128, "avx,fma", __m128, _mm_set1_ps, _mm_fmadd_ps, _mm_load_ps, _mm_store_ps,
                   _mm_or_ps)
VOLUTE_PROBE_LOOPS(avx, "avx,no-fma", __m256, _mm256_set1_ps, VOLUTE_MULTIPLY_ADD_256,
                   _mm256_load_ps, _mm256_store_ps, _mm256_or_ps)
VOLUTE_PROBE_LOOPS(fma256, "avx,fma", __m256, _mm256_set1_ps, _mm256_fmadd_ps, _mm256_load_ps,
                   _mm256_store_ps, _mm256_or_ps)
VOLUTE_PROBE_LOOPS(avx512, "avx512f", __m512, _mm512_set1_ps, _mm512_fmadd_ps, _mm512_load_ps,
                   _mm512_store_ps, VOLUTE_OR_512)

#undef VOLUTE_OR_512
#undef VOLUTE_MULTIPLY_ADD_256
#undef VOLUTE_MULTIPLY_ADD_128
#undef VOLUTE_PROBE_LOOPS

std::optional<ProbeLoops> loops_for(int vector_bytes) {
  const compiler::Target& here = compiler::host();
  if (vector_bytes == 64 && here.has("avx512f"))
    return ProbeLoops{64, multiply_add_avx512, load_avx512, store_avx512};
  if (vector_bytes == 32 && here.has("fma"))
    return ProbeLoops{32, multiply_add_fma256, load_fma256, store_fma256};
  if (vector_bytes == 32 && here.has("avx"))
    return ProbeLoops{32, multiply_add_avx, load_avx, store_avx};
  if (vector_bytes == 16 && here.has("fma"))
    return ProbeLoops{16, multiply_add_fma128, load_fma128, store_fma128};
  if (vector_bytes == 16) return ProbeLoops{16, multiply_add_sse2, load_sse2, store_sse2};
  return std::nullopt;
}

#else

void multiply_add_scalar(int64_t steps, float* data) {
  float x[chains];
  std::copy(data + 2, data + 2 + chains, x);
  for (int64_t i = 0; i < steps; ++i)
    for (float& one : x) one = one * data[0] + data[1];
  touch(x);
}

void load_scalar(const float* from, int64_t elements, float* sink) {
  float sum = 0;
  for (int64_t i = 0; i < elements; ++i) sum += from[i];
  *sink = sum;
}

void store_scalar(float* to, int64_t elements) { std::fill(to, to + elements, to[0]); }

std::optional<ProbeLoops> loops_for(int vector_bytes) {
  if (vector_bytes != 16) return std::nullopt;
  return ProbeLoops{4, multiply_add_scalar, load_scalar, store_scalar};
}

#endif

ProbeLoops widest_loops() {
  for (const int bytes : {64, 32})
    if (const std::optional<ProbeLoops> loops = loops_for(bytes)) return *loops;
  return *loops_for(16);
}

// Filled with ones, which also makes the operating system hand over every page.
std::shared_ptr<float[]> make_buffer(int64_t elements) {
  constexpr std::align_val_t line{64};
  const size_t bytes = static_cast<size_t>(elements) * sizeof(float);
  float* memory = static_cast<float*>(::operator new(bytes, line));
  std::fill(memory, memory + elements, 1.0f);
  return {memory, [line](float* p) { ::operator delete(p, line); }};
}

// Whole iterations of the widest loop: eight vectors of 64 bytes.
int64_t whole_elements(int64_t buffer_bytes) {
  constexpr int64_t block = 512, most = int64_t{1} << 36;
  return std::clamp<int64_t>(buffer_bytes / block, 1, most / block) * block /
         static_cast<int64_t>(sizeof(float));
}

std::string size_text(int64_t bytes) {
  return bytes >= 1 << 20 ? fmt::format("{} MiB", bytes >> 20) : fmt::format("{} KiB", bytes >> 10);
}

} // namespace

std::optional<Probe> fma_probe(int vector_bytes) {
  const std::optional<ProbeLoops> loops = loops_for(vector_bytes);
  if (!loops) return std::nullopt;
  const auto call = [run = loops->multiply_add] {
    float data[2 + chains] = {0.5f, 0.5f};
    touch(data);
    run(steps_a_call, data);
  };
  const double lanes = loops->vector_bytes / 4;
  return Probe{candidate(fmt::format("fma {}-bit", 8 * loops->vector_bytes), call),
               2.0 * chains * lanes * steps_a_call};
}

Probe load_probe(int64_t buffer_bytes) {
  const ProbeLoops loops = widest_loops();
  const int64_t elements = whole_elements(buffer_bytes);
  const auto call = [run = loops.load, elements, buffer = make_buffer(elements)] {
    alignas(64) float sink[16];
    run(buffer.get(), elements, sink);
    touch(sink);
  };
  const int64_t bytes = elements * static_cast<int64_t>(sizeof(float));
  return {candidate(fmt::format("load {}", size_text(bytes)), call), static_cast<double>(bytes)};
}

Probe store_probe(int64_t buffer_bytes) {
  const ProbeLoops loops = widest_loops();
  const int64_t elements = whole_elements(buffer_bytes);
  const auto call = [run = loops.store, elements, buffer = make_buffer(elements)] {
    run(buffer.get(), elements);
    touch(buffer.get());
  };
  const int64_t bytes = elements * static_cast<int64_t>(sizeof(float));
  return {candidate(fmt::format("store {}", size_text(bytes)), call), static_cast<double>(bytes)};
}

std::optional<Probe> clock_probe() {
#if defined(__x86_64__)
  // imul takes 3 cycles on every x86-64 since 2008. An addition would not do: newer cores fold
  // chains of them away before they are executed.
  constexpr int64_t steps = 128, multiplications_a_step = 4, latency = 3;
  const auto call = [] {
    int64_t left = steps;
    uint64_t x = 3;
    asm volatile("1:\n\t"
                 "imul %1, %1\n\t"
                 "imul %1, %1\n\t"
                 "imul %1, %1\n\t"
                 "imul %1, %1\n\t"
                 "sub $1, %0\n\t"
                 "jnz 1b"
                 : "+r"(left), "+r"(x)
                 :
                 : "cc");
  };
  return Probe{candidate("clock", call), steps * multiplications_a_step * latency};
#else
  return std::nullopt;
#endif
}

double work_per_second(const Probe& probe, const Timing& timing) {
  const double seconds = timing.median();
  return seconds > 0 ? probe.work / seconds : 0;
}

std::string cpu_report() {
  const compiler::CpuidRecord record = compiler::read_cpuid();
  std::string text = record.brand().empty() ? "an unnamed CPU" : record.brand();
  text += fmt::format(" ({})", compiler::short_text(compiler::host()));
  if (record.is_virtual()) text += ", virtual";
#if defined(__linux__)
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) {
    std::vector<int> cpus;
    for (int i = 0; i < CPU_SETSIZE; ++i)
      if (CPU_ISSET(i, &allowed)) cpus.push_back(i);
    text += cpus.size() == 1
                ? fmt::format(", pinned to CPU {}", cpus[0])
                : fmt::format(", not pinned: on CPU {} of {}", sched_getcpu(), cpus.size());
  }
#endif
  return text;
}

} // namespace volute::bench
