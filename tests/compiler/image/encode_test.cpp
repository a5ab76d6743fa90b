#include "compiler/image/encode.h"
#include "tests/support/catch.h"
#include "tests/support/dice.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>

using namespace volute;
using namespace volute::compiler;
using volute::tests::Dice;
using Bytes = std::vector<std::byte>;

namespace {

constexpr size_t header = 28; // magic, format, size, checksum

std::string random_text(Dice& dice) {
  std::string text;
  for (int64_t n = dice.between(0, 20); n > 0; --n)
    text += static_cast<char>(dice.between(-128, 127)); // zeros too
  return text;
}

template <class T>
std::vector<T> random_list(Dice& dice) {
  std::vector<T> list;
  for (int64_t n = dice.between(0, 5); n > 0; --n) list.push_back(static_cast<T>(dice.bits()));
  return list;
}

ir::TensorType random_type(Dice& dice) {
  ir::TensorType type;
  type.element = static_cast<ir::ElementType>(dice.between(0, 7));
  for (int64_t n = dice.between(0, 6); n > 0; --n)
    type.extents.push_back(
        {static_cast<ir::Axis>(dice.between(0, 6)), static_cast<int64_t>(dice.bits())});
  return type;
}

ir::Affine random_affine(Dice& dice) {
  ir::Affine affine = static_cast<int64_t>(dice.bits());
  for (int32_t var = 0; var < 4; ++var)
    if (dice.once_in(3)) affine += ir::Affine(ir::Var{var}) * dice.between(-9, 9);
  return affine;
}

/// Every field drawn over all of its range; nothing of it need make sense.
Image random_image(Dice& dice) {
  Image image;
  image.name = random_text(dice);
  image.target = random_text(dice);
  for (int64_t n = dice.between(0, 300); n > 0; --n)
    image.bytes.push_back(static_cast<std::byte>(dice.bits()));
  image.text_bytes = dice.bits();
  for (int64_t n = dice.between(0, 6); n > 0; --n) {
    ImageBuffer buffer;
    buffer.name = random_text(dice);
    buffer.role = static_cast<ImageBuffer::Role>(dice.between(0, 2));
    buffer.bytes = static_cast<int64_t>(dice.bits());
    if (dice.once_in(2)) buffer.type = random_type(dice);
    buffer.strides = random_list<int64_t>(dice);
    buffer.may_alias = random_list<int32_t>(dice);
    if (dice.once_in(3)) buffer.dims = {{random_affine(dice), random_affine(dice)}};
    if (dice.once_in(3)) buffer.value = random_text(dice);
    image.buffers.push_back(std::move(buffer));
  }
  for (int64_t n = dice.between(0, 2); n > 0; --n)
    image.parameters.push_back(
        {random_text(dice),
         {static_cast<int64_t>(dice.bits()), static_cast<int64_t>(dice.bits()),
          static_cast<int64_t>(dice.bits())}});
  for (int64_t n = dice.between(0, 5); n > 0; --n) {
    image.steps.push_back({random_text(dice), dice.bits(), static_cast<int64_t>(dice.bits()),
                           random_list<int32_t>(dice), random_list<int32_t>(dice)});
    if (dice.once_in(3))
      image.steps.back().places = {{random_text(dice), random_type(dice),
                                    static_cast<int64_t>(dice.bits()),
                                    static_cast<int32_t>(dice.bits()), random_text(dice)}};
    image.steps.back().symbol = random_text(dice);
    image.steps.back().size = dice.bits();
    if (dice.once_in(3)) image.steps.back().work_by = {random_affine(dice), random_affine(dice)};
  }
  image.thread_scratch_bytes = static_cast<int64_t>(dice.bits());
  return image;
}

/// From memory that is exactly as large, so that a sanitizer sees every byte too many.
Expected<Image> decoded(const Bytes& bytes) {
  const auto exact = std::make_unique<std::byte[]>(bytes.size());
  if (!bytes.empty()) std::memcpy(exact.get(), bytes.data(), bytes.size());
  return decode({exact.get(), bytes.size()});
}

std::string refusal(const Bytes& bytes) {
  const Expected<Image> image = decoded(bytes);
  return image ? "none" : to_string(image.diagnostics().front());
}

/// The checksum that fits what is there now.
void repair(Bytes& bytes) {
  const uint64_t sum = checksum(std::span(bytes).subspan(header));
  std::memcpy(bytes.data() + 20, &sum, sizeof sum);
}

} // namespace

TEST_CASE("an image is the same after it was written and read") {
  Dice dice(1);
  for (int round = 0; round < 500; ++round) {
    const Image image = random_image(dice);
    const Bytes bytes = encode(image);
    const Expected<Image> back = decoded(bytes);
    REQUIRE(back.has_value());
    CHECK(*back == image);
    CHECK(encode(*back) == bytes);
  }
  CHECK(*decoded(encode(Image{})) == Image{});
}

TEST_CASE("what was cut off is refused, wherever") {
  Dice dice(2);
  const Bytes bytes = encode(random_image(dice));
  for (size_t size = 0; size < bytes.size(); ++size) {
    CAPTURE(size);
    const Bytes cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
    CHECK(refusal(cut) != "none");
  }
  Bytes longer = bytes;
  longer.push_back({});
  CHECK(refusal(longer) == "image: it has " + std::to_string(bytes.size() - header + 1) +
                               " bytes after its header, and should have " +
                               std::to_string(bytes.size() - header));
}

TEST_CASE("one flipped bit is refused, whichever") {
  Dice dice(3);
  for (int round = 0; round < 4; ++round) {
    const Bytes bytes = encode(random_image(dice));
    for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
      Bytes flipped = bytes;
      flipped[bit / 8] ^= std::byte{1} << bit % 8;
      CAPTURE(bit);
      CHECK(refusal(flipped) != "none");
    }
  }
}

TEST_CASE("other files and other formats are told from damage") {
  Bytes bytes = encode(Image{});
  CHECK(refusal({}) == "image: this is no kernel image");
  CHECK(refusal(Bytes(100)) == "image: this is no kernel image");
  CHECK(refusal(Bytes(bytes.begin(), bytes.begin() + 15)) == "image: it ends after 15 bytes");
  Bytes other = bytes;
  other[8] = std::byte{7};
  CHECK(refusal(other) ==
        "image: it was written in format 7, and this is for " + std::to_string(image_format));
  Bytes damaged = bytes;
  damaged.back() ^= std::byte{1};
  CHECK(refusal(damaged) == "image: it is damaged: its checksum does not fit");
}

TEST_CASE("corruption behind a checksum that fits is read within its bounds, or refused") {
  Dice dice(4);
  int refused = 0, read = 0;
  for (int round = 0; round < 20000; ++round) {
    Bytes bytes = encode(random_image(dice));
    for (int64_t n = dice.between(1, 4); n > 0; --n) {
      const auto at =
          static_cast<size_t>(dice.between(header, static_cast<int64_t>(bytes.size()) - 1));
      // Lengths that ask for everything, and small changes.
      if (dice.once_in(3))
        for (size_t i = at; i < std::min(at + 8, bytes.size()); ++i) bytes[i] = std::byte{0xff};
      else
        bytes[at] = static_cast<std::byte>(dice.bits());
    }
    if (dice.once_in(4))
      bytes.resize(static_cast<size_t>(dice.between(header, static_cast<int64_t>(bytes.size()))));
    const uint64_t size = bytes.size() - header;
    std::memcpy(bytes.data() + 12, &size, sizeof size);
    repair(bytes);
    const Expected<Image> image = decoded(bytes);
    if (image) {
      ++read;
      CHECK(encode(*image) == bytes); // nothing was left out or made up
    } else {
      ++refused;
      CHECK(to_string(image.diagnostics().front()) == "image: its fields do not hold together");
    }
  }
  CHECK(refused > 1000);
  CHECK(read > 1000);
}
