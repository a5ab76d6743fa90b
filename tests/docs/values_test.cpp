// What the documents say comes out of a program is what the reference evaluation gives, so that it
// holds whatever the compiler can do. Run with VOLUTE_UPDATE_GOLDEN=1 to write anew what does not
// agree, and read the difference before keeping it.
#include "ir/operators.h"
#include "ir/parse.h"
#include "ir/reference.h"
#include "tests/docs/examples.h"
#include "tests/support/catch.h"
#include "tests/support/golden.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace volute::tests {
namespace {

constexpr int fewest_digits = 4;

/// Numbers stand with four digits, or with as many as are shown.
std::string number_text(double value, ir::ElementType type, int digits) {
  if (ir::is_integer(type)) return fmt::format("{:.0f}", value);
  if (std::isnan(value)) return "nan"; // whatever its sign
  return fmt::format("{:.{}g}", value, std::max(digits, fewest_digits));
}

int digits_of(const std::string& number) {
  const size_t exponent = number.find('e');
  int digits = 0;
  bool significant = false;
  for (const char c : number.substr(0, exponent)) {
    significant = significant || (c >= '1' && c <= '9');
    digits += significant && std::isdigit(static_cast<unsigned char>(c));
  }
  return digits;
}

std::string result_text(const ir::TensorData& data, const std::vector<std::string>& shown) {
  const std::vector<double> elements = ir::elements_of(data);
  const int64_t row = data.type.extents.back().size;
  std::string text = ir::to_string(data.type) + " =";
  for (size_t i = 0; i < elements.size(); ++i) {
    if (i > 0 && static_cast<int64_t>(i) % row == 0) text += " /";
    const int digits = i < shown.size() ? digits_of(shown[i]) : 0;
    text += " " + number_text(elements[i], data.type.element, digits);
  }
  return text;
}

std::vector<std::string> shown_numbers(const std::string& text) {
  const size_t equals = text.find("] =");
  std::istringstream stream(equals == std::string::npos ? "" : text.substr(equals + 3));
  std::vector<std::string> numbers;
  for (std::string word; stream >> word;)
    if (word != "/") numbers.push_back(word);
  return numbers;
}

std::string words_of(const std::string& text) {
  std::istringstream stream(text);
  std::string joined_words;
  for (std::string word; stream >> word;) joined_words += (joined_words.empty() ? "" : " ") + word;
  return joined_words;
}

/// What the program gives under a name: type and, where nothing is left open, elements.
std::string actual(const ir::Program& program, const std::map<std::string, ir::TensorData>& results,
                   const Shown& shown) {
  const auto id = program.find(shown.name);
  if (!id) return "no such value";
  const auto found = results.find(shown.name);
  if (found == results.end() || program.type(*id).elements() == 0)
    return ir::to_string(program.type(*id));
  return result_text(found->second, shown_numbers(shown.text));
}

std::vector<std::string> wrapped(const std::string& name, const std::string& text) {
  constexpr size_t widest = 96;
  std::vector<std::string> lines = {"// %" + name + ":"};
  std::istringstream stream(text);
  for (std::string word; stream >> word;) {
    if (lines.back().size() + 1 + word.size() > widest) lines.push_back("//    ");
    lines.back() += " " + word;
  }
  return lines;
}

} // namespace

TEST_CASE("the documents' results are those of the reference evaluation", "[docs]") {
  const bool update = tests::renews_goldens();
  std::map<std::string, std::vector<std::string>> documents_lines;
  const std::vector<Example> all = examples();
  for (auto example = all.rbegin(); example != all.rend(); ++example) {
    if (example->results.empty()) continue;
    INFO(example->place() << "\n" << example->text);
    const auto program = ir::parse(example->text);
    REQUIRE(program);
    std::map<std::string, ir::TensorData> results;
    if (program->inputs.empty()) {
      auto evaluated = ir::evaluate(*program, {});
      REQUIRE(evaluated);
      results = *evaluated;
    }
    for (auto shown = example->results.rbegin(); shown != example->results.rend(); ++shown) {
      const std::string text = actual(*program, results, *shown);
      if (!update || words_of(shown->text) == text) {
        CHECK("%" + shown->name + ": " + words_of(shown->text) == "%" + shown->name + ": " + text);
        continue;
      }
      auto& lines = documents_lines[example->path];
      if (lines.empty()) lines = lines_of(read_file(in_source(example->path)));
      const std::vector<std::string> anew = wrapped(shown->name, text);
      const auto begin = lines.begin() + static_cast<long>(shown->begin);
      lines.erase(begin, lines.begin() + static_cast<long>(shown->end));
      lines.insert(lines.begin() + static_cast<long>(shown->begin), anew.begin(), anew.end());
    }
  }
  for (const auto& [path, lines] : documents_lines) write_file(in_source(path), joined(lines));
}

TEST_CASE("the language reference shows what comes out of every operator", "[docs]") {
  std::set<std::string> shown;
  for (const Example& example : examples()) {
    if (example.path != "docs/language.md") continue;
    const auto program = ir::parse(example.text);
    REQUIRE(program);
    std::set<ir::ValueId> known; // values that what is shown tells about
    for (const Shown& result : example.results)
      if (const auto id = program->find(result.name); id && program->inputs.empty())
        known.insert(*id);
    for (auto s = program->statements.rbegin(); s != program->statements.rend(); ++s) {
      const bool told = std::any_of(s->results.begin(), s->results.end(),
                                    [&](ir::ValueId id) { return known.count(id) > 0; });
      if (!told) continue;
      shown.insert(std::string(ir::name(s->operation)));
      known.insert(s->operands.begin(), s->operands.end());
    }
  }
  for (const ir::OperatorRow& row : ir::operators()) {
    INFO(row.name);
    CHECK(shown.count(std::string(row.name)) == 1);
  }
}

} // namespace volute::tests
