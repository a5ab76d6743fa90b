// Tensors inside larger ones, all the way: compiled for strides, called with views, right to the
// last element and touching nothing between them.
#include "ir/parse.h"
#include "ir/reference.h"
#include "runtime/functional.h"
#include "runtime/session.h"
#include "tests/runtime/failure_text.h"
#include "tests/support/catch.h"
#include "tests/support/tensors.h"

#include <fmt/format.h>

#include <cstring>
#include <map>
#include <string>
#include <vector>

using namespace volute;
using ir::Axis;
using volute::tests::failure_text;

namespace {

ir::TensorType with(ir::TensorType type, Axis axis, int64_t size) {
  for (ir::Extent& extent : type.extents)
    if (extent.axis == axis) extent.size = size;
  return type;
}

/// A part of a larger tensor: the axis has room before and behind, and every second position.
struct Inside {
  Inside(const ir::TensorType& type, Axis axis, uint64_t stream)
      : whole(tests::random_tensor(with(type, axis, 2 * type.size(axis) + 3), stream)),
        before(*Tensor::copy(whole)), cut(axis), length(type.size(axis)) {}
  MutableTensorView view() { return whole.narrow(cut, 1, length, 2); }

  Tensor whole, before;
  Axis cut;
  int64_t length;
};

const char* const programs[] = {
    R"(program @p(%x: f32[n=2, c=3, h=9, w=21], %w: f32[o=17, i=3, h=3, w=3]) {
         %0 = conv %x, %w {pad = 1} %y = relu %0 return %y })",
    R"(program @p(%x: f32[n=1, h=9, w=21, c=6], %w: f32[o=17, i=6, h=3, w=3]) {
         %y = conv %x, %w {stride = 2} return %y })",
    R"(program @p(%x: f32[n=2, c=8, h=9, w=11], %w: f32[o=24, i=8, h=1, w=1]) {
         %y = conv %x, %w return %y })",
};

} // namespace

TEST_CASE("a compiled kernel works on parts of larger tensors along any axis") {
  Session session;
  for (const char* text : programs)
    for (const Axis axis : {Axis::w, Axis::h, Axis::c})
      for (const char* schedule : {"auto", "naive"}) {
        CAPTURE(text, ir::to_char(axis), schedule);
        const ir::Program program = *ir::parse(text);
        Inside x(program.type(program.inputs[0]), axis, 0),
            y(program.type(program.outputs[0]), axis, 1);
        Inside w(program.type(program.inputs[1]), Axis::o, 2);
        const CompileOptions options = CompileOptions{.schedule = schedule}
                                           .like("x", x.view())
                                           .like("y", y.view())
                                           .like("w", w.view());
        const Kernel kernel = session.compile(program, options);
        CHECK(kernel.strides("x") == x.view().strides());
        kernel(x.view(), w.view(), y.view()).check();

        const Tensor dense_x = *Tensor::copy(x.view()), dense_w = *Tensor::copy(w.view());
        const ir::TensorData xd{dense_x.type(), {dense_x.data(), dense_x.data() + dense_x.bytes()}};
        const ir::TensorData wd{dense_w.type(), {dense_w.data(), dense_w.data() + dense_w.bytes()}};
        const ir::TensorData expected = ir::evaluate(program, {{"x", &xd}, {"w", &wd}})->at("y");
        const auto check = [&] {
          const Tensor found = *Tensor::copy(y.view());
          CHECK(std::memcmp(found.data(), expected.bytes.data(), expected.bytes.size()) == 0);
          // Between the elements everything is as it was.
          Tensor around = *Tensor::copy(y.whole);
          const MutableTensorView written = around.narrow(axis, 1, y.length, 2);
          const MutableTensorView old = y.before.narrow(axis, 1, y.length, 2);
          runtime::copy_elements(old.type(), old.data(), old.strides(), written.data(),
                                 written.strides());
          CHECK(std::memcmp(around.data(), y.before.data(), static_cast<size_t>(around.bytes())) ==
                0);
        };
        check();
        runtime::fill(y.view(), {});
        // Bound weights are copied: any strides will do.
        kernel.bind("w", dense_w)(x.view(), y.view()).check();
        check();
      }
}

TEST_CASE("an operand of stride 0 is one element seen as many") {
  Session session;
  const ir::Program program = *ir::parse(
      "program @p(%a: f32[n=2, c=5, w=33], %b: f32[n=2, c=5, w=33]) { %y = add %a, %b return %y }");
  const ir::TensorType type = program.type(program.inputs[0]);
  const Tensor a = tests::random_tensor(type, 0),
               one = tests::random_tensor(with(type, Axis::w, 1), 1);
  const TensorView b = TensorView(one).expand(Axis::w, 33);
  Tensor y = *Tensor::allocate(type);
  session.compile(program, CompileOptions{}.like("b", b))(a, b, y).check();
  for (int64_t i = 0; i < 2 * 5 * 33; ++i)
    CHECK(y.as<float>()[i] == a.as<float>()[i] + one.as<float>()[i / 33]);
}

TEST_CASE("whether a tap lies in the padding does not depend on where its operand lies") {
  // One element seen as many along an axis of space: taps in the padding are left out as if each
  // had memory of its own, in whichever way the axis is walked.
  const char* const padded[] = {
      "(%x: f32[n=2, c=1, h=20, w=8]) { %y = avg_pool %x {kernel = 3, stride = 1, pad = 1}",
      "(%x: f32[n=2, h=20, w=8, c=3]) { %y = avg_pool %x {kernel = 3, stride = 1, pad = 1}",
      "(%x: f64[n=1, c=2, w=37]) { %y = lp_pool %x {kernel = 5, stride = 1, pad = 2, p = 1}",
      "(%x: f32[n=1, c=2, h=9, w=19]) { %y, %at = max_pool %x {kernel = 3, stride = 1, pad = 1}",
      "(%x: u8[n=1, c=2, h=9, w=19]) { %y = max_pool %x {kernel = 3, stride = 2, pad = 1}",
      "(%x: f32[n=1, c=2, d=5, h=4, w=18]) { %y = avg_pool %x {kernel = 3, stride = 1, pad = 1}",
      "(%x: f32[n=1, c=2, h=9, w=19]) { %y = pad %x {pad = [(3, 2), (1, 4)], value = 7}",
      "(%x: f32[n=1, c=2, h=9, w=19]) { %y = pad %x {pad = 2, mode = reflect}",
      R"((%x: f32[n=2, h=40, w=8, c=1], %w: f32[o=1, i=1, h=3, w=3]) {
           %y = conv %x, %w {pad = 1})",
      R"((%x: f32[n=1, c=4, h=9, w=21], %w: f32[o=4, i=1, h=3, w=3]) {
           %y = conv %x, %w {pad = 1, groups = 4})",
      R"((%x: bf16[n=1, c=2, h=9, w=35], %w: bf16[o=3, i=2, h=3, w=5], %b: bf16[o=3]) {
           %y = conv %x, %w, %b {pad = 2, dilation = [1, 2]})",
      R"((%x: f32[n=1, c=3, h=5, w=21], %w: f32[i=3, o=2, h=3, w=3]) {
           %y = conv_transpose %x, %w {pad = 1, stride = [1, 2]})",
      R"((%x: u8[n=1, c=3, h=9, w=35], %w: i8[o=3, i=3, h=3, w=3]) {
           %y = conv %x, %w {pad = 1, x_zero_point = 3, w_zero_point = [1, -2, 0]})",
      R"((%x: u8[n=1, h=5, w=35, c=1], %w: u8[o=1, i=1, h=1, w=3]) {
           %y = conv %x, %w {pad = [0, 1], x_zero_point = 3, w_zero_point = 2})",
  };
  // By hand too: lanes along each axis of space.
  const std::vector<std::string> schedules = {"auto", "naive", "registers w 16 vector 8",
                                              "registers h 8 vector 4",
                                              "registers h 2, w 8 vector 8"};
  Session session;
  int lanes_by_hand = 0;
  for (const char* text : padded)
    for (const char* target : {"native", "x86-64-v3", "x86-64"}) {
      const ir::Program program = *ir::parse(fmt::format("program @p{} return %y }}", text));
      const ir::TensorType type = program.type(program.inputs[0]);
      for (const Axis axis : type.spatial_axes())
        for (const std::string& schedule : schedules) {
          CAPTURE(text, target, ir::to_char(axis), schedule);
          const Tensor one = tests::random_tensor(with(type, axis, 1), 0);
          const TensorView x = TensorView(one).expand(axis, type.size(axis));
          std::map<std::string, TensorView> inputs = {{"x", x}};
          std::vector<Kernel::Named> named;
          std::map<std::string, Tensor> others;
          std::map<std::string, ir::TensorData> data;
          std::map<std::string, const ir::TensorData*> values;
          for (const ir::ValueId input : program.inputs) {
            const std::string& name = program.name_of(input);
            if (name != "x")
              inputs.insert_or_assign(
                  name, others.insert_or_assign(name, tests::random_tensor(program.type(input), 1))
                            .first->second);
            const Tensor dense = *Tensor::copy(inputs.at(name));
            data[name] = {dense.type(), {dense.data(), dense.data() + dense.bytes()}};
            values[name] = &data[name];
          }
          const auto options = CompileOptions{.target = target, .schedule = schedule}.like("x", x);
          const Expected<Kernel> kernel = session.try_compile(program, options);
          if (!kernel) { // the axis is none of this nest, or no loop names its tile
            CHECK(schedule.starts_with("registers"));
            continue;
          }
          lanes_by_hand += schedule.starts_with("registers") ? 1 : 0;
          Tensor y = *Tensor::allocate(program.type(program.outputs[0]));
          for (const auto& [name, view] : inputs) named.push_back({name, view});
          std::vector<Kernel::Named> results = {{"y", y}};
          kernel->run(named, results).check();
          const ir::TensorData expected = ir::evaluate(program, values)->at("y");
          CHECK(std::memcmp(y.data(), expected.bytes.data(), expected.bytes.size()) == 0);
        }
    }
  CHECK(lanes_by_hand > 100);
}

TEST_CASE("a returned constant is written with the strides that are asked for") {
  Session session;
  const ir::Program program = *ir::parse(R"(program @p(%x: f32[n=1, c=2, w=3]) {
    %k = const [1, 2, 3, 4, 5, 6] : f32[n=1, c=2, w=3]
    %y = add %x, %k
    return %y, %k })");
  const Tensor x = tests::random_tensor(program.type(program.inputs[0]), 0);
  Inside k(x.type(), Axis::w, 1);
  Tensor y = *Tensor::allocate(x.type());
  const Kernel kernel = session.compile(program, CompileOptions{}.like("k", k.view()));
  kernel(x, y, k.view()).check();
  const Tensor found = *Tensor::copy(k.view());
  for (int64_t i = 0; i < 6; ++i) {
    CHECK(found.as<float>()[i] == static_cast<float>(i + 1));
    CHECK(y.as<float>()[i] == x.as<float>()[i] + static_cast<float>(i + 1));
  }
}

TEST_CASE("functions take strided views as they are") {
  Session session;
  const ir::TensorType type =
      ir::parse("program @t(%x: f32[n=1, c=2, h=6, w=20]) { return %x }")->values[0].type;
  const Tensor whole = tests::random_tensor(type, 0);
  const TensorView part = whole.narrow(Axis::h, 1, 4);
  const Tensor found = functional::relu(session, part);
  const Tensor expected = functional::relu(session, *Tensor::copy(part));
  CHECK(std::memcmp(found.data(), expected.data(), static_cast<size_t>(found.bytes())) == 0);
  CHECK(session.cache_counters().compiles == 2);
}

TEST_CASE("strides that do not fit the program are refused before anything is compiled") {
  Session session;
  const ir::Program program =
      *ir::parse("program @p(%x: f32[n=1, c=2, w=5]) { %y = relu %x return %y }");
  CHECK(failure_text(session.try_compile(program, {.strides = {{"q", {1, 1, 1}}}})) ==
        "strides: %q is no input or output of the program");
  CHECK(failure_text(session.try_compile(program, {.strides = {{"x", {1, 1, -1}}}})) ==
        "strides: %x has the stride -1 along w; strides are 0 or more");
  CHECK(failure_text(session.try_compile(program, {.strides = {{"y", {0, 0, 1}}}})) ==
        "strides: %y is written, and its stride 0 along c does not step over the 1 elements that "
        "the shorter strides reach");
  // Dense strides spelt out are the dense kernel.
  (void)session.compile(program);
  (void)session.compile(program, {.strides = {{"x", {10, 5, 1}}, {"y", {77, 5, 1}}}});
  CHECK(session.cache_counters().compiles == 1);
}
