// Code over a register tile: what is loaded when, and how often.

#include "compiler/specialise/register_tile.h"
#include "tests/support/catch.h"

#include <algorithm>
#include <string>
#include <vector>

using namespace volute;
using namespace volute::compiler;
using ir::Affine;

namespace {

constexpr ir::ElementType f32 = ir::ElementType::f32;
const ir::Var w{0}, o{1}, i{2};

/// y[w, o] += x[w, i] * k[i, o]
ir::Nest product() {
  ir::Nest nest;
  nest.name = "product";
  nest.vars = {"w", "o", "i"};
  nest.axes = {{w, 12, false}, {o, 32, false}, {i, 5, true}};
  nest.operands = {{"x", 0, f32, ir::contiguous({12, 5})},
                   {"k", 1, f32, ir::contiguous({5, 32})},
                   {"y", 2, f32, ir::contiguous({12, 32})}};
  const ir::Expr sum = ir::acc(f32, 0);
  nest.accumulators = {
      {"acc", f32, ir::imm(0), fma(ir::read(f32, 0, {w, i}), ir::read(f32, 1, {i, o}), sum)}};
  nest.writes = {{2, {w, o}, sum}};
  return nest;
}

using Parts = std::vector<TileWriter::Part>;

/// The code for one step of the sum over a tile at w = 0, o = 0, i = 2; of some parts of it, if
/// there are any.
std::string code(const ir::Nest& nest, std::vector<TileAxis> axes, const Parts& parts = {}) {
  ir::Step step;
  step.name = "step";
  step.vars = {"item"};
  step.items = {{ir::Var{0}, 1}};
  step.views = nest.operands;
  std::vector<int64_t> shape;
  int32_t lanes = 1;
  for (const TileAxis& axis : axes) {
    shape.push_back(axis.pieces.back().end);
    lanes = std::max(lanes, axis.lanes);
  }
  step.arrays = {{"acc", f32, lanes, shape}};
  const std::vector<Affine> base = {0, 0, 2};
  TileWriter writer({nest, step, base, nullptr, [](const ir::Read&) { return false; }},
                    std::move(axes));
  CHECK(writer.lanes() == lanes);
  const AccumulatorRegister sums = [&](int32_t, const std::vector<Affine>& registers) {
    return ir::reg(f32, lanes, 0, registers);
  };
  const TileWriter::Sink set = [](const std::vector<ir::Expr>& values,
                                  const std::vector<Affine>& registers, const Piece&) {
    return stmt(ir::Set{0, registers, values[0]});
  };
  step.body = parts.empty() ? writer.write({nest.accumulators[0].update}, sums, set)
                            : writer.write(parts, sums, set);
  std::vector<ir::Buffer> buffers(3);
  const char* const names[] = {"x", "k", "y"};
  for (size_t b = 0; b < 3; ++b) buffers[b].name = names[b];
  std::string text = to_string(step, buffers);
  return text.substr(text.find("registers acc"));
}

} // namespace

TEST_CASE("elements of the vector axis are whole vectors together and partial ones alone") {
  for (const int32_t lanes : {0, 1, 4, 8})
    for (int64_t lo = 0; lo < 20; ++lo)
      for (int64_t hi = lo; hi < 24; ++hi) {
        const std::vector<Piece> pieces = pieces_of(lo, hi, lanes);
        std::vector<int> times(24, 0);
        for (const Piece& p : pieces) {
          REQUIRE(p.begin < p.end);
          const bool whole = p.first == 0 && p.count == std::max(lanes, 1);
          CHECK((whole || p.end == p.begin + 1));
          for (int64_t r = p.begin; r < p.end; ++r)
            for (int32_t l = p.first; l < p.first + p.count; ++l)
              ++times.at(static_cast<size_t>(r * std::max(lanes, 1) + l));
        }
        for (int64_t e = 0; e < 24; ++e)
          CHECK(times[static_cast<size_t>(e)] == (e >= lo && e < hi ? 1 : 0));
        CHECK(pieces.size() <= 3); // what is cut off on either side, and what lies between
      }
}

TEST_CASE("a weight vector is loaded once for all pixels, and a pixel once for all its vectors") {
  CHECK(code(product(), {{w, 0, pieces_of(0, 3, 0), "w_r"}, {o, 8, pieces_of(0, 16, 8), "o_v"}}) ==
        R"(registers acc[3][2]: f32x8
  registers x_: f32x8
  registers k_[2]: f32x8
  unroll o_v in 0..2:  k_[o_v] = load k[2, 8*o_v] x8
  unroll w_r in 0..3:
    x_ = splat x[w_r, 2]
    unroll o_v in 0..2:  acc[w_r][o_v] = fma(x_, k_[o_v], acc[w_r][o_v])
)");
}

TEST_CASE("with the axes the other way round, pixels are held and a weight passes") {
  CHECK(code(product(), {{o, 8, pieces_of(0, 16, 8), "o_v"}, {w, 0, pieces_of(0, 3, 0), "w_r"}}) ==
        R"(registers acc[2][3]: f32x8
  registers x_[3]: f32x8
  registers k_: f32x8
  unroll w_r in 0..3:  x_[w_r] = splat x[w_r, 2]
  unroll o_v in 0..2:
    k_ = load k[2, 8*o_v] x8
    unroll w_r in 0..3:  acc[o_v][w_r] = fma(x_[w_r], k_, acc[o_v][w_r])
)");
}

TEST_CASE("the last vector of a tile reads only the elements that there are") {
  CHECK(code(product(), {{w, 0, pieces_of(0, 2, 0), "w_r"}, {o, 8, pieces_of(0, 11, 8), "o_v"}}) ==
        R"(registers acc[2][2]: f32x8
  registers x_: f32x8
  registers k_[2]: f32x8
  k_[0] = load k[2, 0] x8
  k_[1] = load k[2, 8] x8 lanes 0..3 else 0
  unroll w_r in 0..2:
    x_ = splat x[w_r, 2]
    acc[w_r][0] = fma(x_, k_[0], acc[w_r][0])
    acc[w_r][1] = fma(x_, k_[1], acc[w_r][1])
)");
}

TEST_CASE("elements that compute something else each share what they read") {
  const ir::Expr pixels = ir::read(f32, 0, {w, i}), sum = ir::acc(f32, 0);
  const auto times = [&](double number) { return std::vector{fma(pixels, ir::imm(number), sum)}; };
  const auto vectors = pieces_of(0, 16, 8);
  CHECK(code(product(), {{o, 0, pieces_of(0, 3, 0), "o_r"}, {w, 8, vectors, "w_v"}},
             {{{pieces_of(0, 1, 0), vectors}, times(2)},
              {{pieces_of(2, 3, 0), vectors}, times(5)}}) ==
        R"(registers acc[3][2]: f32x8
  registers x_[2]: f32x8
  unroll w_v in 0..2:  x_[w_v] = load x[8*w_v, 2] x8 along dim 0
  unroll w_v in 0..2:  acc[0][w_v] = fma(x_[w_v], 2, acc[0][w_v])
  unroll w_v in 0..2:  acc[2][w_v] = fma(x_[w_v], 5, acc[2][w_v])
)");
}
