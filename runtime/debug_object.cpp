#include "runtime/debug_object.h"

#include "runtime/elf_file.h"

#include <string>

namespace volute::runtime {

std::vector<std::byte> placed_object(const std::vector<std::byte>& elf,
                                     const std::vector<compiler::ImageStep>& steps,
                                     const std::byte* code) {
  ElfFile file(elf);
  const std::optional<uint64_t> base = text_base(file, steps);
  if (!base) return {};
  const uint64_t text = file.number_of(".text"), symbols = file.number_of(SHT_SYMTAB);

  // Names that are longer go behind a copy of the table, at the end of the file.
  const Elf64_Shdr list = *file.section(symbols), table = *file.section(list.sh_link);
  std::string strings(file.contents(table));
  for (uint64_t i = 0; i < list.sh_size / sizeof(Elf64_Sym); ++i) {
    auto* symbol = file.at<Elf64_Sym>(list.sh_offset, i);
    if (symbol->st_shndx != text) continue;
    const auto step = step_of(file.string(table, symbol->st_name), steps.size());
    if (!step) continue;
    symbol->st_name = static_cast<Elf64_Word>(strings.size());
    strings += steps[*step].symbol;
    strings += '\0';
  }
  file.section(text)->sh_addr = reinterpret_cast<uint64_t>(code) + *base;
  Elf64_Shdr* moved = file.section(list.sh_link);
  moved->sh_offset = file.bytes().size();
  moved->sh_size = strings.size();
  const auto* more = reinterpret_cast<const std::byte*>(strings.data());
  file.bytes().insert(file.bytes().end(), more, more + strings.size());
  return std::move(file.bytes());
}

} // namespace volute::runtime
