// The register that says how floating point rounds and whether denormals count, of the thread that
// asks. The exception flags, which share it on x86-64, stay each thread's own.
#pragma once

#include <cstdint>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace volute::runtime {

#if defined(__x86_64__)
using FloatControl = uint32_t;
constexpr FloatControl exception_flags = 0x3f;
inline FloatControl float_control() { return _mm_getcsr() & ~exception_flags; }
inline void set_float_control(FloatControl control) {
  _mm_setcsr(control | (_mm_getcsr() & exception_flags));
}
/// The same with denormals taken for 0, and results that would be denormal 0.
constexpr FloatControl flushing(FloatControl control) { return control | 0x8040; }
#elif defined(__aarch64__)
using FloatControl = uint64_t;
inline FloatControl float_control() {
  FloatControl control;
  asm volatile("mrs %0, fpcr" : "=r"(control));
  return control;
}
inline void set_float_control(FloatControl control) {
  asm volatile("msr fpcr, %0" : : "r"(control));
}
constexpr FloatControl flushing(FloatControl control) { return control | 1u << 24; }
#else
using FloatControl = int;
inline FloatControl float_control() { return 0; }
inline void set_float_control(FloatControl) {}
constexpr FloatControl flushing(FloatControl control) { return control; }
#endif

/// Denormals are flushed on this thread as long as it lives, if they shall be at all.
class FlushDenormals {
public:
  explicit FlushDenormals(bool shall) noexcept {
    if (!shall) return;
    own_ = float_control();
    is_changed_ = flushing(own_) != own_;
    if (is_changed_) set_float_control(flushing(own_));
  }
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;
  ~FlushDenormals() {
    if (is_changed_) set_float_control(own_);
  }

private:
  FloatControl own_ = {};
  bool is_changed_ = false;
};

} // namespace volute::runtime
