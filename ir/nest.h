// The nest language: every operator as an iteration domain, affine access maps, and a combine.
//
//     nest conv {
//       parallel n in 0..1, o in 0..64, h in 0..56, w in 0..56
//       reduce i in 0..64, kh in 0..3, kw in 0..3
//       where 0 <= h + kh - 1 < 56, 0 <= w + kw - 1 < 56
//       acc = b[o]
//       acc <- fma(x[n, i, h + kh - 1, w + kw - 1], k[o, i, kh, kw], acc)
//       y[n, o, h, w] = max(0, acc)
//     }
//
// A nest says what is computed and nothing about when. Its meaning: for every point of the
// parallel axes, each accumulator starts at its initial value; for every point of the reduction
// axes that satisfies every `where`, in the order of the axes, all accumulators take their updates
// at once; then the writes happen. A tap outside the input is a point outside the domain, so it
// contributes nothing and is never read. No two points of the parallel axes write one element.
#pragma once

#include "ir/buffer.h"
#include "ir/diagnostic.h"
#include "ir/expr.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace volute::ir {

/// What an axis is to the operator. Decisions are taken by it; names are for people only.
enum class AxisRole : uint8_t {
  other,   // nothing is known of it
  batch,   // images
  group,   // of channels, more than one a group
  channel, // of a result, or, in a reduction, of what is summed
  space,   // depth, height or width of a result
  residue, // of a position in space, modulo the stride of a transposed convolution
  tap,     // a position of the kernel, or of a window
  part,    // of a number that is a sum of narrower ones, the smallest first
  band,    // of rows: what the nests of one step share
};

struct NestAxis {
  Var var;       // its name is vars[var.id]
  Affine extent; // constant, or of parameters; the axis runs over [0, extent)
  bool reduction = false;
  AxisRole role = AxisRole::other;
  /// Of an axis that is cut into digits: elements of it from one of this digit to the next. The
  /// digits of one axis have its role and follow each other, this number falling to 1.
  int64_t digit = 1;
};

/// 0 <= value < extent.
struct Constraint {
  Affine value;
  Affine extent;
};

struct Accumulator {
  std::string name;
  ElementType type = ElementType::f32;
  Expr initial; // over parallel axes only
  Expr update;  // reads any accumulator: arg-max carries value and index
};

struct Write {
  int32_t operand = -1;
  Index index;
  Expr value; // reads accumulators, and operands at the parallel axes
  /// A scattered write (max_unpool): the element written is this many elements (an i64) behind the
  /// one at `index`, and must be one of `extent`; a number outside ends the run with status 1.
  /// Points that share `index` are written in the order of the axes, the last one stays.
  Expr offset = nullptr;
  int64_t extent = 0;
};

/// Computed inside another nest's loop: all that one tile of `axis` of nest `consumer` reads.
struct Placement {
  int32_t consumer = -1; // index into NestProgram::nests
  Var axis;              // a parallel one of the consumer
  int64_t tile = 1;      // elements of the axis
};

/// What a nest is for.
enum class NestKind : uint8_t {
  compute,          // an operator
  copy,             // moves elements and computes nothing: pads, reorders
  pack,             // puts a weight into the order in which a schedule reads it
  stage,            // puts an image into the form that a convolution's instructions take
  offset,           // sums of a weight, for zero points
  window_sum,       // sums of an image's windows, for zero points
  transform,        // brings tiles of an image or of a result into the form that an algorithm takes
  filter_transform, // the same of a weight
};

struct Nest {
  std::string name;
  NestKind kind = NestKind::compute;
  std::vector<std::string> vars;        // names by Var::id: axes and parameters
  std::vector<NestAxis> axes;           // parallel axes first, then reduction axes
  std::vector<ParameterVar> parameters; // vars that are named parameters of the program
  std::vector<View> operands;
  std::vector<std::vector<int64_t>> tables; // for Subscript::table
  std::vector<Constraint> constraints;
  std::vector<Constraint> domain; // over parallel axes: points outside are neither computed nor
                                  // written (rows of a band that lie beyond the image)
  std::vector<Accumulator> accumulators; // none: an element-wise nest
  std::vector<Write> writes;
  std::optional<Placement> placement;
  std::string form;   // the algorithm that it is of ("dot"); empty: the direct sum
  std::string origin; // the statements it came from: "conv %0, relu %y"
  /// The same as indices into the statements of the program that was lowered, the head first.
  std::vector<size_t> statements; // and so into NestProgram::sources

  const NestAxis* axis(std::string_view axis_name) const; // for what people write
  const NestAxis* axis(Var var) const;
  /// The axis of a variable; an InternalError when it is none.
  const NestAxis& axis_of(Var var) const;
  const std::string& name_of(Var var) const { return vars.at(static_cast<size_t>(var.id)); }
  int64_t points() const; // product of all extents (constant ones), the domain's box
};

/// A program after lowering: nests in an order that respects what they read.
struct NestProgram {
  std::string name;
  std::vector<Buffer> buffers;
  std::vector<Parameter> parameters;
  std::vector<Nest> nests;
  std::vector<Sources> sources = {}; // of the statements that were lowered, which nodes name
};

std::string_view to_string(AxisRole role);
/// The role that an axis of this name has unless its text says another: n batch, g group, c, o and
/// i channel, d, h and w space, kh tap, rh residue, xp and wp part; c1 is a digit of c.
AxisRole usual_role(std::string_view axis_name);
std::string_view to_string(NestKind kind);
std::string to_string(const Nest& nest, const std::vector<Buffer>& buffers);
/// The same of a nest of that program, by whose nests it is placed.
std::string to_string(const Nest& nest, const NestProgram& program);
std::string to_string(const NestProgram& program);
/// Reads what to_string prints, and refuses what does not verify, with the line of the fault.
Expected<NestProgram> parse_nests(std::string_view text);

/// Well-formedness: names and ids in range, extents positive, every subscript provably inside its
/// operand wherever the constraints hold, accumulators read only where they exist, element types
/// consistent, no two parallel points writing one element (each parallel axis of extent > 1 moves
/// the written element); all of it for every value that a parameter may have. An empty list means
/// well-formed.
std::vector<Diagnostic> verify(const NestProgram& program);

/// Memory for an evaluation: one block of bytes a buffer (Buffer::elements * size_of). Inputs are
/// filled by the caller, all others by evaluation; tables are filled from their data.
using Memory = std::vector<std::vector<std::byte>>;
Memory allocate(const std::vector<Buffer>& buffers);
/// The same with as many elements as there are for given parameters.
Memory allocate(const std::vector<Buffer>& buffers, const std::vector<int64_t>& parameters);

/// Runs the nests exactly as the comment above says; element-wise rounding in each node's type.
/// Parameters in the order of NestProgram::parameters; a value outside its range is an Error.
void evaluate(const NestProgram& program, Memory& memory,
              const std::vector<int64_t>& parameters = {});

} // namespace volute::ir
