// The schedules that are tried for a nest, the best of them first: whether each fits the nest and
// its registers have room, what it would cost, and what is told of the one that is chosen.
//
// They are sorted by predicted cycles and a little for the length of their code. Which schedules
// are tried is for others to say: choose, and for a matrix unit matrix_candidates.
#pragma once

#include "compiler/schedule/choose.h"
#include "compiler/schedule/cost_model.h"
#include "compiler/schedule/plan.h"
#include "compiler/schedule/schedule_builder.h"
#include "compiler/schedule/scheduled_nest.h"

#include <memory>
#include <string>
#include <vector>

namespace volute::compiler {

constexpr int64_t most_gathered = 4;  // registers of a tile whose operands are read lane by lane
constexpr size_t tiles_reordered = 8; // of the cheapest: other orders of their loops are tried

struct Scored {
  TileShape tile; // of vectors, where it is one
  Schedule schedule;
  Plan plan;
  Cost cost;
  double weighed = 0; // cycles, with what its code costs
};

class Candidates {
public:
  /// The nest lives as long as its candidates.
  explicit Candidates(const ScheduledNest& nest);

  /// Scores a schedule; null where it is no candidate.
  Scored* add(const TileShape& tile, Schedule schedule);
  /// The best first.
  void sort();
  /// Of a transform the one that measures best, whatever the model says of it.
  void put_transform_first();

  bool empty() const { return scored_.empty(); }
  size_t size() const { return scored_.size(); }
  const Scored& operator[](size_t at) const { return *scored_[at]; }
  const Scored& best() const { return *scored_.front(); }
  const std::vector<std::unique_ptr<Scored>>& all() const { return scored_; }

  /// The best of at least one, and why.
  Choice choice() const;

private:
  double instructions(const Plan& plan) const;
  bool comes_in_bursts(const Plan& plan) const;
  std::vector<std::string> reasons() const;

  const ScheduledNest& nest_;
  const int64_t at_end_; // instructions a register
  double updates_ = 0;   // instructions an update
  std::vector<std::unique_ptr<Scored>> scored_;
  int64_t refused_ = 0; // candidates that do not fit: none should be made
};

} // namespace volute::compiler
