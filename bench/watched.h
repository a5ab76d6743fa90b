// The peak that is watched while a kernel is timed: of the unit that does its work.
//
// On a shared machine a neighbour takes part of it away, and a round without its peak is no
// measurement. Multiply-adds lose half for seconds at a time. A matrix unit (AMX) belongs to two
// hyperthreads: with a neighbour that uses it two thirds are lost, for nine tenths of the time and
// more, and what is left comes in slices of some milliseconds (measured on Emerald Rapids). So
// beside that unit samples are short, each waits for a moment in which the peak is there, and is
// taken again where it has gone meanwhile.
#pragma once

#include "bench/ceilings.h"
#include "compiler/report/report.h"

namespace volute::bench {

struct Watched {
  Probe probe;
  /// The same rounds, as they are to be beside this unit.
  MeasureOptions rounds(MeasureOptions options) const;
  /// What a call of the probe takes where nothing is in its way; 0 where the ceilings do not tell.
  double usual_seconds(const Ceilings& ceilings) const;
};

/// Of the kernels that are compared, the first that a matrix unit works for decides.
Watched watched(const std::vector<const compiler::Report*>& reports);

} // namespace volute::bench
