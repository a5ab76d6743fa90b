#include "runtime/overlap.h"

namespace volute::runtime {
namespace {

uintptr_t begin_of(const Footprint& a) { return reinterpret_cast<uintptr_t>(a.data); }

template <class Visit>
void for_each_stride(const Footprint& a, Visit visit) {
  if (!a.type || !a.strides || a.strides->empty()) return;
  const int64_t size = ir::size_of(a.type->element);
  for (size_t i = 0; i < a.strides->size(); ++i)
    if (a.type->extents[i].size > 1 && (*a.strides)[i] > 0)
      visit((*a.strides)[i] * size, a.type->extents[i].size);
}

/// Bytes from the first to the end of the last element along the strides that are no multiple of
/// the period; steps along the others stay at the same place within it.
int64_t bytes_within(const Footprint& a, int64_t period) {
  int64_t bytes = a.bytes;
  for_each_stride(a, [&](int64_t stride, int64_t extent) {
    if (stride % period == 0) bytes -= stride * (extent - 1);
  });
  return bytes;
}

/// Whether the two never meet because each keeps to its own part of every `period` bytes.
bool apart_within(const Footprint& a, const Footprint& b, int64_t period) {
  const auto whole = static_cast<uintptr_t>(period);
  const uintptr_t ahead = ((begin_of(b) % whole) + whole - begin_of(a) % whole) % whole;
  return bytes_within(a, period) <= static_cast<int64_t>(ahead) &&
         bytes_within(b, period) <= static_cast<int64_t>(whole - ahead);
}

} // namespace

bool may_overlap(const Footprint& a, const Footprint& b) noexcept {
  if (a.bytes <= 0 || b.bytes <= 0) return false;
  if (begin_of(a) >= begin_of(b) + static_cast<uintptr_t>(b.bytes) ||
      begin_of(b) >= begin_of(a) + static_cast<uintptr_t>(a.bytes))
    return false;
  bool apart = false;
  const auto try_period = [&](int64_t stride, int64_t) {
    apart = apart || apart_within(a, b, stride);
  };
  for_each_stride(a, try_period);
  for_each_stride(b, try_period);
  return !apart;
}

} // namespace volute::runtime
