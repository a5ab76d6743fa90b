#include "compiler/image/encode.h"

#include "compiler/image/fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace volute::compiler {

// ---- the fields of each struct, in the order in which they are written
// ---------------------------

template <>
struct FieldsOf<ir::Extent> {
  static auto of(auto& extent) { return std::tie(extent.axis, extent.size); }
};
template <>
struct FieldsOf<ir::TensorType> {
  static auto of(auto& type) { return std::tie(type.element, type.extents); }
};
template <>
struct FieldsOf<ir::Dim> {
  static auto of(auto& dim) { return std::tie(dim.extent, dim.stride); }
};
template <>
struct FieldsOf<ir::ParameterRange> {
  static auto of(auto& range) { return std::tie(range.least, range.most, range.multiple); }
};
template <>
struct FieldsOf<ir::Parameter> {
  static auto of(auto& parameter) { return std::tie(parameter.name, parameter.range); }
};
template <>
struct FieldsOf<ImageBuffer> {
  static auto of(auto& buffer) {
    return std::tie(buffer.name, buffer.role, buffer.bytes, buffer.type, buffer.strides,
                    buffer.may_alias, buffer.dims, buffer.value);
  }
};
template <>
struct FieldsOf<ImagePlaces> {
  static auto of(auto& places) {
    return std::tie(places.name, places.type, places.limit, places.buffer, places.fault);
  }
};
template <>
struct FieldsOf<ImageStep> {
  static auto of(auto& step) {
    return std::tie(step.name, step.entry, step.work, step.reads, step.writes, step.work_by,
                    step.places, step.symbol, step.size);
  }
};
template <>
struct FieldsOf<Image> {
  static constexpr size_t left_out = 1; // debug, which is made anew
  static auto of(auto& image) {
    return std::tie(image.name, image.target, image.bytes, image.text_bytes, image.buffers,
                    image.parameters, image.steps, image.thread_scratch_bytes, image.needs_tiles);
  }
};

template <>
struct LastOf<ir::Axis> {
  static constexpr auto value = ir::Axis::i;
};
template <>
struct LastOf<ir::ElementType> {
  static constexpr auto value = ir::ElementType::i64;
};
template <>
struct LastOf<ImageBuffer::Role> {
  static constexpr auto value = ImageBuffer::Role::intermediate;
};

namespace {

constexpr std::array<unsigned char, 8> magic = {'v', 'o', 'l', 'u', 't', 'e', 0x1a, '\n'};
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
  FieldWriter payload;
  payload.write(image);
  const std::vector<std::byte> fields = payload.finish();
  FieldWriter whole;
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
  FieldReader header(bytes.subspan(magic.size()));
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
  FieldReader reader(payload);
  reader.read(image);
  if (reader.failed() || !reader.at_end()) return refuse("its fields do not hold together");
  return image;
}

} // namespace volute::compiler
