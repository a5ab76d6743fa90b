// An ELF file in memory, read with every bound checked: what is wrong with a file is no reason to
// fault.
#pragma once

#include "compiler/image/image.h"

#include <cstddef>
#include <cstdint>
#include <elf.h>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace volute::runtime {

class ElfFile {
public:
  explicit ElfFile(std::vector<std::byte> bytes) : bytes_(std::move(bytes)) {}

  bool is_one();
  template <class T>
  T* at(uint64_t offset, uint64_t index = 0) {
    if (offset > bytes_.size() || index > bytes_.size() / sizeof(T)) return nullptr;
    const uint64_t begin = offset + index * sizeof(T);
    if (begin + sizeof(T) > bytes_.size()) return nullptr;
    return reinterpret_cast<T*>(bytes_.data() + begin);
  }
  std::string_view string(const Elf64_Shdr& table, uint64_t offset) const;
  /// Null where there is none. Numbers are places in the table, of which 0 is no section.
  Elf64_Shdr* section(uint64_t number);
  Elf64_Shdr* section(std::string_view name) { return section(number_of(name)); }
  uint64_t number_of(std::string_view name);
  uint64_t number_of(uint32_t type);
  /// Of a section that lies in the file whole; empty otherwise.
  std::string_view contents(const Elf64_Shdr& section) const;
  std::vector<std::byte>& bytes() { return bytes_; }

private:
  std::vector<std::byte> bytes_;
};

/// A symbol of .text that is a step's, step0, step1, ...: which one.
std::optional<size_t> step_of(std::string_view symbol, size_t steps);

/// How far a kernel's code lies behind the object's .text: what is added to an offset there to have
/// one in the image's text. Nothing where the object is not that of these steps, or its parts were
/// moved apart.
std::optional<uint64_t> text_base(ElfFile& file, const std::vector<compiler::ImageStep>& steps);

} // namespace volute::runtime
