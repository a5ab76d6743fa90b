// What a layer does to a picture, at one glance: every channel of a result as a small picture, its
// number and its range below it.
//
//     +------+ +------+ +------+
//     |      | |      | |      |      a channel is scaled on its own, its smallest value black and
//     +------+ +------+ +------+      its largest white; what is no number is red
//      0  -1..3  1  0..7  2 ...
//
// A batch of pictures is a grid of them, those with three channels in colour.
#pragma once

#include "ir/tensor_data.h"
#include "runtime/tensor.h"

#include <string>
#include <vector>

namespace volute::tools {

struct Pictured {
  std::string name; // of the value
  ir::TensorData data;
};

/// More of one value are left out, and its heading says so.
inline constexpr int64_t most_pictures = 1024;

/// One value under the other. As u8[n=1, h, w, c=3].
Expected<runtime::Tensor> contact_sheet(const std::vector<Pictured>& values);

} // namespace volute::tools
