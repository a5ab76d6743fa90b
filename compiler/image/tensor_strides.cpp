#include "compiler/image/tensor_strides.h"

#include "ir/program.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace volute::compiler {

using ir::Extent;
using ir::TensorType;

namespace {

constexpr int64_t most_bytes = int64_t{1} << 62; // the language's limit on a tensor

/// The product, or as much as a number holds: strides beyond a tensor's end lead nowhere.
int64_t product(int64_t a, int64_t b) {
  int64_t result = 0;
  return __builtin_mul_overflow(a, b, &result) ? INT64_MAX : result;
}

bool is_empty(const TensorType& type) {
  return std::any_of(type.extents.begin(), type.extents.end(),
                     [](const Extent& extent) { return extent.size == 0; });
}

} // namespace

TensorStrides dense_strides(const TensorType& type) {
  TensorStrides strides(type.extents.size());
  int64_t stride = 1;
  for (size_t i = strides.size(); i-- > 0;) {
    strides[i] = stride;
    stride = product(stride, type.extents[i].size);
  }
  return strides;
}

bool same_strides(const TensorType& type, std::span<const int64_t> a,
                  std::span<const int64_t> b) noexcept {
  if (a.empty() && b.empty()) return true;
  if (is_empty(type)) return true;
  int64_t dense = 1;
  for (size_t i = type.extents.size(); i-- > 0;) {
    if (type.extents[i].size > 1 && (a.empty() ? dense : a[i]) != (b.empty() ? dense : b[i]))
      return false;
    dense = product(dense, type.extents[i].size);
  }
  return true;
}

TensorStrides canonical_strides(const TensorType& type, const TensorStrides& strides) {
  if (same_strides(type, strides, {})) return {};
  TensorStrides canonical = strides;
  int64_t inside = 1;
  for (size_t i = canonical.size(); i-- > 0;) {
    if (type.extents[i].size == 1) canonical[i] = inside;
    inside = product(canonical[i], type.extents[i].size);
  }
  return canonical;
}

std::optional<int64_t> checked_span_bytes(const TensorType& type, const TensorStrides& strides) {
  if (strides.empty()) return ir::checked_bytes(type);
  if (is_empty(type)) return 0;
  int64_t last = 0; // the last element's place
  for (size_t i = 0; i < strides.size(); ++i) {
    int64_t way = 0;
    if (__builtin_mul_overflow(strides[i], type.extents[i].size - 1, &way) ||
        __builtin_add_overflow(last, way, &last))
      return std::nullopt;
  }
  const int64_t size = ir::size_of(type.element);
  if (last >= most_bytes / size) return std::nullopt;
  return (last + 1) * size;
}

std::optional<std::string> fault_in_strides(const TensorType& type, const TensorStrides& strides) {
  if (strides.empty()) return std::nullopt;
  if (strides.size() != type.extents.size())
    return fmt::format("has {} strides for the {} extents of {}", strides.size(),
                       type.extents.size(), ir::to_string(type));
  for (size_t i = 0; i < strides.size(); ++i)
    if (strides[i] < 0)
      return fmt::format("has the stride {} along {}; strides are 0 or more", strides[i],
                         ir::to_char(type.extents[i].axis));
  if (!checked_span_bytes(type, strides))
    return fmt::format("spans more than 2^62 bytes with the strides [{}]",
                       fmt::join(strides, ", "));
  return std::nullopt;
}

std::optional<std::string> fault_in_output_strides(const TensorType& type,
                                                   const TensorStrides& strides) {
  if (auto fault = fault_in_strides(type, strides)) return fault;
  if (strides.empty() || is_empty(type)) return std::nullopt;
  std::vector<size_t> order;
  for (size_t i = 0; i < strides.size(); ++i)
    if (type.extents[i].size > 1) order.push_back(i);
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return strides[a] < strides[b]; });
  int64_t span = 1; // elements from the first to the last along the shorter strides
  for (const size_t i : order) {
    const Extent& extent = type.extents[i];
    if (strides[i] < span)
      return fmt::format("is written, and its stride {} along {} does not step over the {} "
                         "elements that the shorter strides reach",
                         strides[i], ir::to_char(extent.axis), span);
    span += strides[i] * (extent.size - 1);
  }
  return std::nullopt;
}

Expected<StridesByName> checked_strides(const ir::Program& program, const StridesByName& given) {
  StridesByName checked;
  Failure failure;
  for (const auto& entry : given) {
    const std::string& name = entry.first;
    const TensorStrides& strides = entry.second;
    bool is_known = false;
    std::optional<std::string> fault;
    const auto check = [&](const std::vector<ir::ValueId>& values, auto fault_in) {
      for (const ir::ValueId id : values) {
        if (program.name_of(id) != name) continue;
        is_known = true;
        if (!fault) fault = fault_in(program.type(id), strides);
        if (fault) continue;
        TensorStrides canonical = canonical_strides(program.type(id), strides);
        if (!canonical.empty()) checked[name] = std::move(canonical);
      }
    };
    check(program.inputs, fault_in_strides);
    check(program.outputs, fault_in_output_strides);
    if (!is_known) fault = "is no input or output of the program";
    if (fault)
      failure.diagnostics.push_back({{}, "strides", fmt::format("%{} {}", name, *fault), ""});
  }
  if (!failure.diagnostics.empty()) return failure;
  return checked;
}

} // namespace volute::compiler
