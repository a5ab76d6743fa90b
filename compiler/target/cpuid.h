// What CPUID and XGETBV say, as plain data: read once from this machine, or recorded from another.
//
// Everything the compiler knows about the host is derived from such a record, so tests can feed the
// records of machines that are not there.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <string>

namespace volute::compiler {

struct CpuidRegisters {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

struct CpuidRecord {
  struct Leaf {
    uint32_t leaf = 0, subleaf = 0;
    auto operator<=>(const Leaf&) const = default;
  };
  std::map<Leaf, CpuidRegisters> leaves;
  /// Register state that the operating system saves and restores (XCR0); 0 without OSXSAVE.
  uint64_t xcr0 = 0;

  /// The registers of a leaf; all zero when the record lacks it, which reads as "has nothing".
  CpuidRegisters at(uint32_t leaf, uint32_t subleaf = 0) const;
  /// "GenuineIntel", "AuthenticAMD"; empty for an empty record.
  std::string vendor() const;
  /// The marketing name, for people only: under a hypervisor it says nothing about features.
  std::string brand() const;
  /// Whether a hypervisor announces itself.
  bool is_virtual() const;
};

/// This machine's record; empty where the processor has no CPUID.
CpuidRecord read_cpuid();

} // namespace volute::compiler
