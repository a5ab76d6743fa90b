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

} // namespace

TEST_CASE("the system is asked for a matrix unit, and says the same to everybody") {
  CHECK(may_use_tiles() == tests::has_tiles());
}

TEST_CASE("a kernel for vectors stands in the place of one that may not run") {
  const ir::Program program = ir::parse(layer).value();
  Session session;
  CompileOptions with_tiles;
  with_tiles.target = tests::native_with_tiles();
  const Expected<compiler::Compiled> compiled =
      session.inspect(program, session.request(program, with_tiles).value());
  REQUIRE(compiled);
  CHECK(compiled->image.needs_tiles);
  CHECK(result_of(session.compile(program, with_tiles), program) ==
        result_of(session.compile(program), program));
  if (may_use_tiles()) return;
  const Expected<Kernel> refused = session.load(compiled->image);
  REQUIRE_FALSE(refused);
  CHECK(to_string(refused.diagnostics().front()) ==
        "layer: the code multiplies on a matrix unit, and this process has none");
}

TEST_CASE("code for a CPU with a matrix unit that does not use it runs without") {
  const ir::Program program =
      ir::parse("program @sum(%x: f32[n=1, w=8, c=4]) { %y = relu %x return %y }").value();
  Session session;
  CompileOptions with_tiles;
  with_tiles.target = tests::native_with_tiles();
  const Expected<compiler::Compiled> compiled =
      session.inspect(program, session.request(program, with_tiles).value());
  REQUIRE(compiled);
  CHECK_FALSE(compiled->image.needs_tiles);
  CHECK(session.load(compiled->image));
}
