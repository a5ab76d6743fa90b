// What this machine can do at best: floating-point operations and bytes a second of one core.
//
// A kernel's time means little without it, and on a shared machine the peak itself drifts. So each
// peak is a probe, a Candidate like any kernel, to be measured in turns with the kernels.
#pragma once

#include "bench/measure.h"

#include <cstdint>
#include <optional>
#include <string>

namespace volute::bench {

struct Probe {
  Candidate candidate;
  double work = 0; // of one call: floating-point operations, bytes, or cycles
  bool is_matrix_unit = false;
};

/// Multiply-adds from registers to registers with vectors of 64, 32 or 16 bytes, in enough
/// independent chains to keep two units busy through their latency. Counts two operations each.
/// Nothing where this machine lacks vectors of that width.
std::optional<Probe> fma_probe(int vector_bytes);

/// Products of bytes added up in 32 bits, by `vpdpbusd` or what takes its place without saturating.
/// Counts two operations a product.
Probe byte_dot_probe();
/// Products of bf16 by `vdpbf16ps`; nothing where this machine has none.
std::optional<Probe> bf16_dot_probe();

/// One pass of aligned vector loads over a buffer of about that many bytes, with the machine's
/// widest vectors. The size chooses the level: half of L1, half of L2, several times L3.
Probe load_probe(int64_t buffer_bytes);
/// The same with stores.
Probe store_probe(int64_t buffer_bytes);

/// A chain of dependent multiplications, whose work is the core's clock cycles. Beside another
/// probe it turns operations a second into operations a cycle, whatever the clock does meanwhile.
std::optional<Probe> clock_probe();

/// Work a second: 1e9 for one GFLOP/s or GB/s.
double work_per_second(const Probe& probe, const Timing& timing);

/// The CPU, what it compiles for, whether a hypervisor is beneath, and where this thread may run:
/// "Intel(R) Xeon(R) Processor (sapphirerapids,l3=105M), virtual, pinned to CPU 1".
std::string cpu_report();

} // namespace volute::bench
