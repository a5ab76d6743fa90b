#include "runtime/line_table.h"

#include "runtime/elf_file.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <string_view>

namespace volute::runtime {
namespace {

/// Little-endian numbers one after the other; beyond the end they are 0.
class Reader {
public:
  Reader(std::string_view bytes, uint64_t begin) : bytes_(bytes), at_(begin) {}

  template <class T>
  T read() {
    T value{};
    if (at_ <= bytes_.size() && sizeof(T) <= bytes_.size() - at_)
      std::memcpy(&value, bytes_.data() + at_, sizeof(T));
    at_ += sizeof(T);
    return value;
  }
  uint64_t unsigned_leb() {
    uint64_t value = 0;
    for (int shift = 0; at_ < bytes_.size(); shift += 7) {
      const auto byte = read<uint8_t>();
      if (shift < 64) value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    return value;
  }
  int64_t signed_leb() {
    uint64_t value = 0;
    int shift = 0;
    uint8_t byte = 0x80;
    while (byte >= 0x80 && at_ < bytes_.size()) {
      byte = read<uint8_t>();
      if (shift < 64) value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      shift += 7;
    }
    if (shift < 64 && (byte & 0x40)) value |= ~uint64_t{0} << shift;
    return static_cast<int64_t>(value);
  }
  uint64_t at() const { return at_; }
  void go(uint64_t to) { at_ = to; }

private:
  std::string_view bytes_;
  uint64_t at_;
};

/// What the linker would put at places of .debug_line: addresses in .text.
std::map<uint64_t, uint64_t> relocations(ElfFile& file) {
  std::map<uint64_t, uint64_t> values;
  const Elf64_Shdr* list = file.section(".rela.debug_line");
  const Elf64_Shdr* symbols = file.section(file.number_of(SHT_SYMTAB));
  if (!list || !symbols) return values;
  for (uint64_t i = 0; i < list->sh_size / sizeof(Elf64_Rela); ++i) {
    const auto* one = file.at<Elf64_Rela>(list->sh_offset, i);
    if (!one) break;
    const auto* symbol = file.at<Elf64_Sym>(symbols->sh_offset, ELF64_R_SYM(one->r_info));
    if (symbol && ELF64_R_TYPE(one->r_info) == R_X86_64_64)
      values[one->r_offset] = symbol->st_value + static_cast<uint64_t>(one->r_addend);
  }
  return values;
}

/// One unit's program, as section 6.2 of DWARF has it: versions 2 to 5, in its 32-bit form.
/// Gives the place of the next unit; nothing where this is none.
std::optional<uint64_t> run_unit(std::string_view section, uint64_t begin,
                                 const std::map<uint64_t, uint64_t>& placed,
                                 std::vector<CodeLine>& lines) {
  Reader in(section, begin);
  const uint64_t length = in.read<uint32_t>(), end = in.at() + length;
  if (length >= 0xfffffff0 || end > section.size()) return std::nullopt;
  const auto version = in.read<uint16_t>();
  if (version < 2 || version > 5) return std::nullopt;
  if (version == 5) in.read<uint16_t>(); // sizes of addresses and of segments
  const uint64_t header = in.read<uint32_t>(), program = in.at() + header;
  const auto least_length = in.read<uint8_t>();
  if (version >= 4) in.read<uint8_t>(); // operations of an instruction
  in.read<uint8_t>();                   // whether rows begin statements
  const auto line_base = in.read<int8_t>();
  const auto line_range = in.read<uint8_t>(), opcode_base = in.read<uint8_t>();
  if (line_range == 0 || opcode_base < 10) return std::nullopt;
  std::vector<uint8_t> arguments(opcode_base, 0); // of each standard operation
  for (size_t i = 1; i < opcode_base; ++i) arguments[i] = in.read<uint8_t>();

  in.go(program);
  uint64_t address = 0, line = 1; // whatever a damaged table adds to them
  const auto row = [&] { lines.push_back({address, static_cast<int32_t>(line)}); };
  while (in.at() < end) {
    const auto operation = in.read<uint8_t>();
    if (operation >= opcode_base) {
      const int steps = operation - opcode_base;
      address += static_cast<uint64_t>(steps / line_range) * least_length;
      line += static_cast<uint64_t>(line_base + steps % line_range);
      row();
      continue;
    }
    switch (operation) {
    case 0: { // extended: a length, then what it is
      const uint64_t size = in.unsigned_leb(), next = in.at() + size;
      if (size > section.size()) return std::nullopt;
      const auto what = in.read<uint8_t>();
      if (what == 1) { // the end of a sequence: no line from here on
        line = 0;
        row();
        address = 0, line = 1;
      } else if (what == 2) { // an address
        const auto known = placed.find(in.at());
        const auto written = in.read<uint64_t>();
        address = known != placed.end() ? known->second : written;
      }
      in.go(next);
      break;
    }
    case 1: row(); break;                                          // copy
    case 2: address += in.unsigned_leb() * least_length; break;    // advance the address
    case 3: line += static_cast<uint64_t>(in.signed_leb()); break; // advance the line
    case 8: address += (255 - opcode_base) / line_range * least_length; break;
    case 9: address += in.read<uint16_t>(); break; // by a fixed number
    default:                                       // files, columns, flags: passed over
      for (int i = 0; i < arguments[operation]; ++i) in.unsigned_leb();
    }
  }
  return end;
}

} // namespace

std::vector<CodeLine> lines_of(const std::vector<std::byte>& elf,
                               const std::vector<compiler::ImageStep>& steps) {
  ElfFile file(elf);
  const std::optional<uint64_t> base = text_base(file, steps);
  const Elf64_Shdr* section = file.section(".debug_line");
  if (!base || !section) return {};
  const std::string_view bytes = file.contents(*section);
  const std::map<uint64_t, uint64_t> placed = relocations(file);
  std::vector<CodeLine> lines;
  for (std::optional<uint64_t> at = 0; at && *at < bytes.size();)
    at = run_unit(bytes, *at, placed, lines);
  for (CodeLine& line : lines) line.offset += *base;
  std::stable_sort(lines.begin(), lines.end(),
                   [](const CodeLine& a, const CodeLine& b) { return a.offset < b.offset; });
  // Of several lines for one place the last one holds, and what goes on as before is no row.
  std::vector<CodeLine> distinct;
  for (const CodeLine& line : lines) {
    if (!distinct.empty() && distinct.back().offset == line.offset)
      distinct.back() = line;
    else
      distinct.push_back(line);
  }
  distinct.erase(std::unique(distinct.begin(), distinct.end(),
                             [](const CodeLine& a, const CodeLine& b) { return a.line == b.line; }),
                 distinct.end());
  return distinct;
}

} // namespace volute::runtime
