#include "bench/agreement.h"

#include "bench/checked_call.h"
#include "bench/made_up.h"
#include "ir/number.h"
#include "runtime/made_up.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

namespace volute::bench {
namespace {

using Bytes = std::vector<std::byte>;

struct Results {
  std::vector<Bytes> outputs;
  Values kept; // by a kernel, on the way
};

// Contenders that are compared with each other may differ by this part of the largest element: f32
// sums of some thousand products, by algorithms with a few times a direct sum's error.
constexpr double mutual_tolerance = 2e-5;
constexpr double narrow_tolerance = 0x1p-6; // bf16 and f16, rounded where a library likes to

/// Runs it once into outputs full of NaN, or of what is no likely integer. A kernel once more,
/// whose values are kept: copies would count in its first call.
Expected<Results> results_of(const Way& way, Data& data, double& seconds) {
  Results results;
  for (const bool is_keeping : {false, true}) {
    if (is_keeping && !way.call_keeping) break;
    for (runtime::Tensor& output : data.outputs)
      std::memset(output.data(), 0xff, static_cast<size_t>(output.bytes()));
    std::vector<runtime::KeptValue> kept;
    const double start = steady_seconds();
    if (Status status = is_keeping ? way.call_keeping(kept) : way.call(); !status)
      return status.failure();
    if (!is_keeping) seconds = steady_seconds() - start;
    for (const runtime::KeptValue& value : kept) results.kept[value.name] = data_of(value.value);
  }
  way.deliver();
  for (const runtime::Tensor& output : data.outputs)
    results.outputs.emplace_back(output.data(), output.data() + output.bytes());
  return results;
}

double tolerance_of(const ir::Program& program, const ir::TensorType& type, double largest) {
  if (ir::is_float(type.element))
    return largest * (ir::size_of(type.element) == 2 ? narrow_tolerance : mutual_tolerance);
  // Who multiplies by 1/scale, or adds the bias in f32, rounds some sums to the neighbour.
  for (const ir::Statement& s : program.statements)
    if (std::holds_alternative<ir::Quantize>(s.operation)) return 1;
  return 0;
}

/// A result as a reference for others.
Bounded as_bounded(const ir::Program& program, const ir::TensorType& type, const Bytes& bytes) {
  Bounded bounded{{type, bytes}, {}};
  double largest = 0;
  for (const double value : ir::elements_of(bounded.value))
    if (std::isfinite(value)) largest = std::max(largest, std::abs(value));
  bounded.tolerance.assign(static_cast<size_t>(type.elements()),
                           tolerance_of(program, type, largest));
  return bounded;
}

/// Where the reference is exact, a library's other order of rounding is still no mistake of it.
void loosen(const ir::Program& program, std::map<std::string, Bounded>& wanted) {
  for (auto& [name, bounded] : wanted) {
    const Bounded loose = as_bounded(program, bounded.value.type, bounded.value.bytes);
    for (size_t i = 0; i < bounded.tolerance.size(); ++i)
      bounded.tolerance[i] = std::max(bounded.tolerance[i], loose.tolerance[i]);
  }
}

/// How one set of results compares with another.
struct Comparison {
  std::string difference; // empty: they agree
  bool is_equal = true;
  double largest_share = 0; // of a difference in its tolerance
  int64_t unbounded = 0;    // elements that differ, and of which nothing is known

  void add(const Agreement& found) {
    is_equal = is_equal && found.largest_difference == 0;
    largest_share = std::max(largest_share, found.largest_share);
    unbounded += found.unbounded;
    if (found.agrees() || !difference.empty()) return;
    difference = fmt::format("%{}: {} of {} elements differ{}, the first at {}: {} instead of {}, "
                             "tolerance {:.3g}",
                             found.name, found.wrong, found.elements,
                             found.from.empty() ? "" : " from what the values before it give",
                             found.where, found.got, found.wanted, found.tolerance);
  }
};

Comparison compare_all(const ir::Program& program, const std::map<std::string, Bounded>& wanted,
                       const Results& results) {
  Comparison all;
  for (size_t i = 0; i < results.outputs.size(); ++i) {
    const std::string& name = program.name_of(program.outputs[i]);
    all.add(compare(name, wanted.at(name), results.outputs[i].data()));
  }
  return all;
}

/// One way's results.
struct Done {
  Entrant* entrant;
  size_t way;
  Results results;
};

/// The reference evaluation, made once for all whose results follow from the inputs alone.
class Reference {
public:
  Reference(const ir::Program& program, const Data& data, const ir::EvaluationBudget& budget,
            bool flushed, const std::vector<Entrant>& entrants)
      : program_(program), budget_(budget), flushed_(flushed) {
    for (const Entrant& entrant : entrants) // of several kernels the largest error
      for (const auto& [value, algorithm] : entrant.algorithms) {
        Algorithm& known = algorithms_[value];
        known.error = std::max(known.error, algorithm.error);
        known.reach = std::max(known.reach, algorithm.reach);
        known.keeps_whole_numbers &= algorithm.keeps_whole_numbers;
        known.has_parts |= algorithm.has_parts;
      }
    for (size_t i = 0; i < data.inputs.size(); ++i)
      inputs_[program.name_of(program.inputs[i])] = data_of(data.inputs[i]);
  }

  Expected<Comparison> compare_with(const Done& done) {
    if (!done.results.kept.empty()) return compare_on_the_way(done.results);
    if (auto failure = evaluate()) return *failure;
    return compare_all(program_, done.entrant->is_volute ? wanted_ : loose_, done.results);
  }

private:
  Expected<Comparison> compare_on_the_way(const Results& results) const {
    Values outputs;
    for (size_t i = 0; i < results.outputs.size(); ++i)
      outputs[program_.name_of(program_.outputs[i])] = {program_.type(program_.outputs[i]),
                                                        results.outputs[i]};
    const Expected<CheckedCall> checked =
        check_call(program_, inputs_, outputs, results.kept, budget_, flushed_, algorithms_);
    if (!checked) return checked.failure();
    Comparison all;
    for (const auto* list : {&checked->on_the_way, &checked->outputs})
      for (const Agreement& found : *list) all.add(found);
    return all;
  }

  std::optional<Failure> evaluate() {
    if (!wanted_.empty()) return std::nullopt;
    std::map<std::string, const ir::TensorData*> named;
    for (const auto& [name, tensor] : inputs_) named[name] = &tensor;
    Expected<std::map<std::string, Bounded>> wanted =
        bounded_reference(program_, named, budget_, flushed_, algorithms_);
    if (!wanted) return wanted.failure();
    wanted_ = std::move(*wanted);
    loose_ = wanted_;
    loosen(program_, loose_);
    return std::nullopt;
  }

  const ir::Program& program_;
  const ir::EvaluationBudget budget_;
  const bool flushed_;
  Algorithms algorithms_;
  Values inputs_;
  std::map<std::string, Bounded> wanted_, loose_;
};

std::map<std::string, Bounded> as_wanted(const ir::Program& program, const Data& data,
                                         const Results& results) {
  std::map<std::string, Bounded> wanted;
  for (size_t i = 0; i < results.outputs.size(); ++i)
    wanted[program.name_of(program.outputs[i])] =
        as_bounded(program, data.outputs[i].type(), results.outputs[i]);
  return wanted;
}

void add(std::string& list, const std::string& what) { list += (list.empty() ? "" : ", ") + what; }

/// Takes a way out of the race, and its entrant when no way is left.
void refuse(const Done& done, const std::string& why) {
  Way& way = done.entrant->ways[done.way];
  way.call = nullptr;
  const bool is_out = std::none_of(done.entrant->ways.begin(), done.entrant->ways.end(),
                                   [](const Way& w) { return w.call != nullptr; });
  if (is_out) done.entrant->refused = "computes something else: " + why;
}

} // namespace

Expected<Verification> verify(const ir::Program& program, Data& data,
                              std::vector<Entrant>& entrants, double steps,
                              std::vector<std::vector<double>>& seconds, bool flushed,
                              const Witness& witness) {
  std::vector<Done> all;
  seconds.clear();
  for (Entrant& entrant : entrants) {
    seconds.emplace_back(entrant.ways.size(), 0);
    for (size_t i = 0; i < entrant.ways.size(); ++i) {
      double& took = seconds.back()[i];
      Expected<Results> results = results_of(entrant.ways[i], data, took);
      if (!results) return results.failure();
      if (i == 0) entrant.preparation.first_call = took;
      all.push_back({&entrant, i, std::move(*results)});
    }
  }
  const auto fault = [&](const Done& done, const std::string& other,
                         const std::string& difference) {
    return fail(fmt::format("@{}", program.name),
                fmt::format("{} computes something else than {}: {}", done.entrant->name, other,
                            difference));
  };

  Verification verification;
  std::string equal, within;
  const auto tell = [&](const Done& done, const Comparison& found) {
    if (done.way > 0) return; // a word for each entrant
    verification.unbounded += found.unbounded;
    if (found.unbounded > 0)
      add(within, fmt::format("{} (but for {} elements without a finite bound)", done.entrant->name,
                              found.unbounded));
    else if (found.is_equal)
      add(equal, done.entrant->name);
    else
      add(within, fmt::format("{} ({:.2g} of it)", done.entrant->name, found.largest_share));
  };
  const auto sentence = [&](const std::string& against) {
    std::string how;
    if (!equal.empty()) how = fmt::format("equal to {}: {}", against, equal);
    if (!within.empty())
      how +=
          fmt::format("{}within the tolerance of {}: {}", how.empty() ? "" : "; ", against, within);
    return how;
  };

  Reference reference(program, data, {steps, 4e9}, flushed, entrants);
  bool is_affordable = true;
  for (const Done& done : all) {
    const Expected<Comparison> found = reference.compare_with(done);
    is_affordable = found.has_value();
    if (!is_affordable) break;
    if (found->difference.empty())
      tell(done, *found);
    else if (done.entrant->is_volute)
      return fault(done, "the reference", found->difference);
    else
      refuse(done, found->difference);
  }
  if (is_affordable) {
    verification.how = sentence("the reference");
    return verification;
  }
  equal.clear(), within.clear(), verification.unbounded = 0;

  // Everybody agrees with the first, or one of them is wrong: whoever is alone.
  std::optional<Entrant> called;
  if (witness &&
      std::all_of(all.begin(), all.end(), [](const Done& done) { return done.entrant->is_volute; }))
    called = witness();
  if (called) {
    double took = 0;
    Expected<Results> results = results_of(called->ways.front(), data, took);
    if (!results) return results.failure();
    all.push_back({&*called, 0, std::move(*results)});
  }
  const std::map<std::string, Bounded> first = as_wanted(program, data, all.front().results);
  std::vector<std::pair<const Done*, std::string>> others;
  bool has_witness = false; // another than Volute that computes the same
  for (size_t i = 1; i < all.size(); ++i) {
    const Comparison found = compare_all(program, first, all[i].results);
    if (!found.difference.empty()) {
      others.emplace_back(&all[i], found.difference);
      continue;
    }
    has_witness = has_witness || !all[i].entrant->is_volute;
    tell(all[i], found);
  }
  for (const auto& [done, difference] : others) {
    if (done->entrant->is_volute || !has_witness)
      return fault(*done, all.front().entrant->name,
                   difference + " (the reference evaluation takes too long to tell who is right)");
    refuse(*done, difference);
  }
  verification.how = sentence(all.front().entrant->name);
  if (!verification.how.empty()) verification.how += " (the reference evaluation takes too long)";
  return verification;
}

Expected<Verification>
verify_on_made_up(const ir::Program& program, Data& data,
                  const std::function<Expected<std::vector<Entrant>>()>& enter,
                  std::vector<Entrant>& entrants, double steps,
                  std::vector<std::vector<double>>& seconds, bool flushed, const Witness& witness) {
  const auto on_what_is_there = [&]() -> Expected<Verification> {
    Expected<std::vector<Entrant>> entered = enter();
    if (!entered) return entered.failure();
    entrants = std::move(*entered);
    return verify(program, data, entrants, steps, seconds, flushed, witness);
  };
  for (size_t i = 0; i < data.inputs.size(); ++i)
    runtime::make_up(data.inputs[i], program, program.inputs[i], {runtime::Fill::Kind::random, 0},
                     i);
  Expected<Verification> on_whole = on_what_is_there();
  if (!on_whole || on_whole->unbounded == 0) return on_whole;
  make_up(program, data.inputs);
  Expected<Verification> found = on_what_is_there();
  if (found && !found->how.empty()) found->how += " (whole numbers overflow)";
  return found;
}

} // namespace volute::bench
