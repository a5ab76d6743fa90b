// Programs that no parser and no builder made: whatever their fields hold, every door of the
// library refuses them in words before anything acts on them.
#include "compiler/compile.h"
#include "ir/parse.h"
#include "runtime/session.h"
#include "tests/runtime/failure_text.h"
#include "tests/support/catch.h"

#include <cmath>
#include <functional>
#include <limits>

using namespace volute;
using volute::tests::failure_text;

namespace {

constexpr const char* text = R"(
  program @p(%x: f32[n=1, c=4, h=8, w=8], %w: f32[o=6, i=4, h=3, w=3],
             %z: f32[i=6, o=5, h=3, w=3], %s: f32[c=6]) {
    %k = const [1, 2, 3, 4, 5, 6] : f32[c=6]
    %a = conv %x, %w {pad = 1}
    %b = max_pool %a {kernel = 2}
    %t = conv_transpose %b, %z {stride = 2}
    %u = add %b, %k
    %v = leaky_relu %u
    %q = quantize %v {scale = 0.5} : u8[n=1, c=6, h=4, w=4]
    %p = pad %v {pad = 1}
    %g = global_avg_pool %p
    %d = adaptive_max_pool %p {output = 2}
    %l = lp_pool %p {kernel = 2}
    %n = batch_norm %l, %s, %s, %s, %s
    return %t, %q, %g, %d, %n
  })";

using Change = std::function<void(ir::Program&)>;

template <class Operation>
Operation& find(ir::Program& program) {
  for (ir::Statement& statement : program.statements)
    if (auto* found = std::get_if<Operation>(&statement.operation)) return *found;
  throw std::runtime_error("there is no such statement");
}

template <class Operation>
ir::Statement& statement_of(ir::Program& program) {
  for (ir::Statement& statement : program.statements)
    if (std::holds_alternative<Operation>(statement.operation)) return statement;
  throw std::runtime_error("there is no such statement");
}

ir::Value& value(ir::Program& program, const std::string& name) {
  return program.values[static_cast<size_t>(*program.find(name))];
}

template <class Enum>
Enum none_of() {
  return static_cast<Enum>(77);
}

struct Broken {
  const char* what;
  Change change;
  const char* words; // of them, the first refusal's
};

const std::vector<Broken>& broken_programs() {
  using ir::Padding;
  using P = ir::Program;
  static constexpr int64_t huge = std::numeric_limits<int64_t>::max();
  static const double nan = std::nan("");
  static const std::vector<Broken> all = {
      {"stride 0",
       [](P& p) {
         find<ir::Conv>(p).stride = {0, 0};
       },
       "conv: stride = 0 is below 1"},
      {"a stride below 0",
       [](P& p) {
         find<ir::Conv>(p).stride = {1, -2};
       },
       "conv: stride = -2 along w is below 1"},
      {"no stride", [](P& p) { find<ir::Conv>(p).stride = {}; },
       "conv: an attribute is not filled in"},
      {"strides of another rank",
       [](P& p) {
         find<ir::Conv>(p).stride = {1, 1, 1};
       },
       "conv: stride has 3 entries, but the input has 2 spatial axes"},
      {"the largest stride",
       [](P& p) {
         find<ir::Conv>(p).stride = {huge, huge};
       },
       "conv: stride = 9223372036854775807 is above"},
      {"dilation 0",
       [](P& p) {
         find<ir::Conv>(p).dilation = {0, 1};
       },
       "conv: dilation = 0 along h is below 1"},
      {"the largest dilation",
       [](P& p) {
         find<ir::Conv>(p).dilation = {huge, huge};
       },
       "conv: dilation = 9223372036854775807 is above"},
      {"groups 0", [](P& p) { find<ir::Conv>(p).groups = 0; }, "conv: groups = 0 is below 1"},
      {"groups below 0", [](P& p) { find<ir::Conv>(p).groups = -4; },
       "conv: groups = -4 is below 1"},
      {"groups that do not divide", [](P& p) { find<ir::Conv>(p).groups = 3; },
       "conv: groups = 3 does not divide"},
      {"no pads", [](P& p) { find<ir::Conv>(p).pad.sides = {}; },
       "conv: the written type has h = 8, but the result has 6"},
      {"a pad below 0",
       [](P& p) {
         find<ir::Conv>(p).pad.sides = {{-1, 0}, {0, 0}};
       },
       "conv: pad = -1"},
      {"the largest pads",
       [](P& p) {
         find<ir::Conv>(p).pad.sides = {{huge, huge}, {huge, huge}};
       },
       "conv: pad = 9223372036854775807 is above"},
      {"a pad rule of which there is none",
       [](P& p) { find<ir::Conv>(p).pad.rule = none_of<Padding::Rule>(); },
       "a statement has the pad rule 77, of which there is none"},
      {"a padding mode of which there is none",
       [](P& p) { find<ir::Conv>(p).padding_mode = none_of<ir::PadMode>(); },
       "a statement has the padding mode 77"},
      {"no zero point", [](P& p) { find<ir::Conv>(p).w_zero_point = {}; },
       "conv: an attribute is not filled in"},
      {"an output of -1", [](P& p) { p.outputs[0] = -1; }, "return: there is no value -1 among"},
      {"an output that is no value", [](P& p) { p.outputs[0] = 99; },
       "return: there is no value 99 among"},
      {"an output twice", [](P& p) { p.outputs[1] = p.outputs[0]; }, "%t: is returned twice"},
      {"no outputs", [](P& p) { p.outputs = {}; }, "the program returns nothing"},
      {"an input of -1", [](P& p) { p.inputs[0] = -1; }, "input: there is no value -1 among"},
      {"an input twice", [](P& p) { p.inputs[1] = p.inputs[0]; }, "%x: is defined twice"},
      {"a result among the inputs", [](P& p) { p.inputs.push_back(*p.find("b")); },
       "%b: is defined twice"},
      {"an operand that is no value", [](P& p) { statement_of<ir::Conv>(p).operands[1] = 1 << 30; },
       "conv: there is no value 1073741824 among"},
      {"an operand of -1", [](P& p) { statement_of<ir::Conv>(p).operands[0] = -1; },
       "conv: there is no value -1 among"},
      {"an operand before it is defined",
       [](P& p) { statement_of<ir::Pool>(p).operands[0] = *p.find("p"); },
       "%p: is read before it is defined"},
      {"no operands", [](P& p) { statement_of<ir::Conv>(p).operands = {}; },
       "conv: takes 2 or 3 operands (x, w, b), not 0"},
      {"too many operands", [](P& p) { statement_of<ir::BatchNorm>(p).operands.push_back(0); },
       "batch_norm: takes 5 operands"},
      {"no results", [](P& p) { statement_of<ir::Conv>(p).results = {}; },
       "conv: gives 1 result, not 0"},
      {"a result of -1", [](P& p) { statement_of<ir::Conv>(p).results = {-1}; },
       "conv: there is no value -1 among"},
      {"one result twice",
       [](P& p) {
         ir::Statement& pool = statement_of<ir::Pool>(p);
         pool.results.push_back(pool.results[0]);
       },
       "%b: is defined twice"},
      {"a result type that is larger than the result",
       [](P& p) { value(p, "q").type.extents[2].size = 4000; }, "quantize: "},
      {"a result of another element type",
       [](P& p) { value(p, "a").type.element = ir::ElementType::f64; }, "conv: "},
      {"a type without axes", [](P& p) { value(p, "x").type.extents = {}; },
       "%x: a type names at least one axis"},
      {"an extent of 0", [](P& p) { value(p, "x").type.extents[2].size = 0; },
       "%x: the extent h=0 is below 1"},
      {"an extent below 0", [](P& p) { value(p, "x").type.extents[0].size = -5; },
       "%x: the extent n=-5 is below 0"},
      {"extents whose product overflows",
       [](P& p) { value(p, "x").type.extents[2].size = value(p, "x").type.extents[3].size = huge; },
       "%x: "},
      {"an element type of which there is none",
       [](P& p) { value(p, "x").type.element = none_of<ir::ElementType>(); },
       "%x: a type has the element type 77, of which there is none"},
      {"an axis of which there is none",
       [](P& p) { value(p, "w").type.extents[1].axis = none_of<ir::Axis>(); },
       "%w: a type has the axis 77, of which there is none"},
      {"a weight's axes on an image",
       [](P& p) { value(p, "x").type.extents[1].axis = ir::Axis::i; }, "conv: "},
      {"a constant without data", [](P& p) { find<ir::Const>(p).bytes = nullptr; },
       "const: has no data"},
      {"a constant with too little",
       [](P& p) { find<ir::Const>(p).bytes = std::make_shared<const std::vector<std::byte>>(23); },
       "const: f32[c=6] takes 24 bytes, but the data have 23"},
      {"a program without a name", [](P& p) { p.name = ""; }, "@: '' is no name"},
      {"a name that is none", [](P& p) { value(p, "x").name = "x\n} %"; }, "%: "},
      {"one name twice", [](P& p) { value(p, "w").name = "x"; }, "%x: is the name of two values"},
      {"a value that nothing makes", [](P& p) { p.values.push_back(p.values[0]); },
       "%x: is the name of two values"},
      {"a pool of which there is none",
       [](P& p) { find<ir::Pool>(p).kind = none_of<ir::PoolKind>(); },
       "a statement has the kind 77, of which there is none"},
      {"a global pool of a kind that it has not",
       [](P& p) { find<ir::GlobalPool>(p).kind = ir::PoolKind::lp; }, "global_avg_pool: "},
      {"a function of which there is none",
       [](P& p) { find<ir::Unary>(p).kind = none_of<ir::UnaryKind>(); },
       "a statement has the kind 77"},
      {"an arithmetic of which there is none",
       [](P& p) { find<ir::Binary>(p).kind = none_of<ir::BinaryKind>(); },
       "a statement has the kind 77"},
      {"a quantization of which there is none",
       [](P& p) { find<ir::Quantize>(p).kind = none_of<ir::QuantKind>(); },
       "a statement has the kind 77"},
      {"no scale", [](P& p) { find<ir::Quantize>(p).scale = {}; }, "quantize: "},
      {"a scale of 0", [](P& p) { find<ir::Quantize>(p).scale = {0}; }, "quantize: scale"},
      {"a slope that the function has not", [](P& p) { find<ir::Unary>(p).b = 3; },
       "leaky_relu: an attribute is set that the operator does not have"},
      {"a slope that is NaN", [](P& p) { find<ir::Unary>(p).a = nan; }, "leaky_relu: slope"},
      {"a kernel of 0",
       [](P& p) {
         find<ir::Pool>(p).kernel = {0, 2};
       },
       "max_pool: kernel = 0 along h is below 1"},
      {"no kernel", [](P& p) { find<ir::Pool>(p).kernel = {}; }, "max_pool: "},
      {"no output size", [](P& p) { find<ir::AdaptivePool>(p).output = {}; },
       "adaptive_max_pool: "},
      {"an output padding beyond the stride",
       [](P& p) {
         find<ir::ConvTranspose>(p).output_padding = {5, 5};
       },
       "conv_transpose: output_padding"},
      {"a rule where there are only numbers",
       [](P& p) { find<ir::ConvTranspose>(p).pad.rule = Padding::Rule::same; }, "conv_transpose: "},
      {"an epsilon that is NaN", [](P& p) { find<ir::BatchNorm>(p).epsilon = nan; },
       "batch_norm: epsilon"},
      {"a crop of everything",
       [](P& p) {
         find<ir::PadOp>(p).pad.sides = {{-100, -100}, {0, 0}};
       },
       "pad: "},
  };
  return all;
}

} // namespace

TEST_CASE("a broken program is refused in words at every door") {
  const ir::Program sound = *ir::parse(text);
  Session session;
  REQUIRE(session.try_compile(sound));
  const compiler::CompileRequest request = *session.request(sound);
  const auto before = session.cache_counters();
  REQUIRE(broken_programs().size() >= 27);
  for (const Broken& broken : broken_programs()) {
    INFO(broken.what);
    ir::Program program = sound;
    broken.change(program);
    const std::string words = failure_text(session.try_compile(program));
    CHECK_THAT(words, Catch::Matchers::ContainsSubstring(broken.words));
    CHECK(failure_text(session.request(program)) == words);
    CHECK(failure_text(session.inspect(program, request)) == words);
    CHECK(failure_text(session.inspect_loops(program, request)) == words);
    CHECK(failure_text(compiler::compile(program, request)) == words);
    CHECK_THROWS_WITH(session.compile(program), Catch::Matchers::ContainsSubstring(words));
  }
  CHECK(session.cache_counters().compiles == before.compiles);
}
