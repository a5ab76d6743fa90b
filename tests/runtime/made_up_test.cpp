#include "ir/parse.h"
#include "ir/reference.h"
#include "runtime/made_up.h"
#include "runtime/session.h"
#include "tests/support/catch.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

using namespace volute;

namespace {

std::vector<int64_t> drawn(const std::string& text, uint64_t seed) {
  const ir::Program program = ir::parse(text).value();
  const ir::ValueId input = program.inputs.back();
  Tensor tensor = *Tensor::allocate(program.type(input));
  runtime::make_up(tensor, program, input, {runtime::Fill::Kind::random, seed}, 1);
  return {tensor.as<int64_t>(), tensor.as<int64_t>() + tensor.type().elements()};
}

} // namespace

TEST_CASE("places that are made up lie in their element's window") {
  const std::string text =
      "program @p(%x: f32[n=2, c=3, h=4, w=5], %i: i64[n=2, c=3, h=4, w=5]) {\n"
      "%y = max_unpool %x, %i {kernel = [3, 2], stride = [2, 2], "
      "pad = [1, 0]}\nreturn %y }";
  std::set<int64_t> vertical, horizontal;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const std::vector<int64_t> places = drawn(text, seed);
    for (size_t at = 0; at < places.size(); ++at) {
      const auto w = static_cast<int64_t>(at % 5), h = static_cast<int64_t>(at / 5 % 4);
      const int64_t down = places[at] / 10 - (2 * h - 1), right = places[at] % 10 - 2 * w;
      REQUIRE((places[at] >= 0 && places[at] / 10 < 7));
      vertical.insert(down), horizontal.insert(right);
    }
  }
  CHECK(vertical == std::set<int64_t>{0, 1, 2}); // every tap of the window, and nothing else
  CHECK(horizontal == std::set<int64_t>{0, 1});
  CHECK(drawn(text, 3) == drawn(text, 3));
  CHECK(drawn(text, 3) != drawn(text, 4));
}

TEST_CASE("programs that unpool run on what is made up") {
  Session session{runtime::Options{}};
  for (const char* text : {
           "program @p(%x: f32[n=2, c=3, w=5], %i: i64[n=2, c=3, w=5]) {\n"
           "%y = max_unpool %x, %i {kernel = 3, stride = 2, output_size = 10}\nreturn %y }",
           "program @p(%x: f32[n=1, c=2, d=2, h=3, w=4], %i: i64[n=1, h=3, c=2, d=2, w=2, w=2]) {\n"
           "%y = max_unpool %x, %i {kernel = 2}\nreturn %y }",
           "program @p(%x: f32[n=2, c=3, w=5], %i: i64[n=2, c=3, w=5]) {\n"
           "%j = reorder %i : i64[n=2, w=5, c=3]\n%y = max_unpool %x, %j {kernel = 7}\n"
           "%z = max_unpool %x, %i {kernel = 1}\nreturn %y, %z }",
           "program @p(%x: f32[n=1, c=1, w=4], %i: i64[n=1, c=1, w=4]) {\n"
           "%y = max_unpool %x, %i {kernel = 3, stride = 1, pad = [(1, 3)]}\nreturn %y }",
       }) {
    const Expected<ir::Program> program = ir::parse(text);
    CAPTURE(text);
    REQUIRE(program);
    const Kernel kernel = session.compile(*program);
    for (uint64_t seed = 0; seed < 5; ++seed) {
      std::vector<Tensor> tensors;
      std::vector<runtime::TensorRef> arguments;
      tensors.reserve(8);
      for (size_t i = 0; i < program->inputs.size(); ++i) {
        tensors.push_back(*Tensor::allocate(program->type(program->inputs[i])));
        runtime::make_up(tensors.back(), *program, program->inputs[i],
                         {runtime::Fill::Kind::random, seed}, i);
        arguments.emplace_back(tensors.back());
      }
      for (const ir::ValueId id : program->outputs) {
        tensors.push_back(*Tensor::allocate(program->type(id)));
        arguments.emplace_back(tensors.back());
      }
      CHECK(kernel.call(arguments).message() == "");
    }
  }
}

TEST_CASE("what is no place is filled as ever") {
  const ir::Program program = ir::parse("program @p(%x: i64[n=1, c=1, w=64]) {\n"
                                        "%y = add %x, %x\nreturn %y }")
                                  .value();
  Tensor made = *Tensor::allocate(program.type(0)), filled = *Tensor::allocate(program.type(0));
  const runtime::Fill how{runtime::Fill::Kind::random, 5};
  runtime::make_up(made, program, 0, how, 3);
  runtime::fill(filled, how, 3);
  CHECK(std::equal(made.data(), made.data() + made.bytes(), filled.data()));
}
