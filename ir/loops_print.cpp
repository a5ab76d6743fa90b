#include "ir/literals.h"
#include "ir/loops.h"
#include "ir/memory_text.h"
#include "ir/number.h"
#include "ir/value_text.h"
#include "ir/walk.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

namespace volute::ir {
namespace {

constexpr size_t line_width = 100;

std::string indexed(const std::vector<Affine>& index, const std::vector<std::string>& vars) {
  std::string text;
  for (const Affine& at : index) text += fmt::format("[{}]", to_string(at, vars));
  return text;
}

// `57 - h` rather than `-h + 57`: a bound reads as what is left of a length.
std::string bound_text(const Bound& bound, const std::vector<std::string>& vars) {
  const Affine& n = bound.numerator;
  std::string text = to_string(n, vars);
  if (!n.terms().empty() && n.terms().front().coefficient < 0 && n.constant_term() > 0)
    text =
        fmt::format("{} - {}", n.constant_term(), to_string(n - n.constant_term(), vars).substr(1));
  if (bound.divisor == 1) return text;
  return n.is_constant() ? fmt::format("ceil({}/{})", text, bound.divisor)
                         : fmt::format("ceil(({})/{})", text, bound.divisor);
}

std::string side_text(const std::vector<Bound>& bounds, std::string_view pick,
                      const std::vector<std::string>& vars) {
  std::vector<std::string> texts;
  for (const Bound& bound : bounds) texts.push_back(bound_text(bound, vars));
  if (texts.size() == 1) return texts.front();
  return fmt::format("{}({})", pick, fmt::join(texts, ", "));
}

std::string range_text(const Range& range, const std::vector<std::string>& vars) {
  return fmt::format("{}..{}", side_text(range.lo, "max", vars), side_text(range.hi, "min", vars));
}

class StepPrinter {
public:
  StepPrinter(const Step& step, const std::vector<Buffer>& buffers)
      : step_(step), buffers_(buffers) {
    for (size_t i = 0; i < step.tables.size(); ++i) tables_.push_back(fmt::format("table{}", i));
    names_ = {step.vars, [this](const ExprNode& node) { return leaf(node); }};
    for (const RegisterArray& array : step.arrays) taken_.insert(array.name);
    taken_.insert(step.vars.begin(), step.vars.end());
  }

  /// As in LoopsText, behind that many lines.
  LoopsText::StepLines lines(int before) const {
    LoopsText::StepLines all{header_, lines_, {}};
    all.nodes.resize(lines_.size());
    for (const auto& [statement, nodes] : nodes_) all.nodes[statement] = nodes;
    all.header += before;
    for (int& line : all.statements) line += before;
    for (std::vector<int>& nodes : all.nodes)
      for (int& line : nodes) line += before;
    return all;
  }

  std::string print() {
    if (!step_.origin.empty()) line(0, fmt::format("// {}", step_.origin));
    header_ = next_line_;
    line(0, header());
    for (const View& view : step_.views) line(1, to_string(view, buffers_, step_.vars));
    for (size_t i = 0; i < step_.tables.size(); ++i)
      line(1, fmt::format("{} = [{}]", tables_[i], fmt::join(step_.tables[i], ", ")));
    for (const RegisterArray& array : step_.arrays) {
      std::string shape;
      for (int64_t extent : array.shape) shape += fmt::format("[{}]", extent);
      line(1, fmt::format("registers {}{}: {}{}", name_text(array.name), shape,
                          value_type_text(array.type, array.lanes),
                          array.rows > 0 ? fmt::format(" rows {}", array.rows) : ""));
    }
    if (step_.scratch_bytes > 0) line(1, fmt::format("scratch {} bytes", step_.scratch_bytes));
    if (step_.body) print(step_.body, 1);
    return text_;
  }

private:
  void line(int depth, const std::string& text) {
    text_.append(static_cast<size_t>(2 * depth), ' ').append(text).append("\n");
    ++next_line_;
  }

  std::string header() const {
    std::vector<std::string> counts, names, parameters;
    for (const ItemLoop& item : step_.items) {
      counts.push_back(to_string(item.count, step_.vars));
      names.push_back(name(item.var));
    }
    for (const ParameterVar& parameter : step_.parameters)
      parameters.push_back(name(parameter.var));
    std::string text = fmt::format("step {}:", step_.name);
    text += counts.empty()
                ? " 1 item"
                : fmt::format(" {} items of {}", fmt::join(counts, " x "), fmt::join(names, ", "));
    if (!parameters.empty()) text += fmt::format(", for any {}", fmt::join(parameters, ", "));
    return text;
  }

  const std::string& name(Var var) const { return step_.vars.at(static_cast<size_t>(var.id)); }
  const View& view(int32_t id) const { return step_.views.at(static_cast<size_t>(id)); }
  const RegisterArray& array(int32_t id) const { return step_.arrays.at(static_cast<size_t>(id)); }

  std::string place(int32_t view_id, const Index& index) const {
    return name_text(view(view_id).name) + to_string(index, step_.vars, tables_);
  }
  std::string registers(int32_t array_id, const std::vector<Affine>& index) const {
    return name_text(array(array_id).name) + indexed(index, step_.vars);
  }

  // The dimension that lanes run along and their distance, where those are not the last and 1.
  std::string lane_text(int32_t view_id, int32_t lane_dim, int64_t lane_step) const {
    std::string text;
    if (lane_dim >= 0 && lane_dim + 1 != static_cast<int32_t>(view(view_id).dims.size()))
      text += fmt::format(" along dim {}", lane_dim);
    if (lane_step != 1) text += fmt::format(" step {}", lane_step);
    return text;
  }

  std::string leaf(const ExprNode& node) const {
    if (const auto* reg = std::get_if<Reg>(&node.is)) return registers(reg->array, reg->index);
    const auto* load = std::get_if<Load>(&node.is);
    if (!load) return "?"; // a leaf of the nest language, which verify refuses
    const std::string at = place(load->view, load->index);
    if (node.lanes == 1 && load->first == 0 && load->count == 1) return at;
    std::string text = fmt::format("load {} x{}", at, node.lanes);
    text += lane_text(load->view, load->lane_dim, load->lane_step);
    if (load->first != 0 || load->count != node.lanes)
      text += fmt::format(" lanes {}..{} else {}", load->first, load->first + load->count,
                          fill_text(node.type, load->fill));
    return text;
  }

  static std::string fill_text(ElementType type, double fill) {
    return is_float(type) ? shortest(fill, type) : fmt::format("{}", saturate_to(type, fill));
  }

  // A statement without a body: its line, and those before it that name values in it.
  struct Lines {
    std::vector<std::string> lets;
    std::string text;           // empty: it has a body
    std::vector<size_t> let_of; // by node of the one value
  };

  Lines simple(const StmtNode& node) const {
    return std::visit([this](const auto& is) { return simple(is); }, node.is);
  }

  Lines simple(const Set& set) const {
    const RegisterArray& to = array(set.array);
    ValueTexts texts = value_texts({{set.value, {to.type, to.lanes}}}, names_, taken_);
    return {std::move(texts.lets),
            fmt::format("{} = {}", registers(set.array, set.index), texts.values[0]),
            std::move(texts.let_of)};
  }

  Lines simple(const Store& store) const {
    std::string text = "store " + place(store.view, store.index);
    if (store.count != 1 || store.value->lanes != 1)
      text +=
          fmt::format(" x{}", store.count) + lane_text(store.view, store.lane_dim, store.lane_step);
    ValueTexts texts =
        value_texts({{store.value, {view(store.view).element, store.count}}}, names_, taken_);
    return {std::move(texts.lets), fmt::format("{} = {}", text, texts.values[0]),
            std::move(texts.let_of)};
  }

  Lines simple(const Scatter& scatter) const {
    ValueTexts texts = value_texts(
        {{scatter.offset, {ElementType::i64, 1}}, {scatter.value, {view(scatter.view).element, 1}}},
        names_, taken_);
    return {std::move(texts.lets),
            fmt::format("scatter {} behind {}, 0 <= it < {}: {}", texts.values[0],
                        place(scatter.view, scatter.index), scatter.extent, texts.values[1]),
            {}};
  }

  Lines simple(const Transpose& transpose) const {
    std::string from = name_text(array(transpose.from).name);
    for (size_t i = 0; i < transpose.from_index.size(); ++i) {
      const Affine& at = transpose.from_index[i];
      from += static_cast<int32_t>(i) == transpose.from_axis
                  ? fmt::format("[{}..{}]", to_string(at, step_.vars),
                                to_string(at + transpose.count, step_.vars))
                  : fmt::format("[{}]", to_string(at, step_.vars));
    }
    return {{}, fmt::format("{} = transpose {}", name_text(array(transpose.to).name), from), {}};
  }

  Lines simple(const Prefetch& prefetch) const {
    return {{},
            fmt::format("prefetch {} + {}", name_text(view(prefetch.view).name),
                        to_string(prefetch.offset, step_.vars)),
            {}};
  }

  Lines simple(const Tile& tile) const {
    const auto name = [&](const TileRegister& at) { return registers(at.array, at.index); };
    const auto rows = [&] {
      return fmt::format("{} rows along dim {}{}", place(tile.view, tile.index), tile.row_dim,
                         tile.row_step != 1 ? fmt::format(" step {}", tile.row_step) : "");
    };
    switch (tile.kind) {
    case Tile::Kind::zero: return {{}, fmt::format("tile {} = 0", name(tile.tile)), {}};
    case Tile::Kind::load:
      return {{},
              fmt::format("tile {} = load {}{}", name(tile.tile), rows(),
                          tile.bypasses ? " bypass" : ""),
              {}};
    case Tile::Kind::store:
      return {{}, fmt::format("tile store {} = {}", rows(), name(tile.tile)), {}};
    case Tile::Kind::multiply:
      return {
          {}, fmt::format("tile {} += {} * {}", name(tile.tile), name(tile.a), name(tile.b)), {}};
    }
    return {};
  }

  Lines simple(const Fence& fence) const {
    constexpr const char* words[] = {"fence", "fence sums", "fence numbers"};
    return {{}, words[static_cast<size_t>(fence.kind)], {}};
  }
  Lines simple(const Block&) const { return {}; }
  Lines simple(const For&) const { return {}; }
  Lines simple(const When&) const { return {}; }

  void print(const Stmt& s, int depth) {
    for (size_t at = 0; at < s->note.size();) {
      const size_t end = std::min(s->note.find('\n', at), s->note.size());
      line(depth, fmt::format("// {}", s->note.substr(at, end - at)));
      at = end + 1;
    }
    lines_.push_back(next_line_);
    const size_t own = lines_.size() - 1;
    std::visit(overloaded{[&](const Block& block) {
                            for (const Stmt& inner : block.stmts) print(inner, depth);
                            if (!block.stmts.empty()) lines_[own] = lines_[own + 1];
                          },
                          [&](const For& loop) { print_loop(loop, depth); },
                          [&](const When& when) {
                            line(depth, fmt::format("when {} <= {} < {}:", when.lo,
                                                    to_string(when.value, step_.vars), when.hi));
                            print(when.body, depth + 1);
                          },
                          [&](const auto& is) {
                            const Lines lines = simple(is);
                            if (!lines.lets.empty())
                              for (const size_t let : lines.let_of)
                                nodes_[own].push_back(next_line_ + static_cast<int>(let));
                            for (const std::string& let : lines.lets) line(depth, let);
                            lines_.back() = next_line_;
                            line(depth, lines.text);
                          }},
               s->is);
  }

  // Unrolled loops that directly nest share a line, and a single short statement joins them:
  //     unroll r in 0..14, v in 0..2:  acc[r][v] = 0
  void print_loop(const For& outermost, int depth) {
    std::string text = outermost.kind == For::Kind::unrolled ? "unroll " : "for ";
    const For* loop = &outermost;
    while (true) {
      text += fmt::format("{} in {}", name(loop->var), range_text(loop->range, step_.vars));
      const auto* inner = std::get_if<For>(&loop->body->is);
      if (loop->kind != For::Kind::unrolled || !inner || inner->kind != For::Kind::unrolled ||
          !loop->body->note.empty())
        break;
      text += ", ";
      loop = inner;
      lines_.push_back(next_line_);
    }
    text += ":";
    const Stmt& body = loop->body;
    const Lines lines = simple(*body);
    const bool is_line = !lines.text.empty() && lines.lets.empty() && body->note.empty();
    if (loop->kind == For::Kind::unrolled && is_line) {
      const std::string joined = fmt::format("{}  {}", text, lines.text);
      if (joined.size() + static_cast<size_t>(2 * depth) <= line_width) {
        lines_.push_back(next_line_);
        return line(depth, joined);
      }
    }
    line(depth, text);
    print(body, depth + 1);
  }

  const Step& step_;
  const std::vector<Buffer>& buffers_;
  std::vector<std::string> tables_;
  ExprNames names_;
  std::set<std::string> taken_;
  std::string text_;
  int header_ = 1;
  std::vector<int> lines_;                   // by statement
  std::map<size_t, std::vector<int>> nodes_; // by statement, where it has names
  int next_line_ = 1;                        // of the step's text
};

} // namespace

std::string to_string(const Step& step, const std::vector<Buffer>& buffers) {
  return StepPrinter(step, buffers).print();
}

LoopsText text_of(const LoopProgram& program) {
  LoopsText all;
  int lines_before = 0;
  const auto add = [&](const std::string& text) {
    lines_before += static_cast<int>(std::count(text.begin(), text.end(), '\n'));
    all.text += text;
  };
  add(fmt::format("loops {}\n", program.name) + to_string(program.parameters));
  if (!program.buffers.empty()) add("\n" + buffer_lines(program.buffers, program.parameters));
  for (const Step& step : program.steps) {
    add("\n");
    StepPrinter printer(step, program.buffers);
    const std::string text = printer.print();
    all.steps.push_back(printer.lines(lines_before));
    add(text);
  }
  add(data_sections(program.buffers));
  return all;
}

std::string to_string(const LoopProgram& program) { return text_of(program).text; }

} // namespace volute::ir
