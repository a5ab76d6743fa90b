// The rules that nests and steps share: buffers and views, types and lanes of operations, and
// subscripts that stay inside.
#pragma once

#include "ir/bounds.h"
#include "ir/buffer.h"
#include "ir/diagnostic.h"
#include "ir/expr.h"

#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace volute::ir {

/// The most lanes a value has: one 512-bit register of bytes.
constexpr int32_t max_lanes = 64;

/// What a verifier found about one nest or step; the same finding counts once.
class Findings {
public:
  explicit Findings(std::string subject) : subject_(std::move(subject)) {}
  void add(std::string message, std::string hint = "");
  bool empty() const { return diagnostics_.empty(); }
  const std::vector<Diagnostic>& diagnostics() const { return diagnostics_; }

private:
  std::string subject_;
  std::set<std::string> seen_;
  std::vector<Diagnostic> diagnostics_;
};

/// Where an access stands: what ids mean and which variables have values there.
struct Scope {
  const std::vector<std::string>& vars;
  const std::vector<View>& views;
  const std::vector<std::vector<int64_t>>& tables;
  const std::vector<Buffer>& buffers;
  const std::vector<Parameter>& parameters; // of the program
  std::set<Var> visible;                    // variables with a value
  Bounds bounds;
};

/// Names and ranges of a program's parameters, sizes and data of its buffers.
void check_memory(const std::vector<Buffer>& buffers, const std::vector<Parameter>& parameters,
                  Findings& findings);
/// Parameters are declared in the scope and its bounds, with the ranges of the program's.
void declare_parameters(const std::vector<ParameterVar>& parameters, Scope& scope,
                        Findings& findings);
/// Buffers exist, extents and strides depend on parameters only, and shapes fit the buffer whatever
/// the parameters are.
void check_views(const Scope& scope, Findings& findings);

/// Whether the variable exists and has a value here; `where` says for whom, in messages.
bool check_variable(Var var, const Scope& scope, const std::string& where, Findings& findings);
bool check_affine(const Affine& affine, const Scope& scope, const std::string& where,
                  Findings& findings);

/// Elements index + l * lane_step along lane_dim, for l in [first, first + count).
struct Lanes {
  int32_t dim = -1;
  int64_t step = 1;
  int64_t first = 0, count = 1;
};
/// Every element that the access touches is inside its view; `element` is the type it has there.
void check_access(int32_t view, const Index& index, const Lanes& lanes, ElementType element,
                  const Scope& scope, Findings& findings);
/// Whether the access may write: no input, no table.
void check_writable(int32_t view, const Scope& scope, Findings& findings);

/// False, with a finding, when an operand is missing: then nothing else may look at it.
bool check_complete(const Expr& expr, const std::string& where, Findings& findings);
/// Types and lanes of an operation, whose operands are there; leaves are for the caller.
void check_operation(const ExprNode& node, Findings& findings);
std::string value_type_text(ElementType type, int32_t lanes); // ir/value_text.h

} // namespace volute::ir
