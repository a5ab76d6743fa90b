// One schedule becoming a plan for its nest, and the parts of that, a file each:
//
//     resolve.cpp               the rules, one after the other
//     resolve_loops.cpp         the register tile and the loops around it
//     resolve_instruction.cpp   the innermost step: dot products, taps that slide
//     resolve_matrices.cpp      products of matrices
//     resolve_packing.cpp       operands brought into the order of the loops
//     resolve_registers.cpp     how operands come into registers, and results leave them
//
// Each rule refuses with the directive, its place in the text, the numbers, and where there is one
// the nearest schedule that would do.
#pragma once

#include "compiler/schedule/plan.h"

#include <optional>
#include <string>
#include <vector>

namespace volute::compiler {

class Resolver {
public:
  Resolver(const Schedule& schedule, const NestFacts& facts, const Target& target,
           const ConstantWeight* weight, SumOrder sums);
  Resolver(Plan plan, const NestFacts& facts, const Target& target);

  Expected<Plan> run();
  Expected<Plan> with_prefetch(const std::string& operand);

private:
  void refuse(Diagnostic fault);
  void refuse(Location at, const std::string& message, std::string hint = "");
  std::string axes_of_nest() const;
  bool constrained(ir::Var axis) const { return facts_.constrained(axis); }
  bool in_domain(ir::Var axis) const { return facts_.in_domain(axis); }

  void keep_orders();
  void fit_parameters();

  // ---- the tile and its loops -------------------------------------------------------------------

  void make_tile();
  /// Lanes along a reduction axis are parts of one sum, which starts from nothing and is added up
  /// at the end. Lanes behind the last element must add nothing.
  bool may_sum_across(const RegisterDirective& r, const ir::NestAxis& axis);
  /// Lanes run along one dimension of every operand, and the results move with them.
  void spread_lanes();
  void make_loops();
  void add(const LoopDirective& directive, const ir::NestAxis& axis, int64_t extent,
           bool places_tile);
  /// What a loop over a reduction axis may be. Outside of a loop over a parallel axis, its sums are
  /// partial ones that wait in scratch.
  bool fit_reduction(const std::vector<LoopDirective>& all, size_t at, const ir::NestAxis& axis);
  bool fit_tile(const LoopDirective& loop, int64_t inner, bool last);
  void cover_every_axis();

  // ---- the innermost step -----------------------------------------------------------------------

  /// `dot` is for the innermost loop, over an axis along which narrow products can be grouped.
  void choose_instruction();
  /// `slide` is for the innermost loop, over taps that meet each place along one axis of the tile
  /// once.
  void choose_slide();
  /// Which of what is read is another one for each row, and which for each tap. Weights are held
  /// for all rows where there are registers for them.
  void plan_slide();

  // ---- products of matrices ---------------------------------------------------------------------

  /// `tile` is for the innermost loop too: the image's rows along one axis of the tile, the
  /// weight's lanes along another.
  void choose_matrices();
  /// Whether the last product has elements of the image as well, be they met by zeros.
  bool has_whole_steps(const DotForm& form, const LoopDirective& loop) const;
  /// "" where rows run along one dimension of the image, and lanes along channels.
  std::string misfit_of_rows(const DotForm& form) const;
  /// `bypass` is for what the products load.
  void choose_bypasses();
  /// Places sums, weights and images, which have a register each where there are enough. "" where
  /// there are.
  std::string misfit_of_registers();

  // ---- packed operands --------------------------------------------------------------------------

  void pack_operands();
  bool packs_weight() const;
  /// By its own name, or as the schedule language calls any nest's.
  bool is_weight(const std::string& name) const;
  /// What may be meant by a name that no operand has; `directive` takes `weight`.
  std::string operands_of_nest(const std::string& wanted, const char* directive = "pack") const;
  /// The read of an operand other than the weight: it must be the only one, a part of the first
  /// accumulator's update.
  std::optional<ir::Read> packed_image(const OperandDirective& directive, const std::string& name);
  /// All of a border's axes, or none, are axes that the operand moves with.
  bool is_packed_with(const ir::Constraint& c, const ir::Read& read) const;
  bool reads_outside_of_sums(int32_t operand) const;
  /// An image's elements are packed as often as taps meet them.
  bool is_of_modest_size(Location at, const std::string& name, const ir::Read& read,
                         const PackedLayout& layout);

  // ---- registers --------------------------------------------------------------------------------

  /// Whether taps are copied out: a small weight's with their numbers, a larger one's where a good
  /// part of them is 0 for all channels.
  void use_numbers();
  void plan_reads();
  void plan_store();
  /// Plan's, of a tile of a matrix unit.
  int64_t steps_to_overlap() const;
  /// Whether loops over the same axis are cut at whole steps of the matrix unit.
  bool comes_out_even(const LoopDirective& loop) const;
  /// Rows that are finished at a time: a vector of them where they are turned, else some, none left
  /// over if that can be.
  void plan_finish();
  int64_t rows_finished_at_a_time();
  /// Lanes of each: as many as fill a vector with what is made of them.
  int32_t lanes_finished_at_a_time() const;
  /// Partial sums wait in scratch as the tile's elements, and lanes of a sum are none.
  void keep_lanes_of_sums();
  /// A loop or not, when all else is known.
  void plan_end();
  void plan_streams();

  const NestFacts& facts_;
  const ir::Nest& nest_;
  const Target& target_;
  const ConstantWeight* weight_;
  Plan plan_;
  std::vector<int64_t> covered_; // by Var::id: elements of an axis that the loops over it so far
                                 // leave to what is inside; 0 where there is none
  std::optional<Failure> refusal_;
};

} // namespace volute::compiler
