// NumPy's .npy files: one array, its element type and its shape.
//
// A file has exactly a tensor type's extents in its order: np.save("w.npy", w) of an array with
// w.shape == (64, 3, 7, 7) is f32[o=64, i=3, h=7, w=7]. NumPy has no bf16: its 16-bit patterns
// travel as uint16. Every failure's subject is the path, for the caller to put "%x: " before.
#pragma once

#include "ir/types.h"
#include "runtime/status.h"
#include "runtime/tensor.h"

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace volute::runtime {

/// What a file says about itself before the elements come.
struct NpyHeader {
  char kind = 'f';        // as NumPy's descr has it: f float, i and u integer, V bytes, b bool, ...
  int64_t item_bytes = 4; // of one element
  bool big_endian = false;    // another byte order than this machine's
  bool fortran_order = false; // the first extent varies fastest
  std::vector<int64_t> shape; // empty: one element, no axes
};

/// Versions 1, 2 and 3 of the format.
Expected<NpyHeader> read_npy_header(const std::string& path);

/// Reads an array of the type's elements and extents, whatever its byte order and memory order.
/// Nothing is allocated before the shape has been found to be the type's. What follows the array in
/// the file is not looked at, as in np.load.
Expected<Tensor> read_npy(const std::string& path, const ir::TensorType& type);

/// Writes version 1, in the machine's byte order, C order; the file appears whole or not at all.
Status write_npy(const std::string& path, const TensorView& tensor);
/// The same into an open file; `path` is what failures call it.
Status write_npy(std::FILE* to, const std::string& path, const TensorView& tensor);

} // namespace volute::runtime
