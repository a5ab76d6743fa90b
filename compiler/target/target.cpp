#include "compiler/target/target.h"

#include "compiler/target/cpu_table.h"
#include "compiler/target/nearest.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

namespace volute::compiler {
namespace {

struct CacheSizes {
  int64_t l1 = 0, l2 = 0, l3 = 0;
};

FeatureSet feature_set(const Target& target) {
  FeatureSet set = 0;
  for (const std::string& name : target.features) set |= feature_from(name).value_or(0);
  return set;
}

VectorRates rates_of(const Target& t, const Cpu& cpu, int width) {
  // A width beyond the named CPU's own ("haswell+avx512f") runs at half its widest rates.
  double part = 1;
  for (; cpu.rates(width).fma == 0; width /= 2) part /= 2;
  VectorRates rates = cpu.rates(width);
  // FMA units do products and sums as well: two of them make one pair in a cycle.
  const bool splits_fma = !t.has_fma && (cpu.features & *feature_from("fma")) != 0;
  rates.fma *= part * (splits_fma ? 0.5 : 1);
  rates.load *= part;
  rates.store *= part;
  return rates;
}

// The one place where a Target is put together: features decide the registers, the name the rates.
Target make_target(const Cpu& cpu, FeatureSet features, const CacheSizes& sizes) {
  Target t;
  t.name = cpu.name;
  for (const std::string_view name : names_of(features)) t.features.emplace_back(name);
  t.has_masks = t.has("avx512f");
  t.has_fma = t.has("fma");
  t.vector_bytes = t.has_masks ? 64 : t.has("avx") ? 32 : 16;
  t.vector_registers = t.has_masks ? 32 : 16;

  const VectorRates widest = rates_of(t, cpu, t.vector_bytes);
  t.fma_per_cycle = widest.fma, t.loads_per_cycle = widest.load, t.stores_per_cycle = widest.store;
  for (size_t i = 0; i < t.narrower.size(); ++i) // none is narrower than 16 bytes
    t.narrower[i] = rates_of(t, cpu, std::max(t.vector_bytes >> (i + 1), 16));
  t.fma_latency = cpu.fma_latency;
  // Without an instruction of its own a dot product of bf16 is two multiply-adds, one of bytes two
  // multiplications of words and two additions.
  t.bf16_dots_per_cycle = t.fma_per_cycle * (t.has("avx512bf16") ? cpu.bf16_dots_per_fma : 0.5);
  t.byte_dots_per_cycle = t.fma_per_cycle * (t.has("avx512vnni") || t.has("avxvnni") ? 1 : 0.25);

  if (t.has("amx-tile")) { // measured on Emerald Rapids
    t.tile_cycles = 16, t.least_tile_cycles = 8.8;
    t.tile_load_cycles = 9, t.tile_store_cycles = 16;
    t.tile_configure_cycles = 195;
  }

  t.l1_bytes = sizes.l1;
  t.l2_bytes = sizes.l2;
  t.l3_bytes = sizes.l3;
  t.l3_bytes_per_cycle = cpu.l3_bytes_per_cycle;
  return t;
}

// Leaf 4 (Intel) and leaf 0x8000001d (AMD) describe one cache a subleaf, in the same form.
CacheSizes detect_caches(const CpuidRecord& record) {
  CacheSizes sizes;
  for (const uint32_t leaf : {4u, 0x8000001du}) {
    for (uint32_t i = 0; i < 16; ++i) {
      const CpuidRegisters r = record.at(leaf, i);
      const uint32_t kind = r.eax & 0x1f, level = r.eax >> 5 & 7;
      if (kind == 0) break;
      if (kind == 2) continue; // instructions
      const double bytes = ((r.ebx >> 22) + 1.0) * ((r.ebx >> 12 & 0x3ff) + 1.0) *
                           ((r.ebx & 0xfff) + 1.0) * (r.ecx + 1.0);
      constexpr double most = 1ull << 40; // beyond any cache: a broken record
      if (bytes > most) continue;
      if (level == 1) sizes.l1 = static_cast<int64_t>(bytes);
      if (level == 2) sizes.l2 = static_cast<int64_t>(bytes);
      if (level == 3) sizes.l3 = static_cast<int64_t>(bytes);
    }
  }
  return sizes;
}

// ---- the text -----------------------------------------------------------------------------------

constexpr int64_t largest_size = int64_t{1} << 40;

std::string size_text(int64_t bytes) {
  if (bytes != 0 && bytes % (1 << 20) == 0) return fmt::format("{}M", bytes >> 20);
  if (bytes != 0 && bytes % (1 << 10) == 0) return fmt::format("{}K", bytes >> 10);
  return fmt::format("{}", bytes);
}

std::optional<int64_t> parse_size(std::string_view text) {
  int64_t unit = 1;
  if (text.ends_with('K')) unit = 1 << 10;
  if (text.ends_with('M')) unit = 1 << 20;
  if (unit != 1) text.remove_suffix(1);
  if (text.empty()) return std::nullopt;
  int64_t number = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    number = number * 10 + (c - '0');
    if (number > largest_size / unit) return std::nullopt;
  }
  return number * unit;
}

std::string nearest_hint(std::string_view word, const std::vector<std::string_view>& valid) {
  const std::string_view name = nearest(word, valid);
  return name.empty() ? std::string() : fmt::format("the nearest known one is {}", name);
}

constexpr size_t longest_text = 4096; // the canonical text of the largest target has some 500

bool is_delimiter(char c) { return c == '+' || c == '-' || c == ','; }

// CPU names contain dashes, so the name is the longest known one that ends at a delimiter:
// "skylake-avx512" is a CPU, "skylake-avx2" is one without a feature.
std::string_view cpu_in(std::string_view text) {
  std::string_view longest;
  std::vector<std::string_view> names = target_names();
  names.push_back("native");
  for (const std::string_view name : names)
    if (text.starts_with(name) && (text.size() == name.size() || is_delimiter(text[name.size()])) &&
        name.size() > longest.size())
      longest = name;
  return longest;
}

// So do those of features ("amx-tile").
std::string_view item_in(std::string_view rest) {
  std::string_view longest = rest.substr(0, rest.find_first_of("+-,"));
  for (const std::string_view name : feature_names())
    if (rest.starts_with(name) && (rest.size() == name.size() || is_delimiter(rest[name.size()])) &&
        name.size() > longest.size())
      longest = name;
  return longest;
}

bool is_arm(std::string_view text) {
  for (const std::string_view prefix : {"aarch64", "arm", "apple-", "cortex-", "neoverse-"})
    if (text.starts_with(prefix)) return true;
  return false;
}

/// What other compilers and people call a CPU, and the beginnings of names.
std::string_view known_as(std::string_view word, const std::vector<std::string_view>& names) {
  constexpr std::pair<std::string_view, std::string_view> others[] = {
      {"host", "native"},        {"amd64", "x86-64"},      {"x86_64", "x86-64"},
      {"x64", "x86-64"},         {"sse4.2", "x86-64-v2"},  {"avx2", "x86-64-v3"},
      {"avx512", "x86-64-v4"},   {"avx512f", "x86-64-v4"}, {"zen", "znver1"},
      {"zen1", "znver1"},        {"zen2", "znver2"},       {"zen3", "znver3"},
      {"zen4", "znver4"},        {"zen5", "znver5"},       {"rome", "znver2"},
      {"milan", "znver3"},       {"genoa", "znver4"},      {"turin", "znver5"},
      {"skx", "skylake-avx512"}, {"clx", "cascadelake"},   {"icx", "icelake-server"},
      {"spr", "sapphirerapids"}, {"emr", "emeraldrapids"}, {"gnr", "graniterapids"},
      {"amx", "sapphirerapids"}, {"vnni", "cascadelake"}};
  for (const auto& [other, ours] : others)
    if (word == other) return ours;
  for (const std::string_view name : names)
    if (word.size() > 2 && name.starts_with(word)) return name;
  return {};
}

Failure refuse_cpu(std::string_view text) {
  const std::string_view word = text.substr(0, text.find_first_of("+,"));
  if (word.empty())
    return fail("target", "no CPU is named", "write native, or a CPU such as x86-64-v3");
  if (is_arm(word))
    return fail("target",
                fmt::format("'{}' is an AArch64 CPU, and only x86-64 is compiled for so far", word),
                "the nearest valid value is native or x86-64");
  std::vector<std::string_view> names = target_names();
  names.push_back("native");
  std::string hint = nearest_hint(word, names);
  if (const std::string_view name = known_as(word, names); hint.empty() && !name.empty())
    hint = fmt::format("here that is {}", name);
  return fail("target", fmt::format("unknown CPU '{}'", word),
              hint.empty() ? "`volute targets` lists those that are known" : hint);
}

bool is_in_every_x86_64(std::string_view feature) {
  for (const std::string_view name : {"cx8", "fxsr", "mmx", "sse", "sse2"})
    if (feature == name) return true;
  return false;
}

// The target under construction while its text is read.
struct Draft {
  const Cpu* cpu = nullptr;
  FeatureSet features = 0;
  CacheSizes sizes;
};

std::optional<Failure> apply_feature(Draft& draft, char sign, std::string_view name) {
  if (name.empty())
    return fail("target", fmt::format("'{}' without a feature after it", sign),
                "write it as in +avx2,-fma");
  if (is_in_every_x86_64(name)) {
    if (sign == '+') return std::nullopt;
    return fail("target", fmt::format("'{}' is part of x86-64 and cannot be taken away", name));
  }
  const std::optional<FeatureSet> feature = feature_from(name);
  if (!feature)
    return fail("target", fmt::format("unknown feature '{}'", name),
                nearest_hint(name, feature_names()));
  draft.features = sign == '+' ? with_requirements(draft.features | *feature)
                               : without(draft.features, *feature);
  return std::nullopt;
}

std::optional<Failure> apply_size(Draft& draft, std::string_view item) {
  const size_t equals = item.find('=');
  const std::string_view key = item.substr(0, equals), value = item.substr(equals + 1);
  int64_t* size = key == "l1"   ? &draft.sizes.l1
                  : key == "l2" ? &draft.sizes.l2
                  : key == "l3" ? &draft.sizes.l3
                                : nullptr;
  if (!size)
    return fail("target", fmt::format("unknown setting '{}'", key), "l1, l2 and l3 can be set");
  const std::optional<int64_t> bytes = parse_size(value);
  if (!bytes)
    return fail("target", fmt::format("{} = '{}' is not a size of at most 2^40 bytes", key, value),
                "write bytes, or K or M after the number, as in l2=2M");
  const int64_t least = key == "l1" ? 4096 : 0;
  if (*bytes < least)
    return fail("target", fmt::format("{} = {} is below {} bytes", key, *bytes, least),
                fmt::format("the nearest valid value is {}", size_text(least)));
  *size = *bytes;
  return std::nullopt;
}

// The differences from the named CPU that bring all others with them: no avx512f means no avx512bw.
FeatureSet least_removals(const Cpu& cpu, FeatureSet features) {
  FeatureSet removed = cpu.features & ~features;
  for (const std::string_view name : names_of(removed)) {
    const FeatureSet one = *feature_from(name);
    if ((without(cpu.features, removed & ~one) & one) == 0) removed &= ~one;
  }
  return removed;
}

FeatureSet least_additions(const Cpu& cpu, FeatureSet features) {
  FeatureSet added = features & ~cpu.features;
  for (const std::string_view name : names_of(added)) {
    const FeatureSet one = *feature_from(name);
    if ((with_requirements(added & ~one) & one) != 0) added &= ~one;
  }
  return added;
}

// The items after the CPU's name: its sign sets off the first feature, a comma everything else.
class ItemList {
public:
  explicit ItemList(std::string_view name) : text_(name) {}
  void append_features(char sign, FeatureSet features) {
    for (const std::string_view name : names_of(features)) {
      text_ += fmt::format("{}{}{}", is_empty_ ? "" : ",", sign, name);
      is_empty_ = false;
    }
  }
  void append_size(std::string_view key, int64_t size) {
    text_ += fmt::format(",{}={}", key, size_text(size));
    is_empty_ = false;
  }
  const std::string& text() const { return text_; }

private:
  std::string text_;
  bool is_empty_ = true;
};

// "x86-64-v3 avxvnni gfni": the highest level that the features reach, then the rest.
std::string features_in_brief(const Target& target) {
  const FeatureSet features = feature_set(target);
  const Cpu* level = find_cpu("x86-64");
  for (const std::string_view name : {"x86-64-v2", "x86-64-v3", "x86-64-v4"})
    if ((find_cpu(name)->features & ~features) == 0) level = find_cpu(name);
  std::string text(level->name);
  for (const std::string_view name : names_of(features & ~level->features))
    text += fmt::format(" {}", name);
  return text;
}

} // namespace

bool Target::has(std::string_view feature) const {
  return std::binary_search(features.begin(), features.end(), feature);
}

std::vector<Unit> Target::units() const {
  using enum ir::ElementType;
  const int wide = lanes(4);
  std::vector<Unit> all = {{Unit::Kind::fma, f32, f32, f32, 1, 1, 1, wide, fma_per_cycle}};
  if (has("avx512bf16"))
    all.push_back({Unit::Kind::dot, bf16, bf16, f32, 2, 1, 1, wide, bf16_dots_per_cycle});
  if (has("avx512vnni") || has("avxvnni"))
    all.push_back({Unit::Kind::dot, u8, i8, i32, 4, 1, 1, wide, byte_dots_per_cycle});
  if (has("amx-bf16"))
    all.push_back({Unit::Kind::tile, bf16, bf16, f32, 2, 16, 16, 16, 1 / tile_cycles});
  if (has("amx-int8"))
    all.push_back({Unit::Kind::tile, u8, i8, i32, 4, 16, 16, 16, 1 / tile_cycles});
  return all;
}

double Target::products_per_cycle(ir::ElementType element) const {
  double most = 0;
  for (const Unit& unit : units())
    if (unit.a == element) most = std::max(most, unit.products_per_cycle());
  return most;
}

std::string_view to_string(Unit::Kind kind) {
  switch (kind) {
  case Unit::Kind::fma: return "fma";
  case Unit::Kind::dot: return "dot";
  case Unit::Kind::tile: return "tile";
  }
  return "?";
}

std::string to_string(const Unit& unit) {
  std::string text = fmt::format("{} {}", to_string(unit.kind), to_string(unit.a));
  if (unit.b != unit.a) text += fmt::format(" by {}", to_string(unit.b));
  if (unit.sum != unit.a) text += fmt::format(" into {}", to_string(unit.sum));
  return text + fmt::format(": {:.0f} products a cycle", unit.products_per_cycle());
}

int Target::accumulators_to_hide_latency() const {
  return static_cast<int>(std::ceil(fma_per_cycle * fma_latency));
}

const Target& host() {
  // Never destroyed: threads may compile while the process ends.
  static const Target& target = *new Target(target_from(read_cpuid()));
  return target;
}

Target target_from(const CpuidRecord& record) {
  if (record.leaves.empty()) return {};
  const Cpu& cpu = closest_cpu(record);
  CacheSizes sizes = detect_caches(record);
  if (sizes.l1 == 0) sizes = {cpu.l1_bytes, cpu.l2_bytes, cpu.l3_bytes}; // hidden by a hypervisor
  return make_target(cpu, detect_features(record), sizes);
}

Expected<Target> parse_target(std::string_view text) {
  if (text.size() > longest_text)
    return fail("target", fmt::format("the text has {} characters, and at most {} make sense",
                                      text.size(), longest_text));
  const std::string_view name = cpu_in(text);
  if (name.empty()) return refuse_cpu(text);

  Draft draft;
  if (name == "native") {
    const Target& here = host();
    draft.cpu = find_cpu(here.name);
    if (!draft.cpu)
      return fail("target", "native: this machine is not an x86-64 CPU",
                  "name a CPU such as x86-64-v3 to compile for another machine");
    draft.features = feature_set(here);
    draft.sizes = {here.l1_bytes, here.l2_bytes, here.l3_bytes};
  } else {
    draft.cpu = find_cpu(name);
    draft.features = draft.cpu->features;
    draft.sizes = {draft.cpu->l1_bytes, draft.cpu->l2_bytes, draft.cpu->l3_bytes};
  }

  std::string_view rest = text.substr(name.size());
  while (!rest.empty()) {
    if (rest.front() == ',') rest.remove_prefix(1);
    const char sign = rest.empty() ? ' ' : rest.front();
    const bool has_sign = sign == '+' || sign == '-';
    if (has_sign) rest.remove_prefix(1);
    const std::string_view item = item_in(rest);
    rest.remove_prefix(item.size());
    if (!has_sign && item.empty())
      return fail("target", "nothing stands after a ','", "write it as in x86-64-v3+avxvnni,-fma");
    if (!has_sign && item.find('=') == std::string_view::npos)
      return fail("target", fmt::format("expected + or - before '{}'", item),
                  "write it as in x86-64-v3+avxvnni,-fma");
    const std::optional<Failure> failure =
        has_sign ? apply_feature(draft, sign, item) : apply_size(draft, item);
    if (failure) return *failure;
  }
  return make_target(*draft.cpu, draft.features, draft.sizes);
}

std::string to_string(const Target& target) {
  ItemList items(target.name);
  const Cpu* cpu = find_cpu(target.name);
  if (!cpu) return items.text();
  // Removals first: they take dependents along, and what stays is listed after them.
  const FeatureSet features = feature_set(target);
  items.append_features('-', cpu->features & ~features);
  items.append_features('+', features);
  items.append_size("l1", target.l1_bytes);
  items.append_size("l2", target.l2_bytes);
  items.append_size("l3", target.l3_bytes);
  return items.text();
}

std::string short_text(const Target& target) {
  ItemList items(target.name);
  const Cpu* cpu = find_cpu(target.name);
  if (!cpu) return items.text();
  const FeatureSet features = feature_set(target);
  items.append_features('-', least_removals(*cpu, features));
  items.append_features('+', least_additions(*cpu, features));
  if (target.l1_bytes != cpu->l1_bytes) items.append_size("l1", target.l1_bytes);
  if (target.l2_bytes != cpu->l2_bytes) items.append_size("l2", target.l2_bytes);
  if (target.l3_bytes != cpu->l3_bytes) items.append_size("l3", target.l3_bytes);
  return items.text();
}

Target without_tiles(const Target& target) {
  const Cpu* cpu = find_cpu(target.name);
  if (!cpu) return target;
  return make_target(*cpu, without(feature_set(target), *feature_from("amx-tile")),
                     {target.l1_bytes, target.l2_bytes, target.l3_bytes});
}

std::vector<std::string_view> target_names() {
  std::vector<std::string_view> names;
  for (const Cpu& cpu : cpu_table()) names.push_back(cpu.name);
  return names;
}

std::vector<std::string> missing_features(const Target& target, const Target& host) {
  std::vector<std::string> missing;
  std::set_difference(target.features.begin(), target.features.end(), host.features.begin(),
                      host.features.end(), std::back_inserter(missing));
  return missing;
}

bool runs_on(const Target& target, const Target& host) {
  return !host.name.empty() && missing_features(target, host).empty();
}

std::string list_targets(const Target& host) {
  std::string text;
  const auto append = [&](std::string_view name, const Target& target) {
    std::string verdict = "runs here";
    if (host.name.empty()) {
      verdict = "does not run here: this is not an x86-64 CPU";
    } else if (!runs_on(target, host)) {
      verdict =
          fmt::format("does not run here: no {}", fmt::join(missing_features(target, host), ", "));
    }
    text +=
        fmt::format("{:<16} {} registers of {} bytes; {}\n    {}\n", name, target.vector_registers,
                    target.vector_bytes, verdict, features_in_brief(target));
    for (const Unit& unit : target.units()) text += fmt::format("    {}\n", to_string(unit));
  };
  if (!host.name.empty()) append(fmt::format("native = {}", short_text(host)), host);
  for (const Cpu& cpu : cpu_table())
    append(cpu.name, make_target(cpu, cpu.features, {cpu.l1_bytes, cpu.l2_bytes, cpu.l3_bytes}));
  return text;
}

std::string llvm_features(const Target& target) {
  std::string text;
  for (const std::string_view name : feature_names())
    text += fmt::format("{}{},", target.has(name) ? '+' : '-', name);
  // LLVM's own switch for 512-bit registers, which AVX10 may lack and AVX-512 never does.
  return text + (target.has_masks ? "+evex512" : "-evex512");
}

} // namespace volute::compiler
