// Kernels that need a matrix unit where the process has none.

#include "compiler/compile.h"
#include "ir/parse.h"
#include "runtime/session.h"
#include "runtime/tile_permission.h"
#include "tests/support/catch.h"
#include "tests/support/tile_emulator.h"
#include "tests/support/whole_numbers.h"

using namespace volute;
using namespace volute::runtime;

namespace {

const char* const layer =
    "program @layer(%x: bf16[n=1, h=16, w=16, c=64], %w: bf16[o=64, i=64, h=3, w=3]) {\n"
    "  %y = conv %x, %w {pad = 1} : f32[n=1, h=16, w=16, c=64]\n  return %y\n}\n";

std::vector<std::byte> result_of(const Kernel& kernel, const ir::Program& program) {
  tests::Tensors inputs = tests::whole_numbers(program, 3);
  std::vector<std::byte> result(static_cast<size_t>(program.type(program.outputs[0]).bytes()));
  kernel
      .run({{"x", TensorView(kernel.type("x"), inputs.at("x").bytes.data())},
            {"w", TensorView(kernel.type("w"), inputs.at("w").bytes.data())}},
           {{"y", MutableTensorView(kernel.type("y"), result.data())}})
      .check();
  return result;
}

/// A program and what is made of it for this machine with a matrix unit.
struct ForTiles {
  explicit ForTiles(const std::string& text) : program(ir::parse(text).value()) {
    options.target = tests::native_with_tiles();
    image = session.inspect(program, session.request(program, options).value()).value().image;
  }

  ir::Program program;
  Session session;
  CompileOptions options;
  compiler::Image image;
};

} // namespace

TEST_CASE("the system is asked for a matrix unit, and says the same to everybody") {
  CHECK(may_use_tiles() == tests::has_tiles());
}

TEST_CASE("a kernel for vectors stands in the place of one that may not run") {
  ForTiles made(layer);
  CHECK(made.image.needs_tiles);
  CHECK(result_of(made.session.compile(made.program, made.options), made.program) ==
        result_of(made.session.compile(made.program), made.program));
  if (may_use_tiles()) return;
  const Expected<Kernel> refused = made.session.load(made.image);
  REQUIRE_FALSE(refused);
  CHECK(to_string(refused.diagnostics().front()) ==
        "layer: the code multiplies on a matrix unit, and this process has none");
}

TEST_CASE("code for a CPU with a matrix unit that does not use it runs without") {
  ForTiles made("program @sum(%x: f32[n=1, w=8, c=4]) { %y = relu %x return %y }");
  CHECK_FALSE(made.image.needs_tiles);
  CHECK(made.session.load(made.image));
}
