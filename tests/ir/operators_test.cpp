#include "ir/operators.h"
#include "tests/support/catch.h"

#include <string>

namespace volute::ir {
namespace {

TEST_CASE("each operator's row makes an operation of that name") {
  for (const OperatorRow& row : operators()) {
    CHECK(name(row.make()) == row.name);
    CHECK(&row_of(row.make()) == &row);
    CHECK(row.required <= row.operands.size());
    CHECK(!row.summary.empty());
  }
  CHECK(operators().size() == 41);
}

TEST_CASE("each attribute that may be left out has its documented default") {
  for (const OperatorRow& row : operators())
    for (const AttributeRow& attribute : row.attributes) {
      INFO(row.name << " " << attribute.name);
      Operation operation = row.make();
      const Field field = attribute.field(operation);
      if (is_empty(field)) continue; // filled in from the operands
      if (const auto* real = std::get_if<double*>(&field))
        CHECK(**real == std::stod(std::string(attribute.fallback)));
      else
        CHECK(to_string(field) == attribute.fallback);
    }
}

TEST_CASE("assigning an attribute changes nothing else") {
  Pool from, to;
  from.kernel = {3, 3};
  from.ceil_mode = true;
  Operation source = from, target = to;
  const OperatorRow& row = row_of(source);
  assign(find_attribute(row, "kernel")->field(target),
         find_attribute(row, "kernel")->field(source));
  to.kernel = {3, 3};
  CHECK(target == Operation(to));
}

TEST_CASE("a signature shows operands, attributes and defaults") {
  CHECK(signature(*find_operator("max_pool")) ==
        "max_pool %x {kernel, stride [= kernel], pad [0], dilation [1], ceil_mode [false]}");
  CHECK(signature(*find_operator("prelu")) == "prelu %x, %slope");
  CHECK(signature(*find_operator("convert")) == "convert %x : type");
  CHECK(signature(*find_operator("conv")).starts_with("conv %x, %w [, %b] {stride [1], pad [0]"));
}

TEST_CASE("a word is taken for the one it most resembles") {
  const std::string_view words[] = {"pad", "padding_mode", "stride", "kernel", "max", "max_pool"};
  CHECK(nearest_word("padding", words) == "pad");
  CHECK(nearest_word("kernel_size", words) == "kernel");
  CHECK(nearest_word("strid", words) == "stride");
  CHECK(nearest_word("maxpool", words) == "max_pool");
  CHECK(nearest_word("max_pool2d", words) == "max_pool");
  CHECK(nearest_word("colour", words) == std::nullopt);
  CHECK(nearest_word(std::string(1000, 'p'), words) == std::nullopt);
}

} // namespace
} // namespace volute::ir
