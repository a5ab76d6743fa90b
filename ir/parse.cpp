#include "ir/parse.h"

#include "ir/cursor.h"
#include "ir/infer.h"
#include "ir/literals.h"
#include "ir/parse_attribute.h"
#include "ir/parse_const.h"
#include "ir/parse_slips.h"
#include "ir/parse_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

namespace volute::ir {
namespace {

using Kind = Token::Kind;

/// Reads one program. After a fault it goes on at the next statement; the results of a statement
/// that failed are *poisoned*: known by name, but their readers are not checked any further, so
/// that one mistake is one message.
class ProgramReader {
public:
  ProgramReader(Cursor& cursor, const Resolver& resolver) : cursor_(cursor), resolver_(resolver) {}

  /// The cursor is at the word `program`.
  Program read() {
    cursor_.advance();
    if (header())
      body();
    else
      skip_program();
    return std::move(program_);
  }

private:
  static constexpr ValueId poisoned = -1;
  static constexpr size_t most_operands = 64; // far more than any operator takes

  struct Definition {
    ValueId id;
    Location where;
  };

  /// A statement as far as it has been read.
  struct Draft {
    std::vector<Token> results;
    const OperatorRow* row = nullptr;
    Operation operation;
    std::vector<ValueId> operands;
    std::vector<TensorType> operand_types, written;
    Places places;
    bool reads_poison = false;
  };

  // ---- header ----

  bool header() {
    if (cursor_.token().kind != Kind::symbol) {
      const Token& token = cursor_.token();
      cursor_.unexpected("the program's name, such as @main", with_sign('@', token));
      return false;
    }
    program_.name = cursor_.token().name();
    cursor_.advance();
    if (!cursor_.expect('(', "'(' and the inputs after the program's name")) return false;
    if (!cursor_.is(')')) {
      do {
        if (!input()) return false;
      } while (cursor_.accept(','));
    }
    return cursor_.expect(')', "',' or ')' after the input") &&
           cursor_.expect('{', "'{' and the program's statements");
  }

  bool input() {
    const Token name = cursor_.token();
    if (name.kind != Kind::value) {
      cursor_.unexpected("an input such as %x: f32[n=1, c=3, h=8, w=8]", with_sign('%', name));
      return false;
    }
    cursor_.advance();
    if (!cursor_.expect(':', "':' and the input's type")) return false;
    const auto type = cursor_.type();
    if (!type) {
      define(name, poisoned);
      skip_input();
      return true;
    }
    program_.inputs.push_back(add_value(name, *type));
    return true;
  }

  /// Over what is left of a type at fault, to the end of the inputs or the next of them.
  void skip_input() {
    for (int64_t depth = 0; !cursor_.at_boundary() && !cursor_.is('{'); cursor_.advance()) {
      if (cursor_.is(')') && depth == 0) return;
      if (cursor_.is(',') && cursor_.peek().kind == Kind::value) return;
      if (cursor_.is('(')) ++depth;
      if (cursor_.is(')')) --depth;
    }
  }

  // ---- values ----

  void define(const Token& name, ValueId id) {
    const auto [at, is_new] = defined_.try_emplace(name.name(), Definition{id, name.where});
    if (!is_new && at->second.where.line > 0)
      cursor_.refuse(name.where, described_value(name),
                     fmt::format("is defined twice, first at {}:{}", at->second.where.line,
                                 at->second.where.column));
  }

  ValueId add_value(const Token& name, const TensorType& type) {
    const auto id = static_cast<ValueId>(program_.values.size());
    program_.values.push_back({std::string(name.name()), type, name.where});
    define(name, id);
    return id;
  }

  static std::string described_value(const Token& name) {
    const std::string safe = quoted(name.text);
    return safe.substr(1, safe.size() - 2);
  }

  std::string similar_value(const Token& name) const {
    constexpr size_t most_compared = 1000;
    if (defined_.size() > most_compared) return "";
    std::vector<std::string_view> known;
    for (const auto& [word, definition] : defined_)
      if (definition.where.line > 0) known.push_back(word);
    std::sort(known.begin(), known.end());
    return ir::similar_value(name.name(), known);
  }

  /// The value that a name stands for; `poisoned` when it is not known, which is said once.
  ValueId look_up(const Token& name) {
    const auto found = defined_.find(name.name());
    if (found != defined_.end()) return found->second.id;
    cursor_.refuse(name.where, described_value(name), "is not defined", similar_value(name));
    defined_.try_emplace(name.name(), Definition{poisoned, {}});
    return poisoned;
  }

  // ---- body ----

  void body() {
    while (!cursor_.at_end() && !cursor_.is('}') && !cursor_.token().is_word("return") &&
           !cursor_.token().is_word("program"))
      statement();
    if (cursor_.token().is_word("return")) {
      outputs();
    } else if (cursor_.is('}')) {
      cursor_.refuse(cursor_.token().where, "", "the program returns nothing",
                     "end it with 'return' and its results");
    }
    if (!cursor_.expect('}', "'}' at the end of the program")) skip_program();
  }

  void outputs() {
    do {
      cursor_.advance(); // over `return` or ','
      const Token name = cursor_.token();
      if (name.kind != Kind::value) {
        cursor_.unexpected("a value to return, such as %y", with_sign('%', name));
        if (name.kind != Kind::word) return;
        cursor_.advance();
        continue;
      }
      cursor_.advance();
      const ValueId id = look_up(name);
      const auto& before = program_.outputs;
      if (id != poisoned && std::find(before.begin(), before.end(), id) != before.end())
        cursor_.refuse(name.where, described_value(name), "is returned twice");
      program_.outputs.push_back(id);
    } while (cursor_.is(','));
  }

  void statement() {
    Draft draft;
    in_attributes_ = false;
    if (!read(draft) || !finish(draft)) {
      for (const Token& name : draft.results) define(name, poisoned);
      recover();
    }
  }

  bool read(Draft& draft) {
    if (!results(draft) || !operator_word(draft)) return false;
    if (std::holds_alternative<Const>(draft.operation)) return known_data(draft);
    if (!operands(draft)) return false;
    const bool sound = attributes(draft);
    if (!sound && in_attributes_) return false;
    return written_types(draft) && ends(draft) && sound;
  }

  bool results(Draft& draft) {
    if (cursor_.token().kind == Kind::word && find_operator(cursor_.token().text)) {
      cursor_.unexpected(
          fmt::format("the statement's result, as in %y = {}", cursor_.token().text));
      return false;
    }
    do {
      if (cursor_.token().kind != Kind::value) {
        const Token after = cursor_.peek();
        cursor_.unexpected("a statement such as %y = relu %x, or return",
                           after.is('=') || after.is(',') ? with_sign('%', cursor_.token()) : "");
        return false;
      }
      draft.results.push_back(cursor_.token());
      cursor_.advance();
    } while (cursor_.accept(','));
    if (cursor_.accept('=')) return true;
    cursor_.unexpected("'=' after the statement's result",
                       cursor_.is(':') ? "its type stands at the end: %y = relu %x : f32[...]"
                                       : "");
    return false;
  }

  bool operator_word(Draft& draft) {
    const Token word = cursor_.token();
    if (word.kind != Kind::word) {
      cursor_.unexpected("an operator after '='", operator_instead(cursor_));
      return false;
    }
    draft.row = find_operator(word.text);
    cursor_.advance();
    const std::string_view qualified = with_qualifiers(word);
    if (!draft.row || qualified != word.text) {
      cursor_.refuse(word.where, "", fmt::format("{} is no operator", quoted(qualified)),
                     operator_hint(qualified));
      return false;
    }
    draft.operation = draft.row->make();
    draft.places.op = word.where;
    return true;
  }

  /// The word with what follows it after points: nn.Conv2d, torch.relu. Steps over that.
  std::string_view with_qualifiers(const Token& first) {
    const char* end = first.text.data() + first.text.size();
    while (cursor_.token().kind == Kind::invalid && cursor_.token().text == "." &&
           cursor_.token().text.data() == end) {
      cursor_.advance();
      if (cursor_.token().kind != Kind::word) break;
      end = cursor_.token().text.data() + cursor_.token().text.size();
      cursor_.advance();
    }
    return {first.text.data(), static_cast<size_t>(end - first.text.data())};
  }

  bool known_data(Draft& draft) {
    auto known = read_const(cursor_, resolver_, described_value(draft.results.front()));
    if (!known) return false;
    draft.operation = std::move(known->data);
    draft.written = {known->type};
    draft.places.types = {known->type_where};
    return ends(draft);
  }

  bool operands(Draft& draft) {
    if (cursor_.is('(')) {
      cursor_.unexpected("an operand such as %x", without_parentheses(cursor_, *draft.row));
      return false;
    }
    if (!may_be_operand() || cursor_.starts_statement()) return true;
    do {
      const Token name = cursor_.token();
      if (name.kind != Kind::value) {
        cursor_.unexpected("an operand such as %x",
                           operand_instead(cursor_, *draft.row, draft.operands.size()));
        return false;
      }
      cursor_.advance();
      const ValueId id = look_up(name);
      draft.reads_poison = draft.reads_poison || id == poisoned;
      if (draft.operands.size() > most_operands) continue; // already too many, whatever they are
      draft.operands.push_back(id);
      draft.operand_types.push_back(id == poisoned ? TensorType() : program_.type(id));
      draft.places.operands.push_back(name.where);
    } while (cursor_.accept(','));
    return true;
  }

  /// Whether what follows the operator is an operand, or was meant as one.
  bool may_be_operand() const {
    const Token& token = cursor_.token();
    if (token.kind == Kind::value) return true;
    const bool word = token.kind == Kind::word || token.kind == Kind::string;
    return word && !token.starts_line && !cursor_.at_boundary();
  }

  bool attributes(Draft& draft) {
    if (!cursor_.accept('{')) return true;
    in_attributes_ = true;
    bool sound = true;
    if (!cursor_.is('}')) {
      do {
        const Cursor::Position begin = cursor_.position();
        if (attribute(draft)) continue;
        sound = false;
        cursor_.go_to(begin); // the fault may be inside a list, whose commas end no attribute
        skip_attribute(cursor_);
        if (!cursor_.is(',') && !cursor_.is('}')) return false; // never closed: one fault, not two
      } while (cursor_.accept(','));
    }
    if (!cursor_.expect('}', "',' or '}' after the attribute")) return false;
    in_attributes_ = false;
    return sound;
  }

  bool attribute(Draft& draft) {
    const Token name = cursor_.token();
    if (name.kind != Kind::word) {
      cursor_.unexpected("an attribute such as stride = 2");
      return false;
    }
    cursor_.advance();
    const std::string subject(draft.row->name);
    const AttributeRow* row = find_attribute(*draft.row, name.text);
    if (!row) {
      refuse_attribute(name, *draft.row);
      return false;
    }
    auto& before = draft.places.attributes;
    if (std::any_of(before.begin(), before.end(), [&](auto& a) { return a.first == row->name; })) {
      cursor_.refuse(name.where, subject, fmt::format("{} is given twice", row->name));
      return false;
    }
    before.emplace_back(row->name, name.where);
    if (!cursor_.expect('=', fmt::format("'=' after {}", row->name))) return false;
    const size_t rank =
        draft.operand_types.empty() ? 0 : draft.operand_types[0].spatial_axes().size();
    return read_attribute(cursor_, subject, *row, row->field(draft.operation), rank);
  }

  void refuse_attribute(const Token& name, const OperatorRow& row) {
    cursor_.refuse(name.where, std::string(row.name),
                   fmt::format("has no attribute {}", quoted(name.text)),
                   attribute_hint(name.text, row));
  }

  bool written_types(Draft& draft) {
    if (!cursor_.accept(':')) return true;
    do {
      const Location where = cursor_.token().where;
      const auto type = cursor_.type();
      if (!type) return false;
      draft.written.push_back(*type);
      draft.places.types.push_back(where);
    } while (cursor_.accept(','));
    return true;
  }

  /// What is left over on a statement's line belongs to it, and is its fault.
  bool ends(const Draft& draft) {
    if (cursor_.token().starts_line || cursor_.is('}') || cursor_.at_boundary()) return true;
    const bool bare = draft.places.attributes.empty() && draft.written.empty();
    const bool missing_comma =
        cursor_.token().kind == Kind::value && !draft.operands.empty() && bare;
    const bool missing_braces =
        bare && (cursor_.is('(') || cursor_.is('[') || cursor_.peek().is('='));
    cursor_.unexpected(missing_comma ? "',' between the operands" : "the end of the statement",
                       missing_braces ? std::string(in_braces) : infix_hint(cursor_.token()));
    return false;
  }

  bool finish(Draft& draft) {
    if (draft.reads_poison) return false;
    draft.operation = normalise(std::move(draft.operation), draft.operand_types);
    const auto types = infer(draft.operation, draft.operand_types, draft.results.size(),
                             draft.written, draft.places);
    if (!types) {
      cursor_.refuse(types.diagnostics());
      return false;
    }
    Statement statement{{}, std::move(draft.operation), draft.operands, draft.places.op};
    for (size_t i = 0; i < draft.results.size(); ++i)
      statement.results.push_back(add_value(draft.results[i], (*types)[i]));
    program_.statements.push_back(std::move(statement));
    return true;
  }

  // ---- recovery ----

  /// To the next statement, or the program's end.
  void recover() {
    int64_t depth = in_attributes_ ? 1 : 0;
    for (; !cursor_.at_boundary(); cursor_.advance()) {
      if (cursor_.is('{')) ++depth;
      if (cursor_.is('}') && --depth < 0) return;
    }
  }

  void skip_program() {
    while (!cursor_.at_end() && !cursor_.token().is_word("program")) cursor_.advance();
  }

  Cursor& cursor_;
  const Resolver& resolver_;
  Program program_;
  std::unordered_map<std::string_view, Definition> defined_;
  bool in_attributes_ = false;
};

struct Found {
  Program program;
  Location where;
};

std::vector<Found> read_programs(Cursor& cursor, const Resolver& resolver) {
  std::vector<Found> programs;
  std::unordered_map<std::string, Location> names;
  do {
    const Location where = cursor.token().where;
    if (!cursor.token().is_word("program")) {
      cursor.unexpected("'program'", cursor.token().kind == Kind::word
                                         ? "a program begins with program @name"
                                         : "");
      while (!cursor.at_end() && !cursor.token().is_word("program")) cursor.advance();
      continue;
    }
    programs.push_back({ProgramReader(cursor, resolver).read(), where});
    const std::string& name = programs.back().program.name;
    if (!name.empty() && !names.try_emplace(name, where).second)
      cursor.refuse(where, "", fmt::format("two programs are named @{}", name));
  } while (!cursor.at_end());
  return programs;
}

} // namespace

Expected<std::vector<Program>> parse_file_text(std::string_view text, const Resolver& resolver,
                                               size_t* steps) {
  Cursor cursor(text, steps);
  std::vector<Found> found = read_programs(cursor, resolver);
  if (!cursor.faultless()) return Failure{cursor.take_faults()};
  std::vector<Program> programs;
  for (Found& one : found) programs.push_back(std::move(one.program));
  return programs;
}

Expected<Program> parse(std::string_view text, const Resolver& resolver) {
  Cursor cursor(text);
  std::vector<Found> found = read_programs(cursor, resolver);
  if (found.size() > 1)
    cursor.refuse(found[1].where, "",
                  fmt::format("expected one program, but the text has {}", found.size()));
  if (!cursor.faultless()) return Failure{cursor.take_faults()};
  return std::move(found.front().program);
}

Expected<TensorType> parse_type(std::string_view text) {
  Cursor cursor(text);
  const auto type = cursor.type();
  if (type && !cursor.at_end()) cursor.unexpected("the end of the type");
  if (!cursor.faultless()) return Failure{cursor.take_faults()};
  return *type;
}

} // namespace volute::ir
