#include "compiler/image/generator.h"
#include "runtime/key.h"
#include "tests/runtime/hand_assembled.h"
#include "tests/support/catch.h"

#include <set>

using namespace volute;
using runtime::kernel_key;
using volute::tests::row_type;

namespace {

ir::Program constant_program(const std::string& file, std::byte value) {
  ir::Program p;
  p.name = "k";
  p.values = {{"w", row_type(4), {}}};
  const auto bytes = std::make_shared<const std::vector<std::byte>>(16, value);
  p.statements = {{{0}, ir::Const{bytes, file}, {}, {}}};
  p.outputs = {0};
  return p;
}

const CompileOptions plain{"haswell", "auto", 2, false};

} // namespace

TEST_CASE("a key names what the code depends on, then the program") {
  const std::string key = kernel_key(constant_program("w.npy", std::byte{1}), plain);
  CHECK(key.substr(0, key.find("constant")) ==
        "generator " + std::string(compiler::generator_version()) + ", LLVM " +
            std::string(compiler::llvm_version()) +
            "\ntarget haswell\nschedule auto\naccuracy 2\ndeterministic false\n");
  CHECK(compiler::generator_version().size() == 16);
  CHECK(key.find("constant %w xxh3:") != std::string::npos);
  CHECK(key.find("program @k") != std::string::npos);
}

TEST_CASE("configurations that differ have keys that differ") {
  const ir::Program program = constant_program("w.npy", std::byte{1});
  std::set<std::string> keys = {kernel_key(program, plain)};
  const auto is_new = [&](const std::string& key) { return keys.insert(key).second; };
  CHECK(is_new(kernel_key(program, {"znver4", "auto", 2, false})));
  CHECK(is_new(kernel_key(program, {"haswell", "naive", 2, false})));
  CHECK(is_new(kernel_key(program, {"haswell", "auto", 2.5, false})));
  CHECK(is_new(kernel_key(program, {"haswell", "auto", 2, true})));
  CompileOptions strided = plain;
  strided.strides["w"] = {8, 8, 2};
  CHECK(is_new(kernel_key(program, strided)));
  strided.strides["w"] = {8, 8, 1};
  CHECK(is_new(kernel_key(program, strided)));
  // The file's name is the same, what it holds is not.
  CHECK(is_new(kernel_key(constant_program("w.npy", std::byte{2}), plain)));
  CHECK(!is_new(kernel_key(constant_program("w.npy", std::byte{2}), plain)));
}

TEST_CASE("a large constant enters the key as its digest, a small one by value") {
  const auto with = [](int64_t elements, std::byte value) {
    ir::Program p = constant_program("", value);
    p.values[0].type = row_type(elements);
    std::get<ir::Const>(p.statements[0].operation).bytes =
        std::make_shared<const std::vector<std::byte>>(static_cast<size_t>(4 * elements), value);
    return kernel_key(p, plain);
  };
  CHECK(with(1024, std::byte{0}).find("xxh3") == std::string::npos);
  CHECK(with(1024, std::byte{0}).find("[0, 0, ") != std::string::npos);
  const std::string large = with(1 << 20, std::byte{1});
  CHECK(large.find("constant %w xxh3:") != std::string::npos);
  CHECK(large.size() < 500);
  CHECK(large == with(1 << 20, std::byte{1}));
  CHECK(large != with(1 << 20, std::byte{2}));
}

TEST_CASE("a schedule's lines cannot pass for the key's own") {
  const ir::Program program = constant_program("w.npy", std::byte{1});
  const auto key = [&](const std::string& schedule) {
    return kernel_key(program, {"haswell", schedule, 2, false});
  };
  CHECK(key("for w\nfor h") != key("for w\\nfor h"));
  CHECK(key("auto\naccuracy 0").find("\naccuracy 0\n") == std::string::npos);
  CHECK(key("a\n").find("schedule a\\n\n") != std::string::npos);
}
