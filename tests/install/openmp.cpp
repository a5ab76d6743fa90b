// A program of somebody who has OpenMP: a kernel runs on its threads, and gives what one thread does.
#include <atomic>
#include <cstdio>
#include <vector>
#include <volute/threads_openmp.hpp>
#include <volute/volute.hpp>

int main() {
  const auto program = volute::ir::parse("program @p(%x: f32[n=4, c=16, h=40, w=40]) {\n"
                                         "  %y = max_pool %x {kernel = 3}\n"
                                         "  return %y\n"
                                         "}\n");
  volute::Session one, several(*volute::runtime::options(), *volute::openmp_threads(3));
  if (several.threads().count() != 3 || volute::openmp_threads(-1)) return 1;
  const volute::Kernel kernel = several.compile(*program);
  std::vector<float> x(4 * 16 * 40 * 40), y(4 * 16 * 13 * 13, -1), z(y);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i * 2654435761u % 1000);
  const volute::TensorView image(kernel.type("x"), x.data());
  kernel(image, volute::MutableTensorView(kernel.type("y"), y.data())).check();
  one.compile(*program)(image, volute::MutableTensorView(kernel.type("y"), z.data())).check();
  if (y != z) {
    std::fprintf(stderr, "three threads of OpenMP's give other numbers than one\n");
    return 1;
  }
  std::puts("a kernel ran on OpenMP's threads");
}
