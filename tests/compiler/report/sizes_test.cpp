#include "compiler/report/sizes.h"
#include "ir/parse.h"
#include "tests/support/catch.h"

using namespace volute;

namespace {

std::string size(const std::string& x, const std::string& w, const std::string& statement) {
  const std::string text = "program @p(%x: f32[" + x + "]" +
                           (w.empty() ? "" : ", %w: f32[" + w + "]") + ") { %y = " + statement +
                           " return %y }";
  const std::vector<std::string> lines = compiler::sizes_written_out(ir::parse(text).value());
  std::string all;
  for (const std::string& line : lines) all += line + "\n";
  return all;
}

} // namespace

TEST_CASE("sizes are written out by the formulas of PyTorch's pages") {
  CHECK(
      size("n=1, c=3, h=224, w=224", "o=64, i=3, h=7, w=7", "conv %x, %w {stride = 2, pad = 3}") ==
      "%y: h = w = floor((224 + 3 + 3 - (7 - 1) - 1) / 2) + 1 = 112\n");
  CHECK(size("n=1, c=3, h=20, w=30", "o=4, i=3, h=3, w=5",
             "conv %x, %w {dilation = [2, 1], pad = [(0, 1), (2, 2)]}") ==
        "%y: h = floor((20 + 0 + 1 - 2 * (3 - 1) - 1) / 1) + 1 = 17\n"
        "%y: w = floor((30 + 2 + 2 - (5 - 1) - 1) / 1) + 1 = 30\n");
  CHECK(size("n=1, c=3, w=17", "o=4, i=3, w=4", "conv %x, %w {pad = same_upper, stride = 2}") ==
        "%y: w = floor((17 + 1 + 2 - (4 - 1) - 1) / 2) + 1 = 9\n");
  CHECK(size("n=1, c=8, h=14, w=14", "i=8, o=4, h=4, w=4",
             "conv_transpose %x, %w {stride = 2, pad = 1}") ==
        "%y: h = w = (14 - 1) * 2 - 1 - 1 + (4 - 1) + 1 = 28\n");
  CHECK(size("n=1, c=8, h=14, w=14", "i=8, o=4, h=3, w=3",
             "conv_transpose %x, %w {stride = 2, pad = 1, output_padding = 1}") ==
        "%y: h = w = (14 - 1) * 2 - 1 - 1 + (3 - 1) + 1 + 1 = 28\n");
  CHECK(size("n=1, c=8, h=7, w=7", "", "max_pool %x {kernel = 2, ceil_mode = true}") ==
        "%y: h = w = ceil((7 - (2 - 1) - 1) / 2) + 1 = 4\n");
  CHECK(size("n=1, c=8, w=5", "",
             "max_pool %x {kernel = 2, stride = 3, pad = 1, ceil_mode = true}") ==
        "%y: w = ceil((5 + 1 + 1 - (2 - 1) - 1) / 3) + 1 - 1, as the last window would begin "
        "behind the image, = 2\n");
  CHECK(size("n=1, c=8, h=7, w=7", "", "pad %x {pad = [(1, 2), (-1, 0)]}") ==
        "%y: h = 7 + 1 + 2 = 10\n%y: w = 7 + -1 + 0 = 6\n");
  CHECK(size("n=1, c=8, h=7, w=7", "", "relu %x").empty());
}
