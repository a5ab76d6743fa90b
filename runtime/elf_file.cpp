#include "runtime/elf_file.h"

#include <cstring>
#include <string>

namespace volute::runtime {

bool ElfFile::is_one() {
  const auto* header = at<Elf64_Ehdr>(0);
  return header && std::memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 &&
         header->e_ident[EI_CLASS] == ELFCLASS64;
}

std::string_view ElfFile::string(const Elf64_Shdr& table, uint64_t offset) const {
  const std::string_view all = contents(table);
  if (offset >= all.size()) return {};
  return all.substr(offset, strnlen(all.data() + offset, all.size() - offset));
}

Elf64_Shdr* ElfFile::section(uint64_t number) {
  const auto* header = at<Elf64_Ehdr>(0);
  if (!header || number == 0 || number >= header->e_shnum) return nullptr;
  return at<Elf64_Shdr>(header->e_shoff, number);
}

uint64_t ElfFile::number_of(std::string_view name) {
  const auto* header = at<Elf64_Ehdr>(0);
  const Elf64_Shdr* names = header ? section(header->e_shstrndx) : nullptr;
  for (uint64_t i = 1; names && i < header->e_shnum; ++i)
    if (const Elf64_Shdr* one = section(i); one && string(*names, one->sh_name) == name) return i;
  return 0;
}

uint64_t ElfFile::number_of(uint32_t type) {
  const auto* header = at<Elf64_Ehdr>(0);
  for (uint64_t i = 1; header && i < header->e_shnum; ++i)
    if (const Elf64_Shdr* one = section(i); one && one->sh_type == type) return i;
  return 0;
}

std::string_view ElfFile::contents(const Elf64_Shdr& section) const {
  if (section.sh_offset > bytes_.size() || section.sh_size > bytes_.size() - section.sh_offset)
    return {};
  return {reinterpret_cast<const char*>(bytes_.data() + section.sh_offset), section.sh_size};
}

std::optional<size_t> step_of(std::string_view symbol, size_t steps) {
  if (!symbol.starts_with("step")) return std::nullopt;
  for (size_t i = 0; i < steps; ++i)
    if (symbol.substr(4) == std::to_string(i)) return i;
  return std::nullopt;
}

std::optional<uint64_t> text_base(ElfFile& file, const std::vector<compiler::ImageStep>& steps) {
  const uint64_t text = file.number_of(".text");
  const Elf64_Shdr* list = file.section(file.number_of(SHT_SYMTAB));
  const Elf64_Shdr* names = list ? file.section(list->sh_link) : nullptr;
  if (!file.is_one() || text == 0 || !names) return std::nullopt;
  std::optional<uint64_t> base;
  for (uint64_t i = 0; i < list->sh_size / sizeof(Elf64_Sym); ++i) {
    const auto* symbol = file.at<Elf64_Sym>(list->sh_offset, i);
    if (!symbol) return std::nullopt;
    const auto step = symbol->st_shndx == text
                          ? step_of(file.string(*names, symbol->st_name), steps.size())
                          : std::nullopt;
    if (!step) continue;
    const uint64_t begin = steps[*step].entry - symbol->st_value;
    if (base && *base != begin) return std::nullopt;
    base = begin;
  }
  return base;
}

} // namespace volute::runtime
