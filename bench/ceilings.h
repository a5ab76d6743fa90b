// What bounds any kernel on this machine, measured in the run that it is compared in: operations a
// second of each arithmetic unit, bytes a second of each level of memory.
//
// A program has two bounds. Its arithmetic takes as long as its valid taps at the peak of the unit
// that the machine has for its element type; its traffic as long as each tensor once, from and to
// the level of memory that holds it. The larger one is the bound. A kernel can beat the first only
// by computing fewer products than the direct sum has (Winograd), and the second not at all.
#pragma once

#include "bench/machine.h"
#include "compiler/report/report.h"
#include "ir/program.h"

#include <string>
#include <vector>

namespace volute::bench {

/// Which peak counts for a program.
enum class Unit : uint8_t { f32, f64, bf16, bytes };
std::string_view name(Unit unit);
/// That of the products of its convolutions; of others, that of its inputs.
Unit unit_of(const ir::Program& program);

/// One level of memory, as one core sees it.
struct Level {
  std::string name;           // "L1", "memory"
  int64_t bytes = 0;          // that it holds; of memory 0: all
  double load = 0, store = 0; // bytes a second
};

struct Ceilings {
  double f32 = 0, bf16 = 0, bytes = 0;   // operations a second of one core
  std::vector<Level> levels;             // from near to far
  std::string f32_by, bf16_by, bytes_by; // "fma 512-bit", "vpdpbusd 512-bit"
  double peak(Unit unit) const;
  /// That an instruction has, "tdpbf16ps"; 0 of another.
  double of(std::string_view instruction) const;
};

/// Takes about `seconds`.
Ceilings measure_ceilings(double seconds = 0.5, const Clock& clock = thread_seconds);
/// The better of each: what the machine can do, of two looks at it.
Ceilings best_of(const Ceilings& a, const Ceilings& b);
/// The largest part by which a figure differs between the two.
double drift(const Ceilings& a, const Ceilings& b);

struct Bound {
  Unit unit = Unit::f32;
  double peak = 0;                    // of the unit on all cores, operations a second
  double operations = 0;              // two for each valid product
  double read = 0, written = 0;       // bytes: each input, constant and output once
  double arithmetic = 0, traffic = 0; // seconds
  std::string level;                  // that holds the last of the data
  double seconds() const { return arithmetic > traffic ? arithmetic : traffic; }
  bool is_arithmetic() const { return arithmetic >= traffic; }
};

/// Of `threads` cores. Cold, all data come from memory; else the part of them that a level holds is
/// had at its rate.
Bound bound_of(const ir::Program& program, const compiler::Report& report, const Ceilings& ceilings,
               bool is_cold = false, int threads = 1);

} // namespace volute::bench
