// Lanes moved about: groups repeated, vectors cut and joined, tiles transposed.

#include "compiler/codegen/emit_values.h"

#include <llvm/IR/InlineAsm.h>

#include <algorithm>
#include <bit>

namespace volute::compiler {

using namespace ir;

llvm::Value* ValueEmitter::shuffle(llvm::Value* a, llvm::Value* b, int32_t lanes,
                                   const std::function<int(int)>& from) const {
  if (lanes == 1) {
    const int32_t had = lanes_of(a), lane = from(0);
    return b_.CreateExtractElement(lane < had ? a : b, static_cast<uint64_t>(lane % had));
  }
  std::vector<int> indices;
  for (int32_t l = 0; l < lanes; ++l) indices.push_back(from(l));
  return b_.CreateShuffleVector(a, b, indices);
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

// Rows of 4-element blocks: first 4 x 4 within each block with interleaves, which are one cheap
// instruction each, then the blocks themselves, halving the distance each time.
std::vector<llvm::Value*> ValueEmitter::transpose_square(std::vector<llvm::Value*> rows,
                                                         int32_t lanes) const {
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
