#include "ir/memory_text.h"
#include "ir/nest.h"
#include "ir/nests_text.h"
#include "ir/value_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

namespace volute::ir {
namespace {

class NestPrinter {
public:
  // `all` are the nests of the program, to name the one that this nest is computed in; may be null.
  NestPrinter(const Nest& nest, const std::vector<Buffer>& buffers, const std::vector<Nest>* all)
      : nest_(nest), buffers_(buffers), all_(all) {
    for (size_t i = 0; i < nest.tables.size(); ++i) tables_.push_back(fmt::format("table{}", i));
    names_ = {nest.vars, [this](const ExprNode& node) { return leaf(node); }};
    for (const Accumulator& a : nest.accumulators) taken_.insert(a.name);
    taken_.insert(nest.vars.begin(), nest.vars.end());
  }

  std::string print() {
    if (!nest_.origin.empty()) text_ += fmt::format("// {}\n", nest_.origin);
    text_ += fmt::format(
        "nest {}{} {{\n", nest_.name,
        nest_.kind == NestKind::compute ? "" : fmt::format(" as {}", to_string(nest_.kind)));
    sources_.resize(nest_.origin.empty() ? 1 : 2);
    if (!nest_.parameters.empty()) line(fmt::format("for any {}", parameters()));
    for (const View& operand : nest_.operands) line(to_string(operand, buffers_, nest_.vars));
    for (size_t i = 0; i < nest_.tables.size(); ++i)
      line(fmt::format("{} = [{}]", tables_[i], fmt::join(nest_.tables[i], ", ")));
    print_roles();
    print_domain();
    for (const Accumulator& a : nest_.accumulators) {
      say({a.initial});
      const std::string value = print_value(a.initial, a.type);
      line(fmt::format("{}{} = {}", name_text(a.name),
                       a.type == ElementType::f32 ? "" : fmt::format(": {}", to_string(a.type)),
                       value));
    }
    for (const Accumulator& a : nest_.accumulators) {
      say({a.update});
      const std::string value = print_value(a.update, a.type);
      line(fmt::format("{} <- {}", name_text(a.name), value));
    }
    for (const Write& write : nest_.writes) print_write(write);
    return text_ + "}\n";
  }

  /// By line of what print() gave: the sources of its values' nodes.
  const std::vector<std::set<SourceId>>& sources() const { return sources_; }

private:
  void line(const std::string& text) {
    text_ += fmt::format("  {}\n", text);
    sources_.push_back(said_);
  }

  /// The lines from here on say these values.
  void say(const std::vector<Expr>& values) {
    said_.clear();
    for (const Expr& value : values)
      visit(value, [&](const ExprNode& node) {
        if (node.source != no_source) said_.insert(node.source);
      });
  }

  /// The value's text, behind lines that name what stands in it several times.
  std::string print_value(const Expr& value, ElementType type) {
    ValueTexts texts = value_texts({{value, {type, 1}}}, names_, taken_);
    for (const std::string& let : texts.lets) line(let);
    return texts.values.front();
  }

  void print_write(const Write& write) {
    const ElementType type = nest_.operands.at(static_cast<size_t>(write.operand)).element;
    const std::string place = this->place(write.operand, write.index);
    if (!write.offset) {
      say({write.value});
      const std::string value = print_value(write.value, type);
      return line(fmt::format("{} = {}", place, value));
    }
    say({write.offset, write.value});
    const ValueTexts texts = value_texts(
        {{write.offset, {ElementType::i64, 1}}, {write.value, {type, 1}}}, names_, taken_);
    for (const std::string& let : texts.lets) line(let);
    line(fmt::format("scatter {} behind {}, 0 <= it < {}: {}", texts.values[0], place, write.extent,
                     texts.values[1]));
  }

  std::string parameters() const {
    std::vector<std::string> names;
    for (const ParameterVar& parameter : nest_.parameters) names.push_back(name(parameter.var));
    return fmt::format("{}", fmt::join(names, ", "));
  }

  const std::string& name(Var var) const { return nest_.vars.at(static_cast<size_t>(var.id)); }

  std::string place(int32_t operand, const Index& index) const {
    return name_text(nest_.operands.at(static_cast<size_t>(operand)).name) +
           to_string(index, nest_.vars, tables_);
  }

  std::string leaf(const ExprNode& node) const {
    if (const auto* read = std::get_if<Read>(&node.is)) return place(read->operand, read->index);
    if (const auto* acc = std::get_if<Acc>(&node.is))
      return name_text(nest_.accumulators.at(static_cast<size_t>(acc->accumulator)).name);
    return "?"; // a leaf of the loops language, which verify refuses
  }

  // What this nest is for, and where it runs.
  void print_roles() {
    if (!nest_.form.empty()) line(fmt::format("form {}", name_text(nest_.form)));
    if (nest_.placement) {
      const auto consumer = static_cast<size_t>(nest_.placement->consumer);
      const auto axis = static_cast<size_t>(nest_.placement->axis.id);
      const Nest* at = all_ && consumer < all_->size() ? &all_->at(consumer) : nullptr;
      line(fmt::format("computed for every {} of {} of {}", nest_.placement->tile,
                       at && axis < at->vars.size() ? at->vars[axis] : fmt::format("axis {}", axis),
                       at ? at->name : fmt::format("nest {}", nest_.placement->consumer)));
    }
  }

  // The role and the digit of an axis are told where its name does not say them.
  std::string axis_text(const NestAxis& axis) const {
    std::string text =
        fmt::format("{} in 0..{}", name(axis.var), to_string(axis.extent, nest_.vars));
    if (axis.digit != 1) text += fmt::format(" by {}", axis.digit);
    if (axis.role != usual_role(name(axis.var)))
      text += fmt::format(" as {}", to_string(axis.role));
    return text;
  }

  void print_domain() {
    std::vector<std::string> parallel, reduce, where, within;
    for (const NestAxis& axis : nest_.axes)
      (axis.reduction ? reduce : parallel).push_back(axis_text(axis));
    const auto text = [&](const Constraint& constraint) {
      return fmt::format("0 <= {} < {}", to_string(constraint.value, nest_.vars),
                         to_string(constraint.extent, nest_.vars));
    };
    for (const Constraint& constraint : nest_.constraints) where.push_back(text(constraint));
    for (const Constraint& constraint : nest_.domain) within.push_back(text(constraint));
    if (!parallel.empty()) line(fmt::format("parallel {}", fmt::join(parallel, ", ")));
    if (!within.empty()) line(fmt::format("within {}", fmt::join(within, ", ")));
    if (!reduce.empty()) line(fmt::format("reduce {}", fmt::join(reduce, ", ")));
    if (!where.empty()) line(fmt::format("where {}", fmt::join(where, ", ")));
  }

  const Nest& nest_;
  const std::vector<Buffer>& buffers_;
  const std::vector<Nest>* all_;
  std::vector<std::string> tables_;
  ExprNames names_;
  std::set<std::string> taken_;
  std::string text_;
  std::set<SourceId> said_;
  std::vector<std::set<SourceId>> sources_;
};

} // namespace

std::string to_string(const Nest& nest, const std::vector<Buffer>& buffers) {
  return NestPrinter(nest, buffers, nullptr).print();
}

std::string to_string(const Nest& nest, const NestProgram& program) {
  return NestPrinter(nest, program.buffers, &program.nests).print();
}

std::string to_string(const NestProgram& program) { return text_of(program).text; }

NestsText text_of(const NestProgram& program) {
  NestsText all;
  const auto add = [&](const std::string& text) {
    all.text += text;
    all.lines.resize(static_cast<size_t>(std::count(all.text.begin(), all.text.end(), '\n')));
  };
  const auto sources_of = [&](size_t statement) {
    return statement < program.sources.size() ? program.sources[statement] : Sources();
  };
  add(fmt::format("nests {}\n", program.name) + to_string(program.parameters));
  if (!program.buffers.empty()) add("\n" + buffer_lines(program.buffers, program.parameters));
  for (size_t i = 0; i < program.nests.size(); ++i) {
    const Nest& nest = program.nests[i];
    Sources whole;
    for (const size_t statement : nest.statements) whole.add(sources_of(statement));
    NestPrinter printer(nest, program.buffers, &program.nests);
    add("\n");
    const size_t begin = all.lines.size();
    add(printer.print());
    for (size_t at = begin; at < all.lines.size(); ++at) {
      NestsText::Line& line = all.lines[at];
      line.nest = static_cast<int>(i);
      if (at - begin < printer.sources().size())
        for (const SourceId source : printer.sources()[at - begin])
          line.sources.add(sources_of(static_cast<size_t>(source)));
      if (line.sources.empty()) line.sources = whole;
    }
  }
  add(data_sections(program.buffers));
  return all;
}

} // namespace volute::ir
