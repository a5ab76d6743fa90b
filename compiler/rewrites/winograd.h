// Winograd's algorithm for a convolution, as a form: in tiles of 2x2 outputs F(2x2, 3x3) takes 16
// products where a direct sum takes 36, in tiles of 4x4 F(4x4, 3x3) takes 36 in place of 144. An
// axis whose tiles are of one output is summed directly. The nests are lower/winograd.cpp's.
#pragma once

#include "compiler/rewrites/form.h"
#include "compiler/target/target.h"
#include "ir/program.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace volute::compiler {

/// Of a form with tiles of so many outputs along each axis.
std::optional<std::string> winograd_obstacle(const ir::Program& program,
                                             const ir::Statement& statement,
                                             const std::vector<int64_t>& tile);
double winograd_error(const ir::Program& program, const ir::Statement& statement,
                      const std::vector<int64_t>& tile);

/// What a core spends on products, transforms and their way through memory.
Form::Estimate winograd_estimate(const ir::Program& program, const ir::Statement& statement,
                                 const Target& target, const std::vector<int64_t>& tile);

/// The functions of a row of the table of forms.
template <int64_t... tile>
struct WinogradForm {
  static std::optional<std::string> obstacle(const ir::Program& program,
                                             const ir::Statement& statement, const Target&) {
    return winograd_obstacle(program, statement, {tile...});
  }
  static double error(const ir::Program& program, const ir::Statement& statement) {
    return winograd_error(program, statement, {tile...});
  }
  static Form::Estimate estimate(const ir::Program& program, const ir::Statement& statement,
                                 const Target& target) {
    return winograd_estimate(program, statement, target, {tile...});
  }
  static void lower(LowerOptions& options, ir::ValueId result) {
    options.tiles[result] = {tile...};
  }
};

} // namespace volute::compiler
