// Conversions between element types, each rounded once, as ir::apply has them.
//
//              f32                 f64                    i8 u8 i32 i64
//     f16      F16C or integers    through f32            through f32
//     bf16     integers            through f32            through f32
//     f32                          one instruction        clamp, round, narrow
//
// On the way from a wide type to a narrow one lies a type between them, and rounding twice is not
// rounding once: 1 + 2^-8 + 2^-60 is above the middle of two bf16, its nearest f32 is that middle.
// So the first step does not round to nearest but to odd: it cuts off, and sets the last bit if
// anything was cut off. What remains lies on the same side of every middle as the number itself.

#include "compiler/codegen/emit_values.h"
#include "ir/diagnostic.h"
#include "ir/number.h"

#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/IntrinsicsX86.h>

namespace volute::compiler {

using namespace ir;

namespace {

bool is_narrow(ElementType type) { return type == ElementType::f16 || type == ElementType::bf16; }

llvm::Constant* constant(const llvm::Value* like, uint64_t bits) {
  return llvm::ConstantInt::get(like->getType(), bits);
}

} // namespace

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

llvm::Value* ValueEmitter::convert(ElementType to, ElementType from, llvm::Value* a,
                                   const RealRange& range) const {
  if (to == from) return a;
  llvm::Type* t = a->getType()->getWithNewType(type(to, 1));
  if (is_narrow(from)) return convert(to, ElementType::f32, widened(from, a), range);
  if (is_integer(from) && is_integer(to))
    return from == ElementType::u8 ? b_.CreateZExtOrTrunc(a, t) : b_.CreateSExtOrTrunc(a, t);
  if (is_narrow(to)) {
    if (from == ElementType::f64) return narrowed(to, f64_to_odd_f32(a));
    if (from == ElementType::i64) return convert(to, ElementType::f64, i64_to_odd_f64(a));
    // All that i8 and u8 hold is exact in f32, all that i32 holds in f64.
    const ElementType between = from == ElementType::i32 ? ElementType::f64 : ElementType::f32;
    return from == ElementType::f32 ? narrowed(to, a)
                                    : convert(to, between, convert(between, from, a));
  }
  if (is_integer(from)) return integer_to_real(to, from, a);
  if (is_integer(to)) return real_to_integer(to, a, range);
  return b_.CreateFPCast(a, t);
}

// ---- narrow floats ----------------------------------------------------------------------------

llvm::Value* ValueEmitter::widened(ElementType narrow, llvm::Value* bits) const {
  if (narrow == ElementType::f16) return f16_to_f32(bits);
  llvm::Type* words = bits->getType()->getWithNewType(b_.getInt32Ty());
  llvm::Value* upper = b_.CreateShl(b_.CreateZExt(bits, words), llvm::ConstantInt::get(words, 16));
  return b_.CreateBitCast(upper, words->getWithNewType(b_.getFloatTy()));
}

llvm::Value* ValueEmitter::narrowed(ElementType narrow, llvm::Value* single) const {
  return narrow == ElementType::f16 ? f32_to_f16(single) : f32_to_bf16(single);
}

// The exponents of f32 begin 112 lower. An f16 of exponent 0 is so many times 2^-24, which for f32
// is a normal number: multiplied, it needs no denormals and so does not depend on MXCSR.
llvm::Value* ValueEmitter::f16_to_f32(llvm::Value* bits) const {
  llvm::Type* singles = bits->getType()->getWithNewType(b_.getFloatTy());
  if (target_.has("f16c"))
    return b_.CreateFPExt(b_.CreateBitCast(bits, bits->getType()->getWithNewType(b_.getHalfTy())),
                          singles);
  llvm::Type* words = bits->getType()->getWithNewType(b_.getInt32Ty());
  llvm::Value* wide = b_.CreateZExt(bits, words);
  llvm::Value* sign = b_.CreateShl(b_.CreateAnd(wide, constant(wide, 0x8000)), constant(wide, 16));
  llvm::Value* magnitude = b_.CreateAnd(wide, constant(wide, 0x7fff));
  llvm::Value* shifted = b_.CreateShl(magnitude, constant(wide, 13));
  llvm::Value* rebias = constant(wide, 112 << 23);
  llvm::Value* normal = b_.CreateAdd(shifted, rebias);
  // Infinity and NaN have the highest exponent in both types: another 112 more.
  llvm::Value* is_special = b_.CreateICmpUGE(magnitude, constant(wide, 0x7c00));
  normal = b_.CreateSelect(is_special, b_.CreateAdd(normal, rebias), normal);
  llvm::Value* denormal =
      b_.CreateFMul(b_.CreateSIToFP(magnitude, singles), llvm::ConstantFP::get(singles, 0x1p-24));
  llvm::Value* is_denormal = b_.CreateICmpULT(magnitude, constant(wide, 0x400));
  llvm::Value* value = b_.CreateSelect(is_denormal, b_.CreateBitCast(denormal, words), normal);
  return b_.CreateBitCast(b_.CreateOr(value, sign), singles);
}

llvm::Value* ValueEmitter::f32_to_f16(llvm::Value* single) const {
  llvm::Type* singles = single->getType();
  llvm::Type* bits16 = singles->getWithNewType(b_.getInt16Ty());
  if (target_.has("f16c"))
    return b_.CreateBitCast(b_.CreateFPTrunc(single, singles->getWithNewType(b_.getHalfTy())),
                            bits16);
  llvm::Type* words = singles->getWithNewType(b_.getInt32Ty());
  llvm::Value* bits = b_.CreateBitCast(single, words);
  llvm::Value* magnitude = b_.CreateAnd(bits, constant(bits, 0x7fffffff));
  llvm::Value* sign = b_.CreateLShr(b_.CreateXor(bits, magnitude), constant(bits, 16));
  // Half of the last place that stays, less one if the digit there is even, carries upwards, from
  // the largest number into infinity.
  llvm::Value* last = b_.CreateAnd(b_.CreateLShr(magnitude, constant(bits, 13)), constant(bits, 1));
  llvm::Value* half = b_.CreateAdd(last, constant(bits, 0xfff));
  llvm::Value* rebiased = b_.CreateSub(magnitude, constant(bits, 112 << 23));
  llvm::Value* normal = b_.CreateLShr(b_.CreateAdd(rebiased, half), constant(bits, 13));
  // The last place of 0.5 is 2^-24, that of f16's denormals: the sum rounds where it must.
  llvm::Value* magic = llvm::ConstantFP::get(singles, 0.5);
  llvm::Value* sum = b_.CreateFAdd(b_.CreateBitCast(magnitude, singles), magic);
  llvm::Value* denormal = b_.CreateSub(b_.CreateBitCast(sum, words), constant(bits, 0x3f000000));
  llvm::Value* value =
      b_.CreateSelect(b_.CreateICmpULT(magnitude, constant(bits, 113 << 23)), denormal, normal);
  value = b_.CreateSelect(b_.CreateICmpUGE(magnitude, constant(bits, (127 + 16) << 23)),
                          constant(bits, 0x7c00), value);
  value = b_.CreateSelect(b_.CreateFCmpUNO(single, single), constant(bits, 0x7e00), value);
  return b_.CreateTrunc(b_.CreateOr(value, sign), bits16);
}

// A bf16 is the upper half of an f32.
llvm::Value* ValueEmitter::f32_to_bf16(llvm::Value* single) const {
  if (has_bf16_instruction_for(single)) return vector_to_bf16(single);
  llvm::Type* words = single->getType()->getWithNewType(b_.getInt32Ty());
  llvm::Value* bits = b_.CreateBitCast(single, words);
  llvm::Value* last = b_.CreateAnd(b_.CreateLShr(bits, constant(bits, 16)), constant(bits, 1));
  llvm::Value* half = b_.CreateAdd(last, constant(bits, 0x7fff));
  llvm::Value* rounded = b_.CreateAdd(bits, half);
  // Adding could carry a NaN into infinity: it becomes quiet instead.
  llvm::Value* quiet = b_.CreateOr(bits, constant(bits, 0x00400000));
  llvm::Value* value = b_.CreateSelect(b_.CreateFCmpUNO(single, single), quiet, rounded);
  return b_.CreateTrunc(b_.CreateLShr(value, constant(bits, 16)),
                        words->getWithNewType(b_.getInt16Ty()));
}

bool ValueEmitter::has_bf16_instruction_for(const llvm::Value* single) const {
  return target_.has("avx512bf16") && target_.has("avx512vl") && lanes_of(single) >= 8;
}

// A denormal f32, or 0.
llvm::Value* ValueEmitter::has_no_exponent(llvm::Value* bits) const {
  return b_.CreateICmpEQ(b_.CreateAnd(bits, constant(bits, 0x7f800000)), constant(bits, 0));
}

// vcvtneps2bf16 takes denormals for 0. With the exponent field at 1 in place of 0 they are the
// normal numbers 2^-126 above, in the same steps: rounded alike, and moved back by that exponent.
llvm::Value* ValueEmitter::vector_to_bf16(llvm::Value* single) const {
  llvm::Value* bits = b_.CreateBitCast(single, single->getType()->getWithNewType(b_.getInt32Ty()));
  llvm::Value* is_tiny = has_no_exponent(bits);
  llvm::Value* raised = b_.CreateOr(bits, constant(bits, 0x00800000));
  llvm::Value* normal = b_.CreateBitCast(b_.CreateSelect(is_tiny, raised, bits), single->getType());
  llvm::Value* rounded = by_bf16_instruction(normal);
  return b_.CreateSelect(is_tiny, b_.CreateSub(rounded, constant(rounded, 0x0080)), rounded);
}

llvm::Value* ValueEmitter::flushed_to_bf16(llvm::Value* single) const {
  if (has_bf16_instruction_for(single)) return by_bf16_instruction(single);
  llvm::Value* bits = b_.CreateBitCast(single, single->getType()->getWithNewType(b_.getInt32Ty()));
  llvm::Value* is_tiny = has_no_exponent(bits);
  llvm::Value* sign = b_.CreateAnd(bits, constant(bits, 0x80000000));
  return f32_to_bf16(b_.CreateBitCast(b_.CreateSelect(is_tiny, sign, bits), single->getType()));
}

// The upper halves of two registers at a time are one shuffle.
llvm::Value* ValueEmitter::cut_to_bf16(llvm::Value* single) const {
  llvm::Type* halves = b_.getInt16Ty();
  const int32_t lanes = lanes_of(single);
  if (lanes == 1)
    return b_.CreateTrunc(b_.CreateLShr(b_.CreateBitCast(single, b_.getInt32Ty()), 16), halves);
  const auto widest = static_cast<int32_t>(target_.lanes(2));
  int32_t part = lanes; // of the result
  while (part > widest && part % 2 == 0) part /= 2;
  return by_parts({single}, part, [&](const std::vector<llvm::Value*>& v) {
    llvm::Value* all =
        b_.CreateBitCast(v[0], llvm::FixedVectorType::get(halves, static_cast<unsigned>(2 * part)));
    return shuffle(all, all, part, [](int lane) { return 2 * lane + 1; });
  });
}

// Of two registers at a time where there are as many: they come out as one, whose halves need not
// be put together.
llvm::Value* ValueEmitter::by_bf16_instruction(llvm::Value* single) const {
  using namespace llvm::Intrinsic;
  const int32_t lanes = lanes_of(single);
  const int32_t part = lanes % 32 == 0 ? 32 : lanes % 16 == 0 ? 16 : 8;
  return by_parts({single}, part, [&](const std::vector<llvm::Value*>& v) {
    llvm::Value* narrow = nullptr;
    if (part == 32) {
      const auto half = [&](int first) {
        return shuffle(v[0], v[0], 16, [first](int lane) { return first + lane; });
      };
      narrow = b_.CreateIntrinsic(x86_avx512bf16_cvtne2ps2bf16_512, {}, {half(16), half(0)});
    } else {
      const auto id =
          part == 16 ? x86_avx512bf16_cvtneps2bf16_512 : x86_avx512bf16_cvtneps2bf16_256;
      narrow = b_.CreateIntrinsic(id, {}, {v[0]});
    }
    return b_.CreateBitCast(narrow, narrow->getType()->getWithNewType(b_.getInt16Ty()));
  });
}

// ---- rounding to odd --------------------------------------------------------------------------

// What is infinite in f32 is cut off at the largest number, which is odd.
llvm::Value* ValueEmitter::f64_to_odd_f32(llvm::Value* wide) const {
  llvm::Type* singles = wide->getType()->getWithNewType(b_.getFloatTy());
  llvm::Type* words = wide->getType()->getWithNewType(b_.getInt32Ty());
  llvm::Value* nearest = b_.CreateFPTrunc(wide, singles);
  llvm::Value* back = b_.CreateFPExt(nearest, wide->getType());
  const auto magnitude = [&](llvm::Value* v) {
    return b_.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, v);
  };
  llvm::Value* was_raised = b_.CreateFCmpOGT(magnitude(back), magnitude(wide));
  llvm::Value* cut =
      b_.CreateSub(b_.CreateBitCast(nearest, words), b_.CreateZExt(was_raised, words));
  llvm::Value* is_inexact = b_.CreateZExt(b_.CreateFCmpONE(back, wide), words);
  return b_.CreateBitCast(b_.CreateOr(cut, is_inexact), singles);
}

// A double holds 53 bits. Of larger numbers one bit, below all that the result can keep, stands for
// the twelve last ones.
llvm::Value* ValueEmitter::i64_to_odd_f64(llvm::Value* integer) const {
  llvm::Value* low = b_.CreateAnd(integer, constant(integer, 0xfff));
  llvm::Value* high = b_.CreateXor(integer, low);
  llvm::Value* is_inexact = b_.CreateICmpNE(low, constant(integer, 0));
  llvm::Value* sticky = b_.CreateSelect(is_inexact, constant(integer, 0x800), constant(integer, 0));
  llvm::Value* shifted = b_.CreateAdd(integer, constant(integer, uint64_t{1} << 52));
  llvm::Value* is_exact = b_.CreateICmpULT(shifted, constant(integer, uint64_t{1} << 53));
  llvm::Value* held = b_.CreateSelect(is_exact, integer, b_.CreateOr(high, sticky));
  return b_.CreateSIToFP(held, integer->getType()->getWithNewType(b_.getDoubleTy()));
}

// ---- integers and floats ----------------------------------------------------------------------

llvm::Value* ValueEmitter::integer_to_real(ElementType to, ElementType from, llvm::Value* a) const {
  llvm::Type* t = a->getType()->getWithNewType(type(to, 1));
  if (size_of(from) == 1) a = convert(ElementType::i32, from, a);
  return b_.CreateSIToFP(a, t);
}

// Float to i32 as the hardware does it: to the nearest, even of two; what is outside i32, and NaN,
// is its lowest number.
llvm::Value* ValueEmitter::nearest_i32(llvm::Value* a) const {
  using namespace llvm::Intrinsic;
  const bool single = a->getType()->getScalarType()->isFloatTy();
  const int32_t lanes = lanes_of(a);
  const int32_t widest = static_cast<int32_t>(target_.lanes(single ? 4 : 8));
  int32_t part = single ? 4 : 2;
  while (part < lanes && part < widest) part *= 2;
  return by_parts({a}, part, [&](const std::vector<llvm::Value*>& v) -> llvm::Value* {
    if (lanes == 1)
      return b_.CreateIntrinsic(single ? x86_sse_cvtss2si : x86_sse2_cvtsd2si, {}, {v[0]});
    if (part * (single ? 4 : 8) == 64) {
      llvm::Type* words = v[0]->getType()->getWithNewType(b_.getInt32Ty());
      llvm::Value* all = single ? static_cast<llvm::Value*>(b_.getInt16(0xffff)) : b_.getInt8(0xff);
      constexpr uint32_t as_mxcsr_says = 4;
      return b_.CreateIntrinsic(
          single ? x86_avx512_mask_cvtps2dq_512 : x86_avx512_mask_cvtpd2dq_512, {},
          {v[0], llvm::Constant::getNullValue(words), all, b_.getInt32(as_mxcsr_says)});
    }
    const bool wide = part * (single ? 4 : 8) == 32;
    const auto id = single ? (wide ? x86_avx_cvt_ps2dq_256 : x86_sse2_cvtps2dq)
                           : (wide ? x86_avx_cvt_pd2dq_256 : x86_sse2_cvtpd2dq);
    llvm::Value* result = b_.CreateIntrinsic(id, {}, {v[0]});
    return resized(result, part, false); // two doubles come with two zeros
  });
}

// To nearest even, saturated, NaN to 0. Clamping before rounding is the same as after: the limits
// are whole numbers. What `range` rules out is not looked for.
llvm::Value* ValueEmitter::real_to_integer(ElementType to, llvm::Value* a,
                                           const RealRange& range) const {
  llvm::Type* t = a->getType();
  llvm::Type* integers = t->getWithNewType(type(to, 1));
  const auto real = [&](double v) { return llvm::ConstantFP::get(t, v); };
  const auto integer = [&](int64_t v) { return llvm::ConstantInt::getSigned(integers, v); };
  const auto low = static_cast<double>(lowest(to)), high = static_cast<double>(highest(to));
  const auto unless_nan = [&](llvm::Value* value, llvm::Value* zero) -> llvm::Value* {
    return range.may_be_nan ? b_.CreateSelect(b_.CreateFCmpUNO(a, a), zero, value) : value;
  };

  if (size_of(to) == 1) {
    llvm::Value* clamped = unless_nan(a, real(0));
    if (range.low < low)
      clamped = b_.CreateSelect(b_.CreateFCmpOGT(clamped, real(low)), clamped, real(low));
    if (range.high > high)
      clamped = b_.CreateSelect(b_.CreateFCmpOLT(clamped, real(high)), clamped, real(high));
    return b_.CreateTrunc(nearest_i32(clamped), integers);
  }
  if (to == ElementType::i32) {
    // The lowest number is what the hardware gives for anything below it. The highest one is no
    // f32: rounded it is 2^31.
    llvm::Value* value = nearest_i32(a);
    if (range.high > high - 1)
      value = b_.CreateSelect(b_.CreateFCmpOGE(a, real(high)), integer(highest(to)), value);
    return unless_nan(value, integer(0));
  }
  llvm::Value* rounded = round_to_even(a);
  llvm::Value* value = b_.CreateFPToSI(rounded, integers); // nothing certain outside i64
  value = b_.CreateSelect(b_.CreateFCmpOLT(rounded, real(low)), integer(lowest(to)), value);
  value = b_.CreateSelect(b_.CreateFCmpOGE(rounded, real(high)), integer(highest(to)), value);
  return unless_nan(value, integer(0));
}

} // namespace volute::compiler
