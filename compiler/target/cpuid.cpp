#include "compiler/target/cpuid.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace volute::compiler {
namespace {

void append_bytes(std::string& text, uint32_t word) {
  for (int shift = 0; shift < 32; shift += 8) text += static_cast<char>(word >> shift & 0xff);
}

#if defined(__x86_64__)

// A machine describes at most a handful of caches; the bound ends the walk on a broken hypervisor.
constexpr uint32_t most_caches = 16;

// By instruction rather than _xgetbv, which would need this file compiled for a newer CPU.
uint64_t read_xcr0() {
  uint32_t low = 0, high = 0;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t{high} << 32 | low;
}

#endif

} // namespace

CpuidRegisters CpuidRecord::at(uint32_t leaf, uint32_t subleaf) const {
  const auto found = leaves.find({leaf, subleaf});
  return found == leaves.end() ? CpuidRegisters{} : found->second;
}

std::string CpuidRecord::vendor() const {
  const CpuidRegisters r = at(0);
  std::string text;
  if (r.ebx == 0) return text;
  for (const uint32_t word : {r.ebx, r.edx, r.ecx}) append_bytes(text, word);
  return text;
}

std::string CpuidRecord::brand() const {
  std::string text;
  for (const uint32_t leaf : {0x80000002u, 0x80000003u, 0x80000004u}) {
    const CpuidRegisters r = at(leaf);
    for (const uint32_t word : {r.eax, r.ebx, r.ecx, r.edx}) append_bytes(text, word);
  }
  text.resize(text.find_first_of('\0') == std::string::npos ? text.size() : text.find('\0'));
  while (!text.empty() && text.back() == ' ') text.pop_back();
  text.erase(0, text.find_first_not_of(' ') == std::string::npos ? 0 : text.find_first_not_of(' '));
  return text;
}

bool CpuidRecord::is_virtual() const { return (at(1).ecx >> 31 & 1) != 0; }

CpuidRecord read_cpuid() {
  CpuidRecord record;
#if defined(__x86_64__)
  const auto read = [&](uint32_t leaf, uint32_t subleaf) {
    CpuidRegisters r;
    __cpuid_count(leaf, subleaf, r.eax, r.ebx, r.ecx, r.edx);
    record.leaves[{leaf, subleaf}] = r;
    return r;
  };
  // A leaf above the highest answers with another leaf's data, so the highest is asked first.
  const auto read_caches = [&](uint32_t leaf) {
    for (uint32_t i = 0; i < most_caches; ++i)
      if ((read(leaf, i).eax & 0x1f) == 0) break;
  };
  const uint32_t highest = read(0, 0).eax;
  const CpuidRegisters basic = read(1, 0);
  if (highest >= 4) read_caches(4);
  if (highest >= 7 && read(7, 0).eax >= 1) read(7, 1);
  if ((basic.ecx >> 27 & 1) != 0) record.xcr0 = read_xcr0();

  const uint32_t highest_extended = read(0x80000000u, 0).eax;
  for (uint32_t leaf = 0x80000001u; leaf <= 0x80000008u && leaf <= highest_extended; ++leaf)
    read(leaf, 0);
  constexpr uint32_t amd_caches = 0x8000001du;
  if (highest_extended >= amd_caches) read_caches(amd_caches);
#endif
  return record;
}

} // namespace volute::compiler
