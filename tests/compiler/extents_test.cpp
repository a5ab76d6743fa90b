// What an extent is has no say in what it takes to compile for it: the work, counted in nodes that
// walks meet and in bytes of text, is the same for a short axis and for one that is a million times
// as long. What was walked element by element here took minutes, or did not end.

#include "compiler/pipeline.h"
#include "ir/parse.h"
#include "ir/walk.h"
#include "tests/support/catch.h"
#include "tests/support/stages.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

using namespace volute;

namespace {

struct Work {
  int64_t nodes = 0, text = 0;
};

Work work_of(const std::string& text) {
  CAPTURE(text);
  compiler::CompileRequest request = tests::request_for("x86-64-v4");
  const ir::Program program = ir::parse(text).value();
  const int64_t before = ir::nodes_walked();
  const compiler::Stages made = compiler::specialise_program(program, request).value();
  return {ir::nodes_walked() - before, static_cast<int64_t>(to_string(made.loops).size())};
}

/// Of a program with one number left open. A schedule for the longer one may differ.
void check(const std::string& text, int64_t small, int64_t large) {
  const Work few = work_of(fmt::format(fmt::runtime(text), small));
  const Work many = work_of(fmt::format(fmt::runtime(text), large));
  CAPTURE(text, few.nodes, many.nodes, few.text, many.text);
  CHECK(many.nodes < 3 * few.nodes);
  CHECK(many.text < 3 * few.text + 1000);
}

} // namespace

TEST_CASE("padding of any width compiles in the same time") {
  check("program @p(%x: f32[n=1, c=1, h=8, w=8], %w: f32[o=1, i=1, h=3, w=3]) "
        "{{ %y = conv %x, %w {{pad = {}}} return %y }}",
        30, 100'000'000);
  check("program @p(%x: f32[n=1, c=1, d=8, h=8, w=8], %w: f32[o=1, i=1, d=3, h=3, w=3]) "
        "{{ %y = conv %x, %w {{pad = {}}} return %y }}",
        30, 300'000);
  check("program @p(%x: f32[n=1, h=8, w=8, c=16], %w: f32[o=16, i=16, h=3, w=3]) "
        "{{ %0 = conv %x, %w {{pad = {}}} %y = max_pool %0 {{kernel = 2}} return %y }}",
        30, 10'000'000);
  check("program @p(%x: f32[n=1, h=8, w=8, c=16], %w: f32[o=16, i=1, h=3, w=3]) "
        "{{ %y = conv %x, %w {{pad = {}, groups = 16}} return %y }}",
        30, 10'000'000);
  check("program @p(%x: f32[n=1, c=4, w=16], %w: f32[o=4, i=4, w=1]) "
        "{{ %y = conv %x, %w {{pad = {}}} return %y }}",
        30, 2'000'000'000);
  check("program @p(%x: u8[n=1, c=8, h=8, w=8], %w: i8[o=16, i=8, h=3, w=3]) "
        "{{ %y = conv %x, %w {{pad = {}}} return %y }}",
        40, 1'000);
  check("program @p(%x: f32[n=1, c=1, h=8, w=8]) {{ %w = const [1, 2, 1, 0, 1, 0, 2, 1, 0] : "
        "f32[o=1, i=1, h=3, w=3] %y = conv %x, %w {{pad = {}}} return %y }}",
        30, 10'000'000);
  check("program @p(%x: f32[n=1, c=1, h=8, w=8]) {{ %y = pad %x {{pad = {}}} return %y }}", 30,
        100'000'000);
}

TEST_CASE("axes of any length compile in the same time") {
  const int64_t long_axis = int64_t{1} << 36;
  for (const char* pad : {"same", "same_upper", "same_lower"})
    check(fmt::format("program @p(%x: f32[n=1, c=1, w={{}}], %w: f32[o=1, i=1, w=3]) "
                      "{{{{ %y = conv %x, %w {{{{pad = {}}}}} return %y }}}}",
                      pad),
          999, long_axis);
  check("program @p(%x: f32[n=1, c=1, w={}], %w: f32[o=1, i=1, w=5]) "
        "{{ %y = conv %x, %w {{pad = same_upper, stride = 2}} return %y }}",
        999, long_axis);
  check("program @p(%x: f32[n=1, c=1, w={}]) "
        "{{ %y, %i = max_pool %x {{kernel = 3, stride = 1, pad = 1}} return %y, %i }}",
        999, long_axis);
  // A band of rows.
  check("program @p(%x: f32[n=1, c=1, h={}, w=1], %w: f32[o=1, i=1, h=3, w=1]) {{ %0 = conv %x, %w "
        "{{pad = [1, 0]}} %y = max_pool %0 {{kernel = [2, 1]}} return %y }}",
        999, int64_t{1} << 31);
}

TEST_CASE("kernels of any size compile in the same time") {
  check("program @p(%x: f32[n=1, c=1, w=2147483648], %w: f32[o=1, i=1, w={}]) "
        "{{ %y = conv %x, %w {{pad = same}} return %y }}",
        999, int64_t{1} << 31);
  check("program @p(%x: f32[n=1, c=1, w=8]) "
        "{{ %y = max_pool %x {{kernel = {0}, stride = 1, pad = 1000000}} return %y }}",
        1'999'999, 2'000'001);
  check("program @p(%x: f32[n=1, c=1, w=3000000]) {{ %y = adaptive_max_pool %x {{output = {}}} "
        "return %y }}",
        1'000, 1'000'000);
}

TEST_CASE("a transposed convolution of any stride and dilation compiles in the same time") {
  const char* text = "program @p(%x: f32[n=1, c=1, w=8], %w: f32[i=1, o=1, w=4000000]) {{ %y = "
                     "conv_transpose %x, %w {{stride = {0}, dilation = {1}}} return %y }}";
  const Work few = work_of(fmt::format(fmt::runtime(text), 101, 89));
  const Work many = work_of(fmt::format(fmt::runtime(text), 1'000'003, 999'983));
  CHECK(many.nodes < 6 * few.nodes);
  CHECK(many.text < 6 * few.text);
}

TEST_CASE("a table of many entries is refused before it is made") {
  const auto refused = compiler::specialise_program(
      ir::parse("program @p(%x: f32[n=1, c=1, w=3]) { %y = adaptive_avg_pool %x {output = "
                "2000000000} return %y }")
          .value(),
      {});
  REQUIRE(!refused);
  CHECK(refused.diagnostics().front().message ==
        "its kernel would carry a table of 4000000000 entries, more than 16777216");
}
