#include "tests/support/cut_convolutions.h"

#include "ir/operators.h"

#include <algorithm>
#include <vector>

namespace volute::tests {

using ir::Axis;

namespace {

/// The products of inner parts at which an axis is cut: {16} for [c=4, ..., c=16].
std::set<int64_t> inner_parts(const ir::TensorType& type, Axis axis) {
  std::set<int64_t> products;
  int64_t product = 1;
  for (auto e = type.extents.rbegin(); e != type.extents.rend(); ++e)
    if (e->axis == axis) product *= e->size, products.insert(product);
  products.erase(type.size(axis)), products.erase(1);
  return products;
}

bool is_chain(const std::set<int64_t>& parts) {
  int64_t before = 1;
  return std::all_of(parts.begin(), parts.end(), [&](int64_t part) {
    const bool divides = part % before == 0;
    before = part;
    return divides;
  });
}

/// Whether the parts of the operands' and the result's channels and of a group nest.
bool go_together(std::set<int64_t> channels, const std::set<int64_t>& of_weight, int64_t group) {
  channels.insert(of_weight.begin(), of_weight.end());
  channels.insert(group);
  return is_chain(channels);
}

} // namespace

std::set<std::string> cut_convolutions(const ir::Program& program) {
  std::set<std::string> found;
  for (const ir::Statement& statement : program.statements) {
    const std::optional<ir::Convolution> conv = ir::convolution(statement.operation);
    if (!conv) continue;
    const ir::TensorType& w = program.type(statement.operands[1]);
    const auto image = inner_parts(program.type(statement.operands[0]), Axis::c);
    const auto result = inner_parts(program.type(statement.results[0]), Axis::c);
    const auto in = inner_parts(w, Axis::i), out = inner_parts(w, Axis::o);
    if (image.empty() && result.empty() && in.empty() && out.empty()) continue;
    if (conv->groups > 1 && conv->transposed)
      found.insert("in groups, transposed");
    else if (conv->groups > 1)
      found.insert("in groups");
    else if (conv->transposed)
      found.insert("transposed");
    if (conv->x_zero_point != 0 || conv->w_zero_points != std::vector<int64_t>{0})
      found.insert("with zero points");
    if (!go_together(image, in, conv->inputs(w)) || !go_together(result, out, conv->outputs(w)))
      found.insert("cut at places that do not go together");
  }
  return found;
}

const std::set<std::string>& kinds_of_cut_convolutions() {
  static const std::set<std::string> all = {"in groups", "in groups, transposed", "transposed",
                                            "with zero points",
                                            "cut at places that do not go together"};
  return all;
}

} // namespace volute::tests
