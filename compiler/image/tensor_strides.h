// Tensors inside larger ones: how far apart in memory, in elements, the neighbours along each
// extent of a type are.
//
//     f32[n=1, c=3, h=10, w=20]   dense 600 200 20 1; every second row of twice as many: 1200 400
//     40 1
//
// A list has one stride for each extent, in memory order, outermost first; an empty list is the
// dense tensor. The strides of extents of 1 and of empty tensors lead nowhere and do not matter.
#pragma once

#include "ir/diagnostic.h"
#include "ir/types.h"

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace volute::ir {
struct Program;
}

namespace volute::compiler {

/// Elements between neighbours along each extent, in the type's order; empty: dense.
using TensorStrides = std::vector<int64_t>;
/// By the name of an input or output; dense where there is none.
using StridesByName = std::map<std::string, TensorStrides>;

/// The strides of a type whose elements follow each other without a gap.
TensorStrides dense_strides(const ir::TensorType& type);

/// The one form of all lists that mean the same: empty when it is dense, else with the strides
/// that do not matter as if the extents inside were dense. Only for a list that fits the type.
TensorStrides canonical_strides(const ir::TensorType& type, const TensorStrides& strides);

/// Whether two lists, either of them possibly empty, place every element alike. Allocates nothing.
bool same_strides(const ir::TensorType& type, std::span<const int64_t> a,
                  std::span<const int64_t> b) noexcept;

/// Bytes from the first element to the end of the last one, or nothing when they exceed the
/// language's 2^62. Only for strides that are not negative.
std::optional<int64_t> checked_span_bytes(const ir::TensorType& type, const TensorStrides& strides);

/// Why a list does not serve a tensor that is read: it has not one number for each extent, one is
/// negative, or the tensor is too large. In words that follow the tensor's name.
std::optional<std::string> fault_in_strides(const ir::TensorType& type,
                                            const TensorStrides& strides);
/// Why it does not serve one that is written: the same, or two of its elements may be one. Every
/// stride must step over all that lies along the shorter ones.
std::optional<std::string> fault_in_output_strides(const ir::TensorType& type,
                                                   const TensorStrides& strides);

/// What a program's inputs and outputs were given, in canonical form and without those that are
/// dense; or everything that is wrong with it.
Expected<StridesByName> checked_strides(const ir::Program& program, const StridesByName& given);

} // namespace volute::compiler
