// Every operator over sizes that straddle the thresholds of the model: an image, a row of it, or a
// weight just under and just over a page, L1, half of L2 and L2, and channels around a vector. On
// either side auto proposes nothing that does not fit its nest, and its schedule becomes loops.
// (Element-wise operators were not among those tried: of their tiles of three vectors none fitted
// the chunks that threads share. Neither were nests in bands, whose rows were proposed for tiles.)
//
//     VOLUTE_STRESS=N ctest -R compiler/thresholds        N times as many

#include "ir/operators.h"
#include "tests/support/catch.h"
#include "tests/support/dice.h"
#include "tests/support/stages.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>
#include <string>
#include <vector>

using namespace volute;
using tests::Dice;

namespace {

struct Sample {
  std::string element; // of %x
  std::string call;    // as fmt writes it, of the words in `words`
};

/// Calls of every operator, in the roles that the model tells apart; an operator that is added
/// needs one here.
const std::multimap<std::string, Sample>& samples() {
  static const std::multimap<std::string, Sample> all = {
      {"conv", {"f32", "conv %x, %w {{pad = 1}} : f32[o={c}, i={c}, {threes}]"}},
      {"conv", {"f32", "conv %x, %w : f32[o={c}, i={c}, {ones}]"}},
      {"conv", {"f32", "conv %x, %w : f32[o=16, i={c}, {ones}]"}},
      {"conv", {"f32", "conv %x, %w : f32[o={more}, i={c}, {row}]"}},
      {"conv", {"f32", "conv %x, %w {{groups = {c}}} : f32[o={c}, i=1, {row}]"}},
      {"conv", {"f32", "conv %x, %w {{groups = {c}}} : f32[o={c}, i=1, {column}]"}},
      {"conv", {"f32", "conv %x, %w {{groups = {c}, pad = 1}} : f32[o={c}, i=1, {threes}]"}},
      {"conv", {"f32", "conv %x, %w {{stride = 2, pad = 1}} : f32[o={c}, i={c}, {threes}]"}},
      {"conv", {"bf16", "conv %x, %w {{pad = 1}} : bf16[o={c}, i={c}, {threes}]"}},
      {"conv", {"u8", "conv %x, %w : i8[o={c}, i={c}, {ones}]"}},
      {"conv", {"i8", "conv %x, %w {{groups = {c}}} : i8[o={c}, i=1, {row}]"}},
      {"conv_transpose",
       {"f32", "conv_transpose %x, %w {{stride = 2}} : f32[i={c}, o={c}, {twos}]"}},
      {"conv_transpose", {"f32", "conv_transpose %x, %w : f32[i={c}, o=16, {threes}]"}},
      {"conv_transpose",
       {"f32", "conv_transpose %x, %w {{groups = {c}}} : f32[i={c}, o=1, {row}]"}},
      {"max_pool", {"f32", "max_pool %x {{kernel = 1}}"}},
      {"max_pool", {"u8", "max_pool %x {{kernel = 2}}"}},
      {"max_pool", {"f32", "max_pool %x {{kernel = 3, stride = 1, pad = 1}}"}},
      {"avg_pool", {"f32", "avg_pool %x {{kernel = 3, stride = 2, pad = 1}}"}},
      {"avg_pool", {"f16", "avg_pool %x {{kernel = 3, stride = 1}}"}},
      {"lp_pool", {"f32", "lp_pool %x {{kernel = 3, stride = 1}}"}},
      {"global_avg_pool", {"f32", "global_avg_pool %x"}},
      {"global_max_pool", {"f32", "global_max_pool %x"}},
      {"adaptive_avg_pool", {"f32", "adaptive_avg_pool %x {{output = 2}}"}},
      {"adaptive_max_pool", {"f32", "adaptive_max_pool %x {{output = 3}}"}},
      {"max_unpool", {"f32", "max_unpool %x, %w {{kernel = 2}} : i64[{type}]"}},
      {"batch_norm", {"f32", "batch_norm %x, %w, %w, %w, %w : f32[c={c}]"}},
      {"add", {"f32", "add %x, %w : f32[{type}]"}},
      {"sub", {"f32", "sub %x, %w : f32[{other}]"}},
      {"mul", {"f32", "mul %x, %w : f32[c={c}]"}},
      {"max", {"bf16", "max %x, %w : bf16[{type}]"}},
      {"min", {"i32", "min %x, %w : i32[c={c}]"}},
      {"relu", {"f32", "relu %x"}},
      {"relu6", {"f16", "relu6 %x"}},
      {"clamp", {"f32", "clamp %x {{min = -1, max = 2}}"}},
      {"leaky_relu", {"f32", "leaky_relu %x"}},
      {"elu", {"f32", "elu %x"}},
      {"prelu", {"f32", "prelu %x, %w : f32[c={c}]"}},
      {"sigmoid", {"f32", "sigmoid %x"}},
      {"tanh", {"f64", "tanh %x"}},
      {"silu", {"bf16", "silu %x"}},
      {"hardsigmoid", {"f32", "hardsigmoid %x"}},
      {"hardswish", {"f32", "hardswish %x"}},
      {"mish", {"f32", "mish %x"}},
      {"gelu", {"f32", "gelu %x"}},
      {"softplus", {"f32", "softplus %x"}},
      {"abs", {"i8", "abs %x"}},
      {"neg", {"f32", "neg %x"}},
      {"sqrt", {"f32", "sqrt %x"}},
      {"exp", {"f32", "exp %x"}},
      {"convert", {"f32", "convert %x : bf16[{type}]"}},
      {"convert", {"u8", "convert %x : f32[{type}]"}},
      {"reorder", {"f32", "reorder %x : f32[{other}]"}},
      {"reorder", {"u8", "reorder %x : u8[{other}]"}},
      {"pad", {"f32", "pad %x {{pad = 1}}"}},
      {"pad", {"f32", "pad %x {{pad = 1, mode = reflect}}"}},
      {"quantize", {"f32", "quantize %x {{scale = 0.5}} : i8[{type}]"}},
      {"dequantize", {"u8", "dequantize %x {{scale = 0.5}}"}},
      {"requantize", {"i32", "requantize %x {{scale = 0.5}} : u8[{type}]"}},
  };
  return all;
}

/// What is to be just under or just over so many bytes.
enum class Of : uint8_t { image, row, weight };

struct Size {
  Of of;
  int64_t bytes;
  bool over;
};

constexpr int64_t least_extent = 4; // which every call takes

std::vector<Size> sizes(const compiler::Target& target) {
  // The model lets operands fill nine tenths of a cache, and a filter three quarters of one.
  const int64_t page = target.page_bytes, l1 = target.l1_bytes, l2 = target.l2_bytes;
  std::vector<Size> result;
  for (const bool over : {false, true}) {
    for (const int64_t bytes : {l1 * 9 / 10, l1, l2 / 2, l2 * 9 / 10, l2})
      result.push_back({Of::image, bytes, over});
    for (const int64_t bytes : {page / 2, page}) result.push_back({Of::row, bytes, over});
    for (const int64_t bytes : {l2 / 2, l2 * 3 / 4, l2})
      result.push_back({Of::weight, bytes, over});
  }
  return result;
}

/// The extents of an image in one of four memory orders.
std::string extents(int order, int64_t channels, const std::vector<std::string>& space) {
  const std::string spaces = fmt::format("{}", fmt::join(space, ", "));
  switch (order) {
  case 0: return fmt::format("n=1, c={}, {}", channels, spaces);
  case 1: return fmt::format("n=1, {}, c={}", spaces, channels);
  case 2:
    if (channels % 16 == 0) return fmt::format("n=1, c={}, {}, c=16", channels / 16, spaces);
    return fmt::format("n=1, {}, c={}", spaces, channels);
  default: return fmt::format("{}, c={}, n=1", spaces, channels);
  }
}

/// What is drawn of a program; `width` or `channels` follow from its size.
struct Draft {
  const Sample& sample;
  int64_t channels, width, height;
  int rank, order;

  std::string program() const;
};

std::string Draft::program() const {
  const std::vector<std::string> names = rank == 1   ? std::vector<std::string>{"w"}
                                         : rank == 2 ? std::vector<std::string>{"h", "w"}
                                                     : std::vector<std::string>{"d", "h", "w"};
  const auto each = [&](int64_t inner, int64_t outer) {
    std::vector<std::string> result;
    for (const std::string& name : names)
      result.push_back(fmt::format("{}={}", name, name == "w" ? inner : outer));
    return result;
  };
  const auto taps = [&](int64_t inner, int64_t outer) {
    return fmt::format("{}", fmt::join(each(inner, outer), ", "));
  };
  const std::string type = extents(order, channels, each(width, height));
  const std::string call = fmt::format(
      fmt::runtime(sample.call), fmt::arg("c", channels), fmt::arg("more", 3 * channels),
      fmt::arg("ones", taps(1, 1)), fmt::arg("twos", taps(2, 2)), fmt::arg("threes", taps(3, 3)),
      fmt::arg("row", taps(3, 1)), fmt::arg("column", taps(1, 3)), fmt::arg("type", type),
      fmt::arg("other", extents((order + 1) % 4, channels, each(width, height))));
  // The type at the end is that of %w, if there is one; no operator with a %w writes its result's.
  const bool has_second = call.find("%w") != std::string::npos;
  const size_t end = has_second ? call.find(" : ") : call.size();
  return fmt::format("program @p(%x: {}[{}]{}) {{ %y = {} return %y }}", sample.element, type,
                     has_second ? ", %w: " + call.substr(end + 3) : "", call.substr(0, end));
}

/// Bytes of what is to be so large. A row is what lies together of a line along w.
int64_t bytes(const Draft& draft, Of of) {
  const ir::Program program = ir::parse(draft.program()).value();
  const ir::TensorType& x = program.values[0].type;
  if (of == Of::weight) return program.values[1].type.bytes();
  if (of == Of::image) return x.bytes();
  const bool channels_inside = x.extents.back().axis == ir::Axis::c;
  return draft.width * (channels_inside ? x.extents.back().size : 1) * ir::size_of(x.element);
}

/// A program of the call whose image, row or weight has the size, the rest drawn.
std::string program_of(Dice& dice, const Sample& sample, const Size& size,
                       const compiler::Target& target) {
  const int64_t lanes = target.lanes(ir::size_of(*ir::element_type_from(sample.element)));
  Draft draft{sample,
              dice.one_of({1, lanes - 1, lanes, lanes + 1, 64, 128, 384}),
              dice.one_of({7, 14, 33}),
              dice.one_of({7, 14, 33}),
              static_cast<int>(dice.one_of({1, 2, 2, 2, 3})),
              static_cast<int>(dice.between(0, 3))};
  const bool is_square = size.of == Of::image && dice.once_in(2);
  const auto with = [&](int64_t number) {
    Draft result = draft;
    (size.of == Of::weight ? result.channels : result.width) = number;
    if (is_square) result.height = number;
    return result;
  };
  const auto is_larger = [&](int64_t number) { return bytes(with(number), size.of) > size.bytes; };
  int64_t fits = least_extent, does_not = 2 * least_extent;
  while (!is_larger(does_not)) fits = does_not, does_not *= 2;
  while (does_not - fits > 1) {
    const int64_t middle = fits + (does_not - fits) / 2;
    (is_larger(middle) ? does_not : fits) = middle;
  }
  return with(size.over ? does_not : fits).program();
}

} // namespace

TEST_CASE("no candidate of any operator is refused, on either side of every threshold") {
  for (const ir::OperatorRow& row : ir::operators()) {
    INFO(row.name);
    CHECK((row.name == "const" || samples().contains(std::string(row.name))));
  }
  const auto rounds = static_cast<int>(tests::number_from("VOLUTE_STRESS", 1));
  Dice dice(1);
  int64_t nests = 0, candidates = 0;
  for (int round = 0; round < rounds; ++round)
    for (const auto& [name, sample] : samples())
      for (const char* name_of_target : {"znver4", "haswell"}) {
        const compiler::Target target = compiler::parse_target(name_of_target).value();
        for (const Size& size : sizes(target)) {
          const bool has_weight = sample.call.find("o=") != std::string::npos;
          if (size.of == Of::weight && !has_weight) continue;
          const std::string program = program_of(dice, sample, size, target);
          CAPTURE(program, target.name);
          const compiler::Stages made = tests::stages_of(program, target.name);
          for (const auto& [nest, choice] : made.why) {
            CAPTURE(nest);
            CHECK(choice.refused == 0);
            ++nests;
            candidates += std::ssize(choice.candidates);
          }
        }
      }
  CHECK(nests > 1'500);
  CHECK(candidates > 5 * nests);
}
