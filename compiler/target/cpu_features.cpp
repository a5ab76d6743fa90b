#include "compiler/target/cpu_features.h"

#include <algorithm>
#include <array>

namespace volute::compiler {
namespace {

enum class Register : uint8_t { eax, ebx, ecx, edx };

// Registers that the operating system has to save for the feature to be usable.
enum class State : uint8_t { xmm, ymm, zmm, tile };

struct Feature {
  std::string_view name;
  uint32_t leaf, subleaf;
  Register in;
  int bit;
  State state;
  std::string_view needs; // direct requirements, a space between them
};

// Sorted by name; a feature's place is its bit in a FeatureSet. The requirements are LLVM's, so
// that the list handed to LLVM is what LLVM makes of it.
constexpr std::array features = {
    Feature{"amx-bf16", 7, 0, Register::edx, 22, State::tile, "amx-tile"},
    Feature{"amx-int8", 7, 0, Register::edx, 25, State::tile, "amx-tile"},
    Feature{"amx-tile", 7, 0, Register::edx, 24, State::tile, ""},
    Feature{"avx", 1, 0, Register::ecx, 28, State::ymm, "sse4.2"},
    Feature{"avx2", 7, 0, Register::ebx, 5, State::ymm, "avx"},
    Feature{"avx512bf16", 7, 1, Register::eax, 5, State::zmm, "avx512bw"},
    Feature{"avx512bitalg", 7, 0, Register::ecx, 12, State::zmm, "avx512bw"},
    Feature{"avx512bw", 7, 0, Register::ebx, 30, State::zmm, "avx512f"},
    Feature{"avx512cd", 7, 0, Register::ebx, 28, State::zmm, "avx512f"},
    Feature{"avx512dq", 7, 0, Register::ebx, 17, State::zmm, "avx512f"},
    Feature{"avx512f", 7, 0, Register::ebx, 16, State::zmm, "avx2 f16c fma"},
    Feature{"avx512fp16", 7, 0, Register::edx, 23, State::zmm, "avx512bw avx512dq avx512vl"},
    Feature{"avx512ifma", 7, 0, Register::ebx, 21, State::zmm, "avx512f"},
    Feature{"avx512vbmi", 7, 0, Register::ecx, 1, State::zmm, "avx512bw"},
    Feature{"avx512vbmi2", 7, 0, Register::ecx, 6, State::zmm, "avx512bw"},
    Feature{"avx512vl", 7, 0, Register::ebx, 31, State::zmm, "avx512f"},
    Feature{"avx512vnni", 7, 0, Register::ecx, 11, State::zmm, "avx512f"},
    Feature{"avx512vpopcntdq", 7, 0, Register::ecx, 14, State::zmm, "avx512f"},
    Feature{"avxifma", 7, 1, Register::eax, 23, State::ymm, "avx2"},
    Feature{"avxneconvert", 7, 1, Register::edx, 5, State::ymm, "avx2"},
    Feature{"avxvnni", 7, 1, Register::eax, 4, State::ymm, "avx2"},
    Feature{"avxvnniint16", 7, 1, Register::edx, 10, State::ymm, "avx2"},
    Feature{"avxvnniint8", 7, 1, Register::edx, 4, State::ymm, "avx2"},
    Feature{"bmi", 7, 0, Register::ebx, 3, State::xmm, ""},
    Feature{"bmi2", 7, 0, Register::ebx, 8, State::xmm, ""},
    Feature{"f16c", 1, 0, Register::ecx, 29, State::ymm, "avx"},
    Feature{"fma", 1, 0, Register::ecx, 12, State::ymm, "avx"},
    Feature{"gfni", 7, 0, Register::ecx, 8, State::xmm, ""},
    Feature{"lzcnt", 0x80000001u, 0, Register::ecx, 5, State::xmm, ""},
    Feature{"movbe", 1, 0, Register::ecx, 22, State::xmm, ""},
    Feature{"popcnt", 1, 0, Register::ecx, 23, State::xmm, ""},
    Feature{"sse3", 1, 0, Register::ecx, 0, State::xmm, ""},
    Feature{"sse4.1", 1, 0, Register::ecx, 19, State::xmm, "ssse3"},
    Feature{"sse4.2", 1, 0, Register::ecx, 20, State::xmm, "sse4.1"},
    Feature{"ssse3", 1, 0, Register::ecx, 9, State::xmm, "sse3"},
};

constexpr bool by_name(const Feature& a, const Feature& b) { return a.name < b.name; }
static_assert(std::is_sorted(features.begin(), features.end(), by_name));
static_assert(features.size() <= 64, "a FeatureSet has 64 bits");

constexpr FeatureSet bit(size_t place) { return FeatureSet{1} << place; }

constexpr FeatureSet bit_of(std::string_view name) {
  for (size_t i = 0; i < features.size(); ++i)
    if (features[i].name == name) return bit(i);
  return 0;
}

// The first word of a list, which keeps the others.
constexpr std::string_view next_word(std::string_view& list) {
  const std::string_view word = list.substr(0, list.find(' '));
  list.remove_prefix(std::min(word.size() + 1, list.size()));
  return word;
}

constexpr FeatureSet needs_of(const Feature& feature) {
  FeatureSet set = 0;
  for (std::string_view list = feature.needs; !list.empty();) set |= bit_of(next_word(list));
  return set;
}

constexpr bool every_requirement_is_known() {
  for (const Feature& feature : features)
    for (std::string_view list = feature.needs; !list.empty();)
      if (bit_of(next_word(list)) == 0) return false;
  return true;
}
static_assert(every_requirement_is_known());

// Drops members whose requirements are not met until none is left.
FeatureSet closed_downwards(FeatureSet set) {
  for (FeatureSet before = ~set; before != set;) {
    before = set;
    for (size_t i = 0; i < features.size(); ++i)
      if ((needs_of(features[i]) & ~set) != 0) set &= ~bit(i);
  }
  return set;
}

uint32_t value_of(const CpuidRegisters& r, Register which) {
  switch (which) {
  case Register::eax: return r.eax;
  case Register::ebx: return r.ebx;
  case Register::ecx: return r.ecx;
  case Register::edx: return r.edx;
  }
  return 0;
}

// XCR0: bit 1 xmm, bit 2 upper ymm; bits 5, 6, 7 masks, upper zmm, zmm16 to zmm31; bits 17, 18 the
// configuration of tiles and their data.
bool is_saved(State state, uint64_t xcr0) {
  constexpr uint64_t ymm = 0x06, zmm = 0xe6, tile = 0x60000;
  switch (state) {
  case State::xmm: return true;
  case State::ymm: return (xcr0 & ymm) == ymm;
  case State::zmm: return (xcr0 & zmm) == zmm;
  case State::tile: return (xcr0 & tile) == tile;
  }
  return false;
}

} // namespace

const std::vector<std::string_view>& feature_names() {
  // Never destroyed: threads may compile while the process ends.
  static const auto& names = *new std::vector<std::string_view>(names_of(~FeatureSet{0}));
  return names;
}

// Made while this is loaded: a child of fork() must not find a thread of its parent's making them.
[[maybe_unused]] static const bool are_names_made = (feature_names(), true);

std::optional<FeatureSet> feature_from(std::string_view name) {
  const FeatureSet set = bit_of(name);
  if (set == 0) return std::nullopt;
  return set;
}

std::vector<std::string_view> names_of(FeatureSet set) {
  std::vector<std::string_view> names;
  for (size_t i = 0; i < features.size(); ++i)
    if ((set & bit(i)) != 0) names.push_back(features[i].name);
  return names;
}

FeatureSet with_requirements(FeatureSet set) {
  for (FeatureSet before = ~set; before != set;) {
    before = set;
    for (size_t i = 0; i < features.size(); ++i)
      if ((set & bit(i)) != 0) set |= needs_of(features[i]);
  }
  return set;
}

FeatureSet without(FeatureSet set, FeatureSet removed) { return closed_downwards(set & ~removed); }

FeatureSet detect_features(const CpuidRecord& record) {
  FeatureSet set = 0;
  for (size_t i = 0; i < features.size(); ++i) {
    const Feature& f = features[i];
    const uint32_t word = value_of(record.at(f.leaf, f.subleaf), f.in);
    if ((word >> f.bit & 1) != 0 && is_saved(f.state, record.xcr0)) set |= bit(i);
  }
  return closed_downwards(set);
}

} // namespace volute::compiler
