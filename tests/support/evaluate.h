// A program text evaluated by the reference, for tests: numbers in, numbers out.
#pragma once

#include "ir/parse.h"
#include "ir/tensor_data.h"
#include "tests/support/catch.h"
#include "tests/support/reference.h"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace volute::test {

using Numbers = std::vector<double>; // the elements of a tensor in memory order
using Named = std::map<std::string, Numbers>;

/// Every output of the program, for its inputs by name. A refusal throws volute::Error.
inline Named evaluated(std::string_view text, const Named& inputs) {
  const ir::Program program = ir::parse(text).value();
  std::map<std::string, ir::TensorData> tensors;
  for (const auto& [name, numbers] : inputs) {
    const ir::TensorType& type = program.type(program.find(name).value());
    REQUIRE(type.elements() == std::ssize(numbers));
    tensors[name] = ir::tensor_of(type, numbers);
  }
  Named outputs;
  for (const auto& [name, tensor] : tests::reference(program, tensors))
    outputs[name] = ir::elements_of(tensor);
  return outputs;
}

/// The output called %y.
inline Numbers y_of(std::string_view text, const Named& inputs) {
  return evaluated(text, inputs).at("y");
}

/// first, first + 1, ...
inline Numbers count_from(double first, int64_t count) {
  Numbers numbers;
  for (int64_t i = 0; i < count; ++i) numbers.push_back(first + static_cast<double>(i));
  return numbers;
}

} // namespace volute::test
