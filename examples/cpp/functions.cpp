// PyTorch's functions by their names, on a part of a larger tensor, and a result in place of an
// operand.
#include <cstdio>
#include <volute/volute.h>

namespace {

volute::Tensor filled(const volute::ir::TensorType& type, const char* how) {
  volute::Tensor tensor = *volute::Tensor::allocate(type);
  volute::runtime::fill(tensor, *volute::runtime::parse_fill(how));
  return tensor;
}

} // namespace

int main() try {
  using volute::ir::Axis;
  using volute::ir::ElementType;
  volute::Session session;
  const volute::Tensor batch = filled(
      {ElementType::f32, {{Axis::n, 4}, {Axis::c, 3}, {Axis::h, 32}, {Axis::w, 32}}}, "iota");
  const volute::Tensor w =
      filled({ElementType::f32, {{Axis::o, 8}, {Axis::i, 3}, {Axis::h, 3}, {Axis::w, 3}}}, "ones");

  // torch.nn.functional, one operator a call. The operand is the middle of each image, as it lies.
  const volute::TensorView middle =
      batch.narrow(Axis::h, 8, 16).narrow(Axis::w, 8, 16); // batch[:, :, 8:24, 8:24]
  const volute::Tensor y =
      volute::conv2d(session, middle, w, {.stride = {2, 2}, .padding = {1, 1}});
  volute::Tensor z = volute::max_pool2d(session, y, 2);
  std::printf("%s, first element %g\n", volute::ir::to_string(z.type()).c_str(), z.as<float>()[0]);

  // An element-wise program may write where it reads, but for that no output overlaps an input.
  const volute::Kernel limit = session.compile(*volute::ir::parse(R"(
    program @limit(%x: f32[n=4, c=8, h=4, w=4]) {
      %y = clamp %x {max = 10000}
      return %y
    })"));
  limit(z, z).check();
  std::printf("limited in place: %g\n", z.as<float>()[0]);
} catch (const volute::Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
