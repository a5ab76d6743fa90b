// The report of a compilation for programs to read: what compiler::to_string(report) says in words.
#pragma once

#include "compiler/report/report.h"

#include <nlohmann/json.hpp>

namespace volute::compiler {

nlohmann::ordered_json json_of(const compiler::Report& report);

} // namespace volute::compiler
