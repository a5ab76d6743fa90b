#include "bench/made_up.h"
#include "ir/parse.h"
#include "tests/support/catch.h"

#include <cmath>

using namespace volute;
using namespace volute::bench;
using runtime::Tensor;

namespace {

std::vector<Tensor> made(const ir::Program& program, uint64_t seed = 0) {
  std::vector<Tensor> tensors;
  for (const ir::ValueId id : program.inputs)
    tensors.push_back(*Tensor::allocate(program.type(id)));
  make_up(program, tensors, seed);
  return tensors;
}

struct Moments {
  double mean = 0, deviation = 0;
};
template <class T>
Moments moments(const Tensor& tensor) {
  const auto count = static_cast<double>(tensor.type().elements());
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < tensor.type().elements(); ++i) {
    const auto value = static_cast<double>(tensor.as<T>()[i]);
    sum += value, squares += value * value;
  }
  return {sum / count, std::sqrt(squares / count - sum / count * (sum / count))};
}

} // namespace

TEST_CASE("what is made up looks like what a layer meets", "[made_up]") {
  const ir::Program program =
      *ir::parse("program @p(%x: f32[n=1, c=64, h=32, w=32], %w: f32[o=64, i=64, h=3, w=3],"
                 " %b: f32[o=64]) {\n  %y = conv %x, %w, %b\n  return %y\n}");
  CHECK(role_of(program, program.inputs[0]) == InputRole::activation);
  CHECK(role_of(program, program.inputs[1]) == InputRole::weight);
  CHECK(role_of(program, program.inputs[2]) == InputRole::vector);
  const std::vector<Tensor> tensors = made(program);
  const Moments x = moments<float>(tensors[0]), w = moments<float>(tensors[1]);
  CHECK(std::abs(x.mean) < 0.02);
  CHECK(std::abs(x.deviation - 1) < 0.02);
  CHECK(std::abs(w.mean) < 0.001);
  CHECK(std::abs(w.deviation - 1.0 / 24) < 0.001); // the root of 576 taps
  CHECK(moments<float>(tensors[2]).deviation < 0.2);
  // The same again, and others from another seed.
  CHECK(made(program)[0].as<float>()[77] == tensors[0].as<float>()[77]);
  CHECK(made(program, 1)[0].as<float>()[77] != tensors[0].as<float>()[77]);
}

TEST_CASE("of a transposed convolution, strides leave out taps", "[made_up]") {
  const ir::Program program =
      *ir::parse("program @p(%x: f32[n=1, c=64, h=4, w=4], %w: f32[i=64, o=64, h=4, w=4]) {\n"
                 "  %y = conv_transpose %x, %w {stride = 2, pad = 1}\n  return %y\n}");
  CHECK(std::abs(moments<float>(made(program)[1]).deviation - 1.0 / 16) < 0.001);
}

TEST_CASE("bytes are spread over their range", "[made_up]") {
  const ir::Program program =
      *ir::parse("program @p(%x: u8[n=1, c=64, h=16, w=16], %w: i8[o=64, i=64, h=1, w=1]) {\n"
                 "  %y = conv %x, %w\n  return %y\n}");
  const std::vector<Tensor> tensors = made(program);
  CHECK(std::abs(moments<uint8_t>(tensors[0]).mean - 128) < 2);
  CHECK(std::abs(moments<uint8_t>(tensors[0]).deviation - 40) < 2);
  CHECK(std::abs(moments<int8_t>(tensors[1]).mean) < 2);
}

TEST_CASE("a variance is above 0, and places lie inside the result", "[made_up]") {
  const ir::Program norm =
      *ir::parse("program @p(%x: f32[n=1, c=64, w=4], %s: f32[c=64], %t: f32[c=64], %m: f32[c=64],"
                 " %v: f32[c=64]) {\n  %y = batch_norm %x, %s, %t, %m, %v\n  return %y\n}");
  const std::vector<Tensor> tensors = made(norm);
  for (int64_t i = 0; i < 64; ++i) CHECK(tensors[4].as<float>()[i] > 0);

  // As they are given, and laid out anew on the way.
  for (const char* text :
       {"program @p(%x: f32[n=2, h=3, w=4, c=2], %at: i64[n=2, h=3, w=4, c=2]) {\n"
        "  %y = max_unpool %x, %at {kernel = 2}\n  return %y\n}",
        "program @p(%x: f32[n=2, h=3, w=4, c=2], %at: i64[n=2, h=3, w=4, c=2]) {\n"
        "  %0 = reorder %at : i64[n=2, c=2, h=3, w=4]\n"
        "  %1 = max_unpool %x, %0 {kernel = 2}\n  return %1\n}"}) {
    const ir::Program unpool = *ir::parse(text);
    CHECK(role_of(unpool, unpool.inputs[1]) == InputRole::place);
    const std::vector<Tensor> places = made(unpool);
    for (int64_t i = 0; i < 48; ++i) {
      const int64_t w = i / 2 % 4, h = i / 8 % 3, place = places[1].as<int64_t>()[i];
      CHECK(place / 8 / 2 == h);
      CHECK(place % 8 / 2 == w);
    }
  }
}

TEST_CASE("a weight that is laid out anew is one", "[made_up]") {
  const ir::Program program =
      *ir::parse("program @p(%x: f32[n=1, c=64, w=9], %w: f32[o=64, i=64, w=4]) {\n"
                 "  %0 = reorder %w : f32[w=4, i=64, o=64]\n  %y = conv %x, %0\n"
                 "  return %y\n}");
  CHECK(role_of(program, program.inputs[1]) == InputRole::weight);
  CHECK(std::abs(moments<float>(made(program)[1]).deviation - 1.0 / 16) < 0.001);
}
