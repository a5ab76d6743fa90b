// What is known about each CPU by its name: features, execution rates and cache sizes.
#pragma once

#include "compiler/target/cpu_features.h"
#include "compiler/target/target.h"

#include <cstdint>
#include <string_view>
#include <vector>

namespace volute::compiler {

struct Cpu {
  std::string_view name;
  FeatureSet features = 0; // closed
  int fma_latency = 0;     // without FMA: of the addition, the part that a chain waits for
  VectorRates xmm, ymm, zmm;
  int64_t l1_bytes = 0, l2_bytes = 0, l3_bytes = 0; // L3: of one socket or cluster, as sold most
  double bf16_dots_per_fma = 1;   // how many vdpbf16ps in the time of a multiply-add
  double l3_bytes_per_cycle = 16; // to one core

  const VectorRates& rates(int vector_bytes) const {
    return vector_bytes == 64 ? zmm : vector_bytes == 32 ? ymm : xmm;
  }
};

/// Every CPU, oldest first within a vendor.
const std::vector<Cpu>& cpu_table();
/// The row of a name, or null.
const Cpu* find_cpu(std::string_view name);

/// The best row for a machine of which only the features are believed: the newest CPU of its vendor
/// that has none the machine lacks. Its rates and scheduling model fit best, and may be wrong
/// without any result being wrong.
const Cpu& closest_cpu(const CpuidRecord& record);

} // namespace volute::compiler
