// The instruction sets that this compiler knows, by LLVM's names, and how CPUID announces them.
//
// Only what can change generated code is listed: matrix and vector instructions, and the bit
// counting and manipulation that address arithmetic may use. AES and its kind are never asked for.
#pragma once

#include "compiler/target/cpuid.h"

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace volute::compiler {

/// A set of features, one bit for each row of the table. Every set that these functions return is
/// closed: it holds what its members require (avx2 brings avx, which brings sse4.2, ...).
using FeatureSet = uint64_t;

/// Every name, sorted.
const std::vector<std::string_view>& feature_names();
/// A set of this one feature alone, not yet closed; nothing when the name is unknown.
std::optional<FeatureSet> feature_from(std::string_view name);
/// Names of the members, sorted.
std::vector<std::string_view> names_of(FeatureSet features);

/// The set with everything that its members require.
FeatureSet with_requirements(FeatureSet features);
/// The set without `removed` and without whatever requires it: no AVX2 means no AVX-512 either.
FeatureSet without(FeatureSet features, FeatureSet removed);

/// What the recorded machine can execute: announced by CPUID, and, for ymm, zmm and tile registers,
/// saved by the operating system on a context switch. Of tiles it may still refuse a process the
/// use (runtime/tile_permission.h).
FeatureSet detect_features(const CpuidRecord& record);

} // namespace volute::compiler
