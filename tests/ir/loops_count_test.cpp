// count_fmas against the count of every iteration, on loops clipped in all the ways that borders,
// tiles, bands and dilations clip them; and on loops too long to walk.
#include "ir/loops.h"
#include "ir/walk.h"
#include "tests/support/catch.h"
#include "tests/support/dice.h"

#include <algorithm>
#include <map>

using namespace volute;
using namespace volute::ir;

namespace {

const Stmt multiply = stmt(Set{0, {}, fma(imm(1), imm(2), imm(3))});

// By running every iteration.
int64_t walked(const Stmt& s, std::map<Var, int64_t>& values) {
  const auto at = [&](const Affine& a) { return a.evaluate([&](Var v) { return values[v]; }); };
  if (const auto* block = std::get_if<Block>(&s->is)) {
    int64_t sum = 0;
    for (const Stmt& inner : block->stmts) sum += walked(inner, values);
    return sum;
  }
  if (const auto* when = std::get_if<When>(&s->is)) {
    const int64_t value = at(when->value);
    return when->lo <= value && value < when->hi ? walked(when->body, values) : 0;
  }
  if (const auto* loop = std::get_if<For>(&s->is)) {
    int64_t begin = INT64_MIN, end = INT64_MAX, sum = 0;
    for (const Bound& b : loop->range.lo)
      begin = std::max(begin, ceil_div(at(b.numerator), b.divisor));
    for (const Bound& b : loop->range.hi) end = std::min(end, ceil_div(at(b.numerator), b.divisor));
    for (int64_t i = begin; i < end; ++i) values[loop->var] = i, sum += walked(loop->body, values);
    return sum;
  }
  return std::holds_alternative<Set>(s->is) ? 1 : 0;
}

int64_t walked(const Step& step, std::map<Var, int64_t>& values, size_t item = 0) {
  if (item == step.items.size()) return walked(step.body, values);
  int64_t sum = 0;
  for (int64_t i = 0; i < step.items[item].count.number(); ++i)
    values[step.items[item].var] = i, sum += walked(step, values, item + 1);
  return sum;
}

Step step_of(std::vector<ItemLoop> items, Stmt body) {
  Step step;
  step.name = "count";
  step.items = std::move(items);
  step.arrays = {{"acc", ElementType::f32, 1, {}}};
  step.body = std::move(body);
  return step;
}

// 0 <= position + spacing * k < extent, for a tap k of `taps`.
Stmt taps(Var k, int64_t count, const Affine& position, int64_t spacing, int64_t extent,
          Stmt body) {
  const Range inside = {{{0, 1}, {position * -1, spacing}},
                        {{count, 1}, {Affine(extent) - position, spacing}}};
  return for_loop(k, inside, For::Kind::serial, std::move(body));
}

/// Statements looked at for one count.
int64_t met(const Step& step) {
  const int64_t before = nodes_walked();
  count_fmas(step);
  return nodes_walked() - before;
}

} // namespace

TEST_CASE("loops clipped at borders are counted as they run") {
  tests::Dice dice(11);
  for (int round = 0; round < 400; ++round) {
    // An axis: tiles, elements of a tile, taps; perhaps another around it.
    Step step;
    Stmt body = multiply;
    int32_t next = 0;
    for (int64_t axis = dice.between(1, 2); axis > 0; --axis) {
      const Var outer{next++}, inner{next++}, tap{next++};
      const int64_t tile = dice.between(1, 5), tiles = dice.between(1, 40);
      const int64_t count = dice.between(1, 12), spacing = dice.between(1, 4);
      const int64_t stride = dice.between(1, 3), pad = dice.between(0, 40);
      const int64_t input = dice.between(1, 60);
      const Affine place = Affine(outer) * tile + Affine(inner);
      body = taps(tap, count, place * stride - pad, spacing, input, std::move(body));
      if (dice.once_in(3))
        body = stmt(When{outer, dice.between(0, 3), dice.between(4, 40), std::move(body)});
      const Range rows = dice.once_in(2)
                             ? Range::of(0, tile)
                             : Range{{{0, 1}, {dice.between(0, 9) - place + Affine(inner), 1}},
                                     {{tile, 1}, {Affine(tile * tiles - 3) - place + inner, 1}}};
      body = for_loop(inner, rows, For::Kind::serial, std::move(body));
      if (dice.once_in(2))
        body = for_loop(outer, Range::of(0, tiles), For::Kind::serial, std::move(body));
      else
        step.items.push_back({outer, tiles});
    }
    step.body = body;
    std::map<Var, int64_t> values;
    CAPTURE(round);
    REQUIRE(count_fmas(step) == walked(step, values));
  }
}

TEST_CASE("a loop inside whose beginning moves is counted as it runs") {
  const Var i{0}, j{1}, k{2};
  for (const int64_t divisor : {1, 2, 3}) {
    // j below i / divisor, and k below what is left of 20 behind 3 * j
    const Stmt inner =
        for_loop(k, {{{0, 1}}, {{5, 1}, {20 - 3 * Affine(j), 2}}}, For::Kind::serial, multiply);
    const Stmt middle = for_loop(j, {{{0, 1}}, {{Affine(i), divisor}}}, For::Kind::serial, inner);
    const Step step = step_of({{i, 50}}, middle);
    std::map<Var, int64_t> values;
    CHECK(count_fmas(step) == walked(step, values));
  }
}

TEST_CASE("counting takes as long for a long loop as for a short one") {
  const Var h{0}, w{1}, kh{2}, kw{3};
  const auto padded = [&](int64_t pad, int64_t image, int64_t kernel) {
    const int64_t outputs = image + 2 * pad - kernel + 1;
    return step_of({{h, outputs}, {w, outputs}},
                   taps(kh, kernel, Affine(h) - pad, 1, image,
                        taps(kw, kernel, Affine(w) - pad, 1, image, multiply)));
  };
  // Each of the image's rows meets each of the kernel's, where the padding has room for that.
  struct Layer {
    int64_t pad, image, kernel, fmas;
  };
  for (const Layer& layer : {Layer{1, 8, 3, 22 * 22},
                             {1000, 8, 3, 24 * 24},
                             {1'000'000'000, 8, 3, 24 * 24},
                             {40'000, 40'000, 30'000, 1'200'000'000ll * 1'200'000'000}}) {
    const Step step = padded(layer.pad, layer.image, layer.kernel);
    CAPTURE(layer.pad, layer.image, layer.kernel);
    CHECK(count_fmas(step) == layer.fmas);
    CHECK(met(step) < 20'000);
  }
  // Rows in tiles of 14, in a strided image, with every third tap.
  const auto tiled = [&](int64_t tiles) {
    const Affine row = 14 * 2 * Affine(h) + 2 * Affine(w);
    return step_of({{h, tiles}}, for_loop(w, Range::of(0, 14), For::Kind::serial,
                                          taps(kh, 7, row - 9, 3, 28 * tiles, multiply)));
  };
  std::map<Var, int64_t> values;
  CHECK(count_fmas(tiled(50)) == walked(tiled(50), values));
  const int64_t a_tile = walked(tiled(51), values) - walked(tiled(50), values);
  CHECK(count_fmas(tiled(1'000'000)) == walked(tiled(50), values) + a_tile * (1'000'000 - 50));
  CHECK(met(tiled(1'000'000)) < 20'000);
}
