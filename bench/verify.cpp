#include "bench/verify.h"

#include "bench/doubles.h"
#include "bench/error_bound.h"
#include "ir/denormals.h"
#include "ir/number.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <optional>

namespace volute::bench {
namespace {

using namespace ir;

/// A tolerance as it counts beside the reference's own rounding: the reference is in double, and
/// rounded once more when it is stored. Where nothing is rounded, 0 stays 0.
std::vector<double> beside_stored(const TensorData& reference, std::vector<double> tolerance) {
  if (!is_float(reference.type.element)) return tolerance;
  const bool is_double = reference.type.element == ElementType::f64;
  const std::vector<double> values = elements_of(reference);
  for (size_t i = 0; i < tolerance.size(); ++i) {
    if (tolerance[i] == 0 || !std::isfinite(values[i])) continue;
    // In f64 the reference rounds as often as a kernel does.
    tolerance[i] = is_double ? 2 * tolerance[i] : tolerance[i] + 0x1p-24 * std::abs(values[i]);
  }
  return tolerance;
}

bool has_narrow_floats(const Program& program) {
  for (const Value& value : program.values)
    if (value.type.element == ElementType::bf16 || value.type.element == ElementType::f16)
      return true;
  return false;
}

/// The same program returning everything that it computes.
Program with_every_value(const Program& program) {
  Program all = program;
  all.outputs.clear();
  for (const Statement& statement : program.statements)
    for (const ValueId id : statement.results) all.outputs.push_back(id);
  return all;
}

TensorData doubles(const TensorData& tensor) {
  return tensor_of(in_doubles(tensor.type), elements_of(tensor));
}

/// What a program is given: exact, but that a denormal number may be taken for 0.
Uncertain given(TensorData value, ElementType element, bool flushed) {
  if (!flushed || !may_be_denormal(element)) return {value, zeros(value.type)};
  const double least = least_normal(element);
  TensorData error = map(value, [=](double v) { return std::abs(v) < least ? std::abs(v) : 0.0; });
  return {std::move(value), std::move(error)};
}

std::string coordinates(const TensorType& type, int64_t offset) {
  std::string text;
  for (size_t i = type.extents.size(); i-- > 0;) {
    const Extent& extent = type.extents[i];
    text = fmt::format("{}={}{}{}", to_char(extent.axis), offset % extent.size,
                       text.empty() ? "" : ", ", text);
    offset /= extent.size;
  }
  return "[" + text + "]";
}

double element(const std::byte* data, ElementType type, int64_t at) {
  const std::byte* place = data + at * size_of(type);
  return is_float(type) ? read_real(place, type) : static_cast<double>(read_integer(place, type));
}

bool is_same(double got, double wanted) {
  return got == wanted || (std::isnan(got) && std::isnan(wanted));
}

bool is_finite(const TensorData& tensor) {
  if (!is_float(tensor.type.element)) return true;
  const std::vector<double> elements = elements_of(tensor);
  return std::all_of(elements.begin(), elements.end(), [](double x) { return std::isfinite(x); });
}

} // namespace

Expected<std::map<std::string, Bounded>>
bounded_reference(const Program& program, const std::map<std::string, const TensorData*>& inputs,
                  const EvaluationBudget& budget, bool flushed, const Algorithms& algorithms) {
  // Returning a narrow value is one more reader of it, which may round it: then the results are
  // evaluated apart. Otherwise one evaluation serves.
  const bool apart = has_narrow_floats(program);
  const Program all = with_every_value(program);
  Expected<std::map<std::string, TensorData>> every{std::map<std::string, TensorData>{}};
  if (!all.outputs.empty()) every = evaluate(all, inputs, budget); // else inputs are returned
  if (!every) return every.failure();
  std::map<std::string, TensorData> results;
  if (apart) {
    Expected<std::map<std::string, TensorData>> own = evaluate(program, inputs, budget);
    if (!own) return own.failure();
    results = std::move(*own);
  }

  std::vector<std::optional<Uncertain>> values(program.values.size());
  std::vector<bool> of_finite(program.values.size(), true);
  for (const ValueId id : program.inputs) {
    of_finite[static_cast<size_t>(id)] = is_finite(*inputs.at(program.name_of(id)));
    const TensorData value = doubles(*inputs.at(program.name_of(id)));
    values[static_cast<size_t>(id)] = given(value, program.type(id).element, flushed);
  }
  for (const Statement& statement : program.statements) {
    std::vector<const Uncertain*> operands;
    bool is_of_finite = true;
    for (const ValueId id : statement.operands) {
      operands.push_back(&*values[static_cast<size_t>(id)]);
      is_of_finite = is_of_finite && of_finite[static_cast<size_t>(id)];
    }
    for (const ValueId id : statement.results) of_finite[static_cast<size_t>(id)] = is_of_finite;
    std::vector<TensorData> made;
    for (const ValueId id : statement.results)
      made.push_back(doubles(every->at(program.name_of(id))));
    std::vector<const TensorData*> views;
    for (const TensorData& value : made) views.push_back(&value);
    if (std::holds_alternative<Const>(statement.operation)) {
      const ValueId id = statement.results.front();
      of_finite[static_cast<size_t>(id)] = is_finite(made.front());
      values[static_cast<size_t>(id)] =
          given(std::move(made.front()), program.type(id).element, flushed);
      continue;
    }
    const auto algorithm = algorithms.find(program.name_of(statement.results.front()));
    Expected<std::vector<TensorData>> errors =
        error_bounds(program, statement, operands, views, flushed,
                     algorithm == algorithms.end() ? nullptr : &algorithm->second);
    if (!errors) return errors.failure();
    for (size_t i = 0; i < made.size(); ++i)
      values[static_cast<size_t>(statement.results[i])] =
          Uncertain{std::move(made[i]), std::move((*errors)[i])};
  }

  std::map<std::string, Bounded> bounded;
  for (const ValueId id : program.outputs) {
    const std::string& name = program.name_of(id);
    Bounded one;
    if (apart)
      one.value = results.at(name);
    else if (const auto found = every->find(name); found != every->end())
      one.value = found->second;
    else
      one.value = *inputs.at(name);
    one.of_finite = of_finite[static_cast<size_t>(id)];
    one.tolerance = beside_stored(one.value, elements_of(values[static_cast<size_t>(id)]->error));
    bounded[name] = std::move(one);
  }
  return bounded;
}

Agreement compare(const std::string& name, const Bounded& wanted, const std::byte* got) {
  const TensorType& type = wanted.value.type;
  Agreement found;
  found.is_integer = is_integer(type.element);
  found.name = name;
  found.elements = type.elements();
  for (int64_t i = 0; i < found.elements; ++i) {
    const double reference = element(wanted.value.bytes.data(), type.element, i);
    const double value = element(got, type.element, i);
    const double tolerance = wanted.tolerance[static_cast<size_t>(i)];
    if (tolerance != 0) found.is_exact = false;
    // Integers of 64 bits may differ where their doubles do not.
    const bool differ =
        found.is_integer && tolerance == 0 &&
        read_integer(got + i * size_of(type.element), type.element) !=
            read_integer(wanted.value.bytes.data() + i * size_of(type.element), type.element);
    if (!differ && is_same(value, reference)) continue;
    if (!std::isfinite(tolerance)) {
      ++(std::isfinite(reference) || wanted.of_finite ? found.unbounded : found.not_finite);
      continue;
    }
    const double difference = std::abs(value - reference);
    if (!differ && difference <= tolerance) {
      found.largest_difference = std::max(found.largest_difference, difference);
      found.largest_share = std::max(found.largest_share, difference / tolerance);
      continue;
    }
    if (found.wrong++ > 0) continue;
    found.where = coordinates(type, i);
    found.got = value;
    found.wanted = reference;
    found.tolerance = tolerance;
  }
  return found;
}

std::string to_string(const Agreement& a) {
  const std::string rule =
      a.is_integer ? "a rounding before them may move integers by a step"
                   : fmt::format("rounding bound: (terms + 2) * 2^-24 * sum |products|, carried "
                                 "through every statement{}",
                                 a.from.empty() ? "" : " from there on");
  const std::string_view exact =
      a.is_integer ? "integers" : "exact: whole numbers, and no sum can exceed 2^24";
  const std::string since =
      a.from.empty() ? "" : fmt::format(" after the kernel's own %{}", fmt::join(a.from, ", %"));
  if (!a.agrees())
    return fmt::format("%{}: {} of {} elements differ from the reference{}, the first at {}: {} "
                       "instead of {}, tolerance {:.3g} ({})",
                       a.name, a.wrong, a.elements, since, a.where, a.got, a.wanted, a.tolerance,
                       a.is_exact ? exact : rule);
  std::string which = fmt::format("all {} elements", a.elements);
  if (const int64_t known = a.elements - a.unbounded - a.not_finite; known < a.elements)
    which = fmt::format("{} of {} elements", known, a.elements);
  if (a.not_finite > 0)
    which += fmt::format("; {} others are made of NaN or infinity, and a kernel may leave taps of "
                         "weight 0 out",
                         a.not_finite);
  if (!a.is_bounded())
    return fmt::format("%{}: {} of {} elements differ from the reference{} and have no finite "
                       "bound: a sum on the way to them may overflow",
                       a.name, a.unbounded, a.elements, since);
  if (a.is_exact)
    return fmt::format("%{}: equal to the reference{}, {} ({})", a.name, since, which, exact);
  return fmt::format("%{}: within the tolerance of the reference{}, {}: differences up to {:.3g}, "
                     "{:.2g} of what is allowed ({})",
                     a.name, since, which, a.largest_difference, a.largest_share, rule);
}

} // namespace volute::bench
