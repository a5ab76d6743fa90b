#include "ir/verify_rules.h"

#include <fmt/format.h>

#include <algorithm>

namespace volute::ir {

void Findings::add(std::string message, std::string hint) {
  if (!seen_.insert(message).second) return;
  diagnostics_.push_back({{}, subject_, std::move(message), std::move(hint)});
}

// ---- variables --------------------------------------------------------------------------------

void declare_parameters(const std::vector<ParameterVar>& parameters, Scope& scope,
                        Findings& findings) {
  for (const auto& [var, range] : parameters) {
    if (var.id < 0 || static_cast<size_t>(var.id) >= scope.vars.size()) {
      findings.add(
          fmt::format("parameter: variable {} of {} does not exist", var.id, scope.vars.size()));
      continue;
    }
    const std::string& name = scope.vars[static_cast<size_t>(var.id)];
    const auto of_program = std::find_if(scope.parameters.begin(), scope.parameters.end(),
                                         [&](const Parameter& p) { return p.name == name; });
    if (of_program == scope.parameters.end())
      findings.add(fmt::format("parameter {} is not one of the program's", name));
    else if (of_program->range != range)
      findings.add(fmt::format("parameter {} is {}, and to the program {}", name, to_string(range),
                               to_string(of_program->range)));
    if (!scope.visible.insert(var).second) {
      findings.add(fmt::format("parameter {} is declared twice", name));
      continue;
    }
    scope.bounds.declare(var, range);
  }
}

bool check_variable(Var var, const Scope& scope, const std::string& where, Findings& findings) {
  if (var.id < 0 || static_cast<size_t>(var.id) >= scope.vars.size()) {
    findings.add(
        fmt::format("{}: variable {} of {} does not exist", where, var.id, scope.vars.size()));
    return false;
  }
  if (scope.visible.count(var)) return true;
  findings.add(
      fmt::format("{}: {} has no value here", where, scope.vars[static_cast<size_t>(var.id)]));
  return false;
}

bool check_affine(const Affine& affine, const Scope& scope, const std::string& where,
                  Findings& findings) {
  // Small enough that sums and differences of a few of them do not overflow.
  constexpr int64_t limit = int64_t{1} << 61;
  const auto is_large = [](int64_t v) { return v <= -limit || v >= limit; };
  int64_t large = is_large(affine.constant_term()) ? affine.constant_term() : 0;
  for (const Affine::Term& term : affine.terms())
    if (is_large(term.coefficient)) large = term.coefficient;
  if (large != 0) {
    findings.add(fmt::format("{}: the number {} is too large for an index", where, large));
    return false;
  }
  return std::all_of(affine.terms().begin(), affine.terms().end(), [&](const Affine::Term& term) {
    return check_variable(term.var, scope, where, findings);
  });
}

// ---- accesses ---------------------------------------------------------------------------------

namespace {

// `x[n, i, h + kh - 1, table1[w]]`, for messages.
std::string text_of(const View& view, const Index& index, const Scope& scope) {
  const auto table_count = static_cast<int32_t>(scope.tables.size());
  std::vector<std::string> tables;
  for (const Subscript& subscript : index)
    for (int32_t t = static_cast<int32_t>(tables.size()); t <= subscript.table && t < table_count;
         ++t)
      tables.push_back(fmt::format("table{}", t));
  const bool printable = std::all_of(index.begin(), index.end(), [&](const Subscript& subscript) {
    return subscript.table < table_count;
  });
  return printable ? view.name + to_string(index, scope.vars, tables) : view.name;
}

// The smallest and largest entry that a subscript can pick from its table; nothing, with a finding,
// when it can miss the table.
struct Entries {
  int64_t least, largest;
};
std::optional<Entries> entries_of(const View& view, const Index& index, size_t i,
                                  const Scope& scope, Findings& findings) {
  const Subscript& subscript = index[i];
  const auto where = [&] { return text_of(view, index, scope); };
  if (static_cast<size_t>(subscript.table) >= scope.tables.size()) {
    findings.add(fmt::format("{}: table {} of {} does not exist", where(), subscript.table,
                             scope.tables.size()));
    return std::nullopt;
  }
  const std::vector<int64_t>& table = scope.tables[static_cast<size_t>(subscript.table)];
  const auto size = static_cast<int64_t>(table.size());
  if (!scope.bounds.is_inside(subscript.at, 0, size)) {
    findings.add(fmt::format("{}: entry {} of table{} lies in {}, outside its {} entries", where(),
                             to_string(subscript.at, scope.vars), subscript.table,
                             scope.bounds.interval(subscript.at), size));
    return std::nullopt;
  }
  const int64_t first = *scope.bounds.minimum(subscript.at);
  const int64_t last = std::min(scope.bounds.maximum(subscript.at).value_or(size - 1), size - 1);
  if (first > last) return std::nullopt; // in a loop that never runs
  const auto [least, largest] =
      std::minmax_element(table.begin() + first, table.begin() + last + 1);
  // Far outside every view, and small enough for sums.
  constexpr int64_t limit = int64_t{1} << 61;
  return Entries{std::clamp(*least, -limit, limit), std::clamp(*largest, -limit, limit)};
}

// One subscript, moved by `shift` for the lane it stands for.
void check_subscript(const View& view, const Index& index, size_t i, int64_t shift,
                     const Scope& scope, Findings& findings) {
  const Subscript& subscript = index[i];
  const auto where = [&] { return text_of(view, index, scope); };
  const Affine& extent = view.dims[i].extent;
  const auto extent_text = [&] { return to_string(extent, scope.vars); };
  if (subscript.table >= 0) {
    const auto entries = entries_of(view, index, i, scope, findings);
    if (entries && (entries->least + shift < 0 ||
                    !scope.bounds.is_inside(entries->largest + shift, 0, extent)))
      findings.add(fmt::format("{}: table{} gives {}..{}, outside 0..{} of dimension {}", where(),
                               subscript.table, entries->least + shift,
                               entries->largest + shift + 1, extent_text(), i));
    return;
  }
  const Affine at = subscript.at + shift;
  if (!scope.bounds.is_inside(at, 0, extent))
    findings.add(fmt::format("{}: {} lies in {}, outside 0..{} of dimension {}", where(),
                             to_string(at, scope.vars), scope.bounds.interval(at), extent_text(),
                             i));
}

const View* view_at(int32_t id, const Scope& scope, Findings& findings) {
  if (id >= 0 && static_cast<size_t>(id) < scope.views.size())
    return &scope.views[static_cast<size_t>(id)];
  findings.add(fmt::format("view {} of {} does not exist", id, scope.views.size()));
  return nullptr;
}

} // namespace

void check_access(int32_t view_id, const Index& index, const Lanes& lanes, ElementType element,
                  const Scope& scope, Findings& findings) {
  const View* view = view_at(view_id, scope, findings);
  if (!view) return;
  const std::string& name = view->name;
  if (view->element != element)
    findings.add(fmt::format("{}: its elements are {}, not {}", name, to_string(view->element),
                             to_string(element)));
  if (index.size() != view->dims.size())
    return findings.add(
        fmt::format("{}: {} subscripts for {} dimensions", name, index.size(), view->dims.size()));
  if (lanes.dim < -1 || lanes.dim >= static_cast<int32_t>(index.size()))
    return findings.add(
        fmt::format("{}: lanes along dimension {} of {}", name, lanes.dim, index.size()));
  if (lanes.dim < 0 && lanes.first + lanes.count > 1)
    return findings.add(
        fmt::format("{}: {} lanes along no dimension", name, lanes.first + lanes.count));
  if (lanes.count == 0) return;

  int64_t first_shift = 0, last_shift = 0;
  if (__builtin_mul_overflow(lanes.first, lanes.step, &first_shift) ||
      __builtin_mul_overflow(lanes.first + lanes.count - 1, lanes.step, &last_shift) ||
      std::max(std::abs(first_shift), std::abs(last_shift)) > int64_t{1} << 60)
    return findings.add(fmt::format("{}: lanes {} apart", name, lanes.step));
  for (size_t i = 0; i < index.size(); ++i) {
    if (!check_affine(index[i].at, scope, name, findings)) return;
  }
  for (size_t i = 0; i < index.size(); ++i) {
    const bool along = static_cast<int32_t>(i) == lanes.dim;
    check_subscript(*view, index, i, along ? first_shift : 0, scope, findings);
    if (along && last_shift != first_shift)
      check_subscript(*view, index, i, last_shift, scope, findings);
  }
}

void check_writable(int32_t view_id, const Scope& scope, Findings& findings) {
  if (view_id < 0 || static_cast<size_t>(view_id) >= scope.views.size()) return;
  const View& view = scope.views[static_cast<size_t>(view_id)];
  if (view.buffer < 0 || static_cast<size_t>(view.buffer) >= scope.buffers.size()) return;
  const Buffer& buffer = scope.buffers[static_cast<size_t>(view.buffer)];
  if (buffer.role == Buffer::Role::input || buffer.role == Buffer::Role::table)
    findings.add(fmt::format("{}: writes buffer {}, which is read only ({})", view.name,
                             buffer.name, to_string(buffer.role)));
}

} // namespace volute::ir
