#include "compiler/codegen/emit_registers.h"

#include "ir/walk.h"

#include <algorithm>

namespace volute::compiler {

using namespace ir;

size_t register_place(const RegisterArray& array, const std::vector<Affine>& index,
                      const AddressEmitter& address) {
  int64_t place = 0;
  for (size_t d = 0; d < index.size(); ++d)
    place = place * array.shape[d] + address.constant(index[d]);
  return static_cast<size_t>(place);
}

CarriedRegisters::CarriedRegisters(const Step& step, AddressEmitter& address)
    : step_(step), address_(address) {
  for (const RegisterArray& array : step.arrays)
    uses_.emplace_back(static_cast<size_t>(array.count()));
}

void CarriedRegisters::follow(const Stmt& s) {
  std::visit(overloaded{
                 [&](const Block& block) {
                   for (const Stmt& inner : block.stmts) follow(inner);
                 },
                 [&](const For& loop) { follow_loop(loop); },
                 [&](const When& when) { follow_uncertain(when.body); },
                 [&](const Set& set) {
                   read(set.value);
                   assign(set.array, set.index);
                 },
                 [&](const Store& store) { read(store.value); },
                 [&](const Scatter& scatter) {
                   read(scatter.offset);
                   read(scatter.value);
                 },
                 [&](const Transpose& turn) { follow_transpose(turn); },
                 [](const Tile&) {}, // whose registers have numbers, and go into no phi
                 [](const Fence&) {},
                 [](const Prefetch&) {},
             },
             s->is);
}

void CarriedRegisters::follow_transpose(const Transpose& turn) {
  std::vector<Affine> from = turn.from_index;
  const auto axis = static_cast<size_t>(turn.from_axis);
  for (int64_t r = 0; r < turn.count; ++r) {
    from[axis] = turn.from_index[axis] + r;
    read(turn.from, from);
  }
  const int32_t rows = step_.arrays[static_cast<size_t>(turn.from)].lanes;
  for (int64_t l = 0; l < rows; ++l) assign(turn.to, {l});
}

void CarriedRegisters::follow_loop(const For& loop) {
  if (loop.kind == For::Kind::unrolled) {
    const auto [begin, end] = address_.unrolled_range(loop.range);
    for (int64_t i = begin; i < end; ++i) {
      address_.set_constant(loop.var, i);
      follow(loop.body);
    }
    address_.set_constant(loop.var, std::nullopt);
  } else if (!loop.range.is_constant()) {
    follow_uncertain(loop.body);
  } else if (loop.range.begin() < loop.range.end()) {
    follow(loop.body);
  }
}

void CarriedRegisters::follow_uncertain(const Stmt& body) {
  const auto before = uses_;
  follow(body);
  for (size_t a = 0; a < uses_.size(); ++a)
    for (size_t i = 0; i < uses_[a].size(); ++i) uses_[a][i].is_set = before[a][i].is_set;
}

void CarriedRegisters::read(const Expr& e) {
  const auto [entry, is_new] = registers_in_.try_emplace(e.get());
  if (is_new)
    visit(e, [&reads = entry->second](const ExprNode& node) {
      if (const auto* reg = std::get_if<Reg>(&node.is)) reads.push_back(reg);
    });
  for (const Reg* reg : entry->second) read(reg->array, reg->index);
}

void CarriedRegisters::read(int32_t array, const std::vector<Affine>& index) {
  const auto a = static_cast<size_t>(array);
  Use& use = uses_[a][register_place(step_.arrays[a], index, address_)];
  use.is_read_before_set |= !use.is_set;
}

void CarriedRegisters::assign(int32_t array, const std::vector<Affine>& index) {
  const auto a = static_cast<size_t>(array);
  Use& use = uses_[a][register_place(step_.arrays[a], index, address_)];
  use.is_set = use.is_assigned = true;
}

llvm::Value* value_of(const Held& held, const std::string& name) {
  if (held.value || !held.either) return held.value;
  Held::Either& e = *held.either;
  if (e.phi) return e.phi;
  llvm::Value* skipped = value_of(e.skipped, name);
  llvm::Value* ran = value_of(e.ran, name);
  llvm::Type* type = (ran ? ran : skipped)->getType();
  const auto is_phi = [](const llvm::Instruction& i) { return llvm::isa<llvm::PHINode>(i); };
  const auto behind_phis = std::find_if_not(e.at->begin(), e.at->end(), is_phi);
  e.phi = llvm::IRBuilder<>(e.at, behind_phis).CreatePHI(type, 2, name);
  e.phi->addIncoming(skipped ? skipped : llvm::PoisonValue::get(type), e.from_skip);
  e.phi->addIncoming(ran ? ran : llvm::PoisonValue::get(type), e.from_body);
  return e.phi;
}

} // namespace volute::compiler
