#include "compiler/codegen/emit_values.h"

#include "ir/diagnostic.h"
#include "ir/number.h"

#include <fmt/format.h>
#include <llvm/IR/InlineAsm.h>
#include <llvm/IR/Intrinsics.h>

namespace volute::compiler {

using namespace ir;

namespace {

constexpr int64_t most_interleaved = 4;

} // namespace

llvm::Type* ValueEmitter::type(ElementType element, int32_t lanes) const {
  llvm::Type* scalar = nullptr;
  switch (element) {
  case ElementType::f32: scalar = b_.getFloatTy(); break;
  case ElementType::f64: scalar = b_.getDoubleTy(); break;
  case ElementType::f16: scalar = b_.getHalfTy(); break;
  case ElementType::bf16: scalar = b_.getBFloatTy(); break;
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
  if (is_float(element)) return llvm::ConstantFP::get(t, round_to(element, real));
  return llvm::ConstantInt::getSigned(t, wrap_to(element, integer));
}

// ---- arithmetic -------------------------------------------------------------------------------

llvm::Value* ValueEmitter::compare(Compare compare, llvm::Value* a, llvm::Value* b) const {
  using P = llvm::CmpInst::Predicate;
  struct Row {
    P real, integer;
  };
  static constexpr Row rows[] = {
      {P::FCMP_OLT, P::ICMP_SLT}, {P::FCMP_OLE, P::ICMP_SLE}, {P::FCMP_OGT, P::ICMP_SGT},
      {P::FCMP_OGE, P::ICMP_SGE}, {P::FCMP_OEQ, P::ICMP_EQ},  {P::FCMP_UNE, P::ICMP_NE},
      {P::FCMP_UNO, P::ICMP_NE},
  };
  const Row& row = rows[static_cast<size_t>(compare)];
  if (a->getType()->isFPOrFPVectorTy()) return b_.CreateFCmp(row.real, a, b);
  if (compare == Compare::unordered)
    return llvm::ConstantInt::getFalse(llvm::CmpInst::makeCmpResultType(a->getType()));
  return b_.CreateICmp(row.integer, a, b);
}

llvm::Value* ValueEmitter::binary(BinaryFn fn, llvm::Value* a, llvm::Value* b) const {
  const bool real = a->getType()->isFPOrFPVectorTy();
  switch (fn) {
  case BinaryFn::add: return real ? b_.CreateFAdd(a, b) : b_.CreateAdd(a, b);
  case BinaryFn::sub: return real ? b_.CreateFSub(a, b) : b_.CreateSub(a, b);
  case BinaryFn::mul: return real ? b_.CreateFMul(a, b) : b_.CreateMul(a, b);
  case BinaryFn::div: return real ? b_.CreateFDiv(a, b) : b_.CreateSDiv(a, b);
  case BinaryFn::max: return b_.CreateSelect(compare(Compare::gt, a, b), a, b);
  case BinaryFn::min: return b_.CreateSelect(compare(Compare::lt, a, b), a, b);
  case BinaryFn::bit_and: return b_.CreateAnd(a, b);
  case BinaryFn::bit_or: return b_.CreateOr(a, b);
  case BinaryFn::bit_xor: return b_.CreateXor(a, b);
  case BinaryFn::shift_left: return b_.CreateShl(a, b);
  case BinaryFn::shift_right: return b_.CreateAShr(a, b);
  }
  throw InternalError("an operation that code generation does not know");
}

// Without SSE 4.1 there is no rounding instruction, and a library call would be an import. Adding
// and subtracting 2^23 rounds any smaller float at its units; larger ones are whole already.
llvm::Value* ValueEmitter::round_to_even(llvm::Value* a) const {
  if (target_.has("sse4.1")) return b_.CreateUnaryIntrinsic(llvm::Intrinsic::nearbyint, a);
  llvm::Type* t = a->getType();
  const bool single = t->getScalarType()->isFloatTy();
  llvm::Value* large = llvm::ConstantFP::get(t, single ? 0x1p23 : 0x1p52);
  llvm::Value* magnitude = b_.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, a);
  llvm::Value* rounded = b_.CreateFSub(b_.CreateFAdd(magnitude, large), large);
  rounded = b_.CreateBinaryIntrinsic(llvm::Intrinsic::copysign, rounded, a);
  return b_.CreateSelect(b_.CreateFCmpOLT(magnitude, large), rounded, a);
}

llvm::Value* ValueEmitter::convert(const ExprNode& node, llvm::Value* a) const {
  llvm::Type* to = type(node.type, node.lanes);
  const bool from_real = a->getType()->isFPOrFPVectorTy(), to_real = to->isFPOrFPVectorTy();
  if (from_real && to_real) return b_.CreateFPCast(a, to);
  if (to_real) return b_.CreateSIToFP(a, to);
  if (from_real) // rounds to nearest even, saturates, NaN gives 0
    return b_.CreateIntrinsic(llvm::Intrinsic::fptosi_sat, {to, a->getType()}, {round_to_even(a)});
  return b_.CreateSExtOrTrunc(a, to);
}

llvm::Value* ValueEmitter::unary(const ExprNode& node, UnaryFn fn, llvm::Value* a) const {
  const bool real = a->getType()->isFPOrFPVectorTy();
  switch (fn) {
  case UnaryFn::neg: return real ? b_.CreateFNeg(a) : b_.CreateNeg(a);
  case UnaryFn::abs:
    return real ? b_.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, a)
                : static_cast<llvm::Value*>(
                      b_.CreateBinaryIntrinsic(llvm::Intrinsic::abs, a, b_.getFalse()));
  case UnaryFn::sqrt: return b_.CreateUnaryIntrinsic(llvm::Intrinsic::sqrt, a);
  case UnaryFn::rint: return round_to_even(a);
  case UnaryFn::convert: return convert(node, a);
  case UnaryFn::bitcast: return b_.CreateBitCast(a, type(node.type, node.lanes));
  case UnaryFn::splat:
    return node.lanes == 1 ? a : b_.CreateVectorSplat(static_cast<unsigned>(node.lanes), a);
  default: break;
  }
  throw InternalError(
      fmt::format("{} reached code generation: expand_math comes before", to_string(fn)));
}

llvm::Value* ValueEmitter::operation(const ExprNode& node,
                                     const std::vector<llvm::Value*>& v) const {
  if (const auto* op = std::get_if<UnaryOp>(&node.is)) return unary(node, op->fn, v[0]);
  if (const auto* op = std::get_if<BinaryOp>(&node.is)) return binary(op->fn, v[0], v[1]);
  if (std::holds_alternative<Fma>(node.is)) {
    if (!target_.has_fma) throw InternalError("fma on a target without it: split_fma comes before");
    return b_.CreateIntrinsic(llvm::Intrinsic::fma, {v[0]->getType()}, {v[0], v[1], v[2]});
  }
  if (const auto* op = std::get_if<Select>(&node.is))
    return b_.CreateSelect(compare(op->compare, v[0], v[1]), v[2], v[3]);
  throw Error("a dot product is not compiled yet");
}

// ---- memory -----------------------------------------------------------------------------------

llvm::Value* ValueEmitter::at(llvm::Value* pointer, ElementType element, int64_t elements) const {
  if (elements == 0) return pointer;
  return b_.CreateGEP(b_.getInt8Ty(), pointer,
                      b_.getInt64(static_cast<uint64_t>(elements * size_of(element))));
}

llvm::Value* ValueEmitter::mask(int32_t lanes, int32_t first, int32_t count) const {
  std::vector<llvm::Constant*> bits;
  for (int32_t l = 0; l < lanes; ++l) bits.push_back(b_.getInt1(l >= first && l < first + count));
  return llvm::ConstantVector::get(bits);
}

// Every `step`-th element: `step` loads of neighbouring vectors, of the wanted elements alone, then
// one shuffle for each after the first. Half the port pressure of lane by lane at step 4, and a
// sixth at step 2.
llvm::Value* ValueEmitter::deinterleave(llvm::Value* pointer, ElementType element, int32_t lanes,
                                        int64_t step, int32_t first, int32_t count,
                                        double fill) const {
  const llvm::Align align(static_cast<uint64_t>(size_of(element)));
  llvm::Type* t = type(element, lanes);
  llvm::Value* rest = number(element, lanes, fill, static_cast<int64_t>(fill));
  llvm::Value* value = rest;
  for (int64_t part = 0; part < step; ++part) {
    // Lane l of the result is element l * step: lane l * step - part * lanes of this part.
    std::vector<llvm::Constant*> wanted(static_cast<size_t>(lanes), b_.getFalse());
    std::vector<int> from(static_cast<size_t>(lanes));
    bool any = false;
    for (int32_t l = 0; l < lanes; ++l) {
      const int64_t at_lane = l * step - part * lanes;
      const bool here = at_lane >= 0 && at_lane < lanes;
      from[static_cast<size_t>(l)] = here ? lanes + static_cast<int>(at_lane) : l;
      if (!here || l < first || l >= first + count) continue;
      wanted[static_cast<size_t>(at_lane)] = b_.getTrue();
      any = true;
    }
    llvm::Value* loaded = any ? b_.CreateMaskedLoad(t, at(pointer, element, part * lanes), align,
                                                    llvm::ConstantVector::get(wanted), rest)
                              : rest;
    value = b_.CreateShuffleVector(value, loaded, from);
  }
  return value;
}

llvm::Value* ValueEmitter::load(llvm::Value* pointer, ElementType element, int32_t lanes,
                                int64_t step, int32_t first, int32_t count, double fill) const {
  const llvm::Align align(static_cast<uint64_t>(size_of(element)));
  llvm::Type* t = type(element, lanes);
  if (lanes == 1) return b_.CreateAlignedLoad(t, pointer, align);
  llvm::Value* rest = number(element, lanes, fill, static_cast<int64_t>(fill));
  if (step == 1) {
    if (first == 0 && count == lanes) return b_.CreateAlignedLoad(t, pointer, align);
    return b_.CreateMaskedLoad(t, pointer, align, mask(lanes, first, count), rest);
  }
  if (step <= most_interleaved && target_.has_masks)
    return deinterleave(pointer, element, lanes, step, first, count, fill);
  llvm::Value* value = count == lanes ? llvm::PoisonValue::get(t) : rest;
  for (int32_t l = first; l < first + count; ++l) {
    llvm::Value* one =
        b_.CreateAlignedLoad(type(element, 1), at(pointer, element, l * step), align);
    value = b_.CreateInsertElement(value, one, b_.getInt32(static_cast<uint32_t>(l)));
  }
  return value;
}

void ValueEmitter::store(llvm::Value* pointer, llvm::Value* value, ElementType element,
                         int64_t step, int32_t count) const {
  const llvm::Align align(static_cast<uint64_t>(size_of(element)));
  const auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(value->getType());
  const int32_t lanes = vector ? static_cast<int32_t>(vector->getNumElements()) : 1;
  if (lanes == count && (step == 1 || lanes == 1)) {
    b_.CreateAlignedStore(value, pointer, align);
    return;
  }
  if (step == 1 && target_.has_masks) {
    b_.CreateMaskedStore(value, pointer, align, mask(lanes, 0, count));
    return;
  }
  // Masked stores of AVX2 take a dozen cycles on some CPUs: store the lanes in runs whose lengths
  // are powers of two. A strided store is runs of one.
  int32_t at_lane = 0;
  for (int32_t run = step == 1 ? lanes : 1; at_lane < count;) {
    while (run > count - at_lane) run /= 2;
    llvm::Value* part =
        run == 1 ? b_.CreateExtractElement(value, b_.getInt32(static_cast<uint32_t>(at_lane)))
                 : shuffle(value, value, run, [&](int l) { return at_lane + l; });
    b_.CreateAlignedStore(part, at(pointer, element, at_lane * step), align);
    at_lane += run;
  }
}

// ---- shuffles ---------------------------------------------------------------------------------

llvm::Value* ValueEmitter::shuffle(llvm::Value* a, llvm::Value* b, int32_t lanes,
                                   const std::function<int(int)>& from) const {
  std::vector<int> indices;
  for (int32_t l = 0; l < lanes; ++l) indices.push_back(from(l));
  return b_.CreateShuffleVector(a, b, indices);
}

// Rows of 4-element blocks: first 4 x 4 within each block with interleaves, which are one cheap
// instruction each, then the blocks themselves, halving the distance each time.
std::vector<llvm::Value*> ValueEmitter::transpose(std::vector<llvm::Value*> rows,
                                                  ElementType element, int32_t lanes) const {
  llvm::Type* t = type(element, lanes);
  rows.resize(static_cast<size_t>(lanes));
  for (llvm::Value*& row : rows)
    if (!row) row = llvm::PoisonValue::get(t);
  const auto size = static_cast<size_t>(lanes);
  if (lanes == 1) return rows;
  if (lanes == 2) {
    return {shuffle(rows[0], rows[1], 2, [](int l) { return l * 2; }),
            shuffle(rows[0], rows[1], 2, [](int l) { return l * 2 + 1; })};
  }
  // Interleave the low or high half of each block of 4 lanes, in units of `unit` lanes.
  const auto interleave = [&](llvm::Value* a, llvm::Value* b, int unit, bool high) {
    return shuffle(a, b, lanes, [&](int l) {
      const int within = l % 4, base = l - within + (high ? 2 : 0);
      const bool second = within / unit % 2 == 1;
      return base + within / (2 * unit) * unit + within % unit + (second ? lanes : 0);
    });
  };
  std::vector<llvm::Value*> blocks(size); // blocks[4 * g + j]: column 4 * B + j of rows 4g..4g+3
  for (size_t g = 0; g < size; g += 4) {
    llvm::Value* low_ab = interleave(rows[g], rows[g + 1], 1, false);
    llvm::Value* high_ab = interleave(rows[g], rows[g + 1], 1, true);
    llvm::Value* low_cd = interleave(rows[g + 2], rows[g + 3], 1, false);
    llvm::Value* high_cd = interleave(rows[g + 2], rows[g + 3], 1, true);
    blocks[g] = interleave(low_ab, low_cd, 2, false);
    blocks[g + 1] = interleave(low_ab, low_cd, 2, true);
    blocks[g + 2] = interleave(high_ab, high_cd, 2, false);
    blocks[g + 3] = interleave(high_ab, high_cd, 2, true);
  }
  // Instruction selection tries to see through chains of shuffles, at a cost that grows with their
  // depth: two thirds of the time of a whole kernel. Cutting the chain in the middle ends that.
  if (lanes >= 16)
    for (llvm::Value*& block : blocks) block = opaque(block);
  std::vector<llvm::Value*> columns(size);
  for (size_t j = 0; j < 4; ++j) {
    // v[g] block B is what columns[4 B + j] block g must be: a transpose of blocks.
    std::vector<llvm::Value*> v;
    for (size_t g = 0; g < size / 4; ++g) v.push_back(blocks[4 * g + j]);
    if (v.size() == 4) {
      // {a0 a1 b0 b1} and the like, then evens and odds: each is one 128-bit block shuffle.
      const auto blocks_of = [&](llvm::Value* a, llvm::Value* b, int first, int second) {
        return shuffle(a, b, lanes, [&](int l) {
          const int block = l / 4;
          return (block % 2 ? second : first) * 4 + l % 4 + (block / 2 ? lanes : 0);
        });
      };
      llvm::Value* low01 = blocks_of(v[0], v[1], 0, 1);
      llvm::Value* high01 = blocks_of(v[0], v[1], 2, 3);
      llvm::Value* low23 = blocks_of(v[2], v[3], 0, 1);
      llvm::Value* high23 = blocks_of(v[2], v[3], 2, 3);
      v = {blocks_of(low01, low23, 0, 2), blocks_of(low01, low23, 1, 3),
           blocks_of(high01, high23, 0, 2), blocks_of(high01, high23, 1, 3)};
      for (size_t block = 0; block < 4; ++block) columns[4 * block + j] = v[block];
      continue;
    }
    const int n = static_cast<int>(v.size());
    for (int distance = n / 2; distance >= 1; distance /= 2) {
      std::vector<llvm::Value*> next(v.size());
      for (int g = 0; g < n; ++g) {
        if (g / distance % 2 == 1) continue;
        const auto pick = [&](bool upper) {
          // Block B comes from v[g] where bit `distance` of B is clear, else from v[g + distance];
          // it is the block whose bit says `upper`.
          return shuffle(v[static_cast<size_t>(g)], v[static_cast<size_t>(g + distance)], lanes,
                         [&](int l) {
                           const int block = l / 4;
                           const int source = (block & ~distance) | (upper ? distance : 0);
                           return source * 4 + l % 4 + ((block & distance) ? lanes : 0);
                         });
        };
        next[static_cast<size_t>(g)] = pick(false);
        next[static_cast<size_t>(g + distance)] = pick(true);
      }
      v = std::move(next);
    }
    for (size_t block = 0; block < v.size(); ++block) columns[4 * block + j] = v[block];
  }
  return columns;
}

/// The same value, in the same register, of which LLVM knows nothing more. A vector wider than the
/// target's is in no one register and stays as it is.
llvm::Value* ValueEmitter::opaque(llvm::Value* value) const {
  if (value->getType()->getPrimitiveSizeInBits() > 8 * static_cast<uint64_t>(target_.vector_bytes))
    return value;
  auto* type = llvm::FunctionType::get(value->getType(), {value->getType()}, false);
  return b_.CreateCall(type, llvm::InlineAsm::get(type, "", "=v,0", /*hasSideEffects=*/false),
                       {value});
}

void ValueEmitter::prefetch(llvm::Value* pointer) const {
  constexpr uint32_t for_reading = 0, into_l2 = 2, data = 1;
  b_.CreateIntrinsic(llvm::Intrinsic::prefetch, {pointer->getType()},
                     {pointer, b_.getInt32(for_reading), b_.getInt32(into_l2), b_.getInt32(data)});
}

void ValueEmitter::fence() const {
  auto* type = llvm::FunctionType::get(b_.getVoidTy(), false);
  b_.CreateCall(type, llvm::InlineAsm::get(type, "", "~{memory}", /*hasSideEffects=*/true));
}

} // namespace volute::compiler
