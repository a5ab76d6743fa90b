#include "compiler/lower/heads.h"

#include "compiler/lower/nest_builder.h"

namespace volute::compiler {
namespace {

using ir::Axis;
using ir::Operation;

bool in_one(const Operation&, Axis) { return false; }
bool by_residues(const Operation&, Axis axis) { return is_spatial(axis); }
bool where_told(const Operation&, Axis axis) { return is_spatial(axis); }
/// Copies are made a run of a row at a time.
bool by_rows(const Operation& operation, Axis axis) {
  return std::get<ir::PadOp>(operation).mode != ir::PadMode::zeros && axis == Axis::w;
}

void lower_nothing(const GroupLowering&) {} // a constant is a buffer

struct Rows {
  Head operator()(const ir::Const&) const { return {lower_nothing, in_one}; }
  Head operator()(const ir::Conv&) const { return {lower_conv, in_one}; }
  Head operator()(const ir::ConvTranspose&) const { return {lower_conv_transpose, by_residues}; }
  Head operator()(const ir::Pool&) const { return {lower_pool, in_one}; }
  Head operator()(const ir::GlobalPool&) const { return {lower_global_pool, in_one}; }
  Head operator()(const ir::AdaptivePool&) const { return {lower_adaptive_pool, in_one}; }
  Head operator()(const ir::MaxUnpool&) const { return {lower_max_unpool, where_told}; }
  Head operator()(const ir::PadOp&) const { return {lower_pad, by_rows}; }
  Head operator()(const ir::BatchNorm&) const { return {lower_elementwise, in_one}; }
  Head operator()(const ir::Binary&) const { return {lower_elementwise, in_one}; }
  Head operator()(const ir::Unary&) const { return {lower_elementwise, in_one}; }
  Head operator()(const ir::Prelu&) const { return {lower_elementwise, in_one}; }
  Head operator()(const ir::Convert&) const { return {lower_elementwise, in_one}; }
  Head operator()(const ir::Reorder&) const { return {lower_elementwise, in_one}; }
  Head operator()(const ir::Quantize&) const { return {lower_elementwise, in_one}; }
};

} // namespace

Head head_of(const Operation& operation) { return std::visit(Rows{}, operation); }

bool writes_in_runs(const Operation& operation, Axis axis) {
  return head_of(operation).writes_in_runs(operation, axis);
}

} // namespace volute::compiler
