#include "compiler/image/encode.h"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <concepts>
#include <cstring>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>

namespace volute::compiler {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers are written as they lie");

constexpr std::array<unsigned char, 8> magic = {'v', 'o', 'l', 'u', 't', 'e', 0x1a, '\n'};

template <class T, class U>
concept Same = std::same_as<std::remove_const_t<T>, U>;

// ---- the fields of each struct, in the order in which they are written
// ---------------------------

auto members(Same<ir::Extent> auto& extent) { return std::tie(extent.axis, extent.size); }
auto members(Same<ir::TensorType> auto& type) { return std::tie(type.element, type.extents); }
auto members(Same<ir::Dim> auto& dim) { return std::tie(dim.extent, dim.stride); }
auto members(Same<ir::ParameterRange> auto& range) {
  return std::tie(range.least, range.most, range.multiple);
}
auto members(Same<ir::Parameter> auto& parameter) {
  return std::tie(parameter.name, parameter.range);
}
auto members(Same<ImageBuffer> auto& buffer) {
  return std::tie(buffer.name, buffer.role, buffer.bytes, buffer.type, buffer.strides,
                  buffer.may_alias, buffer.dims, buffer.value);
}
auto members(Same<ImagePlaces> auto& places) {
  return std::tie(places.name, places.type, places.limit, places.buffer, places.fault);
}
auto members(Same<ImageStep> auto& step) {
  return std::tie(step.name, step.entry, step.work, step.reads, step.writes, step.work_by,
                  step.places);
}
auto members(Same<Image> auto& image) {
  return std::tie(image.name, image.target, image.bytes, image.text_bytes, image.buffers,
                  image.parameters, image.steps, image.thread_scratch_bytes);
}

template <class T>
concept Fields = requires(T& value) {
  members(value);
};

/// The last value of each enumeration.
constexpr auto last(ir::Axis) { return ir::Axis::i; }
constexpr auto last(ir::ElementType) { return ir::ElementType::i64; }
constexpr auto last(ImageBuffer::Role) { return ImageBuffer::Role::intermediate; }

// ---- writing ------------------------------------------------------------------------------------

class Writer {
public:
  void put(const void* from, size_t size) {
    const auto* bytes = static_cast<const std::byte*>(from);
    bytes_.insert(bytes_.end(), bytes, bytes + size);
  }
  template <class T>
  requires(std::integral<T> || std::is_enum_v<T>) void write(T value) { put(&value, sizeof value); }
  void write(const std::string& text) {
    write(uint64_t{text.size()});
    put(text.data(), text.size());
  }
  void write(const std::vector<std::byte>& block) {
    write(uint64_t{block.size()});
    put(block.data(), block.size());
  }
  template <class T>
  void write(const std::vector<T>& list) {
    write(uint64_t{list.size()});
    for (const T& element : list) write(element);
  }
  template <class T>
  void write(const std::optional<T>& value) {
    write(uint8_t{value.has_value()});
    if (value) write(*value);
  }
  void write(const ir::Affine& affine) {
    write(affine.constant_term());
    write(uint64_t{affine.terms().size()});
    for (const ir::Affine::Term& term : affine.terms()) {
      write(term.var.id);
      write(term.coefficient);
    }
  }
  template <Fields T>
  void write(const T& value) {
    std::apply([&](const auto&... field) { (write(field), ...); }, members(value));
  }

  std::vector<std::byte> finish() { return std::move(bytes_); }

private:
  std::vector<std::byte> bytes_;
};

// ---- reading ------------------------------------------------------------------------------------

/// Reads as long as nothing is wrong; after that every value stays as it is.
class Reader {
public:
  explicit Reader(std::span<const std::byte> bytes) : rest_(bytes) {}

  bool failed() const { return failed_; }
  bool at_end() const { return rest_.empty(); }

  void get(void* to, size_t size) {
    if (failed_ || size > rest_.size()) {
      failed_ = true;
      return;
    }
    if (size > 0) std::memcpy(to, rest_.data(), size);
    rest_ = rest_.subspan(size);
  }
  template <std::integral T>
  void read(T& value) {
    get(&value, sizeof value);
  }
  template <class T>
  requires std::is_enum_v<T>
  void read(T& value) {
    std::underlying_type_t<T> number{};
    read(number);
    failed_ |= number > static_cast<std::underlying_type_t<T>>(last(T{}));
    if (!failed_) value = static_cast<T>(number);
  }
  void read(std::string& text) {
    if (const uint64_t size = length(); !failed_) {
      text.resize(size);
      get(text.data(), size);
    }
  }
  void read(std::vector<std::byte>& block) {
    if (const uint64_t size = length(); !failed_) {
      block.assign(rest_.begin(), rest_.begin() + static_cast<std::ptrdiff_t>(size));
      rest_ = rest_.subspan(size);
    }
  }
  template <class T>
  void read(std::vector<T>& list) {
    // Not reserved: a list grows with what is really there.
    for (uint64_t left = length(); left > 0 && !failed_; --left) read(list.emplace_back());
  }
  template <class T>
  void read(std::optional<T>& value) {
    uint8_t is_there = 0;
    read(is_there);
    failed_ |= is_there > 1;
    if (!failed_ && is_there) read(value.emplace());
  }
  /// In normal form: variables in order, no coefficient of 0.
  void read(ir::Affine& affine) {
    int64_t constant = 0;
    read(constant);
    affine = constant;
    ir::Var before;
    for (uint64_t left = length(); left > 0 && !failed_; --left) {
      ir::Var var;
      int64_t coefficient = 0;
      read(var.id);
      read(coefficient);
      failed_ |= coefficient == 0 || var <= before;
      if (!failed_) affine += ir::Affine(var) * coefficient;
      before = var;
    }
  }
  template <Fields T>
  void read(T& value) {
    std::apply([&](auto&... field) { (read(field), ...); }, members(value));
  }

private:
  /// Of a list whose elements take a byte at least.
  uint64_t length() {
    uint64_t count = 0;
    read(count);
    failed_ |= count > rest_.size();
    return failed_ ? 0 : count;
  }

  std::span<const std::byte> rest_;
  bool failed_ = false;
};

constexpr size_t header_bytes = magic.size() + sizeof(uint32_t) + 2 * sizeof(uint64_t);

Failure refuse(std::string why) { return fail("image", std::move(why)); }

} // namespace

// Each step is one to one in the word and in what came before, so no single word changes unseen.
uint64_t checksum(std::span<const std::byte> bytes) {
  constexpr uint64_t odd = 0x9e3779b97f4a7c15;
  uint64_t sum = bytes.size() * odd;
  while (!bytes.empty()) {
    uint64_t word = 0;
    const size_t size = std::min(bytes.size(), sizeof word);
    std::memcpy(&word, bytes.data(), size);
    bytes = bytes.subspan(size);
    sum = (sum ^ word) * odd;
    sum ^= sum >> 32;
  }
  return sum;
}

std::vector<std::byte> encode(const Image& image) {
  Writer payload;
  payload.write(image);
  const std::vector<std::byte> fields = payload.finish();
  Writer whole;
  whole.put(magic.data(), magic.size());
  whole.write(image_format);
  whole.write(uint64_t{fields.size()});
  whole.write(checksum(fields));
  whole.put(fields.data(), fields.size());
  return whole.finish();
}

Expected<Image> decode(std::span<const std::byte> bytes) {
  if (bytes.size() < magic.size() || std::memcmp(bytes.data(), magic.data(), magic.size()) != 0)
    return refuse("this is no kernel image");
  Reader header(bytes.subspan(magic.size()));
  uint32_t format = 0;
  uint64_t size = 0, sum = 0;
  header.read(format);
  if (!header.failed() && format != image_format)
    return refuse(
        fmt::format("it was written in format {}, and this is for {}", format, image_format));
  header.read(size);
  header.read(sum);
  if (header.failed()) return refuse(fmt::format("it ends after {} bytes", bytes.size()));
  const std::span<const std::byte> payload = bytes.subspan(header_bytes);
  if (size != payload.size())
    return refuse(
        fmt::format("it has {} bytes after its header, and should have {}", payload.size(), size));
  if (checksum(payload) != sum) return refuse("it is damaged: its checksum does not fit");
  Image image;
  Reader reader(payload);
  reader.read(image);
  if (reader.failed() || !reader.at_end()) return refuse("its fields do not hold together");
  return image;
}

} // namespace volute::compiler
