#include "compiler/report/listing.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <optional>
#include <utility>

namespace volute::compiler {
namespace {

using Line = Listing::Line;
using Kind = Line::Kind;

bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

bool starts_with_any(std::string_view text, std::initializer_list<std::string_view> beginnings) {
  return std::any_of(beginnings.begin(), beginnings.end(),
                     [&](std::string_view beginning) { return text.starts_with(beginning); });
}

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// ---- one instruction --------------------------------------------------------------------------

struct Parts {
  std::string_view mnemonic;
  std::vector<std::string_view> operands; // the last one is written to
};

Parts parts_of(std::string_view instruction) {
  std::string_view rest = trimmed(instruction);
  if (rest.starts_with("{")) { // {evex} vpdpbusd ...
    const size_t close = rest.find('}');
    if (close != std::string_view::npos) rest = trimmed(rest.substr(close + 1));
  }
  const size_t end = std::min(rest.find_first_of(" \t"), rest.size());
  Parts parts{rest.substr(0, end), {}};
  rest = trimmed(rest.substr(end));
  int depth = 0;
  size_t begin = 0;
  for (size_t i = 0; i < rest.size(); ++i) {
    depth += rest[i] == '(';
    depth -= rest[i] == ')';
    if (rest[i] != ',' || depth > 0) continue;
    parts.operands.push_back(trimmed(rest.substr(begin, i - begin)));
    begin = i + 1;
  }
  if (begin < rest.size()) parts.operands.push_back(trimmed(rest.substr(begin)));
  return parts;
}

bool is_memory(std::string_view operand) { return has(operand, "("); }

/// Of the widest vector register; 0 where there is none.
int64_t vector_bytes(std::string_view operand) {
  return has(operand, "%zmm") ? 64 : has(operand, "%ymm") ? 32 : has(operand, "%xmm") ? 16 : 0;
}

/// Without the v that AVX's instructions begin with.
std::string_view plain(std::string_view mnemonic) {
  return mnemonic.starts_with("v") ? mnemonic.substr(1) : mnemonic;
}

/// Bytes that an access has by the name of its instruction alone.
std::optional<int64_t> bytes_by_name(std::string_view name, int64_t width) {
  struct Row {
    std::string_view begins;
    int64_t bytes;
  };
  static constexpr Row rows[] = {
      {"broadcastss", 4},     {"broadcastsd", 8},     {"pbroadcastb", 1},
      {"pbroadcastw", 2},     {"pbroadcastd", 4},     {"pbroadcastq", 8},
      {"broadcastf128", 16},  {"broadcasti128", 16},  {"broadcastf32x2", 8},
      {"broadcasti32x2", 8},  {"broadcastf32x4", 16}, {"broadcasti32x4", 16},
      {"broadcastf64x2", 16}, {"broadcasti64x2", 16}, {"broadcastf32x8", 32},
      {"broadcasti32x8", 32}, {"broadcastf64x4", 32}, {"broadcasti64x4", 32},
      {"extractf128", 16},    {"extracti128", 16},    {"extractf32x4", 16},
      {"extracti32x4", 16},   {"extractf64x2", 16},   {"extracti64x2", 16},
      {"extractf64x4", 32},   {"extracti64x4", 32},   {"extractf32x8", 32},
      {"extracti32x8", 32},   {"insertf128", 16},     {"inserti128", 16},
      {"insertf32x4", 16},    {"inserti32x4", 16},    {"insertf64x2", 16},
      {"inserti64x2", 16},    {"insertf64x4", 32},    {"inserti64x4", 32},
      {"insertf32x8", 32},    {"inserti32x8", 32},    {"insertps", 4},
      {"extractps", 4},       {"pextrb", 1},          {"pextrw", 2},
      {"pextrd", 4},          {"pextrq", 8},          {"pinsrb", 1},
      {"pinsrw", 2},          {"pinsrd", 4},          {"pinsrq", 8},
      {"movlps", 8},          {"movhps", 8},          {"movlpd", 8},
      {"movhpd", 8},          {"movss", 4},           {"cvttss2", 4},
      {"cvtss2", 4},          {"cvttsd2", 8},         {"cvtsd2", 8},
  };
  for (const Row& row : rows)
    if (name.starts_with(row.begins)) return row.bytes;
  if (width == 0) return std::nullopt;
  if (name == "movsd" || name == "movq" || (name == "movddup" && width == 16)) return 8;
  if (name == "movd") return 4;
  // Widening loads and narrowing stores.
  for (const std::string_view begins : {"pmovsx", "pmovzx", "pmov", "pmovs", "pmovus"}) {
    if (!name.starts_with(begins)) continue;
    const std::string_view pair = name.substr(begins.size());
    if (pair == "bw" || pair == "wd" || pair == "dq" || pair == "wb" || pair == "dw" ||
        pair == "qd")
      return width / 2;
    if (pair == "bd" || pair == "wq" || pair == "db" || pair == "qw") return width / 4;
    if (pair == "bq" || pair == "qb") return width / 8;
  }
  if (starts_with_any(name, {"cvtph2ps", "cvtps2ph", "cvtps2pd", "cvtdq2pd"})) return width / 2;
  if (!name.starts_with("p") && name.ends_with("ss")) return 4;
  if (!name.starts_with("p") && name.ends_with("sd")) return 8;
  return width;
}

/// Of an instruction on registers without lanes.
int64_t scalar_bytes(std::string_view mnemonic) {
  if (starts_with_any(mnemonic, {"movzb", "movsb"})) return 1;
  if (starts_with_any(mnemonic, {"movzw", "movsw"})) return 2;
  if (mnemonic == "movslq") return 4;
  switch (mnemonic.back()) {
  case 'b': return 1;
  case 'w': return 2;
  case 'l':
  case 'd': return 4;
  default: return 8;
  }
}

int64_t access_bytes(const Parts& parts, size_t memory) {
  int64_t width = 0;
  for (size_t i = 0; i < parts.operands.size(); ++i)
    if (i != memory) width = std::max(width, vector_bytes(parts.operands[i]));
  const std::string_view operand = parts.operands[memory];
  if (const size_t at = operand.find("{1to"); at != std::string_view::npos && width > 0) {
    int64_t times = 1;
    std::from_chars(operand.data() + at + 4, operand.data() + operand.size(), times);
    return width / std::max<int64_t>(times, 1);
  }
  if (const auto bytes = bytes_by_name(plain(parts.mnemonic), width)) return *bytes;
  return scalar_bytes(parts.mnemonic);
}

bool accesses_nothing(std::string_view mnemonic) {
  return starts_with_any(mnemonic, {"lea", "prefetch", "nop", "j", "call"});
}

/// Whether the operand that is written to is written only.
bool writes_only(std::string_view mnemonic) {
  return starts_with_any(plain(mnemonic),
                         {"mov", "extract", "pextr", "cvtps2ph", "cvtneps2", "scatter", "pscatter",
                          "pmov", "compress", "pcompress", "maskmov", "pmaskmov", "set", "kmov"});
}

bool only_reads(std::string_view mnemonic) {
  return starts_with_any(plain(mnemonic), {"cmp", "test", "ucomis", "comis", "ptest", "bt", "mul",
                                           "div", "imul", "idiv", "push"});
}

/// Of a multiply-add, by the register that it adds to.
int64_t products_of(std::string_view name, std::string_view sum) {
  const int64_t bytes = vector_bytes(sum);
  if (starts_with_any(name, {"pdpbusd", "pmaddubsw"})) return bytes;
  if (starts_with_any(name, {"pdpwssd", "dpbf16ps", "pmaddwd"})) return bytes / 2;
  if (name.ends_with("ss") || name.ends_with("sd")) return 1;
  return bytes / (name.ends_with("pd") ? 8 : 4);
}

} // namespace

void CodeWork::add(const CodeWork& other) {
  instructions += other.instructions;
  multiply_adds += other.multiply_adds;
  products += other.products;
  multiplications += other.multiplications;
  loads += other.loads, load_bytes += other.load_bytes;
  stores += other.stores, store_bytes += other.store_bytes;
  vector_spills += other.vector_spills, vector_reloads += other.vector_reloads;
  scalar_spills += other.scalar_spills, scalar_reloads += other.scalar_reloads;
}

CodeWork work_of(std::string_view instruction, bool frame) {
  const Parts parts = parts_of(instruction);
  const std::string_view name = plain(parts.mnemonic);
  CodeWork work;
  work.instructions = 1;
  work.multiply_adds = starts_with_any(name, {"fmadd", "fmsub", "fnmadd", "fnmsub", "pdpbusd",
                                              "pdpwssd", "dpbf16ps", "pmaddwd", "pmaddubsw"});
  if (work.multiply_adds > 0) work.products = products_of(name, parts.operands.back());
  work.multiplications = starts_with_any(name, {"mulps", "mulpd", "mulss", "mulsd"});
  const auto memory = std::find_if(parts.operands.begin(), parts.operands.end(), is_memory);
  if (memory == parts.operands.end() || accesses_nothing(parts.mnemonic)) return work;

  const bool is_last = memory + 1 == parts.operands.end();
  const bool writes = is_last && !only_reads(parts.mnemonic);
  const bool reads = !writes || !writes_only(parts.mnemonic);
  const bool on_stack = has(*memory, "%rsp") || (frame && has(*memory, "%rbp"));
  if (on_stack) {
    const bool vector = std::any_of(parts.operands.begin(), parts.operands.end(),
                                    [](std::string_view o) { return vector_bytes(o) > 0; });
    (vector ? work.vector_spills : work.scalar_spills) = writes;
    (vector ? work.vector_reloads : work.scalar_reloads) = reads;
    return work;
  }
  const int64_t bytes = access_bytes(parts, static_cast<size_t>(memory - parts.operands.begin()));
  if (reads) work.loads = 1, work.load_bytes = bytes;
  if (writes) work.stores = 1, work.store_bytes = bytes;
  return work;
}

// ---- the whole text ---------------------------------------------------------------------------

namespace {

/// What a module says to debuggers, and an assembler needs for nothing else.
class DebugLines {
public:
  bool is_one(std::string_view line) {
    const std::string_view word = trimmed(line);
    if (word.starts_with(".section")) in_section_ = has(word, ".debug");
    if (word == ".text" || word == ".data") in_section_ = false;
    if (in_section_) return true;
    if (starts_with_any(line, {".Ltmp", ".Lfunc_begin", ".Ldebug"})) return true;
    if (starts_with_any(word, {".loc\t", ".cfi_"})) return true;
    return word.starts_with(".file") && word.size() > 6 && word[6] >= '0' && word[6] <= '9';
  }

private:
  bool in_section_ = false;
};

/// `.loc 0 31 2 is_stmt 0`: file, line, column.
CodePlace place_of(std::string_view loc) {
  std::array<int, 3> numbers{};
  size_t known = 0;
  const char* at = loc.data();
  const char* end = at + loc.size();
  while (at < end && known < numbers.size()) {
    if (*at < '0' || *at > '9') {
      ++at;
      continue;
    }
    at = std::from_chars(at, end, numbers[known++]).ptr;
  }
  return {numbers[1], numbers[1] > 0 ? numbers[2] - 1 : ir::no_source};
}

Kind kind_of(std::string_view line) {
  if (line.empty()) return Kind::other;
  if (line.front() != '\t' && line.back() == ':') return Kind::label;
  const bool is_code = line.front() == '\t' && line.size() > 1 &&
                       ((line[1] >= 'a' && line[1] <= 'z') || line[1] == '{');
  return is_code ? Kind::instruction : Kind::other;
}

std::string_view label_of(const Line& line) {
  return std::string_view(line.text).substr(0, line.text.size() - 1);
}

std::vector<Listing::Loop> loops_of(const std::vector<Line>& lines, const Listing::Step& step,
                                    const std::vector<CodeWork>& works) {
  std::map<std::string_view, size_t> labels;
  std::map<size_t, size_t> ends; // by label's line
  for (size_t i = step.begin; i < step.end; ++i) {
    if (lines[i].kind == Kind::label) labels[label_of(lines[i])] = i;
    if (lines[i].kind != Kind::instruction) continue;
    const Parts parts = parts_of(lines[i].text);
    if (!parts.mnemonic.starts_with("j") || parts.operands.size() != 1) continue;
    const auto target = labels.find(parts.operands.front());
    if (target != labels.end()) ends[target->second] = i + 1;
  }
  std::vector<Listing::Loop> loops;
  for (const auto& [begin, end] : ends) {
    Listing::Loop loop{begin, end, 1, true, {}};
    for (Listing::Loop& other : loops) {
      if (other.end < end) continue; // those before it in the list begin before it
      ++loop.depth;
      other.innermost = false;
    }
    for (size_t i = begin; i < end; ++i) loop.work.add(works[i - step.begin]);
    loops.push_back(loop);
  }
  return loops;
}

void count(Listing& listing, Listing::Step& step) {
  const auto is_frame = [](const Line& line) { return line.text == "\tmovq\t%rsp, %rbp"; };
  const auto at = [&](size_t i) { return listing.lines.begin() + static_cast<std::ptrdiff_t>(i); };
  const bool frame = std::any_of(at(step.begin), at(step.end), is_frame);
  std::vector<CodeWork> works(step.end - step.begin);
  for (size_t i = step.begin; i < step.end; ++i)
    if (listing.lines[i].kind == Kind::instruction)
      step.work.add(works[i - step.begin] = work_of(listing.lines[i].text, frame));
  step.loops = loops_of(listing.lines, step, works);
}

} // namespace

const ir::Sources& Listing::sources_of(const Line& line) const {
  static const ir::Sources none;
  const auto id = static_cast<size_t>(line.place.source);
  return line.place.source >= 0 && id < sources.size() ? sources[id] : none;
}

std::string Listing::text() const {
  std::string all;
  for (const Line& line : lines) all += line.text + '\n';
  return all;
}

Listing listing_of(std::string_view assembly, ir::LoopsText loops, const ir::LoopProgram& program) {
  Listing listing;
  listing.loops = std::move(loops);
  listing.sources = program.sources;
  DebugLines debug;
  CodePlace place;
  bool inside = false; // a step
  while (!assembly.empty()) {
    const size_t end = std::min(assembly.find('\n'), assembly.size());
    const std::string_view text = assembly.substr(0, end);
    assembly.remove_prefix(std::min(end + 1, assembly.size()));
    if (text.starts_with("\t.loc\t")) place = place_of(text.substr(6));
    if (debug.is_one(text)) continue;
    Line line{kind_of(text), std::string(text), {}};
    if (line.kind == Kind::label) {
      const bool begins = label_of(line) == fmt::format("step{}", listing.steps.size());
      if (inside && label_of(line).starts_with(".Lfunc_end")) {
        listing.steps.back().end = listing.lines.size();
        inside = false;
      }
      if (begins) {
        listing.steps.push_back({listing.lines.size(), 0, {}, {}});
        place = {};
        inside = true;
      }
    }
    if (line.kind == Kind::instruction && inside) line.place = place;
    listing.lines.push_back(std::move(line));
  }
  for (Listing::Step& step : listing.steps) count(listing, step);
  return listing;
}

} // namespace volute::compiler
