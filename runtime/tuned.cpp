#include "runtime/tuned.h"

#include "runtime/key.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace volute::runtime {
namespace {

constexpr const char* file_name = "tuned.txt";
constexpr size_t longest_file = size_t{64} << 20;
constexpr const char* head =
    "# Schedules that volute tune has measured: target, program, accuracy, times faster, name, "
    "schedule\n";

std::optional<double> number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<TunedSchedule> record(std::string_view line) {
  constexpr size_t fields = 6;
  std::string_view field[fields];
  for (size_t i = 0; i < fields; ++i) {
    const size_t tab = i + 1 < fields ? line.find('\t') : line.size();
    if (tab == std::string_view::npos) return std::nullopt;
    field[i] = line.substr(0, tab);
    if (field[i].empty()) return std::nullopt;
    line.remove_prefix(std::min(tab + 1, line.size()));
  }
  const std::optional<double> accuracy = number(field[2]), faster = number(field[3]);
  if (!accuracy || !faster || !(*accuracy >= 0) || !(*faster > 0)) return std::nullopt;
  return TunedSchedule{std::string(field[0]), std::string(field[1]), *accuracy, *faster,
                       std::string(field[4]), std::string(field[5])};
}

} // namespace

std::string program_digest(const ir::Program& program, const CompileOptions& options) {
  ir::Program nameless = program;
  nameless.name = "p";
  const std::string text = program_key(nameless, options);
  const XXH128_hash_t digest = XXH3_128bits(text.data(), text.size());
  return fmt::format("{:016x}{:016x}", digest.high64, digest.low64);
}

TunedSchedules TunedSchedules::parse(std::string_view text, int64_t* skipped) {
  TunedSchedules found;
  if (skipped) *skipped = 0;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.front() == '#') continue;
    if (std::optional<TunedSchedule> tuned = record(line))
      found.put(std::move(*tuned));
    else if (skipped)
      ++*skipped;
  }
  return found;
}

std::string TunedSchedules::to_string() const {
  std::string text = head;
  for (const auto& [key, tuned] : by_key_)
    text += fmt::format("{}\t{}\t{}\t{:.3f}\t{}\t{}\n", tuned.target, tuned.program, tuned.accuracy,
                        tuned.faster, tuned.name, tuned.schedule);
  return text;
}

const TunedSchedule* TunedSchedules::find(const ir::Program& program,
                                          const CompileOptions& options) const {
  if (by_key_.empty()) return nullptr;
  const auto found = by_key_.find({options.target, program_digest(program, options)});
  if (found == by_key_.end() || found->second.accuracy > options.accuracy.value_or(0))
    return nullptr;
  return &found->second;
}

void TunedSchedules::put(TunedSchedule tuned) {
  std::pair<std::string, std::string> key(tuned.target, tuned.program);
  by_key_.insert_or_assign(std::move(key), std::move(tuned));
}

int64_t TunedSchedules::merge(const TunedSchedules& other) {
  int64_t taken = 0;
  for (const auto& [key, tuned] : other.by_key_) {
    const auto own = by_key_.find(key);
    if (own != by_key_.end() && own->second.faster >= tuned.faster) continue;
    by_key_.insert_or_assign(key, tuned);
    ++taken;
  }
  return taken;
}

bool TunedSchedules::remove(const std::string& target, const std::string& program) {
  return by_key_.erase({target, program}) > 0;
}

std::vector<TunedSchedule> TunedSchedules::all() const {
  std::vector<TunedSchedule> list;
  for (const auto& [key, tuned] : by_key_) list.push_back(tuned);
  return list;
}

Expected<TunedSchedules> TunedSchedules::load(const std::string& folder) {
  const Expected<std::optional<CacheFolder>> opened = CacheFolder::open(folder, false);
  if (!opened) return opened.failure();
  if (!*opened) return TunedSchedules();
  const Expected<std::optional<CacheFolder::File>> file = (*opened)->read(file_name, longest_file);
  if (!file) return file.failure();
  if (!*file) return TunedSchedules();
  const std::vector<std::byte>& bytes = (*file)->bytes;
  return parse({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

Status TunedSchedules::save(const std::string& folder) const {
  const Expected<std::optional<CacheFolder>> opened = CacheFolder::open(folder, true);
  if (!opened) return Status(StatusCode::file_failed, opened.diagnostics().front());
  const std::string text = to_string();
  return (*opened)->publish(file_name, std::as_bytes(std::span(text)));
}

} // namespace volute::runtime
