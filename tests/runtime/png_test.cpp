#include "ir/number.h"
#include "runtime/png.h"
#include "tests/runtime/failure_text.h"
#include "tests/runtime/temporary_folder.h"
#include "tests/support/catch.h"

#include <png.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <random>

using namespace volute;
using ir::Axis;
using ir::ElementType;
using runtime::read_png;
using runtime::read_png_size;
using runtime::write_png;
using volute::tests::failure_text;
using volute::tests::read_file;
using volute::tests::TemporaryFolder;
using volute::tests::write_file;

namespace {

ir::TensorType picture(ElementType element, int64_t c, int64_t h, int64_t w) {
  return {element, {{Axis::n, 1}, {Axis::c, c}, {Axis::h, h}, {Axis::w, w}}};
}

// What libpng makes of samples in any of PNG's own forms: `rows` as PNG packs them.
struct Form {
  int color = PNG_COLOR_TYPE_GRAY;
  int depth = 8;
  int interlace = PNG_INTERLACE_NONE;
  std::vector<png_color> palette = {};
  std::vector<png_byte> palette_alpha = {};
  int transparent_grey = -1;
};

void write_form(const std::string& path, const Form& form, unsigned width,
                std::vector<std::vector<png_byte>> rows) {
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  std::FILE* file = std::fopen(path.c_str(), "wb");
  REQUIRE(file != nullptr);
  png_init_io(png, file);
  png_set_IHDR(png, info, width, static_cast<unsigned>(rows.size()), form.depth, form.color,
               form.interlace, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  if (!form.palette.empty())
    png_set_PLTE(png, info, form.palette.data(), static_cast<int>(form.palette.size()));
  if (!form.palette_alpha.empty())
    png_set_tRNS(png, info, form.palette_alpha.data(), static_cast<int>(form.palette_alpha.size()),
                 nullptr);
  if (form.transparent_grey >= 0) {
    png_color_16 grey{};
    grey.gray = static_cast<png_uint_16>(form.transparent_grey);
    png_set_tRNS(png, info, nullptr, 0, &grey);
  }
  png_write_info(png, info);
  std::vector<png_bytep> pointers;
  for (auto& row : rows) pointers.push_back(row.data());
  png_write_image(png, pointers.data());
  png_write_end(png, nullptr);
  png_destroy_write_struct(&png, &info);
  std::fclose(file);
}

std::vector<uint8_t> bytes(const Tensor& tensor) {
  return {tensor.as<uint8_t>(), tensor.as<uint8_t>() + tensor.bytes()};
}

// PNG's CRC-32.
uint32_t checksum(const char* data, size_t size) {
  uint32_t sum = ~0u;
  for (size_t i = 0; i < size; ++i) {
    sum ^= static_cast<uint8_t>(data[i]);
    for (int bit = 0; bit < 8; ++bit) sum = sum >> 1 ^ (sum & 1 ? 0xedb88320u : 0);
  }
  return ~sum;
}

std::string without_path(const std::string& text, const std::string& path) {
  return text.substr(0, path.size() + 2) == path + ": " ? text.substr(path.size() + 2) : text;
}

} // namespace

TEST_CASE("a grey picture is read into every element type that holds 0..255") {
  const TemporaryFolder folder;
  write_form(folder / "a.png", {}, 3, {{0, 1, 255}, {128, 77, 200}});
  const double expected[] = {0, 1, 255, 128, 77, 200};
  for (const ElementType element :
       {ElementType::f32, ElementType::f64, ElementType::f16, ElementType::bf16, ElementType::u8,
        ElementType::i32, ElementType::i64}) {
    const Tensor tensor = *read_png(folder / "a.png", picture(element, 1, 2, 3));
    for (int i = 0; i < 6; ++i) {
      const std::byte* at = tensor.data() + i * ir::size_of(element);
      CHECK((ir::is_float(element)
                 ? ir::read_real(at, element)
                 : static_cast<double>(ir::read_integer(at, element))) == expected[i]);
    }
  }
  CHECK(failure_text(read_png(folder / "a.png", picture(ElementType::i8, 1, 2, 3))) ==
        folder / "a.png" +
            ": i8 ends at 127 and the values of a picture at 255 (u8 holds them all)");
}

TEST_CASE("an RGB picture is read into channels first, channels last and split channels") {
  const TemporaryFolder folder;
  write_form(folder / "a.png", {PNG_COLOR_TYPE_RGB}, 2,
             {{1, 2, 3, 4, 5, 6}, {7, 8, 9, 10, 11, 12}});
  CHECK(bytes(*read_png(folder / "a.png", picture(ElementType::u8, 3, 2, 2))) ==
        std::vector<uint8_t>{1, 4, 7, 10, 2, 5, 8, 11, 3, 6, 9, 12});
  const ir::TensorType last = {ElementType::u8,
                               {{Axis::n, 1}, {Axis::h, 2}, {Axis::w, 2}, {Axis::c, 3}}};
  CHECK(bytes(*read_png(folder / "a.png", last)) ==
        std::vector<uint8_t>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
  const ir::TensorType split = {
      ElementType::u8,
      {{Axis::n, 1}, {Axis::h, 2}, {Axis::c, 3}, {Axis::w, 1}, {Axis::h, 1}, {Axis::w, 2}}};
  CHECK(bytes(*read_png(folder / "a.png", split)) ==
        std::vector<uint8_t>{1, 4, 2, 5, 3, 6, 7, 10, 8, 11, 9, 12});
}

TEST_CASE("narrow grey, palettes and interlacing are brought to 8 bits a sample") {
  const TemporaryFolder folder;
  write_form(folder / "a.png", {PNG_COLOR_TYPE_GRAY, 1}, 4, {{0b10110000}});
  CHECK(bytes(*read_png(folder / "a.png", picture(ElementType::u8, 1, 1, 4))) ==
        std::vector<uint8_t>{255, 0, 255, 255});
  write_form(folder / "a.png", {PNG_COLOR_TYPE_GRAY, 4}, 2, {{0x1f}});
  CHECK(bytes(*read_png(folder / "a.png", picture(ElementType::u8, 1, 1, 2))) ==
        std::vector<uint8_t>{17, 255});
  write_form(folder / "a.png",
             {PNG_COLOR_TYPE_PALETTE, 8, PNG_INTERLACE_NONE, {{9, 8, 7}, {6, 5, 4}}}, 2, {{1, 0}});
  CHECK(bytes(*read_png(folder / "a.png", picture(ElementType::u8, 3, 1, 2))) ==
        std::vector<uint8_t>{6, 9, 5, 8, 4, 7});
  std::vector<std::vector<png_byte>> rows(9, std::vector<png_byte>(11));
  std::vector<uint8_t> all;
  for (unsigned y = 0; y < 9; ++y)
    for (unsigned x = 0; x < 11; ++x) all.push_back(rows[y][x] = static_cast<png_byte>(11 * y + x));
  write_form(folder / "a.png", {PNG_COLOR_TYPE_GRAY, 8, PNG_INTERLACE_ADAM7}, 11, rows);
  CHECK(bytes(*read_png(folder / "a.png", picture(ElementType::u8, 1, 9, 11))) == all);
}

TEST_CASE("an alpha channel is left out when it hides nothing, and refused when it does") {
  const TemporaryFolder folder;
  const std::string path = folder / "a.png";
  write_form(path, {PNG_COLOR_TYPE_RGB_ALPHA}, 2, {{1, 2, 3, 255, 4, 5, 6, 255}});
  CHECK(bytes(*read_png(path, picture(ElementType::u8, 3, 1, 2))) ==
        std::vector<uint8_t>{1, 4, 2, 5, 3, 6});
  write_form(path, {PNG_COLOR_TYPE_GRAY_ALPHA}, 2, {{1, 255, 2, 255}});
  CHECK(bytes(*read_png(path, picture(ElementType::u8, 1, 1, 2))) == std::vector<uint8_t>{1, 2});

  const std::string refused = ": the pixel at x=1, y=0 is transparent "
                              "(flatten the picture onto a background first)";
  write_form(path, {PNG_COLOR_TYPE_RGB_ALPHA}, 2, {{1, 2, 3, 255, 4, 5, 6, 254}});
  CHECK(failure_text(read_png(path, picture(ElementType::u8, 3, 1, 2))) == path + refused);
  write_form(path,
             {PNG_COLOR_TYPE_PALETTE, 8, PNG_INTERLACE_NONE, {{9, 8, 7}, {6, 5, 4}}, {255, 0}}, 2,
             {{0, 1}});
  CHECK(failure_text(read_png(path, picture(ElementType::u8, 3, 1, 2))) == path + refused);
  Form grey;
  grey.transparent_grey = 5;
  write_form(path, grey, 2, {{4, 5}});
  CHECK(failure_text(read_png(path, picture(ElementType::u8, 1, 1, 2))) == path + refused);
  write_form(path, grey, 2, {{4, 6}});
  CHECK(bytes(*read_png(path, picture(ElementType::u8, 1, 1, 2))) == std::vector<uint8_t>{4, 6});
}

TEST_CASE("a picture that does not fit its type is refused with both") {
  const TemporaryFolder folder;
  const std::string path = folder / "a.png";
  const auto refusal = [&](const ir::TensorType& type) {
    return without_path(failure_text(read_png(path, type)), path);
  };
  write_form(path, {PNG_COLOR_TYPE_GRAY, 16}, 1, {{1, 2}});
  CHECK(refusal(picture(ElementType::f32, 1, 1, 1)) ==
        "its samples have 16 bits, the values of a picture are 0..255 (convert it to 8 bits a "
        "sample first)");
  write_form(path, {}, 3, {{0, 1, 255}, {128, 77, 200}});
  CHECK(refusal(picture(ElementType::f32, 3, 2, 3)) ==
        "the picture is grey and has 1 channel, the type f32[n=1, c=3, h=2, w=3] has c=3");
  CHECK(refusal(picture(ElementType::f32, 1, 3, 2)) ==
        "the picture is 3 wide and 2 high, the type f32[n=1, c=1, h=3, w=2] has w=2, h=3");
  CHECK(refusal({ElementType::f32, {{Axis::n, 2}, {Axis::c, 1}, {Axis::h, 2}, {Axis::w, 3}}}) ==
        "a file holds one picture, the type f32[n=2, c=1, h=2, w=3] has n=2");
  CHECK(refusal({ElementType::f32, {{Axis::n, 1}, {Axis::c, 1}, {Axis::w, 3}}}) ==
        "a picture has the axes n, c, h and w, the type is f32[n=1, c=1, w=3]");
  CHECK(refusal({ElementType::f32, {{Axis::o, 1}, {Axis::i, 1}, {Axis::h, 2}, {Axis::w, 3}}}) ==
        "a picture has the axes n, c, h and w, the type is f32[o=1, i=1, h=2, w=3]");
  write_form(path, {PNG_COLOR_TYPE_RGB}, 1, {{1, 2, 3}});
  CHECK(refusal(picture(ElementType::f32, 1, 1, 1)) ==
        "the picture is RGB and has 3 channels, the type f32[n=1, c=1, h=1, w=1] has c=1");
  CHECK(failure_text(read_png(folder / "no.png", picture(ElementType::f32, 1, 1, 1))) ==
        folder / "no.png" + ": No such file or directory");
}

TEST_CASE("a picture's size is read from its header") {
  const TemporaryFolder folder;
  write_form(folder / "a.png", {PNG_COLOR_TYPE_RGB_ALPHA}, 2, {{1, 2, 3, 0, 4, 5, 6, 0}});
  const runtime::PngSize size = *read_png_size(folder / "a.png");
  CHECK(size.width == 2);
  CHECK(size.height == 1);
  CHECK(size.channels == 3);
  write_file(folder / "b.png", "not a picture");
  CHECK(failure_text(read_png_size(folder / "b.png")) ==
        folder / "b.png" + ": libpng: Not a PNG file");
  write_file(folder / "b.png", read_file(folder / "a.png").substr(0, 30));
  CHECK(failure_text(read_png_size(folder / "b.png")) ==
        folder / "b.png" + ": libpng: the file ends too early");
}

TEST_CASE("a file that goes on and on is cut before it is read for ever") {
  const TemporaryFolder folder;
  const std::string path = folder / "in.png";
  write_form(path, {PNG_COLOR_TYPE_GRAY}, 1, {{7}});
  const std::string whole = read_file(path);
  // After the header, chunks that nobody knows: their sums are not looked at.
  const std::string chunk = std::string("\0\x10\0\0teSt", 8) + std::string((1 << 20) + 4, 'x');
  const auto with_chunks = [&](int count) {
    std::string text = whole.substr(0, 33);
    for (int i = 0; i < count; ++i) text += chunk;
    write_file(path, text + whole.substr(33));
    return read_png(path, picture(ElementType::u8, 1, 1, 1));
  };
  CHECK(bytes(*with_chunks(15)) == std::vector<uint8_t>{7});
  CHECK(failure_text(with_chunks(17)) ==
        path + ": libpng: the file is longer than a picture of its size");
}

TEST_CASE("writing rounds to the nearest, halves to even, and clamps; NaN is 0") {
  const TemporaryFolder folder;
  const float inf = std::numeric_limits<float>::infinity();
  const float values[] = {0.4f, 0.5f,  1.5f,  2.5f, 254.6f, 255.4f,
                          256,  1e30f, -0.6f, -inf, inf,    std::nanf("")};
  REQUIRE(write_png(folder / "a.png", TensorView(picture(ElementType::f32, 1, 2, 6), values)).ok());
  CHECK(bytes(*read_png(folder / "a.png", picture(ElementType::u8, 1, 2, 6))) ==
        std::vector<uint8_t>{0, 0, 2, 2, 255, 255, 255, 255, 0, 0, 255, 0});
  const int64_t wide[] = {-1, 0, 255, int64_t{1} << 40};
  REQUIRE(write_png(folder / "a.png", TensorView(picture(ElementType::i64, 1, 1, 4), wide)).ok());
  CHECK(bytes(*read_png(folder / "a.png", picture(ElementType::u8, 1, 1, 4))) ==
        std::vector<uint8_t>{0, 0, 255, 255});
}

TEST_CASE("what is written is read back, in any memory order") {
  const TemporaryFolder folder;
  const ir::TensorType types[] = {
      picture(ElementType::u8, 3, 5, 7),
      picture(ElementType::f32, 1, 5, 7),
      {ElementType::bf16, {{Axis::w, 7}, {Axis::c, 3}, {Axis::n, 1}, {Axis::h, 5}}}};
  for (const ir::TensorType& type : types) {
    Tensor tensor = *Tensor::allocate(type);
    runtime::fill(tensor, {runtime::Fill::Kind::iota, 0});
    REQUIRE(write_png(folder / "a.png", tensor).ok());
    const Tensor back = *read_png(folder / "a.png", type);
    CHECK(std::equal(tensor.data(), tensor.data() + tensor.bytes(), back.data()));
  }
}

TEST_CASE("a tensor that is no picture is not written, and nothing appears") {
  const TemporaryFolder folder;
  const std::string path = folder / "out.png";
  const float value = 0;
  const auto refusal = [&](const ir::TensorType& type, const void* data) {
    return without_path(write_png(path, TensorView(type, data)).message(), path);
  };
  CHECK(refusal(picture(ElementType::f32, 2, 1, 1), &value) ==
        "a picture has 1 channel (grey) or 3 (RGB), the type f32[n=1, c=2, h=1, w=1] has c=2");
  CHECK(refusal({ElementType::f32, {{Axis::n, 3}, {Axis::c, 1}, {Axis::h, 1}, {Axis::w, 1}}},
                &value) == "a file holds one picture, the type f32[n=3, c=1, h=1, w=1] has n=3");
  CHECK(refusal({ElementType::f32, {{Axis::o, 64}}}, &value) ==
        "a picture has the axes n, c, h and w, the type is f32[o=64]");
  CHECK(
      refusal(picture(ElementType::f32, 1, 2000000, 1), &value) ==
      "a picture is 1 to 1000000 pixels wide and high, the type f32[n=1, c=1, h=2000000, w=1] has "
      "w=1, h=2000000");
  CHECK(refusal(picture(ElementType::f32, 1, 1, 1), nullptr) == "the tensor is a null pointer");
  CHECK(folder.files() == 0);
}

TEST_CASE("a damaged picture is refused or read, and nothing worse") {
  const TemporaryFolder folder;
  const std::string path = folder / "in.png";
  std::vector<std::vector<png_byte>> rows(9, std::vector<png_byte>(33));
  for (auto& row : rows)
    for (size_t x = 0; x < row.size(); ++x) row[x] = static_cast<png_byte>(x * x);
  write_form(path, {PNG_COLOR_TYPE_RGB, 8, PNG_INTERLACE_ADAM7}, 11, rows);
  const std::string rgb = read_file(path);
  write_form(path,
             {PNG_COLOR_TYPE_PALETTE, 4, PNG_INTERLACE_NONE, {{9, 8, 7}, {6, 5, 4}}, {255, 0}}, 11,
             std::vector<std::vector<png_byte>>(9, std::vector<png_byte>(6)));
  const std::string palette = read_file(path);
  std::mt19937 random(20240501);
  int refused = 0;
  for (int round = 0; round < 2000; ++round) {
    std::string file = round % 2 ? rgb : palette;
    for (unsigned edits = 1 + random() % 3; edits > 0; --edits) {
      const size_t at = random() % file.size();
      switch (random() % 3) {
      case 0: file[at] = static_cast<char>(random()); break;
      case 1: file.resize(at + 1); break;
      case 2: file.insert(at, file.substr(random() % file.size(), random() % 8)); break;
      }
    }
    // A damaged header would stop at its checksum every time: half of them get a right one.
    if (random() % 2 && file.size() > 33) {
      const uint32_t sum = checksum(file.data() + 12, 17);
      for (int i = 0; i < 4; ++i)
        file[29 + static_cast<size_t>(i)] = static_cast<char>(sum >> (24 - 8 * i));
    }
    write_file(path, file);
    const Expected<Tensor> tensor = read_png(path, picture(ElementType::f32, 3, 9, 11));
    if (!tensor) ++refused;
    if (!tensor) REQUIRE(tensor.diagnostics().front().subject == path);
  }
  CHECK(refused > 1000);
}
