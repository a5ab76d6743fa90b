// A kernel made at run time: compile, bind the weights, call. What it prints is in the README.
#include <cstdio>
#include <volute/volute.h>

int main() try {
  // conv2d(x, w, stride=1), then relu, for exactly these shapes.
  const auto program = volute::ir::parse(R"(
    program @first(%x: f32[n=1, c=1, h=5, w=5], %w: f32[o=1, i=1, h=3, w=3]) {
      %0 = conv %x, %w
      %y = relu %0
      return %y
    })");

  volute::Session session; // for this CPU, on the calling thread
  const volute::Kernel kernel = session.compile(*program);

  // Views of memory that is yours: its types are the program's, nothing is copied.
  const float image[] = {1, 2, 0, 3, 1, //
                         0, 1, 2, 3, 1, //
                         1, 2, 1, 0, 0, //
                         5, 2, 3, 1, 1, //
                         2, 1, 0, 1, 1};
  const float filter[] = {1, 2, 1, 0, 1, 0, 2, 1, 0};
  float result[9];
  const volute::TensorView x(kernel.type("x"), image);
  const volute::TensorView w(kernel.type("w"), filter);
  const volute::MutableTensorView y(kernel.type("y"), result);

  // By name. check() throws volute::Error when the call was refused.
  kernel.run({{"x", x}, {"w", w}}, {{"y", y}}).check();

  // The fast path: weights bound once, what is left by position, no exception and no allocation.
  const volute::Kernel bound = kernel.bind("w", w);
  if (const volute::Status status = bound(x, y); !status.ok()) {
    std::fprintf(stderr, "%s\n", status.message().c_str());
    return 1;
  }
  for (int row = 0; row < 3; ++row)
    std::printf("%2g %2g %2g\n", result[3 * row], result[3 * row + 1], result[3 * row + 2]);
} catch (const volute::Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
