// Nests that keep an order of their own, whatever their schedule: why one does not fit them, or
// nothing where it does.
#pragma once

#include "compiler/schedule/schedule.h"
#include "ir/diagnostic.h"
#include "ir/nest.h"

#include <optional>

namespace volute::compiler {

/// Elements that are scattered over one part of memory are written in the nest's order: their axes
/// are neither shared among threads, nor tiled, nor in another order.
std::optional<Diagnostic> misfit_of_scatter(const Schedule& schedule, const ir::Nest& nest);

/// Products of small parts are added up before the first of large ones, whose sums alone are then
/// rounded to the digits of the result: the error that the form states is for that order. Products
/// of matrices are sums by themselves, and may come in any.
std::optional<Diagnostic> misfit_of_parts(const Schedule& schedule, const ir::Nest& nest);

/// Nests that are computed in one step share its work items: the batch and the bands, no more. Rows
/// beyond the image are left out of the loop over rows, which is a plain one.
std::optional<Diagnostic> misfit_of_bands(const Schedule& schedule, const ir::Nest& nest);

} // namespace volute::compiler
