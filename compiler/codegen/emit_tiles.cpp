#include "compiler/codegen/emit_tiles.h"

#include "compiler/codegen/emit_registers.h"
#include "ir/diagnostic.h"

#include <fmt/format.h>
#include <llvm/IR/IntrinsicsX86.h>

#include <array>

namespace volute::compiler {

using namespace ir;
using namespace llvm::Intrinsic;

namespace {

/// What LDTILECFG reads: bytes a row and rows, by register.
std::array<uint8_t, 64> configuration(const Step& step) {
  constexpr size_t bytes_at = 16, rows_at = 48;
  std::array<uint8_t, 64> bytes = {1}; // the palette of 8 registers
  size_t number = 0;
  for (const RegisterArray& array : step.arrays)
    for (int64_t i = 0; array.rows > 0 && i < array.count(); ++i, ++number) {
      bytes[bytes_at + 2 * number] = static_cast<uint8_t>(array.lanes * size_of(array.type));
      bytes[rows_at + number] = static_cast<uint8_t>(array.rows);
    }
  return bytes;
}

llvm::Intrinsic::ID product_of(ElementType a, ElementType b) {
  if (a == ElementType::bf16) return x86_tdpbf16ps;
  if (a == ElementType::u8) return b == ElementType::u8 ? x86_tdpbuud : x86_tdpbusd;
  return b == ElementType::u8 ? x86_tdpbsud : x86_tdpbssd;
}

} // namespace

TileEmitter::TileEmitter(llvm::IRBuilder<>& builder, const Step& step, AddressEmitter& address,
                         const Target& target)
    : b_(builder), step_(step), address_(address), target_(target) {
  size_t next = 0;
  for (const RegisterArray& array : step.arrays) {
    first_.push_back(next);
    if (array.rows > 0) next += static_cast<size_t>(array.count());
  }
  any_ = next > 0;
  if (any_ && !target.has("amx-tile"))
    throw Error(fmt::format("step {}: its registers have rows, and {} has no matrix unit "
                            "(amx-tile)",
                            step.name, short_text(target)));
}

void TileEmitter::configure(llvm::Module& module) const {
  llvm::Constant* data =
      llvm::ConstantDataArray::get(module.getContext(), llvm::ArrayRef(configuration(step_)));
  auto* global = new llvm::GlobalVariable(module, data->getType(), /*isConstant=*/true,
                                          llvm::GlobalValue::PrivateLinkage, data, "tiles");
  global->setAlignment(llvm::Align(64));
  b_.CreateIntrinsic(x86_ldtilecfg, {}, {global});
}

void TileEmitter::release() const { b_.CreateIntrinsic(x86_tilerelease, {}, {}); }

llvm::Value* TileEmitter::number(const TileRegister& at) const {
  const auto array = static_cast<size_t>(at.array);
  const size_t place = register_place(step_.arrays[array], at.index, address_);
  return b_.getInt8(static_cast<uint8_t>(first_[array] + place));
}

void TileEmitter::write(const Tile& tile) {
  llvm::Value* to = number(tile.tile);
  if (tile.kind == Tile::Kind::zero) {
    b_.CreateIntrinsic(x86_tilezero, {}, {to});
    return;
  }
  if (tile.kind == Tile::Kind::multiply) {
    const ElementType a = step_.arrays[static_cast<size_t>(tile.a.array)].type;
    const ElementType b = step_.arrays[static_cast<size_t>(tile.b.array)].type;
    if (!target_.has_tiles_for(a))
      throw Error(fmt::format("step {}: {} does not multiply tiles of {}", step_.name,
                              short_text(target_), to_string(a)));
    b_.CreateIntrinsic(product_of(a, b), {}, {to, number(tile.a), number(tile.b)});
    return;
  }
  const ElementType element = step_.arrays[static_cast<size_t>(tile.tile.array)].type;
  llvm::Value* place = address_.access(tile.view, tile.index);
  const int64_t bytes =
      address_.element_step(tile.view, tile.row_dim, tile.row_step) * size_of(element);
  const bool stores = tile.kind == Tile::Kind::store;
  const llvm::Intrinsic::ID loads = tile.bypasses ? x86_tileloaddt164 : x86_tileloadd64;
  b_.CreateIntrinsic(stores ? x86_tilestored64 : loads, {},
                     {to, place, b_.getInt64(static_cast<uint64_t>(bytes))});
}

} // namespace volute::compiler
