#include "tests/support/same_form.h"

#include "ir/normal.h"
#include "ir/walk.h"

#include <fmt/format.h>

#include <functional>

namespace volute::tests {

using namespace ir;

namespace {

/// Collects the first difference.
class Comparison {
public:
  std::string found;

  template <class T>
  void equal(const T& a, const T& b, std::string_view what) {
    if (found.empty() && !(a == b)) found = std::string(what);
  }

  void values(const Expr& a, const Expr& b, std::string_view what) {
    equal(intern_(a), intern_(b), what);
  }

  template <class T, class Each>
  void all(const std::vector<T>& a, const std::vector<T>& b, std::string_view what,
           const Each& each) {
    if (!found.empty()) return;
    if (a.size() != b.size()) {
      found = fmt::format("{}: {} and {} of them", what, a.size(), b.size());
      return;
    }
    for (size_t i = 0; i < a.size() && found.empty(); ++i) {
      each(a[i], b[i]);
      if (!found.empty()) found = fmt::format("{} {}: {}", what, i, found);
    }
  }

  void buffers(const std::vector<Buffer>& a, const std::vector<Buffer>& b) {
    all(a, b, "buffer", [&](const Buffer& x, const Buffer& y) {
      equal(x.name, y.name, "name"), equal(x.role, y.role, "role");
      equal(x.element, y.element, "element"), equal(x.elements, y.elements, "elements");
      equal(x.type, y.type, "type");
      equal(x.scratch_offset, y.scratch_offset, "offset"), equal(x.dims, y.dims, "dims");
      equal(x.data != nullptr, y.data != nullptr, "data");
      if (x.data && y.data) equal(*x.data, *y.data, "data");
    });
  }

  void views(const std::vector<View>& a, const std::vector<View>& b) {
    all(a, b, "view", [&](const View& x, const View& y) {
      equal(x.name, y.name, "name"), equal(x.buffer, y.buffer, "buffer");
      equal(x.element, y.element, "element"), equal(x.dims, y.dims, "dims");
    });
  }

  void constraints(const std::vector<Constraint>& a, const std::vector<Constraint>& b) {
    all(a, b, "constraint", [&](const Constraint& x, const Constraint& y) {
      equal(x.value, y.value, "value"), equal(x.extent, y.extent, "extent");
    });
  }

  void nest(const Nest& a, const Nest& b) {
    equal(a.name, b.name, "name"), equal(a.kind, b.kind, "kind"), equal(a.vars, b.vars, "vars");
    equal(a.parameters, b.parameters, "parameters"), equal(a.tables, b.tables, "tables");
    equal(a.form, b.form, "form"), equal(a.origin, b.origin, "origin");
    all(a.axes, b.axes, "axis", [&](const NestAxis& x, const NestAxis& y) {
      equal(x.var, y.var, "var"), equal(x.extent, y.extent, "extent");
      equal(x.reduction, y.reduction, "reduction"), equal(x.role, y.role, "role");
      equal(x.digit, y.digit, "digit");
    });
    views(a.operands, b.operands);
    constraints(a.constraints, b.constraints), constraints(a.domain, b.domain);
    all(a.accumulators, b.accumulators, "accumulator",
        [&](const Accumulator& x, const Accumulator& y) {
          equal(x.name, y.name, "name"), equal(x.type, y.type, "type");
          values(x.initial, y.initial, "initial"), values(x.update, y.update, "update");
        });
    all(a.writes, b.writes, "write", [&](const Write& x, const Write& y) {
      equal(x.operand, y.operand, "operand"), equal(x.index, y.index, "index");
      equal(x.extent, y.extent, "extent"), values(x.value, y.value, "value");
      equal(x.offset != nullptr, y.offset != nullptr, "offset");
      if (x.offset && y.offset) values(x.offset, y.offset, "offset");
    });
    equal(a.placement.has_value(), b.placement.has_value(), "placement");
    if (a.placement && b.placement) {
      equal(a.placement->consumer, b.placement->consumer, "consumer");
      equal(a.placement->axis, b.placement->axis, "placement's axis");
      equal(a.placement->tile, b.placement->tile, "placement's tile");
    }
  }

  void statements(const Stmt& a, const Stmt& b) {
    equal(a->note, b->note, "note"), equal(a->is.index(), b->is.index(), "kind of statement");
    if (!found.empty()) return;
    std::visit([&](const auto& x) { statement(x, std::get<std::decay_t<decltype(x)>>(b->is)); },
               a->is);
  }

  void step(const Step& a, const Step& b) {
    equal(a.name, b.name, "name"), equal(a.vars, b.vars, "vars");
    equal(a.parameters, b.parameters, "parameters"), equal(a.tables, b.tables, "tables");
    equal(a.scratch_bytes, b.scratch_bytes, "scratch");
    equal(a.origin, b.origin, "origin");
    all(a.items, b.items, "item", [&](const ItemLoop& x, const ItemLoop& y) {
      equal(x.var, y.var, "var"), equal(x.count, y.count, "count");
    });
    views(a.views, b.views);
    all(a.arrays, b.arrays, "registers", [&](const RegisterArray& x, const RegisterArray& y) {
      equal(x.name, y.name, "name"), equal(x.type, y.type, "type");
      equal(x.lanes, y.lanes, "lanes"), equal(x.shape, y.shape, "shape");
      equal(x.rows, y.rows, "rows");
    });
    if (found.empty()) statements(a.body, b.body);
  }

private:
  void statement(const Block& a, const Block& b) {
    all(a.stmts, b.stmts, "statement", [&](const Stmt& x, const Stmt& y) { statements(x, y); });
  }
  void statement(const For& a, const For& b) {
    equal(a.var, b.var, "var"), equal(a.kind, b.kind, "kind");
    equal(a.range.lo, b.range.lo, "lower bounds"), equal(a.range.hi, b.range.hi, "upper bounds");
    if (found.empty()) statements(a.body, b.body);
  }
  void statement(const When& a, const When& b) {
    equal(a.value, b.value, "value"), equal(a.lo, b.lo, "lo"), equal(a.hi, b.hi, "hi");
    if (found.empty()) statements(a.body, b.body);
  }
  void statement(const Set& a, const Set& b) {
    equal(a.array, b.array, "array"), equal(a.index, b.index, "index");
    values(a.value, b.value, "value");
  }
  void statement(const Store& a, const Store& b) {
    equal(a.view, b.view, "view"), equal(a.index, b.index, "index");
    equal(a.lane_dim, b.lane_dim, "lane dim"), equal(a.lane_step, b.lane_step, "lane step");
    equal(a.count, b.count, "count"), values(a.value, b.value, "value");
  }
  void statement(const Scatter& a, const Scatter& b) {
    equal(a.view, b.view, "view"), equal(a.index, b.index, "index");
    equal(a.extent, b.extent, "extent");
    values(a.offset, b.offset, "offset"), values(a.value, b.value, "value");
  }
  void statement(const Transpose& a, const Transpose& b) {
    equal(a.to, b.to, "to"), equal(a.from, b.from, "from");
    equal(a.from_index, b.from_index, "index"), equal(a.from_axis, b.from_axis, "axis");
    equal(a.count, b.count, "count");
  }
  void statement(const Fence&, const Fence&) {}
  void statement(const Prefetch& a, const Prefetch& b) {
    equal(a.view, b.view, "view"), equal(a.offset, b.offset, "offset");
  }
  void tile(const TileRegister& a, const TileRegister& b) {
    equal(a.array, b.array, "array"), equal(a.index, b.index, "index");
  }
  void statement(const Tile& a, const Tile& b) {
    equal(a.kind, b.kind, "kind of tile statement");
    tile(a.tile, b.tile), tile(a.a, b.a), tile(a.b, b.b);
    equal(a.view, b.view, "view"), equal(a.index, b.index, "index");
    equal(a.row_dim, b.row_dim, "row dim"), equal(a.row_step, b.row_step, "row step");
    equal(a.bypasses, b.bypasses, "bypasses");
  }

  Interner intern_; // of both: equal values are one node
};

} // namespace

std::string difference(const NestProgram& a, const NestProgram& b) {
  Comparison compare;
  compare.equal(a.name, b.name, "name"), compare.equal(a.parameters, b.parameters, "parameters");
  compare.buffers(a.buffers, b.buffers);
  compare.all(a.nests, b.nests, "nest", [&](const Nest& x, const Nest& y) { compare.nest(x, y); });
  return compare.found;
}

std::string difference(const LoopProgram& a, const LoopProgram& b) {
  Comparison compare;
  compare.equal(a.name, b.name, "name"), compare.equal(a.parameters, b.parameters, "parameters");
  compare.buffers(a.buffers, b.buffers);
  compare.all(a.steps, b.steps, "step", [&](const Step& x, const Step& y) { compare.step(x, y); });
  return compare.found;
}

} // namespace volute::tests
