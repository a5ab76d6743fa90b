// A kernel as the cache on disk keeps it, in one block of bytes.
//
//     8 bytes    magic        never changes
//     u32        format       changes with every change of what follows
//     u64        bytes        of the whole entry
//     2 x u64    checksum     of all that follows
//     text       key          kernel_key, whole: it is compared whole
//     text       schedule     the one that was resolved, every default filled in
//     block      report       what the compiler said (report/encode_report)
//     block      image        image/encode
//
// The checksum finds accidents, a block that was never written, a bit that flipped. It proves
// nothing of who wrote it: that is what the folder's and the file's owner are asked for.
#pragma once

#include "compiler/image/image.h"
#include "compiler/report/report.h"
#include "ir/diagnostic.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace volute::runtime {

constexpr uint32_t entry_format = 1;

std::vector<std::byte> encode_entry(std::string_view key, std::string_view schedule,
                                    const compiler::Report& report, const compiler::Image& image);

/// The parts of an entry, where they lie.
struct EntryView {
  std::string_view key, schedule;
  std::span<const std::byte> report, image;
};

/// Refused with a reason: what is no entry, was cut off, damaged, or written in another format.
Expected<EntryView> view_entry(std::span<const std::byte> bytes);

/// The key of an entry of which only the first bytes are there, its checksum not looked at: for
/// lists. Nothing when it is no entry of this format, or the key is not whole.
std::optional<std::string> key_in(std::span<const std::byte> first_bytes);

/// What a key says, for people.
struct EntrySummary {
  std::string program;   // "stem"
  std::string target;    // canonical
  std::string schedule;  // as it was asked for, on one line
  std::string generator; // of whom it is, "0123456789abcdef, LLVM 19.1.7"
};
Expected<EntrySummary> summary_of_key(std::string_view key);

/// The name of a key's file: a hash of it.
std::string entry_name(std::string_view key);
/// Whether a file has a name of that kind.
bool is_entry_name(std::string_view name);

} // namespace volute::runtime
