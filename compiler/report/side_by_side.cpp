#include "compiler/report/side_by_side.h"

#include "ir/nests_text.h"
#include "ir/print.h"
#include "ir/walk.h"

#include <fmt/format.h>

#include <algorithm>

namespace volute::compiler {
namespace {

using namespace ir;

std::vector<StageLine> lines_of(const std::string& text) {
  std::vector<StageLine> lines;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    lines.push_back({text.substr(at, end - at)});
    at = end + 1;
  }
  return lines;
}

void add(StageLine& line, const Sources& more) {
  Sources all{std::move(line.statements)};
  all.add(more);
  line.statements = std::move(all.statements);
}

Sources of(const std::vector<Sources>& sources, SourceId id) {
  const auto at = static_cast<size_t>(id);
  return id >= 0 && at < sources.size() ? sources[at] : Sources();
}

Sources of_all(const std::vector<Sources>& sources, const std::vector<size_t>& statements) {
  Sources all;
  for (const size_t statement : statements) all.add(of(sources, static_cast<SourceId>(statement)));
  return all;
}

StageText program_text(const Program& program) {
  StageText made{"program", lines_of(to_string(program))};
  const std::vector<int> places = statement_lines(program);
  // A long constant goes on over the lines below it.
  for (size_t s = 0; s < places.size(); ++s) {
    const size_t end = s + 1 < places.size() ? static_cast<size_t>(places[s + 1]) - 1
                                             : made.lines.size() - 2; // `return`, `}`
    for (auto at = static_cast<size_t>(places[s]) - 1; at < std::max<size_t>(end, 0); ++at)
      made.lines[at].statements = {static_cast<int32_t>(s)};
  }
  return made;
}

StageText nests_text(const NestProgram& nests) {
  const NestsText text = text_of(nests);
  StageText made{"nest", lines_of(text.text)};
  for (size_t i = 0; i < std::min(made.lines.size(), text.lines.size()); ++i) {
    if (text.lines[i].nest < 0 || made.lines[i].text.empty()) continue;
    made.lines[i].statements = text.lines[i].sources.statements;
    made.lines[i].nest = nests.nests[static_cast<size_t>(text.lines[i].nest)].name;
  }
  return made;
}

/// The directives of a nest are for all that it is for.
StageText schedules_text(const Stages& stages) {
  StageText made{"schedule", {}};
  const auto sources_of = [&](const std::string& name) {
    for (const NestProgram* nests : {&stages.nests, &stages.pieces})
      for (const Nest& nest : nests->nests)
        if (nest.name == name) return of_all(nests->sources, nest.statements);
    return Sources();
  };
  const auto say = [&](const std::string& text, const std::string& nest) {
    for (StageLine& line : lines_of(text)) {
      line.nest = nest;
      add(line, sources_of(nest));
      made.lines.push_back(std::move(line));
    }
  };
  // As to_string prints them all: forms, and then each nest under its name.
  for (const auto& form : stages.schedules.forms) {
    Schedules one;
    one.forms.insert(form);
    say(to_string(one), form.first);
  }
  for (const auto& schedule : stages.schedules) {
    Schedules one;
    one.insert(schedule);
    say(to_string(one), schedule.first);
  }
  return made;
}

/// Meets statements in the order of LoopsText.
class LoopSources {
public:
  LoopSources(const LoopProgram& program, const LoopsText& text, std::vector<StageLine>& lines)
      : program_(program), text_(text), lines_(lines) {}

  void step(size_t index) {
    const Step& step = program_.steps[index];
    places_ = &text_.steps[index];
    next_ = 0;
    const Sources whole = of_all(program_.sources, step.statements);
    auto first = static_cast<size_t>(places_->header) - 1;
    while (first > 0 && lines_[first - 1].text.starts_with("//")) --first; // what it is
    size_t last = first; // a blank line stands between steps
    while (last < lines_.size() && !lines_[last].text.empty()) lines_[last++].nest = step.name;
    // The header and what is declared under it, as far as the first statement.
    const size_t body =
        places_->statements.empty() ? last : static_cast<size_t>(places_->statements.front()) - 1;
    for (size_t at = first; at < std::min(body, last); ++at) add(lines_[at], whole);
    const SourceId own =
        step.statements.empty() ? no_source : static_cast<SourceId>(step.statements.front());
    if (step.body) walk(step.body, own);
    // What has nothing of its own, a comment or a name for a value, is for the line below it.
    for (size_t at = last; at-- > first + 1;)
      if (lines_[at - 1].statements.empty()) lines_[at - 1].statements = lines_[at].statements;
  }

private:
  void say(int line, SourceId source) {
    if (line > 0) add(lines_.at(static_cast<size_t>(line) - 1), of(program_.sources, source));
  }

  void walk(const Stmt& s, SourceId around) {
    const size_t own = next_++;
    const SourceId source = s->source != no_source ? s->source : around;
    const int line = places_->statements.at(own);
    if (!std::holds_alternative<Block>(s->is)) say(line, source);
    const std::vector<int>& nodes = places_->nodes.at(own);
    size_t node = 0;
    const auto value = overloaded{[&](const Expr& expr) {
                                    visit(expr, [&](const ExprNode& n) {
                                      const size_t at = node++;
                                      say(at < nodes.size() ? nodes[at] : line,
                                          n.source != no_source ? n.source : source);
                                    });
                                  },
                                  [&](const Stmt& inner) { walk(inner, source); }};
    for_each_part(*s, value);
  }

  const LoopProgram& program_;
  const LoopsText& text_;
  std::vector<StageLine>& lines_;
  const LoopsText::StepLines* places_ = nullptr;
  size_t next_ = 0;
};

StageText loops_text(LoopProgram loops) {
  for (Buffer& buffer : loops.buffers) buffer.data = nullptr;
  const LoopsText text = text_of(loops);
  StageText made{"loops", lines_of(text.text)};
  LoopSources sources(loops, text, made.lines);
  for (size_t i = 0; i < loops.steps.size(); ++i) sources.step(i);
  for (size_t i = 0; i < made.lines.size(); ++i)
    if (!made.lines[i].nest.empty()) made.lines[i].loops_line = static_cast<int>(i) + 1;
  return made;
}

} // namespace

std::vector<int> statement_lines(const Program& program) {
  // Each stands behind `  %name`, in order, and no line of a constant begins so.
  const std::vector<StageLine> lines = lines_of(to_string(program));
  std::vector<int> places;
  for (size_t i = 0; i < lines.size() && places.size() < program.statements.size(); ++i) {
    const Statement& statement = program.statements[places.size()];
    const std::string name = fmt::format("  %{}", program.name_of(statement.results.front()));
    const std::string_view text = lines[i].text;
    if (text.starts_with(name) && text.find(" = ") != std::string_view::npos &&
        (text[name.size()] == ' ' || text[name.size()] == ','))
      places.push_back(static_cast<int>(i) + 1);
  }
  return places;
}

std::vector<StageText> side_by_side(const Stages& stages) {
  std::vector<StageText> all;
  if (!stages.written.statements.empty()) all.push_back(program_text(stages.written));
  if (!stages.nests.nests.empty()) {
    all.push_back(nests_text(stages.nests));
    all.push_back(schedules_text(stages));
  }
  all.push_back(loops_text(stages.loops));
  return all;
}

StageText stage_of_llvm(const std::string& text, const std::vector<CodePlace>& places,
                        const std::vector<Sources>& sources) {
  StageText made{"llvm", lines_of(text)};
  for (size_t i = 0; i < std::min(made.lines.size(), places.size()); ++i) {
    made.lines[i].loops_line = places[i].line;
    add(made.lines[i], of(sources, places[i].source));
  }
  return made;
}

StageText stage_of_assembly(const Listing& listing) {
  StageText made{"asm", {}};
  for (const Listing::Line& line : listing.lines) {
    if (line.text == "\t#APP" || line.text == "\t#NO_APP") continue;
    made.lines.push_back({line.text, listing.sources_of(line).statements, line.place.line});
  }
  return made;
}

} // namespace volute::compiler
