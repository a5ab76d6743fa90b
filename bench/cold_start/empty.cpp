// Nothing at all: when a C++ program's main() begins on this machine.
//
//     empty first STARTED_NS
#include <chrono>
#include <cstdio>
#include <cstdlib>

int main(int argc, char** argv) {
  const double now_us =
      std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now().time_since_epoch())
          .count();
  if (argc != 3) return 2;
  std::printf("main %.1f\n", now_us - std::atof(argv[2]) / 1000);
}
