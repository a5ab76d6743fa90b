// A hint is a promise: whoever writes the nearest valid value is not refused at that attribute
// again.
#include "ir/parse.h"
#include "tests/support/catch.h"
#include "tests/support/dice.h"

#include <fmt/format.h>

#include <map>
#include <optional>
#include <string>

namespace volute::ir {
namespace {

constexpr std::string_view promise = "the nearest valid value is ";

/// A statement on one spatial axis, so that a number is the whole value of an attribute.
struct Draft {
  std::string header, call;
  std::map<std::string, int64_t> attributes;

  std::string text() const {
    std::string list;
    for (const auto& [name, value] : attributes)
      list += fmt::format("{}{} = {}", list.empty() ? "" : ", ", name, value);
    return fmt::format("program @p({}) {{\n  %y = {} {{{}}}\n  return %y\n}}\n", header, call,
                       list);
  }
  /// Of an attribute in the second line.
  int column(const std::string& name) const {
    const std::string all = text();
    const size_t line = all.find('\n') + 1, list = all.find('{', line);
    for (size_t at = all.find(name, list); at != std::string::npos; at = all.find(name, at + 1))
      if (all[at - 1] == '{' || all[at - 1] == ' ') return static_cast<int>(at - line) + 1;
    return 0;
  }
};

Draft drawn(tests::Dice& dice) {
  const auto number = [&](int64_t least, int64_t most) { return dice.between(least, most); };
  const auto any = [&] { return number(0, 19) == 0 ? int64_t{3000000000} : number(-1, 12); };
  Draft draft;
  const int64_t c = number(1, 12);
  const std::string x = fmt::format("%x: f32[n=1, c={}, w={}]", c, number(1, 12));
  const std::string w = fmt::format(", %w: f32[o={}, i={}, w={}]", number(1, 12),
                                    number(0, 1) ? c : number(1, 12), number(1, 5));
  constexpr std::string_view pools[] = {"max_pool", "avg_pool", "lp_pool"};
  switch (number(0, 3)) {
  case 0: draft = {x + w, "conv %x, %w", {{"groups", any()}}}; break;
  case 1:
    draft = {x + w, "conv_transpose %x, %w", {{"groups", any()}, {"output_padding", any()}}};
    break;
  case 2: draft = {x, fmt::format("{} %x", pools[number(0, 2)]), {{"kernel", any()}}}; break;
  default:
    draft = {
        "%x: f32[n=1, c=3, w=4], %i: i64[n=1, c=3, w=4]", "max_unpool %x, %i", {{"kernel", any()}}};
    if (number(0, 1)) draft.attributes["output_size"] = any();
  }
  const bool unpool = draft.call.starts_with("max_unpool");
  if (number(0, 1)) draft.attributes["stride"] = any();
  if (number(0, 1)) draft.attributes["pad"] = any();
  if (number(0, 1) && !unpool) draft.attributes["dilation"] = any();
  return draft;
}

} // namespace

TEST_CASE("the nearest valid value is valid", "[hints]") {
  tests::Dice dice(20240917);
  int followed = 0;
  for (int round = 0; round < 20000; ++round) {
    const Draft draft = drawn(dice);
    const auto refused = parse(draft.text());
    if (refused) continue;
    for (const Diagnostic& fault : refused.diagnostics()) {
      if (!fault.hint.starts_with(promise)) continue;
      for (const auto& [name, value] : draft.attributes) {
        if (draft.column(name) != fault.where.column) continue;
        Draft mended = draft;
        mended.attributes[name] = std::stoll(fault.hint.substr(promise.size()));
        const auto again = parse(mended.text());
        ++followed;
        if (again) continue;
        INFO(draft.text() << render(refused.diagnostics(), "", draft.text()) << mended.text()
                          << render(again.diagnostics(), "", mended.text()));
        for (const Diagnostic& left : again.diagnostics())
          CHECK(left.where.column != mended.column(name));
      }
    }
  }
  CHECK(followed > 1000);
}

} // namespace volute::ir
