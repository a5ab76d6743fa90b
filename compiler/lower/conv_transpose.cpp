// Transposed convolution by phases, without zero insertion and without scattering.
//
// Input t, tap j adds to output s * t + d * j - pad. Turned around: the outputs s * t + r of one
// residue r of the stride read the taps j with d * j = r + pad (mod s), and of those the m-th reads
// input t + shift - m * spacing. So the outputs of a residue are a dense convolution with every so
// many-th tap. Residues next to each other whose taps are neighbours too (all of them, when d = 1)
// are one phase with an axis of their own:
//
//     stride 2, kernel 4, pad 1      r = 0: taps 1, 3      r = 1: taps 0, 2, one input later
//     stride 16, kernel 16, pad 0    r = 0..15: tap r      one phase
//
// Where stride and dilation share no divisor, no two neighbours have neighbouring taps, and there
// would be a phase for each residue, or for each pair of them. Then a phase is a longer row:
// residues some way apart whose taps are some way apart too, d * taps = residues (mod s), the
// smallest such step that there is; about 2 sqrt(s) rows have all residues. What no tap reaches is
// written first, by a nest over all outputs.
//
//     stride 31, dilation 29         residues 2 apart, taps 1 back: 3 rows in place of 31

#include "compiler/lower/phase.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <limits>
#include <map>
#include <numeric>
#include <optional>
#include <utility>

namespace volute::compiler {

using ir::Affine;
using ir::Axis;
using ir::Window;

namespace {

/// Whether it is the row of residues that another one, of neighbours, goes on with.
bool continues(const Phase& phase, const Phase& before) {
  return phase.first == before.first + before.residues && phase.outputs == before.outputs &&
         phase.taps == before.taps && phase.shift == before.shift &&
         (phase.taps == 0 || phase.first_tap == before.first_tap + before.residues);
}

std::vector<Phase> phases(const Window& window) {
  const int64_t stride = window.stride, dilation = window.dilation;
  const int64_t repeat =
      stride / std::gcd(stride, dilation); // taps that many apart share a residue
  std::map<int64_t, int64_t> first_tap;    // by residue
  for (int64_t tap = 0; tap < std::min(window.kernel, repeat); ++tap) {
    const int64_t residue = (tap * dilation - window.pad_begin) % stride;
    first_tap[residue < 0 ? residue + stride : residue] = tap;
  }
  std::vector<Phase> result;
  const auto add = [&](const Phase& phase) {
    if (!result.empty() && continues(phase, result.back())) {
      result.back().residues += phase.residues;
    } else {
      result.push_back(phase);
      result.back().every = stride;
    }
  };
  // Residues without a tap come in runs; within one, fewer outputs fit from some residue on.
  const int64_t residues = std::min(stride, window.output);
  const auto add_empty = [&](int64_t from, int64_t to) {
    const int64_t whole = window.output / stride, longer = window.output % stride;
    const int64_t turn = std::clamp(longer, from, to);
    if (from < turn) add({.first = from, .residues = turn - from, .outputs = whole + 1});
    if (turn < to && whole > 0) add({.first = turn, .residues = to - turn, .outputs = whole});
  };
  int64_t next = 0;
  for (const auto& [residue, tap] : first_tap) {
    if (residue >= residues) break;
    add_empty(next, residue);
    next = residue + 1;
    Phase phase;
    phase.first = residue;
    phase.outputs = ir::ceil_div(window.output - residue, stride);
    phase.taps = ir::ceil_div(window.kernel - tap, repeat);
    phase.first_tap = tap;
    phase.tap_step = repeat;
    phase.shift = (residue + window.pad_begin - tap * dilation) / stride;
    phase.spacing = repeat * dilation / stride;
    add(phase);
  }
  add_empty(next, residues);
  return result;
}

// ---- rows of residues ---------------------------------------------------------------------------

/// The number that `a` must be multiplied by to be 1 modulo m; they share no divisor.
int64_t inverse(int64_t a, int64_t m) {
  int64_t above = m, below = a % m, x = 0, y = 1;
  while (below > 0) {
    const int64_t quotient = above / below;
    above = std::exchange(below, above - quotient * below);
    x = std::exchange(y, x - quotient * y);
  }
  return m == 1 ? 0 : (x % m + m) % m;
}

/// The first taps of one axis's residues in rows: tap j has the residue j * dilation - pad, and
/// from one of a row to the next is always the same step.
class Rows {
public:
  explicit Rows(const Window& window)
      : window_(window), divisor_(std::gcd(window.stride, window.dilation)),
        repeat_(window.stride / divisor_), taps_(std::min(window.kernel, repeat_)),
        residues_(std::min(window.stride, window.output)) {
    find_step();
  }

  /// Whether every output has a tap.
  bool reach_all() const { return divisor_ == 1 && window_.kernel >= repeat_; }

  /// As many as there are, or the first `most` and more.
  std::vector<Phase> phases(size_t most) const {
    std::vector<Phase> result;
    // A row begins where a step back leaves the taps, or the residues.
    const int64_t stride_of_taps = std::abs(step_.taps);
    if (taps_ <= stride_of_taps + step_.residues) {
      for (int64_t tap = 0; tap < taps_ && result.size() <= most; ++tap)
        if (!has(tap - step_.taps) || residue_of(tap) < step_.residues) add_row(tap, result);
      return result;
    }
    for (int64_t i = 0; i < stride_of_taps && result.size() <= most; ++i)
      add_row(step_.taps > 0 ? i : taps_ - 1 - i, result);
    for (int64_t residue = 0; residue < step_.residues && result.size() <= most; ++residue)
      if (const auto tap = tap_of(residue); tap && has(*tap - step_.taps)) add_row(*tap, result);
    return result;
  }

private:
  bool has(int64_t tap) const { return 0 <= tap && tap < taps_; }

  int64_t residue_of(int64_t tap) const {
    const auto rest = static_cast<int64_t>(
        (static_cast<__int128>(tap) * window_.dilation - window_.pad_begin) % window_.stride);
    return rest < 0 ? rest + window_.stride : rest;
  }

  std::optional<int64_t> tap_of(int64_t residue) const {
    const int64_t position = (residue + window_.pad_begin) % window_.stride;
    if (position % divisor_ != 0) return std::nullopt;
    const auto tap = static_cast<int64_t>(static_cast<__int128>(position / divisor_) *
                                          inverse(window_.dilation / divisor_, repeat_) % repeat_);
    if (!has(tap)) return std::nullopt;
    return tap;
  }

  /// The step for which there are the fewest rows: as many as it leads over taps and residues. The
  /// shortest leads over no more than the root of the stride along each.
  void find_step() {
    int64_t fewest = std::numeric_limits<int64_t>::max();
    const auto consider = [&](int64_t taps, int64_t residues) {
      if (std::abs(taps) + residues >= fewest) return;
      fewest = std::abs(taps) + residues;
      step_ = {residues, taps, 0};
    };
    for (int64_t taps = 1; taps < taps_ && taps <= fewest; ++taps) {
      const auto residues =
          static_cast<int64_t>(static_cast<__int128>(taps) * window_.dilation % window_.stride);
      consider(taps, residues);
      consider(-taps, window_.stride - residues);
    }
    step_.shift = static_cast<int64_t>(
        (step_.residues - static_cast<__int128>(step_.taps) * window_.dilation) / window_.stride);
  }

  /// A phase for each part of the row that has the same numbers of taps and of outputs.
  void add_row(int64_t tap, std::vector<Phase>& to) const {
    const int64_t residue = residue_of(tap);
    if (residue >= residues_) return;
    int64_t length = 1;
    if (taps_ > 1)
      length += std::min((residues_ - 1 - residue) / step_.residues,
                         step_.taps > 0 ? (taps_ - 1 - tap) / step_.taps : tap / -step_.taps);
    const auto cut = [&](int64_t at) { return std::clamp<int64_t>(at, 0, length); };
    std::array<int64_t, 4> cuts = {0, length, length, length};
    cuts[1] = cut(ir::ceil_div(window_.output % window_.stride - residue, step_.residues));
    const int64_t fewer = window_.kernel % repeat_; // from this tap on
    cuts[2] = cut(step_.taps > 0 ? ir::ceil_div(fewer - tap, step_.taps)
                                 : ir::ceil_div(tap - fewer + 1, -step_.taps));
    std::sort(cuts.begin(), cuts.end());
    for (size_t i = 0; i + 1 < cuts.size(); ++i) {
      if (cuts[i] == cuts[i + 1]) continue;
      Phase phase;
      phase.first = residue + cuts[i] * step_.residues;
      phase.residues = cuts[i + 1] - cuts[i];
      phase.outputs = ir::ceil_div(window_.output - phase.first, window_.stride);
      phase.first_tap = tap + cuts[i] * step_.taps;
      phase.taps = ir::ceil_div(window_.kernel - phase.first_tap, repeat_);
      phase.tap_step = repeat_;
      phase.shift =
          static_cast<int64_t>((static_cast<__int128>(phase.first) + window_.pad_begin -
                                static_cast<__int128>(phase.first_tap) * window_.dilation) /
                               window_.stride);
      phase.spacing = window_.dilation / divisor_;
      phase.along = step_;
      phase.every = window_.stride;
      to.push_back(phase);
    }
  }

  Window window_;
  int64_t divisor_, repeat_, taps_, residues_;
  Phase::Along step_;
};

/// The bias, at outputs of a nest that has its batch.
void finish_with_bias(const GroupLowering& group, NestBuilder to) {
  Coordinates channel;
  channel[Axis::o] = to.at[Axis::c];
  const ir::TensorType& y = group.program.type(group.head.results[0]);
  to.value = group.head.operands.size() > 2 ? computed(to.read(group.head.operands[2], channel))
                                            : number(0, computed_in(y.element));
  group.finish(std::move(to));
}

NestBuilder start_with_bias(const GroupLowering& group) {
  const ir::Program& program = group.program;
  NestBuilder to = group.start("_between");
  group.add_parallel(to, Axis::n, program.type(group.head.operands[0]).size(Axis::n));
  Boundaries cuts = group.cuts(Axis::c);
  if (group.head.operands.size() > 2)
    cuts.merge(boundaries(program.type(group.head.operands[2]), Axis::o));
  to.at[Axis::c] = to.parallel(Axis::c, program.type(group.head.results[0]).size(Axis::c), cuts);
  return to;
}

/// Outputs that no input reaches: the bias.
void lower_empty_phase(const GroupLowering& group, const std::vector<Phase>& of_axes) {
  NestBuilder to = start_with_bias(group);
  PhaseAxes(group, of_axes).add_results(to, false);
  finish_with_bias(group, std::move(to));
}

/// Every output, before the phases come: where these are many, what lies between is more.
void lower_everywhere(const GroupLowering& group) {
  const std::vector<Axis> axes = group.program.type(group.head.operands[0]).spatial_axes();
  const std::vector<Window> windows = ir::transposed_windows(group.program, group.head);
  NestBuilder to = start_with_bias(group);
  for (size_t i = 0; i < axes.size(); ++i) group.add_parallel(to, axes[i], windows[i].output);
  finish_with_bias(group, std::move(to));
}

// ---- all phases ---------------------------------------------------------------------------------

using Phases = std::vector<std::vector<Phase>>; // by axis

/// Combinations of a phase of each axis.
int64_t combinations(const Phases& of_axes) {
  int64_t product = 1;
  for (const std::vector<Phase>& phases : of_axes)
    product *= std::min<int64_t>(std::ssize(phases), int64_t{1} << 20);
  return product;
}

void lower_each(const GroupLowering& group, const Phases& of_axes) {
  std::vector<size_t> at(of_axes.size());
  for (bool more = !of_axes.empty(); more;) {
    std::vector<Phase> chosen;
    for (size_t i = 0; i < at.size(); ++i) chosen.push_back(of_axes[i][at[i]]);
    const bool reached =
        std::all_of(chosen.begin(), chosen.end(), [](const Phase& p) { return p.taps > 0; });
    (reached ? lower_phase : lower_empty_phase)(group, chosen);
    more = false;
    for (size_t i = at.size(); i-- > 0 && !more;) {
      more = ++at[i] < of_axes[i].size();
      if (!more) at[i] = 0;
    }
  }
}

// Each phase is a nest, with code of its own.
constexpr int64_t most_phases_by_residue = 64, most_phases = 512;
constexpr int64_t most_taps_by_residue = 4096; // looked at one by one

[[noreturn]] void refuse_phases(const GroupLowering& group) {
  const auto& conv = std::get<ir::ConvTranspose>(group.head.operation);
  std::string strides, dilations;
  for (size_t i = 0; i < conv.stride.size(); ++i) {
    strides += fmt::format("{}{}", i ? ", " : "", conv.stride[i]);
    dilations += fmt::format("{}{}", i ? ", " : "", conv.dilation[i]);
  }
  throw Error({Diagnostic{
      group.head.where, std::string(ir::name(group.head.operation)),
      fmt::format("stride [{}] with dilation [{}] makes more than {} kinds of outputs, each with "
                  "taps of its own and a kernel for them",
                  strides, dilations, most_phases),
      "a stride of which the dilation is a multiple, or one more or less, makes a few"}});
}

} // namespace

void lower_conv_transpose(const GroupLowering& group) {
  const std::vector<Window> windows = ir::transposed_windows(group.program, group.head);
  const bool few_taps = std::all_of(windows.begin(), windows.end(), [](const Window& window) {
    return std::min(window.kernel, window.stride) <= most_taps_by_residue;
  });
  Phases of_axes;
  if (few_taps)
    for (const Window& window : windows) of_axes.push_back(phases(window));
  if (few_taps && combinations(of_axes) <= most_phases_by_residue)
    return lower_each(group, of_axes);

  of_axes.clear();
  bool reach_all = true;
  for (const Window& window : windows) {
    const Rows rows(window);
    reach_all &= rows.reach_all();
    of_axes.push_back(rows.phases(most_phases));
  }
  if (combinations(of_axes) > most_phases) refuse_phases(group);
  if (!reach_all) lower_everywhere(group);
  lower_each(group, of_axes);
}

} // namespace volute::compiler
