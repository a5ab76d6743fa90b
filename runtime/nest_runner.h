// Runs a nest without code for it: what answers while the code is on its way (tiered_kernel.h).
//
//     block      up to 16 rows of up to 64 lanes: elements along two of the parallel axes
//     for each block of the parallel axes
//       accumulators <- initial values                     (all elements of the block)
//       for each point of the reduction axes, in order
//         which elements satisfy every `where`             (an interval of lanes in some rows)
//         accumulators <- updates                          (those)
//       writes
//
// Each operation of an expression is one loop over a block (lane_loops.h), so that what it costs to
// find out what to do is paid once in a thousand elements. The result is the nest's meaning to the
// bit, as the evaluator of ir/nest.h has it: an element's sums are added up in the order of the
// axes.
#pragma once

#include "compiler/image/image.h"
#include "ir/nest.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace volute::runtime {

struct NestPlan; // nest_plan.h

class NestRunner {
public:
  /// For a nest that has passed verify, has no parameters and is placed nowhere. `slots` by buffer:
  /// where a call has it; -1 for a table. Refused is what only scheduled nests have.
  static Expected<NestRunner> make(const ir::Nest& nest, const std::vector<ir::Buffer>& buffers,
                                   const std::vector<int32_t>& slots);
  NestRunner(NestRunner&&) noexcept;
  NestRunner& operator=(NestRunner&&) noexcept;
  ~NestRunner();

  /// Its blocks, each an independent piece of work.
  int64_t work() const;
  /// What a thread needs for it, 64-byte aligned.
  int64_t scratch_bytes() const;
  /// As a StepEntry.
  int32_t run(const compiler::StepArguments& arguments, std::byte* scratch, int64_t begin,
              int64_t end) const noexcept;

private:
  explicit NestRunner(std::unique_ptr<const NestPlan> plan);
  std::unique_ptr<const NestPlan> plan_;
};

} // namespace volute::runtime
