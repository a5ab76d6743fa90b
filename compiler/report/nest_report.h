// What is known of a nest once its loops are there: schedule and reasons, work, registers.
#pragma once

#include "compiler/report/report.h"
#include "compiler/schedule/choose.h"
#include "compiler/schedule/plan.h"
#include "compiler/specialise/specialise.h"
#include "compiler/target/target.h"
#include "ir/nest.h"

namespace volute::compiler {

/// `piece` is the nest as it was specialised, `lowered` the program's nests as they were lowered.
NestReport report_of(const ir::Nest& piece, const ir::Nest& whole, const Plan& plan,
                     const Choice& choice, const Specialised& made, const Target& target);

/// The same of a step whose loops came as they are.
NestReport report_of(const ir::Step& step);

} // namespace volute::compiler
