// The same first result by oneDNN: a primitive made, the weight reordered, called.
//
//     onednn first STARTED_NS
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <oneapi/dnnl/dnnl.hpp>
#include <unistd.h>
#include <vector>

namespace {

double now_us() {
  return std::chrono::duration<double, std::micro>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

long resident_kib() {
  std::ifstream statm("/proc/self/statm");
  long pages = 0, resident = 0;
  statm >> pages >> resident;
  return resident * sysconf(_SC_PAGESIZE) / 1024;
}

} // namespace

int main(int argc, char** argv) {
  using namespace dnnl;
  if (argc != 3) return 2;
  const double started_us = std::atof(argv[2]) / 1000, in_main = now_us();
  engine cpu(engine::kind::cpu, 0);
  stream s(cpu);
  const memory::dims x_dims = {1, 64, 56, 56}, w_dims = {64, 64, 3, 3}, b_dims = {64};
  const auto f32 = memory::data_type::f32;
  const memory::desc x_desc(x_dims, f32, memory::format_tag::nhwc),
      w_any(w_dims, f32, memory::format_tag::any), b_desc(b_dims, f32, memory::format_tag::x);
  primitive_attr attributes;
  post_ops operations;
#if DNNL_VERSION_MAJOR < 3
  operations.append_eltwise(1, algorithm::eltwise_relu, 0, 0);
  attributes.set_post_ops(operations);
  const convolution_forward::desc described(prop_kind::forward_inference,
                                            algorithm::convolution_direct, x_desc, w_any, b_desc,
                                            x_desc, {1, 1}, {1, 1}, {1, 1});
  const convolution_forward::primitive_desc made(described, attributes, cpu);
#else
  operations.append_eltwise(algorithm::eltwise_relu, 0, 0);
  attributes.set_post_ops(operations);
  const convolution_forward::primitive_desc made(
      cpu, prop_kind::forward_inference, algorithm::convolution_direct, x_desc, w_any, b_desc,
      x_desc, {1, 1}, {1, 1}, {1, 1}, attributes);
#endif
  const convolution_forward conv(made);
  const double ready = now_us();
  const long resident = resident_kib();
  std::vector<float> image(64 * 56 * 56, 0.5F), weight(64 * 64 * 9, 0.5F), bias(64, 0.5F),
      result(64 * 56 * 56);
  memory x(x_desc, cpu, image.data()),
      w({w_dims, f32, memory::format_tag::oihw}, cpu, weight.data()), b(b_desc, cpu, bias.data()),
      y(x_desc, cpu, result.data());
  memory packed(made.weights_desc(), cpu);
  const double filled_at = now_us();
  reorder(w, packed).execute(s, w, packed);
  s.wait();
  const double packed_at = now_us();
  const auto call = [&] {
    conv.execute(
        s, {{DNNL_ARG_SRC, x}, {DNNL_ARG_WEIGHTS, packed}, {DNNL_ARG_BIAS, b}, {DNNL_ARG_DST, y}});
    s.wait();
  };
  call();
  const double called = now_us();
  double own = 1e9;
  for (int i = 0; i < 20; ++i) {
    const double before = now_us();
    call();
    own = std::min(own, now_us() - before);
  }
  std::printf("main %.1f\nkernel_ready %.1f\nresult %.1f\n", in_main - started_us,
              ready - started_us, (called - started_us) - (filled_at - ready));
  std::printf("pack %.1f\ncall %.1f\nown %.1f\n", packed_at - filled_at, called - packed_at, own);
  std::printf("beyond %.1f\nresident_kib %ld\n",
              (called - started_us) - (filled_at - ready) - (packed_at - filled_at) - own,
              resident);
}
