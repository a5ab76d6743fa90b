#include "compiler/nests/slides.h"

namespace volute::compiler {

using namespace ir;

namespace {

/// What is known so far of how much farther elements are apart than taps.
class Step {
public:
  /// Takes one more affine that may move with both. False when it does not fit.
  bool fits(const Affine& at, Var axis, Var tap) {
    const int64_t of_axis = at.coefficient(axis), of_tap = at.coefficient(tap);
    if (of_axis == 0 || of_tap == 0) return true;
    if (of_axis % of_tap != 0 || of_axis / of_tap < 1) return false;
    if (step && *step != of_axis / of_tap) return false;
    step = of_axis / of_tap;
    return true;
  }
  std::optional<int64_t> step;
};

} // namespace

std::optional<int64_t> slide_step(const Nest& nest, const std::vector<Read>& reads, Var axis,
                                  Var tap) {
  Step found;
  for (const Read& read : reads) {
    bool with_axis = false, with_tap = false, with_both = false;
    for (const Subscript& s : read.index) {
      const bool has_axis = s.at.depends_on(axis), has_tap = s.at.depends_on(tap);
      if (has_tap && s.table >= 0) return std::nullopt;
      if (!found.fits(s.at, axis, tap)) return std::nullopt;
      with_axis |= has_axis && !has_tap;
      with_tap |= has_tap && !has_axis;
      with_both |= has_axis && has_tap;
    }
    // What is read is one place a row, one a tap, or has nothing to do with taps.
    if ((with_tap || with_both) && with_axis) return std::nullopt;
    if (with_tap && with_both) return std::nullopt;
  }
  for (const Constraint& c : nest.constraints) {
    if (c.value.depends_on(tap) != c.value.depends_on(axis)) return std::nullopt;
    if (!found.fits(c.value, axis, tap)) return std::nullopt;
  }
  return found.step;
}

} // namespace volute::compiler
