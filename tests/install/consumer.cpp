// A program of somebody who installed Volute: against the installed headers and library only, it
// compiles a kernel, runs it and looks at the numbers.
#include <cstdio>
#include <volute/volute.h>

int main() {
  volute::Session session;
  const auto program =
      volute::ir::parse("program @box(%x: f32[n=1, c=1, h=4, w=4]) {\n"
                        "  %y = avg_pool %x {kernel = 3, stride = 1, divisor = 1}\n"
                        "  return %y\n"
                        "}\n");
  const volute::Kernel kernel = session.compile(*program);
  volute::Tensor x = volute::Tensor::allocate(kernel.type("x")).value();
  volute::Tensor y = volute::Tensor::allocate(kernel.type("y")).value();
  for (int i = 0; i < 16; ++i) x.as<float>()[i] = static_cast<float>(i);
  kernel(x, y).check();

  // Sums of 3 x 3 neighbours of 0..15: nine times the middle one.
  const float expected[] = {45, 54, 81, 90};
  for (int i = 0; i < 4; ++i) {
    if (y.as<float>()[i] == expected[i]) continue;
    std::fprintf(stderr, "y[%d] is %g, not %g\n", i, y.as<float>()[i], expected[i]);
    return 1;
  }
  // What is refused in the library is caught here, by its type.
  try {
    (void)kernel.type("z");
    return 1;
  } catch (const volute::Error& error) {
    if (error.diagnostics().empty()) return 1;
  }
  std::puts("an installed Volute compiled and ran a kernel");
}
