// Transposed convolutions by phases: every output written once, no zero multiplied.
#include "compiler/lower/legalise.h"
#include "compiler/lower/lower.h"
#include "compiler/nests/domain_points.h"
#include "compiler/pipeline.h"
#include "ir/infer.h"
#include "ir/parse.h"
#include "tests/support/catch.h"
#include "tests/support/dice.h"
#include "tests/support/stages.h"

#include <fmt/format.h>

#include <map>
#include <string>
#include <vector>

using namespace volute;
using namespace volute::compiler;
using ir::Axis;

namespace {

/// How often each position of the result is written, counted over the points of all nests.
std::vector<int> writes_of_each(const ir::NestProgram& program, int32_t result) {
  std::vector<int> counts(
      static_cast<size_t>(program.buffers[static_cast<size_t>(result)].elements));
  for (const ir::Nest& nest : program.nests)
    for (const ir::Write& write : nest.writes) {
      const ir::View& view = nest.operands[static_cast<size_t>(write.operand)];
      if (view.buffer != result) continue;
      std::vector<int64_t> point(nest.vars.size());
      std::vector<const ir::NestAxis*> axes;
      for (const ir::NestAxis& axis : nest.axes)
        if (!axis.reduction) axes.push_back(&axis);
      for (bool more = true; more;) {
        int64_t offset = 0;
        for (size_t d = 0; d < view.dims.size(); ++d) {
          int64_t at = write.index[d].at.constant_term();
          for (const ir::Affine::Term& term : write.index[d].at.terms())
            at += term.coefficient * point[static_cast<size_t>(term.var.id)];
          offset += at * view.dims[d].stride.number();
        }
        ++counts.at(static_cast<size_t>(offset));
        more = false;
        for (size_t i = axes.size(); i-- > 0 && !more;) {
          int64_t& at = point[static_cast<size_t>(axes[i]->var.id)];
          more = ++at < axes[i]->extent.number();
          if (!more) at = 0;
        }
      }
    }
  return counts;
}

/// Inputs times taps that land inside the result: what has to be multiplied, and no more.
int64_t products(const ir::Program& program) {
  const ir::Statement& statement = program.statements.front();
  const ir::TensorType& x = program.type(statement.operands[0]);
  const ir::TensorType& w = program.type(statement.operands[1]);
  int64_t count = x.size(Axis::n) * x.size(Axis::c) * w.size(Axis::o);
  for (const ir::Window& window : ir::transposed_windows(program, statement)) {
    int64_t inside = 0;
    for (int64_t i = 0; i < window.input; ++i)
      for (int64_t t = 0; t < window.kernel; ++t) {
        const int64_t at = i * window.stride + t * window.dilation - window.pad_begin;
        inside += at >= 0 && at < window.output ? 1 : 0;
      }
    count *= inside;
  }
  return count;
}

/// Random programs of one transposed convolution, in one or two dimensions.
std::vector<std::string> programs() {
  std::vector<std::string> texts;
  tests::Dice dice(1);
  while (texts.size() < 300) {
    const bool plane = dice.once_in(3);
    const int64_t inputs = dice.between(1, 3), outputs = dice.between(1, 3);
    const auto axes = [&](int64_t most) {
      std::string text = plane ? fmt::format("h={}, ", dice.between(1, most)) : "";
      return text + fmt::format("w={}", dice.between(1, most));
    };
    const auto list = [&](int64_t least, int64_t most) {
      std::string text = plane ? fmt::format("{}, ", dice.between(least, most)) : "";
      return "[" + text + fmt::format("{}]", dice.between(least, most));
    };
    const std::string x = axes(7), w = axes(6);
    const std::string text =
        fmt::format("program @p(%x: f32[n=1, c={}, {}], %w: f32[i={}, o={}, {}]) {{"
                    " %y = conv_transpose %x, %w {{stride = {}, dilation = {}, pad = {},"
                    " output_padding = {}}} return %y }}",
                    inputs, x, inputs, outputs, w, list(1, 7), list(1, 5), list(0, 4), list(0, 2));
    if (ir::parse(text)) texts.push_back(text);
  }
  return texts;
}

} // namespace

TEST_CASE("the phases of a transposed convolution write every output exactly once") {
  for (const std::string& text : programs()) {
    const ir::NestProgram nests = lower(legalise(ir::parse(text).value())).value();
    CAPTURE(text);
    const std::vector<int> counts = writes_of_each(nests, 2);
    CHECK(counts == std::vector<int>(counts.size(), 1));
  }
}

TEST_CASE("the phases multiply what lands inside the result and nothing else") {
  for (const std::string& text : programs()) {
    const ir::Program program = ir::parse(text).value();
    CAPTURE(text);
    int64_t asked = 0;
    for (const ir::Nest& nest : lower(legalise(program)).value().nests)
      asked += multiply_adds_asked_for(nest);
    CHECK(asked == products(program));
  }
}

TEST_CASE("the naive loops of a transposed convolution execute the products asked for") {
  for (const std::string& text : programs()) {
    const ir::Program program = ir::parse(text).value();
    CAPTURE(text);
    CompileRequest request = tests::request_for("x86-64-v3", "naive");
    const Stages stages = specialise_program(program, request).value();
    int64_t executed = 0;
    for (const NestReport& nest : stages.report.nests) executed += nest.executed_multiply_adds;
    CHECK(executed == products(program));
    CHECK(stages.report.multiply_adds == products(program));
  }
}

TEST_CASE("residues that are alike are one phase: as many nests as differ, not stride^k") {
  const auto nests = [](const std::string& attributes, const std::string& kernel) {
    return lower(ir::parse("program @p(%x: f32[n=1, c=4, h=5, w=5], %w: f32[i=4, o=4, " + kernel +
                           "]) { %y = conv_transpose %x, %w {" + attributes + "} return %y }")
                     .value())
        .value()
        .nests.size();
  };
  CHECK(nests("stride = 16", "h=16, w=16") == 1);
  CHECK(nests("stride = 2", "h=2, w=2") == 1);
  CHECK(nests("stride = 2, pad = 1", "h=4, w=4") == 4);
  CHECK(nests("stride = 1, pad = 1", "h=3, w=3") == 1);
  // Between the taps of a small kernel and a large stride there is nothing but the bias.
  CHECK(nests("stride = 4", "h=1, w=1") <= 4);
}
