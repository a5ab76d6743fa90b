#include "compiler/codegen/emit_values.h"

#include "ir/diagnostic.h"
#include "ir/number.h"

#include <fmt/format.h>
#include <llvm/IR/Intrinsics.h>

#include <bit>

namespace volute::compiler {

using namespace ir;

namespace {

bool is_narrow(ElementType type) { return type == ElementType::f16 || type == ElementType::bf16; }

bool is_constant_zero(const llvm::Value* value) {
  const auto* constant = llvm::dyn_cast<llvm::Constant>(value);
  return constant && constant->isNullValue();
}

} // namespace

int32_t lanes_of(const llvm::Value* value) {
  const auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(value->getType());
  return vector ? static_cast<int32_t>(vector->getNumElements()) : 1;
}

llvm::Type* ValueEmitter::type(ElementType element, int32_t lanes) const {
  llvm::Type* scalar = nullptr;
  switch (element) {
  case ElementType::f32: scalar = b_.getFloatTy(); break;
  case ElementType::f64: scalar = b_.getDoubleTy(); break;
  case ElementType::f16:
  case ElementType::bf16: scalar = b_.getInt16Ty(); break;
  case ElementType::i8:
  case ElementType::u8: scalar = b_.getInt8Ty(); break;
  case ElementType::i32: scalar = b_.getInt32Ty(); break;
  case ElementType::i64: scalar = b_.getInt64Ty(); break;
  }
  return lanes == 1 ? scalar : llvm::FixedVectorType::get(scalar, static_cast<unsigned>(lanes));
}

llvm::Value* ValueEmitter::number(ElementType element, int32_t lanes, double real,
                                  int64_t integer) const {
  llvm::Type* t = type(element, lanes);
  if (is_narrow(element)) {
    std::byte bytes[2];
    write_real(bytes, element, real);
    return llvm::ConstantInt::get(t, std::bit_cast<uint16_t>(bytes));
  }
  if (is_float(element)) return llvm::ConstantFP::get(t, round_to(element, real));
  return llvm::ConstantInt::getSigned(t, wrap_to(element, integer));
}

llvm::Value* ValueEmitter::count_up(ElementType element, int32_t lanes, llvm::Value* base,
                                    int64_t step) const {
  llvm::Value* first = b_.CreateTrunc(base, type(element, 1));
  if (lanes == 1) return first;
  llvm::Value* all = b_.CreateVectorSplat(static_cast<unsigned>(lanes), first);
  if (step == 0) return all;
  std::vector<llvm::Constant*> further;
  for (int32_t l = 0; l < lanes; ++l)
    further.push_back(llvm::ConstantInt::getSigned(type(element, 1), wrap_to(element, l * step)));
  return b_.CreateAdd(all, llvm::ConstantVector::get(further));
}

// ---- arithmetic -------------------------------------------------------------------------------

llvm::Value* ValueEmitter::compare(ElementType type, Compare compare, llvm::Value* a,
                                   llvm::Value* b) const {
  using P = llvm::CmpInst::Predicate;
  struct Row {
    P real, integer, natural;
  };
  static constexpr Row rows[] = {
      {P::FCMP_OLT, P::ICMP_SLT, P::ICMP_ULT}, {P::FCMP_OLE, P::ICMP_SLE, P::ICMP_ULE},
      {P::FCMP_OGT, P::ICMP_SGT, P::ICMP_UGT}, {P::FCMP_OGE, P::ICMP_SGE, P::ICMP_UGE},
      {P::FCMP_OEQ, P::ICMP_EQ, P::ICMP_EQ},   {P::FCMP_UNE, P::ICMP_NE, P::ICMP_NE},
      {P::FCMP_UNO, P::ICMP_NE, P::ICMP_NE},
  };
  const Row& row = rows[static_cast<size_t>(compare)];
  if (is_narrow(type)) a = widened(type, a), b = widened(type, b);
  if (is_float(type)) return b_.CreateFCmp(row.real, a, b);
  if (compare == Compare::unordered)
    return llvm::ConstantInt::getFalse(llvm::CmpInst::makeCmpResultType(a->getType()));
  return b_.CreateICmp(type == ElementType::u8 ? row.natural : row.integer, a, b);
}

// x / 0 is 0, and the lowest number divided by -1 is itself: neither may reach the instruction,
// which traps.
llvm::Value* ValueEmitter::divide(ElementType type, llvm::Value* a, llvm::Value* b) const {
  llvm::Type* t = a->getType();
  llvm::Value* zero = llvm::ConstantInt::get(t, 0);
  llvm::Value* one = llvm::ConstantInt::get(t, 1);
  llvm::Value* by_zero = b_.CreateICmpEQ(b, zero);
  if (type == ElementType::u8) {
    llvm::Value* quotient = b_.CreateUDiv(a, b_.CreateSelect(by_zero, one, b));
    return b_.CreateSelect(by_zero, zero, quotient);
  }
  llvm::Value* by_minus_one = b_.CreateICmpEQ(b, llvm::ConstantInt::getSigned(t, -1));
  llvm::Value* harmless = b_.CreateSelect(b_.CreateOr(by_zero, by_minus_one), one, b);
  llvm::Value* quotient = b_.CreateSDiv(a, harmless);
  quotient = b_.CreateSelect(by_minus_one, b_.CreateNeg(a), quotient);
  return b_.CreateSelect(by_zero, zero, quotient);
}

// A shift by the width or more, or by a negative number, leaves no bit but copies of the sign. Most
// shifts are by constants, for which nothing is left of the test.
llvm::Value* ValueEmitter::shift(ElementType type, BinaryFn fn, llvm::Value* a,
                                 llvm::Value* b) const {
  const auto width = static_cast<uint64_t>(8 * size_of(type));
  llvm::Value* last = llvm::ConstantInt::get(a->getType(), width - 1);
  llvm::Value* beyond = b_.CreateICmpUGT(b, last);
  const bool inside = is_constant_zero(beyond);
  llvm::Value* amount = inside ? b : b_.CreateSelect(beyond, last, b);
  if (fn == BinaryFn::shift_right && type != ElementType::u8) return b_.CreateAShr(a, amount);
  llvm::Value* shifted =
      fn == BinaryFn::shift_left ? b_.CreateShl(a, amount) : b_.CreateLShr(a, amount);
  return inside ? shifted
                : b_.CreateSelect(beyond, llvm::ConstantInt::get(a->getType(), 0), shifted);
}

llvm::Value* ValueEmitter::binary(ElementType type, BinaryFn fn, llvm::Value* a,
                                  llvm::Value* b) const {
  if (fn == BinaryFn::max) return b_.CreateSelect(compare(type, Compare::gt, a, b), a, b);
  if (fn == BinaryFn::min) return b_.CreateSelect(compare(type, Compare::lt, a, b), a, b);
  if (is_narrow(type))
    return narrowed(type, binary(ElementType::f32, fn, widened(type, a), widened(type, b)));
  const bool real = is_float(type);
  switch (fn) {
  case BinaryFn::add: return real ? b_.CreateFAdd(a, b) : b_.CreateAdd(a, b);
  case BinaryFn::sub: return real ? b_.CreateFSub(a, b) : b_.CreateSub(a, b);
  case BinaryFn::mul: return real ? b_.CreateFMul(a, b) : b_.CreateMul(a, b);
  case BinaryFn::div: return real ? b_.CreateFDiv(a, b) : divide(type, a, b);
  case BinaryFn::bit_and: return b_.CreateAnd(a, b);
  case BinaryFn::bit_or: return b_.CreateOr(a, b);
  case BinaryFn::bit_xor: return b_.CreateXor(a, b);
  default: return shift(type, fn, a, b);
  }
}

llvm::Value* ValueEmitter::unary(const ExprNode& node, const UnaryOp& op, llvm::Value* a) const {
  const ElementType type = node.type;
  llvm::Type* t = this->type(type, node.lanes);
  const bool real = is_float(type), narrow = is_narrow(type);
  switch (op.fn) {
  case UnaryFn::neg:
    if (narrow) return b_.CreateXor(a, llvm::ConstantInt::get(t, 0x8000));
    return real ? b_.CreateFNeg(a) : b_.CreateNeg(a);
  case UnaryFn::abs:
    if (narrow) return b_.CreateAnd(a, llvm::ConstantInt::get(t, 0x7fff));
    if (type == ElementType::u8) return a;
    return real ? b_.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, a)
                : static_cast<llvm::Value*>(
                      b_.CreateBinaryIntrinsic(llvm::Intrinsic::abs, a, b_.getFalse()));
  case UnaryFn::sqrt:
    if (narrow)
      return narrowed(type, b_.CreateUnaryIntrinsic(llvm::Intrinsic::sqrt, widened(type, a)));
    return b_.CreateUnaryIntrinsic(llvm::Intrinsic::sqrt, a);
  case UnaryFn::rint:
    if (!real) return a;
    return narrow ? narrowed(type, round_to_even(widened(type, a))) : round_to_even(a);
  case UnaryFn::convert:
    return convert(type, op.a->type, a, is_integer(type) ? range_of(op.a) : RealRange{});
  case UnaryFn::flushed: return flushed_to_bf16(a);
  case UnaryFn::cut: return cut_to_bf16(a);
  case UnaryFn::bitcast: return b_.CreateBitCast(a, t);
  case UnaryFn::splat: return repeated(a, node.lanes);
  default: break;
  }
  throw InternalError(
      fmt::format("{} reached code generation: expand_math comes before", to_string(op.fn)));
}

// p + c as a double whose last bit tells that something was cut off, as ir::apply has it: rounding
// it again to a type with less than half a double's digits gives what one rounding would.
llvm::Value* ValueEmitter::sum_to_odd(llvm::Value* p, llvm::Value* c) const {
  llvm::Value* sum = b_.CreateFAdd(p, c);
  llvm::Value* c_part = b_.CreateFSub(sum, p);
  llvm::Value* error =
      b_.CreateFAdd(b_.CreateFSub(p, b_.CreateFSub(sum, c_part)), b_.CreateFSub(c, c_part));
  // The neighbour on the side of what is missing: one more in the bits if that is away from 0. The
  // error of an infinite sum is NaN, which counts as none.
  llvm::Type* t = sum->getType();
  llvm::Type* integers = t->getWithNewType(b_.getInt64Ty());
  llvm::Value* none = llvm::ConstantFP::get(t, 0);
  llvm::Value* bits = b_.CreateBitCast(sum, integers);
  llvm::Value* one = llvm::ConstantInt::get(integers, 1);
  llvm::Value* is_even =
      b_.CreateICmpEQ(b_.CreateAnd(bits, one), llvm::ConstantInt::get(integers, 0));
  llvm::Value* away = b_.CreateICmpEQ(b_.CreateFCmpOGT(error, none), b_.CreateFCmpOGT(sum, none));
  llvm::Value* moved = b_.CreateSelect(away, b_.CreateAdd(bits, one), b_.CreateSub(bits, one));
  llvm::Value* inexact = b_.CreateAnd(b_.CreateFCmpONE(error, none), is_even);
  return b_.CreateBitCast(b_.CreateSelect(inexact, moved, bits), t);
}

llvm::Value* ValueEmitter::fma(ElementType type, llvm::Value* a, llvm::Value* b,
                               llvm::Value* c) const {
  if (is_integer(type)) return b_.CreateAdd(b_.CreateMul(a, b), c);
  if (is_narrow(type)) { // the product of two narrow numbers is exact in a double
    const auto wide = [&](llvm::Value* v) { return convert(ElementType::f64, type, v); };
    return convert(type, ElementType::f64, sum_to_odd(b_.CreateFMul(wide(a), wide(b)), wide(c)));
  }
  if (!target_.has_fma) throw InternalError("fma on a target without it: split_fma comes before");
  return b_.CreateIntrinsic(llvm::Intrinsic::fma, {a->getType()}, {a, b, c});
}

llvm::Value* ValueEmitter::operation(const ExprNode& node,
                                     const std::vector<llvm::Value*>& v) const {
  if (const auto* op = std::get_if<UnaryOp>(&node.is)) return unary(node, *op, v[0]);
  if (const auto* op = std::get_if<BinaryOp>(&node.is))
    return binary(node.type, op->fn, v[0], v[1]);
  if (std::holds_alternative<Fma>(node.is)) return fma(node.type, v[0], v[1], v[2]);
  if (const auto* op = std::get_if<Select>(&node.is))
    return b_.CreateSelect(compare(op->a->type, op->compare, v[0], v[1]), v[2], v[3]);
  if (const auto* op = std::get_if<Dot>(&node.is)) return dot(node, *op, v);
  throw InternalError("an operation that code generation does not know");
}

} // namespace volute::compiler
