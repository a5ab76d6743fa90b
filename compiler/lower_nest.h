// What the lowering functions share: where values live, and a nest in the making. Private to the
// lower*.cpp files.
#pragma once

#include "ir/infer.h"
#include "ir/nest.h"
#include "ir/program.h"

#include <array>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace volute::compiler {

/// What lower refuses, all of it: operators, attributes and types that are not compiled.
std::vector<Diagnostic> refusals(const ir::Program& program);

/// The nests of a program so far, and the buffer of each value.
class Lowering {
public:
  /// Adds the buffers of inputs and outputs.
  explicit Lowering(const ir::Program& program);

  const ir::Program& program;
  ir::NestProgram nests;

  /// The buffer that holds a value; made when there is none yet: a table for a constant, else an
  /// intermediate.
  int32_t buffer(ir::ValueId value);
  int32_t intermediate(std::string name, int64_t elements);
  int32_t table(std::string name, const std::vector<float>& elements);
  /// A constant's elements; null for every other value.
  const ir::Const* constant(ir::ValueId value) const;
  /// The name, or the name and a number when another nest has it.
  std::string unique(const std::string& nest_name);

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
  Coordinates at; // of the result's element that a point writes
  ir::Expr value; // that element, over accumulators and operands

  ir::Affine parallel(std::string name, int64_t extent);
  ir::Affine reduce(std::string name, int64_t extent);
  /// Keeps the domain inside 0 <= position < extent, given the values that the position takes.
  void constrain(const ir::Affine& position, int64_t extent, int64_t least, int64_t most);
  /// The operand that views a value in its own memory order.
  int32_t operand(ir::ValueId value);
  ir::Expr read(ir::ValueId value, const Coordinates& where);
  /// An element of a vector that is no value of the program.
  ir::Expr read_vector(int32_t buffer, int64_t extent, const ir::Affine& where);
  /// One accumulator, which becomes `value`.
  void accumulate(ir::Expr initial, ir::Expr update);
  /// Writes `value` to a buffer in that type's memory order, and adds the nest to the program.
  void finish(std::string name, int32_t buffer, const ir::TensorType& type);
  /// The same for a vector that is no value of the program.
  void finish_vector(int32_t buffer, int64_t extent, const ir::Affine& where);

  Lowering& lowering;

private:
  ir::Affine add_axis(std::string name, int64_t extent, bool reduction);
  int32_t view(std::string name, int32_t buffer, const std::vector<int64_t>& extents);
  void write(int32_t operand, ir::Index index);
};

// ---- heads ------------------------------------------------------------------------------------
// Each builds the domain, `at` and `value` for one statement.

void lower_conv(NestBuilder& to, const ir::Statement& statement);
void lower_pool(NestBuilder& to, const ir::Statement& statement);
void lower_global_pool(NestBuilder& to, const ir::Statement& statement);
void lower_pad(NestBuilder& to, const ir::Statement& statement);
/// Every axis of the type in parallel, and `value` the operand's element.
void lower_copy(NestBuilder& to, ir::ValueId operand);

/// The most outputs along an axis for which an average pool would need a divisor each; 0 for none.
int64_t longest_count_table(const ir::Pool& op, const std::vector<ir::Window>& windows);

/// The axes that slide: outputs in parallel, `d, h, w`; then taps, `kd, kh, kw`, which set the
/// spatial coordinates of the input that a point reads.
void add_outputs(NestBuilder& to, const std::vector<ir::Axis>& axes,
                 const std::vector<ir::Window>& windows);
void add_taps(NestBuilder& to, const std::vector<ir::Axis>& axes,
              const std::vector<ir::Window>& windows, Coordinates& input, Coordinates& tap);

// ---- element-wise -----------------------------------------------------------------------------

/// Applies an element-wise statement to `value`, which is the element of its operand `through`.
void fold(NestBuilder& to, const ir::Statement& statement, ir::ValueId through);
/// The formula of a unary operator.
ir::Expr activation(const ir::Unary& op, const ir::Expr& x);

} // namespace volute::compiler
