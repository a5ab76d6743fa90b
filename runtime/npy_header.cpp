#include "runtime/npy_header.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <optional>

namespace volute::runtime {
namespace {

constexpr size_t most_axes = 64; // NumPy 2's own limit

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// Reads just the Python that NumPy writes: strings without escapes, True and False, tuples of
// whole numbers. Each read function leaves `rest` behind what it read, or gives nothing.
class Reader {
public:
  explicit Reader(std::string_view text) : rest_(text) {}

  bool at_end() {
    skip_space();
    return rest_.empty();
  }

  bool accept(char c) {
    skip_space();
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }

  std::optional<std::string_view> string() {
    skip_space();
    if (rest_.empty() || (rest_.front() != '\'' && rest_.front() != '"')) return std::nullopt;
    const size_t end = rest_.find(rest_.front(), 1);
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view inside = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    return inside;
  }

  std::optional<bool> boolean() {
    if (accept_word("True")) return true;
    if (accept_word("False")) return false;
    return std::nullopt;
  }

  std::optional<int64_t> integer() {
    skip_space();
    int64_t value = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (error != std::errc()) return std::nullopt;
    rest_.remove_prefix(static_cast<size_t>(end - rest_.data()));
    accept('L'); // Python 2's long integers
    return value;
  }

private:
  void skip_space() {
    while (!rest_.empty() && is_space(rest_.front())) rest_.remove_prefix(1);
  }

  bool accept_word(std::string_view word) {
    skip_space();
    if (rest_.substr(0, word.size()) != word) return false;
    rest_.remove_prefix(word.size());
    return true;
  }

  std::string_view rest_;
};

// "<f4": byte order, kind, bytes an element.
std::optional<std::string> read_descr(std::string_view descr, NpyHeader& header) {
  const std::string not_simple =
      "its element type is not one of NumPy's numbers (structured types are not read)";
  if (descr.size() < 3) return not_simple;
  const char order = descr[0];
  if (order != '<' && order != '>' && order != '|' && order != '=') return not_simple;
  header.big_endian = order == '>';
  header.kind = descr[1];
  const std::string_view digits = descr.substr(2);
  const auto [end, error] = std::from_chars(digits.begin(), digits.end(), header.item_bytes);
  if (error != std::errc() || end != digits.end() || header.item_bytes < 0) return not_simple;
  return std::nullopt;
}

std::optional<std::string> read_shape(Reader& reader, NpyHeader& header) {
  const std::string malformed = "the header's shape is not a tuple of whole numbers";
  if (!reader.accept('(')) return malformed;
  while (!reader.accept(')')) {
    const std::optional<int64_t> extent = reader.integer();
    if (!extent) return malformed;
    if (*extent < 0) return fmt::format("the header's shape has the negative extent {}", *extent);
    if (header.shape.size() == most_axes)
      return fmt::format("the header's shape has more than {} axes", most_axes);
    header.shape.push_back(*extent);
    if (!reader.accept(',')) {
      if (!reader.accept(')')) return malformed;
      // (5) is a number in Python, and no writer of this format means it as a shape.
      if (header.shape.size() == 1) return malformed;
      break;
    }
  }
  return std::nullopt;
}

} // namespace

Expected<NpyHeader> parse_npy_header(std::string_view text, const std::string& subject) {
  const auto refuse = [&](std::string message) { return fail(subject, std::move(message)); };
  const std::string malformed =
      "the header is not a dictionary of 'descr', 'fortran_order' and 'shape'";
  NpyHeader header;
  bool has_descr = false, has_order = false, has_shape = false;
  Reader reader(text);
  if (!reader.accept('{')) return refuse(malformed);
  while (!reader.accept('}')) {
    const std::optional<std::string_view> key = reader.string();
    if (!key || !reader.accept(':')) return refuse(malformed);
    bool* seen = *key == "descr"           ? &has_descr
                 : *key == "fortran_order" ? &has_order
                 : *key == "shape"         ? &has_shape
                                           : nullptr;
    if (!seen || *seen) return refuse(malformed);
    *seen = true;
    if (seen == &has_descr) {
      const std::optional<std::string_view> descr = reader.string();
      const auto fault = read_descr(descr.value_or(""), header);
      if (fault) return refuse(*fault);
    } else if (seen == &has_order) {
      const std::optional<bool> fortran = reader.boolean();
      if (!fortran) return refuse("the header's fortran_order is neither True nor False");
      header.fortran_order = *fortran;
    } else if (const auto fault = read_shape(reader, header)) {
      return refuse(*fault);
    }
    if (!reader.accept(',')) {
      if (!reader.accept('}')) return refuse(malformed);
      break;
    }
  }
  if (!has_descr || !has_order || !has_shape || !reader.at_end()) return refuse(malformed);
  return header;
}

std::string python_tuple(const std::vector<int64_t>& shape) {
  if (shape.size() == 1) return fmt::format("({},)", shape[0]);
  return fmt::format("({})", fmt::join(shape, ", "));
}

} // namespace volute::runtime
