#include "runtime/cache_entry.h"

#include "compiler/image/encode.h"
#include "compiler/image/fields.h"
#include "compiler/report/encode_report.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace volute::runtime {
namespace {

using compiler::FieldReader;
using compiler::FieldWriter;

constexpr std::array<unsigned char, 8> magic = {'v', 'o', 'l', 'u', 'k', 'e', 'y', '\n'};
constexpr size_t header_bytes = magic.size() + sizeof(uint32_t) + 3 * sizeof(uint64_t);
constexpr std::string_view extension = ".kernel";
constexpr size_t hash_digits = 32;

Failure refuse(std::string why) { return fail("entry", std::move(why)); }

std::span<const std::byte> take_block(FieldReader& reader) {
  uint64_t size = 0;
  reader.read(size);
  return reader.take(size);
}

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// What follows `word` on the first line that begins with it.
std::string_view line_after(std::string_view key, std::string_view word) {
  for (size_t at = 0; at < key.size();) {
    const std::string_view line = key.substr(at, key.find('\n', at) - at);
    if (line.starts_with(word)) return line.substr(word.size());
    at += line.size() + 1;
  }
  return {};
}

} // namespace

std::vector<std::byte> encode_entry(std::string_view key, std::string_view schedule,
                                    const compiler::Report& report, const compiler::Image& image) {
  FieldWriter parts;
  parts.write(std::string(key));
  parts.write(std::string(schedule));
  parts.write(compiler::encode_report(report));
  parts.write(compiler::encode(image));
  const std::vector<std::byte> payload = parts.finish();
  const XXH128_hash_t sum = XXH3_128bits(payload.data(), payload.size());
  FieldWriter whole;
  whole.put(magic.data(), magic.size());
  whole.write(entry_format);
  whole.write(uint64_t{header_bytes + payload.size()});
  whole.write(uint64_t{sum.low64});
  whole.write(uint64_t{sum.high64});
  whole.put(payload.data(), payload.size());
  return whole.finish();
}

Expected<EntryView> view_entry(std::span<const std::byte> bytes) {
  if (bytes.size() < magic.size() || std::memcmp(bytes.data(), magic.data(), magic.size()) != 0)
    return refuse("it is no kernel");
  FieldReader header(bytes.subspan(magic.size()));
  uint32_t format = 0;
  uint64_t size = 0, low = 0, high = 0;
  header.read(format);
  if (!header.failed() && format != entry_format)
    return refuse(
        fmt::format("it was written in format {}, and this is for {}", format, entry_format));
  header.read(size);
  header.read(low);
  header.read(high);
  if (header.failed() || size != bytes.size())
    return refuse(fmt::format("it has {} bytes, and should have {}", bytes.size(),
                              header.failed() ? header_bytes : size));
  const std::span<const std::byte> payload = bytes.subspan(header_bytes);
  const XXH128_hash_t sum = XXH3_128bits(payload.data(), payload.size());
  if (sum.low64 != low || sum.high64 != high)
    return refuse("it is damaged: its checksum does not fit");
  FieldReader reader(payload);
  EntryView view;
  view.key = text_of(take_block(reader));
  view.schedule = text_of(take_block(reader));
  view.report = take_block(reader);
  view.image = take_block(reader);
  if (reader.failed() || !reader.at_end()) return refuse("its parts do not hold together");
  return view;
}

std::optional<std::string> key_in(std::span<const std::byte> first_bytes) {
  if (first_bytes.size() < header_bytes ||
      std::memcmp(first_bytes.data(), magic.data(), magic.size()) != 0)
    return std::nullopt;
  FieldReader header(first_bytes.subspan(magic.size()));
  uint32_t format = 0;
  header.read(format);
  if (format != entry_format) return std::nullopt;
  FieldReader reader(first_bytes.subspan(header_bytes));
  const std::string key(text_of(take_block(reader)));
  return reader.failed() ? std::nullopt : std::optional(key);
}

Expected<EntrySummary> summary_of_key(std::string_view key) {
  EntrySummary summary;
  summary.generator = line_after(key, "generator ");
  summary.target = line_after(key, "target ");
  summary.schedule = line_after(key, "schedule ");
  const std::string_view program = line_after(key, "program @");
  summary.program = program.substr(0, program.find('('));
  if (summary.target.empty() || summary.program.empty()) return refuse("its key names no program");
  return summary;
}

std::string entry_name(std::string_view key) {
  const XXH128_hash_t hash = XXH3_128bits(key.data(), key.size());
  return fmt::format("{:016x}{:016x}{}", hash.high64, hash.low64, extension);
}

bool is_entry_name(std::string_view name) {
  constexpr std::string_view digits = "0123456789abcdef";
  return name.size() == hash_digits + extension.size() && name.ends_with(extension) &&
         name.find_first_not_of(digits) == hash_digits;
}

} // namespace volute::runtime
