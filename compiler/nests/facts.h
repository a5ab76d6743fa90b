// What is asked of one nest again and again while schedules for it are tried: found once.
//
// A choice resolves some hundred schedules of the same nest. What its accesses are, along which
// axes lanes may run and which axes meet a border does not change from one to the next.
#pragma once

#include "compiler/nests/weight_expression.h"
#include "ir/nest.h"

#include <optional>
#include <string_view>
#include <vector>

namespace volute::compiler {

class NestFacts {
public:
  /// The nest must live as long as its facts, and stay as it is.
  explicit NestFacts(const ir::Nest& nest);

  const ir::Nest& nest() const { return nest_; }

  /// inner_reads of the nest.
  const std::vector<ir::Read>& reads() const { return reads_; }
  /// Does the axis meet a border: is it in a `where` of the nest?
  bool constrained(ir::Var axis) const { return of(axis).constrained; }
  /// shares_border of the nest.
  bool shares_border(ir::Var axis) const { return of(axis).shares_border; }
  /// Are points along the axis left out of what is computed?
  bool in_domain(ir::Var axis) const { return of(axis).in_domain; }
  /// lanes_may_run_along of the nest.
  bool lanes_may_run_along(ir::Var axis) const { return of(axis).lanes; }
  bool results_may_run_along(ir::Var axis) const { return of(axis).result_lanes; }
  /// dot_form of the nest.
  const std::optional<DotForm>& dot(ir::Var axis) const { return of(axis).dot; }
  /// adds_up and neutral_element of the nest.
  bool adds_up() const { return adds_up_; }
  const std::optional<double>& neutral_element() const;
  /// The read of the weight where a nest has one.
  const std::optional<ir::Read>& weight() const { return weight_; }

private:
  struct OfAxis {
    bool constrained = false, shares_border = false, in_domain = false;
    bool lanes = false, result_lanes = false;
    std::optional<DotForm> dot;
  };
  const OfAxis& of(ir::Var axis) const { return axes_[static_cast<size_t>(axis.id)]; }

  const ir::Nest& nest_;
  std::vector<ir::Read> reads_;
  std::optional<ir::Read> weight_;
  std::vector<OfAxis> axes_; // by Var::id
  bool adds_up_;
  mutable std::optional<std::optional<double>> neutral_; // found when it is asked for: by trying
};

/// Bytes of the widest element that a register of the nest's tile holds: lanes are counted in it.
int64_t widest_in_registers(const ir::Nest& nest);
/// Whether every result has half of the bytes of a value in registers, or fewer.
bool has_narrow_results(const ir::Nest& nest);

/// Whether a nest is made of a weight alone, and so when that is bound.
bool is_of_weight(const ir::Nest& nest);

} // namespace volute::compiler
