// Whether memory is what it is said to be: parameters, buffers, and the views that fit them.

#include "ir/verify_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace volute::ir {
namespace {

constexpr int64_t most_bytes = int64_t{1} << 62;
constexpr int64_t most_reached = int64_t{1}
                                 << 56; // elements: sums of a few, in bytes, do not overflow

void check_parameter(const Parameter& parameter, Findings& findings) {
  const ParameterRange& range = parameter.range;
  // Small enough that sums of a few products with it do not overflow.
  constexpr int64_t limit = int64_t{1} << 40;
  if (range.multiple < 1)
    return findings.add(
        fmt::format("parameter {}: a multiple of {}", parameter.name, range.multiple));
  if (range.least < 0 || range.most > limit || range.multiple > limit)
    return findings.add(
        fmt::format("parameter {}: {} is beyond 0 to 2^40", parameter.name, to_string(range)));
  if (ceil_div(range.least, range.multiple) * range.multiple > range.most)
    findings.add(
        fmt::format("parameter {}: there is nothing in {}", parameter.name, to_string(range)));
}

void check_buffer(const Buffer& buffer, const std::vector<Parameter>& parameters,
                  Findings& findings) {
  const auto bad = [&](const std::string& what) {
    findings.add(fmt::format("buffer {}: {}", buffer.name, what));
  };
  int64_t bytes = 0;
  if (buffer.elements < 0 ||
      __builtin_mul_overflow(buffer.elements, size_of(buffer.element), &bytes) ||
      bytes > most_bytes)
    return bad(fmt::format("{} elements of {} are not a size", buffer.elements,
                           to_string(buffer.element)));
  // Views say where the elements of a strided tensor are: gaps make it larger, a stride of 0
  // smaller, and only none is none.
  if (buffer.type && (buffer.type->elements() == 0) != (buffer.elements == 0))
    bad(fmt::format("{} elements, but its type {} has {}", buffer.elements, to_string(*buffer.type),
                    buffer.type->elements()));
  if (buffer.role == Buffer::Role::table &&
      (!buffer.data || static_cast<int64_t>(buffer.data->size()) != bytes))
    bad(fmt::format("a table of {} bytes with {} bytes of data", bytes,
                    buffer.data ? buffer.data->size() : 0));
  if (buffer.dims.empty()) return;
  if (buffer.role != Buffer::Role::input && buffer.role != Buffer::Role::output &&
      buffer.role != Buffer::Role::intermediate)
    return bad(fmt::format("its size is a parameter, and it is {}", to_string(buffer.role)));
  for (const Dim& dim : buffer.dims) {
    const auto extent = span_of(dim.extent, parameters), stride = span_of(dim.stride, parameters);
    if (!extent || !stride) return bad("its shape depends on more than the program's parameters");
    if (extent->least < 1 || stride->least < 0)
      return bad("an extent of its shape may be 0, or a stride negative");
  }
  const std::optional<int64_t> most = most_elements(buffer.dims, parameters);
  if (most != buffer.elements)
    bad(fmt::format("{} elements, but its shape has up to {}", buffer.elements,
                    most ? fmt::format("{}", *most) : "2^62 and more"));
}

// First and last element that a view of constant shape reaches.
struct Reach {
  __int128 first = 0, last = 0;
};
Reach reach_of(const View& view) {
  Reach reach;
  for (const Dim& dim : view.dims) {
    const __int128 span = static_cast<__int128>(dim.extent.number() - 1) * dim.stride.number();
    (span < 0 ? reach.first : reach.last) += span;
  }
  return reach;
}

// Whether extents and strides have values here, and extents are at least 1.
bool check_dims(const View& view, const Scope& scope, Findings& findings) {
  for (size_t i = 0; i < view.dims.size(); ++i) {
    const Dim& dim = view.dims[i];
    const std::string where = fmt::format("view {}", view.name);
    if (!check_affine(dim.extent, scope, where, findings) ||
        !check_affine(dim.stride, scope, where, findings))
      return false;
    const auto least = scope.bounds.minimum(dim.extent);
    if (least && *least >= 1) continue;
    findings.add(dim.extent.is_constant()
                     ? fmt::format("view {}: dimension {} has extent {}; extents are at least 1",
                                   view.name, i, dim.extent.number())
                     : fmt::format("view {}: dimension {} has extent {}, which may be less than 1",
                                   view.name, i, to_string(dim.extent, scope.vars)));
    return false;
  }
  return true;
}

bool is_constant(const std::vector<Dim>& dims) {
  return std::all_of(dims.begin(), dims.end(), [](const Dim& dim) {
    return dim.extent.is_constant() && dim.stride.is_constant();
  });
}

// The last element of a shape whose strides do not go backwards: `known`, and the products of
// (extent - 1) and stride that are two parameters.
struct LastElement {
  Affine known;
  std::vector<Dim> products;
};
LastElement last_element(const std::vector<Dim>& dims, const Scope& scope) {
  LastElement last;
  for (const auto& [extent, stride] : dims) {
    const Affine& factor = extent.is_constant() ? stride : extent;
    const Affine& number = extent.is_constant() ? extent : stride;
    const auto most = scope.bounds.maximum(factor);
    if (!number.is_constant() || !most ||
        *most > most_reached / std::max<int64_t>(number.number(), 1))
      last.products.push_back({extent, stride});
    else
      last.known +=
          extent.is_constant() ? stride * (extent.number() - 1) : (extent - 1) * stride.number();
  }
  return last;
}

// A buffer's shape in the variables of a nest or step; nothing when one of the parameters in it is
// not declared there.
std::optional<std::vector<Dim>> in_scope(const std::vector<Dim>& dims, const Scope& scope) {
  bool is_known = true;
  const auto renamed = [&](const Affine& affine) {
    Affine result = affine.constant_term();
    for (const Affine::Term& term : affine.terms()) {
      const auto id = static_cast<size_t>(term.var.id);
      if (term.var.id < 0 || id >= scope.parameters.size()) return is_known = false, result;
      const std::string& name = scope.parameters[id].name;
      const auto var = std::find_if(scope.visible.begin(), scope.visible.end(), [&](Var v) {
        return scope.vars[static_cast<size_t>(v.id)] == name;
      });
      is_known &= var != scope.visible.end();
      if (is_known) result += Affine(*var) * term.coefficient;
    }
    return result;
  };
  std::vector<Dim> result;
  for (const Dim& dim : dims) result.push_back({renamed(dim.extent), renamed(dim.stride)});
  if (!is_known) return std::nullopt;
  return result;
}

// The least (most) that the products come to; nothing when that is not known.
std::optional<int64_t> bound_of(const std::vector<Dim>& products, bool least, const Scope& scope) {
  __int128 sum = 0;
  for (const auto& [extent, stride] : products) {
    const auto count = least ? scope.bounds.minimum(extent) : scope.bounds.maximum(extent);
    const auto step = least ? scope.bounds.minimum(stride) : scope.bounds.maximum(stride);
    if (!count || !step) return std::nullopt;
    sum += static_cast<__int128>(*count - 1) * *step;
  }
  if (sum > most_reached) return std::nullopt;
  return static_cast<int64_t>(sum);
}

// A view or a buffer whose shape parameters have a say in.
void check_reach(const View& view, const Buffer& buffer, const Scope& scope, Findings& findings) {
  const auto bad = [&](const std::string& what) {
    findings.add(fmt::format("view {}: {}", view.name, what));
  };
  for (size_t i = 0; i < view.dims.size(); ++i)
    if (const auto least = scope.bounds.minimum(view.dims[i].stride); !least || *least < 0)
      return bad(fmt::format("dimension {} has stride {}, which may be negative", i,
                             to_string(view.dims[i].stride, scope.vars)));
  LastElement held{buffer.elements - 1, {}};
  if (!buffer.dims.empty()) {
    const auto shape = in_scope(buffer.dims, scope);
    if (!shape)
      return bad(fmt::format("the size of buffer {} depends on a parameter that is not declared",
                             buffer.name));
    held = last_element(*shape, scope);
  }
  LastElement reached = last_element(view.dims, scope);
  // What is the same on both sides is no difference.
  std::erase_if(reached.products, [&](const Dim& product) {
    const auto same = std::find(held.products.begin(), held.products.end(), product);
    if (same == held.products.end()) return false;
    held.products.erase(same);
    return true;
  });
  const auto more = bound_of(held.products, true, scope);
  const auto taken = bound_of(reached.products, false, scope);
  const int64_t from = size_of(buffer.element), to = size_of(view.element);
  if (more && taken) {
    const Affine left =
        (held.known + *more + 1) * from - (reached.known + *taken + 1) * to; // bytes
    if (const auto least = scope.bounds.minimum(left); least && *least >= 0) return;
  }
  const auto text = [&](const LastElement& last) {
    std::string sum = to_string(last.known + 1, scope.vars);
    for (const auto& [extent, stride] : last.products)
      sum += fmt::format(" + ({})*({})", to_string(extent - 1, scope.vars),
                         to_string(stride, scope.vars));
    return sum;
  };
  bad(fmt::format("elements 0..{} of buffer {}, which may hold {}", text(reached), buffer.name,
                  text(held)));
}

} // namespace

void check_memory(const std::vector<Buffer>& buffers, const std::vector<Parameter>& parameters,
                  Findings& findings) {
  std::set<std::string> names;
  for (const Parameter& parameter : parameters) {
    check_parameter(parameter, findings);
    if (!names.insert(parameter.name).second)
      findings.add(fmt::format("parameter {} is there twice", parameter.name));
  }
  for (const Buffer& buffer : buffers) check_buffer(buffer, parameters, findings);
}

void check_views(const Scope& scope, Findings& findings) {
  for (const View& view : scope.views) {
    if (view.buffer < 0 || static_cast<size_t>(view.buffer) >= scope.buffers.size()) {
      findings.add(fmt::format("view {}: buffer {} of {} does not exist", view.name, view.buffer,
                               scope.buffers.size()));
      continue;
    }
    if (!check_dims(view, scope, findings)) continue;
    const Buffer& buffer = scope.buffers[static_cast<size_t>(view.buffer)];
    if (!buffer.dims.empty() || !is_constant(view.dims)) {
      check_reach(view, buffer, scope, findings);
      continue;
    }
    const Reach reach = reach_of(view);
    const __int128 held =
        static_cast<__int128>(buffer.elements) * size_of(buffer.element) / size_of(view.element);
    if (reach.first < 0 || reach.last >= held)
      findings.add(fmt::format("view {}: elements {}..{} of buffer {}, which holds {}", view.name,
                               static_cast<int64_t>(reach.first),
                               static_cast<int64_t>(reach.last + 1), buffer.name,
                               static_cast<int64_t>(held)));
  }
}

} // namespace volute::ir
