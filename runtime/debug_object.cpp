#include "runtime/debug_object.h"

#include <cstring>
#include <elf.h>
#include <optional>
#include <string_view>

namespace volute::runtime {
namespace {

/// Bounds are checked: what is wrong with a file is no reason to fault.
class Elf {
public:
  explicit Elf(std::vector<std::byte> bytes) : bytes_(std::move(bytes)) {}

  template <class T>
  T* at(uint64_t offset, uint64_t index = 0) {
    if (offset > bytes_.size() || index > bytes_.size() / sizeof(T)) return nullptr;
    const uint64_t begin = offset + index * sizeof(T);
    if (begin + sizeof(T) > bytes_.size()) return nullptr;
    return reinterpret_cast<T*>(bytes_.data() + begin);
  }
  std::string_view string(const Elf64_Shdr& table, uint64_t offset) const {
    if (table.sh_offset > bytes_.size() || table.sh_size > bytes_.size() - table.sh_offset ||
        offset >= table.sh_size)
      return {};
    const auto* text = reinterpret_cast<const char*>(bytes_.data() + table.sh_offset + offset);
    return {text, strnlen(text, table.sh_size - offset)};
  }
  std::vector<std::byte>& bytes() { return bytes_; }

private:
  std::vector<std::byte> bytes_;
};

std::optional<size_t> step_of(std::string_view symbol, size_t steps) {
  if (!symbol.starts_with("step")) return std::nullopt;
  for (size_t i = 0; i < steps; ++i)
    if (symbol.substr(4) == std::to_string(i)) return i;
  return std::nullopt;
}

} // namespace

std::vector<std::byte> placed_object(const std::vector<std::byte>& elf,
                                     const std::vector<compiler::ImageStep>& steps,
                                     const std::byte* code) {
  Elf file(elf);
  const auto* found = file.at<Elf64_Ehdr>(0);
  if (!found || std::memcmp(found->e_ident, ELFMAG, SELFMAG) != 0 ||
      found->e_ident[EI_CLASS] != ELFCLASS64)
    return {};
  const Elf64_Ehdr header = *found;
  const auto section = [&](uint64_t i) {
    return i < header.e_shnum ? file.at<Elf64_Shdr>(header.e_shoff, i) : nullptr;
  };
  uint64_t text = 0, symbols = 0;
  const Elf64_Shdr* names = section(header.e_shstrndx);
  for (uint64_t i = 0; i < header.e_shnum && names; ++i) {
    const Elf64_Shdr* one = section(i);
    if (!one) return {};
    if (one->sh_type == SHT_SYMTAB) symbols = i;
    if (file.string(*names, one->sh_name) == ".text") text = i;
  }
  if (text == 0 || symbols == 0 || !section(section(symbols)->sh_link)) return {};

  // Names that are longer go behind a copy of the table, at the end of the file.
  const Elf64_Shdr table = *section(section(symbols)->sh_link);
  const Elf64_Shdr list = *section(symbols);
  if (table.sh_offset > elf.size() || table.sh_size > elf.size() - table.sh_offset) return {};
  std::string strings(reinterpret_cast<const char*>(elf.data() + table.sh_offset), table.sh_size);
  std::optional<uint64_t> base; // where .text lies
  for (uint64_t i = 0; i < list.sh_size / sizeof(Elf64_Sym); ++i) {
    auto* symbol = file.at<Elf64_Sym>(list.sh_offset, i);
    if (!symbol) return {};
    if (symbol->st_shndx != text) continue;
    const auto step = step_of(file.string(table, symbol->st_name), steps.size());
    if (!step) continue;
    const uint64_t begin = reinterpret_cast<uint64_t>(code) + steps[*step].entry - symbol->st_value;
    if (base && *base != begin) return {}; // its parts were moved apart
    base = begin;
    symbol->st_name = static_cast<Elf64_Word>(strings.size());
    strings += steps[*step].symbol;
    strings += '\0';
  }
  if (!base) return {};
  section(text)->sh_addr = *base;
  Elf64_Shdr* moved = section(section(symbols)->sh_link);
  moved->sh_offset = file.bytes().size();
  moved->sh_size = strings.size();
  const auto* more = reinterpret_cast<const std::byte*>(strings.data());
  file.bytes().insert(file.bytes().end(), more, more + strings.size());
  return std::move(file.bytes());
}

} // namespace volute::runtime
