#include "tests/runtime/temporary_folder.h"
#include "tests/support/catch.h"
#include "tests/support/tile_emulator.h"
#include "tests/tools/run_tool.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <sys/wait.h>

using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;
using volute::tests::Ran;
using volute::tests::read_file;
using volute::tests::run_volute;
using volute::tests::TemporaryFolder;
using volute::tests::write_file;

namespace {

/// What a shell makes of a line: "" when it succeeds, else what it printed.
std::string fault_of(const std::string& line, const TemporaryFolder& folder) {
  const std::string log = folder / "log";
  const int status =
      std::system(("cd '" + folder / "." + "' && { " + line + "\n} > '" + log + "' 2>&1").c_str());
  return status == 0 ? "" : read_file(log);
}

std::string output_of(const std::string& line, const TemporaryFolder& folder) {
  const std::string fault = fault_of(line, folder);
  return fault.empty() ? read_file(folder / "log") : "failed: " + fault;
}

const std::string strict = " -std=c11 -pedantic -Wall -Wextra -Werror -I. ";

} // namespace

TEST_CASE("the example in C links the object and nothing else", "[compile]") {
  const TemporaryFolder folder;
  for (const std::string options : {"", " --schedule naive", " --target x86-64-v2"}) {
    const Ran ran = run_volute("compile examples/c/layer.vlt -o " + folder / "layer.o" +
                               " --header " + folder / "layer.h" + options);
    INFO(ran.err);
    REQUIRE(ran.status == 0);
    CHECK_THAT(ran.out, StartsWith("@layer for "));
    CHECK(output_of("cc" + strict +
                        VOLUTE_SOURCE_DIR "/examples/c/layer.c layer.o -o layer && "
                                          "./layer",
                    folder) == "0 of 1024 wrong, y[0] = 0\n");
    // It wants nothing from outside, and no stack that is executable.
    CHECK(output_of("nm -u layer.o; readelf -SW layer.o | grep -c GNU-stack", folder) == "1\n");
    CHECK(output_of("cc -static" + strict +
                        VOLUTE_SOURCE_DIR "/examples/c/layer.c layer.o -o layer && ./layer",
                    folder) == "0 of 1024 wrong, y[0] = 0\n");
  }
}

TEST_CASE("objects of one program beside each other, in C++, with what scratch and steps there are",
          "[compile]") {
  const TemporaryFolder folder;
  write_file(folder / "both.vlt",
             "program @3x3(%x: f32[n=1, c=8, h=12, w=12], %float: f32[o=8, i=8, h=3, w=3],\n"
             "             %f: f32[o=8, i=8, h=1, w=1]) {\n"
             "  %s = mul %float, %float\n"
             "  %0 = conv %x, %s {pad = 1}\n  %1 = max_pool %0 {kernel = 2}\n"
             "  %2 = conv %1, %f\n  %int = softplus %2\n  return %int, %0\n}\n"
             "program @exp(%x: u8[n=2, c=3, w=9], %w: i8[o=5, i=3, w=3]) {\n"
             "  %y = conv %x, %w {pad = 1, x_zero_point = 4}\n  return %y\n}\n");
  for (const std::string name : {"3x3", "exp"})
    REQUIRE(run_volute("compile " + folder / "both.vlt" + " --entry " + name + " -o " +
                       folder / (name + ".o") + " --header " + folder / (name + ".h"))
                .status == 0);
  REQUIRE(run_volute("run " + folder / "both.vlt" + " --entry 3x3 --fill ones -o int=" +
                     folder / "a.npy" + " -o 0=" + folder / "b.npy")
              .status == 0);
  write_file(folder / "main.cpp", R"(
#include "3x3.h"
#include "exp.h"
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <vector>
void* memory(size_t bytes) { return std::aligned_alloc(64, (bytes + 127) / 64 * 64); }
bool is(const char* path, const std::vector<float>& values) {
  std::ifstream file(path, std::ios::binary);
  std::vector<char> all{std::istreambuf_iterator<char>(file), {}};
  const float* there = (const float*)(all.data() + all.size() - 4 * values.size());
  for (size_t i = 0; i < values.size(); ++i) if (there[i] != values[i]) return false;
  return true;
}
int main() {
  std::vector<float> x(K3X3_X_BYTES / 4, 1), w(K3X3_FLOAT_BYTES / 4, 1), f(K3X3_F_BYTES / 4, 1);
  std::vector<float> y(K3X3_INT_BYTES / 4), z(K3X3_0_BYTES / 4);
  void* prepared = memory(K3X3_PREPARED_BYTES);
  void* workspace = memory(K3X3_WORKSPACE_BYTES);
  int failed = k3x3_prepare(w.data(), f.data(), prepared, workspace);
  failed |= k3x3_run(x.data(), prepared, y.data(), z.data(), workspace);
  const int64_t items[] = K3X3_STEP_ITEMS;
  std::printf("%d %d %d %d\n", failed, is("a.npy", y), is("b.npy", z),
              (int)(sizeof items / sizeof *items) == K3X3_STEPS);
  unsigned char bytes[EXP_X_BYTES] = {9};
  (void)bytes;
}
)");
  CHECK(output_of("c++ -Wall -Wextra -Werror -I. main.cpp 3x3.o exp.o -o both && ./both", folder) ==
        "0 1 1 1\n");
}

TEST_CASE("an object for another machine says which, and its functions have the name asked for",
          "[compile]") {
  const TemporaryFolder folder;
  const Ran ran = run_volute("compile examples/stem.vlt -o " + folder / "s.o" + " --header " +
                             folder / "s.h" + " --target sapphirerapids --name first_layer");
  REQUIRE(ran.status == 0);
  const std::string header = read_file(folder / "s.h");
  CHECK_THAT(header, ContainsSubstring("sapphirerapids+"));
  CHECK_THAT(header, ContainsSubstring("int first_layer_run("));
  CHECK_THAT(header, ContainsSubstring(
                         "#define FIRST_LAYER_X_BYTES 602112 /* input %x: f32[n=1, c=3, h=224, "
                         "w=224] */"));
  for (size_t at = 0, end = 0; end != std::string::npos; at = end + 1) {
    end = header.find('\n', at);
    CHECK(std::min(end, header.size()) - at <= 110);
  }
  CHECK(output_of("nm --defined-only -g s.o | sed 's/^[0-9a-f]* //'", folder) ==
        "T first_layer_prepare\nT first_layer_run\nT first_layer_step\n");
}

TEST_CASE("an object that multiplies on the matrix unit says that the system must be asked for it",
          "[compile]") {
  const TemporaryFolder folder;
  write_file(folder / "dense.vlt",
             "program @dense(%x: bf16[n=1, h=18, w=18, c=64], %w: bf16[o=64, i=64, h=3, w=3]) {\n"
             "  %y = conv %x, %w : f32[n=1, h=16, w=16, c=64]\n  return %y\n}\n");
  const auto compile = [&](const std::string& options) {
    const Ran ran = run_volute("compile " + folder / "dense.vlt" + " -o " + folder / "dense.o" +
                               " --header " + folder / "dense.h" + options);
    REQUIRE(ran.status == 0);
    return ran.out;
  };
  CHECK_THAT(compile(" --target znver4"), !ContainsSubstring("matrix unit"));
  CHECK_THAT(read_file(folder / "dense.h"), !ContainsSubstring("matrix unit"));
  CHECK_THAT(compile(" --target " + volute::tests::native_with_tiles()),
             ContainsSubstring("it needs the matrix unit"));
  CHECK_THAT(read_file(folder / "dense.h"),
             ContainsSubstring("syscall(SYS_arch_prctl, 0x1023, 18) is 0 where it is granted"));
  CHECK_THAT(run_volute("inspect " + folder / "dense.vlt" + " --target sapphirerapids").out,
             ContainsSubstring("needs          the matrix unit"));
  write_file(folder / "main.c", R"(
#define _GNU_SOURCE
#include "dense.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
static uint16_t x[DENSE_X_BYTES / 2], w[DENSE_W_BYTES / 2];
static float y[DENSE_Y_BYTES / 4];
int main(void) {
  if (syscall(SYS_arch_prctl, 0x1023, 18) != 0) return 2;
  for (size_t i = 0; i < sizeof x / 2; ++i) x[i] = 0x3f80;
  for (size_t i = 0; i < sizeof w / 2; ++i) w[i] = 0x4000;
  void *prepared = aligned_alloc(64, (DENSE_PREPARED_BYTES + 127) / 64 * 64);
  void *workspace = aligned_alloc(64, (DENSE_WORKSPACE_BYTES + 127) / 64 * 64);
  dense_prepare(w, prepared, workspace);
  dense_run(x, prepared, y, workspace);
  int wrong = 0;
  for (size_t i = 0; i < sizeof y / 4; ++i) wrong += y[i] != 1152;
  printf("%d wrong\n", wrong);
  return wrong != 0;
}
)");
  REQUIRE(output_of("cc" + strict + "main.c dense.o -o dense", folder) == "");
  if (volute::tests::has_tiles()) CHECK(output_of("./dense", folder) == "0 wrong\n");
}

TEST_CASE("what cannot be compiled ahead of time is refused before anything is written",
          "[compile]") {
  const TemporaryFolder folder;
  const auto refused = [&](const std::string& arguments, int status, const std::string& words) {
    const Ran ran = run_volute("compile " + arguments);
    INFO(arguments);
    CHECK(ran.status == status);
    CHECK_THAT(ran.err, ContainsSubstring(words));
    CHECK(folder.files() == 0);
  };
  refused("", 2, "there is no program");
  refused("examples/stem.vlt --header " + folder / "s.h", 2, "which -o names");
  refused("examples/stem.vlt examples/first.vlt -o " + folder / "s.o", 2, "several files");
  refused("examples/stem.vlt -o " + folder / "no/s.o", 1, "there is no folder");
  refused("examples/stem.vlt -o " + folder / "s.o" + " --name 3d", 2, "no name in C");
  refused("examples/stem.vlt -o " + folder / "s.o" + " --target z80", 2, "z80");
  refused("examples/stem.vlt", 1, "kernels are kept nowhere");
  refused("examples/stem.vlt --no-cache", 2, "--no-cache");
}

TEST_CASE("without -o the cache is filled, for this machine or for another", "[compile]") {
  const TemporaryFolder folder;
  const std::string there = " --cache-dir " + folder / "k";
  CHECK(run_volute("compile examples/first.vlt examples/stem.vlt" + there).out ==
        "2 kernels in " + folder / "k" + ": 2 compiled, 0 there already\n");
  CHECK(run_volute("compile examples/stem.vlt" + there).out ==
        "1 kernel in " + folder / "k" + ": 0 compiled, 1 there already\n");
  CHECK_THAT(run_volute("run examples/first.vlt --verbose" + there).err,
             ContainsSubstring("@first found in "));
  CHECK(run_volute("compile examples/stem.vlt --target sapphirerapids" + there).out ==
        "1 kernel in " + folder / "k" + ": 1 compiled, 0 there already\n");
  const Ran full = run_volute("compile examples/stem.vlt --cache-dir " + folder / "full",
                              "VOLUTE_DISK_CACHE=100");
  CHECK(full.status == 1);
  CHECK(full.err == "error: 1 of them could not be kept\n");
}
