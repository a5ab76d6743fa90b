// How much memory the loops of a plan touch, and how much of it comes anew into each cache.
//
//     for o by 32            footprint(0)  all of x, w, y
//       for h                footprint(1)  all of x, a panel of w, rows of y
//         for w by 14        footprint(2)  3 rows of x, a panel of w, a row of y
//           for kh, kw, i    footprint(3)  ...
//
// A footprint counts whole lines. What a loop's next trip touches again is still in a cache that
// holds the footprint of one trip, all operands together: the reuse distance of a cache that drops
// what was used longest ago (the stack distances of Mattson et al., Evaluation Techniques for
// Storage Hierarchies, 1970, section 3, for loop nests). So the loops outside of those that fit
// bring everything in once a trip, the outermost of those that fit only what it touches at all.
#pragma once

#include "compiler/schedule/plan.h"
#include "ir/nest.h"
#include "ir/short_list.h"

#include <cstdint>
#include <vector>

namespace volute::compiler {

class Footprint {
public:
  /// Of what the plan's innermost step reads, packed where it is, and of the results. The nest has
  /// no parameters.
  Footprint(const ir::Nest& nest, const Plan& plan, const Target& target);

  /// Bytes of the lines that one pass of the loops from `depth` on touches; at Plan::loops.size()
  /// one step of the register tile.
  double bytes(size_t depth) const { return bytes_[depth]; }

  /// What comes into a cache of this capacity from beyond, the first time too, in one run of all
  /// loops.
  struct Traffic {
    double bytes = 0;
    double rows = 0;   // visits to parts a page or more apart: there no prefetcher knows on
    double pieces = 0; // the same of parts half a page or more apart, each a page of its own
    double beside = 0; // bytes of lines behind pieces of rows that prefetchers bring in for nothing
  };
  /// Of all operands together.
  Traffic traffic(int64_t capacity) const;
  /// Of each: those that are read, then those that are written. What passes the cache by takes no
  /// room there and comes from beyond every time that it is loaded.
  std::vector<Traffic> traffic_of_each(int64_t capacity, Bypass bypass = {}) const;
  static Traffic sum(const std::vector<Traffic>& of_each);

  struct Touched : Traffic { // by one pass of the loops from a depth on
    int64_t piece = 0;       // bytes up to its first gap
    bool moves = false;      // from trip to trip of the loop at that depth
  };

private:
  struct Dimension {
    const ir::Affine* at;   // what the access is along it, in the nest or the plan
    int64_t extent, stride; // elements
  };
  struct Operand {
    ir::ShortList<Dimension, 6> dimensions; // of one that is not packed
    const PackedLayout* packed = nullptr;
    int64_t element_bytes = 1;
    bool is_image = false, is_weight = false; // factors of products of matrices
  };
  void add(int32_t operand, const ir::Index& index, int64_t element_bytes,
           const PackedLayout* packed);
  void touch(const Operand& operand);
  int64_t elements_inside(ir::Var axis, size_t depth) const;
  Touched touched_at(const Operand& operand, size_t depth) const;
  const Touched& touched(size_t operand, size_t depth) const {
    return touched_[operand * (plan_.loops.size() + 1) + depth];
  }
  static bool passes(const Operand& operand, Bypass bypass) {
    return (operand.is_image && bypass.image) || (operand.is_weight && bypass.weight);
  }
  size_t reused_at(int64_t capacity, Bypass bypass) const;
  double loaded_bytes(size_t operand) const;
  Traffic traffic_at(size_t operand, size_t depth) const;
  double rows(size_t operand, size_t depth) const;
  double pieces(size_t operand, size_t depth) const;
  bool moves(const Operand& operand, ir::Var axis) const;
  bool stays_in_rows(const Operand& operand, ir::Var axis) const;
  int64_t advance(const Operand& operand, const PlanLoop& loop) const;

  const ir::Nest& nest_;
  const Plan& plan_;
  int64_t line_bytes_, page_bytes_;
  std::vector<Operand> operands_;
  std::vector<Touched> touched_; // by operand, and of each by depth
  std::vector<double> bytes_;    // by depth
};

} // namespace volute::compiler
