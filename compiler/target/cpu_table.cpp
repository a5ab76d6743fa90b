#include "compiler/target/cpu_table.h"

#include <array>
#include <initializer_list>

namespace volute::compiler {
namespace {

constexpr int64_t K = 1024, M = 1024 * K;

FeatureSet set_of(std::initializer_list<std::string_view> names) {
  FeatureSet set = 0;
  for (const std::string_view name : names) set |= feature_from(name).value();
  return with_requirements(set);
}

// Rates are those of the port diagrams in the vendors' optimisation manuals. Two of them shape the
// best kernels: Intel's clients (and Rocket Lake) run one 512-bit FMA a cycle where servers run
// two, and Zen 4 runs one by pairing its 256-bit pipes, at one 512-bit store in two cycles.
// Measured: vdpbf16ps of 512 bits takes one cycle on Zen 4 and two on Emerald Rapids, which does
// four FMAs meanwhile. L3 gives a core 8 bytes a cycle there, 27 on a Zen 4 that nobody shares.
std::vector<Cpu> make_table() {
  const FeatureSet v2 = set_of({"sse4.2", "popcnt"});
  const FeatureSet v3 = v2 | set_of({"avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe"});
  const FeatureSet v4 = v3 | set_of({"avx512bw", "avx512cd", "avx512dq", "avx512vl"});
  const FeatureSet sandybridge = v2 | set_of({"avx"});
  const FeatureSet cascadelake = v4 | set_of({"avx512vnni"});
  const FeatureSet icelake = cascadelake | set_of({"avx512bitalg", "avx512ifma", "avx512vbmi",
                                                   "avx512vbmi2", "avx512vpopcntdq", "gfni"});
  const FeatureSet alderlake = v3 | set_of({"avxvnni", "gfni"});
  const FeatureSet arrowlake = alderlake | set_of({"avxifma", "avxneconvert", "avxvnniint8"});
  const FeatureSet sapphirerapids =
      icelake | set_of({"amx-bf16", "amx-int8", "avx512bf16", "avx512fp16", "avxvnni"});
  const FeatureSet znver4 = icelake | set_of({"avx512bf16"});

  const VectorRates none;
  const VectorRates one = {1, 1, 1}, two = {2, 2, 1};
  const VectorRates sunny = {2, 2, 2}, golden = {2, 3, 2};
  const VectorRates half_stores = {1, 1, 0.5};
  const VectorRates client_zmm = {1, 2, 1};

  return {
      {"x86-64", 0, 4, one, none, none, 32 * K, 256 * K, 8 * M},
      {"x86-64-v2", v2, 4, one, none, none, 32 * K, 256 * K, 8 * M},
      {"x86-64-v3", v3, 5, two, two, none, 32 * K, 256 * K, 8 * M},
      {"x86-64-v4", v4, 4, two, two, two, 32 * K, 1 * M, 16 * M},

      {"nehalem", v2, 3, one, none, none, 32 * K, 256 * K, 8 * M},
      {"westmere", v2, 3, one, none, none, 32 * K, 256 * K, 12 * M},
      {"sandybridge", sandybridge, 3, {1, 2, 1}, half_stores, none, 32 * K, 256 * K, 8 * M},
      {"ivybridge",
       sandybridge | set_of({"f16c"}),
       3,
       {1, 2, 1},
       half_stores,
       none,
       32 * K,
       256 * K,
       8 * M},
      {"haswell", v3, 5, two, two, none, 32 * K, 256 * K, 8 * M},
      {"broadwell", v3, 5, two, two, none, 32 * K, 256 * K, 8 * M},
      {"skylake", v3, 4, two, two, none, 32 * K, 256 * K, 8 * M},
      {"skylake-avx512", v4, 4, two, two, two, 32 * K, 1 * M, 24 * M},
      {"cascadelake", cascadelake, 4, two, two, two, 32 * K, 1 * M, 24 * M},
      {"cooperlake", cascadelake | set_of({"avx512bf16"}), 4, two, two, two, 32 * K, 1 * M, 24 * M,
       0.5},
      {"icelake-client", icelake, 4, sunny, sunny, client_zmm, 48 * K, 512 * K, 8 * M},
      {"rocketlake", icelake, 4, sunny, sunny, client_zmm, 48 * K, 512 * K, 16 * M},
      {"tigerlake", icelake, 4, sunny, sunny, client_zmm, 48 * K, 1280 * K, 12 * M},
      {"icelake-server", icelake, 4, sunny, sunny, two, 48 * K, 1280 * K, 36 * M},
      {"alderlake", alderlake, 4, golden, golden, none, 48 * K, 1280 * K, 30 * M},
      {"arrowlake", arrowlake, 4, golden, golden, none, 48 * K, 3 * M, 36 * M},
      {"sapphirerapids", sapphirerapids, 4, golden, golden, two, 48 * K, 2 * M, 60 * M, 0.25, 8},
      {"emeraldrapids", sapphirerapids, 4, golden, golden, two, 48 * K, 2 * M, 160 * M, 0.25, 8},
      {"graniterapids", sapphirerapids, 4, golden, golden, two, 48 * K, 2 * M, 288 * M, 0.25, 8},

      {"znver1", v3, 5, two, half_stores, none, 32 * K, 512 * K, 8 * M},
      {"znver2", v3, 5, two, two, none, 32 * K, 512 * K, 16 * M},
      {"znver3", v3, 4, two, two, none, 32 * K, 512 * K, 32 * M},
      {"znver4", znver4, 4, two, two, half_stores, 32 * K, 1 * M, 32 * M},
      {"znver5", znver4 | set_of({"avxvnni"}), 4, two, two, two, 48 * K, 1 * M, 32 * M},
  };
}

// Newest first. Of several names with the same features, the one whose rates promise least stands
// for them all, except where another bit of CPUID tells them apart.
constexpr std::array intel = {
    std::string_view("sapphirerapids"), std::string_view("icelake-server"),
    std::string_view("rocketlake"),     std::string_view("cooperlake"),
    std::string_view("cascadelake"),    std::string_view("skylake-avx512"),
    std::string_view("arrowlake"),      std::string_view("alderlake"),
    std::string_view("skylake"),        std::string_view("ivybridge"),
    std::string_view("sandybridge"),    std::string_view("nehalem"),
};
constexpr std::array amd = {std::string_view("znver5"), std::string_view("znver4"),
                            std::string_view("znver3")};
constexpr std::array any = {std::string_view("x86-64-v4"), std::string_view("x86-64-v3"),
                            std::string_view("x86-64-v2")};

// Ice Lake's servers, with two 512-bit FMA units, have WBNOINVD; its clients, with one, do not.
bool is_server(const CpuidRecord& record) { return (record.at(0x80000008u).ebx >> 9 & 1) != 0; }

} // namespace

const std::vector<Cpu>& cpu_table() {
  // Never destroyed: threads may compile while the process ends.
  static const auto& table = *new std::vector<Cpu>(make_table());
  return table;
}

// Made while this is loaded: a child of fork() must not find a thread of its parent's making it.
[[maybe_unused]] static const bool is_table_made = (cpu_table(), true);

const Cpu* find_cpu(std::string_view name) {
  for (const Cpu& cpu : cpu_table())
    if (cpu.name == name) return &cpu;
  return nullptr;
}

const Cpu& closest_cpu(const CpuidRecord& record) {
  // Matrix units are granted or not on any machine that has them.
  const FeatureSet has = detect_features(record) | set_of({"amx-bf16", "amx-int8"});
  const auto first_fit = [&](const auto& names) -> const Cpu* {
    for (const std::string_view name : names) {
      const Cpu* cpu = find_cpu(name);
      if ((cpu->features & ~has) != 0) continue;
      if (name == "icelake-server" && !is_server(record)) continue;
      return cpu;
    }
    return nullptr;
  };
  const std::string vendor = record.vendor();
  const Cpu* fit = nullptr;
  if (vendor == "GenuineIntel") fit = first_fit(intel);
  if (vendor == "AuthenticAMD") fit = first_fit(amd);
  if (!fit) fit = first_fit(any);
  return fit ? *fit : *find_cpu("x86-64");
}

} // namespace volute::compiler
