// Images made by hand, for tests of everything around the code: no compiler involved.
#pragma once

#include "compiler/image/image.h"

#include <array>
#include <cstdint>
#include <cstring>
#include <string>

namespace volute::tests {

// The machine code below was written by g++ 12 -O1 -fPIC for x86-64 from this source, with the two
// constants on the page behind the text:
//
//     // twice: y[i] = x[i] + x[i]                        buffers: x, y
//     // pack: packed[i] = 10 w[i]                        buffers: x, w, y, packed, t
//     // add: t[i] = x[i] + packed[i], by way of scratch
//     // less: y[i] = t[i] - 1, or status 1 where t[i] < 0
//     int32_t twice(const StepArguments* a, std::byte*, int64_t begin, int64_t end) {
//       const float* x = (const float*)a->buffers[0]; float* y = (float*)a->buffers[1];
//       for (int64_t i = begin; i < end; ++i) y[i] = x[i] + x[i];
//       return 0;
//     }
//     int32_t pack(const StepArguments* a, std::byte*, int64_t begin, int64_t end) {
//       const float* w = (const float*)a->buffers[1]; float* p = (float*)a->buffers[3];
//       for (int64_t i = begin; i < end; ++i) p[i] = w[i] * 10.0f;
//       return 0;
//     }
//     int32_t add(const StepArguments* a, std::byte* scratch, int64_t begin, int64_t end) {
//       const float* x = (const float*)a->buffers[0]; const float* p = (const float*)a->buffers[3];
//       float* t = (float*)a->buffers[4]; float* s = (float*)scratch;
//       for (int64_t i = begin; i < end; ++i) { s[0] = x[i]; s[1] = p[i]; t[i] = s[0] + s[1]; }
//       return 0;
//     }
//     int32_t less(const StepArguments* a, std::byte*, int64_t begin, int64_t end) {
//       const float* t = (const float*)a->buffers[4]; float* y = (float*)a->buffers[2];
//       for (int64_t i = begin; i < end; ++i) { if (t[i] < 0) return 1; y[i] = t[i] - 1.0f; }
//       return 0;
//     }
inline constexpr std::array<uint8_t, 233> step_code = {
    0x48, 0x8b, 0x07, 0x48, 0x8b, 0x30, 0x48, 0x8b, 0x40, 0x08, 0x48, 0x39, 0xca, 0x7d, 0x17, 0xf3,
    0x0f, 0x10, 0x04, 0x96, 0xf3, 0x0f, 0x58, 0xc0, 0xf3, 0x0f, 0x11, 0x04, 0x90, 0x48, 0x83, 0xc2,
    0x01, 0x48, 0x39, 0xd1, 0x75, 0xe9, 0xb8, 0x00, 0x00, 0x00, 0x00, 0xc3, 0x48, 0x8b, 0x37, 0x48,
    0x8b, 0x46, 0x08, 0x48, 0x8b, 0x76, 0x18, 0x48, 0x39, 0xca, 0x7d, 0x1e, 0xf3, 0x0f, 0x10, 0x0d,
    0xbc, 0x0f, 0x00, 0x00, 0x0f, 0x28, 0xc1, 0xf3, 0x0f, 0x59, 0x04, 0x90, 0xf3, 0x0f, 0x11, 0x04,
    0x96, 0x48, 0x83, 0xc2, 0x01, 0x48, 0x39, 0xd1, 0x75, 0xea, 0xb8, 0x00, 0x00, 0x00, 0x00, 0xc3,
    0x48, 0x8b, 0x07, 0x4c, 0x8b, 0x00, 0x48, 0x8b, 0x78, 0x18, 0x48, 0x8b, 0x40, 0x20, 0x48, 0x39,
    0xca, 0x7d, 0x26, 0xf3, 0x41, 0x0f, 0x10, 0x04, 0x90, 0xf3, 0x0f, 0x11, 0x06, 0xf3, 0x0f, 0x10,
    0x0c, 0x97, 0xf3, 0x0f, 0x11, 0x4e, 0x04, 0xf3, 0x0f, 0x58, 0xc1, 0xf3, 0x0f, 0x11, 0x04, 0x90,
    0x48, 0x83, 0xc2, 0x01, 0x48, 0x39, 0xd1, 0x75, 0xda, 0xb8, 0x00, 0x00, 0x00, 0x00, 0xc3, 0x48,
    0x8b, 0x37, 0x48, 0x8b, 0x46, 0x20, 0x48, 0x8b, 0x76, 0x10, 0x48, 0x39, 0xca, 0x7d, 0x2e, 0x66,
    0x0f, 0xef, 0xc9, 0xf3, 0x0f, 0x10, 0x15, 0x49, 0x0f, 0x00, 0x00, 0xf3, 0x0f, 0x10, 0x04, 0x90,
    0x0f, 0x2f, 0xc8, 0x77, 0x1e, 0xf3, 0x0f, 0x5c, 0xc2, 0xf3, 0x0f, 0x11, 0x04, 0x96, 0x48, 0x83,
    0xc2, 0x01, 0x48, 0x39, 0xd1, 0x75, 0xe4, 0xb8, 0x00, 0x00, 0x00, 0x00, 0xc3, 0xb8, 0x00, 0x00,
    0x00, 0x00, 0xc3, 0xb8, 0x01, 0x00, 0x00, 0x00, 0xc3,
};
inline constexpr uint64_t twice_entry = 0x00, pack_entry = 0x2c, add_entry = 0x60,
                          less_entry = 0x9f;
inline constexpr size_t constants_at = 4096;
inline constexpr std::array<float, 2> step_constants = {10.0f, 1.0f};

inline std::vector<std::byte> step_bytes() {
  std::vector<std::byte> bytes(constants_at + sizeof step_constants);
  std::memcpy(bytes.data(), step_code.data(), step_code.size());
  std::memcpy(bytes.data() + constants_at, step_constants.data(), sizeof step_constants);
  return bytes;
}

inline ir::TensorType row_type(int64_t width) {
  return {ir::ElementType::f32, {{ir::Axis::n, 1}, {ir::Axis::c, 1}, {ir::Axis::w, width}}};
}

inline compiler::ImageBuffer given(const std::string& name, compiler::ImageBuffer::Role role,
                                   int64_t width) {
  compiler::ImageBuffer buffer;
  buffer.name = name;
  buffer.role = role;
  buffer.type = row_type(width);
  buffer.bytes = 4 * width;
  return buffer;
}

/// y = 2 x over rows of `width` floats.
inline compiler::Image twice_image(int64_t width) {
  using Role = compiler::ImageBuffer::Role;
  compiler::Image image;
  image.name = "twice";
  image.bytes = step_bytes();
  image.text_bytes = constants_at;
  image.buffers = {given("x", Role::input, width), given("y", Role::output, width)};
  image.steps = {{"twice", twice_entry, width, {0}, {1}}};
  return image;
}

/// y = x + 10 w - 1, where w.packed = 10 w and t = x + 10 w are intermediate; a negative t is
/// refused with status 1.
inline compiler::Image packing_image(int64_t width) {
  using Role = compiler::ImageBuffer::Role;
  compiler::Image image = twice_image(width);
  image.name = "packing";
  compiler::ImageBuffer packed, sum;
  sum.name = "t";
  sum.role = Role::intermediate;
  sum.bytes = 4 * width;
  packed.name = "w.packed";
  packed.role = Role::intermediate;
  packed.bytes = 4 * width;
  image.buffers = {given("x", Role::input, width), given("w", Role::input, width),
                   given("y", Role::output, width), packed, sum};
  image.steps = {{"pack w", pack_entry, width, {1}, {3}},
                 {"add", add_entry, width, {0, 3}, {4}},
                 {"less", less_entry, width, {4}, {2}}};
  image.thread_scratch_bytes = 8;
  return image;
}

} // namespace volute::tests
