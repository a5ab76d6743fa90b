// The loops of lane_loops.h, for whatever instructions the file that includes this is compiled
// with. Nothing here may be a function that another file has too: the linker would take either for
// both, and one CPU lacks the instructions of the other's.
#include "runtime/lane_loops.h"

namespace volute::runtime {
namespace {

template <class T>
struct Row {
  const T* data;
  T first; // of a row that is one element
};

template <bool wide, class T>
inline T at(const Row<T>& row, int64_t lane) {
  if constexpr (wide)
    return row.data[lane];
  else
    return row.first;
}

constexpr int64_t chunk = 16; // whole vectors of any width

// A fixed number of lanes at a time, which becomes straight vector code: all of them are computed
// before the first is stored, so that it does not matter where the operands lie. Then what is left.
template <class T, class Each>
inline void for_lanes(T* to, int64_t lanes, const Each& each) {
  int64_t lane = 0;
  for (; lane + chunk <= lanes; lane += chunk) {
    T part[chunk];
    for (int64_t i = 0; i < chunk; ++i) part[i] = each(lane + i);
    for (int64_t i = 0; i < chunk; ++i) to[lane + i] = part[i];
  }
  for (; lane < lanes; ++lane) to[lane] = each(lane);
}

template <class T>
inline Row<T> row_of(const LaneOperand& operand, int64_t row) {
  const T* data = static_cast<const T*>(operand.data) + row * operand.row_step;
  return {data, *data};
}

template <class To>
inline To* to_row(const LaneBlock& block, int64_t row) {
  return static_cast<To*>(block.to) + row * block.row_step;
}

template <class To, class A, class Fn>
void unary(const LaneBlock& block, const LaneOperand& operand, const Fn& fn) {
  for (int64_t r = 0; r < block.rows; ++r) {
    To* to = to_row<To>(block, r);
    const Row<A> a = row_of<A>(operand, r);
    if (operand.is_wide)
      for_lanes(to, block.lanes, [&](int64_t l) { return fn(at<true>(a, l)); });
    else
      for_lanes(to, block.lanes, [&](int64_t) { return fn(a.first); });
  }
}

template <class To, class T, class Fn>
void binary(const LaneBlock& block, const LaneOperand* operands, const Fn& fn) {
  const bool is_wide_b = operands[1].is_wide;
  for (int64_t r = 0; r < block.rows; ++r) {
    To* to = to_row<To>(block, r);
    const Row<T> a = row_of<T>(operands[0], r), b = row_of<T>(operands[1], r);
    if (operands[0].is_wide && is_wide_b)
      for_lanes(to, block.lanes, [&](int64_t l) { return fn(at<true>(a, l), at<true>(b, l)); });
    else if (operands[0].is_wide)
      for_lanes(to, block.lanes, [&](int64_t l) { return fn(at<true>(a, l), b.first); });
    else if (is_wide_b)
      for_lanes(to, block.lanes, [&](int64_t l) { return fn(a.first, at<true>(b, l)); });
    else
      for_lanes(to, block.lanes, [&](int64_t) { return fn(a.first, b.first); });
  }
}

// The third operand is nearly always a sum of lanes; the other case is only right.
template <class T, class C, class Fn>
void ternary(const LaneBlock& block, const LaneOperand* operands, const Fn& fn) {
  const bool is_wide_b = operands[1].is_wide;
  for (int64_t r = 0; r < block.rows; ++r) {
    T* to = to_row<T>(block, r);
    const Row<T> a = row_of<T>(operands[0], r), b = row_of<T>(operands[1], r);
    const Row<C> c = row_of<C>(operands[2], r);
    const int64_t step_a = operands[0].is_wide, step_b = operands[1].is_wide;
    if (!operands[2].is_wide)
      for (int64_t l = 0; l < block.lanes; ++l)
        to[l] = fn(a.data[l * step_a], b.data[l * step_b], c.first);
    else if (operands[0].is_wide && is_wide_b)
      for_lanes(to, block.lanes,
                [&](int64_t l) { return fn(at<true>(a, l), at<true>(b, l), at<true>(c, l)); });
    else if (operands[0].is_wide)
      for_lanes(to, block.lanes,
                [&](int64_t l) { return fn(at<true>(a, l), b.first, at<true>(c, l)); });
    else if (is_wide_b)
      for_lanes(to, block.lanes,
                [&](int64_t l) { return fn(a.first, at<true>(b, l), at<true>(c, l)); });
    else
      for_lanes(to, block.lanes, [&](int64_t l) { return fn(a.first, b.first, at<true>(c, l)); });
  }
}

float fused(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
double fused(double a, double b, double c) { return __builtin_fma(a, b, c); }
float root(float a) { return __builtin_sqrtf(a); }
double root(double a) { return __builtin_sqrt(a); }
float whole(float a) { return __builtin_nearbyintf(a); }
double whole(double a) { return __builtin_nearbyint(a); }
float without_sign(float a) { return __builtin_fabsf(a); }
double without_sign(double a) { return __builtin_fabs(a); }

template <class T>
void compute_real(LaneOp op, const LaneBlock& block, const LaneOperand* x) {
  switch (op) {
  case LaneOp::fma: return ternary<T, T>(block, x, [](T a, T b, T c) { return fused(a, b, c); });
  case LaneOp::add: return binary<T, T>(block, x, [](T a, T b) { return a + b; });
  case LaneOp::sub: return binary<T, T>(block, x, [](T a, T b) { return a - b; });
  case LaneOp::mul: return binary<T, T>(block, x, [](T a, T b) { return a * b; });
  case LaneOp::div: return binary<T, T>(block, x, [](T a, T b) { return a / b; });
  case LaneOp::max: return binary<T, T>(block, x, [](T a, T b) { return a > b ? a : b; });
  case LaneOp::min: return binary<T, T>(block, x, [](T a, T b) { return a < b ? a : b; });
  case LaneOp::neg: return unary<T, T>(block, x[0], [](T a) { return -a; });
  case LaneOp::abs: return unary<T, T>(block, x[0], [](T a) { return without_sign(a); });
  case LaneOp::sqrt: return unary<T, T>(block, x[0], [](T a) { return root(a); });
  case LaneOp::rint: return unary<T, T>(block, x[0], [](T a) { return whole(a); });
  default: return; // there is none of floats
  }
}

// In unsigned numbers, where to wrap is what arithmetic does. A shift by the width or more leaves
// nothing but copies of the sign.
template <class T, class U>
void compute_integer(LaneOp op, const LaneBlock& block, const LaneOperand* x) {
  constexpr U width = 8 * sizeof(T);
  const auto u = [](T a) { return static_cast<U>(a); };
  const auto t = [](U a) { return static_cast<T>(a); };
  switch (op) {
  case LaneOp::fma:
    return ternary<T, T>(block, x, [&](T a, T b, T c) { return t(u(a) * u(b) + u(c)); });
  case LaneOp::add: return binary<T, T>(block, x, [&](T a, T b) { return t(u(a) + u(b)); });
  case LaneOp::sub: return binary<T, T>(block, x, [&](T a, T b) { return t(u(a) - u(b)); });
  case LaneOp::mul: return binary<T, T>(block, x, [&](T a, T b) { return t(u(a) * u(b)); });
  case LaneOp::max: return binary<T, T>(block, x, [](T a, T b) { return a > b ? a : b; });
  case LaneOp::min: return binary<T, T>(block, x, [](T a, T b) { return a < b ? a : b; });
  case LaneOp::neg: return unary<T, T>(block, x[0], [&](T a) { return t(0 - u(a)); });
  case LaneOp::abs: return unary<T, T>(block, x[0], [&](T a) { return a < 0 ? t(0 - u(a)) : a; });
  case LaneOp::bit_and: return binary<T, T>(block, x, [](T a, T b) { return a & b; });
  case LaneOp::bit_or: return binary<T, T>(block, x, [](T a, T b) { return a | b; });
  case LaneOp::bit_xor: return binary<T, T>(block, x, [](T a, T b) { return a ^ b; });
  case LaneOp::shift_left:
    return binary<T, T>(block, x, [&](T a, T b) { return u(b) >= width ? T(0) : t(u(a) << u(b)); });
  case LaneOp::shift_right:
    return binary<T, T>(block, x,
                        [&](T a, T b) { return a >> (u(b) >= width ? width - 1 : u(b)); });
  default: return; // there is none of integers
  }
}

int32_t to_integer(float a) {
  constexpr float end = 2147483648.0F; // 2^31, which no i32 is
  const float rounded = __builtin_nearbyintf(a);
  return rounded != rounded ? 0
         : rounded >= end   ? 0x7fffffff
         : rounded <= -end  ? -0x7fffffff - 1
                            : static_cast<int32_t>(rounded);
}

void convert(LaneType from, const LaneBlock& block, const LaneOperand& operand) {
  if (from == LaneType::f32)
    unary<int32_t, float>(block, operand, [](float a) { return to_integer(a); });
  else
    unary<float, int32_t>(block, operand, [](int32_t a) { return static_cast<float>(a); });
}

template <class T>
void compare_all(ir::Compare compare, const LaneBlock& block, const LaneOperand* x) {
  const auto all = [&](const auto& holds) {
    binary<int32_t, T>(block, x, [&](T a, T b) { return static_cast<int32_t>(holds(a, b)); });
  };
  switch (compare) {
  case ir::Compare::lt: return all([](T a, T b) { return a < b; });
  case ir::Compare::le: return all([](T a, T b) { return a <= b; });
  case ir::Compare::gt: return all([](T a, T b) { return a > b; });
  case ir::Compare::ge: return all([](T a, T b) { return a >= b; });
  case ir::Compare::eq: return all([](T a, T b) { return a == b; });
  case ir::Compare::ne: return all([](T a, T b) { return a != b; });
  case ir::Compare::unordered: return all([](T a, T b) { return a != a || b != b; });
  }
}

void compare(ir::Compare compare, LaneType type, const LaneBlock& block, const LaneOperand* x) {
  switch (type) {
  case LaneType::f32: return compare_all<float>(compare, block, x);
  case LaneType::f64: return compare_all<double>(compare, block, x);
  case LaneType::i32: return compare_all<int32_t>(compare, block, x);
  case LaneType::i64: return compare_all<int64_t>(compare, block, x);
  }
}

template <class T>
void choose_all(const LaneBlock& block, const LaneOperand* x) {
  ternary<T, int32_t>(block, x, [](T a, T b, int32_t is_first) { return is_first ? a : b; });
}

void choose(int64_t bytes, const LaneBlock& block, const LaneOperand* operands) {
  bytes == 4 ? choose_all<uint32_t>(block, operands) : choose_all<uint64_t>(block, operands);
}

void compute(LaneOp op, LaneType type, const LaneBlock& block, const LaneOperand* operands) {
  switch (type) {
  case LaneType::f32: return compute_real<float>(op, block, operands);
  case LaneType::f64: return compute_real<double>(op, block, operands);
  case LaneType::i32: return compute_integer<int32_t, uint32_t>(op, block, operands);
  case LaneType::i64: return compute_integer<int64_t, uint64_t>(op, block, operands);
  }
}

template <class T>
void gather_all(const LaneBlock& block, const void* from, int64_t row_step, int64_t lane_step) {
  for (int64_t r = 0; r < block.rows; ++r) {
    const T* row = static_cast<const T*>(from) + r * row_step;
    for_lanes(static_cast<T*>(block.to) + r * block.row_step, block.lanes,
              [&](int64_t l) { return row[l * lane_step]; });
  }
}

void gather(const LaneBlock& block, int64_t bytes, const void* from, int64_t row_step,
            int64_t lane_step) {
  if (bytes == 4)
    gather_all<uint32_t>(block, from, row_step, lane_step);
  else
    gather_all<uint64_t>(block, from, row_step, lane_step);
}

constexpr LaneLoops loops = {compute, convert, compare, choose, gather};

} // namespace
} // namespace volute::runtime
