// The seam between compiler and runtime: an image is bytes. Text and read-only data, linked against
// themselves, position independent (PC-relative only, no relocation, no import), plus what the
// runtime needs to call them. A fresh compile, a memory hit and a disk hit all end in an Image.
#pragma once

#include "compiler/image/tensor_strides.h"
#include "compiler/image/workspace.h"
#include "ir/buffer.h"
#include "ir/parameter.h"
#include "ir/types.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace volute::compiler {

/// What a step receives. `buffers[i]` belongs to Image::buffers[i].
struct StepArguments {
  std::byte* const* buffers;
  const int64_t* parameters; // values of Image::parameters; null when there are none
};

/// A step works on the flat range [begin, end) of independent work items. `scratch` is the calling
/// thread's own, Image::thread_scratch_bytes long and 64-byte aligned. Returns 0, or a Status.
/// Code in an image calls nothing, allocates nothing, holds no barrier.
using StepEntry = int32_t (*)(const StepArguments*, std::byte* scratch, int64_t begin, int64_t end);

struct ImageBuffer {
  enum class Role : uint8_t {
    input,        // the caller's, read only
    output,       // the caller's
    packed,       // a weight in the kernel's own layout: made by bind, or in the workspace each run
    intermediate, // between steps: in the workspace
  };
  std::string name;
  Role role = Role::input;
  int64_t bytes = 0; // to the end of the last element, gaps between them included: the most
  std::optional<ir::TensorType> type; // of inputs and outputs
  TensorStrides strides;              // of inputs and outputs, canonical; empty: dense
  std::vector<int32_t> may_alias;     // outputs: the inputs that may be the very same tensor
  int32_t packed_from = -1;           // packed: index of the input it is made from
  Lifetime lifetime;                  // of packed and intermediate buffers: steps that touch it
  /// Where parameters say what its size is: extents and strides in the type's order, over
  /// Image::parameters (Var::id is the place in the list); the type has the largest extents.
  std::vector<ir::Dim> dims = {};
};

struct ImageStep {
  std::string name;
  uint64_t entry = 0; // offset of its StepEntry in the text
  int64_t work = 0;   // the whole range is [0, work), or so many times each of `work_by`
  int32_t packs = -1; // index of the packed buffer that this step makes, -1: computes
  std::vector<ir::Affine> work_by = {}; // factors that depend on Image::parameters
};

struct Image {
  std::string name;                      // symbol-like: conv2d_3x3s1_i64o64_56x56_nchw_avx512
  std::string target;                    // canonical target text, for the check before mapping
  std::vector<std::byte> bytes;          // text, then (on a page of its own) read-only data
  uint64_t text_bytes = 0;               // [0, text_bytes) becomes executable, the rest read-only
  std::vector<ImageBuffer> buffers;      // inputs and outputs in the program's order, then the rest
  std::vector<ir::Parameter> parameters; // in the order of StepArguments::parameters
  // Run in this order; a step starts when the one before is done. Between calls nothing is kept:
  // packed and intermediate buffers share a workspace by their lifetimes.
  std::vector<ImageStep> steps;
  int64_t thread_scratch_bytes = 0; // per thread
};

/// The items of a step for given values of the image's parameters.
int64_t work_of(const ImageStep& step, std::span<const int64_t> parameters);

/// What a workspace holds, by buffer: packed and intermediate ones; inputs and outputs take
/// nothing.
std::vector<Resident> workspace_residents(const Image& image);

} // namespace volute::compiler
