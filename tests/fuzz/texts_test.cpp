// Random edits of texts of nests and loops: what is read of them is refused with words or compiled,
// whatever it has become; nothing that is accepted on the way turns out to be a fault of ours.
#include "compiler/compile.h"
#include "ir/parse.h"
#include "tests/support/catch.h"
#include "tests/support/dice.h"
#include "tests/support/stages.h"

#include <cctype>
#include <cstdlib>
#include <string>
#include <vector>

using namespace volute;
using namespace volute::compiler;
using tests::Dice;

namespace {

const char* const programs[] = {
    R"(program @chain(%x: f32[n=1, h=5, w=9, c=4], %k: f32[o=8, i=4, h=3, w=3], %b: f32[o=8]) {
      %0 = conv %x, %k, %b {pad = 1}
      %y = silu %0
      return %y
    })",
    R"(program @pool(%x: f32[n=1, c=2, h=8, w=8], %k: f32[o=4, i=2, h=3, w=3]) {
      %0 = conv %x, %k {pad = 1}
      %y, %i = max_pool %0 {kernel = 2}
      return %y, %i
    })",
    R"(program @bytes(%x: u8[n=1, c=8, h=4, w=4], %w: i8[o=8, i=8, h=1, w=1]) {
      %y = conv %x, %w {x_zero_point = 3, w_zero_point = 2}
      return %y
    })",
    R"(program @unpool(%x: f32[n=1, c=2, h=2, w=2], %i: i64[n=1, c=2, h=2, w=2]) {
      %y = max_unpool %x, %i {kernel = 2}
      return %y
    })",
    R"(program @turned(%x: f32[n=1, c=3, h=4, w=6], %k: f32[o=8, i=3, h=1, w=1], %s: f32[c=8]) {
      %0 = conv %x, %k
      %y = batch_norm %0, %s, %s, %s, %s
      return %y
    })"};

const char* const pieces[] = {
    "0",      "1",       "-1",     "7",        "4096",   "9223372036854775807",
    "1e400",  "nan",     "[",      "]",        "(",      "+",
    "*",      "in",      "x",      "y",        "acc",    "h",
    "w_t",    "f32x8",   "i64",    "splat",    "load",   "unroll",
    "for",    "fence",   "let",    "parallel", "reduce", "form dot",
    "weight", "scratch", "output", "= data",   "x16",    "%0",
    "\xff"};

/// A text as words, with what stands between them.
std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> words;
  const auto kind = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_' ? 0 : c == ' ' ? 1 : 2;
  };
  for (const char c : text) {
    if (words.empty() || kind(c) == 2 || kind(words.back().back()) != kind(c)) words.emplace_back();
    words.back() += c;
  }
  return words;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += word;
  return text;
}

std::string edited(const std::string& text, Dice& dice) {
  std::vector<std::string> words = words_of(text);
  const auto some = [&] { return static_cast<size_t>(dice.between(0, std::ssize(words) - 1)); };
  for (int64_t edits = dice.between(1, 3); edits > 0; --edits) {
    std::string& word = words[some()];
    const size_t other = some();
    switch (dice.between(0, 5)) {
    case 0: word.clear(); break;
    case 1: word = words[other]; break;
    case 2: std::swap(word, words[other]); break;
    case 3: word += words[other]; break;
    case 4: word = pieces[dice.between(0, std::ssize(pieces) - 1)]; break;
    case 5: // a number a little larger or smaller
      if (std::isdigit(static_cast<unsigned char>(word.front())) && word.size() < 6)
        word = std::to_string(std::stol(word) + dice.one_of({-1, 1, 2, 100}));
      break;
    }
    std::erase(words, "");
    if (words.empty()) break;
  }
  return joined(words);
}

struct Outcomes {
  int refused = 0, compiled = 0;
};

template <class Parsed>
void compile_what_is_read(const Expected<Parsed>& parsed, const CompileRequest& request,
                          Outcomes& counts) {
  if (parsed) {
    const Expected<Compiled> compiled = compile(*parsed, request);
    (compiled ? counts.compiled : counts.refused) += 1;
    if (compiled) return;
    CHECK_FALSE(compiled.diagnostics().empty());
    return;
  }
  ++counts.refused;
  for (const Diagnostic& d : parsed.diagnostics()) {
    CHECK_FALSE(d.message.empty());
    CHECK(d.where.line > 0);
  }
}

} // namespace

TEST_CASE("texts of nests and loops that were changed anyhow are refused or compiled", "[fuzz]") {
  const char* const many = std::getenv("VOLUTE_FUZZ_TEXTS");
  const int rounds = many ? std::atoi(many) : 40; // of each text
  Outcomes nests, loops;
  Dice dice(20261126);
  for (const char* const program : programs) {
    const ir::Program parsed = ir::parse(program).value();
    for (const std::string schedule : {"auto", "naive"}) {
      CompileRequest request = tests::request_for("skylake-avx512", schedule);
      const Stages made = specialise_program(parsed, request).value();
      const std::string nest_text = to_string(made.nests), loop_text = to_string(made.loops);
      for (int round = 0; round < rounds; ++round) {
        request.schedule = schedule;
        std::string text = edited(nest_text, dice);
        INFO(text);
        CHECK_NOTHROW(compile_what_is_read(ir::parse_nests(text), request, nests));
        request.schedule = "auto";
        text = edited(loop_text, dice);
        UNSCOPED_INFO(text);
        CHECK_NOTHROW(compile_what_is_read(ir::parse_loops(text), request, loops));
      }
    }
  }
  // Edits are small: some of them make another text that is sound, and is compiled.
  CHECK(nests.refused > 10 * rounds / 4);
  CHECK(loops.refused > 10 * rounds / 4);
  CHECK(nests.compiled > 0);
  CHECK(loops.compiled > 0);
}
