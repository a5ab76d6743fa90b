#include "ir/normal.h"

#include "ir/number.h"
#include "ir/walk.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <map>
#include <set>
#include <string>

namespace volute::ir {

// ---- equal expressions ------------------------------------------------------------------------

namespace {

uint64_t bits_of(double real) {
  if (std::isnan(real)) return std::signbit(real) ? ~uint64_t{1} : ~uint64_t{0};
  return std::bit_cast<uint64_t>(real);
}

double in_type(ElementType type, double real) {
  return is_float(type) ? round_to(type, real) : static_cast<double>(saturate_to(type, real));
}

/// The node with what makes no difference in it set to what is usual.
ExprNode plain(ExprNode node) {
  if (auto* number = std::get_if<Imm>(&node.is)) {
    if (is_float(node.type))
      *number = {round_to(node.type, number->real), 0};
    else
      *number = {0, wrap_to(node.type, number->integer)};
  } else if (auto* load = std::get_if<Load>(&node.is)) {
    load->fill = in_type(node.type, load->fill);
    const bool all = load->first == 0 && load->count == node.lanes;
    if (all) load->fill = 0; // nothing is filled
    const bool one = load->first == 0 && load->count <= 1;
    if (one) load->lane_step = 1;
    if (one) load->lane_dim = node.lanes == 1 ? -1 : static_cast<int32_t>(load->index.size()) - 1;
  } else if (auto* position = std::get_if<Position>(&node.is)) {
    if (node.lanes == 1) position->lane_step = 0;
  }
  return node;
}

class Hash {
public:
  void add(uint64_t word) { value_ = (value_ ^ word) * 0x9e3779b97f4a7c15 + (value_ >> 29); }
  void add(const Affine& affine) {
    add(static_cast<uint64_t>(affine.constant_term()));
    for (const Affine::Term& t : affine.terms())
      add(static_cast<uint64_t>(t.var.id)), add(static_cast<uint64_t>(t.coefficient));
  }
  size_t value() const { return static_cast<size_t>(value_); }

private:
  uint64_t value_ = 0;
};

/// What a node says beside its parts.
uint64_t said(const Imm& number) {
  return bits_of(number.real) ^ static_cast<uint64_t>(number.integer);
}
uint64_t said(const Position& position) { return static_cast<uint64_t>(position.lane_step); }
uint64_t said(const Read& read) { return static_cast<uint64_t>(read.operand); }
uint64_t said(const Acc& acc) { return static_cast<uint64_t>(acc.accumulator); }
uint64_t said(const Load& load) { return static_cast<uint64_t>(load.view); }
uint64_t said(const Reg& reg) { return static_cast<uint64_t>(reg.array); }
uint64_t said(const UnaryOp& op) { return static_cast<uint64_t>(op.fn); }
uint64_t said(const BinaryOp& op) { return static_cast<uint64_t>(op.fn); }
uint64_t said(const Fma&) { return 0; }
uint64_t said(const Select& op) { return static_cast<uint64_t>(op.compare); }
uint64_t said(const Dot& op) { return static_cast<uint64_t>(op.ways); }

size_t hash_of(const ExprNode& node) {
  Hash hash;
  hash.add(static_cast<uint64_t>(node.type));
  hash.add(static_cast<uint64_t>(node.lanes));
  hash.add(node.is.index());
  hash.add(std::visit([](const auto& is) { return said(is); }, node.is));
  for_each_part(node, overloaded{[&](const Affine& affine) { hash.add(affine); },
                                 [&](const Expr& operand) {
                                   hash.add(reinterpret_cast<uintptr_t>(operand.get()));
                                 }});
  return hash.value();
}

bool same(const Imm& a, const Imm& b) {
  return bits_of(a.real) == bits_of(b.real) && a.integer == b.integer;
}
bool same(const Position& a, const Position& b) {
  return a.value == b.value && a.lane_step == b.lane_step;
}
bool same(const Read& a, const Read& b) { return a.operand == b.operand && a.index == b.index; }
bool same(const Acc& a, const Acc& b) { return a.accumulator == b.accumulator; }
bool same(const Load& a, const Load& b) {
  return a.view == b.view && a.index == b.index && a.lane_dim == b.lane_dim &&
         a.lane_step == b.lane_step && a.first == b.first && a.count == b.count &&
         bits_of(a.fill) == bits_of(b.fill);
}
bool same(const Reg& a, const Reg& b) { return a.array == b.array && a.index == b.index; }
bool same(const UnaryOp& a, const UnaryOp& b) { return a.fn == b.fn && a.a == b.a; }
bool same(const BinaryOp& a, const BinaryOp& b) { return a.fn == b.fn && a.a == b.a && a.b == b.b; }
bool same(const Fma& a, const Fma& b) { return a.a == b.a && a.b == b.b && a.c == b.c; }
bool same(const Select& a, const Select& b) {
  return a.compare == b.compare && a.a == b.a && a.b == b.b && a.then == b.then &&
         a.otherwise == b.otherwise;
}
bool same(const Dot& a, const Dot& b) {
  return a.ways == b.ways && a.acc == b.acc && a.a == b.a && a.b == b.b;
}

bool same(const ExprNode& a, const ExprNode& b) {
  if (a.type != b.type || a.lanes != b.lanes || a.is.index() != b.is.index()) return false;
  return std::visit(
      [&](const auto& is) { return same(is, std::get<std::decay_t<decltype(is)>>(b.is)); }, a.is);
}

} // namespace

Expr Interner::operator()(const Expr& expr) {
  visit(expr, [&](const ExprNode& node) {
    const Expr alias(Expr(), &node);
    std::vector<Expr> operands;
    for_each_part(node, [&](const Expr& operand) {
      const auto found = done_.find(operand.get());
      operands.push_back(found == done_.end() ? operand : found->second.second);
    });
    auto copy = std::make_shared<ExprNode>(plain(node));
    size_t next = 0;
    for_each_part(*copy, [&](Expr& operand) { operand = operands[next++]; });
    const size_t hash = hash_of(*copy);
    const auto [first, last] = known_.equal_range(hash);
    const auto found =
        std::find_if(first, last, [&](const auto& entry) { return same(*entry.second, *copy); });
    const Expr result = found != last ? found->second : known_.emplace(hash, copy)->second;
    done_[&node] = {expr, result}; // the root keeps the node alive
  });
  return expr ? done_.at(expr.get()).second : expr;
}

// ---- names and numbers ------------------------------------------------------------------------

namespace {

/// The name, or the first of name_2, name_3, ... that is not taken yet; takes it.
std::string own_name(const std::string& name, std::set<std::string>& taken) {
  std::string own = name;
  for (int number = 2; !taken.insert(own).second; ++number)
    own = fmt::format("{}_{}", name, number);
  return own;
}

/// Views that show the same become one; gives the new number of each. What operands a nest has is
/// told by their names; in loops names are for people only.
std::vector<int32_t> join_views(std::vector<View>& views, bool by_name) {
  std::vector<View> joined;
  std::vector<int32_t> numbers;
  for (View& view : views) {
    const auto known = std::find_if(joined.begin(), joined.end(), [&](const View& other) {
      return (!by_name || other.name == view.name) && other.buffer == view.buffer &&
             other.element == view.element && other.dims == view.dims;
    });
    numbers.push_back(static_cast<int32_t>(known - joined.begin()));
    if (known == joined.end()) joined.push_back(std::move(view));
  }
  std::set<std::string> taken;
  for (View& view : joined) view.name = own_name(view.name, taken);
  views = std::move(joined);
  return numbers;
}

int32_t renumbered(int32_t id, const std::vector<int32_t>& numbers) {
  return id >= 0 && static_cast<size_t>(id) < numbers.size() ? numbers[static_cast<size_t>(id)]
                                                             : id;
}

/// New numbers for variables, in the order in which they are declared.
class Variables {
public:
  explicit Variables(std::vector<std::string>& names) : old_(std::move(names)), names_(names) {
    names_.clear();
    numbers_.resize(old_.size());
  }

  const std::string& old_name(Var var) const { return old_.at(static_cast<size_t>(var.id)); }

  Var declare(Var old) { return declare(old, old_name(old)); }
  Var declare(Var old, std::string name) {
    const Var var{static_cast<int32_t>(names_.size())};
    names_.push_back(std::move(name));
    numbers_.at(static_cast<size_t>(old.id)) = var;
    return var;
  }

  const std::vector<Var>& numbers() const { return numbers_; }

  Affine operator()(const Affine& affine) {
    Affine result = affine.constant_term();
    for (const Affine::Term& t : affine.terms()) result += Affine((*this)(t.var)) * t.coefficient;
    return result;
  }

private:
  // One that is never declared is a fault, which stays one.
  Var operator()(Var old) {
    if (old.id < 0 || static_cast<size_t>(old.id) >= numbers_.size()) return old;
    const Var var = numbers_[static_cast<size_t>(old.id)];
    return var.id >= 0 ? var : declare(old);
  }

  std::vector<std::string> old_;
  std::vector<std::string>& names_;
  std::vector<Var> numbers_; // by old number
};

void renumber(std::vector<View>& views, Variables& variables) {
  for (View& view : views)
    for (Dim& dim : view.dims) dim = {variables(dim.extent), variables(dim.stride)};
}

Index renumbered(Index index, Variables& variables) {
  for (Subscript& s : index) s.at = variables(s.at);
  return index;
}

// ---- nests ------------------------------------------------------------------------------------

/// Gives the new numbers of the variables, by old number.
std::vector<Var> bring_into_form(Nest& nest) {
  std::stable_partition(nest.axes.begin(), nest.axes.end(),
                        [](const NestAxis& axis) { return !axis.reduction; });
  Variables variables(nest.vars);
  for (ParameterVar& parameter : nest.parameters) parameter.var = variables.declare(parameter.var);
  for (NestAxis& axis : nest.axes) axis.var = variables.declare(axis.var);
  for (NestAxis& axis : nest.axes) axis.extent = variables(axis.extent);
  renumber(nest.operands, variables);
  const std::vector<int32_t> numbers = join_views(nest.operands, true);
  for (auto* constraints : {&nest.constraints, &nest.domain})
    for (Constraint& c : *constraints) c = {variables(c.value), variables(c.extent)};
  std::set<std::string> taken;
  for (Accumulator& accumulator : nest.accumulators)
    accumulator.name = own_name(accumulator.name, taken);
  for (Write& write : nest.writes) {
    write.operand = renumbered(write.operand, numbers);
    write.index = renumbered(std::move(write.index), variables);
  }
  Interner intern;
  Rewriter renumber([&](const Expr& node) {
    auto copy = std::make_shared<ExprNode>(*node);
    for_each_part(*copy, overloaded{[&](Affine& affine) { affine = variables(affine); },
                                    [&](OperandId, int32_t& id) { id = renumbered(id, numbers); }});
    return Expr(copy);
  });
  for_each_expression(nest, [&](Expr& e) { e = intern(renumber(e)); });
  return variables.numbers();
}

// ---- loops ------------------------------------------------------------------------------------

class StepForm {
public:
  explicit StepForm(Step& step) : step_(step), variables_(step.vars) {}

  void run() {
    // In the order of the text, where parameters stand behind the items.
    for (ItemLoop& item : step_.items)
      item.var = variables_.declare(item.var, visible_name(item.var));
    for (ParameterVar& parameter : step_.parameters)
      parameter.var = variables_.declare(parameter.var, visible_name(parameter.var));
    for (ItemLoop& item : step_.items) item.count = variables_(item.count);
    renumber(step_.views, variables_);
    views_ = join_views(step_.views, false);
    std::set<std::string> taken;
    for (RegisterArray& array : step_.arrays) array.name = own_name(array.name, taken);
    if (step_.body) step_.body = statement(step_.body);
  }

private:
  std::string visible_name(Var var) { return own_name(variables_.old_name(var), visible_); }

  Stmt statement(const Stmt& s) {
    StmtNode node = *s;
    std::string name;
    if (auto* loop = std::get_if<For>(&node.is)) {
      for (auto* side : {&loop->range.lo, &loop->range.hi})
        for (Bound& bound : *side) bound.numerator = variables_(bound.numerator);
      name = visible_name(loop->var);
      loop->var = variables_.declare(loop->var, name);
      loop->body = statement(loop->body);
    } else if (auto* block = std::get_if<Block>(&node.is)) {
      std::vector<Stmt> flat;
      for (const Stmt& inner : block->stmts) {
        const Stmt done = statement(inner);
        const auto* more = std::get_if<Block>(&done->is);
        if (more)
          flat.insert(flat.end(), more->stmts.begin(), more->stmts.end());
        else
          flat.push_back(done);
      }
      // What is said of a block stands above its first statement.
      if (!node.note.empty() && !flat.empty()) {
        StmtNode first = *flat.front();
        first.note = first.note.empty() ? node.note : node.note + "\n" + first.note;
        flat.front() = std::make_shared<const StmtNode>(std::move(first));
        node.note.clear();
      }
      if (flat.size() == 1) return flat.front();
      block->stmts = std::move(flat);
    } else {
      if (auto* store = std::get_if<Store>(&node.is); store && store->count <= 1)
        store->lane_step = 1, store->lane_dim = -1;
      Interner intern;
      Rewriter renumber([&](const Expr& e) {
        auto copy = std::make_shared<ExprNode>(*e);
        for_each_part(*copy, overloaded{[&](Affine& affine) { affine = variables_(affine); },
                                        [&](ViewId, int32_t& id) { id = renumbered(id, views_); }});
        return Expr(copy);
      });
      for_each_part(node, overloaded{[&](Affine& affine) { affine = variables_(affine); },
                                     [&](ViewId, int32_t& id) { id = renumbered(id, views_); },
                                     [&](Expr& value) { value = intern(renumber(value)); },
                                     [&](Stmt& inner) { inner = statement(inner); }});
    }
    visible_.erase(name);
    return std::make_shared<const StmtNode>(std::move(node));
  }

  Step& step_;
  Variables variables_;
  std::vector<int32_t> views_;
  std::set<std::string> visible_; // names of the variables around
};

// ---- memory -----------------------------------------------------------------------------------

/// Gives buffers names of their own, but for a program's inputs and outputs; views that carried
/// their buffer's name go on doing so.
class BufferNames {
public:
  explicit BufferNames(std::vector<Buffer>& buffers) : buffers_(buffers) {
    std::set<std::string> taken;
    for (const Buffer& buffer : buffers)
      if (is_argument(buffer)) taken.insert(buffer.name);
    for (Buffer& buffer : buffers) {
      before_.push_back(buffer.name);
      if (!is_argument(buffer)) buffer.name = own_name(buffer.name, taken);
    }
  }

  void apply_to(std::vector<View>& views) const {
    for (View& view : views) {
      const auto id = static_cast<size_t>(view.buffer);
      if (id < before_.size() && view.name == before_[id]) view.name = buffers_[id].name;
    }
  }

private:
  static bool is_argument(const Buffer& buffer) {
    return buffer.role == Buffer::Role::input || buffer.role == Buffer::Role::output;
  }

  const std::vector<Buffer>& buffers_;
  std::vector<std::string> before_;
};

} // namespace

NestProgram normal_form(NestProgram program) {
  const BufferNames names(program.buffers);
  for (Nest& nest : program.nests) names.apply_to(nest.operands);
  std::vector<std::vector<Var>> numbers;
  for (Nest& nest : program.nests) numbers.push_back(bring_into_form(nest));
  for (Nest& nest : program.nests) {
    if (!nest.placement) continue;
    const auto consumer = static_cast<size_t>(nest.placement->consumer);
    const auto axis = static_cast<size_t>(nest.placement->axis.id);
    if (consumer < numbers.size() && axis < numbers[consumer].size())
      nest.placement->axis = numbers[consumer][axis];
  }
  return program;
}

LoopProgram normal_form(LoopProgram program) {
  const BufferNames names(program.buffers);
  for (Step& step : program.steps) {
    names.apply_to(step.views);
    StepForm(step).run();
  }
  return program;
}

} // namespace volute::ir
