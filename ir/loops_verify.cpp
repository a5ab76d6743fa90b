#include "ir/loops.h"
#include "ir/loops_registers.h"
#include "ir/verify_rules.h"
#include "ir/walk.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace volute::ir {
namespace {

// Registers of one array; a machine has 32, and a transposed tile is the largest thing kept in
// them.
constexpr int64_t max_registers = 4096;

constexpr int64_t scratch_unit = 64; // bytes: a cache line, the largest vector

class StepVerifier {
public:
  StepVerifier(const Step& step, const LoopProgram& program, Findings& findings)
      : step_(step), program_(program),
        findings_(findings), scope_{step.vars,          step.views, step.tables, program.buffers,
                                    program.parameters, {},         {}} {}

  void verify() {
    declare_parameters(step_.parameters, scope_, findings_);
    check_views(scope_, findings_);
    check_items();
    for (const RegisterArray& array : step_.arrays) check_array(array);
    check_tiles();
    check_scratch();
    if (!step_.body) return findings_.add("has no body");
    if (!findings_.empty()) return; // statements mean little over things that are wrong
    check(step_.body);
    if (findings_.empty()) check_registers_set(step_, scope_, findings_);
  }

private:
  // Scratch buffers of one step lie in its scratch memory, each on cache lines of its own.
  void check_scratch() {
    if (step_.scratch_bytes < 0)
      return findings_.add(fmt::format("{} bytes of scratch", step_.scratch_bytes));
    std::map<int64_t, const Buffer*> by_offset;
    std::set<int32_t> seen;
    for (const View& view : step_.views) {
      if (view.buffer < 0 || static_cast<size_t>(view.buffer) >= program_.buffers.size()) continue;
      const Buffer& buffer = program_.buffers[static_cast<size_t>(view.buffer)];
      if (buffer.role != Buffer::Role::scratch || !seen.insert(view.buffer).second) continue;
      const int64_t begin = buffer.scratch_offset;
      const int64_t bytes = buffer.elements * size_of(buffer.element); // check_buffers: fits
      if (begin < 0 || begin % scratch_unit != 0)
        findings_.add(fmt::format("scratch {}: offset {} is not a multiple of {}", buffer.name,
                                  begin, scratch_unit));
      else if (bytes > step_.scratch_bytes || begin > step_.scratch_bytes - bytes)
        findings_.add(fmt::format("scratch {}: {} bytes at {} do not fit in {}", buffer.name, bytes,
                                  begin, step_.scratch_bytes));
      else if (bytes > 0 && !by_offset.emplace(begin, &buffer).second)
        findings_.add(overlap(buffer, *by_offset[begin]));
    }
    const Buffer* before = nullptr;
    for (const auto& [begin, buffer] : by_offset) {
      if (before && before->scratch_offset + before->elements * size_of(before->element) > begin)
        findings_.add(overlap(*buffer, *before));
      before = buffer;
    }
  }

  static std::string overlap(const Buffer& a, const Buffer& b) {
    return fmt::format("scratch {} at {} overlaps {} at {}", a.name, a.scratch_offset, b.name,
                       b.scratch_offset);
  }

  void check_items() {
    int64_t work = 1;
    const Scope parameters = scope_;
    for (const ItemLoop& item : step_.items) {
      if (!introduce(item.var)) continue;
      if (!check_affine(item.count, parameters, "items", findings_)) continue;
      const auto least = parameters.bounds.minimum(item.count);
      const auto most = parameters.bounds.maximum(item.count);
      if (!least || *least < 1)
        findings_.add(
            item.count.is_constant()
                ? fmt::format("items: {} has {} of them", name(item.var), item.count.number())
                : fmt::format("items: {} has {} of them, which may be less than 1", name(item.var),
                              to_string(item.count, step_.vars)));
      if (!most || __builtin_mul_overflow(work, std::max<int64_t>(*most, 1), &work)) {
        findings_.add("items: more than 2^63 of them");
        work = 1;
      }
      scope_.bounds.enter(item.var, {{{0, 1}}, {{item.count, 1}}});
    }
  }

  void check_array(const RegisterArray& array) {
    const auto bad = [&](const std::string& what) {
      findings_.add(fmt::format("registers {}: {}", array.name, what));
    };
    if (array.lanes < 1 || array.lanes > max_lanes)
      bad(fmt::format("{} lanes; a register has 1 to {}", array.lanes, max_lanes));
    int64_t count = 1;
    for (int64_t extent : array.shape) {
      if (extent < 1) return bad(fmt::format("extent {}; extents are at least 1", extent));
      count *= std::min(extent, max_registers + 1); // both factors are small
      if (count > max_registers) return bad(fmt::format("more than {} of them", max_registers));
    }
  }

  // A matrix unit has few registers, and a step's are its own from begin to end.
  void check_tiles() {
    int64_t tiles = 0;
    for (const RegisterArray& array : step_.arrays) {
      if (array.rows == 0) continue;
      tiles += std::min(array.count(), most_tiles + 1);
      if (array.rows < 1 || array.rows > most_tile_rows)
        findings_.add(fmt::format("registers {}: {} rows; a tile has 1 to {}", array.name,
                                  array.rows, most_tile_rows));
      if (array.lanes * size_of(array.type) > most_tile_row_bytes)
        findings_.add(fmt::format("registers {}: rows of {} bytes; a tile's have {} at most",
                                  array.name, array.lanes * size_of(array.type),
                                  most_tile_row_bytes));
    }
    if (tiles > most_tiles)
      findings_.add(fmt::format("has more than the {} tiles of a matrix unit", most_tiles));
  }

  // A loop's variable, which must be its own: an inner loop over the same one would hide it.
  bool introduce(Var var) {
    if (var.id < 0 || static_cast<size_t>(var.id) >= step_.vars.size()) {
      findings_.add(
          fmt::format("loop: variable {} of {} does not exist", var.id, step_.vars.size()));
      return false;
    }
    if (scope_.visible.insert(var).second) return true;
    findings_.add(fmt::format("loop: {} is the variable of a loop around this one", name(var)));
    return false;
  }

  const std::string& name(Var var) const { return step_.vars[static_cast<size_t>(var.id)]; }

  void check(const Stmt& s) {
    if (!s) return findings_.add("a statement is missing");
    std::visit([this](const auto& is) { check(is); }, s->is);
  }

  void check(const Block& block) {
    for (const Stmt& inner : block.stmts) check(inner);
  }

  void check(const Fence&) {}

  // The place may lie outside: nothing is read there.
  void check(const Prefetch& prefetch) {
    if (prefetch.view < 0 || static_cast<size_t>(prefetch.view) >= step_.views.size())
      return findings_.add(
          fmt::format("prefetch: view {} of {} does not exist", prefetch.view, step_.views.size()));
    check_affine(prefetch.offset, scope_, "prefetch", findings_);
  }

  bool check_range(const For& loop) {
    const std::string where = "loop " + name(loop.var);
    if (loop.range.lo.empty() || loop.range.hi.empty()) {
      findings_.add(fmt::format("{}: a bound is missing", where));
      return false;
    }
    for (const auto* side : {&loop.range.lo, &loop.range.hi}) {
      for (const Bound& bound : *side) {
        if (!check_affine(bound.numerator, scope_, where, findings_)) return false;
        if (bound.divisor < 1) {
          findings_.add(fmt::format("{}: a bound is divided by {}", where, bound.divisor));
          return false;
        }
        if (loop.kind != For::Kind::unrolled) continue;
        for (const Affine::Term& term : bound.numerator.terms())
          if (!unrolled_.count(term.var))
            findings_.add(
                fmt::format("{}: is unrolled, but its bounds depend on {}", where, name(term.var)));
      }
    }
    return true;
  }

  void check(const For& loop) {
    const auto mark = scope_.bounds.mark();
    if (loop.var.id >= 0 && static_cast<size_t>(loop.var.id) < step_.vars.size() &&
        !check_range(loop))
      return;
    if (!introduce(loop.var)) return;
    if (loop.kind == For::Kind::unrolled) unrolled_.insert(loop.var);
    scope_.bounds.enter(loop.var, loop.range);
    check(loop.body);
    scope_.bounds.forget(mark);
    scope_.visible.erase(loop.var);
    unrolled_.erase(loop.var);
  }

  void check(const When& when) {
    if (!check_affine(when.value, scope_, "when", findings_)) return;
    const auto mark = scope_.bounds.mark();
    scope_.bounds.assume_in(when.value, when.lo, when.hi);
    check(when.body);
    scope_.bounds.forget(mark);
  }

  const RegisterArray* array_at(int32_t id) {
    if (id >= 0 && static_cast<size_t>(id) < step_.arrays.size())
      return &step_.arrays[static_cast<size_t>(id)];
    findings_.add(fmt::format("register array {} of {} does not exist", id, step_.arrays.size()));
    return nullptr;
  }

  // `extra`: how many registers further the access reaches along dimension `axis`.
  void check_register_index(const RegisterArray& array, const std::vector<Affine>& index,
                            size_t axis = 0, int64_t extra = 0) {
    if (index.size() != array.shape.size())
      return findings_.add(fmt::format("{}: {} subscripts for {} dimensions", array.name,
                                       index.size(), array.shape.size()));
    for (size_t i = 0; i < index.size(); ++i) {
      if (!check_affine(index[i], scope_, array.name, findings_)) return;
      for (const Affine::Term& term : index[i].terms())
        if (!unrolled_.count(term.var))
          findings_.add(fmt::format("{}: is indexed by {}, whose loop is not unrolled", array.name,
                                    name(term.var)));
      const int64_t end = array.shape[i] - (i == axis ? extra : 0);
      if (!scope_.bounds.is_inside(index[i], 0, end))
        findings_.add(fmt::format("{}: {} lies in {}, outside 0..{} of dimension {}", array.name,
                                  to_string(index[i], step_.vars), scope_.bounds.interval(index[i]),
                                  end, i));
    }
  }

  void check_load(const ExprNode& node, const Load& load) {
    const int64_t end = int64_t{load.first} + load.count;
    if (load.first < 0 || load.count < 0 || end > node.lanes)
      return findings_.add(fmt::format("load: lanes {}..{} of {}", load.first, end, node.lanes));
    check_access(load.view, load.index, {load.lane_dim, load.lane_step, load.first, load.count},
                 node.type, scope_, findings_);
  }

  bool check_value(const Expr& value, const std::string& where) {
    if (!check_complete(value, where, findings_)) return false;
    visit(value, [&](const ExprNode& node) {
      check_operation(node, findings_);
      if (const auto* load = std::get_if<Load>(&node.is)) {
        check_load(node, *load);
      } else if (const auto* reg = std::get_if<Reg>(&node.is)) {
        if (const RegisterArray* array = array_at(reg->array)) {
          check_register_type(*array, node.type, node.lanes);
          check_register_index(*array, reg->index);
        }
      } else if (const auto* position = std::get_if<Position>(&node.is)) {
        check_affine(position->value, scope_, where, findings_);
      } else if (std::holds_alternative<Read>(node.is) || std::holds_alternative<Acc>(node.is)) {
        findings_.add(
            fmt::format("{}: operands and accumulators belong to the nest language", where));
      }
    });
    return true;
  }

  void check_register_type(const RegisterArray& array, ElementType type, int32_t lanes) {
    if (array.rows > 0)
      findings_.add(
          fmt::format("{}: its registers have rows, and are no part of values", array.name));
    else if (array.type != type || array.lanes != lanes)
      findings_.add(fmt::format("{}: its registers are {}, not {}", array.name,
                                value_type_text(array.type, array.lanes),
                                value_type_text(type, lanes)));
  }

  void check(const Set& set) {
    const RegisterArray* array = array_at(set.array);
    if (!array || !check_value(set.value, array->name)) return;
    check_register_type(*array, set.value->type, set.value->lanes);
    check_register_index(*array, set.index);
  }

  void check(const Store& store) {
    if (!check_value(store.value, "store")) return;
    if (store.count < 1 || store.count > store.value->lanes)
      return findings_.add(fmt::format("store: {} lanes of {}", store.count, store.value->lanes));
    check_access(store.view, store.index, {store.lane_dim, store.lane_step, 0, store.count},
                 store.value->type, scope_, findings_);
    check_writable(store.view, scope_, findings_);
    if (store.count > 1 && store.lane_step == 0)
      findings_.add("store: all lanes go to one element");
  }

  // The place is one element of the view; what lies behind it up to `extent` must be the buffer's.
  void check(const Scatter& scatter) {
    if (!check_value(scatter.offset, "scatter") || !check_value(scatter.value, "scatter")) return;
    if (scatter.offset->type != ElementType::i64 || scatter.offset->lanes != 1)
      findings_.add(fmt::format("scatter: the offset is {}, not i64",
                                value_type_text(scatter.offset->type, scatter.offset->lanes)));
    if (scatter.value->lanes != 1)
      findings_.add(fmt::format("scatter: the value has {} lanes, not 1", scatter.value->lanes));
    if (scatter.extent < 1)
      return findings_.add(
          fmt::format("scatter: extent {}; extents are at least 1", scatter.extent));
    const size_t before = findings_.diagnostics().size();
    check_access(scatter.view, scatter.index, {}, scatter.value->type, scope_, findings_);
    check_writable(scatter.view, scope_, findings_);
    if (findings_.diagnostics().size() == before) check_scatter_range(scatter);
  }

  void check_scatter_range(const Scatter& scatter) {
    const View& view = step_.views[static_cast<size_t>(scatter.view)];
    const Buffer& buffer = program_.buffers[static_cast<size_t>(view.buffer)];
    if (!buffer.dims.empty())
      return findings_.add(
          fmt::format("scatter: into buffer {}, whose size is a parameter", buffer.name));
    const int64_t held = buffer.elements * size_of(buffer.element) / size_of(view.element);
    __int128 first = 0, last = 0;
    for (size_t d = 0; d < scatter.index.size(); ++d) {
      const Subscript& subscript = scatter.index[d];
      const Dim& dim = view.dims[d];
      const auto least = scope_.bounds.minimum(subscript.at);
      const auto most = scope_.bounds.maximum(subscript.at);
      if (subscript.table >= 0 || !dim.stride.is_constant() || !least || !most)
        return findings_.add(
            fmt::format("scatter: {} along dimension {} has no constant limits", view.name, d));
      const __int128 stride = dim.stride.number();
      first += stride * (stride < 0 ? *most : *least);
      last += stride * (stride < 0 ? *least : *most);
    }
    if (first < 0 || last + scatter.extent > held)
      findings_.add(fmt::format("scatter: reaches elements {}..{} of buffer {}, which holds {}",
                                static_cast<int64_t>(first),
                                static_cast<int64_t>(last + scatter.extent), buffer.name, held));
  }

  void check(const Transpose& transpose) {
    const RegisterArray* to = array_at(transpose.to);
    const RegisterArray* from = array_at(transpose.from);
    if (!to || !from) return;
    const auto bad = [&](const std::string& what) {
      findings_.add(fmt::format("transpose {} to {}: {}", from->name, to->name, what));
    };
    if (to->type != from->type)
      bad(fmt::format("{} is not {}", to_string(from->type), to_string(to->type)));
    if (transpose.to == transpose.from) bad("needs two arrays");
    if (to->rows > 0 || from->rows > 0) bad("its registers have rows, which are not turned");
    if (to->shape.size() != 1 || to->shape[0] < from->lanes)
      bad(fmt::format("needs one dimension of {} registers", from->lanes));
    if (transpose.count < 1 || transpose.count > to->lanes)
      bad(fmt::format("{} registers become lanes 0..{} of {}", transpose.count, transpose.count,
                      to->lanes));
    if (transpose.from_axis < 0 || static_cast<size_t>(transpose.from_axis) >= from->shape.size())
      return bad(fmt::format("along dimension {} of {}", transpose.from_axis, from->shape.size()));
    check_register_index(*from, transpose.from_index, static_cast<size_t>(transpose.from_axis),
                         int64_t{transpose.count} - 1);
  }

  const RegisterArray* tile_at(const TileRegister& at) {
    const RegisterArray* array = array_at(at.array);
    if (!array) return nullptr;
    if (array->rows == 0) {
      findings_.add(fmt::format("tile: the registers of {} have no rows", array->name));
      return nullptr;
    }
    check_register_index(*array, at.index);
    return array;
  }

  void check(const Tile& tile) {
    const RegisterArray* to = tile_at(tile.tile);
    if (!to) return;
    if (tile.bypasses && tile.kind != Tile::Kind::load)
      findings_.add(fmt::format("tile {}: only what is loaded passes a cache by", to->name));
    if (tile.kind == Tile::Kind::multiply) return check_product(tile, *to);
    if (tile.kind != Tile::Kind::zero) check_rows(tile, *to);
  }

  /// The last element of each row, of the first row and of the last, bound all of them.
  void check_rows(const Tile& tile, const RegisterArray& array) {
    if (tile.view < 0 || static_cast<size_t>(tile.view) >= step_.views.size())
      return findings_.add(
          fmt::format("tile: view {} of {} does not exist", tile.view, step_.views.size()));
    const View& view = step_.views[static_cast<size_t>(tile.view)];
    const auto dims = static_cast<int32_t>(view.dims.size());
    const auto bad = [&](const std::string& what) {
      findings_.add(fmt::format("tile {} of {}: {}", array.name, view.name, what));
    };
    if (tile.row_dim < 0 || tile.row_dim >= dims || static_cast<size_t>(dims) != tile.index.size())
      return bad(fmt::format("rows along dimension {} of {}", tile.row_dim, dims));
    if (view.dims.back().stride != Affine(1)) return bad("lanes are neighbours in memory");
    if (!view.dims[static_cast<size_t>(tile.row_dim)].stride.is_constant())
      return bad("rows as far apart as a parameter says");
    Index last = tile.index;
    last[static_cast<size_t>(tile.row_dim)].at += (array.rows - 1) * tile.row_step;
    for (const Index& index : {tile.index, last})
      check_access(tile.view, index, {dims - 1, 1, 0, array.lanes}, array.type, scope_, findings_);
    if (tile.kind != Tile::Kind::store) return;
    check_writable(tile.view, scope_, findings_);
    if (tile.row_step == 0 && array.rows > 1) bad("all rows go to one place");
  }

  void check_product(const Tile& tile, const RegisterArray& to) {
    const RegisterArray* a = tile_at(tile.a);
    const RegisterArray* b = tile_at(tile.b);
    if (!a || !b) return;
    const bool bytes = size_of(a->type) == 1 && size_of(b->type) == 1 && is_integer(a->type) &&
                       to.type == ElementType::i32;
    const bool bf16 =
        a->type == ElementType::bf16 && b->type == ElementType::bf16 && to.type == ElementType::f32;
    if (!bytes && !bf16)
      return findings_.add(fmt::format(
          "tile {} += {} * {}: {} and {} are not summed up in {}; bf16 are in f32, bytes in i32",
          to.name, a->name, b->name, to_string(a->type), to_string(b->type), to_string(to.type)));
    const int32_t ways = bytes ? 4 : 2;
    if (a->rows != to.rows || b->lanes != to.lanes * ways || a->lanes != b->rows * ways)
      findings_.add(fmt::format("tile {} += {} * {}: {} by {} and {} by {} are no product of {} by "
                                "{} in groups of {}",
                                to.name, a->name, b->name, a->rows, a->lanes, b->rows, b->lanes,
                                to.rows, to.lanes, ways));
  }

  const Step& step_;
  const LoopProgram& program_;
  Findings& findings_;
  Scope scope_;
  std::set<Var> unrolled_;
};

} // namespace

std::vector<Diagnostic> verify(const LoopProgram& program) {
  Findings memory(program.name);
  check_memory(program.buffers, program.parameters, memory);
  std::vector<Diagnostic> all = memory.diagnostics();
  for (const Step& step : program.steps) {
    Findings findings(fmt::format("step {}", step.name));
    StepVerifier(step, program, findings).verify();
    all.insert(all.end(), findings.diagnostics().begin(), findings.diagnostics().end());
  }
  return all;
}

} // namespace volute::ir
