#include "compiler/lower/fuse.h"
#include "ir/parse.h"
#include "tests/support/catch.h"

#include <string>

using namespace volute;

namespace {

/// "conv 0, relu y | max_pool z" and the reasons, "%..." one a line.
struct Told {
  std::string groups, reasons;
};

Told told(const std::string& text) {
  const ir::Program program = ir::parse(text).value();
  const compiler::Fusion fusion = compiler::fuse(program);
  const auto said = [&](size_t s) {
    const ir::Statement& statement = program.statements.at(s);
    return std::string(ir::name(statement.operation)) + " " + program.name_of(statement.results[0]);
  };
  Told result;
  for (const auto& group : fusion.groups) {
    if (!result.groups.empty()) result.groups += " | ";
    for (size_t s : group.statements)
      result.groups += (s == group.statements.front() ? "" : ", ") + said(s);
  }
  for (const auto& reason : fusion.apart)
    result.reasons += said(reason.statement) + ": " + reason.text + "\n";
  return result;
}

const std::string inputs =
    "program @p(%x: f32[n=1, c=4, h=6, w=6], %w: f32[o=4, i=4, h=3, w=3], %b: f32[c=4]) {\n";

} // namespace

TEST_CASE("a chain of single uses is folded into its head") {
  const Told result = told(inputs + R"(%0 = conv %x, %w {pad = 1}
    %1 = batch_norm %0, %b, %b, %b, %b
    %2 = add %1, %x
    %3 = relu %2
    %y = reorder %3 : f32[n=1, h=6, w=6, c=4]
    return %y })");
  CHECK(result.groups == "conv 0, batch_norm 1, add 2, relu 3, reorder y");
  CHECK(result.reasons == "conv 0: %x is an input of the program\n");
}

TEST_CASE("a value that is read twice is stored") {
  const Told result = told(inputs + R"(%0 = conv %x, %w {pad = 1}
    %1 = sigmoid %0
    %y = mul %0, %1
    return %y })");
  CHECK(result.groups == "conv 0 | sigmoid 1, mul y");
  CHECK(result.reasons == "conv 0: %x is an input of the program\n"
                          "sigmoid 1: %0 is read by 2 statements\n");
}

TEST_CASE("a value that is returned is stored") {
  const Told result = told(inputs + R"(%0 = conv %x, %w {pad = 1}
    %y = relu %0
    return %y, %0 })");
  CHECK(result.groups == "conv 0 | relu y");
  CHECK(result.reasons == "conv 0: %x is an input of the program\nrelu y: %0 is returned\n");
}

TEST_CASE("the values of a pool with two results are stored") {
  const Told result = told(inputs + R"(%0, %i = max_pool %x {kernel = 2}
    %y = relu %0
    return %y, %i })");
  CHECK(result.groups == "max_pool 0 | relu y");
  CHECK(result.reasons == "max_pool 0: %x is an input of the program\n"
                          "relu y: %0 is one of two results\n");
}

TEST_CASE("a window reads what is stored") {
  const Told result = told(inputs + R"(%0 = relu %x
    %1 = conv %0, %w
    %2 = max_pool %1 {kernel = 2}
    %3 = pad %2 {pad = 1}
    %y = neg %3
    return %y })");
  CHECK(result.groups == "relu 0 | conv 1 | max_pool 2 | pad 3, neg y");
  CHECK(result.reasons ==
        "relu 0: %x is an input of the program\n"
        "conv 1: it reads %0 at other positions than its own, so that is stored first\n"
        "max_pool 2: it reads %1 at other positions than its own, so that is stored first\n"
        "pad 3: it reads %2 at other positions than its own, so that is stored first\n");
}

TEST_CASE("of two nests that could take a sum, the convolution does, then the later one") {
  CHECK(told(inputs + R"(%0 = conv %x, %w {pad = 1}
    %1 = max_pool %x {kernel = 3, stride = 1, pad = 1}
    %y = add %1, %0
    return %y })")
            .groups == "max_pool 1 | conv 0, add y");
  CHECK(told(inputs + R"(%0 = conv %x, %w {pad = 1}
    %1 = conv %x, %w {pad = 1}
    %y = sub %0, %1
    return %y })")
            .groups == "conv 0 | conv 1, sub y");
}

TEST_CASE("a nest comes after everything that its last statement reads") {
  const Told result = told(inputs + R"(%0 = conv %x, %w {pad = 1}
    %1 = relu %x
    %2 = max_pool %1 {kernel = 3, stride = 1, pad = 1}
    %y = add %0, %2
    return %y })");
  CHECK(result.groups == "relu 1 | max_pool 2 | conv 0, add y");
}

TEST_CASE("a per-channel vector is read, never the chain") {
  const Told result = told(inputs + R"(%0 = relu %b
    %y = add %x, %0
    return %y })");
  CHECK(result.groups == "relu 0 | add y");
  CHECK(result.reasons == "relu 0: %b is an input of the program\n"
                          "add y: %x is an input of the program\n");
}

TEST_CASE("what nothing reads is not computed and keeps nothing from being folded") {
  const Told result = told(inputs + R"(%0 = conv %x, %w {pad = 1}
    %dead = sqrt %0
    %deader = exp %dead
    %y = relu %0
    return %y })");
  CHECK(result.groups == "conv 0, relu y");
  CHECK(result.reasons == "conv 0: %x is an input of the program\n"
                          "sqrt dead: nothing reads %dead, so it is not computed\n"
                          "exp deader: nothing reads %deader, so it is not computed\n");
}

TEST_CASE("a constant operand is a reason too") {
  CHECK(told(R"(program @p() {
    %k = const [1, 2] : f32[n=1, c=1, w=2]
    %y = exp %k
    return %y })")
            .reasons == "exp y: %k is a constant\n");
}

TEST_CASE("formulas that would be written out many times start again") {
  std::string text = inputs + "%0 = silu %x\n";
  for (int i = 1; i < 8; ++i)
    text += "%" + std::to_string(i) + " = mul %" + std::to_string(i - 1) + ", %" +
            std::to_string(i - 1) + "\n";
  const Told result = told(text + "return %7 }");
  CHECK(result.groups == "silu 0, mul 1, mul 2, mul 3, mul 4, mul 5 | mul 6, mul 7");
  CHECK(result.reasons ==
        "silu 0: %x is an input of the program\n"
        "mul 6: the formula would name the nest's own value 128 times, more than 64\n");
}

TEST_CASE("a long chain is cut before it overflows anything that walks it") {
  std::string text = inputs + "%0 = neg %x\n";
  for (int i = 1; i < 100; ++i)
    text += "%" + std::to_string(i) + " = neg %" + std::to_string(i - 1) + "\n";
  const compiler::Fusion fusion = compiler::fuse(ir::parse(text + "return %99 }").value());
  REQUIRE(fusion.groups.size() == 4);
  CHECK(fusion.groups[0].statements.size() == 32);
  CHECK(fusion.apart.at(1).text == "the nest that makes %31 has 32 statements already");
}
