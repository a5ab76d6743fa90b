// What the operator table says of an operator is what its nests do.

#include "compiler/lower/heads.h"
#include "compiler/lower/lower.h"
#include "compiler/nests/weight_expression.h"
#include "ir/operators.h"
#include "ir/parse.h"
#include "tests/support/catch.h"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

using namespace volute;

namespace {

struct Sample {
  std::string type; // of %x
  std::string call;
};

/// One statement of every operator; an operator that is added needs one here.
const std::map<std::string, Sample>& samples() {
  static const std::string image = "f32[n=2, c=3, h=4, w=6]";
  static const std::map<std::string, Sample> all = {
      {"conv", {image, "conv %x, %k"}},
      {"conv_transpose", {image, "conv_transpose %x, %k {stride = 2}"}},
      {"max_pool", {image, "max_pool %x {kernel = 2}"}},
      {"avg_pool", {image, "avg_pool %x {kernel = 2}"}},
      {"lp_pool", {image, "lp_pool %x {kernel = 2}"}},
      {"global_avg_pool", {image, "global_avg_pool %x"}},
      {"global_max_pool", {image, "global_max_pool %x"}},
      {"adaptive_avg_pool", {image, "adaptive_avg_pool %x {output = 2}"}},
      {"adaptive_max_pool", {image, "adaptive_max_pool %x {output = 3}"}},
      {"max_unpool", {image, "max_unpool %x, %places {kernel = 2}"}},
      {"batch_norm", {image, "batch_norm %x, %v, %v, %v, %v"}},
      {"add", {image, "add %x, %other"}},
      {"sub", {image, "sub %x, %v"}},
      {"mul", {image, "mul %x, %other"}},
      {"max", {image, "max %x, %other"}},
      {"min", {image, "min %x, %v"}},
      {"relu", {image, "relu %x"}},
      {"relu6", {image, "relu6 %x"}},
      {"clamp", {image, "clamp %x {min = -1, max = 2}"}},
      {"leaky_relu", {image, "leaky_relu %x"}},
      {"elu", {image, "elu %x"}},
      {"prelu", {image, "prelu %x, %v"}},
      {"sigmoid", {image, "sigmoid %x"}},
      {"tanh", {image, "tanh %x"}},
      {"silu", {image, "silu %x"}},
      {"hardsigmoid", {image, "hardsigmoid %x"}},
      {"hardswish", {image, "hardswish %x"}},
      {"mish", {image, "mish %x"}},
      {"gelu", {image, "gelu %x {approximate = tanh}"}},
      {"softplus", {image, "softplus %x"}},
      {"abs", {image, "abs %x"}},
      {"neg", {image, "neg %x"}},
      {"sqrt", {image, "sqrt %x"}},
      {"exp", {image, "exp %x"}},
      {"convert", {image, "convert %x : f64[n=2, c=3, h=4, w=6]"}},
      {"reorder", {image, "reorder %x : f32[n=2, h=4, w=6, c=3]"}},
      {"pad", {image, "pad %x {pad = 1, mode = reflect}"}},
      {"quantize", {image, "quantize %x {scale = 0.5} : i8[n=2, c=3, h=4, w=6]"}},
      {"dequantize", {"u8[n=2, c=3, h=4, w=6]", "dequantize %x {scale = 0.5}"}},
      {"requantize",
       {"i32[n=2, c=3, h=4, w=6]", "requantize %x {scale = 0.5} : u8[n=2, c=3, h=4, w=6]"}},
  };
  return all;
}

ir::NestProgram lowered(const std::string& x, const std::string& statements) {
  const ir::Program program =
      ir::parse("program @p(%x: " + x +
                ", %k: f32[o=3, i=3, h=2, w=2], %v: f32[c=3], %other: f32[n=2, c=3, h=4, w=6],"
                " %places: i64[n=2, c=3, h=4, w=6]) {\n" +
                statements + "\nreturn %y }")
          .value();
  return compiler::lower(program).value();
}

/// Whether every read of x in the nest is of the element that the nest writes: the same position
/// along each of x's axes, which the result may have in another order.
bool reads_its_position(const ir::Nest& nest) {
  const auto along = [](const ir::Index& index) {
    std::vector<ir::Affine> positions;
    for (const ir::Subscript& s : index) positions.push_back(s.table < 0 ? s.at : ir::Affine(-1));
    std::sort(positions.begin(), positions.end(), [](const ir::Affine& a, const ir::Affine& b) {
      const auto var = [](const ir::Affine& p) {
        return p.terms().empty() ? -1 : p.terms()[0].var.id;
      };
      return var(a) < var(b);
    });
    return positions;
  };
  bool same = true;
  const auto look = [&](const ir::Expr& e) {
    visit(e, [&](const ir::ExprNode& node) {
      const auto* read = std::get_if<ir::Read>(&node.is);
      if (read && nest.operands[static_cast<size_t>(read->operand)].name == "x")
        same &= along(read->index) == along(nest.writes.front().index);
    });
  };
  for (const ir::Accumulator& a : nest.accumulators) look(a.update);
  for (const ir::Write& w : nest.writes) look(w.value);
  return same;
}

} // namespace

TEST_CASE("the traits of every operator are those of the nests that it becomes") {
  for (const ir::OperatorRow& row : ir::operators()) {
    const ir::OperatorTraits& is = row.traits;
    INFO(row.name);
    if (row.name == "const") continue; // no nest
    const auto sample = samples().find(std::string(row.name));
    REQUIRE(sample != samples().end());
    const ir::NestProgram program = lowered(sample->second.type, "%y = " + sample->second.call);
    bool all_copies = true, all_at_their_place = true, reduces = false, scatters = false;
    std::string weight;
    for (const ir::Nest& nest : program.nests) {
      const bool is_own =
          nest.operands[static_cast<size_t>(nest.writes.front().operand)].name == "y";
      if (!is_own) continue; // the scale of a batch_norm
      all_copies &= nest.kind == ir::NestKind::copy;
      all_at_their_place &= reads_its_position(nest);
      reduces |= std::any_of(nest.axes.begin(), nest.axes.end(),
                             [](const ir::NestAxis& a) { return a.reduction; });
      scatters |= nest.writes.front().offset != nullptr;
      if (const int32_t found = compiler::weight_of(nest); found >= 0)
        weight = nest.operands[static_cast<size_t>(found)].name;
    }
    CHECK(is.copies == all_copies);
    if (!is.scatters) CHECK(is.moves_in_space == !all_at_their_place);
    CHECK(is.reduces == reduces);
    CHECK(is.scatters == scatters);
    CHECK((is.weight >= 0) == (weight == "k"));
    if (is.weight >= 0) CHECK(row.operands[static_cast<size_t>(is.weight)] == "w");
    CHECK(is.elementwise == (!is.moves_in_space && !is.reduces && !is.scatters));
    CHECK(is.converts == (row.name == "convert"));
  }
}

TEST_CASE("what writes an axis in runs is not asked to write it split") {
  const auto runs = [](const std::string& call) {
    const ir::Program program =
        ir::parse("program @p(%x: f32[n=1, c=2, h=4, w=4], %k: f32[i=2, o=2, h=2, w=2],"
                  " %i: i64[n=1, c=2, h=4, w=4]) { %y = " +
                  call + " return %y }")
            .value();
    std::string axes;
    for (const ir::Axis axis : {ir::Axis::n, ir::Axis::c, ir::Axis::h, ir::Axis::w})
      if (compiler::writes_in_runs(program.statements[0].operation, axis)) axes += to_char(axis);
    return axes;
  };
  CHECK(runs("conv_transpose %x, %k") == "hw");
  CHECK(runs("max_unpool %x, %i {kernel = 2}") == "hw");
  CHECK(runs("pad %x {pad = 1, mode = circular}") == "w");
  CHECK(runs("pad %x {pad = 1}") == "");
  CHECK(runs("max_pool %x {kernel = 2}") == "");
  CHECK(runs("relu %x") == "");
}
