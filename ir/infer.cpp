#include "ir/infer.h"

#include "ir/enumerations.h"
#include "ir/infer_rules.h"

#include <algorithm>
#include <cmath>

namespace volute::ir {
namespace {

template <class... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
template <class... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>; // Clang before 17 does not find it

// ---- the call as such -------------------------------------------------------------------------

std::string count_text(size_t least, size_t most, std::string_view noun) {
  const std::string count =
      least == most ? fmt::format("{}", most) : fmt::format("{} or {}", least, most);
  return fmt::format("{} {}{}", count, noun, most == 1 ? "" : "s");
}

void check_operand_count(const Call& call) {
  const OperatorRow& row = call.row;
  const size_t least = row.required, most = row.operands.size();
  if (call.operands.size() >= least && call.operands.size() <= most) return;
  std::string names;
  for (const std::string_view operand : row.operands)
    names += fmt::format("{}{}", names.empty() ? "" : ", ", operand);
  const std::string message =
      fmt::format("takes {}{}, not {}", count_text(least, most, "operand"),
                  names.empty() ? "" : " (" + names + ")", call.operands.size());
  if (call.operands.size() > most)
    call.refuse.at_operand(most, message);
  else
    call.refuse.at_operator(message);
}

void check_results(const Call& call) {
  const size_t most = static_cast<size_t>(call.row.results);
  if (call.results < 1 || call.results > most) {
    call.refuse.at_operator(
        fmt::format("gives {}, not {}", count_text(1, most, "result"), call.results));
  } else if (call.written.empty() && call.row.typed) {
    call.refuse.at_operator("needs its result's type written after it",
                            "as in ': f32[n=1, c=3, h=8, w=8]'");
  } else if (!call.written.empty() && call.written.size() != call.results) {
    call.refuse.at_type(std::min(call.written.size(), call.results),
                        fmt::format("gives {} here, but {} written",
                                    count_text(call.results, call.results, "result"),
                                    call.written.size() == 1
                                        ? std::string("1 type is")
                                        : fmt::format("{} types are", call.written.size())));
  }
}

void check_types(const Call& call) {
  for (size_t i = 0; i < call.operands.size(); ++i)
    if (const auto fault = fault_of(call.operands[i])) call.refuse.at_operand(i, to_string(*fault));
  for (size_t i = 0; i < call.written.size(); ++i)
    if (const auto fault = fault_of(call.written[i])) call.refuse.at_type(i, to_string(*fault));
}

// ---- attributes by themselves -----------------------------------------------------------------

/// Checks one attribute's numbers against its row: how many, how small, how large.
class AttributeCheck {
public:
  AttributeCheck(const Call& call, const AttributeRow& row)
      : call_(call), row_(row),
        axes_(call.operands.empty() ? std::vector<Axis>() : call.x().spatial_axes()) {}

  void operator()(int64_t* value) { within(*value, ""); }
  void operator()(std::optional<int64_t>* value) {
    if (*value) within(**value, "");
  }
  void operator()(double* value) { real(*value); }
  void operator()(std::optional<double>* value) {
    if (*value) real(**value);
  }
  void operator()(bool*) {}
  void operator()(const Choice&) {}
  void operator()(const EachAxis& field) {
    if (!counted(field.values->size())) return;
    for (size_t i = 0; i < axes_.size(); ++i) within((*field.values)[i], along(i, *field.values));
  }
  void operator()(Padding* pad) {
    if (pad->rule != Padding::Rule::numbers || !counted(pad->sides.size(), flat_sides(*pad)))
      return;
    for (size_t i = 0; i < axes_.size(); ++i) {
      within(pad->sides[i].first, along(i, pad->sides));
      within(pad->sides[i].second, along(i, pad->sides));
    }
  }
  void operator()(const ChannelIntegers& field) {
    for (const int64_t value : *field.values)
      if (!within(value, "")) return;
  }
  void operator()(const ChannelReals& field) {
    for (const double value : *field.values)
      if (!real(value)) return;
  }

private:
  // Names the axis where the values differ from axis to axis.
  template <class Values>
  std::string along(size_t i, const Values& values) const {
    const bool uniform = std::all_of(values.begin(), values.end(),
                                     [&](const auto& value) { return value == values.front(); });
    return uniform ? "" : fmt::format(" along {}", to_char(axes_[i]));
  }

  /// Sides that other languages list one after the other, in pairs: ONNX all begins and then all
  /// ends, PyTorch's pad the last axis first.
  std::string flat_sides(const Padding& pad) const {
    const size_t rank = axes_.size();
    if (rank == 0 || pad.sides.size() != 2 * rank) return "";
    std::string onnx, torch;
    for (size_t i = 0; i < rank; ++i) {
      const auto side = [&](size_t at) { return pad.sides[at].first; };
      const size_t last = 2 * (rank - 1 - i);
      onnx += fmt::format("{}({}, {})", i ? ", " : "", side(i), side(rank + i));
      torch += fmt::format("{}({}, {})", i ? ", " : "", side(last), side(last + 1));
    }
    const bool is_pad = row_of(call_.operation).name == "pad";
    if (!is_pad || onnx == torch) return fmt::format("write [{}]", onnx);
    return fmt::format("in ONNX's order that is [{}], in PyTorch's [{}]", onnx, torch);
  }

  bool counted(size_t count, std::string hint = "") {
    if (count == axes_.size()) return true;
    const size_t rank = axes_.size();
    call_.refuse.at_attribute(
        row_.name,
        fmt::format("{} has {}, but the input has {}, {}", row_.name,
                    count == 1 ? "1 entry" : fmt::format("{} entries", count),
                    rank == 1 ? "1 spatial axis" : fmt::format("{} spatial axes", rank),
                    axes_text(axes_)),
        std::move(hint));
    return false;
  }

  bool within(int64_t value, const std::string& where) {
    const int64_t nearest_value = std::clamp(value, row_.least, largest_attribute);
    if (nearest_value == value) return true;
    const bool above = value > nearest_value;
    // The end of the range is no way out where the shapes allow one value or few.
    const bool shapes_decide = above || row_.name == "groups" || row_.name == "output_size";
    call_.refuse.at_attribute(row_.name,
                              fmt::format("{} = {}{} is {} {}{}", row_.name, value, where,
                                          above ? "above" : "below", nearest_value,
                                          above ? ", the largest attribute" : ""),
                              shapes_decide ? "" : nearest(nearest_value));
    return false;
  }

  bool real(double value) {
    const bool taken = std::isnan(value)   ? row_.reals == Reals::any
                       : std::isinf(value) ? row_.reals != Reals::finite
                                           : true;
    if (!taken)
      call_.refuse.at_attribute(
          row_.name, fmt::format("{} = {} must be {}", row_.name, value,
                                 row_.reals == Reals::infinite ? "a number" : "a finite number"));
    return taken;
  }

  const Call& call_;
  const AttributeRow& row_;
  std::vector<Axis> axes_;
};

bool is_spatial_field(const Field& field) {
  return std::holds_alternative<EachAxis>(field) || std::holds_alternative<Padding*>(field);
}

void check_attributes(const Call& call) {
  Operation copy = call.operation;
  for (const AttributeRow& attribute : call.row.attributes)
    if (is_spatial_field(attribute.field(copy)) && !require_activation(call)) return;
  for (const AttributeRow& attribute : call.row.attributes) {
    const Field field = attribute.field(copy);
    if (!is_empty(field))
      std::visit(AttributeCheck(call, attribute), field);
    else if (attribute.fallback.empty())
      call.refuse.at_operator(fmt::format("{} must be given", attribute.name));
  }
}

// ---- from shapes to types ---------------------------------------------------------------------

/// The shape in the memory order of `like`, whose inner extents it keeps.
TensorType laid_out(const Shape& shape, const TensorType& like, const Call& call) {
  TensorType type{shape.element, like.extents};
  for (const Axis axis : like.axes()) {
    if (shape[axis] == like.size(axis)) continue;
    Extent* outermost = nullptr;
    int64_t inner = 1;
    for (Extent& extent : type.extents) {
      if (extent.axis != axis) continue;
      if (outermost)
        inner *= extent.size;
      else
        outermost = &extent;
    }
    if (shape[axis] % inner != 0)
      call.refuse.at_operator(
          fmt::format("the result's {} = {} is no multiple of the input's inner extent {}",
                      to_char(axis), shape[axis], inner),
          "write the result's type");
    outermost->size = shape[axis] / inner;
  }
  return type;
}

void check_written(const Shape& shape, size_t i, const Call& call) {
  const TensorType& written = call.written[i];
  const TensorType& like = call.x();
  if (written.element != shape.element)
    call.refuse.at_type(i, fmt::format("the written type has {} elements, but the result has {}",
                                       to_string(written.element), to_string(shape.element)));
  for (const Axis axis : like.axes())
    if (!written.has(axis))
      call.refuse.at_type(i, fmt::format("the written type lacks the result's axis {} = {}",
                                         to_char(axis), shape[axis]));
    else if (written.size(axis) != shape[axis])
      call.refuse.at_type(i, fmt::format("the written type has {} = {}, but the result has {}",
                                         to_char(axis), written.size(axis), shape[axis]));
  for (const Axis axis : written.axes())
    if (!like.has(axis))
      call.refuse.at_type(
          i, fmt::format("the written type has an axis {} that the result lacks", to_char(axis)));
}

std::vector<TensorType> types_of(const Shapes& shapes, const Call& call) {
  std::vector<TensorType> types;
  for (size_t i = 0; i < shapes.size(); ++i) {
    if (!call.written.empty()) {
      check_written(shapes[i], i, call);
      types.push_back(call.written[i]);
      continue;
    }
    types.push_back(laid_out(shapes[i], call.x(), call));
    if (!call.refuse.none()) break;
    if (const auto fault = fault_of(types.back()))
      call.refuse.at_operator(fmt::format("the result {}", fault->message));
  }
  return types;
}

std::vector<TensorType> infer_const(const Const& op, const Call& call) {
  const TensorType& type = call.written[0];
  if (!op.bytes)
    call.refuse.at_operator("has no data");
  else if (static_cast<int64_t>(op.bytes->size()) != type.bytes())
    call.refuse.at_type(0, fmt::format("{} takes {} bytes, but the data have {}", to_string(type),
                                       type.bytes(), op.bytes->size()));
  return {type};
}

Shapes shapes_of(const Call& call) {
  return std::visit(
      Overloaded{[](const Const&) { return Shapes(); },
                 [&](const Conv& op) { return infer_conv(op, call); },
                 [&](const ConvTranspose& op) { return infer_conv_transpose(op, call); },
                 [&](const Pool& op) { return infer_pool(op, call); },
                 [&](const GlobalPool& op) { return infer_global_pool(op, call); },
                 [&](const AdaptivePool& op) { return infer_adaptive_pool(op, call); },
                 [&](const MaxUnpool& op) { return infer_max_unpool(op, call); },
                 [&](const BatchNorm& op) { return infer_batch_norm(op, call); },
                 [&](const Binary& op) { return infer_binary(op, call); },
                 [&](const Unary& op) { return infer_unary(op, call); },
                 [&](const Prelu& op) { return infer_prelu(op, call); },
                 [&](const Convert& op) { return infer_convert(op, call); },
                 [&](const Reorder& op) { return infer_reorder(op, call); },
                 [&](const PadOp& op) { return infer_pad(op, call); },
                 [&](const Quantize& op) { return infer_quantize(op, call); }},
      call.operation);
}

} // namespace

std::optional<Diagnostic> fault_of(const TensorType& type) {
  constexpr size_t most_extents = 32;
  const auto fault = [](std::string message) { return Diagnostic{{}, "", std::move(message), ""}; };
  if (const auto unknown = fault_in_enumerations(type)) return fault("a type " + *unknown);
  if (type.extents.empty()) return fault("a type names at least one axis");
  if (type.extents.size() > most_extents)
    return fault(fmt::format("a type has at most {} extents", most_extents));
  Wide bytes = size_of(type.element);
  for (const Extent& extent : type.extents) {
    if (extent.size < (extent.axis == Axis::n ? 0 : 1))
      return fault(fmt::format("the extent {}={} is below {}", to_char(extent.axis), extent.size,
                               extent.axis == Axis::n ? 0 : 1));
    bytes *= std::max<int64_t>(extent.size, 1);
    if (bytes > largest_size)
      return fault(fmt::format("{} takes more than 2^62 bytes", to_string(type)));
  }
  return std::nullopt;
}

Location Places::attribute(std::string_view name) const {
  for (const auto& [written, where] : attributes)
    if (written == name) return where;
  return op;
}

Expected<std::vector<TensorType>> infer(const Operation& operation,
                                        std::span<const TensorType> operands, size_t results,
                                        std::span<const TensorType> written, const Places& places) {
  if (const auto fault = fault_in_enumerations(operation))
    return fail(Diagnostic{places.op, "", "a statement " + *fault, ""});
  const OperatorRow& row = row_of(operation);
  const Operation complete = normalise(operation, operands);
  Refusals refuse(row.name, places);
  const Call call{complete, row, operands, written, results, refuse};

  check_operand_count(call);
  check_results(call);
  check_types(call);
  if (!refuse.none()) return Failure{refuse.take()};
  check_attributes(call);
  if (!refuse.none()) return Failure{refuse.take()};

  std::vector<TensorType> types;
  if (const auto* data = std::get_if<Const>(&complete)) {
    types = infer_const(*data, call);
  } else {
    const Shapes shapes = shapes_of(call);
    if (refuse.none()) types = types_of(shapes, call);
  }
  if (!refuse.none()) return Failure{refuse.take()};
  return types;
}

} // namespace volute::ir
