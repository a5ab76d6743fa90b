// Random edits of valid programs: the parser must accept or refuse, never crash, and whatever it
// accepts must verify and survive printing.
#include "ir/parse.h"
#include "ir/print.h"
#include "ir/verify.h"
#include "tests/support/catch.h"

#include <cstdlib>
#include <random>
#include <string>

namespace volute::ir {
namespace {

const std::string_view seeds[] = {
    R"(program @a(%x: f32[n=1, c=4, h=8, w=8], %w: f32[o=4, i=2, h=3, w=3], %b: f32[o=4]) {
  %0 = conv %x, %w, %b {stride = [1, 2], pad = [(0, 1), (2, 3)], groups = 2, dilation = 1}
  %1, %2 = max_pool %0 {kernel = 2, ceil_mode = true, pad = 1}
  %3 = max_unpool %1, %2 {kernel = 2, pad = 1}
  %4 = clamp %3 {min = -0.5, max = 6}
  %y = pad %4 {pad = [1, -1], mode = zeros, value = -inf}
  return %y, %2
}
)",
    R"(program @b(%x: u8[n=2, h=6, w=6, c=3]) {
  %w = const [1, -2, 3, 4, 5, 6] : i8[o=2, i=3, h=1, w=1]
  %0 = conv %x, %w {pad = same_upper, x_zero_point = 3, w_zero_point = [1, 2]} // bytes
  %1 = requantize %0 {scale = [0.5, 2e-3], zero_point = 7} : u8[n=2, c=1, h=6, w=6, c=2]
  %2 = dequantize %1 {scale = 0.1, zero_point = 7}
  %3 = avg_pool %2 {kernel = 3, stride = 1, pad = same, count_include_pad = false, divisor = 2}
  %4 = lp_pool %3 {kernel = [2, 1], p = 1.5}
  %y = gelu %4 {approximate = tanh}
  return %y
}
program @c(%x: bf16[n=0, c=2, d=3, h=4, w=5], %w: bf16[i=2, o=3, d=1, h=2, w=2], %s: bf16[c=6]) {
  %0 = conv_transpose %x, %w {stride = 2, output_padding = [1, 0, 1], groups = 2}
  %1 = mul %0, %s
  %2 = adaptive_avg_pool %1 {output = [1, 2, 3]} : bf16[n=0, d=1, h=2, w=3, c=6]
  %3 = convert %2 : f64[n=0, c=3, d=1, h=2, w=3, c=2]
  %y = global_max_pool %3
  return %y
}
)"};

const std::string_view pieces[] = {"0",
                                   "-1",
                                   "2",
                                   "3",
                                   "9999999999999999999",
                                   "1e9",
                                   "nan",
                                   "-inf",
                                   "true",
                                   "same",
                                   "%x",
                                   "%0",
                                   "%y, ",
                                   "f32[n=1]",
                                   "[",
                                   "]",
                                   "(",
                                   ")",
                                   "{",
                                   "}",
                                   ",",
                                   "=",
                                   ":",
                                   "\n",
                                   "//",
                                   "\"",
                                   "relu",
                                   "conv",
                                   "return",
                                   "program @d",
                                   "const [1, 2] : f32[c=2]",
                                   "file(\"a\")",
                                   "c=2",
                                   "stride = 2",
                                   "pad = [1, 2]"};

class Mutation {
public:
  explicit Mutation(uint32_t seed) : random_(seed) {}

  std::string operator()() {
    std::string text(seeds[below(std::size(seeds))]);
    for (size_t edits = 1 + below(4); edits > 0; --edits) edit(text);
    return text;
  }

private:
  size_t below(size_t limit) {
    return std::uniform_int_distribution<size_t>(0, limit - 1)(random_);
  }

  void edit(std::string& text) {
    if (text.empty()) return;
    const size_t at = below(text.size());
    switch (below(6)) {
    case 0: text[at] = static_cast<char>(below(256)); break;
    case 1: text.erase(at, 1 + below(12)); break;
    case 2: text.insert(at, pieces[below(std::size(pieces))]); break;
    case 3: text.insert(at, text.substr(below(text.size()), 1 + below(40))); break;
    case 4: replace_digit(text, at); break;
    default: text.resize(below(20) == 0 ? at : text.size()); break;
    }
  }

  // Numbers decide most rules, so that they are changed most.
  void replace_digit(std::string& text, size_t from) {
    const size_t at = text.find_first_of("0123456789", from);
    if (at != std::string::npos) text[at] = static_cast<char>('0' + below(10));
  }

  std::mt19937 random_;
};

TEST_CASE("edited programs parse or are refused, and what parses survives printing") {
  uint32_t first = 1, count = 6000;
  if (const char* chosen = std::getenv("VOLUTE_TEST_SEED"))
    first = static_cast<uint32_t>(std::strtoul(chosen, nullptr, 10)), count = 1;
  const Resolver resolver = [](const std::string&, const TensorType& type) {
    const bool small = type.bytes() < (1 << 20);
    return small ? Expected(std::vector<std::byte>(static_cast<size_t>(type.bytes())))
                 : Expected<std::vector<std::byte>>(fail("", "too large"));
  };
  uint32_t accepted = 0;
  for (uint32_t seed = first; seed < first + count; ++seed) {
    const std::string text = Mutation(seed)();
    INFO("VOLUTE_TEST_SEED=" << seed << "\n" << text);
    const auto programs = parse_file_text(text, resolver);
    if (!programs) {
      CHECK(!programs.diagnostics().empty());
      CHECK(!render(programs.diagnostics(), "p.vlt", text).empty());
      continue;
    }
    ++accepted;
    const std::string printed = to_string(std::span<const Program>(*programs));
    INFO(printed);
    const auto again = parse_file_text(printed, resolver);
    REQUIRE(again.has_value());
    CHECK(*again == *programs);
    for (const Program& program : *programs) CHECK(verify(program).empty());
  }
  if (count > 1) CHECK(accepted > count / 20);
}

} // namespace
} // namespace volute::ir
