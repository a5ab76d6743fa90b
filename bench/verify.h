// Whether results agree with the reference, and how far they may be from it.
//
// The tolerance is not a number that somebody liked. It is a bound on what rounding can do, carried
// from statement to statement beside the reference evaluation, an own number for every element:
//
//     a sum of K products in f32      (K + 2) * 2^-24 * sum |x| * |w|, whatever the order
//     what was inexact before         times |w|, summed; times the slope of an activation; ...
//     whole numbers, no partial sum
//     able to exceed 2^24             0: the result is exact, and is compared with ==
//     integers                        0; where one is rounded from an inexact number, whatever the
//                                     ends of that number's error are rounded to
//     a sum that may overflow         infinite: nothing is known of the result
//
// A wrong tap is caught in a layer of any size, and right kernels are never refused. Through many
// layers the bound grows beyond use: checked_call.h begins it anew at what a kernel has stored.
#pragma once

#include "bench/error_bound.h"
#include "ir/program.h"
#include "ir/reference.h"
#include "ir/tensor_data.h"

#include <map>
#include <string>
#include <vector>

namespace volute::bench {

/// A result of the reference, and how far from it each element may be.
struct Bounded {
  ir::TensorData value;
  std::vector<double> tolerance; // an element, memory order; infinite where nothing can be said
  bool of_finite = true;         // all that it is made of is finite
};

/// The reference evaluation with tolerances, by the output's name. It takes about three
/// evaluations, and `budget` is for each. With `flushed`, kernels may take denormal numbers for 0,
/// those that they read and those that they would compute. `algorithms` are those of the kernel
/// that is compared. Refused as ir::evaluate refuses.
Expected<std::map<std::string, Bounded>>
bounded_reference(const ir::Program& program,
                  const std::map<std::string, const ir::TensorData*>& inputs,
                  const ir::EvaluationBudget& budget = {}, bool flushed = false,
                  const Algorithms& algorithms = {});

/// What comparing one result found.
struct Agreement {
  std::string name;
  int64_t elements = 0;
  int64_t wrong = 0;     // elements further off than their tolerance
  int64_t unbounded = 0; // elements that differ, and whose tolerance is infinite: nothing is known
  // The same where NaN or infinity went in: a kernel may leave taps of weight 0 out.
  int64_t not_finite = 0;
  std::vector<std::string> from; // what the kernel itself had stored and the reference went on from
  bool is_exact = true;          // every tolerance is 0
  bool is_integer = false;
  double largest_difference = 0;
  double largest_share = 0; // of a difference in its tolerance: 0.1 leaves room of ten times
  // The first wrong element: its coordinates, [n=0, c=3, h=1, w=2], and numbers.
  std::string where;
  double got = 0, wanted = 0, tolerance = 0;

  bool agrees() const { return wrong == 0; }
  bool is_bounded() const { return unbounded == 0; }
};

/// `got` has the bytes of the output in the layout of its type.
Agreement compare(const std::string& name, const Bounded& wanted, const std::byte* got);

/// "%y: equal to the reference, all 9 elements (exact: ...)", or what is wrong, or not known.
std::string to_string(const Agreement& agreement);

} // namespace volute::bench
