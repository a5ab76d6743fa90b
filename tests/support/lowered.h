// The nests of a program's text, lowered as it stands.
#pragma once

#include "compiler/lower/lower.h"
#include "ir/parse.h"
#include "tests/support/catch.h"

#include <string>

namespace volute::tests {

inline ir::NestProgram lowered(const std::string& program) {
  ir::NestProgram nests = compiler::lower(ir::parse(program).value()).value();
  for (const Diagnostic& finding : ir::verify(nests)) FAIL_CHECK(to_string(finding));
  return nests;
}

} // namespace volute::tests
