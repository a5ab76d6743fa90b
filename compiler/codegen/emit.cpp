#include "compiler/codegen/emit.h"

#include "compiler/codegen/codegen.h"
#include "compiler/codegen/emit_values.h"
#include "ir/number.h"

#include <fmt/format.h>
#include <llvm/IR/IRBuilder.h>

#include <algorithm>
#include <map>
#include <unordered_map>

namespace volute::compiler {

using namespace ir;

std::string step_symbol(size_t step) { return fmt::format("step{}", step); }

namespace {

/// Arrays that a statement reads before it sets them: what a loop around it carries in phis.
class Exposure {
public:
  explicit Exposure(size_t arrays) : set_(arrays), exposed_(arrays), assigned_(arrays) {}
  void visit(const Stmt& s) {
    if (const auto* block = std::get_if<Block>(&s->is))
      for (const Stmt& inner : block->stmts) visit(inner);
    if (const auto* loop = std::get_if<For>(&s->is)) visit(loop->body);
    if (const auto* when = std::get_if<When>(&s->is)) visit(when->body);
    if (const auto* set = std::get_if<Set>(&s->is)) read(set->value), assign(set->array);
    if (const auto* store = std::get_if<Store>(&s->is)) read(store->value);
    if (const auto* turn = std::get_if<Transpose>(&s->is)) use(turn->from), assign(turn->to);
  }
  bool carried(size_t array) const { return assigned_[array] && exposed_[array]; }
  bool assigned(size_t array) const { return assigned_[array]; }

private:
  void read(const Expr& e) {
    ir::visit(e, [&](const ExprNode& node) {
      if (const auto* reg = std::get_if<Reg>(&node.is)) use(reg->array);
    });
  }
  void use(int32_t array) {
    if (!set_[static_cast<size_t>(array)]) exposed_[static_cast<size_t>(array)] = true;
  }
  void assign(int32_t array) {
    set_[static_cast<size_t>(array)] = assigned_[static_cast<size_t>(array)] = true;
  }
  std::vector<bool> set_, exposed_, assigned_;
};

class StepEmitter {
public:
  StepEmitter(const LoopProgram& program, const Step& step, const Target& target,
              llvm::Function* function, const std::vector<llvm::Value*>& tables)
      : program_(program), step_(step), target_(target), function_(function), tables_(tables),
        b_(function->getContext()), values_(b_, target) {
    runtime_.resize(step.vars.size());
    constants_.resize(step.vars.size());
    for (const RegisterArray& array : step.arrays)
      registers_.emplace_back(static_cast<size_t>(array.count()));
    scopes_.emplace_back();
  }

  void run() {
    if (!step_.parameters.empty())
      throw Error("extents and strides that are parameters are not compiled yet");
    b_.SetInsertPoint(new_block("entry"));
    load_buffers();
    auto* begin = function_->getArg(2);
    auto* end = function_->getArg(3);
    auto* items = new_block("items");
    auto* done = new_block("done");
    auto* entry = b_.GetInsertBlock();
    b_.CreateCondBr(b_.CreateICmpSLT(begin, end), items, done);
    b_.SetInsertPoint(items);
    llvm::PHINode* item = b_.CreatePHI(b_.getInt64Ty(), 2, "item");
    item->addIncoming(begin, entry);
    decompose(item);
    statement(step_.body);
    llvm::Value* next = b_.CreateAdd(item, b_.getInt64(1));
    item->addIncoming(next, b_.GetInsertBlock());
    b_.CreateCondBr(b_.CreateICmpSLT(next, end), items, done);
    b_.SetInsertPoint(done);
    b_.CreateRet(b_.getInt32(0));
  }

private:
  static size_t id(Var var) { return static_cast<size_t>(var.id); }
  llvm::BasicBlock* new_block(const llvm::Twine& name) {
    return llvm::BasicBlock::Create(function_->getContext(), name, function_);
  }

  void load_buffers() {
    const std::vector<int32_t> slots = argument_slots(program_.buffers);
    llvm::Value* list =
        b_.CreateAlignedLoad(b_.getPtrTy(), function_->getArg(0), llvm::Align(8), "buffers");
    buffers_.resize(program_.buffers.size());
    for (const View& view : step_.views) {
      const auto at = static_cast<size_t>(view.buffer);
      if (buffers_[at]) continue;
      const Buffer& buffer = program_.buffers[at];
      if (buffer.role == Buffer::Role::table) {
        buffers_[at] = tables_[at];
      } else if (slots[at] < 0) {
        throw Error(
            fmt::format("buffer {}: scratch inside a step is not compiled yet", buffer.name));
      } else {
        llvm::Value* slot =
            b_.CreateGEP(b_.getPtrTy(), list, b_.getInt64(static_cast<uint64_t>(slots[at])));
        buffers_[at] = b_.CreateAlignedLoad(b_.getPtrTy(), slot, llvm::Align(8), buffer.name);
      }
    }
  }

  void decompose(llvm::Value* item) {
    llvm::Value* rest = item;
    for (size_t i = step_.items.size(); i-- > 0;) {
      const ItemLoop& loop = step_.items[i];
      const std::string& name = step_.vars[id(loop.var)];
      llvm::Value* count = b_.getInt64(static_cast<uint64_t>(loop.count));
      if (loop.count == 1) {
        runtime_[id(loop.var)] = b_.getInt64(0);
      } else if (i == 0) {
        runtime_[id(loop.var)] = rest;
      } else {
        runtime_[id(loop.var)] = b_.CreateURem(rest, count, name);
        rest = b_.CreateUDiv(rest, count);
      }
    }
  }

  // ---- index arithmetic ---------------------------------------------------------------------

  /// The part over run-time variables, unrolled ones folded into the constant.
  Affine fold(const Affine& a) const {
    Affine result = a;
    for (const Affine::Term& t : a.terms())
      if (constants_[id(t.var)]) result = result.substitute(t.var, *constants_[id(t.var)]);
    return result;
  }

  int64_t constant(const Affine& a) const {
    const Affine folded = fold(a);
    if (!folded.is_constant())
      throw InternalError(fmt::format("step {}: {} is not a constant after unrolling", step_.name,
                                      to_string(a, step_.vars)));
    return folded.constant();
  }

  llvm::Value* integer(const Affine& a) {
    const Affine folded = fold(a);
    llvm::Value* sum = nullptr;
    for (const Affine::Term& t : folded.terms()) {
      llvm::Value* term = runtime_[id(t.var)];
      if (!term)
        throw InternalError(
            fmt::format("step {}: {} is used outside its loop", step_.name, step_.vars[id(t.var)]));
      if (t.coefficient != 1)
        term = b_.CreateMul(term, b_.getInt64(static_cast<uint64_t>(t.coefficient)));
      sum = sum ? b_.CreateAdd(sum, term) : term;
    }
    if (!sum) return b_.getInt64(static_cast<uint64_t>(folded.constant()));
    if (folded.constant() != 0)
      sum = b_.CreateAdd(sum, b_.getInt64(static_cast<uint64_t>(folded.constant())));
    return sum;
  }

  llvm::Value* integer(const Bound& bound) {
    llvm::Value* numerator = integer(bound.numerator);
    if (bound.divisor == 1) return numerator;
    // ceil(a / d) = floor((a + d - 1) / d), and floor needs care below zero.
    llvm::Value* d = b_.getInt64(static_cast<uint64_t>(bound.divisor));
    llvm::Value* a = b_.CreateAdd(numerator, b_.getInt64(static_cast<uint64_t>(bound.divisor - 1)));
    llvm::Value* quotient = b_.CreateSDiv(a, d);
    llvm::Value* remainder = b_.CreateSRem(a, d);
    llvm::Value* below = b_.CreateICmpSLT(remainder, b_.getInt64(0));
    return b_.CreateSub(quotient, b_.CreateZExt(below, b_.getInt64Ty()));
  }

  llvm::Value* extreme(const std::vector<Bound>& bounds, bool largest) {
    llvm::Value* result = nullptr;
    for (const Bound& bound : bounds) {
      llvm::Value* value = integer(bound);
      if (result)
        value = b_.CreateSelect(largest ? b_.CreateICmpSGT(value, result)
                                        : b_.CreateICmpSLT(value, result),
                                value, result);
      result = value;
    }
    return result;
  }

  // ---- pointers -----------------------------------------------------------------------------
  // A pointer stands for a view and the run-time part of an offset; loops keep one phi for each
  // that their bodies use, so that an access is a pointer plus a constant.

  using PointerKey = std::pair<int32_t, std::vector<std::pair<int32_t, int64_t>>>;

  static PointerKey key(int32_t view, const Affine& runtime) {
    PointerKey k{view, {}};
    for (const Affine::Term& t : runtime.terms()) k.second.emplace_back(t.var.id, t.coefficient);
    return k;
  }

  Affine offset(int32_t view, const Index& index) const {
    const View& v = step_.views[static_cast<size_t>(view)];
    Affine sum;
    for (size_t d = 0; d < index.size(); ++d) {
      if (index[d].table >= 0) throw Error("an index through a table is not compiled yet");
      sum += index[d].at * v.dims[d].stride.constant();
    }
    return sum;
  }

  llvm::Value* pointer(int32_t view, const Affine& runtime) {
    const View& v = step_.views[static_cast<size_t>(view)];
    if (runtime.terms().empty()) return buffers_[static_cast<size_t>(v.buffer)];
    const PointerKey k = key(view, runtime);
    for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope)
      if (const auto known = scope->find(k); known != scope->end()) return known->second;
    llvm::Value* bytes = integer(runtime * size_of(v.element));
    llvm::Value* result =
        b_.CreateGEP(b_.getInt8Ty(), buffers_[static_cast<size_t>(v.buffer)], bytes, v.name);
    scopes_.back()[k] = result;
    return result;
  }

  llvm::Value* access(int32_t view, const Index& index) {
    return access(view, offset(view, index));
  }
  llvm::Value* access(int32_t view, const Affine& element) {
    const Affine full = fold(element);
    llvm::Value* base = pointer(view, full.filter([](Var) { return true; }, false));
    const int64_t bytes = full.constant() * size_of(step_.views[static_cast<size_t>(view)].element);
    return bytes ? b_.CreateGEP(b_.getInt8Ty(), base, b_.getInt64(static_cast<uint64_t>(bytes)))
                 : base;
  }

  /// The pointers that advance with `var` in `body`: run-time parts over variables in scope.
  void collect(const Stmt& s, Var var, std::map<PointerKey, Affine>& found) const {
    const auto note_offset = [&](int32_t view, const Affine& full) {
      const Affine in_scope = full.filter(
          [&](Var v) { return v == var || (runtime_[id(v)] && !constants_[id(v)]); }, false);
      if (in_scope.depends_on(var)) found.emplace(key(view, in_scope), in_scope);
    };
    const auto note = [&](int32_t view, const Index& index) {
      note_offset(view, offset(view, index));
    };
    const auto expression = [&](const Expr& e) {
      ir::visit(e, [&](const ExprNode& node) {
        if (const auto* load = std::get_if<Load>(&node.is)) note(load->view, load->index);
      });
    };
    if (const auto* block = std::get_if<Block>(&s->is))
      for (const Stmt& inner : block->stmts) collect(inner, var, found);
    if (const auto* loop = std::get_if<For>(&s->is)) collect(loop->body, var, found);
    if (const auto* when = std::get_if<When>(&s->is)) collect(when->body, var, found);
    if (const auto* set = std::get_if<Set>(&s->is)) expression(set->value);
    if (const auto* prefetch = std::get_if<Prefetch>(&s->is))
      note_offset(prefetch->view, prefetch->offset);
    if (const auto* store = std::get_if<Store>(&s->is))
      expression(store->value), note(store->view, store->index);
  }

  // ---- statements ---------------------------------------------------------------------------

  void statement(const Stmt& s) {
    if (const auto* block = std::get_if<Block>(&s->is)) {
      for (const Stmt& inner : block->stmts) statement(inner);
    } else if (const auto* loop = std::get_if<For>(&s->is)) {
      loop->kind == For::Kind::unrolled ? unrolled(*loop) : serial(*loop);
    } else if (const auto* when = std::get_if<When>(&s->is)) {
      conditional(*when);
    } else if (const auto* set = std::get_if<Set>(&s->is)) {
      slot(set->array, set->index) = expression(set->value);
    } else if (const auto* store = std::get_if<Store>(&s->is)) {
      llvm::Value* value = expression(store->value);
      values_.store(access(store->view, store->index), value,
                    step_.views[static_cast<size_t>(store->view)].element,
                    element_step(store->view, store->lane_dim, store->lane_step), store->count);
    } else if (const auto* turn = std::get_if<Transpose>(&s->is)) {
      transpose(*turn);
    } else if (const auto* prefetch = std::get_if<Prefetch>(&s->is)) {
      values_.prefetch(access(prefetch->view, prefetch->offset));
    } else {
      values_.fence();
    }
  }

  void unrolled(const For& loop) {
    if (!loop.range.is_constant())
      throw InternalError(
          fmt::format("step {}: an unrolled loop without constant bounds", step_.name));
    for (int64_t i = loop.range.begin(); i < loop.range.end(); ++i) {
      constants_[id(loop.var)] = i;
      statement(loop.body);
    }
    constants_[id(loop.var)].reset();
  }

  void serial(const For& loop) {
    const bool constant_range = loop.range.is_constant();
    if (constant_range && loop.range.begin() >= loop.range.end()) return;
    llvm::Value* lo = extreme(loop.range.lo, true);
    llvm::Value* hi = extreme(loop.range.hi, false);

    std::map<PointerKey, Affine> advancing;
    collect(loop.body, loop.var, advancing);
    std::vector<llvm::Value*> starts;
    for (const auto& [k, runtime] : advancing) {
      const int64_t stride = runtime.coefficient(loop.var) *
                             size_of(step_.views[static_cast<size_t>(k.first)].element);
      llvm::Value* outer =
          pointer(k.first, runtime.filter([&](Var v) { return v != loop.var; }, false));
      llvm::Value* begin = b_.CreateMul(lo, b_.getInt64(static_cast<uint64_t>(stride)));
      starts.push_back(b_.CreateGEP(b_.getInt8Ty(), outer, begin));
    }

    Exposure exposure(step_.arrays.size());
    exposure.visit(loop.body);
    struct Carried {
      size_t array, slot;
      llvm::PHINode* phi;
    };
    std::vector<Carried> carried;

    auto* before = b_.GetInsertBlock();
    auto* body = new_block(step_.vars[id(loop.var)]);
    auto* after = new_block(llvm::Twine(step_.vars[id(loop.var)]) + ".end");
    if (constant_range)
      b_.CreateBr(body);
    else
      b_.CreateCondBr(b_.CreateICmpSLT(lo, hi), body, after);

    b_.SetInsertPoint(body);
    llvm::PHINode* counter = b_.CreatePHI(b_.getInt64Ty(), 2, step_.vars[id(loop.var)]);
    counter->addIncoming(lo, before);
    const auto registers_before = registers_;
    for (size_t a = 0; a < registers_.size(); ++a) {
      if (!exposure.carried(a)) continue;
      for (size_t i = 0; i < registers_[a].size(); ++i) {
        if (!registers_[a][i]) continue;
        llvm::PHINode* phi = b_.CreatePHI(registers_[a][i]->getType(), 2, step_.arrays[a].name);
        phi->addIncoming(registers_[a][i], before);
        carried.push_back({a, i, phi});
        registers_[a][i] = phi;
      }
    }
    scopes_.emplace_back();
    std::vector<llvm::PHINode*> pointers;
    size_t n = 0;
    for (const auto& [k, runtime] : advancing) {
      llvm::PHINode* phi =
          b_.CreatePHI(b_.getPtrTy(), 2, step_.views[static_cast<size_t>(k.first)].name);
      phi->addIncoming(starts[n++], before);
      pointers.push_back(phi);
      scopes_.back()[k] = phi;
    }
    runtime_[id(loop.var)] = counter;
    statement(loop.body);
    runtime_[id(loop.var)] = nullptr;
    scopes_.pop_back();

    auto* latch = b_.GetInsertBlock();
    n = 0;
    for (const auto& [k, runtime] : advancing) {
      const int64_t stride = runtime.coefficient(loop.var) *
                             size_of(step_.views[static_cast<size_t>(k.first)].element);
      llvm::PHINode* phi = pointers[n++];
      phi->addIncoming(
          b_.CreateGEP(b_.getInt8Ty(), phi, b_.getInt64(static_cast<uint64_t>(stride))), latch);
    }
    llvm::Value* next = b_.CreateAdd(counter, b_.getInt64(1));
    counter->addIncoming(next, latch);
    for (const Carried& c : carried) c.phi->addIncoming(registers_[c.array][c.slot], latch);
    b_.CreateCondBr(b_.CreateICmpSLT(next, hi), body, after);

    b_.SetInsertPoint(after);
    if (!constant_range) merge(registers_before, before, registers_, latch, exposure);
  }

  /// After a body that may not have run: what both ways define is joined, the rest is undefined.
  void merge(const std::vector<std::vector<llvm::Value*>>& skipped, llvm::BasicBlock* from_skip,
             const std::vector<std::vector<llvm::Value*>>& ran, llvm::BasicBlock* from_body,
             const Exposure& exposure) {
    auto merged = skipped;
    for (size_t a = 0; a < merged.size(); ++a) {
      if (!exposure.assigned(a)) continue;
      for (size_t i = 0; i < merged[a].size(); ++i) {
        if (!skipped[a][i] || !ran[a][i]) {
          merged[a][i] = nullptr;
        } else if (skipped[a][i] != ran[a][i]) {
          llvm::PHINode* phi = b_.CreatePHI(ran[a][i]->getType(), 2, step_.arrays[a].name);
          phi->addIncoming(skipped[a][i], from_skip);
          phi->addIncoming(ran[a][i], from_body);
          merged[a][i] = phi;
        }
      }
    }
    registers_ = std::move(merged);
  }

  void conditional(const When& when) {
    llvm::Value* value = integer(when.value);
    llvm::Value* above = b_.CreateICmpSGE(value, b_.getInt64(static_cast<uint64_t>(when.lo)));
    llvm::Value* below = b_.CreateICmpSLT(value, b_.getInt64(static_cast<uint64_t>(when.hi)));
    Exposure exposure(step_.arrays.size());
    exposure.visit(when.body);
    auto* before = b_.GetInsertBlock();
    auto* body = new_block("when");
    auto* after = new_block("when.end");
    b_.CreateCondBr(b_.CreateAnd(above, below), body, after);
    b_.SetInsertPoint(body);
    const auto registers_before = registers_;
    scopes_.emplace_back();
    statement(when.body);
    scopes_.pop_back();
    auto* from_body = b_.GetInsertBlock();
    b_.CreateBr(after);
    b_.SetInsertPoint(after);
    merge(registers_before, before, registers_, from_body, exposure);
  }

  void transpose(const Transpose& turn) {
    const RegisterArray& from = step_.arrays[static_cast<size_t>(turn.from)];
    std::vector<Affine> index = turn.from_index;
    std::vector<llvm::Value*> rows;
    for (int32_t r = 0; r < turn.count; ++r) {
      index[static_cast<size_t>(turn.from_axis)] =
          turn.from_index[static_cast<size_t>(turn.from_axis)] + Affine(r);
      rows.push_back(value_of(turn.from, index));
    }
    const std::vector<llvm::Value*> columns =
        values_.transpose(std::move(rows), from.type, from.lanes);
    for (size_t l = 0; l < columns.size(); ++l)
      slot(turn.to, {Affine(static_cast<int64_t>(l))}) = columns[l];
  }

  // ---- registers and expressions ------------------------------------------------------------

  llvm::Value*& slot(int32_t array, const std::vector<Affine>& index) {
    const RegisterArray& a = step_.arrays[static_cast<size_t>(array)];
    int64_t at = 0;
    for (size_t d = 0; d < index.size(); ++d) at = at * a.shape[d] + constant(index[d]);
    return registers_[static_cast<size_t>(array)].at(static_cast<size_t>(at));
  }

  llvm::Value* value_of(int32_t array, const std::vector<Affine>& index) {
    llvm::Value* value = slot(array, index);
    if (!value)
      throw InternalError(fmt::format("step {}: register {} is read before it is set", step_.name,
                                      step_.arrays[static_cast<size_t>(array)].name));
    return value;
  }

  int64_t element_step(int32_t view, int32_t lane_dim, int64_t lane_step) const {
    if (lane_dim < 0) return 1;
    return lane_step * step_.views[static_cast<size_t>(view)]
                           .dims[static_cast<size_t>(lane_dim)]
                           .stride.constant();
  }

  /// The value of a statement's expression. Expressions are graphs: each node is written once.
  llvm::Value* expression(const Expr& e) {
    std::unordered_map<const ExprNode*, llvm::Value*> done;
    return expression(e, done);
  }

  llvm::Value* expression(const Expr& e, std::unordered_map<const ExprNode*, llvm::Value*>& done) {
    if (const auto known = done.find(e.get()); known != done.end()) return known->second;
    std::vector<llvm::Value*> operands;
    for (const Expr& child : children(e)) operands.push_back(expression(child, done));
    return done[e.get()] = operands.empty() ? leaf(*e) : values_.operation(*e, operands);
  }

  llvm::Value* leaf(const ExprNode& node) {
    if (const auto* number = std::get_if<Imm>(&node.is))
      return values_.number(node.type, node.lanes, number->real, number->integer);
    if (const auto* reg = std::get_if<Reg>(&node.is)) return value_of(reg->array, reg->index);
    if (const auto* load = std::get_if<Load>(&node.is))
      return values_.load(access(load->view, load->index), node.type, node.lanes,
                          element_step(load->view, load->lane_dim, load->lane_step), load->first,
                          load->count, load->fill);
    if (const auto* position = std::get_if<Position>(&node.is)) {
      llvm::Value* value = b_.CreateTrunc(integer(position->value), values_.type(node.type, 1));
      return node.lanes == 1 ? value
                             : b_.CreateVectorSplat(static_cast<unsigned>(node.lanes), value);
    }
    throw InternalError(
        fmt::format("step {}: a leaf of the nest language reached code generation", step_.name));
  }

  const LoopProgram& program_;
  const Step& step_;
  const Target& target_;
  llvm::Function* function_;
  const std::vector<llvm::Value*>& tables_;
  llvm::IRBuilder<> b_;
  ValueEmitter values_;
  std::vector<llvm::Value*> buffers_;
  std::vector<llvm::Value*> runtime_;                // by variable, of serial loops and items
  std::vector<std::optional<int64_t>> constants_;    // by variable, of unrolled loops
  std::vector<std::vector<llvm::Value*>> registers_; // by array and flat index; null: not set
  std::vector<std::map<PointerKey, llvm::Value*>> scopes_;
};

/// Constant buffers become one read-only global each.
std::vector<llvm::Value*> emit_tables(const LoopProgram& program, llvm::Module& module) {
  std::vector<llvm::Value*> tables(program.buffers.size());
  for (size_t i = 0; i < program.buffers.size(); ++i) {
    const Buffer& buffer = program.buffers[i];
    if (buffer.role != Buffer::Role::table) continue;
    const llvm::StringRef bytes(reinterpret_cast<const char*>(buffer.data->data()),
                                buffer.data->size());
    auto* data = llvm::ConstantDataArray::getString(module.getContext(), bytes, /*AddNull=*/false);
    auto* global =
        new llvm::GlobalVariable(module, data->getType(), /*isConstant=*/true,
                                 llvm::GlobalValue::PrivateLinkage, data, "table." + buffer.name);
    global->setAlignment(llvm::Align(64));
    tables[i] = global;
  }
  return tables;
}

} // namespace

std::unique_ptr<llvm::Module> emit(const LoopProgram& program, const Target& target,
                                   llvm::LLVMContext& context) {
  auto module = std::make_unique<llvm::Module>(program.name, context);
  const std::vector<llvm::Value*> tables = emit_tables(program, *module);
  auto* pointer = llvm::PointerType::getUnqual(context);
  auto* i64 = llvm::Type::getInt64Ty(context);
  auto* type =
      llvm::FunctionType::get(llvm::Type::getInt32Ty(context), {pointer, pointer, i64, i64}, false);
  for (size_t i = 0; i < program.steps.size(); ++i) {
    auto* function =
        llvm::Function::Create(type, llvm::GlobalValue::ExternalLinkage, step_symbol(i), *module);
    function->setDoesNotThrow();
    function->addFnAttr("target-cpu", std::string(llvm_cpu));
    function->addFnAttr("tune-cpu", std::string(llvm_tune_cpu(target)));
    function->addFnAttr("target-features", llvm_features(target));
    function->addFnAttr("no-builtins"); // nothing in an image may become a call
    static constexpr const char* names[] = {"arguments", "scratch", "begin", "end"};
    for (unsigned a = 0; a < 4; ++a) function->getArg(a)->setName(names[a]);
    StepEmitter(program, program.steps[i], target, function, tables).run();
  }
  return module;
}

} // namespace volute::compiler
