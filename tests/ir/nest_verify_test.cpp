#include "ir/nest.h"
#include "tests/ir/loops_small_conv.h"
#include "tests/support/catch.h"
#include "tests/support/findings.h"

#include <algorithm>
#include <functional>

using namespace volute;
using namespace volute::ir;

namespace {

constexpr ElementType f32 = ElementType::f32, i32 = ElementType::i32;
const Var h{0}, w{1}, o{2}, i{3}, kh{4}, kw{5};

// What is found in the small convolution after something in it is spoilt, one finding a line.
std::string found(const std::function<void(NestProgram&, Nest&)>& spoil) {
  NestProgram program = small_conv::nest_program();
  spoil(program, program.nests[0]);
  return tests::text_of(verify(program));
}
using P = NestProgram;
using N = Nest;

void set_update(Nest& nest, Expr update) { nest.accumulators[0].update = std::move(update); }
void set_value(Nest& nest, Expr value) { nest.writes[0].value = std::move(value); }

} // namespace

TEST_CASE("a well-formed nest has no findings") {
  CHECK(found([](P&, N&) {}) == "");
}

TEST_CASE("a nest that reads outside its operand is refused with the place and the numbers") {
  CHECK(found([](P&, N& nest) { nest.constraints.clear(); }) ==
        "nest conv: x[i, h + kh - 1, w + kw - 1]: h + kh - 1 lies in -1..7, outside 0..6 of "
        "dimension 1\n"
        "nest conv: x[i, h + kh - 1, w + kw - 1]: w + kw - 1 lies in -1..8, outside 0..7 of "
        "dimension 2");
  CHECK(found([](P&, N& nest) { nest.constraints[1].extent = 8; }) ==
        "nest conv: x[i, h + kh - 1, w + kw - 1]: w + kw - 1 lies in 0..8, outside 0..7 of "
        "dimension 2");
  // The constraints hold where sums are taken, not where they start or end.
  CHECK(found([](P&, N& nest) {
          nest.accumulators[0].initial = read(f32, 0, {0, Affine(h) - 1, w});
        }) == "nest conv: x[0, h - 1, w]: h - 1 lies in -1..5, outside 0..6 of dimension 1");
  CHECK(found([](P&, N& nest) { nest.writes[0].index[2] = Affine(o) + 1; }) ==
        "nest conv: y[h, w, o + 1]: o + 1 lies in 1..5, outside 0..4 of dimension 2");
}

TEST_CASE("a subscript is bounded by a constraint on the same expression, a multiple of it too") {
  CHECK(found([](P&, N& nest) {
          nest.operands[0].dims = contiguous({2, 13, 7});
          nest.operands[0].buffer = 1;
          nest.operands[1].dims = contiguous({2, 3, 3, 1});
          set_update(nest, read(f32, 0, {0, 2 * (Affine(h) + kh - 1) + 1, 0}));
        }).find("lies in") == std::string::npos);
}

TEST_CASE("tables must have the entry, and the entries must be inside the operand") {
  const auto through = [](std::vector<int64_t> table) {
    return found([&](P&, N& nest) {
      nest.tables = {std::move(table)};
      set_value(nest, read(f32, 2, {{Affine(h), 0}}));
    });
  };
  CHECK(through({3, 2, 1, 0, 1, 2}) == "");
  CHECK(through({3, 2, 1, 0, 1, 2, 99}) == ""); // an entry that no point picks
  CHECK(through({3, 2, 1, 0}) ==
        "nest conv: b[table0[h]]: entry h of table0 lies in 0..6, outside its 4 entries");
  CHECK(through({3, 2, 1, 0, 1, 4}) ==
        "nest conv: b[table0[h]]: table0 gives 0..5, outside 0..4 of dimension 0");
  CHECK(through({3, 2, -1, 0, 1, 2}) ==
        "nest conv: b[table0[h]]: table0 gives -1..4, outside 0..4 of dimension 0");
  CHECK(found([](P&, N& nest) {
          set_value(nest, read(f32, 2, {{Affine(h), 3}}));
        }) == "nest conv: b: table 3 of 0 does not exist");
}

TEST_CASE("ids of a nest must be in range") {
  CHECK(found([](P&, N& nest) { nest.operands[0].buffer = 4; }) ==
        "nest conv: view x: buffer 4 of 4 does not exist");
  CHECK(found([](P&, N& nest) { nest.axes[0].var.id = 6; }) ==
        "nest conv: axis: variable 6 of 6 does not exist");
  CHECK(found([](P&, N& nest) {
          nest.parameters = {{Var{9}, {}}};
        }) == "nest conv: parameter: variable 9 of 6 does not exist");
  CHECK(found([](P&, N& nest) { nest.writes[0].operand = -1; }) ==
        "nest conv: writes operand -1 of 4");
  CHECK(found([](P&, N& nest) { set_update(nest, read(f32, 7, {})); }) ==
        "nest conv: view 7 of 4 does not exist");
  CHECK(found([](P&, N& nest) { set_update(nest, acc(f32, 1)); }) ==
        "nest conv: acc: accumulator 1 of 1 does not exist");
  CHECK(found([](P&, N& nest) { set_value(nest, read(f32, 2, {Var{40}})); }) ==
        "nest conv: b: variable 40 of 6 does not exist");
  CHECK(found([](P&, N& nest) { nest.writes.clear(); }) == "nest conv: writes nothing");
}

TEST_CASE("axes are declared once, with extents of at least 1, parallel ones first") {
  CHECK(found([](P&, N& nest) { nest.axes[0].extent = 0; }) ==
        "nest conv: axis h has extent 0; extents are at least 1");
  CHECK(found([](P&, N& nest) {
          nest.axes.push_back({h, 2, true});
        }) == "nest conv: axis h is declared twice");
  CHECK(found([](P&, N& nest) { std::swap(nest.axes[2], nest.axes[3]); }) ==
        "nest conv: parallel axis o comes after a reduction axis");
  CHECK(found([](P&, N& nest) { nest.axes[1].extent = h; }) ==
        "nest conv: extent of axis w: h has no value here");
  CHECK(found([](P& program, N& nest) {
          nest.vars.push_back("n");
          nest.parameters = {{Var{6}, {}}};
          program.parameters = {{"m", {}}};
        }) == "nest conv: parameter n is not one of the program's");
}

TEST_CASE("views have positive extents and fit their buffer") {
  CHECK(found([](P&, N& nest) { nest.operands[2].dims[0].extent = 0; }) ==
        "nest conv: view b: dimension 0 has extent 0; extents are at least 1");
  CHECK(found([](P&, N& nest) { nest.operands[2].dims[0].stride = 2; }) ==
        "nest conv: view b: elements 0..7 of buffer b, which holds 4");
  CHECK(found([](P&, N& nest) { nest.operands[2].dims[0].stride = -1; }) ==
        "nest conv: view b: elements -3..1 of buffer b, which holds 4");
  CHECK(found([](P&, N& nest) { nest.operands[2].dims[0].extent = w; }) ==
        "nest conv: view b: w has no value here");
}

TEST_CASE("buffers have a size, and tables their data") {
  CHECK(found([](P& program, N&) { program.buffers[0].elements = int64_t{1} << 62; }) ==
        "small: buffer x: 4611686018427387904 elements of f32 are not a size");
  CHECK(found([](P& program, N&) {
          program.buffers[0].type = TensorType{f32, {{Axis::c, 0}, {Axis::w, 3}}};
        }) == "small: buffer x: 84 elements, but its type f32[c=0, w=3] has 0");
  CHECK(found([](P& program, N&) { program.buffers[0].role = Buffer::Role::table; }) ==
        "small: buffer x: a table of 336 bytes with 0 bytes of data");
}

TEST_CASE("variables are used where they have values") {
  CHECK(found([](P&, N& nest) { nest.accumulators[0].initial = read(f32, 2, {kh}); }) ==
        "nest conv: b: kh has no value here");
  CHECK(found([](P&, N& nest) { nest.writes[0].index[0] = kh; }) ==
        "nest conv: y: kh has no value here");
  CHECK(found([](P&, N& nest) {
          nest.accumulators[0].initial = convert_to(f32, position(kh, i32));
        }) == "nest conv: acc: kh has no value here");
  CHECK(found([](P&, N& nest) {
          nest.constraints[0].extent = w;
        }).find("nest conv: where: w has no value here") == 0);
  CHECK(found([](P&, N& nest) { nest.accumulators[0].initial = acc(f32, 0); }) ==
        "nest conv: acc: reads accumulator acc before there is one");
  CHECK(found([](P&, N& nest) {
          set_value(nest, read(f32, 2, {Affine(o) * (int64_t{1} << 61)}));
        }) == "nest conv: b: the number 2305843009213693952 is too large for an index");
}

TEST_CASE("element types and lanes are consistent") {
  const Expr x = imm(0), n = imm_integer(0, i32);
  const auto in_update = [](Expr update) {
    return found([&](P&, N& nest) { set_update(nest, update); });
  };
  CHECK(in_update(n) == "nest conv: acc is f32, but its value is i32");
  CHECK(in_update(x + n) == "nest conv: +: an operand is i32 where f32 is needed");
  CHECK(in_update(fma(x, x, n)) == "nest conv: fma: an operand is i32 where f32 is needed");
  CHECK(in_update(select(Compare::lt, x, n, x, x)) ==
        "nest conv: select: an operand is i32 where f32 is needed");
  CHECK(in_update(binary(BinaryFn::bit_and, x, x)) ==
        "nest conv: &: needs an integer type, not f32");
  CHECK(in_update(convert_to(f32, unary(UnaryFn::sqrt, n))) ==
        "nest conv: sqrt: needs a float type, not i32");
  CHECK(in_update(bitcast_to(f32, imm(0, ElementType::f64))) ==
        "nest conv: bitcast: f64 has 8 bytes and f32 has 4");
  CHECK(in_update(convert_to(f32, flushed_bf16(n))) ==
        "nest conv: bf16_flushed: an operand is i32 where f32 is needed");
  CHECK(in_update(convert_to(f32, cut_bf16(n))) ==
        "nest conv: bf16_cut: an operand is i32 where f32 is needed");
  CHECK(in_update(position(h, f32)) == "nest conv: position: needs an integer type, not f32");
  CHECK(in_update(splat_to(4, x)) == "nest conv: acc is f32, but its value is f32x4\n"
                                     "nest conv: acc: a value of 4 lanes; in a nest there is one");
  CHECK(in_update(imm(0, f32, 65)).find("value: 65 lanes; a value has 1 to 64") !=
        std::string::npos);
  CHECK(in_update(acc(i32, 0)).find("acc: reads accumulator acc as i32, but it is f32") !=
        std::string::npos);
  CHECK(in_update(read(i32, 2, {0})).find("b: its elements are f32, not i32") != std::string::npos);
  CHECK(in_update(read(f32, 2, {})) == "nest conv: b: 0 subscripts for 1 dimensions");
  CHECK(in_update(reg(f32, 1, 0, {})) ==
        "nest conv: acc: views and registers belong to the loops language");
  CHECK(in_update(x + nullptr) == "nest conv: acc: a value is missing");
  CHECK(in_update(dot(4, x, x, x)) == "nest conv: dot: 4 of f32 and f32 do not fill a lane of f32");
}

TEST_CASE("only outputs and what lies between are written") {
  const auto as = [](Buffer::Role role) {
    return found([&](P& program, N&) { program.buffers[3].role = role; });
  };
  CHECK(as(Buffer::Role::input) == "nest conv: y: writes buffer y, which is read only (input)");
  CHECK(as(Buffer::Role::intermediate) == "");
  CHECK(as(Buffer::Role::scratch) == "");
}

TEST_CASE("no two parallel points write one element") {
  CHECK(found([](P&, N& nest) { nest.writes[0].index[0] = 0; }) ==
        "nest conv: y: two points write one element: h does not move the element");
  CHECK(found([](P&, N& nest) {
          nest.operands[3].dims[0].stride = 4;
          nest.operands[3].dims[0].extent = 6;
        }) == "nest conv: y: two points write one element: one step of w moves it by 4, and the "
              "axes inside by up to 23");
  // Every other element, in two interleaved halves: the phases of a transposed convolution.
  CHECK(found([](P&, N& nest) {
          nest.operands[3].dims = contiguous({3, 14, 4});
          nest.axes[0].extent = 3;
          nest.writes[0].index[1] = 2 * Affine(w) + 1;
        }) == "");
}

TEST_CASE("points that the domain leaves out write nothing") {
  // y[h, w, o] with columns of rows 56 apart; h is cut into 3 bands of 6, of 14 the last has 2.
  const auto cut = [](int64_t rows) {
    return found([&](P& program, N& nest) {
      program.buffers[3].elements = 500;
      program.buffers[3].type.reset();
      program.buffers[3].role = Buffer::Role::intermediate;
      const Var band{static_cast<int32_t>(nest.vars.size())};
      nest.vars.emplace_back("band");
      nest.axes.insert(nest.axes.begin(), {band, 3, false, AxisRole::band});
      const Affine row = Affine(band) * 6 + Affine(h);
      nest.domain = {{row, rows}};
      nest.writes[0].index[0] = row;
      nest.operands[3].dims[0] = {rows, 4};
      nest.operands[3].dims[1] = {7, 56};
    });
  };
  CHECK(cut(14) == "");
  CHECK(cut(18).find("two points write one element: one step of w moves it by 56") !=
        std::string::npos);
}

TEST_CASE("a nest is computed at an axis of a later nest") {
  const auto placed = [](int32_t consumer, Var axis, bool swap = false) {
    return found([&](P& program, N&) {
      program.nests.push_back(program.nests[0]);
      program.nests[1].name = "next";
      program.nests[swap ? 1 : 0].placement = Placement{consumer, axis};
    });
  };
  CHECK(placed(1, h) == "");
  CHECK(placed(1, kh) == "nest conv: computed at kh of next, which is no parallel axis of it");
  CHECK(placed(1, Var{99}) ==
        "nest conv: computed at axis 99 of next, which is no parallel axis of it");
  CHECK(placed(1, Var{}) ==
        "nest conv: computed at axis -1 of next, which is no parallel axis of it");
  CHECK(placed(2, h) == "nest conv: computed at nest 2 of 2");
  CHECK(placed(0, h, true) == "nest next: computed at conv, which does not come after it");
}
