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

} // namespace volute::ir
