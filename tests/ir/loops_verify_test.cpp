#include "ir/loops.h"
#include "tests/ir/loops_small_conv.h"
#include "tests/support/catch.h"
#include "tests/support/findings.h"

#include <functional>

using namespace volute;
using namespace volute::ir;

namespace {

constexpr ElementType f32 = ElementType::f32, i32 = ElementType::i32;
constexpr auto serial = For::Kind::serial, unrolled = For::Kind::unrolled;
const Var h{0}, r{1}, i{2}, kh{3}, kw{4};

// What is found in the small convolution after something in it is spoilt, one finding a line.
std::string found(const std::function<void(LoopProgram&, Step&)>& spoil) {
  LoopProgram program = small_conv::loop_program();
  spoil(program, program.steps[0]);
  return tests::text_of(verify(program));
}
// The same with another body.
std::string in_body(Stmt body) {
  return found([&](LoopProgram&, Step& step) { step.body = std::move(body); });
}
using P = LoopProgram;

Stmt set(std::vector<Affine> index, Expr value) {
  return stmt(Set{0, std::move(index), std::move(value)});
}
const Expr zeros = imm(0, f32, 4);

Expr bias(Affine at, int32_t lanes, int64_t step = 1, int32_t first = 0, int32_t count = -1) {
  Load l{2, {std::move(at)}};
  l.lane_dim = 0;
  l.lane_step = step;
  l.first = first;
  l.count = count < 0 ? lanes : count;
  return load(f32, lanes, l);
}

Stmt store(Index index, int32_t count, Expr value, int32_t lane_dim = 2, int64_t step = 1) {
  Store s;
  s.view = 3;
  s.index = std::move(index);
  s.lane_dim = lane_dim;
  s.lane_step = step;
  s.count = count;
  s.value = std::move(value);
  return stmt(std::move(s));
}

} // namespace

TEST_CASE("a well-formed step has no findings") {
  CHECK(found([](P&, Step&) {}) == "");
}

TEST_CASE("an access outside its view is refused with the place and the numbers") {
  CHECK(in_body(store({h, Affine(h) + 2, 0}, 4, zeros)) ==
        "step conv: y[h, h + 2, 0]: h + 2 lies in 2..8, outside 0..7 of dimension 1");
  const auto over = [&](Range rows) {
    return in_body(for_loop(kh, rows, serial, store({Affine(h) + kh - 1, 0, 0}, 4, zeros)));
  };
  CHECK(over({{{0, 1}, {1 - Affine(h), 1}}, {{3, 1}, {7 - Affine(h), 1}}}) == "");
  CHECK(over({{{0, 1}}, {{3, 1}, {7 - Affine(h), 1}}}) ==
        "step conv: y[h + kh - 1, 0, 0]: h + kh - 1 lies in -1..6, outside 0..6 of dimension 0");
  CHECK(over({{{0, 1}, {1 - Affine(h), 1}}, {{3, 1}, {8 - Affine(h), 1}}}) ==
        "step conv: y[h + kh - 1, 0, 0]: h + kh - 1 lies in 0..7, outside 0..6 of dimension 0");
}

TEST_CASE("only lanes that are read or written must be inside") {
  CHECK(in_body(set({0}, bias(0, 4))) == "");
  CHECK(in_body(set({0}, bias(1, 4, 1, 0, 3))) == "");
  CHECK(in_body(set({0}, bias(-1, 4, 1, 1, 3))) == "");
  CHECK(in_body(set({0}, bias(3, 4, -1))) == "");
  CHECK(in_body(set({0}, bias(100, 4, 1, 0, 0))) == "");
  CHECK(in_body(set({0}, bias(1, 4))) ==
        "step conv: b[1]: 4 lies in 4..5, outside 0..4 of dimension 0");
  CHECK(in_body(set({0}, bias(2, 4, -1))) ==
        "step conv: b[2]: -1 lies in -1..0, outside 0..4 of dimension 0");
  CHECK(in_body(store({h, 0, 2}, 2, zeros)) == "");
  CHECK(in_body(store({h, 0, 2}, 3, zeros)) ==
        "step conv: y[h, 0, 2]: 4 lies in 4..5, outside 0..4 of dimension 2");
}

TEST_CASE("when narrows what it tests inside its body") {
  const Stmt body = store({Affine(h) + 2, 0, 0}, 4, zeros);
  CHECK(in_body(stmt(When{h, 0, 4, body})) == "");
  CHECK(in_body(stmt(When{2 * Affine(h) + 1, 0, 8, body})) == "");
  CHECK(in_body(stmt(When{h, 0, 5, body})) ==
        "step conv: y[h + 2, 0, 0]: h + 2 lies in 2..7, outside 0..6 of dimension 0");
  CHECK(in_body(stmt(When{kh, 0, 5, body})) == "step conv: when: kh has no value here");
}

TEST_CASE("a load through a table takes the entries that it can pick") {
  const auto through = [&](std::vector<int64_t> table, Range range) {
    return found([&](P&, Step& step) {
      step.tables = {std::move(table)};
      Load l{2, {{Affine(kh), 0}}};
      step.body = for_loop(kh, range, serial, set({0}, splat_to(4, load(f32, 1, l))));
    });
  };
  CHECK(through({9, 3, 0, 9}, Range::of(1, 3)) == "");
  CHECK(through({9, 3, 0, 9}, Range::of(1, 4)) ==
        "step conv: b[table0[kh]]: table0 gives 0..10, outside 0..4 of dimension 0");
  CHECK(through({9, 3}, Range::of(1, 3)) ==
        "step conv: b[table0[kh]]: entry kh of table0 lies in 1..3, outside its 2 entries");
}

TEST_CASE("a register is set before it is read, on every path") {
  const Expr second = reg(f32, 4, 0, {1});
  const std::string message = "step conv: acc[1] is read before it is certainly set";
  const Stmt use = store({h, 0, 0}, 4, second), define = set({1}, zeros);
  CHECK(in_body(use) == message);
  CHECK(in_body(block({define, use})) == "");
  CHECK(in_body(set({1}, second)) == message);
  const auto loop = [&](Range range) { return for_loop(kh, range, serial, define); };
  CHECK(in_body(block({loop(Range::of(0, 3)), use})) == "");
  // Runs for every h but the last: sets nothing for certain.
  CHECK(in_body(block({loop({{{0, 1}, {Affine(h), 1}}, {{5, 1}}}), use})) == message);
  CHECK(in_body(block({loop({{{0, 1}, {Affine(h), 1}}, {{6, 1}}}), use})) == "");
  CHECK(in_body(block({stmt(When{h, 0, 5, define}), use})) == message);
  CHECK(in_body(block({stmt(When{h, 0, 6, define}), use})) == "");
  CHECK(in_body(stmt(When{h, 0, 5, block({define, use})})) == "");
  // The second run would find what the first one has set, but the first one does not.
  CHECK(in_body(for_loop(kh, Range::of(0, 3), serial, block({use, define}))) == message);
  CHECK(in_body(for_loop(r, Range::of(0, 3), unrolled, block({set({Affine(r)}, zeros), use}))) ==
        message);
  CHECK(in_body(block({for_loop(r, Range::of(0, 3), unrolled, set({Affine(r)}, zeros)), use})) ==
        "");
}

TEST_CASE("registers are indexed inside their shape by unrolled variables") {
  CHECK(in_body(set({7}, zeros)) == "step conv: acc: 7 lies in 7..8, outside 0..7 of dimension 0");
  CHECK(in_body(for_loop(r, Range::of(0, 4), unrolled, set({2 * Affine(r) + 1}, zeros))) ==
        "step conv: acc: 2*r + 1 lies in 1..8, outside 0..7 of dimension 0");
  CHECK(in_body(for_loop(r, Range::of(0, 4), serial, set({r}, zeros))) ==
        "step conv: acc: is indexed by r, whose loop is not unrolled");
  CHECK(in_body(set({}, zeros)) == "step conv: acc: 0 subscripts for 1 dimensions");
  CHECK(in_body(stmt(Set{3, {}, zeros})) == "step conv: register array 3 of 1 does not exist");
  CHECK(in_body(set({0}, imm(0, f32, 8))) == "step conv: acc: its registers are f32x4, not f32x8");
  CHECK(in_body(block({set({0}, zeros), set({1}, convert_to(f32, reg(i32, 4, 0, {0})))})) ==
        "step conv: acc: its registers are f32x4, not i32x4");
}

TEST_CASE("lanes and types are consistent") {
  const Expr one = imm(0);
  CHECK(in_body(set({0}, zeros + one)) == "step conv: +: an operand is f32 where f32x4 is needed");
  CHECK(in_body(set({0}, bias(0, 4, 1, 2, 3))) == "step conv: load: lanes 2..5 of 4");
  CHECK(in_body(set({0}, bias(0, 4, 1, -1, 2))) == "step conv: load: lanes -1..1 of 4");
  CHECK(in_body(store({h, 0, 0}, 5, zeros)) == "step conv: store: 5 lanes of 4");
  CHECK(in_body(store({h, 0, 0}, 0, zeros)) == "step conv: store: 0 lanes of 4");
  CHECK(in_body(store({h, 0, 0}, 4, zeros, 2, 0)) ==
        "step conv: store: all lanes go to one element");
  CHECK(in_body(store({h, 0, 0}, 4, zeros, 3)) == "step conv: y: lanes along dimension 3 of 3");
  CHECK(in_body(store({h, 0, 0}, 4, zeros, -1)) == "step conv: y: 4 lanes along no dimension");
  CHECK(in_body(store({h, 0, 0}, 4, zeros, 2, int64_t{1} << 62)) ==
        "step conv: y: lanes 4611686018427387904 apart");
  CHECK(in_body(store({h, 0, 0}, 4, imm_integer(0, i32, 4))) ==
        "step conv: y: its elements are f32, not i32");
  CHECK(in_body(store({h, 0, 0}, 4, splat_to(4, splat_to(2, one)))) == "");
  CHECK(in_body(store({h, 0, 0}, 4, splat_to(4, splat_to(3, one)))) ==
        "step conv: splat: 3 lanes do not divide 4");
  CHECK(in_body(set({0}, splat_to(4, read(f32, 0, {})))) ==
        "step conv: acc: operands and accumulators belong to the nest language");
  CHECK(in_body(set({0}, nullptr)) == "step conv: acc: a value is missing");
  CHECK(in_body(store({h, 0, 0}, 1, nullptr)) == "step conv: store: a value is missing");
  const Expr bytes = imm_integer(0, ElementType::u8, 16);
  const auto stored = [](Expr sum) {
    return in_body(store({h, 0, 0}, 4, convert_to(f32, std::move(sum))));
  };
  CHECK(stored(dot(4, imm_integer(0, i32, 4), bytes, bytes)) == "");
  CHECK(stored(dot(4, imm_integer(0, i32, 4), bytes, imm_integer(0, ElementType::i8, 8))) ==
        "step conv: dot: an operand is i8x8 where i8x16 is needed");
}

TEST_CASE("a scatter's place and all that may lie behind it are inside the buffer") {
  const Expr offset = imm_integer(0, ElementType::i64);
  const auto scattered = [&](Index index, int64_t extent, Expr to, Expr value = imm(1)) {
    return in_body(stmt(Scatter{3, std::move(index), std::move(to), extent, std::move(value)}));
  };
  // y is 6 x 7 x 4; behind row h lie 168 - 28 * h elements.
  CHECK(scattered({h, 0, 0}, 28, offset) == "");
  CHECK(scattered({h, 0, 0}, 29, offset) ==
        "step conv: scatter: reaches elements 0..169 of buffer y, which holds 168");
  CHECK(scattered({Affine(h) + 1, 0, 0}, 1, offset) ==
        "step conv: y[h + 1, 0, 0]: h + 1 lies in 1..7, outside 0..6 of dimension 0");
  CHECK(scattered({h, 0, 0}, 0, offset) == "step conv: scatter: extent 0; extents are at least 1");
  CHECK(scattered({h, 0, 0}, 28, imm_integer(0, i32)) ==
        "step conv: scatter: the offset is i32, not i64");
  CHECK(scattered({h, 0, 0}, 28, offset, imm(0, f32, 2)) ==
        "step conv: scatter: the value has 2 lanes, not 1");
  CHECK(scattered({h, 0, 0}, 28, nullptr) == "step conv: scatter: a value is missing");
  CHECK(scattered({h, 0, 0}, 28, offset, imm_integer(0, i32)) ==
        "step conv: y: its elements are f32, not i32");
  CHECK(in_body(stmt(Scatter{0, {0, 0, 0}, offset, 1, imm(1)})) ==
        "step conv: x: writes buffer x, which is read only (input)");
}

TEST_CASE("scratch buffers lie in the step's scratch memory and apart") {
  const auto placed = [](int64_t first, int64_t second, int64_t bytes, bool one_buffer = false) {
    return found([&](P& program, Step& step) {
      for (const auto& [name, offset] : {std::pair("s", first), std::pair("t", second)}) {
        Buffer scratch = small_conv::buffer(name, Buffer::Role::scratch, 20);
        scratch.scratch_offset = offset;
        program.buffers.push_back(scratch);
      }
      step.scratch_bytes = bytes;
      step.views.push_back({"s", 4, f32, contiguous({20})});
      step.views.push_back({"t", one_buffer ? 4 : 5, f32, contiguous({20})});
    });
  };
  CHECK(placed(0, 128, 208) == "");
  CHECK(placed(128, 0, 208) == "");
  CHECK(placed(0, 128, 207) == "step conv: scratch t: 80 bytes at 128 do not fit in 207");
  CHECK(placed(0, 64, 256) == "step conv: scratch t at 64 overlaps s at 0");
  CHECK(placed(64, 64, 256) == "step conv: scratch t at 64 overlaps s at 64");
  CHECK(placed(0, 0, 256, true) == "");
  CHECK(placed(0, 80, 256) == "step conv: scratch t: offset 80 is not a multiple of 64");
  CHECK(placed(-64, 128, 256) == "step conv: scratch s: offset -64 is not a multiple of 64");
  CHECK(placed(int64_t{1} << 62, 0, 256) ==
        "step conv: scratch s: 80 bytes at 4611686018427387904 do not fit in 256");
}

TEST_CASE("lanes of a position are not too far apart") {
  const auto counted = [](int64_t step) {
    return in_body(store(
        {h, 0, 0}, 4,
        convert_to(f32, std::make_shared<const ExprNode>(ExprNode{i32, 4, Position{h, step}}))));
  };
  CHECK(counted(-5) == "");
  CHECK(counted(INT64_MIN) == "step conv: position: lanes -9223372036854775808 apart");
}

TEST_CASE("what only may be read is not written") {
  CHECK(found([](P& program, Step&) { program.buffers[3].role = Buffer::Role::input; }) ==
        "step conv: y: writes buffer y, which is read only (input)");
  CHECK(found([](P& program, Step&) { program.buffers[3].role = Buffer::Role::intermediate; }) ==
        "");
}

TEST_CASE("loops have variables of their own, bounds, and constants where they are unrolled") {
  const Stmt body = stmt(Fence{});
  CHECK(in_body(stmt(For{Var{5}, Range::of(0, 2), serial, body})) ==
        "step conv: loop: variable 5 of 5 does not exist");
  CHECK(in_body(stmt(For{h, Range::of(0, 2), serial, body})) ==
        "step conv: loop: h is the variable of a loop around this one");
  CHECK(in_body(stmt(For{kh, {{{0, 1}}, {}}, serial, body})) ==
        "step conv: loop kh: a bound is missing");
  CHECK(in_body(stmt(For{kh, {{{0, 1}}, {{3, 0}}}, serial, body})) ==
        "step conv: loop kh: a bound is divided by 0");
  CHECK(in_body(stmt(For{kh, {{{kw, 1}}, {{3, 1}}}, serial, body})) ==
        "step conv: loop kh: kw has no value here");
  CHECK(in_body(stmt(For{kh, {{{h, 1}}, {{3, 1}}}, unrolled, body})) ==
        "step conv: loop kh: is unrolled, but its bounds depend on h");
  // One after the other, two loops may share a variable.
  const Stmt loop = stmt(For{kh, Range::of(0, 2), serial, body});
  CHECK(in_body(block({loop, loop})) == "");
  CHECK(in_body(stmt(For{kh, Range::of(0, 2), serial, nullptr})) ==
        "step conv: a statement is missing");
  CHECK(in_body(nullptr) == "step conv: has no body");
  CHECK(in_body(for_loop(r, Range::of(0, int64_t{1} << 40), unrolled, body)) ==
        "step conv: unrolls to more than 2000000 statements");
}

TEST_CASE("items and register arrays have sizes") {
  CHECK(found([](P&, Step& step) { step.items[0].count = 0; }) ==
        "step conv: items: h has 0 of them");
  CHECK(found([](P&, Step& step) {
          step.items = {{h, int64_t{1} << 40}, {i, int64_t{1} << 40}};
        }) == "step conv: items: more than 2^63 of them");
  CHECK(found([](P&, Step& step) { step.arrays[0].lanes = 65; }) ==
        "step conv: registers acc: 65 lanes; a register has 1 to 64");
  CHECK(found([](P&, Step& step) { step.arrays[0].shape = {0}; }) ==
        "step conv: registers acc: extent 0; extents are at least 1");
  CHECK(found([](P&, Step& step) {
          step.arrays[0].shape = {4096, 2};
        }) == "step conv: registers acc: more than 4096 of them");
  CHECK(found([](P&, Step& step) { step.scratch_bytes = -1; }) == "step conv: -1 bytes of scratch");
}

TEST_CASE("a transpose needs room for what it turns around") {
  const auto transposed = [](RegisterArray to, Transpose transpose, bool defined = true,
                             int32_t stored = 3) {
    return found([&](P&, Step& step) {
      step.arrays.push_back(std::move(to));
      const Stmt define = for_loop(r, Range::of(0, 7), unrolled, set({r}, zeros));
      step.body = block({defined ? define : block({}), stmt(transpose),
                         store({h, 0, 0}, stored, reg(f32, 4, transpose.to, {3}))});
    });
  };
  const RegisterArray rows = {"rows", f32, 4, {4}};
  const std::string subject = "step conv: transpose acc to rows: ";
  CHECK(transposed(rows, {1, 0, {0}, 0, 3}) == "");
  CHECK(transposed(rows, {1, 0, {4}, 0, 3}) == "");
  CHECK(transposed(rows, {1, 0, {0}, 0, 4}, true, 4) == "");
  CHECK(transposed(rows, {1, 0, {0}, 0, 3}, true, 4) ==
        "step conv: rows[3] is read beyond its first 3 lanes, and no others are set");
  CHECK(transposed(rows, {1, 0, {5}, 0, 3}) ==
        "step conv: acc: 5 lies in 5..6, outside 0..5 of dimension 0");
  CHECK(transposed(rows, {1, 0, {0}, 0, 3}, false).find("acc[0] is read before") !=
        std::string::npos);
  CHECK(transposed(rows, {1, 0, {0}, 0, 5}) == subject + "5 registers become lanes 0..5 of 4");
  CHECK(transposed(rows, {1, 0, {0}, 1, 3}) == subject + "along dimension 1 of 1");
  CHECK(transposed(rows, {0, 0, {0}, 0, 3}) == "step conv: transpose acc to acc: needs two arrays");
  CHECK(transposed({"rows", f32, 4, {4, 1}}, {1, 0, {0}, 0, 3})
            .find(subject + "needs one dimension of 4 registers") != std::string::npos);
  CHECK(transposed({"rows", i32, 4, {4}}, {1, 0, {0}, 0, 3}).find(subject + "f32 is not i32") !=
        std::string::npos);
}

TEST_CASE("a prefetch names a view and variables, and may lie outside") {
  CHECK(in_body(stmt(Prefetch{0, Affine(h) * 1000})) == "");
  CHECK(in_body(stmt(Prefetch{4, 0})) == "step conv: prefetch: view 4 of 4 does not exist");
  CHECK(in_body(stmt(Prefetch{0, kh})) == "step conv: prefetch: kh has no value here");
}

TEST_CASE("a step over named parameters is verified for all their values") {
  const auto with_size = [](Affine end) {
    return found([&](P& program, Step& step) {
      const Var size{5};
      program.parameters = {{"H", {3, small_conv::W}}};
      step.vars.push_back("H");
      step.parameters = {{size, {3, small_conv::W}}};
      step.views[3].dims[1].extent = size;
      step.body =
          for_loop(kh, {{{0, 1}}, {{std::move(end), 1}}}, serial, store({h, kh, 0}, 4, zeros));
    });
  };
  CHECK(with_size(Var{5}) == "");
  CHECK(with_size(Affine(Var{5}) + 1) ==
        "step conv: y[h, kh, 0]: kh lies in 0..8, outside 0..H of dimension 1");
}

namespace {

// A step of products of 4 x 8 and 8 x 16 bytes, after something in it is spoilt.
std::string in_tiles(const std::function<void(Step&, Tile& load, Tile& multiply)>& spoil) {
  constexpr ElementType u8 = ElementType::u8, i8 = ElementType::i8;
  const auto bytes = [](std::string name, Buffer::Role role, ElementType type, int64_t elements) {
    Buffer b;
    b.name = std::move(name), b.role = role, b.element = type, b.elements = elements;
    return b;
  };
  LoopProgram program;
  program.name = "tiles";
  program.buffers = {bytes("a", Buffer::Role::input, u8, 10 * 8),
                     bytes("b", Buffer::Role::input, i8, 2 * 16),
                     bytes("y", Buffer::Role::output, i32, 4 * 4)};
  Step step;
  step.name = "tiles";
  step.vars = {"h"};
  step.items = {{Var{0}, 4}};
  step.views = {{"a", 0, u8, contiguous({10, 8})},
                {"b", 1, i8, contiguous({2, 16})},
                {"y", 2, i32, contiguous({4, 4})}};
  step.arrays = {{"acc", i32, 4, {}, 4}, {"a_", u8, 8, {}, 4}, {"b_", i8, 16, {}, 2}};
  Tile load{Tile::Kind::load, {1, {}}, 0, {Var{0}, 0}, 0, 2};
  Tile multiply{Tile::Kind::multiply, {0, {}}};
  multiply.a = {1, {}}, multiply.b = {2, {}};
  spoil(step, load, multiply);
  step.body = block({stmt(Tile{Tile::Kind::zero, {0, {}}}), stmt(load),
                     stmt(Tile{Tile::Kind::load, {2, {}}, 1, {0, 0}, 0, 1}), stmt(multiply),
                     stmt(Tile{Tile::Kind::store, {0, {}}, 2, {0, 0}, 0, 1})});
  program.steps = {std::move(step)};
  return tests::text_of(verify(program));
}

} // namespace

TEST_CASE("tiles are of a matrix unit's sizes, and all of their rows inside memory") {
  CHECK(in_tiles([](Step&, Tile&, Tile&) {}) == "");
  CHECK(in_tiles([](Step&, Tile& load, Tile&) { load.index[0].at += 1; }) ==
        "step tiles: a[h + 7, 0]: h + 7 lies in 7..11, outside 0..10 of dimension 0");
  CHECK(in_tiles([](Step&, Tile& load, Tile&) { load.index[1].at += 1; }) ==
        "step tiles: a[h, 1]: 8 lies in 8..9, outside 0..8 of dimension 1\n"
        "step tiles: a[h + 6, 1]: 8 lies in 8..9, outside 0..8 of dimension 1");
  CHECK(in_tiles([](Step&, Tile& load, Tile&) { load.row_dim = 2; }) ==
        "step tiles: tile a_ of a: rows along dimension 2 of 2");
  CHECK(in_tiles([](Step&, Tile& load, Tile&) { load.bypasses = true; }) == "");
  for (const Tile::Kind kind : {Tile::Kind::multiply, Tile::Kind::zero, Tile::Kind::store})
    CHECK(in_tiles([&](Step&, Tile&, Tile& multiply) {
            multiply.kind = kind, multiply.bypasses = true;
            multiply.view = 2, multiply.index = {0, 0}, multiply.row_dim = 0;
          }) == "step tiles: tile acc: only what is loaded passes a cache by");
  CHECK(in_tiles([](Step& step, Tile&, Tile&) { step.arrays[0].rows = 17; }) ==
        "step tiles: registers acc: 17 rows; a tile has 1 to 16");
  CHECK(in_tiles([](Step& step, Tile&, Tile&) { step.arrays[0].shape = {7}; }) ==
        "step tiles: has more than the 8 tiles of a matrix unit");
  CHECK(in_tiles([](Step& step, Tile&, Tile&) { step.arrays[1].lanes = 65; }) ==
        "step tiles: registers a_: 65 lanes; a register has 1 to 64\n"
        "step tiles: registers a_: rows of 65 bytes; a tile's have 64 at most");
}

TEST_CASE("products of matrices have sizes and types that meet, and operands that are set") {
  CHECK(in_tiles([](Step& step, Tile&, Tile&) { step.arrays[2].rows = 1; }) ==
        "step tiles: tile acc += a_ * b_: 4 by 8 and 1 by 16 are no product of 4 by 4 in groups of "
        "4");
  CHECK(in_tiles([](Step& step, Tile&, Tile&) {
          step.arrays[0].type = f32;
        }).find("u8 and i8 are not summed up in f32; bf16 are in f32, bytes in i32") !=
        std::string::npos);
  CHECK(in_tiles([](Step&, Tile&, Tile& multiply) { multiply.a.array = 3; }) ==
        "step tiles: register array 3 of 3 does not exist");
  CHECK(in_tiles([](Step&, Tile& load, Tile&) {
          load = {Tile::Kind::zero, {0, {}}};
        }) == "step tiles: a_ is read before it is certainly set");
  CHECK(in_tiles([](Step& step, Tile&, Tile&) { step.arrays[1].rows = 0; }) ==
        "step tiles: tile: the registers of a_ have no rows");
}
