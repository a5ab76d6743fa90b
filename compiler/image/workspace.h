// Where intermediate buffers lie in one workspace, so that those which are never needed at the same
// time share memory.
//
//     step         0   1   2   3        offset
//     w_packed     =====                |  a step reads and writes only while all of its buffers
//     t0               =====            |  live, and begins when the step before is done: two
//     t1                   =====        |  buffers may share bytes when no step needs both
#pragma once

#include <cstdint>
#include <vector>

namespace volute::compiler {

/// A buffer from the first step that touches it to the last, both included.
struct Lifetime {
  int32_t first_step = 0;
  int32_t last_step = -1; // before first_step: no step touches it, and it takes no room
  bool meets(const Lifetime& other) const {
    return first_step <= other.last_step && other.first_step <= last_step &&
           first_step <= last_step && other.first_step <= other.last_step;
  }
  bool operator==(const Lifetime&) const = default;
};

struct Resident {
  int64_t bytes = 0;
  Lifetime lifetime;
};

struct WorkspacePlan {
  std::vector<int64_t> offsets; // by resident, multiples of workspace_alignment
  int64_t bytes = 0;            // of the whole workspace
};

constexpr int64_t workspace_alignment = 64; // a cache line, and the widest vector

/// Places every resident such that no two that meet share a byte. Never more than
/// unshared_bytes(), and no more than one step's buffers together where each meets at most the one
/// before and the one after it.
WorkspacePlan plan_workspace(const std::vector<Resident>& residents);

/// What the residents take with memory of their own for each; INT64_MAX when that is too much to
/// count. A plan is made only of what can be counted.
int64_t unshared_bytes(const std::vector<Resident>& residents);
/// What the step that needs most needs: no plan takes less.
int64_t busiest_step_bytes(const std::vector<Resident>& residents);

} // namespace volute::compiler
