#include "tests/torch/torch_case.h"

#include "ir/number.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <sstream>
#include <stdexcept>

namespace volute::tests {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

// ---- filling ------------------------------------------------------------------------------------

/// The 64 bits that element i of input k of a case is made of: splitmix64 of its coordinates.
uint64_t mix(int64_t number, size_t k, int64_t i) {
  uint64_t z = (static_cast<uint64_t>(number) << 40) + (static_cast<uint64_t>(k) << 32) +
               static_cast<uint64_t>(i);
  z = (z + 1) * 0x9E3779B97F4A7C15;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

double below(uint64_t bits, uint64_t limit) { return static_cast<double>(bits % limit); }

/// Whole numbers, one in six of them replaced by one of the kinds.
double with_special(uint64_t bits, const std::vector<double>& kinds) {
  const uint64_t which = (bits >> 32) % (6 * kinds.size());
  return which < kinds.size() ? kinds[which] : below(bits, 9) - 4;
}

/// RULES of layout.py.
double by_rule(const std::string& rule, uint64_t bits) {
  if (rule == "whole") return below(bits, 9) - 4;
  if (rule == "ties") return below(bits, 3) - 1;
  if (rule == "thousand") return below(bits, 2001) - 1000;
  if (rule == "special") return with_special(bits, {not_a_number, infinity, -infinity});
  if (rule == "above") return with_special(bits, {not_a_number, infinity});
  if (rule == "zeros") return with_special(bits, {-0.0});
  if (rule == "eighths") return (below(bits, 257) - 128) / 8;
  if (rule == "fine") return (below(bits, 2097153) - 1048576) / 65536;
  if (rule == "positive") return below(bits, 128) / 8;
  if (rule == "powers") return std::exp2(2 * below(bits, 4) - 2);
  if (rule == "huge") return (below(bits, 2001) - 1000) * 1e7;
  throw std::runtime_error("no rule is called " + rule);
}

/// Distinct places in each plane, for max_unpool: element (n, c, q) is
/// 7 q + 3 (n C + c) mod positions.
ir::TensorData places(const ir::TensorType& type, int64_t positions) {
  ir::TensorData tensor = ir::zeros(type);
  const ir::Strides strides(type);
  const int64_t channels = type.size(ir::Axis::c);
  const int64_t height = type.size(ir::Axis::h), width = type.size(ir::Axis::w);
  const int64_t pixels = type.size(ir::Axis::d) * height * width;
  for (int64_t n = 0; n < type.size(ir::Axis::n); ++n)
    for (int64_t c = 0; c < channels; ++c)
      for (int64_t q = 0; q < pixels; ++q) {
        const int64_t at = strides.offset(ir::Axis::n, n) + strides.offset(ir::Axis::c, c) +
                           strides.offset(ir::Axis::d, q / (height * width)) +
                           strides.offset(ir::Axis::h, q / width % height) +
                           strides.offset(ir::Axis::w, q % width);
        ir::write_integer(tensor.bytes.data() + at * ir::size_of(type.element), type.element,
                          (7 * q + 3 * (n * channels + c)) % positions);
      }
  return tensor;
}

ir::TensorData filled(const ir::TensorType& type, const std::string& rule, int64_t number,
                      size_t k) {
  std::istringstream words(rule);
  std::string word;
  words >> word;
  if (word == "places") {
    int64_t positions = 1;
    words >> positions;
    return places(type, positions);
  }
  if (word == "list") {
    std::vector<double> elements;
    for (std::string element; words >> element;)
      elements.push_back(std::strtod(element.c_str(), nullptr));
    if (std::ssize(elements) != type.elements())
      throw std::runtime_error("the list is not as long as " + to_string(type));
    return ir::tensor_of(type, elements);
  }
  ir::TensorData tensor = ir::zeros(type);
  for (int64_t i = 0; i < type.elements(); ++i) {
    std::byte* at = tensor.bytes.data() + i * ir::size_of(type.element);
    const uint64_t bits = mix(number, k, i);
    if (rule == "all")
      ir::write_integer(at, type.element, static_cast<int64_t>(bits));
    else if (ir::is_float(type.element))
      ir::write_real(at, type.element, by_rule(rule, bits));
    else
      ir::write_integer(at, type.element, static_cast<int64_t>(by_rule(rule, bits)));
  }
  return tensor;
}

// ---- reading ------------------------------------------------------------------------------------

/// Elements as characters: a whole number is five bits a character, lowest first, the lowest bit
/// marking those that are negative and inverted, 32 added where more follow; ? is NaN, > and < are
/// the infinities; `*count,` repeats.
class Packed {
public:
  explicit Packed(const std::string& text) : text_(text) {}

  /// Calls `whole` or `special` with each element.
  template <class Whole, class Special>
  void read(const Whole& whole, const Special& special) {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '?' || c == '>' || c == '<') {
        ++at_;
        for (size_t left = count(); left > 0; --left)
          special(c == '?' ? not_a_number : c == '>' ? infinity : -infinity);
      } else {
        const int64_t number = digits();
        for (size_t left = count(); left > 0; --left) whole(number);
      }
    }
  }

private:
  int64_t digits() {
    static const std::string alphabet =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint64_t value = 0;
    for (int shift = 0; at_ < text_.size(); shift += 5) {
      const size_t digit = alphabet.find(text_[at_++]);
      if (digit == std::string::npos)
        throw std::runtime_error("no digit: " + text_.substr(at_ - 1));
      value |= static_cast<uint64_t>(digit & 31) << shift;
      if (digit < 32) break;
    }
    return static_cast<int64_t>(value & 1 ? ~(value >> 1) : value >> 1);
  }

  size_t count() {
    if (at_ >= text_.size() || text_[at_] != '*') return 1;
    const size_t end = text_.find(',', at_);
    const size_t times = std::strtoull(text_.c_str() + at_ + 1, nullptr, 10);
    at_ = end == std::string::npos ? text_.size() : end + 1;
    return times;
  }

  const std::string& text_;
  size_t at_ = 0;
};

void read_packed(const std::string& text, double unit, TorchResult& result) {
  const bool is_real = result.type[0] == 'f' || result.type[0] == 'b';
  Packed(text).read(
      [&](int64_t number) {
        if (is_real)
          result.real.push_back(static_cast<double>(number) * unit);
        else
          result.whole.push_back(number);
      },
      [&](double special) { result.real.push_back(special); });
}

/// Decimal numbers, `number*count` for several, with digits enough to tell the type's values apart.
void read_decimals(const std::string& text, TorchResult& result) {
  const auto type = ir::element_type_from(result.type.substr(0, result.type.find('['))).value();
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    const size_t star = word.find('*');
    const size_t times =
        star == std::string::npos ? 1 : std::strtoull(word.c_str() + star + 1, nullptr, 10);
    result.real.insert(result.real.end(), times,
                       ir::round_to(type, std::strtod(word.c_str(), nullptr)));
  }
}

/// "= y f32[n=1, c=2, w=3] near 4 of 12" and the elements that follow.
TorchResult read_result(const std::string& header, const std::string& elements) {
  TorchResult result;
  const size_t name = header.find(' ', 2), type = header.find(']') + 1;
  result.name = header.substr(2, name - 2);
  result.type = header.substr(name + 1, type - name - 1);
  std::istringstream words(header.substr(type));
  std::string how, more;
  words >> how;
  if (how == "exact") {
    double unit = 1;
    if (words >> more) unit = 1 / std::strtod(more.c_str() + 1, nullptr);
    read_packed(elements, unit, result);
  } else if (how == "shape") {
    result.only_type = true;
  } else {
    if (how == "near") words >> result.ulps >> more >> result.scale;
    read_decimals(elements, result);
  }
  return result;
}

} // namespace

std::vector<TorchCase> read_torch_cases(const std::string& family) {
  const char* folder = std::getenv("VOLUTE_TORCH_FOLDER");
  const std::string path =
      (folder ? std::string(folder) : VOLUTE_SOURCE_DIR "/tests/torch") + "/" + family + ".txt";
  std::ifstream file(path);
  if (!file) throw std::runtime_error(path + ": cannot be read");
  std::vector<TorchCase> cases;
  std::string line;
  bool more = static_cast<bool>(std::getline(file, line));
  const auto next = [&] { more = static_cast<bool>(std::getline(file, line)); };
  while (more) {
    if (line.rfind("case ", 0) != 0) {
      next();
      continue;
    }
    TorchCase one;
    std::istringstream head(line.substr(5));
    head >> one.number >> std::ws;
    std::getline(head, one.source);
    for (next(); more; next()) {
      one.text += line + "\n";
      if (line == "}") break;
    }
    for (next(); more && line.rfind("= ", 0) != 0; next())
      one.rules.emplace_back(line.substr(0, line.find(' ')), line.substr(line.find(' ') + 1));
    while (more && line.rfind("= ", 0) == 0) {
      const std::string header = line;
      std::string elements;
      for (next(); more && !line.empty() && line.rfind("= ", 0) != 0; next())
        elements += header.find("] exact") == std::string::npos ? line + " " : line;
      while (more && line.empty()) next();
      one.results.push_back(read_result(header, elements));
    }
    cases.push_back(std::move(one));
  }
  return cases;
}

Tensors torch_inputs(const TorchCase& one, const ir::Program& program) {
  Tensors tensors;
  for (size_t k = 0; k < one.rules.size(); ++k) {
    const auto& [name, rule] = one.rules[k];
    const ir::TensorType& type = program.type(program.find(name).value());
    tensors.emplace(name, filled(type, rule, one.number, k));
  }
  return tensors;
}

// ---- comparing ----------------------------------------------------------------------------------

namespace {

/// The distance of neighbours of that size, at most.
double ulp(ir::ElementType type, double size) {
  switch (type) {
  case ir::ElementType::f64: return std::max(size * 0x1p-52, 0x1p-1074);
  case ir::ElementType::f16: return std::max(size * 0x1p-10, 0x1p-24);
  case ir::ElementType::bf16: return size * 0x1p-7;
  default: return std::max(size * 0x1p-23, 0x1p-149);
  }
}

double slack(const TorchResult& wanted, ir::ElementType type, double value, Computed computed) {
  if (wanted.ulps == 0) return 0;
  const double size = std::fabs(value);
  const double largest = std::max(size, wanted.scale);
  // Two computations in double that round to the type apart: one unit; of double itself, a few.
  if (computed == Computed::by_reference)
    return type == ir::ElementType::f64 ? 16 * ulp(type, largest)
                                        : ulp(type, size) + 16 * largest * 0x1p-52;
  const bool is_narrow = ir::size_of(type) == 2;
  const ir::ElementType computing = is_narrow ? ir::ElementType::f32 : type;
  // What an exponential makes of numbers below the smallest normal one is small, not exact.
  const double underflow = type == ir::ElementType::f64 ? 0x1p-1015 : 0x1p-119;
  return wanted.ulps * ulp(computing, largest) + (is_narrow ? ulp(type, size) : 0) + underflow;
}

} // namespace

std::string difference(const TorchResult& wanted, const ir::TensorType& type,
                       const std::vector<std::byte>& found, Computed computed) {
  const bool is_real = ir::is_float(type.element);
  const int64_t count = is_real ? std::ssize(wanted.real) : std::ssize(wanted.whole);
  if (count != type.elements() || std::ssize(found) != type.bytes())
    return fmt::format("{} bytes for {} elements, {} wanted", found.size(), type.elements(), count);
  int64_t differ = 0;
  std::string words;
  for (int64_t i = 0; i < count; ++i) {
    const std::byte* at = found.data() + i * ir::size_of(type.element);
    const auto index = static_cast<size_t>(i);
    if (is_real) {
      const double x = ir::read_real(at, type.element), y = wanted.real[index];
      const bool agree = (std::isnan(x) && std::isnan(y)) || x == y ||
                         std::fabs(x - y) <= slack(wanted, type.element, y, computed);
      if (agree) continue;
      if (differ++ == 0) words = fmt::format("element {} is {:.17g}, not {:.17g}", i, x, y);
    } else {
      const int64_t x = ir::read_integer(at, type.element), y = wanted.whole[index];
      if (x == y) continue;
      if (differ++ == 0) words = fmt::format("element {} is {}, not {}", i, x, y);
    }
  }
  if (differ == 0) return "";
  return fmt::format("{} ({} of {} differ)", words, differ, count);
}

} // namespace volute::tests
