// The memory of nests and loops as text: a line for each buffer above them, and what long tables
// hold below.
//
//     input x: f32[n=1, c=8, h=9, w=9]
//     output y: f32[n=1, c=8, h=5, w=5]
//     intermediate %1: f32[648]
//     scratch band: f32[128] at 512
//     table k: f32[4] = [0.5, 2, 1, 0.25]
//     table w: f32[2304] = data
#pragma once

#include "ir/buffer.h"
#include "ir/lines.h"

#include <string>
#include <vector>

namespace volute::ir {

/// The lines above; empty for no buffers. `as [N][8]` tells a shape over the program's parameters.
std::string buffer_lines(const std::vector<Buffer>& buffers,
                         const std::vector<Parameter>& parameters);
/// `data w`, and the bytes of that table in base 64; for each table that is not written out above.
std::string data_sections(const std::vector<Buffer>& buffers);
/// Reads them back.
class MemoryParser {
public:
  explicit MemoryParser(Faults& faults) : faults_(faults) {}

  /// `parameter N from 1 to 64, multiple of 4`
  static bool starts_parameter(const LineCursor& line) {
    return line.is("parameter") && line.token(1).kind == LineToken::Kind::word;
  }
  void parameter(LineCursor& line);
  /// Where a program's parameter stands in their list.
  std::optional<Var> parameter_called(std::string_view name) const;

  static bool starts_buffer(const LineCursor& line);
  void buffer(LineCursor& line);
  /// `x: input f32[1][8] strides [9][1] of x`, the cursor behind the colon.
  View view(LineCursor& line, std::string name, const LineCursor::Variables& variables) const;
  /// The lines from `data NAME` on; gives the first that is no part of it.
  size_t data(const std::vector<Line>& lines, size_t at);
  /// Every table has its data now, or a fault tells which has none.
  void finish(Location where);

  std::vector<Buffer> buffers;
  std::vector<Parameter> parameters;

private:
  std::vector<Dim> dims(LineCursor& line, const LineCursor::Variables& variables) const;
  std::optional<TensorType> tensor_type(LineCursor& line, ElementType element);
  void table(LineCursor& line, Buffer& buffer);
  int32_t find(LineCursor& line, Buffer::Role role, const std::string& name) const;

  Faults& faults_;
  std::vector<size_t> without_data_; // tables whose data follow
};

/// `table0 = [1, 0, 1]`: the entries, the cursor at the bracket.
std::vector<int64_t> parse_entries(LineCursor& line);

} // namespace volute::ir
