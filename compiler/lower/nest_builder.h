// What the lowering functions share: where values live, and a nest in the making. Private to the
// lower*.cpp files.
#pragma once

#include "compiler/lower/fuse.h"
#include "compiler/lower/lower.h"
#include "compiler/lower/splits.h"
#include "ir/def_use.h"
#include "ir/infer.h"
#include "ir/nest.h"
#include "ir/program.h"

#include <array>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace volute::compiler {

/// The type in which a kernel computes with elements: f32 for f16 and bf16, else the type itself.
ir::ElementType computed_in(ir::ElementType element);
/// The expression in the type that its element type is computed in.
ir::Expr computed(const ir::Expr& value);
ir::Expr converted(ir::ElementType to, const ir::Expr& value);
/// A whole number, in any type.
ir::Expr number(int64_t value, ir::ElementType type);

/// The nests of a program so far, and the buffer of each value.
class Lowering {
public:
  /// Adds the buffers of inputs and outputs.
  Lowering(const ir::Program& program, const LowerOptions& options);

  const ir::Program& program;
  const LowerOptions& options;
  const ir::DefUse uses; // of the program's values
  ir::NestProgram nests;

  /// The buffer that holds a value; made when there is none yet: a table for a constant, else an
  /// intermediate.
  int32_t buffer(ir::ValueId value);
  /// Extents and strides of the value as it lies in its buffer; of a constant, its table.
  std::vector<ir::Dim> dims(ir::ValueId value) const;
  /// Those of the output that returns the value.
  std::vector<ir::Dim> dims_of_output(ir::ValueId value) const;
  /// The element type in which memory holds a value.
  ir::ElementType stored_as(ir::ValueId value) const;
  int32_t intermediate(std::string name, ir::ElementType element, int64_t elements);
  /// Memory that is no value of the program.
  struct Memory {
    std::string name;
    int32_t buffer = -1; // none
    std::vector<ir::Dim> dims;
    bool exists() const { return buffer >= 0; }
  };
  Memory memory(const std::string& name, ir::ElementType element,
                const std::vector<int64_t>& extents);
  /// Its last rows so many elements apart, as many as they have or more.
  Memory memory(const std::string& name, ir::ElementType element, std::vector<int64_t> extents,
                int64_t apart);
  /// A vector of constants of the program's own.
  int32_t table(std::string name, ir::ElementType element, const std::vector<double>& numbers);
  /// A constant's elements; null for every other value.
  const ir::Const* constant(ir::ValueId value) const;
  /// The name, or the name and a number when another nest has it.
  std::string unique(const std::string& nest_name);

  /// The buffers of what a batch_norm multiplies by and what it adds, for each channel.
  struct BatchNorm {
    int32_t scale = -1, shift = -1;
  };
  std::map<ir::ValueId, BatchNorm> batch_norms; // by result: made once, read by many nests

  /// Operands as bf16 that add up to them, with a dimension of parts, the smallest first.
  struct SplitProducts {
    int64_t parts = 0, products = 0; // of each operand, and of two of them
    bool has_frame = false;          // the image, which then has all that any tap reads
    Memory image, weight;
  };
  std::map<ir::ValueId, SplitProducts> splits; // by result of a convolution: made once, too

  /// What the phases of a convolution whose products are added in groups read in common.
  struct GroupedProducts {
    Memory image;        // a copy, where it does not lie as it should
    int32_t points = -1; // zero points of the weight, by output channel
  };
  std::map<ir::ValueId, GroupedProducts> grouped; // by result

private:
  std::vector<int32_t> buffer_of_; // by value, -1 while there is none
  std::set<std::string> nest_names_;
};

/// A value's name as a buffer or view carries it: `x`, but `%0`, which would read as a number.
std::string spoken(const std::string& value_name);

/// A position along each axis of a tensor; axes that a tensor lacks do not count.
class Coordinates {
public:
  ir::Affine& operator[](ir::Axis axis) { return along_[static_cast<size_t>(axis)]; }
  const ir::Affine& operator[](ir::Axis axis) const { return along_[static_cast<size_t>(axis)]; }

private:
  std::array<ir::Affine, 7> along_;
};

/// A nest in the making: domain first, then the value of one element of the result, then the write.
class NestBuilder {
public:
  NestBuilder(Lowering& lowering, const std::string& nest_name);

  ir::Nest nest;
  Coordinates at;       // of the result's element that a point writes
  ir::Expr value;       // that element, over accumulators and operands
  bool flushes = false; // takes denormals for 0 where it rounds to bf16: as its products do

  /// An axis of the domain, as a position along it; where tensors cut it, it is several axes. It
  /// has the letter of a tensor's axis, and what that is to an operator is its role.
  ir::Affine parallel(ir::Axis axis, int64_t extent, const Boundaries& cuts = {});
  ir::Affine reduce(ir::Axis axis, int64_t extent, const Boundaries& cuts = {});
  /// Groups of channels, `g`.
  ir::Affine parallel_groups(int64_t extent, const Boundaries& cuts = {});
  /// The residues of positions along an axis of space, `rd, rh, rw`.
  ir::Affine parallel_residues(ir::Axis axis, int64_t extent);
  /// Taps along an axis of space, `kd, kh, kw`.
  ir::Affine reduce_taps(ir::Axis axis, int64_t extent);
  /// An axis that no tensor of the program has.
  ir::Affine parallel(ir::AxisRole role, const std::string& name, int64_t extent);
  ir::Affine reduce(ir::AxisRole role, const std::string& name, int64_t extent);
  /// Keeps the domain inside 0 <= position < extent.
  void constrain(const ir::Affine& position, int64_t extent);
  /// The operand that views a value in its own memory order.
  int32_t operand(ir::ValueId value);
  /// An element as it is stored; `computed` of it takes part in arithmetic.
  ir::Expr read(ir::ValueId value, const Coordinates& where);
  /// The same with a constant table between a spatial position and the input's: tables[axis] is an
  /// index into nest.tables, -1 for none.
  ir::Expr read_through(ir::ValueId value, const Coordinates& where,
                        const std::array<int32_t, 7>& tables);
  /// An element of memory that is no value of the program.
  ir::Expr read(std::string name, int32_t buffer, const std::vector<ir::Dim>& dims,
                ir::Index index);
  ir::Expr read(const Lowering::Memory& from, ir::Index index);
  ir::Expr read_vector(int32_t buffer, const ir::Affine& where);
  /// An accumulator; the first one becomes `value`.
  ir::Expr accumulate(ir::Expr initial, const std::function<ir::Expr(ir::Expr)>& update);
  /// Writes an element of a result in its buffer's type.
  void write(std::string name, ir::ValueId value, const ir::Expr& element);
  /// The same for memory that is no value of the program.
  void write(std::string name, int32_t buffer, const std::vector<ir::Dim>& dims, ir::Index index,
             const ir::Expr& element);
  void write(const Lowering::Memory& to, ir::Index index, const ir::Expr& element);
  void write_vector(int32_t buffer, const ir::Affine& where, const ir::Expr& element);
  /// All that was built so far, and no statement has claimed, is that statement's.
  void is_of(size_t statement);
  /// Adds the nest to the program; what no statement has claimed is the first one's.
  void finish();

  /// Subscripts of a value at a position.
  ir::Index index(const ir::TensorType& type, const Coordinates& where) const;

  Lowering& lowering;

private:
  ir::Affine add_axis(ir::AxisRole role, const std::string& name, int64_t extent,
                      const Boundaries& cuts, bool reduction);
  int32_t view(std::string name, int32_t buffer, const std::vector<ir::Dim>& dims);
};

/// Statements that become nests together: a head and what is folded into its writes.
class GroupLowering {
public:
  GroupLowering(Lowering& lowering, const Fusion::Group& group);

  const ir::Statement& head;
  Lowering& lowering;
  const ir::Program& program;
  Together together; // the head, and what is folded in

  NestBuilder start(const std::string& suffix = "") const;
  /// A nest that the head needs beside its own.
  NestBuilder start_beside(ir::NestKind kind, const std::string& name, std::string origin) const;
  /// Applies the folded statements to the nest's value, writes the result, adds the nest.
  void finish(NestBuilder nest) const;
  /// Where the result and what is folded in cut an axis.
  Boundaries cuts(ir::Axis axis) const;
  /// An axis of the result, as wide as it is in its type.
  void add_parallel(NestBuilder& to, ir::Axis axis, int64_t extent) const;

private:
  std::vector<size_t> statements_;
  bool copies_ = true; // and computes nothing
  ir::ValueId result_;
  std::string origin_, name_;
};

/// Throws Error when a constant table of so many entries would be larger than an image should be.
void require_table(const ir::Statement& statement, int64_t entries, int64_t numbers = 1);

// ---- heads: the rows of heads.cpp
// ---------------------------------------------------------------- Each lowers the statements of a
// group: one nest, or several that write parts of the result.

void lower_conv(const GroupLowering& group);
/// A convolution of LowerOptions::tiles, by Winograd's algorithm; false, and nothing lowered, for
/// every other.
bool lower_winograd(const GroupLowering& group);
void lower_conv_transpose(const GroupLowering& group);
void lower_pool(const GroupLowering& group);
void lower_global_pool(const GroupLowering& group);
void lower_adaptive_pool(const GroupLowering& group);
void lower_max_unpool(const GroupLowering& group);
void lower_pad(const GroupLowering& group);
void lower_elementwise(const GroupLowering& group);

/// Every axis of the value's type in parallel, and `value` its element.
void lower_copy(NestBuilder& to, ir::ValueId operand,
                const std::function<Boundaries(ir::Axis)>& cuts);

/// Taps along the axes that slide, `kd, kh, kw`; they set the spatial coordinates of the input that
/// a point reads, which its domain stays inside.
void add_taps(NestBuilder& to, const std::vector<ir::Axis>& axes,
              const std::vector<ir::Window>& windows, Coordinates& input, Coordinates& tap);

/// The channel axes of a convolution or its transpose: the group, and channels within it. Channel
/// `out` of a group is channel group * outputs + out of the result, and so is the input's.
class Channels {
public:
  /// Of a group that begins with a convolution.
  explicit Channels(const GroupLowering& lowered);

  /// The group and the output channels; sets the position of the result's channel.
  void add_parallel(NestBuilder& to);
  /// The input channels, and the position along those of the image.
  ir::Affine add_reduction(NestBuilder& to);
  /// Where the weight has what these are multiplied by.
  void set_tap(Coordinates& tap) const;
  bool is_depthwise() const { return groups > 1 && inputs == 1; }

  int64_t groups = 1, inputs = 1, outputs = 1; // channels a group
  ir::Affine group, in, out;

private:
  ChannelCuts cuts_;
  bool transposed_ = false;
};

/// The parts of the operands of a convolution of LowerOptions::split_products, by nests of their
/// own that the first call makes; null for every other.
const Lowering::SplitProducts* split_products(const GroupLowering& group);
/// Adds to the bias the products that count, of the parts of the image at `input` and of those of
/// the weight at `tap`.
void accumulate_split_products(const Lowering::SplitProducts& split, const GroupLowering& group,
                               NestBuilder& to, const std::function<ir::Expr()>& bias,
                               const Coordinates& input, const Coordinates& tap);

/// Starts from the bias and adds the product of the image at `input` and the weight at `tap`.
void accumulate_products(const GroupLowering& group, NestBuilder& to, const Coordinates& input,
                         const Coordinates& tap);

// ---- element-wise -----------------------------------------------------------------------------

/// Applies an element-wise statement to `value`, which is the element of its operand `through`.
void fold(NestBuilder& to, const ir::Statement& statement, ir::ValueId through);
/// The formula of a unary operator, on values in the type that x is in.
ir::Expr activation(const ir::Unary& op, const ir::Expr& x);

} // namespace volute::compiler
