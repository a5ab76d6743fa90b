#include "compiler/codegen/emit.h"

#include "compiler/codegen/codegen.h"
#include "compiler/codegen/emit_address.h"
#include "compiler/codegen/emit_lines.h"
#include "compiler/codegen/emit_numbers.h"
#include "compiler/codegen/emit_registers.h"
#include "compiler/codegen/emit_tiles.h"
#include "compiler/codegen/emit_values.h"
#include "ir/diagnostic.h"
#include "ir/effects.h"
#include "ir/walk.h"

#include <fmt/format.h>
#include <llvm/IR/IRBuilder.h>

#include <algorithm>
#include <memory>
#include <unordered_map>

namespace volute::compiler {

using namespace ir;

std::string step_symbol(size_t step) { return fmt::format("step{}", step); }

namespace {

// runtime/status.h: StatusCode::index_out_of_range.
constexpr uint32_t index_out_of_range = 1;

/// Where the program's buffers are: in the list that a call hands over, or in the image.
struct ProgramMemory {
  std::vector<int32_t> slots;
  std::vector<llvm::Value*> tables;
};

bool is_shift(BinaryFn fn) { return fn == BinaryFn::shift_left || fn == BinaryFn::shift_right; }

class StepEmitter {
public:
  StepEmitter(const LoopProgram& program, size_t step, const Target& target,
              llvm::Function* function, const ProgramMemory& memory, llvm::DISubprogram* scope,
              const LoopsText* text)
      : program_(program), step_(program.steps[step]), function_(function), memory_(memory),
        b_(function->getContext()), values_(b_, target), address_(b_, step_),
        tiles_(b_, step_, address_, target), lines_(b_, scope, step_, text, step),
        pool_(b_, step_.name + ".numbers") {
    for (const RegisterArray& array : step_.arrays)
      registers_.emplace_back(static_cast<size_t>(array.count()));
    holds_sums_.resize(step_.arrays.size());
  }

  void run() {
    b_.SetInsertPoint(new_block("entry"));
    load_buffers();
    load_parameters();
    auto* begin = function_->getArg(2);
    auto* end = function_->getArg(3);
    auto* configure = tiles_.any() ? new_block("configure") : nullptr;
    auto* items = new_block("items");
    auto* release = tiles_.any() ? new_block("release") : nullptr;
    auto* done = new_block("done");
    auto* before = configure ? configure : b_.GetInsertBlock();
    b_.CreateCondBr(b_.CreateICmpSLT(begin, end), configure ? configure : items, done);
    if (configure) {
      b_.SetInsertPoint(configure);
      tiles_.configure(*function_->getParent());
      b_.CreateBr(items);
    }
    b_.SetInsertPoint(items);
    llvm::PHINode* item = b_.CreatePHI(b_.getInt64Ty(), 2, "item");
    item->addIncoming(begin, before);
    decompose(item);
    statement(step_.body);
    llvm::Value* next = b_.CreateAdd(item, b_.getInt64(1));
    item->addIncoming(next, b_.GetInsertBlock());
    b_.CreateCondBr(b_.CreateICmpSLT(next, end), items, release ? release : done);
    if (release) {
      b_.SetInsertPoint(release);
      tiles_.release();
      b_.CreateBr(done);
    }
    b_.SetInsertPoint(done);
    b_.CreateRet(b_.getInt32(0));
    pool_.finish();
  }

private:
  llvm::BasicBlock* new_block(const llvm::Twine& name) {
    return llvm::BasicBlock::Create(function_->getContext(), name, function_);
  }

  void load_buffers() {
    llvm::Value* list =
        b_.CreateAlignedLoad(b_.getPtrTy(), function_->getArg(0), llvm::Align(8), "buffers");
    for (const View& view : step_.views) {
      const auto at = static_cast<size_t>(view.buffer);
      if (address_.has_buffer(at)) continue;
      address_.set_buffer(
          at, memory_of(program_.buffers[at], memory_.slots[at], memory_.tables[at], list));
    }
  }

  void load_parameters() {
    if (step_.parameters.empty()) return;
    llvm::Value* second = b_.CreateGEP(b_.getPtrTy(), function_->getArg(0), b_.getInt64(1));
    llvm::Value* list = b_.CreateAlignedLoad(b_.getPtrTy(), second, llvm::Align(8), "parameters");
    for (const ParameterVar& parameter : step_.parameters) {
      const std::string& name = step_.vars[static_cast<size_t>(parameter.var.id)];
      const auto at = std::find_if(program_.parameters.begin(), program_.parameters.end(),
                                   [&](const Parameter& p) { return p.name == name; });
      const auto index = static_cast<uint64_t>(at - program_.parameters.begin());
      llvm::Value* place = b_.CreateGEP(b_.getInt64Ty(), list, b_.getInt64(index));
      address_.set_runtime(parameter.var,
                           b_.CreateAlignedLoad(b_.getInt64Ty(), place, llvm::Align(8), name));
    }
  }

  llvm::Value* memory_of(const Buffer& buffer, int32_t slot, llvm::Value* table,
                         llvm::Value* list) {
    if (buffer.role == Buffer::Role::table) return table;
    if (buffer.role == Buffer::Role::scratch) {
      if (buffer.scratch_offset == 0) return function_->getArg(1);
      return b_.CreateGEP(b_.getInt8Ty(), function_->getArg(1),
                          b_.getInt64(static_cast<uint64_t>(buffer.scratch_offset)), buffer.name);
    }
    llvm::Value* place =
        b_.CreateGEP(b_.getPtrTy(), list, b_.getInt64(static_cast<uint64_t>(slot)));
    return b_.CreateAlignedLoad(b_.getPtrTy(), place, llvm::Align(8), buffer.name);
  }

  void decompose(llvm::Value* item) {
    llvm::Value* rest = item;
    for (size_t i = step_.items.size(); i-- > 0;) {
      const ItemLoop& loop = step_.items[i];
      const std::string& name = step_.vars[static_cast<size_t>(loop.var.id)];
      llvm::Value* count = address_.integer(loop.count);
      if (loop.count == Affine(1)) {
        address_.set_runtime(loop.var, b_.getInt64(0));
      } else if (i == 0) {
        address_.set_runtime(loop.var, rest);
      } else {
        address_.set_runtime(loop.var, b_.CreateURem(rest, count, name));
        rest = b_.CreateUDiv(rest, count);
      }
    }
  }

  // ---- statements ---------------------------------------------------------------------------

  void statement(const Stmt& s) {
    const LineCursor::Place before = lines_.enter(*s);
    std::visit(overloaded{
                   [&](const Block& block) {
                     for (const Stmt& inner : block.stmts) statement(inner);
                   },
                   [&](const For& loop) {
                     loop.kind == For::Kind::unrolled ? unrolled(loop) : serial(loop);
                   },
                   [&](const When& when) { conditional(when); },
                   [&](const Set& set) {
                     note_sum(set);
                     slot(set.array, set.index) = {expression(set.value), nullptr};
                   },
                   [&](const Store& store) {
                     llvm::Value* value = expression(store.value);
                     values_.store(
                         address_.access(store.view, store.index), value, store.value->type,
                         address_.element_step(store.view, store.lane_dim, store.lane_step),
                         store.count);
                   },
                   [&](const Scatter& to) { scatter(to); },
                   [&](const Transpose& turn) { transpose(turn); },
                   [&](const Tile& tile) { tiles_.write(tile); },
                   [&](const Fence& fence) {
                     if (fence.kind == Fence::Kind::numbers) {
                       numbers_ = pool_.pointer();
                       return;
                     }
                     if (fence.kind == Fence::Kind::sums) finish_sums();
                     values_.fence();
                   },
                   [&](const Prefetch& ahead) {
                     values_.prefetch(address_.access(ahead.view, ahead.offset));
                   },
               },
               s->is);
    lines_.leave(before);
  }

  void unrolled(const For& loop) {
    const auto [begin, end] = address_.unrolled_range(loop.range);
    for (int64_t i = begin; i < end; ++i) {
      address_.set_constant(loop.var, i);
      lines_.again();
      statement(loop.body);
    }
    address_.set_constant(loop.var, std::nullopt);
  }

  void serial(const For& loop) {
    const bool constant_range = loop.range.is_constant();
    if (constant_range && loop.range.begin() >= loop.range.end()) return;
    llvm::Value* lo = address_.extreme(loop.range.lo, true);
    llvm::Value* hi = address_.extreme(loop.range.hi, false);
    std::vector<AddressEmitter::Advancing> pointers = address_.start(loop, lo);

    CarriedRegisters carries(step_, address_);
    carries.follow(loop.body);
    struct Carried {
      size_t array, slot;
      llvm::PHINode* phi;
    };
    std::vector<Carried> carried;

    auto* before = b_.GetInsertBlock();
    auto* body = new_block(step_.vars[static_cast<size_t>(loop.var.id)]);
    auto* after = new_block(llvm::Twine(step_.vars[static_cast<size_t>(loop.var.id)]) + ".end");
    if (constant_range)
      b_.CreateBr(body);
    else
      b_.CreateCondBr(b_.CreateICmpSLT(lo, hi), body, after);

    b_.SetInsertPoint(body);
    llvm::PHINode* counter =
        b_.CreatePHI(b_.getInt64Ty(), 2, step_.vars[static_cast<size_t>(loop.var.id)]);
    counter->addIncoming(lo, before);
    const auto registers_before = registers_;
    for (size_t a = 0; a < registers_.size(); ++a) {
      for (size_t i = 0; i < registers_[a].size(); ++i) {
        if (!carries.contain(a, i)) continue;
        llvm::Value* start = compiler::value_of(registers_[a][i], step_.arrays[a].name);
        if (!start) continue;
        llvm::PHINode* phi = b_.CreatePHI(start->getType(), 2, step_.arrays[a].name);
        phi->addIncoming(start, before);
        carried.push_back({a, i, phi});
        registers_[a][i] = {phi, nullptr};
      }
    }
    address_.enter(pointers, before);
    address_.set_runtime(loop.var, counter);
    llvm::Value* numbers_outside = numbers_;
    statement(loop.body);
    numbers_ = numbers_outside;
    address_.set_runtime(loop.var, nullptr);
    address_.close_scope();

    auto* latch = b_.GetInsertBlock();
    address_.advance(pointers, latch);
    llvm::Value* next = b_.CreateAdd(counter, b_.getInt64(1));
    counter->addIncoming(next, latch);
    for (const Carried& c : carried)
      c.phi->addIncoming(
          compiler::value_of(registers_[c.array][c.slot], step_.arrays[c.array].name), latch);
    b_.CreateCondBr(b_.CreateICmpSLT(next, hi), body, after);

    b_.SetInsertPoint(after);
    if (!constant_range) merge(registers_before, before, latch);
  }

  using Registers = std::vector<std::vector<Held>>; // by array and flat index

  /// After a body that may not have run: what it has assigned is one of two values.
  void merge(const Registers& skipped, llvm::BasicBlock* from_skip, llvm::BasicBlock* from_body) {
    for (size_t a = 0; a < skipped.size(); ++a) {
      for (size_t i = 0; i < skipped[a].size(); ++i) {
        const Held& before = skipped[a][i];
        Held& after = registers_[a][i];
        const bool is_same = before.value == after.value && before.either == after.either;
        if (is_same || !after.is_set()) continue;
        after = {nullptr, std::make_shared<Held::Either>(Held::Either{
                              b_.GetInsertBlock(), from_skip, from_body, before, after})};
        // Set on both ways: it is likely to be read.
        if (before.value && after.either->ran.value)
          compiler::value_of(after, step_.arrays[a].name);
      }
    }
  }

  void conditional(const When& when) {
    llvm::Value* value = address_.integer(when.value);
    llvm::Value* above = b_.CreateICmpSGE(value, b_.getInt64(static_cast<uint64_t>(when.lo)));
    llvm::Value* below = b_.CreateICmpSLT(value, b_.getInt64(static_cast<uint64_t>(when.hi)));
    auto* before = b_.GetInsertBlock();
    auto* body = new_block("when");
    auto* after = new_block("when.end");
    b_.CreateCondBr(b_.CreateAnd(above, below), body, after);
    b_.SetInsertPoint(body);
    const auto registers_before = registers_;
    llvm::Value* numbers_outside = numbers_;
    address_.open_scope();
    statement(when.body);
    numbers_ = numbers_outside;
    address_.close_scope();
    auto* from_body = b_.GetInsertBlock();
    b_.CreateBr(after);
    b_.SetInsertPoint(after);
    merge(registers_before, before, from_body);
  }

  /// One comparison: a negative number is a very large one without its sign.
  void scatter(const Scatter& to) {
    llvm::Value* offset = expression(to.offset);
    llvm::Value* value = expression(to.value);
    if (!out_of_range_) {
      out_of_range_ = new_block("out_of_range");
      llvm::IRBuilder<> there(out_of_range_);
      there.SetCurrentDebugLocation(b_.getCurrentDebugLocation());
      there.CreateRet(b_.getInt32(index_out_of_range));
    }
    auto* inside = new_block("inside");
    llvm::Value* extent = b_.getInt64(static_cast<uint64_t>(to.extent));
    b_.CreateCondBr(b_.CreateICmpULT(offset, extent), inside, out_of_range_);
    b_.SetInsertPoint(inside);
    llvm::Value* bytes =
        b_.CreateMul(offset, b_.getInt64(static_cast<uint64_t>(size_of(to.value->type))));
    llvm::Value* place = b_.CreateGEP(b_.getInt8Ty(), address_.access(to.view, to.index), bytes);
    values_.store(place, value, to.value->type, 1, 1);
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
    const std::vector<llvm::Value*> columns = values_.transpose(
        std::move(rows), from.type, from.lanes, step_.arrays[static_cast<size_t>(turn.to)].lanes);
    for (size_t l = 0; l < columns.size(); ++l)
      slot(turn.to, {Affine(static_cast<int64_t>(l))}) = {columns[l], nullptr};
  }

  /// An array that is set to something of itself holds sums.
  void note_sum(const Set& set) {
    const auto a = static_cast<size_t>(set.array);
    if (holds_sums_[a]) return;
    visit(set.value, [&](const ExprNode& node) {
      const auto* reg = std::get_if<Reg>(&node.is);
      if (reg && reg->array == set.array) holds_sums_[a] = true;
    });
  }

  /// Sums pass through the fence as its operands, so that each is up to date there.
  void finish_sums() {
    std::vector<llvm::Value**> sums;
    for (size_t a = 0; a < registers_.size(); ++a)
      if (holds_sums_[a])
        for (Held& held : registers_[a])
          if (held.is_set()) {
            held = {compiler::value_of(held, step_.arrays[a].name), nullptr};
            if (held.value) sums.push_back(&held.value);
          }
    values_.finish(sums);
  }

  // ---- registers and expressions ------------------------------------------------------------

  Held& slot(int32_t array, const std::vector<Affine>& index) {
    const auto a = static_cast<size_t>(array);
    return registers_[a].at(register_place(step_.arrays[a], index, address_));
  }

  llvm::Value* value_of(int32_t array, const std::vector<Affine>& index) {
    const std::string& name = step_.arrays[static_cast<size_t>(array)].name;
    llvm::Value* value = compiler::value_of(slot(array, index), name);
    if (!value)
      throw InternalError(
          fmt::format("step {}: register {} is read before it is set", step_.name, name));
    return value;
  }

  /// The value of a statement's expression. Expressions are graphs: each node is written once.
  llvm::Value* expression(const Expr& e) {
    std::unordered_map<const ExprNode*, llvm::Value*> done;
    visit(e, [&](const ExprNode& node) {
      lines_.at_node(node, done.size());
      // A shift is by a number in the instruction.
      const auto* binary = std::get_if<BinaryOp>(&node.is);
      if (numbers_ && binary && is_shift(binary->fn))
        if (const auto* amount = std::get_if<Imm>(&binary->b->is))
          done[binary->b.get()] =
              values_.number(binary->b->type, binary->b->lanes, amount->real, amount->integer);
      std::vector<llvm::Value*> operands;
      for_each_part(node, [&](const Expr& operand) { operands.push_back(done.at(operand.get())); });
      done[&node] = operands.empty()            ? leaf(node)
                    : is_sign_from_memory(node) ? sign(std::get<UnaryOp>(node.is), operands[0])
                                                : values_.operation(node, operands);
    });
    lines_.at_value(*e);
    return done.at(e.get());
  }

  /// Behind `fence numbers` a change of sign is one of bits: LLVM would keep the mask in a
  /// register.
  bool is_sign_from_memory(const ExprNode& node) const {
    const auto* op = std::get_if<UnaryOp>(&node.is);
    return numbers_ && op && (op->fn == UnaryFn::neg || op->fn == UnaryFn::abs) &&
           node.type == ElementType::f32 && node.lanes > 1;
  }
  llvm::Value* sign(const UnaryOp& op, llvm::Value* a) {
    constexpr uint32_t highest = 0x80000000;
    llvm::Type* words = a->getType()->getWithNewType(b_.getInt32Ty());
    llvm::Value* bits = b_.CreateBitCast(a, words);
    bits = op.fn == UnaryFn::neg ? b_.CreateXor(bits, pool_.read(numbers_, words, highest))
                                 : b_.CreateAnd(bits, pool_.read(numbers_, words, ~highest));
    return b_.CreateBitCast(bits, a->getType());
  }

  llvm::Value* from_memory(llvm::Value* vector) {
    auto* number = llvm::cast<llvm::Constant>(vector);
    llvm::Type* type = number->getType();
    if (type->getScalarSizeInBits() != 32) return vector;
    const llvm::Constant* lane = number->getSplatValue();
    const auto* real = llvm::dyn_cast<llvm::ConstantFP>(lane);
    const llvm::APInt bits = real ? real->getValueAPF().bitcastToAPInt()
                                  : llvm::cast<llvm::ConstantInt>(lane)->getValue();
    return pool_.read(numbers_, type, static_cast<uint32_t>(bits.getZExtValue()));
  }

  llvm::Value* leaf(const ExprNode& node) {
    if (const auto* number = std::get_if<Imm>(&node.is)) {
      llvm::Value* value = values_.number(node.type, node.lanes, number->real, number->integer);
      return numbers_ && node.lanes > 1 ? from_memory(value) : value;
    }
    if (const auto* reg = std::get_if<Reg>(&node.is)) return value_of(reg->array, reg->index);
    if (const auto* load = std::get_if<Load>(&node.is))
      return values_.load(address_.access(load->view, load->index), node.type, node.lanes,
                          address_.element_step(load->view, load->lane_dim, load->lane_step),
                          load->first, load->count, load->fill);
    if (const auto* position = std::get_if<Position>(&node.is))
      return values_.count_up(node.type, node.lanes, address_.integer(position->value),
                              position->lane_step);
    throw InternalError(
        fmt::format("step {}: a leaf of the nest language reached code generation", step_.name));
  }

  const LoopProgram& program_;
  const Step& step_;
  llvm::Function* function_;
  const ProgramMemory& memory_;
  llvm::IRBuilder<> b_;
  ValueEmitter values_;
  AddressEmitter address_;
  TileEmitter tiles_;
  LineCursor lines_;
  NumberPool pool_;
  Registers registers_;
  std::vector<bool> holds_sums_;   // by array
  llvm::Value* numbers_ = nullptr; // from a fence on to the end of the loop or condition around
  llvm::BasicBlock* out_of_range_ = nullptr; // leaves the step with status 1
};

/// Zeros where a program is only looked at and came without its data.
llvm::Constant* table_data(const Buffer& buffer, llvm::LLVMContext& context) {
  if (!buffer.data) {
    const auto size = static_cast<uint64_t>(buffer.elements * size_of(buffer.element));
    return llvm::ConstantAggregateZero::get(
        llvm::ArrayType::get(llvm::Type::getInt8Ty(context), size));
  }
  const llvm::StringRef bytes(reinterpret_cast<const char*>(buffer.data->data()),
                              buffer.data->size());
  return llvm::ConstantDataArray::getString(context, bytes, /*AddNull=*/false);
}

/// Constant buffers that a step reads become one read-only global each: a weight that stands packed
/// beside itself, or whose numbers stand in the code, is not in the image.
std::vector<llvm::Value*> emit_tables(const LoopProgram& program, llvm::Module& module) {
  std::vector<llvm::Value*> tables(program.buffers.size());
  std::vector<bool> is_read(program.buffers.size());
  for (const Step& step : program.steps)
    for (const int32_t buffer : effects(step).reads) is_read[static_cast<size_t>(buffer)] = true;
  for (size_t i = 0; i < program.buffers.size(); ++i) {
    const Buffer& buffer = program.buffers[i];
    if (buffer.role != Buffer::Role::table || !is_read[i]) continue;
    llvm::Constant* data = table_data(buffer, module.getContext());
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
                                   llvm::LLVMContext& context, const LoopsText* text,
                                   LineTable::Kind kind, const std::string& folder) {
  auto module = std::make_unique<llvm::Module>(program.name, context);
  LineTable lines(*module, program, text, kind, folder);
  const ProgramMemory memory = {argument_slots(program.buffers), emit_tables(program, *module)};
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
    llvm::DISubprogram* scope = lines.begin(*function, program, i);
    StepEmitter(program, i, target, function, memory, scope, text).run();
  }
  lines.finish();
  return module;
}

} // namespace volute::compiler
