// What a program that links libvolute has at its first result, in lines "name number", for
// bench/cold_start/run:
//
//     volute first STARTED_NS TEXT     ResNet's 3x3 64 -> 64: microseconds since the process was
//     asked
//                                      for, of them the kernel's own, packing; bytes resident
//                                      before
//     volute suite FILE                every layer of a suite, found or compiled, one after the
//     other volute tiered                    the first answer of tiered kernels, in a process that
//     is warm
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <unistd.h>
#include <vector>
#include <volute/volute.h>

namespace {

using Clock = std::chrono::steady_clock; // CLOCK_MONOTONIC, as Python's monotonic_ns

double now_us() {
  return std::chrono::duration<double, std::micro>(Clock::now().time_since_epoch()).count();
}

long resident_kib() {
  std::ifstream statm("/proc/self/statm");
  long pages = 0, resident = 0;
  statm >> pages >> resident;
  return resident * sysconf(_SC_PAGESIZE) / 1024;
}

volute::Tensor filled(const volute::ir::TensorType& type) {
  volute::Tensor tensor = *volute::Tensor::allocate(type);
  std::fill_n(tensor.as<float>(), type.elements(), 0.5F);
  return tensor;
}

void first(double started_us, const std::string& text) {
  const double in_main = now_us();
  volute::Session session;
  const volute::Kernel kernel = session.compile(*volute::ir::parse(text));
  const double compiled = now_us();
  const long resident = resident_kib();
  const volute::Tensor x = filled(kernel.type("x")), w = filled(kernel.type("w")),
                       b = filled(kernel.type("b"));
  volute::Tensor y = *volute::Tensor::allocate(kernel.type("y"));
  std::memset(y.data(), 0, static_cast<size_t>(y.bytes()));
  const double filled_at = now_us();
  const volute::Kernel bound = kernel.bind("w", w).bind("b", b);
  const double bound_at = now_us();
  bound(x, y).check();
  const double called = now_us();
  double again = 1e9; // the kernel's own time
  for (int i = 0; i < 20; ++i) {
    const double before = now_us();
    bound(x, y).check();
    again = std::min(again, now_us() - before);
  }
  std::printf("main %.1f\nkernel_ready %.1f\nresult %.1f\n", in_main - started_us,
              compiled - started_us, (called - started_us) - (filled_at - compiled));
  std::printf("pack %.1f\ncall %.1f\nown %.1f\n", bound_at - filled_at, called - bound_at, again);
  std::printf("beyond %.1f\nresident_kib %ld\n",
              (called - started_us) - (filled_at - compiled) - (bound_at - filled_at) - again,
              resident);
}

/// Layers of one memory order, as often as the network has them ("// used 3 times").
std::vector<volute::ir::Program> layers(const std::string& file) {
  std::ifstream in(file);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  std::vector<volute::ir::Program> all;
  for (const volute::ir::Program& program : *volute::ir::parse_file_text(text)) {
    if (!program.name.ends_with("_nhwc") || !program.name.starts_with("conv")) continue;
    const size_t at = text.find("program @" + program.name + "(");
    const size_t line = text.rfind('\n', at - 2) + 1;
    int used = 1;
    std::sscanf(text.c_str() + line, "// used %d times", &used);
    for (int i = 0; i < used; ++i) all.push_back(program);
  }
  return all;
}

void suite(const std::string& file) {
  const std::vector<volute::ir::Program> all = layers(file);
  volute::Session session;
  std::vector<volute::Kernel> kernels;
  const double before = now_us();
  for (const volute::ir::Program& program : all) kernels.push_back(session.compile(program));
  const double took = now_us() - before;
  const auto counters = session.cache_counters();
  std::printf("layers %zu\nloads %ld\ncompiles %ld\nall %.1f\n", all.size(),
              static_cast<long>(counters.loads), static_cast<long>(counters.compiles), took);
  if (counters.loads > 0)
    std::printf("each_load %.1f\n", took / static_cast<double>(counters.loads));
  const double again = now_us();
  for (const volute::ir::Program& program : all) (void)session.compile(program);
  std::printf("each_in_memory %.3f\n", (now_us() - again) / static_cast<double>(all.size()));
}

void tiered() {
  volute::Session session;
  const auto layer = [](int64_t width) {
    return *volute::ir::parse("program @p(%x: f32[n=1, h=56, w=" + std::to_string(width) +
                              ", c=64], %w: f32[o=64, i=64, h=3, w=3]) {\n"
                              "  %0 = conv %x, %w {pad = 1}\n  %y = relu %0\n  return %y\n}");
  };
  (void)session.compile(layer(10)); // warm
  std::vector<double> answers, finals;
  for (int64_t width = 40; width < 61; ++width) {
    const volute::ir::Program program = layer(width);
    const double before = now_us();
    const volute::TieredKernel kernel = session.compile_tiered(program);
    answers.push_back(now_us() - before);
    (void)kernel.wait();
    finals.push_back(now_us() - before);
  }
  std::sort(answers.begin(), answers.end());
  std::sort(finals.begin(), finals.end());
  std::printf("tiered_ready %.1f\ntiered_final %.1f\n", answers[answers.size() / 2],
              finals[finals.size() / 2]);
}

} // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  if (what == "first" && argc == 4)
    first(std::atof(argv[2]) / 1000, argv[3]);
  else if (what == "suite" && argc == 3)
    suite(argv[2]);
  else if (what == "tiered")
    tiered();
  else
    return 2;
}
