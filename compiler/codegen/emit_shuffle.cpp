// Lanes moved about: groups repeated, vectors cut and joined, tiles transposed.

#include "compiler/codegen/emit_values.h"

#include <llvm/IR/InlineAsm.h>

#include <algorithm>
#include <bit>

namespace volute::compiler {

using namespace ir;

namespace {

/// Do lanes move in whole groups of so many neighbours?
bool stay_together(const std::vector<int>& from, int32_t had, int size) {
  if (from.size() % static_cast<size_t>(size) != 0 || had % size != 0) return false;
  for (size_t l = 0; l < from.size(); ++l) {
    const int within = static_cast<int>(l % static_cast<size_t>(size));
    if (from[l] % size != within || from[l] - within != from[l - static_cast<size_t>(within)])
      return false;
  }
  return true;
}

} // namespace

llvm::Value* ValueEmitter::shuffle(llvm::Value* a, llvm::Value* b, int32_t lanes,
                                   const std::function<int(int)>& from) const {
  if (lanes == 1) {
    const int32_t had = lanes_of(a), lane = from(0);
    return b_.CreateExtractElement(lane < had ? a : b, static_cast<uint64_t>(lane % had));
  }
  std::vector<int> indices;
  for (int32_t l = 0; l < lanes; ++l) indices.push_back(from(l));
  // Neighbours that stay together are one element: instruction selection looks at every lane of a
  // chain of shuffles again and again, and bytes are eight times as many as the words they move in.
  llvm::Type* element = a->getType()->getScalarType();
  const auto bits = static_cast<int>(element->getPrimitiveSizeInBits());
  int together = 1;
  while (2 * together * bits <= 64 && stay_together(indices, lanes_of(a), 2 * together))
    together *= 2;
  if (together == 1) return b_.CreateShuffleVector(a, b, indices);
  llvm::Type* wide = element->isFloatTy() ? b_.getDoubleTy()
                                          : b_.getIntNTy(static_cast<unsigned>(together * bits));
  const auto widened = [&](llvm::Value* value) {
    return b_.CreateBitCast(
        value, llvm::FixedVectorType::get(wide, static_cast<unsigned>(lanes_of(value) / together)));
  };
  std::vector<int> of_groups;
  for (size_t l = 0; l < indices.size(); l += static_cast<size_t>(together))
    of_groups.push_back(indices[l] / together);
  return b_.CreateBitCast(b_.CreateShuffleVector(widened(a), widened(b), of_groups),
                          llvm::FixedVectorType::get(element, static_cast<unsigned>(lanes)));
}

// The lanes of `group` again and again. A group that fills an integer is one element of a vector of
// such integers: one broadcast, from memory where the group is loaded.
llvm::Value* ValueEmitter::repeated(llvm::Value* group, int32_t lanes) const {
  const int32_t size = lanes_of(group);
  if (size == lanes) return group;
  const auto count = static_cast<unsigned>(lanes / size);
  if (size == 1) return b_.CreateVectorSplat(count, group);
  llvm::Type* result =
      llvm::FixedVectorType::get(group->getType()->getScalarType(), static_cast<unsigned>(lanes));
  const auto bits = static_cast<unsigned>(group->getType()->getPrimitiveSizeInBits());
  if (bits == 16 || bits == 32 || bits == 64) {
    llvm::Value* one = b_.CreateBitCast(group, b_.getIntNTy(bits));
    return b_.CreateBitCast(b_.CreateVectorSplat(count, one), result);
  }
  return shuffle(group, group, lanes, [&](int l) { return l % size; });
}

/// The first lanes, or all of them and more behind, which are 0 or undefined.
llvm::Value* ValueEmitter::resized(llvm::Value* value, int32_t lanes, bool zeros) const {
  const int32_t had = lanes_of(value);
  if (had == lanes) return value;
  if (lanes == 1) return b_.CreateExtractElement(value, b_.getInt32(0));
  llvm::Type* element = value->getType()->getScalarType();
  const auto vector = [&](int32_t n) {
    return llvm::FixedVectorType::get(element, static_cast<unsigned>(n));
  };
  if (had == 1) {
    llvm::Value* rest =
        zeros ? llvm::Constant::getNullValue(vector(lanes)) : llvm::PoisonValue::get(vector(lanes));
    return b_.CreateInsertElement(rest, value, b_.getInt32(0));
  }
  llvm::Value* rest =
      zeros ? llvm::Constant::getNullValue(vector(had)) : llvm::PoisonValue::get(vector(had));
  return shuffle(value, rest, lanes, [&](int l) { return std::min(l, had); });
}

llvm::Value* ValueEmitter::by_parts(
    const std::vector<llvm::Value*>& operands, int32_t part,
    const std::function<llvm::Value*(const std::vector<llvm::Value*>&)>& fn) const {
  const int32_t lanes = lanes_of(operands.front());
  std::vector<llvm::Value*> results;
  for (int32_t at = 0; at < lanes; at += part) {
    std::vector<llvm::Value*> cut;
    for (llvm::Value* operand : operands) {
      const int32_t here = std::min(part, lanes - at);
      llvm::Value* piece =
          here == lanes ? operand : shuffle(operand, operand, here, [&](int l) { return at + l; });
      cut.push_back(resized(piece, part, true));
    }
    results.push_back(fn(cut));
  }
  // Joined two by two; a part without a partner is followed by nothing.
  for (int32_t size = part; results.size() > 1; size *= 2) {
    std::vector<llvm::Value*> joined;
    for (size_t i = 0; i < results.size(); i += 2) {
      llvm::Value* second =
          i + 1 < results.size() ? results[i + 1] : llvm::PoisonValue::get(results[i]->getType());
      joined.push_back(shuffle(results[i], second, 2 * size, [](int l) { return l; }));
    }
    results = std::move(joined);
  }
  return resized(results.front(), lanes, false);
}

std::vector<llvm::Value*> ValueEmitter::transpose(std::vector<llvm::Value*> rows,
                                                  ElementType element, int32_t lanes,
                                                  int32_t to_lanes) const {
  // A square of a power of two holds both the rows and the columns.
  const auto side = static_cast<int32_t>(
      std::bit_ceil(std::max({static_cast<uint32_t>(lanes), static_cast<uint32_t>(rows.size()),
                              static_cast<uint32_t>(1)})));
  rows.resize(static_cast<size_t>(side));
  for (llvm::Value*& row : rows)
    row = row ? resized(row, side, false) : llvm::PoisonValue::get(type(element, side));
  std::vector<llvm::Value*> columns = transpose_square(std::move(rows), side);
  columns.resize(static_cast<size_t>(lanes));
  for (llvm::Value*& column : columns) column = resized(column, to_lanes, false);
  return columns;
}

// First squares within blocks of 16 bytes, with interleaves, which are one cheap instruction each,
// then the blocks themselves.
std::vector<llvm::Value*> ValueEmitter::transpose_square(std::vector<llvm::Value*> rows,
                                                         int32_t lanes) const {
  if (lanes == 1) return rows;
  const auto size = static_cast<size_t>(lanes);
  const auto bits = static_cast<int>(rows.front()->getType()->getScalarSizeInBits());
  const int block = std::min(lanes, 128 / bits);
  // Units of the low, or high, half of each block of a and b in turns.
  const auto interleave = [&](llvm::Value* a, llvm::Value* b, int unit, bool high) {
    return shuffle(a, b, lanes, [&](int l) {
      const int within = l % block, at = within / unit;
      const int from = l - within + (high ? block / 2 : 0) + at / 2 * unit + within % unit;
      return from + (at % 2 == 1 ? lanes : 0);
    });
  };
  // Instruction selection tries to see through chains of shuffles, at a cost that grows with their
  // depth: two thirds of the time of a whole kernel. Cutting chains after two of them ends that.
  const auto cut = [&](std::vector<llvm::Value*>& values) {
    if (lanes >= 16)
      for (llvm::Value*& value : values) value = opaque(value);
  };
  // A group of `unit` rows makes as many vectors: in the k-th is the k-th part of its columns, each
  // column's elements one behind the other. Two groups make one of twice the size.
  std::vector<llvm::Value*>& v = rows;
  for (int unit = 1; unit < block; unit *= 2) {
    const auto group = static_cast<size_t>(unit);
    std::vector<llvm::Value*> next(size);
    for (size_t g = 0; g < size; g += 2 * group)
      for (size_t k = 0; k < group; ++k)
        for (const bool high : {false, true})
          next[g + 2 * k + (high ? 1 : 0)] = interleave(v[g + k], v[g + group + k], unit, high);
    v = std::move(next);
    if (unit == 2 || 2 * unit == block) cut(v);
  }
  std::vector<llvm::Value*> columns(size);
  for (size_t j = 0; j < static_cast<size_t>(block); ++j) {
    std::vector<llvm::Value*> blocks; // the j-th column of each block: of the g-th group of rows
    for (size_t g = 0; g < size; g += static_cast<size_t>(block)) blocks.push_back(v[g + j]);
    blocks = transpose_blocks(std::move(blocks), block);
    for (size_t b = 0; b < blocks.size(); ++b)
      columns[b * static_cast<size_t>(block) + j] = blocks[b];
  }
  return columns;
}

/// As many vectors as there are blocks of so many lanes in each: the g-th block of the b-th becomes
/// the b-th of the g-th.
std::vector<llvm::Value*> ValueEmitter::transpose_blocks(std::vector<llvm::Value*> v,
                                                         int block) const {
  const int n = static_cast<int>(v.size()), lanes = n * block;
  if (n == 4) {
    // {a0 a1 b0 b1} and the like, then evens and odds: each is one 128-bit block shuffle.
    const auto blocks_of = [&](llvm::Value* a, llvm::Value* b, int first, int second) {
      return shuffle(a, b, lanes, [&](int l) {
        const int at = l / block;
        return (at % 2 ? second : first) * block + l % block + (at / 2 ? lanes : 0);
      });
    };
    llvm::Value* low01 = blocks_of(v[0], v[1], 0, 1);
    llvm::Value* high01 = blocks_of(v[0], v[1], 2, 3);
    llvm::Value* low23 = blocks_of(v[2], v[3], 0, 1);
    llvm::Value* high23 = blocks_of(v[2], v[3], 2, 3);
    return {blocks_of(low01, low23, 0, 2), blocks_of(low01, low23, 1, 3),
            blocks_of(high01, high23, 0, 2), blocks_of(high01, high23, 1, 3)};
  }
  for (int distance = n / 2; distance >= 1; distance /= 2) {
    std::vector<llvm::Value*> next(v.size());
    for (int g = 0; g < n; ++g) {
      if (g / distance % 2 == 1) continue;
      const auto pick = [&](bool upper) {
        // Block B comes from v[g] where bit `distance` of B is clear, else from v[g + distance];
        // it is the block whose bit says `upper`.
        return shuffle(v[static_cast<size_t>(g)], v[static_cast<size_t>(g + distance)], lanes,
                       [&](int l) {
                         const int at = l / block;
                         const int source = (at & ~distance) | (upper ? distance : 0);
                         return source * block + l % block + ((at & distance) ? lanes : 0);
                       });
      };
      next[static_cast<size_t>(g)] = pick(false);
      next[static_cast<size_t>(g + distance)] = pick(true);
    }
    v = std::move(next);
  }
  return v;
}

/// The same value, in the same register, of which LLVM knows nothing more. A vector wider than the
/// target's is in no one register and stays as it is.
llvm::Value* ValueEmitter::opaque(llvm::Value* value) const {
  if (llvm::isa<llvm::UndefValue>(value)) return value;
  if (value->getType()->getPrimitiveSizeInBits() > 8 * static_cast<uint64_t>(target_.vector_bytes))
    return value;
  // As floats or words, which every vector register holds; bytes would need AVX-512BW in a zmm.
  llvm::Type* original = value->getType();
  if (!original->getScalarType()->isFloatTy()) {
    const auto bits = static_cast<unsigned>(original->getPrimitiveSizeInBits());
    value = b_.CreateBitCast(value, llvm::FixedVectorType::get(b_.getInt32Ty(), bits / 32));
  }
  auto* type = llvm::FunctionType::get(value->getType(), {value->getType()}, false);
  llvm::Value* same = b_.CreateCall(
      type, llvm::InlineAsm::get(type, "", "=v,0", /*hasSideEffects=*/false), {value});
  return b_.CreateBitCast(same, original);
}

} // namespace volute::compiler
