#include "compiler/given.h"

#include "compiler/nests/bands.h"
#include "compiler/rewrites/form.h"
#include "ir/effects.h"
#include "ir/walk.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>

namespace volute::compiler {

using namespace ir;

namespace {

size_t at(int32_t index) { return static_cast<size_t>(index); }

Diagnostic fault(std::string subject, std::string message, std::string hint = "") {
  return {{}, std::move(subject), std::move(message), std::move(hint)};
}

/// Which buffers have been written so far. Inputs and tables are from the start.
class Written {
public:
  explicit Written(const std::vector<Buffer>& buffers) : buffers_(buffers) {}

  void write(int32_t buffer) { written_.insert(buffer); }

  void read(int32_t buffer, const std::string& by, std::vector<Diagnostic>& faults) const {
    const Buffer& from = buffers_[at(buffer)];
    const bool is_made =
        from.role == Buffer::Role::output || from.role == Buffer::Role::intermediate;
    if (is_made && !written_.count(buffer))
      faults.push_back(fault(by, fmt::format("reads {} {}, which nothing before it writes",
                                             ir::to_string(from.role), from.name)));
  }

  void finish(const std::string& program, std::vector<Diagnostic>& faults) const {
    for (size_t i = 0; i < buffers_.size(); ++i)
      if (buffers_[i].role == Buffer::Role::output && buffers_[i].elements > 0 &&
          !written_.count(static_cast<int32_t>(i)))
        faults.push_back(fault(program, fmt::format("nothing writes output {}", buffers_[i].name)));
  }

private:
  const std::vector<Buffer>& buffers_;
  std::set<int32_t> written_;
};

// ---- nests ------------------------------------------------------------------------------------

std::string subject(const Nest& nest) { return "nest " + nest.name; }

std::vector<int32_t> buffers_read(const Nest& nest) {
  std::set<int32_t> buffers;
  visit(nest, [&](const ExprNode& node) {
    if (const auto* read = std::get_if<Read>(&node.is))
      buffers.insert(nest.operands[at(read->operand)].buffer);
  });
  return {buffers.begin(), buffers.end()};
}

void check_form(const Nest& nest, std::vector<Diagnostic>& faults) {
  if (nest.form.empty() || find_form(nest.form)) return;
  std::vector<std::string_view> names;
  for (const Form& form : forms()) names.push_back(form.name);
  faults.push_back(fault(subject(nest), fmt::format("there is no form {}", nest.form),
                         fmt::format("the forms are {}", fmt::join(names, ", "))));
}

/// Nests that feed one nest share its bands; what feeds one of them in turn is cut as it is.
void check_placements(const NestProgram& program, std::vector<Diagnostic>& faults) {
  std::map<int32_t, const Placement*> shared;
  for (size_t n = program.nests.size(); n-- > 0;) {
    const Nest& nest = program.nests[n];
    if (!nest.placement) continue;
    const Placement& placement = *nest.placement;
    const Nest& consumer = program.nests[at(placement.consumer)];
    const auto refuse = [&](const std::string& why) {
      faults.push_back(
          fault(subject(nest), fmt::format("computed for every {} of {} of {}: {}", placement.tile,
                                           consumer.name_of(placement.axis), consumer.name, why)));
    };
    const Placement*& other = shared[placement.consumer];
    if (!other) other = &placement;
    if (other->axis != placement.axis || other->tile != placement.tile)
      refuse("another nest is computed at other bands");
    else if (const auto why = band_obstacle(program, n, placement))
      refuse(*why);
  }
}

} // namespace

std::vector<Diagnostic> faults_of_given(const NestProgram& nests) {
  std::vector<Diagnostic> faults = verify(nests);
  if (!faults.empty()) return faults;
  Written written(nests.buffers);
  for (const Nest& nest : nests.nests) {
    for (const int32_t buffer : buffers_read(nest)) written.read(buffer, subject(nest), faults);
    for (const Write& write : nest.writes) written.write(nest.operands[at(write.operand)].buffer);
    check_form(nest, faults);
    for (const View& view : nest.operands)
      if (const Buffer& buffer = nests.buffers[at(view.buffer)];
          buffer.role == Buffer::Role::scratch)
        faults.push_back(fault(subject(nest),
                               fmt::format("{} is scratch memory, which is laid out when bands are "
                                           "cut",
                                           buffer.name),
                               "before that it is intermediate"));
  }
  written.finish(nests.name, faults);
  if (faults.empty()) check_placements(nests, faults);
  return faults;
}

// ---- loops ------------------------------------------------------------------------------------

std::vector<Diagnostic> faults_of_given(const LoopProgram& loops) {
  std::vector<Diagnostic> faults = verify(loops);
  if (!faults.empty()) return faults;
  Written written(loops.buffers);
  for (const Step& step : loops.steps) {
    const std::string subject = "step " + step.name;
    const Effects touched = effects(step);
    for (const int32_t buffer : touched.writes) written.write(buffer); // partial sums among them
    for (const int32_t buffer : touched.reads) written.read(buffer, subject, faults);
  }
  written.finish(loops.name, faults);
  return faults;
}

} // namespace volute::compiler
