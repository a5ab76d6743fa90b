// The layer of the README's first page, from C++.
#include <cstdio>
#include <vector>
#include <volute/volute.hpp>

namespace {

const char* const text = R"(
  program @layer(%x: f32[n=1, c=3, h=224, w=224], %w: f32[o=64, i=3, h=7, w=7], %b: f32[o=64]) {
    %0 = conv %x, %w, %b {stride = 2, pad = 3}
    %z = relu %0
    return %z
  })";

} // namespace

int main() try {
  volute::Session session;
  const volute::Kernel kernel = session.compile(*volute::ir::parse(text));

  const std::vector<float> image(3 * 224 * 224, 1), weights(64 * 3 * 7 * 7, 1), bias(64, -100);
  std::vector<float> result(64 * 112 * 112);
  const volute::TensorView x(kernel.type("x"), image.data()), w(kernel.type("w"), weights.data()),
      b(kernel.type("b"), bias.data());
  const volute::MutableTensorView z(kernel.type("z"), result.data());

  const volute::Kernel layer = kernel.bind("w", w).bind("b", b);
  layer(x, z).check();
  std::printf("%g in a corner, %g inside\n", result[0], result[2 * 112 + 2]);
} catch (const volute::Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
