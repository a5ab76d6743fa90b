// Where an access of a nest or a step lands in memory: what both evaluators read and write through.
#pragma once

#include "ir/access_watch.h"
#include "ir/buffer.h"
#include "ir/expr.h"
#include "ir/nest.h"
#include "ir/tape.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace volute::ir {

/// What an access needs from the nest or step that it stands in. `values` holds the variables by
/// Var::id; the parameters among them have their values before an Access is made.
struct AccessContext {
  const std::vector<View>& views;
  const std::vector<std::vector<int64_t>>& tables;
  const std::vector<int64_t>& values;
  Memory& memory;
  const AccessWatch* watch = nullptr; // sees each element that is read or written
};

class Access {
public:
  /// `lane_dim` and `lane_step` as in Load; lane_dim -1 for one element.
  Access(const AccessContext& context, int32_t view, const Index& index, int32_t lane_dim = -1,
         int64_t lane_step = 1);

  /// Follows the variables: call it when they have changed, before read and write.
  void locate();
  /// Throws InternalError when the element lies outside the buffer.
  Scalar read(int64_t lane = 0) const;
  void write(Scalar value, int64_t lane = 0) const;
  /// The element this many elements behind. Throws Error, with `subject`, unless 0 <= offset <
  /// extent: data may say so.
  void scatter(Scalar value, int64_t offset, int64_t extent, const std::string& subject) const;

private:
  struct Looked { // stride * table[at]
    const std::vector<int64_t>* table;
    Linear at;
    int64_t stride;
  };
  std::byte* element(int64_t lane, int64_t behind = 0) const;
  void write(std::byte* at, Scalar value) const;

  std::string name_;
  ElementType type_;
  int32_t buffer_ = -1;
  const AccessWatch* watch_ = nullptr;
  std::vector<std::byte>* bytes_;
  const std::vector<int64_t>* values_;
  Linear offset_; // of all subscripts without a table, in elements
  std::vector<Looked> looked_;
  int64_t lane_stride_ = 0;
  int64_t base_ = 0;
};

/// The values of `variables` variables, all 0 but the parameters; those are matched by name.
/// Throws Error when a parameter has no value, or one outside its range.
std::vector<int64_t> initial_values(const std::vector<std::string>& names,
                                    const std::vector<ParameterVar>& parameters,
                                    const std::vector<Parameter>& program_parameters,
                                    const std::vector<int64_t>& given);

} // namespace volute::ir
