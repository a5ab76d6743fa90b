// Memory as the two lower languages see it: buffers, and the shapes through which they are viewed.
#pragma once

#include "ir/affine.h"
#include "ir/parameter.h"
#include "ir/types.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace volute::ir {

/// One dimension of a view: how many elements and how far apart (in elements). Both are constants,
/// or named parameters when one kernel serves a range of sizes or a strided tensor.
struct Dim {
  Affine extent; // positions
  Affine stride; // elements from one to the next
  bool operator==(const Dim&) const = default;
};

/// Memory of a nest program or a loop program.
struct Buffer {
  /// Whose it is.
  enum class Role : uint8_t {
    input,        // a program's input: read only
    output,       // a program's output
    intermediate, // between steps
    scratch,      // within one work item, of one thread
    table,        // constant data that travel in the image
  };
  std::string name;                                   // the value's, or what it is for
  Role role = Role::input;                            // whose it is
  ElementType element = ElementType::f32;             // of each
  int64_t elements = 0;                               // the most that there are
  std::optional<TensorType> type;                     // of inputs and outputs
  std::shared_ptr<const std::vector<std::byte>> data; // table: elements * size_of(element) bytes
  int64_t scratch_offset = 0; // scratch: where in its thread's scratch memory, in bytes
  /// Where parameters say how many: its shape, over those of the program (Var::id is the place in
  /// its list). Empty: always `elements`.
  std::vector<Dim> dims = {};
  /// Of intermediate ones, the value of the program as it was written that lies here, whole and as
  /// its type says, once the last step that writes it is done (a ValueId); -1 for what is made up
  /// on the way. Like sources it says nothing of what a buffer is, and no text shows it.
  int32_t value = -1;
};

/// A buffer seen with a shape. Two nests may view one buffer with different shapes (h and w as one
/// axis, say); the elements are the same.
struct View {
  std::string name;                       // in the nest or the step
  int32_t buffer = -1;                    // of the owner's buffers
  ElementType element = ElementType::f32; // of each
  std::vector<Dim> dims;                  // outermost first
};

/// Its word in the texts.
std::string_view to_string(Buffer::Role role);
/// `x: input f32[1][64][56][56]`: what a view shows. A view that does not carry its buffer's name
/// tells it, and strides are told where they are not those of contiguous memory. `names` are those
/// of the owner's variables.
std::string to_string(const View& view, const std::vector<Buffer>& buffers,
                      const std::vector<std::string>& names);

/// The elements of a shape, from the first one to the last, gaps included, for given parameters.
int64_t elements_of(const std::vector<Dim>& dims, const std::vector<int64_t>& parameters);
/// Those of a buffer.
int64_t elements_of(const Buffer& buffer, const std::vector<int64_t>& parameters);
/// No fewer than a shape over the program's parameters has for any of their values; nothing beyond
/// 2^62.
std::optional<int64_t> most_elements(const std::vector<Dim>& dims,
                                     const std::vector<Parameter>& parameters);

/// Constant dims, contiguous, the last one with stride 1.
std::vector<Dim> contiguous(const std::vector<int64_t>& extents);

} // namespace volute::ir
