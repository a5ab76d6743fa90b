// Dot products: the instructions that are made for them, and the same sums without.
//
// Those of bytes are exact and wrap, whatever they are made of. Those of bf16 are two fused
// multiply-adds in f32, the odd one of each pair first; without vdpbf16ps bit for bit, with it not
// quite: the instruction takes denormal numbers for 0, both what it is given (acc as well) and what
// either sum comes to, and rounds to nearest even, and no bit of MXCSR changes that. On Sapphire
// Rapids it is otherwise the same two sums in the same order, so that where nothing is denormal it
// agrees in every bit. What holds for any order and any rounding in between: for finite operands,
// with S = |acc| + |a1 * b1| + |a0 * b0| below 2^127,
//
//     |vdpbf16ps - the two sums| <= 2^-21 * S + 2^-124 + D
//
// D the sum of those |a * b| in which a or b is denormal. 2^-21 * S is four roundings and some, and
// 2^-124 is more than three sums below 2^-126 that became 0.

#include "compiler/codegen/emit_values.h"
#include "ir/diagnostic.h"

#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/IntrinsicsX86.h>

#include <algorithm>

namespace volute::compiler {

using namespace ir;

namespace {

/// The same group of lanes again and again.
bool is_repeated(const llvm::Value* value) {
  while (const auto* cast = llvm::dyn_cast<llvm::BitCastInst>(value)) value = cast->getOperand(0);
  const auto* shuffle = llvm::dyn_cast<llvm::ShuffleVectorInst>(value);
  return shuffle && shuffle->isZeroEltSplat();
}

} // namespace

llvm::Value* ValueEmitter::dot(const ExprNode& node, const Dot& op,
                               const std::vector<llvm::Value*>& v) const {
  if (op.ways == 4 && size_of(op.a->type) == 1) return dot_of_bytes(op, v[0], v[1], v[2]);
  const ElementType narrow = op.a->type;
  if (op.ways == 2 && narrow == ElementType::bf16 && op.b->type == narrow) {
    // A broadcast from memory costs nothing where it stands last.
    const bool swaps = is_repeated(v[1]);
    return dot_of_bf16(v[0], v[swaps ? 2 : 1], v[swaps ? 1 : 2]);
  }

  // One product of each group at a time, the last of the group first.
  const auto elements = [&](const Expr& operand, llvm::Value* all, int32_t k) {
    llvm::Value* every =
        node.lanes == 1 ? b_.CreateExtractElement(all, b_.getInt32(static_cast<uint32_t>(k)))
                        : shuffle(all, all, node.lanes, [&](int l) { return l * op.ways + k; });
    return convert(node.type, operand->type, every);
  };
  llvm::Value* sum = v[0];
  for (int32_t k = op.ways - 1; k >= 0; --k) {
    llvm::Value* a = elements(op.a, v[1], k);
    llvm::Value* b = elements(op.b, v[2], k);
    if (is_integer(node.type) || target_.has_fma)
      sum = fma(node.type, a, b, sum);
    else if (node.type == ElementType::f32 &&
             (narrow == ElementType::bf16 || op.b->type == ElementType::bf16))
      sum = fma_of_bf16(a, b, sum);
    else // the product is exact, so that its sum is rounded once anyway
      sum = b_.CreateFAdd(b_.CreateFMul(a, b), sum);
  }
  return sum;
}

// ---- four bytes into an i32 -------------------------------------------------------------------

// Unsigned by signed is one instruction with VNNI. Otherwise bytes become words, those at even
// places and those at odd ones, which pmaddwd multiplies and adds in pairs: two products of bytes
// fit an i32 with room to spare. pmaddubsw would take the bytes as they are, and saturate.
llvm::Value* ValueEmitter::dot_of_bytes(const Dot& op, llvm::Value* acc, llvm::Value* a,
                                        llvm::Value* b) const {
  using namespace llvm::Intrinsic;
  const int32_t lanes = lanes_of(acc);
  const auto groups = [&](llvm::Value* bytes) { return b_.CreateBitCast(bytes, acc->getType()); };
  bool a_natural = op.a->type == ElementType::u8, b_natural = op.b->type == ElementType::u8;
  a = groups(a), b = groups(b);
  if (b_natural && !a_natural) std::swap(a, b), std::swap(a_natural, b_natural);

  const bool vnni = target_.has("avx512vnni"), short_vnni = target_.has("avx512vl") && vnni;
  const bool has_128 = short_vnni || target_.has("avxvnni");
  if (a_natural && !b_natural && (vnni || has_128)) {
    int32_t part = has_128 ? 4 : 16;
    while (part < lanes && part < (vnni ? 16 : 8)) part *= 2;
    // The signed operand stands last: that is where a broadcast from memory costs nothing.
    return by_parts({acc, a, b}, part, [&](const std::vector<llvm::Value*>& v) {
      const auto id = part == 16  ? x86_avx512_vpdpbusd_512
                      : part == 8 ? x86_avx512_vpdpbusd_256
                                  : x86_avx512_vpdpbusd_128;
      return static_cast<llvm::Value*>(b_.CreateIntrinsic(id, {}, {v[0], v[1], v[2]}));
    });
  }

  int32_t part = 4;
  while (part < lanes && part < words_per_vector()) part *= 2;
  return by_parts({acc, a, b}, part, [&](const std::vector<llvm::Value*>& v) {
    llvm::Type* words =
        llvm::FixedVectorType::get(b_.getInt16Ty(), 2 * static_cast<unsigned>(part));
    llvm::Value* eight = llvm::ConstantInt::get(words, 8);
    const auto even = [&](llvm::Value* x, bool natural) {
      x = b_.CreateBitCast(x, words);
      return natural ? b_.CreateAnd(x, llvm::ConstantInt::get(words, 0xff))
                     : b_.CreateAShr(b_.CreateShl(x, eight), eight);
    };
    const auto odd = [&](llvm::Value* x, bool natural) {
      x = b_.CreateBitCast(x, words);
      return natural ? b_.CreateLShr(x, eight) : b_.CreateAShr(x, eight);
    };
    const auto products = [&](llvm::Value* x, llvm::Value* y) {
      const auto id = part == 16  ? x86_avx512_pmaddw_d_512
                      : part == 8 ? x86_avx2_pmadd_wd
                                  : x86_sse2_pmadd_wd;
      return b_.CreateIntrinsic(id, {}, {x, y});
    };
    llvm::Value* evens = products(even(v[1], a_natural), even(v[2], b_natural));
    llvm::Value* odds = products(odd(v[1], a_natural), odd(v[2], b_natural));
    return b_.CreateAdd(v[0], b_.CreateAdd(evens, odds));
  });
}

/// i32 lanes of the widest vectors that integer instructions work on.
int32_t ValueEmitter::words_per_vector() const {
  return target_.has("avx512bw") ? 16 : target_.has("avx2") ? 8 : 4;
}

// ---- two bf16 into an f32 ---------------------------------------------------------------------

// The product of two bf16 has 16 digits and is exact in a double, in range as well; so is acc.
llvm::Value* ValueEmitter::fma_of_bf16(llvm::Value* a, llvm::Value* b, llvm::Value* acc) const {
  const auto wide = [&](llvm::Value* v) {
    return b_.CreateFPExt(v, v->getType()->getWithNewType(b_.getDoubleTy()));
  };
  return b_.CreateFPTrunc(sum_to_odd(b_.CreateFMul(wide(a), wide(b)), wide(acc)), acc->getType());
}

llvm::Value* ValueEmitter::dot_of_bf16(llvm::Value* acc, llvm::Value* a, llvm::Value* b) const {
  using namespace llvm::Intrinsic;
  const int32_t lanes = lanes_of(acc);
  llvm::Type* words = acc->getType()->getWithNewType(b_.getInt32Ty());
  a = b_.CreateBitCast(a, words), b = b_.CreateBitCast(b, words);

  if (target_.has("avx512bf16")) {
    const int32_t shortest = target_.has("avx512vl") ? 4 : 16;
    int32_t part = shortest;
    while (part < lanes && part < 16) part *= 2;
    return by_parts({acc, a, b}, part, [&](const std::vector<llvm::Value*>& v) {
      const auto id = part == 16  ? x86_avx512bf16_dpbf16ps_512
                      : part == 8 ? x86_avx512bf16_dpbf16ps_256
                                  : x86_avx512bf16_dpbf16ps_128;
      llvm::Type* pairs =
          llvm::FixedVectorType::get(b_.getBFloatTy(), 2 * static_cast<unsigned>(part));
      return static_cast<llvm::Value*>(b_.CreateIntrinsic(
          id, {}, {v[0], b_.CreateBitCast(v[1], pairs), b_.CreateBitCast(v[2], pairs)}));
    });
  }

  // A bf16 is the upper half of an f32: the odd one of a pair is in place already.
  const auto even = [&](llvm::Value* x) {
    return b_.CreateBitCast(b_.CreateShl(x, llvm::ConstantInt::get(words, 16)), acc->getType());
  };
  const auto odd = [&](llvm::Value* x) {
    llvm::Value* upper = b_.CreateAnd(x, llvm::ConstantInt::get(words, 0xffff0000));
    return b_.CreateBitCast(upper, acc->getType());
  };
  const auto add = [&](llvm::Value* sum, llvm::Value* x, llvm::Value* y) {
    return target_.has_fma ? fma(ElementType::f32, x, y, sum) : fma_of_bf16(x, y, sum);
  };
  return add(add(acc, odd(a), odd(b)), even(a), even(b));
}

} // namespace volute::compiler
