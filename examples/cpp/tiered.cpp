// A kernel that is called at once: without code at first, by the good code when that is ready.
#include <cstdio>
#include <vector>
#include <volute/volute.hpp>

int main() try {
  const auto program = volute::ir::parse(R"(
    program @layer(%x: f32[n=1, h=10, w=10, c=4], %w: f32[o=16, i=4, h=3, w=3]) {
      %y = conv %x, %w
      return %y
    })");
  volute::Session session;
  const volute::ir::Program& layer = *program;
  const auto type_of = [&](const char* name) { return layer.type(*layer.find(name)); };
  const std::vector<float> image(10 * 10 * 4, 1), weights(16 * 4 * 3 * 3, 1);
  std::vector<float> result(8 * 8 * 16);
  const volute::TensorView x(type_of("x"), image.data()), w(type_of("w"), weights.data());
  const volute::MutableTensorView y(type_of("y"), result.data());

  const volute::TieredKernel tiered = session.compile_tiered(*program);
  tiered(x, w, y).check(); // after a millisecond, slowly at first
  tiered.wait().value();   // which nobody has to
  tiered(x, w, y).check(); // by the good code
  std::printf("%g\n", result[0]);
} catch (const volute::Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
