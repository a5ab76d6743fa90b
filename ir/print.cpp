#include "ir/print.h"

#include "ir/infer.h"
#include "ir/lexer.h"
#include "ir/literals.h"
#include "ir/number.h"
#include "ir/operators.h"

#include <fmt/format.h>

namespace volute::ir {
namespace {

constexpr size_t widest_line = 100;

bool holds(const Program& program, ValueId id) {
  return id >= 0 && static_cast<size_t>(id) < program.values.size();
}

// A program under construction may name values that it does not hold; it still prints.
std::string value_text(const Program& program, ValueId id) {
  return holds(program, id) ? "%" + program.name_of(id) : fmt::format("%?{}", id);
}

std::string values_text(const Program& program, const std::vector<ValueId>& ids) {
  std::string text;
  for (const ValueId id : ids) text += (text.empty() ? "" : ", ") + value_text(program, id);
  return text;
}

std::vector<TensorType> types_of(const Program& program, const std::vector<ValueId>& ids) {
  std::vector<TensorType> types;
  for (const ValueId id : ids)
    types.push_back(holds(program, id) ? program.type(id) : TensorType());
  return types;
}

/// Adds entries to a list, breaking the line where it gets too wide.
class Wrapped {
public:
  Wrapped(std::string& text, size_t indent) : text_(text), indent_(indent) {
    line_start_ = text.rfind('\n') + 1; // npos + 1 is 0
  }
  void add(std::string_view entry) {
    if (count_++ > 0) {
      text_ += ',';
      if (text_.size() - line_start_ + 1 + entry.size() > widest_line) {
        text_ += '\n';
        line_start_ = text_.size();
        text_.append(indent_, ' ');
      } else {
        text_ += ' ';
      }
    }
    text_ += entry;
  }

private:
  std::string& text_;
  size_t indent_, line_start_, count_ = 0;
};

void print_data(std::string& text, const Const& data, const TensorType& type) {
  if (!data.file.empty()) {
    text += fmt::format(" file({})", as_string_token(data.file));
    return;
  }
  text += " [";
  Wrapped list(text, 4);
  const auto step = static_cast<size_t>(size_of(type.element));
  const size_t size = data.bytes ? data.bytes->size() : 0;
  for (size_t at = 0; at + step <= size; at += step) {
    const std::byte* element = data.bytes->data() + at;
    list.add(is_float(type.element) ? shortest(read_real(element, type.element), type.element)
                                    : fmt::format("{}", read_integer(element, type.element)));
  }
  text += ']';
}

/// The attributes whose absence would make another operation.
std::string attributes_text(const Operation& operation, std::span<const TensorType> operands) {
  const OperatorRow& row = row_of(operation);
  std::string text;
  for (const AttributeRow& attribute : row.attributes) {
    Operation without = operation, unwritten = row.make();
    assign(attribute.field(without), attribute.field(unwritten));
    if (normalise(without, operands) == operation) continue;
    Operation copy = operation;
    text += fmt::format("{}{} = {}", text.empty() ? " {" : ", ", attribute.name,
                        to_string(attribute.field(copy)));
  }
  return text.empty() ? text : text + '}';
}

std::string types_text(const std::vector<TensorType>& types) {
  std::string text;
  for (const TensorType& type : types) text += (text.empty() ? " : " : ", ") + to_string(type);
  return text;
}

} // namespace

std::string to_string(const Program& program, const Statement& statement) {
  const std::vector<TensorType> operands = types_of(program, statement.operands);
  const std::vector<TensorType> results = types_of(program, statement.results);
  std::string text =
      fmt::format("  {} = {}", values_text(program, statement.results), name(statement.operation));
  if (const auto* data = std::get_if<Const>(&statement.operation)) {
    print_data(text, *data, results.empty() ? TensorType() : results.front());
    return text + types_text(results);
  }
  if (!statement.operands.empty()) text += ' ' + values_text(program, statement.operands);
  text += attributes_text(statement.operation, operands);
  const auto inferred = infer(statement.operation, operands, results.size());
  return inferred && *inferred == results ? text : text + types_text(results);
}

std::string to_string(const Program& program) {
  std::string text = fmt::format("program @{}(", program.name);
  Wrapped inputs(text, text.size());
  for (const ValueId id : program.inputs) {
    const TensorType type = holds(program, id) ? program.type(id) : TensorType();
    inputs.add(fmt::format("{}: {}", value_text(program, id), to_string(type)));
  }
  text += ") {\n";
  for (const Statement& statement : program.statements)
    text += to_string(program, statement) + '\n';
  return text + fmt::format("  return {}\n}}\n", values_text(program, program.outputs));
}

std::string to_string(std::span<const Program> programs) {
  std::string text;
  for (const Program& program : programs) text += (text.empty() ? "" : "\n") + to_string(program);
  return text;
}

} // namespace volute::ir
