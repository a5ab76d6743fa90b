// Nests and loops from text: what the fields are, and what is said of texts that are none.

#include "ir/loops.h"
#include "ir/nest.h"
#include "ir/walk.h"
#include "tests/support/catch.h"

#include <fmt/format.h>

#include <string>

using namespace volute;
using namespace volute::ir;

namespace {

const std::string small_nest = R"(nests small

input x: f32[n=1, c=4, w=8]
output y: f32[n=1, c=4, w=8]
table k: f32[4] = [1, 0.5, -inf, 1e-30]

// relu %0, mul %y
nest relu_y {
  x: input f32[1][4][8]
  k: table f32[4]
  y: output f32[1][4][8]
  parallel n in 0..1, digit in 0..2 by 2 as channel, c1 in 0..2, w in 0..8
  reduce kw in 0..3
  where 0 <= w + kw - 1 < 8
  acc = 0
  let t1 = x[n, 2*digit + c1, w + kw - 1] * k[2*digit + c1]
  acc <- fma(t1, t1, acc)
  y[n, 2*digit + c1, w] = max(0, acc)
}
)";

const std::string small_loops = R"(loops small

input x: f32[n=1, c=4, w=8]
output y: f32[n=1, c=4, w=8]

step relu_y: 4 items of c
  x: input f32[4][8]
  y: output f32[4][8]
  registers r[2]: f32x4
  // both vectors of a row
  unroll v in 0..2:  r[v] = load x[c, 4*v] x4
  fence
  for w in max(0, 2 - c)..min(2, ceil((7 - c)/2)):
    when 0 <= c - 1 < 3:
      prefetch x + 8*c + 9
      store y[c, 4*w] x4 = max(splat 0, r[0]) + (r[1] < 0.5 ? r[1] : r[0])
  store y[c, 0] x4 step 2 = r[1]
)";

std::string replaced(std::string text, const std::string& what, const std::string& with) {
  const size_t at = text.find(what);
  REQUIRE(at != std::string::npos);
  return text.replace(at, what.size(), with);
}

std::string first_fault(const std::string& text) {
  const auto say = [](const std::vector<Diagnostic>& faults) {
    return fmt::format("{}:{}: {}", faults.front().where.line, faults.front().where.column,
                       to_string(faults.front()));
  };
  if (text.starts_with("nests")) {
    const auto nests = parse_nests(text);
    return nests ? "" : say(nests.diagnostics());
  }
  const auto loops = parse_loops(text);
  return loops ? "" : say(loops.diagnostics());
}

} // namespace

TEST_CASE("a nest's text is read to its fields and printed the same") {
  const auto program = parse_nests(small_nest);
  if (!program) FAIL(render(program.diagnostics(), "nests", small_nest));
  CHECK(to_string(*program) == small_nest);
  const Nest& nest = program->nests.at(0);
  CHECK(nest.origin == "relu %0, mul %y");
  REQUIRE(nest.axes.size() == 5);
  CHECK(nest.axes[1].role == AxisRole::channel);
  CHECK(nest.axes[1].digit == 2);
  CHECK(nest.axes[3].role == AxisRole::space);
  CHECK(nest.axes[4].role == AxisRole::tap);
  CHECK(nest.axes[4].reduction);
  CHECK(nest.constraints.at(0).value == Affine(Var{3}) + Var{4} - 1);
  // The named value is one node, which stands in two places.
  const auto& update = std::get<Fma>(nest.accumulators.at(0).update->is);
  CHECK(update.a == update.b);
  CHECK(program->buffers.at(2).data->size() == 16);
}

TEST_CASE("the text of loops is read to their statements and printed the same") {
  const auto program = parse_loops(small_loops);
  if (!program) FAIL(render(program.diagnostics(), "loops", small_loops));
  CHECK(to_string(*program) == small_loops);
  const auto& body = std::get<Block>(program->steps.at(0).body->is);
  REQUIRE(body.stmts.size() == 4);
  CHECK(body.stmts[0]->note == "both vectors of a row");
  CHECK(std::get<For>(body.stmts[0]->is).kind == For::Kind::unrolled);
  const auto& loop = std::get<For>(body.stmts[2]->is);
  CHECK(loop.range.lo == std::vector<Bound>{{0, 1}, {2 - Affine(Var{0}), 1}});
  CHECK(loop.range.hi == std::vector<Bound>{{2, 1}, {7 - Affine(Var{0}), 2}});
  CHECK(std::get<Store>(body.stmts[3]->is).lane_step == 2);
}

TEST_CASE("fences of every kind are printed as they are read") {
  for (const auto& [words, kind] :
       {std::pair("fence", Fence::Kind::loads), std::pair("fence sums", Fence::Kind::sums),
        std::pair("fence numbers", Fence::Kind::numbers)}) {
    const std::string text = replaced(small_loops, "  fence\n", std::string("  ") + words + "\n");
    const LoopProgram program = parse_loops(text).value();
    CHECK(to_string(program) == text);
    const auto& body = std::get<Block>(program.steps.at(0).body->is);
    CHECK(std::get<Fence>(body.stmts.at(1)->is).kind == kind);
  }
}

TEST_CASE("statements stand on the lines that are told") {
  const LoopsText text = text_of(parse_loops(small_loops).value());
  CHECK(text.text == small_loops);
  // The block, the loop and what shares its line, fence, loop, when, its block, prefetch, store.
  REQUIRE(text.steps.size() == 1);
  CHECK(text.steps[0].header == 6);
  CHECK(text.steps[0].statements == std::vector<int>{11, 11, 11, 12, 13, 14, 15, 15, 16, 17});
}

TEST_CASE("the parts of a value stand on the lines that name them") {
  LoopProgram program = parse_loops(small_loops).value();
  Step& step = program.steps.at(0);
  // y = (s * s + 1) + (s - 2) with s = sqrt(sqrt(x) + 3), which is long enough to be named.
  const Expr x = load(ElementType::f32, 1, {0, {0, 0}});
  const Expr inner = unary(UnaryFn::sqrt, x) + imm(3);
  const Expr s = unary(UnaryFn::sqrt, inner);
  const Expr left = s * s + imm(1), right = s - imm(2);
  step.body = block({stmt(Fence{}), stmt(Store{0, {0, 0}, -1, 1, 1, left + right})});
  const LoopsText text = text_of(program);
  const LoopsText::StepLines& lines = text.steps.at(0);
  REQUIRE(lines.statements.size() == 3); // the block, the fence, the store
  const int store = lines.statements[2], let = store - 1;
  CHECK(lines.nodes[0].empty());
  CHECK(lines.nodes[1].empty());
  // x, sqrt, 3, +, sqrt; s * s, 1, +; 2, -; +
  CHECK(lines.nodes[2] ==
        std::vector<int>{let, let, let, let, let, store, store, store, store, store, store});
}

TEST_CASE("a text that is no nest is refused at its place, with what was expected") {
  const auto fault = [](const std::string& what, const std::string& with) {
    return first_fault(replaced(small_nest, what, with));
  };
  CHECK(fault("nests small", "nests") ==
        "1:6: expected the program's name, but found the end of the line");
  CHECK(fault("w=8]", "w=-8]") == "3:28: the size -8 is below 0");
  CHECK(fault("-inf", "seven") == "5:28: expected an element, but found 'seven'");
  CHECK(fault(", 1e-30", "") == "5:20: 3 elements are listed, and the table has 4");
  CHECK(fault("y: output f32[1]", "y: output f32[n]") == "11:17: there is no variable 'n' here");
  CHECK(fault("table f32", "scratch f32") ==
        "10:20: there is no buffer `scratch k` (buffers are listed at the top)");
  CHECK(fault("as channel", "as chanel") ==
        "12:45: expected the role of the axis, but found 'chanel'");
  CHECK(fault("c1 in 0..2", "w in 0..2") == "12:65: there is an axis or a parameter 'w' already");
  CHECK(fault("0 <= w", "1 <= w") == "14:11: every range starts at 0");
  CHECK(fault("acc = 0", "acc = 0 < 1 ? 2 : 3") ==
        "15:9: the type of '0' does not follow from anything (say it: (0: f32))");
  CHECK(fault("acc = 0", "acc = 1e99") == "15:9: '1e99' is no number of f32");
  CHECK(fault("fma(t1, t1, acc)", "fma(t1, t1)") ==
        "17:20: expected ',' and another value: fma takes 3, but found ')'");
  CHECK(fault("max(0, acc)", "max(0, add)") == "18:34: there is no accumulator or value 'add'");
  CHECK(fault("max(0, acc)", "x & 0 + acc") ==
        "18:27: there is no accumulator or value 'x' (an element of it is x[...])");
  CHECK(fault("max(0, acc)", "relu(acc)") == "18:27: there is no function 'relu'");
  CHECK(fault("w] = max", "w + 1] = max")
            .starts_with(
                "8:1: nest relu_y: y[n, 2*digit + c1, w + 1]: w + 1 lies in 1..9, outside 0..8"));
  CHECK(fault("}\n", "") == "8:1: nest 'relu_y' has no '}'");
  CHECK(first_fault("nests ") == "1:7: expected the program's name, but found the end of the line");
  CHECK(first_fault("") != "");
}

TEST_CASE("a text that is no loops is refused at its place, with what was expected") {
  const auto fault = [](const std::string& what, const std::string& with) {
    return first_fault(replaced(small_loops, what, with));
  };
  CHECK(fault("4 items of c", "4 items") ==
        "6:21: expected 'of' and the variables of the items, but found the end of the line");
  CHECK(fault("  fence\n", "    fence\n") ==
        "12:5: is indented further than what it stands beside");
  CHECK(fault("  fence\n", "  fences\n") == "12:3: there are no registers 'fences'");
  CHECK(fault("for w", "for c") == "13:7: 'c' is the variable of a loop around this one");
  CHECK(fault("x4 = max", "x99 = max").find("expected '=' and the value") != std::string::npos);
  CHECK(fault("r[v] = load x[c, 4*v] x4", "r[v] = x[c, 4*v]")
            .starts_with("6:1: step relu_y: r: its registers are f32x4, not f32"));
  CHECK(fault("registers r[2]: f32x4", "registers r[2]: f32x4\n  registers r: f32") ==
        "10:3: there is something called 'r' already");
}
