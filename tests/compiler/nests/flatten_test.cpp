#include "compiler/nests/flatten.h"
#include "ir/tensor_data.h"
#include "tests/support/catch.h"
#include "tests/support/evaluate_nests.h"
#include "tests/support/lowered.h"

#include <string>
#include <vector>

using namespace volute;
using compiler::flatten;
using compiler::flattenable;
using tests::lowered;

namespace {

using Names = std::vector<std::string>;
using Groups = std::vector<Names>;

const std::string pointwise =
    R"(program @p(%x: f32[n=2, c=3, h=4, w=5], %k: f32[o=6, i=3, h=1, w=1]) {
  %0 = conv %x, %k
  %y = relu %0
  return %y })";
const std::string pointwise_last =
    R"(program @p(%x: f32[n=2, h=4, w=5, c=3], %k: f32[o=6, i=3, h=1, w=1]) {
  %y = conv %x, %k
  return %y })";
const std::string filter = R"(program @p(%x: f32[n=2, c=3, h=4, w=5], %k: f32[o=6, i=3, h=3, w=1]) {
  %y = conv %x, %k {pad = [1, 0]}
  return %y })";

std::string refusal(const ir::Nest& nest, const Names& axes) {
  const Expected<ir::Nest> result = flatten(nest, axes);
  return result ? "joined" : to_string(result.diagnostics().at(0));
}

std::string refusal(const std::string& text, const Names& axes) {
  return refusal(lowered(text).nests.back(), axes);
}

} // namespace

TEST_CASE("a 1x1 convolution walks its rows as one") {
  const ir::NestProgram program = lowered(pointwise);
  const ir::Nest joined = flatten(program.nests[0], {"h", "w"}).value();
  CHECK(to_string(joined, program.buffers) == R"(// conv %0, relu %y
nest conv_y {
  x: input f32[2][3][20]
  k: input f32[6][3][1][1]
  y: output f32[2][6][20]
  parallel n in 0..2, o in 0..6, hw in 0..20
  reduce i in 0..3, kh in 0..1, kw in 0..1
  acc = 0
  acc <- fma(x[n, i, hw], k[o, i, kh, kw], acc)
  y[n, o, hw] = max(0, acc)
}
)");
  CHECK(flattenable(program.nests[0]) == Groups{{"h", "w"}});
}

TEST_CASE("channels last, the batch joins in") {
  const ir::NestProgram program = lowered(pointwise_last);
  CHECK(flattenable(program.nests[0]) == Groups{{"n", "h", "w"}});
  const ir::Nest joined = flatten(program.nests[0], {"n", "h", "w"}).value();
  CHECK(joined.axes.front().extent == ir::Affine(40));
  CHECK(joined.vars.at(static_cast<size_t>(joined.axes.front().var.id)) == "nhw");
}

TEST_CASE("element-wise nests over equal layouts become one axis, others what they share") {
  const auto groups = [](const std::string& b, const std::string& y) {
    return flattenable(lowered("program @p(%a: f32[n=2, c=3, h=4, w=5], %b: " + b +
                               ") { %y = add %a, %b : " + y + " return %y }")
                           .nests.back());
  };
  const std::string nchw = "f32[n=2, c=3, h=4, w=5]", nhwc = "f32[n=2, h=4, w=5, c=3]";
  CHECK(groups(nchw, nchw) == Groups{{"n", "c", "h", "w"}});
  CHECK(groups(nhwc, nchw) == Groups{{"h", "w"}});
  CHECK(groups(nchw, nhwc) == Groups{{"h", "w"}});
  CHECK(groups("f32[c=3]", nchw) == Groups{{"h", "w"}});
  CHECK(groups("f32[n=2, c=3, w=5, h=4]", nchw) == Groups{{"n", "c"}});
}

TEST_CASE("axes of one point join as well") {
  CHECK(flattenable(lowered("program @p(%x: f32[n=1, c=3, h=1, w=5]) { %y = exp %x return %y }")
                        .nests.back()) == Groups{{"n", "c", "h", "w"}});
}

TEST_CASE("a window keeps its axes apart but for those that it does not move along") {
  CHECK(flattenable(lowered(filter).nests[0]).empty());
  CHECK(flattenable(lowered(R"(program @p(%x: f32[n=2, c=3, h=4, w=5]) {
    %y = max_pool %x {kernel = [1, 3], stride = 1}
    return %y })")
                        .nests[0]) == Groups{{"n", "c", "h"}});
}

TEST_CASE("what a pool adds up of whole planes is one axis, of a window it is not") {
  const auto groups = [](const std::string& image, const std::string& pool) {
    return flattenable(
        lowered("program @p(%x: f32[" + image + "]) { %y = " + pool + " return %y }").nests[0]);
  };
  CHECK(groups("n=2, c=3, h=4, w=5", "global_avg_pool %x") == Groups{{"n", "c"}, {"kh", "kw"}});
  CHECK(groups("n=2, d=3, h=4, w=5, c=7", "global_max_pool %x") == Groups{{"kd", "kh", "kw"}});
  CHECK(groups("n=2, c=3, h=4, w=5", "avg_pool %x {kernel = [4, 3], stride = 1}") ==
        Groups{{"n", "c"}});
  // A filter as large as the image keeps its taps apart: what is packed has them so.
  const std::string whole = R"(program @p(%x: f32[n=2, c=3, h=4, w=5],
    %k: f32[o=6, i=3, h=4, w=5]) { %y = conv %x, %k return %y })";
  CHECK(flattenable(lowered(whole).nests[0]).empty());
  // In the order in which they are added up alone.
  CHECK(refusal(whole, {"i", "kh", "kw"}) == "joined");
  CHECK(refusal(whole, {"kw", "kh"}) == "flatten: kw, kh do not follow each other in the sum of "
                                        "conv_y, which goes through i, kh, kw");
  CHECK(
      refusal(whole, {"i", "kw"}) ==
      "flatten: i, kw do not follow each other in the sum of conv_y, which goes through i, kh, kw");
}

TEST_CASE("flattening changes nothing that is computed") {
  for (const std::string& text :
       {pointwise, pointwise_last,
        std::string("program @p(%a: f32[n=2, c=3, h=4, w=5], %b: f32[c=3]) {"
                    " %y = sub %a, %b return %y }"),
        std::string("program @p(%x: f32[n=2, c=3, h=4, w=5]) {"
                    " %y = avg_pool %x {kernel = [1, 3], stride = 1, pad = [0, 1],"
                    " count_include_pad = false} return %y }"),
        std::string("program @p(%x: f32[n=2, c=3, h=4, w=5]) {"
                    " %y = global_avg_pool %x return %y }")}) {
    const ir::NestProgram program = lowered(text);
    ir::NestProgram joined = program;
    const Groups groups = flattenable(program.nests.back());
    REQUIRE_FALSE(groups.empty());
    for (const Names& axes : groups)
      joined.nests.back() = flatten(joined.nests.back(), axes).value();
    CHECK(joined.nests.back().axes.size() < program.nests.back().axes.size());
    CHECK(tests::evaluated(joined) == tests::evaluated(program));
  }
}

TEST_CASE("axes that an operand does not walk together are refused by its name") {
  CHECK(refusal(filter, {"h", "w"}) ==
        "flatten: h and w cannot be joined: the domain has 0 <= h + kh - 1 < 4");
  CHECK(refusal(R"(program @p(%x: f32[n=1, c=1, h=4, w=5], %k: f32[o=1, i=1, h=2, w=2]) {
    %y = conv %x, %k
    return %y })",
                {"h", "w"}) ==
        "flatten: h and w cannot be joined: x[n, i, h + kh, w + kw] does not walk them together");
  CHECK(refusal(pointwise, {"w", "h"}) ==
        "flatten: w and h cannot be joined: x[n, i, h + kh, w + kw] does not walk them together");
  CHECK(refusal(pointwise, {"o", "h", "w"}) ==
        "flatten: o and h cannot be joined: x[n, i, h + kh, w + kw] does not walk them together");
  CHECK(refusal("program @p(%x: f32[n=1, c=1, h=4, w=5]) {"
                " %y = pad %x {pad = [(0, 0), (0, -2)]} return %y }",
                {"h", "w"}) ==
        "flatten: h and w cannot be joined: x has 5 elements along w, of which the nest walks 3");
}

TEST_CASE("a gap between rows is refused with the numbers") {
  ir::Nest nest = lowered(pointwise).nests[0];
  nest.operands[0].dims[2].stride = 8;
  CHECK(refusal(nest, {"h", "w"}) ==
        "flatten: h and w cannot be joined: x has a gap: a step of h is 8 elements, not 5");
}

TEST_CASE("a nest that reads an operand in two ways, or its own position, is left as it is") {
  ir::Nest nest =
      lowered("program @p(%x: f32[n=1, c=1, h=4, w=5]) { %y = neg %x return %y }").nests[0];
  const ir::Nest plain = nest;
  nest.writes[0].value =
      nest.writes[0].value + ir::read(ir::ElementType::f32, 0, {ir::Affine(0), 0, 0, 0});
  CHECK(refusal(nest, {"h", "w"}) ==
        "flatten: h and w cannot be joined: x is read by them in one place and not in another");
  nest = plain;
  nest.writes[0].value =
      ir::convert_to(ir::ElementType::f32, ir::position(nest.axis("w")->var, ir::ElementType::i32));
  CHECK(refusal(nest, {"h", "w"}) ==
        "flatten: h and w cannot be joined: the position w is a value of the nest");
}

TEST_CASE("extents must be constants, and a name that is taken gets a number") {
  ir::Nest nest = lowered(pointwise).nests[0];
  nest.vars.push_back("width");
  const ir::Var width{static_cast<int32_t>(nest.vars.size()) - 1};
  nest.parameters.push_back({width, {1, 8}});
  for (ir::NestAxis& axis : nest.axes)
    if (axis.var == nest.axis("w")->var) axis.extent = width;
  CHECK(refusal(nest, {"h", "w"}) ==
        "flatten: h and w cannot be joined: their extents must be constants");
  nest = lowered(pointwise).nests[0];
  nest.vars[static_cast<size_t>(nest.axis("i")->var.id)] = "hw";
  const ir::Nest joined = flatten(nest, {"h", "w"}).value(); // the name is taken: it gets a number
  REQUIRE(joined.axis("hw2"));
  CHECK(joined.axis("hw2")->extent == ir::Affine(20));
  CHECK(joined.axis("hw")->reduction);
}

TEST_CASE("names that make no sense are refused") {
  CHECK(refusal(pointwise, {"h"}) == "flatten: takes two axes or more, outermost first");
  CHECK(refusal(pointwise, {"h", "q"}) == "flatten: conv_y has no axis q");
  CHECK(refusal(pointwise, {"h", "kw"}) ==
        "flatten: of h and kw one is a reduction axis of conv_y, and one is not");
  CHECK(refusal(pointwise, {"h", "h"}) == "flatten: h is named twice");
}
