// Loads and stores: whole vectors, parts of them, and lanes that lie apart.

#include "compiler/codegen/emit_values.h"
#include "ir/number.h"

#include <llvm/IR/InlineAsm.h>
#include <llvm/IR/Intrinsics.h>

#include <algorithm>
#include <bit>

namespace volute::compiler {

using namespace ir;

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

bool ValueEmitter::has_masks_for(ElementType element) const {
  return target_.has_masks_for(size_of(element));
}

// Part of a vector without masks: pieces whose lengths are powers of two, the longest first.
llvm::Value* ValueEmitter::load_runs(llvm::Value* pointer, ElementType element, int32_t lanes,
                                     int32_t first, int32_t count, llvm::Value* rest) const {
  const llvm::Align align(static_cast<uint64_t>(size_of(element)));
  llvm::Value* value = rest;
  const int32_t end = first + count;
  int32_t run = static_cast<int32_t>(std::bit_floor(static_cast<uint32_t>(lanes)));
  for (int32_t from = first; from < end; from += run) {
    while (run > end - from) run /= 2;
    llvm::Value* part = b_.CreateAlignedLoad(type(element, run), at(pointer, element, from), align);
    value = shuffle(value, resized(part, lanes, false), lanes,
                    [&](int l) { return l >= from && l < from + run ? lanes + l - from : l; });
  }
  return value;
}

// Every `step`-th element: `step` loads of neighbouring vectors, of the wanted elements alone, then
// one shuffle for each after the first. Half the port pressure of lane by lane at step 4, and a
// sixth at step 2.
llvm::Value* ValueEmitter::deinterleave(llvm::Value* pointer, ElementType element, int32_t lanes,
                                        int64_t step, int32_t first, int32_t count,
                                        llvm::Value* rest) const {
  const llvm::Align align(static_cast<uint64_t>(size_of(element)));
  llvm::Type* t = type(element, lanes);
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
  if (lanes == 1 && count == 1) return b_.CreateAlignedLoad(t, pointer, align);
  const int64_t whole = is_float(element) ? 0 : saturate_to(element, fill);
  llvm::Value* rest = number(element, lanes, fill, whole);
  if (count == 0) return rest;
  if (step == 1) {
    if (first == 0 && count == lanes) return b_.CreateAlignedLoad(t, pointer, align);
    // From AVX on, elements of 4 bytes and more can be masked; the others only with AVX-512.
    if (size_of(element) < 4 && !has_masks_for(element))
      return load_runs(pointer, element, lanes, first, count, rest);
    return b_.CreateMaskedLoad(t, pointer, align, mask(lanes, first, count), rest);
  }
  if (step == 0) { // one element, seen by each of the lanes
    llvm::Value* one = b_.CreateVectorSplat(static_cast<unsigned>(lanes),
                                            b_.CreateAlignedLoad(type(element, 1), pointer, align));
    return b_.CreateSelect(mask(lanes, first, count), one, rest);
  }
  if (target_.deinterleaves(size_of(element), step))
    return deinterleave(pointer, element, lanes, step, first, count, rest);
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
  const int32_t lanes = lanes_of(value);
  if (lanes == count && (step == 1 || lanes == 1)) {
    b_.CreateAlignedStore(value, pointer, align);
    return;
  }
  // As many lanes as some register has need no mask: a masked store takes several cycles.
  const bool fills_one =
      std::has_single_bit(static_cast<uint32_t>(count)) && count * size_of(element) >= 4;
  if (step == 1 && has_masks_for(element) && !fills_one) {
    b_.CreateMaskedStore(value, pointer, align, mask(lanes, 0, count));
    return;
  }
  // Masked stores of AVX2 take a dozen cycles on some CPUs: store the lanes in runs whose lengths
  // are powers of two. A strided store is runs of one.
  int32_t at_lane = 0;
  const auto longest = static_cast<int32_t>(std::bit_floor(static_cast<uint32_t>(lanes)));
  for (int32_t run = step == 1 ? longest : 1; at_lane < count;) {
    while (run > count - at_lane) run /= 2;
    llvm::Value* part =
        run == 1 ? b_.CreateExtractElement(value, b_.getInt32(static_cast<uint32_t>(at_lane)))
                 : shuffle(value, value, run, [&](int l) { return at_lane + l; });
    b_.CreateAlignedStore(part, at(pointer, element, at_lane * step), align);
    at_lane += run;
  }
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

void ValueEmitter::finish(const std::vector<llvm::Value**>& values) const {
  // Vectors narrower than the widest have all registers by the instructions for that alone.
  const bool has_all = target_.has_masks && target_.has("avx512vl");
  const bool are_widest = std::all_of(values.begin(), values.end(), [&](llvm::Value** value) {
    return (*value)->getType()->getPrimitiveSizeInBits().getFixedValue() == 512;
  });
  const int registers = has_all || are_widest ? target_.vector_registers : 16;
  const auto is_vector = [&](llvm::Value** value) {
    const auto* type = llvm::dyn_cast<llvm::FixedVectorType>((*value)->getType());
    const uint64_t bits = type ? type->getPrimitiveSizeInBits().getFixedValue() : 0;
    return bits >= 128 && std::has_single_bit(bits) &&
           bits <= 8 * static_cast<uint64_t>(target_.vector_bytes);
  };
  if (values.empty() || std::ssize(values) >= registers ||
      !std::all_of(values.begin(), values.end(), is_vector))
    return;
  std::vector<llvm::Type*> types;
  std::vector<llvm::Value*> operands;
  std::string outputs, inputs; // each output in the register of its input
  for (llvm::Value** value : values) {
    outputs += registers > 16 ? "=v," : "=x,"; // v: all 32, x: the first 16
    inputs += std::to_string(operands.size()) + ",";
    types.push_back((*value)->getType());
    operands.push_back(*value);
  }
  inputs.pop_back();
  llvm::Type* result =
      types.size() == 1 ? types.front() : llvm::StructType::get(b_.getContext(), types);
  llvm::CallInst* call =
      b_.CreateCall(llvm::FunctionType::get(result, types, false),
                    llvm::InlineAsm::get(llvm::FunctionType::get(result, types, false), "",
                                         outputs + inputs, /*hasSideEffects=*/true),
                    operands);
  for (size_t i = 0; i < values.size(); ++i)
    *values[i] = types.size() == 1 ? static_cast<llvm::Value*>(call)
                                   : b_.CreateExtractValue(call, static_cast<unsigned>(i));
}

} // namespace volute::compiler
