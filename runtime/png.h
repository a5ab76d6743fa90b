// PNG pictures as tensors: 8-bit grey (c=1) or RGB (c=3), one picture (n=1), values 0..255 as the
// type's elements.
//
// What is read: grey of 1, 2, 4 or 8 bits (fewer bits are spread over 0..255), RGB, and palettes,
// as RGB. An alpha channel is left out when every pixel is opaque, as in most screenshots; a
// picture that is really transparent has no values without a background and is refused, and so are
// 16-bit samples, which 0..255 cannot hold. Samples are taken as stored: no gamma, no profile.
// Every failure's subject is the path, for the caller to put "%x: " before.
#pragma once

#include "ir/types.h"
#include "runtime/status.h"
#include "runtime/tensor.h"

#include <cstdint>
#include <cstdio>
#include <string>

namespace volute::runtime {

/// What a picture's header says.
struct PngSize {
  /// In pixels.
  int64_t width = 0, height = 0;
  int64_t channels = 1; // 1 or 3, alpha not counted
};

/// Reads no further than the header: what type a program should give the picture.
Expected<PngSize> read_png_size(const std::string& path);

/// Into n, c, h, w in whatever order and splits the type has. i8 is refused: it ends at 127.
Expected<Tensor> read_png(const std::string& path, const ir::TensorType& type);

/// Values are rounded to the nearest whole number (halves to even) and clamped to 0..255; NaN
/// becomes 0. The file appears whole or not at all.
Status write_png(const std::string& path, const TensorView& tensor);
/// The same into an open file; `path` is what failures call it.
Status write_png(std::FILE* to, const std::string& path, const TensorView& tensor);

/// How many values of a picture's tensor a picture cannot hold, once they are rounded.
int64_t clamped_samples(const TensorView& tensor);

} // namespace volute::runtime
