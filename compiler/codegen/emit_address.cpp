#include "compiler/codegen/emit_address.h"

#include "ir/diagnostic.h"
#include "ir/walk.h"

#include <fmt/format.h>
#include <llvm/IR/Constants.h>

#include <algorithm>
#include <limits>

namespace volute::compiler {

using namespace ir;

AddressEmitter::AddressEmitter(llvm::IRBuilder<>& builder, const Step& step)
    : b_(builder), step_(step), runtime_(step.vars.size()), constants_(step.vars.size()),
      tables_(step.tables.size()) {
  open_scope();
}

void AddressEmitter::set_buffer(size_t buffer, llvm::Value* memory) { buffers_[buffer] = memory; }

// ---- variables --------------------------------------------------------------------------------

Affine AddressEmitter::fold(const Affine& a) const {
  const auto known = [&](const Affine::Term& t) {
    return !is_product(t.var) && constants_[id(t.var)].has_value();
  };
  if (std::none_of(a.terms().begin(), a.terms().end(), known)) return a;
  Affine result = a.constant_term();
  for (const Affine::Term& t : a.terms())
    result.add(known(t) ? Affine(*constants_[id(t.var)]) : Affine(t.var), t.coefficient);
  return result;
}

int64_t AddressEmitter::constant(const Affine& a) const {
  int64_t sum = a.constant_term();
  for (const Affine::Term& t : a.terms()) {
    if (is_product(t.var) || !constants_[id(t.var)])
      throw InternalError(fmt::format("step {}: {} is not a constant after unrolling", step_.name,
                                      to_string(a, step_.vars)));
    sum += t.coefficient * *constants_[id(t.var)];
  }
  return sum;
}

std::pair<int64_t, int64_t> AddressEmitter::unrolled_range(const Range& range) const {
  int64_t begin = std::numeric_limits<int64_t>::min(), end = std::numeric_limits<int64_t>::max();
  for (const Bound& bound : range.lo)
    begin = std::max(begin, ceil_div(constant(bound.numerator), bound.divisor));
  for (const Bound& bound : range.hi)
    end = std::min(end, ceil_div(constant(bound.numerator), bound.divisor));
  return {begin, end};
}

llvm::Value* AddressEmitter::value_of(Var var) {
  if (is_product(var)) {
    const auto [factor, parameter] = products_[id(var) - step_.vars.size()];
    return b_.CreateMul(value_of(factor), value_of(parameter));
  }
  llvm::Value* value = runtime_[id(var)];
  if (!value)
    throw InternalError(
        fmt::format("step {}: {} is used outside its loop", step_.name, step_.vars[id(var)]));
  return value;
}

llvm::Value* AddressEmitter::integer(const Affine& a) {
  const Affine folded = fold(a);
  llvm::Value* sum = nullptr;
  for (const Affine::Term& t : folded.terms()) {
    llvm::Value* term = value_of(t.var);
    if (t.coefficient != 1)
      term = b_.CreateMul(term, b_.getInt64(static_cast<uint64_t>(t.coefficient)));
    sum = sum ? b_.CreateAdd(sum, term) : term;
  }
  if (!sum) return b_.getInt64(static_cast<uint64_t>(folded.number()));
  if (folded.constant_term() != 0)
    sum = b_.CreateAdd(sum, b_.getInt64(static_cast<uint64_t>(folded.constant_term())));
  return sum;
}

llvm::Value* AddressEmitter::integer(const Bound& bound) {
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

llvm::Value* AddressEmitter::extreme(const std::vector<Bound>& bounds, bool largest) {
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

// ---- strides that are parameters ----------------------------------------------------------------

Var AddressEmitter::product(Var var, Var parameter) const {
  const std::pair<Var, Var> factors(var, parameter);
  auto known = std::find(products_.begin(), products_.end(), factors);
  if (known == products_.end()) known = products_.insert(known, factors);
  return {static_cast<int32_t>(step_.vars.size() + static_cast<size_t>(known - products_.begin()))};
}

Affine AddressEmitter::times(const Affine& at, const Affine& stride) const {
  if (stride.is_constant()) return at * stride.number();
  const Affine folded = fold(at);
  Affine sum = folded.filter([](Var) { return true; }, false) * stride.constant_term() +
               stride * folded.constant_term();
  for (const Affine::Term& a : folded.terms())
    for (const Affine::Term& s : stride.terms())
      sum += Affine(product(a.var, s.var)) * a.coefficient * s.coefficient;
  return sum;
}

bool AddressEmitter::is_in_scope(Var v, Var var) const {
  if (is_product(v)) return is_in_scope(products_[id(v) - step_.vars.size()].first, var);
  return v == var || (runtime_[id(v)] && !constants_[id(v)]);
}

Affine AddressEmitter::derivative(const Affine& a, Var var) const {
  Affine result = a.coefficient(var);
  for (const Affine::Term& t : a.terms())
    if (is_product(t.var))
      if (const auto& [factor, parameter] = products_[id(t.var) - step_.vars.size()]; factor == var)
        result += Affine(parameter) * t.coefficient;
  return result;
}

// ---- tables -----------------------------------------------------------------------------------

/// Read-only data of the image, in 32 bits where all entries fit.
llvm::GlobalVariable* AddressEmitter::table(int32_t table) {
  llvm::GlobalVariable*& global = tables_.at(static_cast<size_t>(table));
  if (global) return global;
  const std::vector<int64_t>& entries = step_.tables[static_cast<size_t>(table)];
  const bool is_short = std::all_of(entries.begin(), entries.end(), [](int64_t entry) {
    return entry >= std::numeric_limits<int32_t>::min() &&
           entry <= std::numeric_limits<int32_t>::max();
  });
  llvm::Constant* data = nullptr;
  if (is_short) {
    const std::vector<uint32_t> words(entries.begin(), entries.end());
    data = llvm::ConstantDataArray::get(b_.getContext(), words);
  } else {
    const std::vector<uint64_t> words(entries.begin(), entries.end());
    data = llvm::ConstantDataArray::get(b_.getContext(), words);
  }
  global = new llvm::GlobalVariable(*b_.GetInsertBlock()->getModule(), data->getType(),
                                    /*isConstant=*/true, llvm::GlobalValue::PrivateLinkage, data,
                                    fmt::format("{}.table{}", step_.name, table));
  global->setAlignment(llvm::Align(64));
  return global;
}

llvm::Value* AddressEmitter::entry(int32_t id, const Affine& at) {
  const Affine folded = fold(at);
  if (folded.is_constant()) {
    const std::vector<int64_t>& entries = step_.tables[static_cast<size_t>(id)];
    return b_.getInt64(static_cast<uint64_t>(entries.at(static_cast<size_t>(folded.number()))));
  }
  const EntryKey k{id, key(0, folded).second, folded.constant_term()};
  for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope)
    if (const auto known = scope->entries.find(k); known != scope->entries.end())
      return known->second;
  llvm::GlobalVariable* data = table(id);
  llvm::Type* element = data->getValueType()->getArrayElementType();
  llvm::Value* place = b_.CreateGEP(element, data, integer(folded));
  llvm::Value* value = b_.CreateSExt(
      b_.CreateAlignedLoad(element, place, llvm::Align(element->getIntegerBitWidth() / 8)),
      b_.getInt64Ty());
  scopes_.back().entries[k] = value;
  return value;
}

// ---- pointers ---------------------------------------------------------------------------------

AddressEmitter::PointerKey AddressEmitter::key(int32_t view, const Affine& runtime) {
  PointerKey k{view, {}};
  for (const Affine::Term& t : runtime.terms()) k.second.emplace_back(t.var.id, t.coefficient);
  return k;
}

/// The affine part: subscripts through tables are apart from it.
Affine AddressEmitter::offset(int32_t view, const Index& index) const {
  Affine sum;
  for (size_t d = 0; d < index.size(); ++d)
    if (index[d].table < 0) sum += times(index[d].at, view_at(view).dims[d].stride);
  return sum;
}

llvm::Value* AddressEmitter::pointer(int32_t view, const Affine& runtime) {
  const View& v = view_at(view);
  llvm::Value* memory = buffers_.at(static_cast<size_t>(v.buffer));
  if (runtime.terms().empty()) return memory;
  const PointerKey k = key(view, runtime);
  for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope)
    if (const auto known = scope->pointers.find(k); known != scope->pointers.end())
      return known->second;
  llvm::Value* bytes = integer(runtime * size_of(v.element));
  llvm::Value* result = b_.CreateGEP(b_.getInt8Ty(), memory, bytes, v.name);
  scopes_.back().pointers[k] = result;
  return result;
}

llvm::Value* AddressEmitter::access(int32_t view, const Index& index) {
  const View& v = view_at(view);
  Affine constant_part;
  llvm::Value* looked_up = nullptr;
  for (size_t d = 0; d < index.size(); ++d) {
    if (index[d].table < 0) continue;
    const Affine& stride = v.dims[d].stride;
    llvm::Value* place = entry(index[d].table, index[d].at);
    if (const auto* known = llvm::dyn_cast<llvm::ConstantInt>(place)) {
      constant_part += stride * known->getSExtValue();
      continue;
    }
    llvm::Value* bytes = b_.CreateMul(place, integer(stride * size_of(v.element)));
    looked_up = looked_up ? b_.CreateAdd(looked_up, bytes) : bytes;
  }
  llvm::Value* place = access(view, offset(view, index) + constant_part);
  return looked_up ? b_.CreateGEP(b_.getInt8Ty(), place, looked_up) : place;
}

llvm::Value* AddressEmitter::access(int32_t view, const Affine& element) {
  const Affine full = fold(element);
  llvm::Value* base = pointer(view, full.filter([](Var) { return true; }, false));
  const int64_t bytes = full.constant_term() * size_of(view_at(view).element);
  return bytes ? b_.CreateGEP(b_.getInt8Ty(), base, b_.getInt64(static_cast<uint64_t>(bytes)))
               : base;
}

int64_t AddressEmitter::element_step(int32_t view, int32_t lane_dim, int64_t lane_step) const {
  if (lane_dim < 0) return 1;
  const Affine& stride = view_at(view).dims[static_cast<size_t>(lane_dim)].stride;
  if (!stride.is_constant())
    throw Error(fmt::format("step {}: lanes of {} lie as far apart as the parameter {} says, for "
                            "which there is no code",
                            step_.name, view_at(view).name, to_string(stride, step_.vars)));
  return lane_step * stride.number();
}

// ---- loops ------------------------------------------------------------------------------------

/// The pointers that advance with `var` in `body`: run-time parts over variables in scope.
void AddressEmitter::collect(const Stmt& s, Var var, std::map<PointerKey, Affine>& found) const {
  const auto note_offset = [&](int32_t view, const Affine& full) {
    const Affine in_scope = full.filter([&](Var v) { return is_in_scope(v, var); }, false);
    if (derivative(in_scope, var) != Affine(0)) found.emplace(key(view, in_scope), in_scope);
  };
  visit(s, [&](const StmtNode& node) {
    if (const auto* store = std::get_if<Store>(&node.is))
      note_offset(store->view, offset(store->view, store->index));
    if (const auto* scatter = std::get_if<Scatter>(&node.is))
      note_offset(scatter->view, offset(scatter->view, scatter->index));
    if (const auto* tile = std::get_if<Tile>(&node.is); tile && tile->view >= 0)
      note_offset(tile->view, offset(tile->view, tile->index));
    if (const auto* prefetch = std::get_if<Prefetch>(&node.is))
      note_offset(prefetch->view, prefetch->offset);
  });
  for_each_expression(s, [&](const Expr& value) {
    visit(value, [&](const ExprNode& node) {
      if (const auto* load = std::get_if<Load>(&node.is))
        note_offset(load->view, offset(load->view, load->index));
    });
  });
}

std::vector<AddressEmitter::Advancing> AddressEmitter::start(const For& loop, llvm::Value* lo) {
  std::map<PointerKey, Affine> found;
  collect(loop.body, loop.var, found);
  std::vector<Advancing> pointers;
  for (const auto& [k, runtime] : found) {
    Advancing moving;
    moving.key = k;
    moving.stride = integer(derivative(runtime, loop.var) * size_of(view_at(k.first).element));
    const auto moves = [&](Var v) { return derivative(v, loop.var) != Affine(0); };
    llvm::Value* outer = pointer(k.first, runtime.filter([&](Var v) { return !moves(v); }, false));
    llvm::Value* begin = b_.CreateMul(lo, moving.stride);
    moving.start = b_.CreateGEP(b_.getInt8Ty(), outer, begin);
    pointers.push_back(std::move(moving));
  }
  return pointers;
}

void AddressEmitter::enter(std::vector<Advancing>& pointers, llvm::BasicBlock* before) {
  open_scope();
  for (Advancing& moving : pointers) {
    moving.phi = b_.CreatePHI(b_.getPtrTy(), 2, view_at(moving.key.first).name);
    moving.phi->addIncoming(moving.start, before);
    scopes_.back().pointers[moving.key] = moving.phi;
  }
}

void AddressEmitter::advance(const std::vector<Advancing>& pointers, llvm::BasicBlock* latch) {
  for (const Advancing& moving : pointers)
    moving.phi->addIncoming(b_.CreateGEP(b_.getInt8Ty(), moving.phi, moving.stride), latch);
}

} // namespace volute::compiler
