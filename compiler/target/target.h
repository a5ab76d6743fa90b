// The machine that code is generated for: its instructions, registers, execution rates and caches.
//
// Nothing here is guessed from a CPU's name. A hypervisor may hide AVX-512 from a CPU whose name
// promises it, or report the model number of another CPU altogether; the host is what CPUID and
// XGETBV say. A name stands for a known list of features and rates, and code generation receives
// that list in full, with "-avx512f" for what is absent, so that LLVM reads nothing into the name.
#pragma once

#include "compiler/target/cpuid.h"
#include "ir/diagnostic.h"
#include "ir/types.h"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace volute::compiler {

/// Vectors a core handles in each cycle, for one width. Half a vector is one every other cycle.
struct VectorRates {
  double fma = 0;   // where there is no FMA: pairs of a multiplication and an addition
  double load = 0;  // from L1, aligned
  double store = 0; // to L1, aligned
  bool operator==(const VectorRates&) const = default;
};

/// What multiplies and adds: `rows` x `lanes` sums get `steps` times `ways` products each.
struct Unit {
  enum class Kind : uint8_t {
    fma,  // a product for each lane of a vector
    dot,  // `ways` products for each lane of a vector
    tile, // products of matrices, for each lane of each row of a tile
  };
  Kind kind = Kind::fma;
  ir::ElementType a = ir::ElementType::f32, b = a; // of the products
  ir::ElementType sum = a;
  int ways = 1, steps = 1;
  int rows = 1, lanes = 1;
  double per_cycle = 0; // instructions, with all rows
  double products_per_cycle() const { return per_cycle * ways * steps * rows * lanes; }
  bool operator==(const Unit&) const = default;
};
std::string_view to_string(Unit::Kind kind);
/// "tile bf16 16 x 16 by 32 into f32, 1/16 a cycle": the whole of it in a few words.
std::string to_string(const Unit& unit);

struct Target {
  std::string name;                  // a concrete CPU, "sapphirerapids", never "native"
  std::vector<std::string> features; // what it has, LLVM's names, sorted; SSE2 is understood

  // Registers. The widest vector is the one to use, where there is enough to fill it: on no CPU
  // listed here is a full narrower one faster.
  int vector_bytes = 16;     // 64, 32 or 16
  int vector_registers = 16; // of that width: 32 with AVX-512, else 16
  bool has_fma = false;      // else a product and a sum, rounded twice
  bool has_masks = false;    // AVX-512: every load, store and operation may be masked

  // Rates of vectors of vector_bytes. Without FMA, a multiplication and an addition count as one.
  double fma_per_cycle = 1;
  double loads_per_cycle = 1; // from L1, aligned
  double stores_per_cycle = 1;
  std::array<VectorRates, 2> narrower = {}; // of vectors of half the bytes, and of a quarter
  int fma_latency = 4;                      // cycles before an accumulator can be added to again
  // Of vdpbf16ps and vpdpbusd; where there is none, of the instructions in its place.
  double bf16_dots_per_cycle = 0.25;
  double byte_dots_per_cycle = 0.25;

  // Of products of matrices, as many rows as fit, and what goes with them; 0 where there are none.
  // Fewer rows take less, but for the least that any takes.
  double tile_cycles = 0, least_tile_cycles = 0;
  double tile_load_cycles = 0, tile_store_cycles = 0; // of 16 rows, from L1 and to it
  double tile_configure_cycles = 0;                   // once a step

  // Caches as one core sees them; 0 where there is none. L3 is shared by an unknown number.
  int64_t l1_bytes = 32 << 10;
  int64_t l2_bytes = 256 << 10;
  int64_t l3_bytes = 0;
  double l3_bytes_per_cycle = 16; // to this core
  int line_bytes = 64;
  int page_bytes = 4096; // and the distance at which addresses alias in L1

  bool operator==(const Target&) const = default;

  bool has(std::string_view feature) const;
  /// Vector elements of the given size.
  int lanes(int64_t element_bytes) const { return static_cast<int>(vector_bytes / element_bytes); }
  /// Of vectors of these bytes, no more than vector_bytes.
  VectorRates rates(int64_t bytes) const {
    if (2 * bytes > vector_bytes) return {fma_per_cycle, loads_per_cycle, stores_per_cycle};
    return narrower[4 * bytes > vector_bytes ? 0 : 1];
  }
  /// Products of bf16, or of bytes, in groups: instructions a cycle.
  double dots_per_cycle(int64_t element_bytes) const {
    return element_bytes == 1 ? byte_dots_per_cycle : bf16_dots_per_cycle;
  }
  /// Whether products of such matrices have instructions: of bytes of any sign, or of bf16.
  bool has_tiles_for(ir::ElementType element) const {
    return has(ir::size_of(element) == 1          ? "amx-int8"
               : element == ir::ElementType::bf16 ? "amx-bf16"
                                                  : "none");
  }
  /// All that multiplies and adds here, the plainest first.
  std::vector<Unit> units() const;
  /// Of the fastest unit whose products these are; 0 where there is none.
  double products_per_cycle(ir::ElementType element) const;
  /// Whether part of a vector of such elements can be loaded and stored alone.
  bool has_masks_for(int64_t element_bytes) const {
    return has_masks && (element_bytes >= 4 || has("avx512bw"));
  }
  /// Whether every `step`-th element of memory is read by loads of neighbours and shuffles; else
  /// lane by lane.
  bool deinterleaves(int64_t element_bytes, int64_t step) const {
    return step >= 2 && step <= 4 && has_masks_for(element_bytes);
  }
  /// Accumulators that keep every FMA unit busy: latency times rate.
  int accumulators_to_hide_latency() const;
};

/// This machine. Read once, then remembered.
const Target& host();
/// The machine that a record was taken from. A record that is empty gives a target without a name,
/// which runs nothing.
Target target_from(const CpuidRecord& record);

/// `native|CPU[+feature,-feature,...][,l1=48K,l2=2M,l3=30M]`. A feature brings what it requires
/// and takes along what requires it; the sizes replace those that go with the name.
Expected<Target> parse_target(std::string_view text);

/// The canonical text, part of every cache key: the name, every feature with a +, those that the
/// name promises and the target lacks with a -, the cache sizes. parse_target gives it back.
std::string to_string(const Target& target);
/// The shortest text that parse_target turns into the same target: "sapphirerapids",
/// "znver4-avx512f". For people.
std::string short_text(const Target& target);

/// The same machine with its vector units alone.
Target without_tiles(const Target& target);

/// The names that parse_target takes, besides `native`, oldest first within a vendor.
std::vector<std::string_view> target_names();

/// Features of `target` that `host` lacks, sorted.
std::vector<std::string> missing_features(const Target& target, const Target& host);
bool runs_on(const Target& target, const Target& host);

/// One line a name: what it adds to x86-64, and whether `host` runs it or what it lacks.
std::string list_targets(const Target& host);

// ---- for code generation ------------------------------------------------------------------------

/// "target-cpu": the CPU that implies nothing beyond SSE2. All else is in llvm_features.
inline constexpr std::string_view llvm_cpu = "x86-64";
/// "tune-cpu": whose scheduling model LLVM uses. Cannot add an instruction.
inline std::string_view llvm_tune_cpu(const Target& target) { return target.name; }
/// "target-features": every known feature with + or -, "-avx512f,+avx2,...".
std::string llvm_features(const Target& target);

} // namespace volute::compiler
