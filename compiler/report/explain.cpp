#include "compiler/report/explain.h"

#include "compiler/lower/fuse.h"
#include "compiler/nests/weight_expression.h"
#include "compiler/report/integer_bound.h"
#include "compiler/report/sizes.h"
#include "ir/def_use.h"
#include "ir/denormals.h"
#include "ir/infer.h"
#include "ir/operators.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <string_view>
#include <unordered_map>

namespace volute::compiler {

using ir::Axis;
using ir::AxisRole;
using ir::Buffer;
using ir::ElementType;
using ir::Nest;
using ir::NestKind;
using ir::Program;
using ir::Statement;
using ir::ValueId;

namespace {

std::string_view word(ir::PadMode mode) {
  switch (mode) {
  case ir::PadMode::zeros: return "zeros";
  case ir::PadMode::reflect: return "reflect";
  case ir::PadMode::replicate: return "replicate";
  case ir::PadMode::circular: return "circular";
  }
  return "";
}

class Explainer {
public:
  Explainer(const Program& written, const Target& target, Stages& stages)
      : written_(written), target_(target), legal_(stages.program), nests_(stages.nests),
        names_(stages.lowering.names), schedules_(stages.schedules), loops_(stages.loops),
        report_(stages.report), written_uses_(written), legal_uses_(stages.program) {}

  void run() {
    find_nests();
    report_.program = written_.name;
    report_.target = to_string(target_);
    report_.sizes = sizes_written_out(written_);
    count_work();
    tell_fusion();
    for (const Statement& statement : written_.statements) tell_operator(statement);
    for (const Statement& statement : written_.statements) tell_denormals(statement);
    tell_copies_of_statements();
    std::unordered_map<std::string_view, NestReport*> reports;
    for (NestReport& told : report_.nests) reports.emplace(told.name, &told);
    for (const Nest& nest : nests_.nests)
      if (const auto told = reports.find(nest.name); told != reports.end()) {
        tell_copies_of_nest(nest, *told->second);
        told->second->matrix_unit = matrix_unit(nest);
        told->second->products = products(nest);
      }
  }

private:
  /// A statement of the legal program.
  std::string named(const Statement& s) const {
    const auto name = names_.find(s.results.front());
    return name != names_.end() ? name->second : named(legal_, s);
  }
  std::string named(const Program& program, const Statement& s) const {
    return fmt::format("{} %{}", name(s.operation), program.name_of(s.results.front()));
  }

  // ---- the work -----------------------------------------------------------------------------

  void count_work() {
    // A statement asks for its direct sum, however few its form takes.
    std::set<size_t> in_forms; // statements
    for (const StatementForms& statement : report_.forms) {
      report_.multiply_adds += statement.multiply_adds;
      for (const NestReport& nest : report_.nests)
        if (statement.multiply_adds > 0 && nest.name == statement.nest)
          in_forms.insert(nest.statements.front());
    }
    for (const NestReport& nest : report_.nests)
      if (nest.statements.empty() || !in_forms.count(nest.statements.front()))
        report_.multiply_adds += nest.multiply_adds;
    for (const Buffer& buffer : loops_.buffers) {
      if (buffer.role != Buffer::Role::input && buffer.role != Buffer::Role::output) continue;
      report_.bytes +=
          buffer.type ? buffer.type->bytes() : buffer.elements * size_of(buffer.element);
    }
    if (is_written())
      count_parameters();
    else
      for (const Buffer& buffer : loops_.buffers)
        if (buffer.role == Buffer::Role::input && buffer.type && !buffer.type->has(Axis::n))
          report_.parameters += buffer.type->elements();
  }

  /// There is a program: nests or loops may have come without.
  bool is_written() const { return !written_.outputs.empty(); }

  void count_parameters() {
    std::set<ValueId> given(written_.inputs.begin(), written_.inputs.end()), parameters;
    for (const Statement& s : written_.statements) {
      if (std::holds_alternative<ir::Const>(s.operation)) given.insert(s.results.front());
      for (ValueId operand : s.operands)
        if (given.count(operand) && !written_.type(operand).has(Axis::n))
          parameters.insert(operand);
    }
    for (ValueId id : parameters) report_.parameters += written_.type(id).elements();
  }

  // ---- which statements run together --------------------------------------------------------

  void tell_fusion() {
    const Fusion fusion = fuse(legal_);
    for (const Fusion::Group& group : fusion.groups) {
      heads_.insert(group.statements.front());
      std::vector<std::string> names;
      for (size_t at : group.statements) names.push_back(named(legal_.statements[at]));
      if (names.size() > 1)
        report_.fusion.push_back(fmt::format("{} run as one nest", fmt::join(names, ", ")));
    }
    for (const Fusion::Reason& reason : fusion.apart)
      report_.fusion.push_back(
          fmt::format("{}: {}", named(legal_.statements[reason.statement]), reason.text));
  }

  // ---- how an operator is computed ----------------------------------------------------------

  void tell_operator(const Statement& s) {
    if (const auto* conv = std::get_if<ir::Conv>(&s.operation)) tell_padding(s, *conv);
    if (std::holds_alternative<ir::ConvTranspose>(s.operation)) tell_phases(s);
    if (const std::optional<IntegerBound> bound = integer_bound(written_uses_, s))
      report_.operators.push_back(fmt::format("{}: {}", named(written_, s), to_string(*bound)));
  }

  void tell_padding(const Statement& s, const ir::Conv& conv) {
    const std::vector<ir::Window> windows = ir::windows(written_, s);
    const bool any = std::any_of(windows.begin(), windows.end(), [](const ir::Window& w) {
      return w.pad_begin > 0 || w.pad_end > 0;
    });
    if (!any) return;
    std::string how = "the taps in its padding of zeros are left out";
    if (conv.padding_mode != ir::PadMode::zeros)
      how = fmt::format("its padding ({}) is read from a padded copy", word(conv.padding_mode));
    else if (is_integer(written_.type(s.operands[0]).element) && reads_staged_image(s))
      how = "its padding is the zero point, in the staged image";
    report_.operators.push_back(fmt::format("{}: {}", named(written_, s), how));
  }

  /// Moves elements to other places in memory, and to no other positions.
  static bool is_reorder(const Statement& s) {
    const ir::OperatorTraits& traits = traits_of(s.operation);
    return traits.copies && traits.elementwise;
  }

  /// Which nests compute each statement of the legal program, in which form, and which write each
  /// buffer.
  void find_nests() {
    for (const StatementForms& statement : report_.forms)
      forms_.emplace(statement.nest, &statement);
    computing_.resize(legal_.statements.size());
    writing_.resize(nests_.buffers.size());
    for (const Nest& nest : nests_.nests) {
      // Nests that came as such have statements of a program that is not here.
      if ((nest.kind == NestKind::compute || nest.kind == NestKind::copy) &&
          !nest.statements.empty() && nest.statements.front() < computing_.size())
        computing_[nest.statements.front()].push_back(&nest);
      for (const ir::Write& write : nest.writes) {
        std::vector<const Nest*>& writers =
            writing_[static_cast<size_t>(nest.operands[static_cast<size_t>(write.operand)].buffer)];
        if (writers.empty() || writers.back() != &nest) writers.push_back(&nest);
      }
    }
  }
  /// Nests whose head is a statement of the legal program.
  const std::vector<const Nest*>& nests_with_head(const Statement& legal) const {
    return computing_[static_cast<size_t>(&legal - legal_.statements.data())];
  }
  /// Nests that compute a statement of the program as it was written; its result may have been put
  /// into another layout first.
  std::vector<const Nest*> nests_of(const Statement& s) const {
    const Statement* legal = legal_uses_.definition(s.results.front());
    if (!legal) return {};
    if (is_reorder(*legal) && is_put_in(legal->operands[0]))
      legal = legal_uses_.definition(legal->operands[0]);
    return nests_with_head(*legal);
  }

  static int32_t written_buffer(const Nest& nest) {
    return nest.operands[static_cast<size_t>(nest.writes.front().operand)].buffer;
  }
  bool reads_staged_image(const Statement& s) const {
    const auto is_staged = [&](int32_t buffer) {
      const std::vector<const Nest*>& writers = writing_[static_cast<size_t>(buffer)];
      return std::any_of(writers.begin(), writers.end(),
                         [](const Nest* writer) { return writer->kind == NestKind::stage; });
    };
    for (const Nest* nest : nests_of(s))
      for (const ir::View& view : nest->operands)
        if (is_staged(view.buffer)) return true;
    return false;
  }

  void tell_phases(const Statement& s) {
    std::vector<std::string> taps;
    int64_t phases = 0, empty = 0;
    for (const Nest* nest : nests_of(s)) {
      int64_t of_nest = 1, taps_of_nest = 1;
      for (const ir::NestAxis& axis : nest->axes) {
        if (axis.role == AxisRole::residue) of_nest *= axis.extent.number();
        if (axis.role == AxisRole::tap) taps_of_nest *= axis.extent.number();
      }
      const bool has_taps = weight_of(*nest) >= 0;
      (has_taps ? phases : empty) += of_nest;
      if (has_taps) taps.push_back(std::to_string(taps_of_nest));
    }
    if (taps.empty() && empty == 0) return; // no work
    const bool alike = std::all_of(taps.begin(), taps.end(),
                                   [&](const std::string& t) { return t == taps.front(); });
    std::string text =
        fmt::format("{}: {} phase{} in {} nest{}", named(written_, s), phases,
                    phases == 1 ? "" : "s", taps.size(), taps.size() == 1 ? "" : "s");
    if (!taps.empty())
      text += alike ? fmt::format(" of {} tap{}", taps.front(), taps.front() == "1" ? "" : "s")
                    : fmt::format(" of {} taps", fmt::join(taps, ", "));
    if (empty > 0)
      text += fmt::format("; outputs of {} more, which no input reaches, hold the bias", empty);
    report_.operators.push_back(std::move(text));
  }

  // ---- what is slow without need ------------------------------------------------------------

  void tell_denormals(const Statement& s) {
    const auto* constant = std::get_if<ir::Const>(&s.operation);
    if (!constant || !constant->bytes) return;
    const ir::TensorType& type = written_.type(s.results.front());
    const int64_t count =
        ir::count_denormals(constant->bytes->data(), type.elements(), type.element);
    if (count > 0)
      report_.denormals.push_back(
          fmt::format("%{}: {}", written_.name_of(s.results.front()),
                      ir::denormals_text(count, type.elements(), type.element)));
  }

  // ---- what is moved ------------------------------------------------------------------------

  bool is_put_in(ValueId id) const { return static_cast<size_t>(id) >= written_.values.size(); }

  /// Statements that move elements in a nest of their own: those that were written, and those that
  /// were put in.
  void tell_copies_of_statements() {
    for (size_t at : heads_) {
      const Statement& s = legal_.statements[at];
      if (!traits_of(s.operation).copies) continue;
      const bool pads = !is_reorder(s);
      const ValueId from = s.operands.front(), to = s.results.front();
      const std::string& source = legal_.name_of(from);
      std::string why = fmt::format("{} of %{} as the program says",
                                    pads ? "a padded copy" : "a reorder", source);
      if (is_put_in(to))
        why = pads ? fmt::format("a padded copy of %{} ({})", source,
                                 word(std::get<ir::PadOp>(s.operation).mode))
                   : fmt::format("a reorder of %{}, whose split axes its reader cannot follow",
                                 source);
      else if (is_put_in(from))
        why = "a reorder into its type's order, which its operator cannot write";
      if (is_in_bands(s)) why += ", a band of rows at a time in scratch";
      report_.copies.push_back({"%" + legal_.name_of(to), legal_.type(to).bytes(), why});
    }
  }

  bool is_in_bands(const Statement& legal) const {
    const std::vector<const Nest*>& nests = nests_with_head(legal);
    return std::any_of(nests.begin(), nests.end(),
                       [](const Nest* nest) { return nest->placement.has_value(); });
  }

  static bool has_channels(const Nest& nest) {
    return std::any_of(nest.axes.begin(), nest.axes.end(),
                       [](const ir::NestAxis& axis) { return axis.role == ir::AxisRole::channel; });
  }

  void tell_copies_of_nest(const Nest& nest, const NestReport& told) {
    const Buffer& buffer = nests_.buffers[static_cast<size_t>(written_buffer(nest))];
    const int64_t bytes = buffer.elements * size_of(buffer.element);
    const auto copied = [&](std::string why) {
      report_.copies.push_back({buffer.name, bytes, std::move(why)});
    };
    switch (nest.kind) {
    case NestKind::stage:
      copied(has_channels(nest)
                 ? fmt::format("{}, its channels in groups of {} that are added together",
                               nest.origin, buffer.element == ElementType::bf16 ? 2 : 4)
                 : nest.origin);
      break;
    case NestKind::offset:
      copied("sums of the weight for the zero points, " + when_made(written_buffer(nest)));
      break;
    case NestKind::window_sum:
      copied("the sum of each window, for the zero points of the weight");
      break;
    case NestKind::copy: // those of statements are told of with them
      if (!is_written())
        copied("a copy, as its nest says");
      else if (nest.statements.empty())
        copied("copied into the output, which no operator writes");
      break;
    case NestKind::transform: copied(nest.origin); break;
    case NestKind::filter_transform:
      copied(fmt::format("{}, {}", nest.origin, when_made(written_buffer(nest))));
      break;
    case NestKind::compute:
    case NestKind::pack: break;
    }
    for (const auto& [name, bytes] : told.packed)
      for (const ir::View& operand : nest.operands)
        if (operand.name == name) {
          const bool is_weight = &operand - nest.operands.data() == weight_of(nest);
          report_.copies.push_back({name + "_packed", bytes,
                                    fmt::format("{} in the order in which {} reads it, {}",
                                                is_weight ? "the weight" : "%" + name, nest.name,
                                                when_made(operand.buffer))});
          break;
        }
  }

  // ---- when what is made of weights is made -------------------------------------------------

  /// What a buffer's elements follow from.
  struct Sources {
    std::set<int32_t> inputs;
    bool through_output = false; // memory that only a call has
  };

  void add_sources(int32_t buffer, Sources& sources, std::set<int32_t>& seen) const {
    if (!seen.insert(buffer).second) return;
    const Buffer::Role role = nests_.buffers[static_cast<size_t>(buffer)].role;
    if (role == Buffer::Role::input) sources.inputs.insert(buffer);
    sources.through_output |= role == Buffer::Role::output;
    for (const Nest* nest : writing_[static_cast<size_t>(buffer)])
      for (const ir::View& operand : nest->operands) add_sources(operand.buffer, sources, seen);
  }

  /// When something that follows from a buffer and nothing else is made: as `prepare` decides.
  std::string when_made(int32_t from) const {
    if (nests_.buffers[static_cast<size_t>(from)].role == Buffer::Role::table)
      return "made when the program is compiled";
    Sources sources;
    std::set<int32_t> seen;
    add_sources(from, sources, seen);
    if (sources.through_output) return "made on each run";
    if (sources.inputs.empty()) return "made when the kernel is loaded";
    std::vector<std::string> names;
    for (const int32_t input : sources.inputs)
      names.push_back("%" + nests_.buffers[static_cast<size_t>(input)].name);
    return fmt::format("made when {} {} bound, else on each run", fmt::join(names, " and "),
                       names.size() == 1 ? "is" : "are");
  }

  // ---- which instructions multiply ----------------------------------------------------------

  /// The innermost loop of its schedule.
  LoopDirective innermost(const Nest& nest) const {
    const auto schedule = schedules_.find(nest.name);
    const bool has_loops = schedule != schedules_.end() && !schedule->second.loops.empty();
    return has_loops ? schedule->second.loops.back() : LoopDirective();
  }

  std::string matrix_unit(const Nest& nest) const {
    if (innermost(nest).tile == 0) return "";
    return nest.accumulators.front().type == ElementType::i32 ? "tdpbusd" : "tdpbf16ps";
  }

  std::string products(const Nest& nest) const {
    const int32_t weight = weight_of(nest);
    if (weight < 0) return "";
    const ElementType narrow = nest.operands[static_cast<size_t>(weight)].element;
    const ElementType wide = nest.accumulators.front().type;
    if (narrow == wide) return "";
    const int64_t ways = innermost(nest).dot;
    if (const int64_t step = innermost(nest).tile; step > 0)
      return fmt::format("of {}, {} of a sum at a time, by the matrix unit's {}",
                         wide == ElementType::i32 ? "bytes" : "bf16", step, matrix_unit(nest));
    if (ways == 4)
      return fmt::format("of bytes, 4 added at a time by {}",
                         target_.has("avx512vnni") || target_.has("avxvnni")
                             ? "vpdpbusd"
                             : "pmaddwd, widened to 16 bits");
    if (ways == 2)
      return fmt::format("of bf16, 2 added at a time by {}",
                         target_.has("avx512bf16") ? "vdpbf16ps" : "multiply-adds of f32, widened");
    return fmt::format("one at a time, {} widened to {}: {}", to_string(narrow), to_string(wide),
                       why_single(nest, narrow));
  }

  /// Why products of narrow elements are not added several at a time.
  std::string why_single(const Nest& nest, ElementType narrow) const {
    if (narrow == ElementType::f16) return "there is no instruction for more";
    const auto found = forms_.find(nest.name);
    if (found == forms_.end()) return "only a convolution has groups to add";
    if (found->second->chosen == "dot" || found->second->parts > 0)
      return "the schedule has no `dot`";
    for (const FormReport& form : found->second->forms)
      if (form.name == "dot" && !form.refused.empty()) return form.refused;
    return fmt::format("its form is {}", found->second->chosen);
  }

  const Program& written_;
  const Target& target_;
  const Program& legal_;
  const ir::NestProgram& nests_;
  const std::map<ValueId, std::string>& names_; // of statements of legal_ that have taken others in
  const Schedules& schedules_;
  const ir::LoopProgram& loops_;
  Report& report_;
  const ir::DefUse written_uses_, legal_uses_;
  std::unordered_map<std::string_view, const StatementForms*> forms_; // by nest
  std::vector<std::vector<const Nest*>> computing_; // by statement of legal_: with it as the head
  std::vector<std::vector<const Nest*>> writing_;   // by buffer
  std::set<size_t> heads_;                          // statements of legal_ that begin a nest
};

} // namespace

void explain(const Program& written, const Target& target, Stages& stages) {
  Explainer(written, target, stages).run();
}

} // namespace volute::compiler
