#include "ir/literals.h"

#include "ir/number.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <limits>

namespace volute::ir {
namespace {

// from_chars reports overflow and underflow alike. The two differ in the sign of the decimal
// exponent of the first digit that is not 0: far above 0 for one, far below for the other.
bool is_tiny(std::string_view text) {
  int64_t before_point = 0; // digits between the first that is not 0 and the point, or minus zeros
  bool after_point = false, seen = false;
  size_t at = text.starts_with('-') ? 1 : 0;
  for (; at < text.size() && text[at] != 'e' && text[at] != 'E'; ++at) {
    if (text[at] == '.') {
      after_point = true;
      continue;
    }
    seen = seen || text[at] != '0';
    if (!after_point && seen) ++before_point;
    if (after_point && !seen) --before_point;
  }
  if (!seen) return true;
  if (at == text.size()) return before_point <= 0;
  std::string_view exponent = text.substr(at + 1);
  if (exponent.starts_with('+')) exponent.remove_prefix(1);
  const std::optional<int64_t> power = parse_integer(exponent);
  if (!power) return exponent.starts_with('-');
  if (*power < -(int64_t{1} << 40) || *power > (int64_t{1} << 40)) return *power < 0;
  return before_point + *power <= 0;
}

template <class T>
std::optional<double> read_as(std::string_view text) {
  const size_t first = text.starts_with('-') ? 1 : 0;
  if (first == text.size() || (text[first] != '.' && (text[first] < '0' || text[first] > '9')))
    return std::nullopt; // from_chars knows words of its own
  T value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc::invalid_argument || end != text.data() + text.size()) return std::nullopt;
  if (error == std::errc::result_out_of_range) {
    if (!is_tiny(text)) return std::nullopt;
    return text.starts_with('-') ? -0.0 : 0.0;
  }
  return static_cast<double>(value);
}

} // namespace

std::string shortest(double value, ElementType type) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  if (type == ElementType::f64) return fmt::format("{}", value);
  if (type == ElementType::f32) return fmt::format("{}", static_cast<float>(value));
  // Whole numbers are plainer in full than rounded to the few digits that tell them apart.
  if (value == std::floor(value) && std::abs(value) < 1e6) return fmt::format("{}", value);
  for (int digits = 1; digits < 9; ++digits) {
    const std::string text = fmt::format("{:.{}g}", value, digits);
    if (parse_real(text, type) == value) return text;
  }
  return fmt::format("{}", value);
}

std::optional<double> parse_real(std::string_view text, ElementType type) {
  if (text == "inf") return std::numeric_limits<double>::infinity();
  if (text == "-inf") return -std::numeric_limits<double>::infinity();
  if (text == "nan") return std::numeric_limits<double>::quiet_NaN();
  if (type == ElementType::f32) return read_as<float>(text);
  const std::optional<double> value = read_as<double>(text);
  if (!value || type == ElementType::f64) return value;
  const double rounded = round_to(type, *value);
  if (std::isinf(rounded)) return std::nullopt;
  return rounded;
}

std::optional<int64_t> parse_integer(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string quoted(std::string_view text) {
  constexpr size_t longest = 40;
  std::string safe = "'";
  for (const char c : text.substr(0, longest)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte >= 0x7f)
      safe += fmt::format("\\x{:02x}", byte);
    else
      safe += c;
  }
  return safe + (text.size() > longest ? "...'" : "'");
}

Character first_character(std::string_view text) {
  const auto byte = [&](size_t at) {
    return at < text.size() ? static_cast<unsigned char>(text[at]) : 0u;
  };
  const unsigned first = byte(0);
  if (first < 0x80) return {1, first >= 0x20 && first != 0x7f};
  const size_t bytes = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4) return {};
  uint32_t code = first & (0xffu >> (bytes + 1));
  for (size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    code = code << 6 | (byte(i) & 0x3f);
  }
  const bool too_long = (bytes == 3 && code < 0x800) || (bytes == 4 && code < 0x10000);
  const bool is_no_code = code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff);
  if (too_long || is_no_code) return {};
  // Control characters of the second table, and those that turn the direction of what follows.
  const bool is_control = code < 0xa0 || (code >= 0x200e && code <= 0x200f) ||
                          (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
  return {bytes, !is_control};
}

std::string shown(std::string_view text) {
  std::string safe;
  while (!text.empty()) {
    const Character first = first_character(text);
    const std::string_view bytes = text.substr(0, first.bytes);
    if (first.is_plain || bytes == "\n" || bytes == "\t")
      safe += bytes;
    else
      for (const char c : bytes) safe += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    text.remove_prefix(first.bytes);
  }
  return safe;
}

} // namespace volute::ir
