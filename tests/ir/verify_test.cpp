#include "ir/parse.h"
#include "ir/verify.h"
#include "tests/support/catch.h"

#include <string>

namespace volute::ir {
namespace {

Program sound() {
  return parse("program @p(%x: f32[n=1, c=4, h=8, w=8], %w: f32[o=4, i=4, h=3, w=3]) {\n"
               "  %0 = conv %x, %w {pad = 1}\n"
               "  %y = relu %0\n"
               "  return %y\n}\n")
      .value();
}

std::string faults(const Program& program) {
  std::string text;
  for (const Diagnostic& d : verify(program)) text += to_string(d) + '\n';
  return text;
}

TEST_CASE("a parsed program is sound") { CHECK(faults(sound()).empty()); }

TEST_CASE("names are names and unique") {
  Program program = sound();
  program.name = "a b";
  program.values[0].name = "y";
  program.values[1].name = "";
  CHECK(faults(program) == "@: 'a b' is no name: names are letters, digits and '_'\n"
                           "%: '' is no name: names are letters, digits and '_'\n"
                           "%y: is the name of two values\n");
}

TEST_CASE("values are defined once, before they are read") {
  Program program = sound();
  std::swap(program.statements[0], program.statements[1]);
  CHECK(faults(program) == "%0: is read before it is defined\n");
  program = sound();
  program.statements[1].results = {2};
  CHECK(faults(program) == "%0: is defined twice\n"
                           "%y: is returned but not defined\n"
                           "%y: is neither an input nor a result\n");
}

TEST_CASE("identities outside the program are refused") {
  Program program = sound();
  program.statements[0].operands[0] = 77;
  program.statements[1].results[0] = -3;
  program.inputs.push_back(4);
  program.outputs = {1 << 30};
  CHECK(faults(program) == "input: there is no value 4 among 4\n"
                           "conv: there is no value 77 among 4\n"
                           "relu: there is no value -3 among 4\n"
                           "return: there is no value 1073741824 among 4\n"
                           "%y: is neither an input nor a result\n");
}

TEST_CASE("types are the inferred ones") {
  Program program = sound();
  program.values[3].type.extents[1].size = 5;
  CHECK(faults(program) == "relu: the written type has c = 5, but the result has 4\n");
  program = sound();
  program.values[0].type.extents[3].size = -8;
  CHECK(faults(program) == "%x: the extent w=-8 is below 1\n"
                           "conv: the extent w=-8 is below 1\n");
}

TEST_CASE("a rewrite may leave out a statement whose result nothing reads") {
  Program program = sound();
  program.values.push_back({"gone", program.values[0].type, {}});
  CHECK(faults(program) == "%gone: is neither an input nor a result\n");
  CHECK(verify(program, Gaps::allowed).empty());
  program.statements[1].operands = {4};
  CHECK_FALSE(verify(program, Gaps::allowed).empty()); // but this one does
}

TEST_CASE("attributes are complete and the operator's own") {
  Program program = sound();
  std::get<Conv>(program.statements[0].operation).stride.clear();
  std::get<Unary>(program.statements[1].operation).a = 5;
  CHECK(faults(program) == "conv: an attribute is not filled in\n"
                           "relu: an attribute is set that the operator does not have\n");
}

TEST_CASE("a program returns something, each value once") {
  Program program = sound();
  program.outputs.clear();
  CHECK(faults(program) == "the program returns nothing\n");
  program.outputs = {3, 3};
  CHECK(faults(program) == "%y: is returned twice\n");
}

TEST_CASE("a constant has the bytes of its type") {
  Program program = parse("program @p() { %k = const [1, 2] : f32[c=2] return %k }").value();
  std::get<Const>(program.statements[0].operation).bytes =
      std::make_shared<const std::vector<std::byte>>(7);
  CHECK(faults(program) == "const: f32[c=2] takes 8 bytes, but the data have 7\n");
  std::get<Const>(program.statements[0].operation).bytes = nullptr;
  CHECK(faults(program) == "const: has no data\n");
}

TEST_CASE("programs answer who defines and who reads a value") {
  const Program program = sound();
  CHECK(program.find("y") == 3);
  CHECK(program.find("z") == std::nullopt);
  CHECK(program.definition(0) == nullptr);
  CHECK(program.definition(3) == &program.statements[1]);
  CHECK(program.uses(0) == 1);
  CHECK(program.uses(3) == 1);
}

} // namespace
} // namespace volute::ir
