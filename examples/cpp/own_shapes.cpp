// Shapes that are known only at run time: one program built for each size that comes, compiled when
// it comes for the first time and found in the session's cache after that.
//
//     own_shapes 32 48 32
#include <cstdio>
#include <cstdlib>
#include <vector>
#include <volute/volute.h>

namespace {

using volute::ir::Axis;
using volute::ir::Builder;
using volute::ir::ElementType;
using volute::ir::Program;

// 8 channels into 16, then half the width and height; channels last, square images.
Program layer(int64_t size) {
  Builder b("layer");
  const auto x = b.input(
      "x", {ElementType::f32, {{Axis::n, 1}, {Axis::h, size}, {Axis::w, size}, {Axis::c, 8}}});
  const auto w =
      b.input("w", {ElementType::f32, {{Axis::o, 16}, {Axis::i, 8}, {Axis::h, 3}, {Axis::w, 3}}});
  b.output(b.max_pool(b.relu(b.conv(x, w, {.padding = 1})), 2), "y");
  return b.finish().value(); // throws volute::Error with everything that was refused
}

} // namespace

int main(int count, char** arguments) try {
  volute::Session session;
  std::vector<float> filter(16 * 8 * 3 * 3, 0.125F);
  for (int i = 1; i < count; ++i) {
    const int64_t size = std::strtol(arguments[i], nullptr, 10);
    const volute::Kernel kernel = session.compile(layer(size));
    volute::Tensor x = volute::Tensor::allocate(kernel.type("x")).value();
    volute::Tensor y = volute::Tensor::allocate(kernel.type("y")).value();
    volute::runtime::fill(x, {volute::runtime::Fill::Kind::ones});
    const volute::TensorView w(kernel.type("w"), filter.data());
    kernel.run({{"x", x}, {"w", w}}, {{"y", y}}).check();
    std::printf("%s, first element %g\n", volute::ir::to_string(y.type()).c_str(),
                static_cast<double>(*y.as<float>()));
  }
  const auto counters = session.cache_counters();
  std::printf("%ld compiled, %ld found\n", static_cast<long>(counters.compiles),
              static_cast<long>(counters.hits));
} catch (const volute::Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
