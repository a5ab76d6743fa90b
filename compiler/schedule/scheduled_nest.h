// A nest as schedules for it are tried, and what candidates of every kind ask of it.
//
//     n, o, h, w, i    a 1x1 convolution: every access walks h and w together
//     n, o, hw, i      as it is scheduled
#pragma once

#include "compiler/nests/constant_weight.h"
#include "compiler/nests/facts.h"
#include "compiler/schedule/schedule_builder.h"
#include "compiler/schedule/sum_order.h"
#include "compiler/target/target.h"
#include "ir/nest.h"

#include <optional>
#include <string>
#include <vector>

namespace volute::compiler {

struct ScheduledNest {
  /// The target and the buffers live as long as it. `dot_products` and `sums` are choose's.
  ScheduledNest(const ir::Nest& nest, const Target& target, const std::vector<ir::Buffer>& buffers,
                bool dot_products, SumOrder sums);
  ScheduledNest(const ScheduledNest&) = delete; // its parts know each other

  /// Whether a register tile may take several elements along the axis. Rows of a band may lie
  /// beyond the image, and are computed one at a time.
  bool may_be_tiled(const ir::NestAxis& axis) const;
  /// Whether the results move with the axis.
  bool is_written_along(const ir::NestAxis& v) const;
  /// Whether a border depends on where both of them are.
  bool meets_border_with(const ir::NestAxis& tap, const ir::NestAxis& axis) const;

  const Target& target;
  const SumOrder sums;
  const ir::Nest given;          // flattened
  const ir::Nest flat;           // the same with the least that each parameter may be
  const int64_t lanes;           // of the longest vectors
  const ScheduleBuilder builder; // of flat
  const std::optional<ConstantWeight> constant; // the weight, where it is one
  const NestFacts facts;                        // of given

private:
  struct Joined {
    ir::Nest nest;
    std::vector<std::vector<std::string>> axes; // that have become one
  };
  static Joined joined(const ir::Nest& nest);
  ScheduledNest(Joined joined, const Target& target, const std::vector<ir::Buffer>& buffers,
                bool dot_products, SumOrder sums);
};

} // namespace volute::compiler
