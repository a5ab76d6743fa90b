// The report of a compilation for programs to read: what compiler::to_string(report) says in words.
#pragma once

#include "compiler/report/report.h"

#include <nlohmann/json.hpp>

namespace volute::compiler {

nlohmann::ordered_json json_of(const Report& report);
nlohmann::ordered_json json_of(const NestReport& nest);

} // namespace volute::compiler
