// The seam between compiler and runtime: an image is bytes. Text and read-only data, linked against
// themselves, position independent (PC-relative only, no relocation, no import), plus what the
// runtime needs to call them. A fresh compile, a memory hit and a disk hit all end in an Image.
#pragma once

#include "compiler/image/tensor_strides.h"
#include "ir/buffer.h"
#include "ir/parameter.h"
#include "ir/types.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace volute::compiler {

/// What a step receives. `buffers[i]` belongs to Image::buffers[i].
struct StepArguments {
  std::byte* const* buffers; // their first elements
  const int64_t* parameters; // values of Image::parameters; null when there are none
};

/// A step works on the flat range [begin, end) of independent work items. `scratch` is the calling
/// thread's own, Image::thread_scratch_bytes long and 64-byte aligned. Returns 0, or a Status.
/// Code in an image calls nothing, allocates nothing, holds no barrier.
using StepEntry = int32_t (*)(const StepArguments*, std::byte* scratch, int64_t begin, int64_t end);

/// Memory that steps read and write.
struct ImageBuffer {
  /// Whose it is.
  enum class Role : uint8_t {
    input,        // the caller's, read only
    output,       // the caller's
    intermediate, // between steps: in the workspace, or in the kernel's own memory (preparation.h)
  };
  std::string name;        // the value's, or what it is for
  Role role = Role::input; // whose it is
  int64_t bytes = 0;       // to the end of the last element, gaps between them included: the most
  std::optional<ir::TensorType> type; // of inputs and outputs, and where there is a `value`
  TensorStrides strides;              // of inputs and outputs, canonical; empty: dense
  std::vector<int32_t> may_alias;     // outputs: the inputs that may be the very same tensor
  /// Where parameters say what its size is: extents and strides in the type's order, over
  /// Image::parameters (Var::id is the place in the list); the type has the largest extents.
  std::vector<ir::Dim> dims = {};
  /// Of intermediate ones: the name of the program's value that lies here, dense, once the last
  /// step that writes it is done. Who checks a kernel looks at those (Kernel::call_keeping).
  std::string value = {};
  bool operator==(const ImageBuffer&) const = default;
};

/// Numbers that a step takes for places in its result (max_unpool).
struct ImagePlaces {
  std::string name;    // of the operand that holds them
  ir::TensorType type; // of the same
  int64_t limit = 0;   // a place is one of [0, limit)
  int32_t buffer = -1; // where they are; -1: they are constants, and
  std::string fault;   // this is what is wrong with them, if anything is
  bool operator==(const ImagePlaces&) const = default;
};

/// A part of a call that is done before the next begins.
struct ImageStep {
  std::string name;   // of its first nest
  uint64_t entry = 0; // offset of its StepEntry in the text
  int64_t work = 0;   // the whole range is [0, work), or so many times each of `work_by`
  /// Indices of Image::buffers.
  std::vector<int32_t> reads, writes;
  std::vector<ir::Affine> work_by = {}; // factors that depend on Image::parameters
  std::vector<ImagePlaces> places = {}; // what may make it fail, for the words
  std::string symbol = {}; // what profilers and debuggers call it: its configuration in a word
  uint64_t size = 0;       // bytes of its code
  bool operator==(const ImageStep&) const = default;
};

/// For debuggers: an object file of the same code with its line table, and the text of loops that
/// lines are of. Never kept on disk, and no part of what an image is.
struct DebugObject {
  std::vector<std::byte> elf; // relocatable, .text not placed yet
  /// Where the table says that the text lies, and the text.
  std::string folder, file, text;
};

/// A compiled kernel as bytes: what the compiler makes and the runtime maps.
struct Image {
  std::string name;                      // of the program
  std::string target;                    // canonical target text, for the check before mapping
  std::vector<std::byte> bytes;          // text, then (on a page of its own) read-only data
  uint64_t text_bytes = 0;               // [0, text_bytes) becomes executable, the rest read-only
  std::vector<ImageBuffer> buffers;      // inputs and outputs in the program's order, then the rest
  std::vector<ir::Parameter> parameters; // in the order of StepArguments::parameters
  // Run in this order; a step starts when the one before is done. What a step reads is an input, or
  // written by it or a step before; nothing is written once another step has read it. Steps that
  // follow from bound inputs alone run once; between calls nothing else is kept.
  std::vector<ImageStep> steps;
  int64_t thread_scratch_bytes = 0; // per thread
  bool needs_tiles = false;         // a matrix unit, which a process must ask the system for
  std::shared_ptr<const DebugObject> debug = nullptr; // where one was asked for
  bool operator==(const Image&) const = default;
};

/// The items of a step for given values of the image's parameters.
int64_t work_of(const ImageStep& step, std::span<const int64_t> parameters);

} // namespace volute::compiler
