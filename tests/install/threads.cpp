// A program of somebody who has threads: a kernel runs on them, in two calls at a time too, and
// gives what one thread does. ADAPTOR is the header of Volute's that knows the threads, THREADS its
// function.
#include <atomic>
#include <cstdio>
#include <thread>
#include <vector>
#include <volute/volute.hpp>
#include ADAPTOR

int main() {
  const auto program = volute::ir::parse("program @p(%x: f32[n=4, c=16, h=40, w=40]) {\n"
                                         "  %y = max_pool %x {kernel = 3}\n"
                                         "  return %y\n"
                                         "}\n");
  volute::Session one, several(*volute::runtime::options(), *volute::THREADS(3));
  if (several.threads().count() != 3 || volute::THREADS(-1)) return 1;
  const volute::Kernel kernel = several.compile(*program);
  std::vector<float> x(4 * 16 * 40 * 40), z(4 * 16 * 13 * 13);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i * 2654435761u % 1000);
  const volute::TensorView image(kernel.type("x"), x.data());
  const volute::Kernel plain = one.compile(*program);
  plain(image, volute::MutableTensorView(kernel.type("y"), z.data())).check();
  std::atomic<int> wrong = 0;
  const auto call = [&] {
    std::vector<float> y(z.size(), -1);
    kernel(image, volute::MutableTensorView(kernel.type("y"), y.data())).check();
    wrong += y != z;
  };
  std::thread beside([&] {
    for (int i = 0; i < 20; ++i) call();
  });
  for (int i = 0; i < 20; ++i) call();
  beside.join();
  if (wrong != 0) {
    std::fprintf(stderr,
                 "on three threads of a caller's, %d of 40 calls gave other numbers than on one\n",
                 wrong.load());
    return 1;
  }
  std::puts("a kernel ran on threads of the caller's");
}
