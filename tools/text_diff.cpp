#include "tools/text_diff.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

namespace volute::tools {
namespace {

using Lines = std::vector<std::string_view>;

Lines lines_of(std::string_view text) {
  Lines lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

struct Part { // of both texts
  size_t a0, a1, b0, b1;
};

/// Pairs lines of two texts that stay, in order. Lines that are there once in either text are fixed
/// points (patience diff), which keeps a moved block in one piece; between them the longest common
/// subsequence, as long as that is not too much work.
class Matcher {
public:
  Matcher(const Lines& a, const Lines& b) : a_(a), b_(b), pair_(a.size(), none) {
    match({0, a.size(), 0, b.size()});
  }
  static constexpr size_t none = SIZE_MAX;
  /// By line of `a`: its partner.
  const std::vector<size_t>& pairs() const { return pair_; }

private:
  static constexpr size_t most_cells = size_t{1} << 24;

  void match(Part p) {
    while (p.a0 < p.a1 && p.b0 < p.b1 && a_[p.a0] == b_[p.b0]) pair_[p.a0++] = p.b0++;
    while (p.a0 < p.a1 && p.b0 < p.b1 && a_[p.a1 - 1] == b_[p.b1 - 1]) pair_[--p.a1] = --p.b1;
    if (p.a0 == p.a1 || p.b0 == p.b1) return;
    if ((p.a1 - p.a0) * (p.b1 - p.b0) <= most_cells) return longest(p);
    const std::vector<std::pair<size_t, size_t>> fixed = fixed_points(p);
    if (fixed.empty()) return; // nothing in common that could be told apart
    size_t a = p.a0, b = p.b0;
    for (const auto& [at, to] : fixed) {
      match({a, at, b, to});
      pair_[at] = to;
      a = at + 1, b = to + 1;
    }
    match({a, p.a1, b, p.b1});
  }

  /// Lines that are there once in both parts, as many as are in the same order.
  std::vector<std::pair<size_t, size_t>> fixed_points(const Part& p) const {
    struct Count {
      size_t in_a = 0, in_b = 0, a = 0, b = 0;
    };
    std::map<std::string_view, Count> counts;
    for (size_t i = p.a0; i < p.a1; ++i) ++counts[a_[i]].in_a, counts[a_[i]].a = i;
    for (size_t i = p.b0; i < p.b1; ++i) ++counts[b_[i]].in_b, counts[b_[i]].b = i;
    std::vector<std::pair<size_t, size_t>> once;
    for (const auto& [line, count] : counts)
      if (count.in_a == 1 && count.in_b == 1) once.emplace_back(count.a, count.b);
    std::sort(once.begin(), once.end());
    // The longest increasing run of partners.
    std::vector<size_t> ends, before(once.size(), none);
    for (size_t i = 0; i < once.size(); ++i) {
      const auto at = std::lower_bound(ends.begin(), ends.end(), once[i].second,
                                       [&](size_t e, size_t b) { return once[e].second < b; });
      if (at != ends.begin()) before[i] = *(at - 1);
      if (at == ends.end())
        ends.push_back(i);
      else
        *at = i;
    }
    std::vector<std::pair<size_t, size_t>> run;
    for (size_t i = ends.empty() ? none : ends.back(); i != none; i = before[i])
      run.push_back(once[i]);
    std::reverse(run.begin(), run.end());
    return run;
  }

  void longest(const Part& p) {
    const size_t rows = p.a1 - p.a0, columns = p.b1 - p.b0, width = columns + 1;
    std::vector<uint32_t> common((rows + 1) * width); // of what is behind
    for (size_t i = rows; i-- > 0;)
      for (size_t j = columns; j-- > 0;)
        common[i * width + j] = a_[p.a0 + i] == b_[p.b0 + j] ? common[(i + 1) * width + j + 1] + 1
                                                             : std::max(common[(i + 1) * width + j],
                                                                        common[i * width + j + 1]);
    for (size_t i = 0, j = 0; i < rows && j < columns;)
      if (a_[p.a0 + i] == b_[p.b0 + j])
        pair_[p.a0 + i++] = p.b0 + j++;
      else if (common[(i + 1) * width + j] >= common[i * width + j + 1])
        ++i;
      else
        ++j;
  }

  const Lines &a_, &b_;
  std::vector<size_t> pair_;
};

constexpr size_t context = 3;

} // namespace

std::string unified_diff(std::string_view before, std::string_view after) {
  if (before == after) return "";
  const Lines a = lines_of(before), b = lines_of(after);
  const Matcher matcher(a, b);
  struct Edit {
    char kind; // ' ', '-', '+'
    std::string_view line;
  };
  std::vector<Edit> edits;
  size_t j = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const size_t to = matcher.pairs()[i];
    if (to == Matcher::none) {
      edits.push_back({'-', a[i]});
      continue;
    }
    for (; j < to; ++j) edits.push_back({'+', b[j]});
    edits.push_back({' ', a[i]});
    ++j;
  }
  for (; j < b.size(); ++j) edits.push_back({'+', b[j]});

  std::string text;
  size_t a_line = 1, b_line = 1;
  for (size_t i = 0; i < edits.size();) {
    // From `context` lines before a change to as many behind the last one that is near.
    size_t change = i;
    while (change < edits.size() && edits[change].kind == ' ') ++change;
    if (change == edits.size()) break;
    const size_t begin = std::max(i, change > context ? change - context : 0);
    a_line += begin - i, b_line += begin - i;
    size_t end = change, quiet = 0;
    for (size_t k = change; k < edits.size() && quiet <= 2 * context; ++k) {
      quiet = edits[k].kind == ' ' ? quiet + 1 : 0;
      if (quiet == 0) end = k + 1;
    }
    end = std::min(end + context, edits.size());
    const auto of = [&](char other) {
      return static_cast<size_t>(
          std::count_if(edits.begin() + static_cast<std::ptrdiff_t>(begin),
                        edits.begin() + static_cast<std::ptrdiff_t>(end),
                        [&](const Edit& edit) { return edit.kind != other; }));
    };
    const size_t a_count = of('+'), b_count = of('-');
    text += fmt::format("@@ -{},{} +{},{} @@\n", a_count ? a_line : a_line - 1, a_count,
                        b_count ? b_line : b_line - 1, b_count);
    for (size_t k = begin; k < end; ++k)
      text += fmt::format("{}{}\n", edits[k].kind, edits[k].line);
    a_line += a_count, b_line += b_count;
    i = end;
  }
  return text;
}

} // namespace volute::tools
