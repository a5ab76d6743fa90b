// One small convolution in both lower languages: 2 channels of 6 x 7 pixels, 3 x 3 taps, pad 1, 4
// output channels in the last dimension, bias and relu.
#pragma once

#include "ir/loops.h"
#include "ir/nest.h"

#include <cmath>
#include <cstring>
#include <functional>
#include <vector>

namespace volute::ir::small_conv {

constexpr int64_t I = 2, H = 6, W = 7, K = 3, O = 4;

inline Buffer buffer(std::string name, Buffer::Role role, int64_t elements) {
  Buffer b;
  b.name = std::move(name);
  b.role = role;
  b.elements = elements;
  return b;
}

inline std::vector<Buffer> buffers() {
  return {buffer("x", Buffer::Role::input, I * H * W),
          buffer("k", Buffer::Role::input, I * K * K * O), buffer("b", Buffer::Role::input, O),
          buffer("y", Buffer::Role::output, H * W * O)};
}

inline std::vector<View> views() {
  return {{"x", 0, ElementType::f32, contiguous({I, H, W})},
          {"k", 1, ElementType::f32, contiguous({I, K, K, O})},
          {"b", 2, ElementType::f32, contiguous({O})},
          {"y", 3, ElementType::f32, contiguous({H, W, O})}};
}

inline NestProgram nest_program() {
  const Var h{0}, w{1}, o{2}, i{3}, kh{4}, kw{5};
  Nest nest;
  nest.name = "conv";
  nest.origin = "conv %0, relu %y";
  nest.vars = {"h", "w", "o", "i", "kh", "kw"};
  nest.axes = {{h, H, false}, {w, W, false}, {o, O, false},
               {i, I, true},  {kh, K, true}, {kw, K, true}};
  for (NestAxis& axis : nest.axes) axis.role = usual_role(nest.name_of(axis.var));
  nest.operands = views();
  const Affine row = Affine(h) + kh - 1, column = Affine(w) + kw - 1;
  nest.constraints = {{row, H}, {column, W}};
  const Expr x = read(ElementType::f32, 0, {Affine(i), row, column});
  const Expr k = read(ElementType::f32, 1, {i, kh, kw, o});
  const Expr sum = acc(ElementType::f32, 0);
  nest.accumulators = {{"acc", ElementType::f32, read(ElementType::f32, 2, {o}), fma(x, k, sum)}};
  nest.writes = {{3, {h, w, o}, binary(BinaryFn::max, imm(0), sum)}};
  return {"small", buffers(), {}, {nest}};
}

/// One row of pixels in registers, output channels in lanes; taps above and below the image are
/// clipped off the kh loop, those beside it off the unrolled loop over pixels.
inline LoopProgram loop_program() {
  const Var h{0}, r{1}, i{2}, kh{3}, kw{4};
  Step step;
  step.name = "conv";
  step.origin = "conv %0, relu %y";
  step.vars = {"h", "r", "i", "kh", "kw"};
  step.items = {{h, H}};
  step.views = views();
  step.arrays = {{"acc", ElementType::f32, 4, {W}}};

  const auto channels = [](int32_t view, Index index) {
    Load l{view, std::move(index)};
    l.lane_dim = static_cast<int32_t>(l.index.size()) - 1;
    l.count = 4;
    return load(ElementType::f32, 4, std::move(l));
  };
  const Expr pixel =
      load(ElementType::f32, 1, {0, {Affine(i), Affine(h) + kh - 1, Affine(r) + kw - 1}});
  const Expr weights = channels(1, {i, kh, kw, 0});
  const Expr sum = reg(ElementType::f32, 4, 0, {r});
  const Stmt multiply = stmt(Set{0, {r}, fma(splat_to(4, pixel), weights, sum)});
  const Range pixels = {{{0, 1}, {1 - Affine(kw), 1}}, {{W, 1}, {W + 1 - Affine(kw), 1}}};
  const Range rows = {{{0, 1}, {1 - Affine(h), 1}}, {{K, 1}, {H + 1 - Affine(h), 1}}};
  const auto unrolled = For::Kind::unrolled;
  const Stmt taps = for_loop(
      i, Range::of(0, I), For::Kind::serial,
      for_loop(kh, rows, For::Kind::serial,
               for_loop(kw, Range::of(0, K), unrolled, for_loop(r, pixels, unrolled, multiply))),
      "sum over taps");
  Store out;
  out.view = 3;
  out.index = {h, r, 0};
  out.lane_dim = 2;
  out.count = 4;
  out.value = binary(BinaryFn::max, imm(0, ElementType::f32, 4), sum);
  step.body = block({for_loop(r, Range::of(0, W), unrolled, stmt(Set{0, {r}, channels(2, {0})})),
                     taps, for_loop(r, Range::of(0, W), unrolled, stmt(out))});
  return {"small", buffers(), {}, {step}};
}

inline float* floats(Memory& memory, size_t buffer) {
  return reinterpret_cast<float*>(memory[buffer].data());
}

/// Inputs with fractions that sums must round.
inline Memory filled(const std::vector<Buffer>& buffers) {
  Memory memory = allocate(buffers);
  uint32_t state = 12345;
  for (size_t b = 0; b < buffers.size(); ++b) {
    if (buffers[b].role != Buffer::Role::input) continue;
    for (int64_t e = 0; e < buffers[b].elements; ++e) {
      state = state * 1664525u + 1013904223u;
      floats(memory, b)[e] = static_cast<float>(state >> 8) / 16777216.0f - 0.5f;
    }
  }
  return memory;
}

} // namespace volute::ir::small_conv
