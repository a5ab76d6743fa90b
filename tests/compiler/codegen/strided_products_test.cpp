// Narrow products whose weight is a view with strides of its own: every stage against the one
// before it. A weight without a stride along its channels is the same for all of them, but not for
// those that groups of products have beyond the last one, where it is 0.

#include "ir/parse.h"
#include "tests/support/catch.h"
#include "tests/support/every_stage.h"
#include "tests/support/tile_emulator.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string>
#include <vector>

using namespace volute;
using namespace volute::tests;

namespace {

struct Conv {
  std::string x, w, sizes, filter, attributes, operation = "conv";
  compiler::TensorStrides strides = {}; // of the weight
  std::string text() const {
    return fmt::format("program @p(%x: {}[{}], %w: {}[{}]) {{ %y = {} %x, %w {{{}}} return %y }}",
                       x, sizes, w, filter, operation, attributes);
  }
};

std::string fault(const Conv& conv, const std::string& target, const std::string& schedule) {
  const ir::Program program = ir::parse(conv.text()).value();
  compiler::CompileRequest request = request_for(target, schedule);
  request.strides["w"] = conv.strides;
  const compiler::Compiled compiled = compiler::compile(program, request).value();
  Tensors whole = whole_numbers(program, 7);
  see_through(whole, request.strides);
  Dice dice(7);
  Chain chain;
  chain.strides = request.strides;
  return fault_of_stages(compiled, program, whole, dice, chain);
}

/// Every element type and its zero points, convolutions and transposed ones, 17 channels: no whole
/// groups of them.
std::vector<Conv> convolutions() {
  std::vector<Conv> all;
  for (const auto& [x, w, points] : {std::tuple("bf16", "bf16", ""),
                                     {"u8", "i8", ""},
                                     {"u8", "i8", ", x_zero_point = 66"},
                                     {"i8", "u8", ", x_zero_point = 66, w_zero_point = 5"},
                                     {"i8", "i8", ", w_zero_point = -7"}}) {
    const auto add = [&](Conv conv, const std::vector<compiler::TensorStrides>& strides) {
      conv.x = x, conv.w = w, conv.attributes += points;
      for (const compiler::TensorStrides& each : strides) conv.strides = each, all.push_back(conv);
    };
    // Along i, o, kw, or o, i, kw: nothing, one place seen as several, a filter in a larger one.
    add({"", "", "n=1, w=29, c=17", "i=17, o=20, w=2", "dilation = 4", "conv_transpose"},
        {{0, 1, 1}, {0, 2, 1}, {0, 1, 0}, {1, 1, 1}, {2, 0, 1}, {41, 2, 1}});
    add({"", "", "n=1, c=17, w=14", "i=17, o=20, w=3", "stride = 2, pad = 1", "conv_transpose"},
        {{0, 3, 1}, {0, 1, 0}, {61, 3, 1}});
    add({"", "", "n=1, w=29, c=17", "o=20, i=17, w=2", "pad = 1"},
        {{1, 0, 1}, {2, 0, 1}, {1, 0, 0}, {1, 1, 1}, {0, 2, 1}, {70, 4, 2}});
    add({"", "", "n=1, c=34, w=29", "o=20, i=17, w=1", "groups = 2, pad = 0"}, {{1, 0, 1}});
    add({"", "", "n=1, h=4, w=21, c=3", "o=20, i=3, h=3, w=3", "stride = 2, pad = 1"},
        {{9, 0, 3, 1}, {9, 0, 0, 0}, {1, 1, 1, 1}});
  }
  return all;
}

} // namespace

TEST_CASE("a weight that is the same for all channels is 0 beyond the last of them") {
  for (const Conv& conv : convolutions())
    for (const std::string form : {"direct", "dot", "tile"}) {
      const std::string schedule = fmt::format("form {}_y {}", conv.operation, form);
      CAPTURE(conv.text(), fmt::format("strides {}", fmt::join(conv.strides, " ")), form);
      CHECK(fault(conv, native_with_tiles(), schedule) == "");
    }
}
