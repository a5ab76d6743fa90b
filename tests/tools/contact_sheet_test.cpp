// run --picture: what a contact sheet shows, pixel by pixel.
#include "runtime/png.h"
#include "tests/support/catch.h"
#include "tests/tools/run_tool.h"
#include "tools/contact_sheet.h"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace volute;
using Catch::Matchers::ContainsSubstring;
using tests::run_volute;
using tests::TemporaryFolder;
using tests::write_file;
using tools::contact_sheet;

namespace {

ir::TensorType type(std::vector<ir::Extent> extents) {
  return {ir::ElementType::f32, std::move(extents)};
}

using Colour = std::array<int, 3>;

Colour pixel(const runtime::Tensor& sheet, int64_t x, int64_t y) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(sheet.data());
  const unsigned char* at = bytes + 3 * (y * sheet.type().size(ir::Axis::w) + x);
  return {at[0], at[1], at[2]};
}

// Where the first picture begins: behind the margin, and below the heading.
constexpr int64_t left = 12, top = 12 + 13 + 8;

} // namespace

TEST_CASE("a channel is scaled from black to white, and what is no number is red") {
  const ir::TensorType x =
      type({{ir::Axis::n, 1}, {ir::Axis::c, 1}, {ir::Axis::h, 2}, {ir::Axis::w, 2}});
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto sheet = contact_sheet({{"y", ir::tensor_of(x, {-1, 3, 1, nan})}});
  REQUIRE(sheet);
  // 96 pixels for 2: each element has 48.
  CHECK(pixel(*sheet, left, top) == Colour{0, 0, 0});
  CHECK(pixel(*sheet, left + 47, top + 47) == Colour{0, 0, 0});
  CHECK(pixel(*sheet, left + 48, top) == Colour{255, 255, 255});
  CHECK(pixel(*sheet, left, top + 48) == Colour{128, 128, 128});
  CHECK(pixel(*sheet, left + 48, top + 48) == Colour{214, 48, 49});
  CHECK(pixel(*sheet, 0, 0) == Colour{250, 250, 248});
}

TEST_CASE("channels are found in any memory order, and split") {
  std::vector<double> numbers(2 * 4 * 3);
  for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<double>(i % 7);
  // By c, h, w: the same values under three types.
  const ir::TensorType first =
      type({{ir::Axis::n, 1}, {ir::Axis::c, 4}, {ir::Axis::h, 2}, {ir::Axis::w, 3}});
  const ir::TensorType last =
      type({{ir::Axis::n, 1}, {ir::Axis::h, 2}, {ir::Axis::w, 3}, {ir::Axis::c, 4}});
  const ir::TensorType split = type(
      {{ir::Axis::n, 1}, {ir::Axis::c, 2}, {ir::Axis::h, 2}, {ir::Axis::w, 3}, {ir::Axis::c, 2}});
  std::vector<double> in_last(24), in_split(24);
  for (size_t c = 0; c < 4; ++c)
    for (size_t h = 0; h < 2; ++h)
      for (size_t w = 0; w < 3; ++w) {
        const double value = numbers[(c * 2 + h) * 3 + w];
        in_last[(h * 3 + w) * 4 + c] = value;
        in_split[(((c / 2) * 2 + h) * 3 + w) * 2 + c % 2] = value;
      }
  const auto bytes = [](const Expected<runtime::Tensor>& sheet) {
    const ir::TensorType& t = sheet.value().type();
    // Below the heading, which names the type.
    const int64_t row = 3 * t.size(ir::Axis::w);
    return std::vector<std::byte>(sheet.value().data() + top * row,
                                  sheet.value().data() + (t.size(ir::Axis::h) - 40) * row);
  };
  const auto a = contact_sheet({{"y", ir::tensor_of(first, numbers)}});
  const auto b = contact_sheet({{"y", ir::tensor_of(last, in_last)}});
  CHECK(bytes(a) == bytes(b));
  // A split type's text is longer, and so the sheet may be wider: the pictures are the same.
  const auto c = contact_sheet({{"y", ir::tensor_of(split, in_split)}});
  for (int64_t x = 0; x < 200; x += 7)
    CHECK(pixel(*a, left + x, top + 5) == pixel(*c, left + x, top + 5));
}

TEST_CASE("a batch of pictures is a grid in their own colours, and much is cut") {
  const ir::TensorType x =
      type({{ir::Axis::n, 2}, {ir::Axis::c, 3}, {ir::Axis::h, 1}, {ir::Axis::w, 1}});
  const auto sheet = contact_sheet({{"x", ir::tensor_of(x, {1, 0, 0, 0, 0.5, 1})}});
  REQUIRE(sheet);
  CHECK(pixel(*sheet, left, top) == Colour{255, 0, 0});
  CHECK(pixel(*sheet, left + 104, top) == Colour{0, 128, 255});

  const ir::TensorType many =
      type({{ir::Axis::n, 1}, {ir::Axis::c, 5000}, {ir::Axis::h, 4}, {ir::Axis::w, 4}});
  const auto large = contact_sheet({{"y", ir::tensor_of(many, std::vector<double>(5000 * 16, 1))}});
  REQUIRE(large);
  CHECK(large->type().elements() < 60'000'000);
  const ir::TensorType none =
      type({{ir::Axis::n, 0}, {ir::Axis::c, 2}, {ir::Axis::h, 4}, {ir::Axis::w, 4}});
  CHECK(contact_sheet({{"y", ir::tensor_of(none, {})}}));
}

TEST_CASE("run writes a picture of a result, with its inputs where that is asked for") {
  const TemporaryFolder folder;
  const std::string edges = "run examples/edges.vlt x=examples/photo.png ";
  const auto alone = run_volute(edges + "--picture '" + folder / "y.png" + "'");
  CHECK(alone.status == 0);
  CHECK_THAT(alone.out, ContainsSubstring("%y -> "));
  CHECK_THAT(alone.out, ContainsSubstring(" pixels\n"));
  const auto both = run_volute(edges + "--with-inputs --picture y='" + folder / "both.png" +
                               "' -o y='" + folder / "y.npy" + "'");
  CHECK(both.status == 0);
  CHECK(runtime::read_png_size(folder / "both.png")->height >
        runtime::read_png_size(folder / "y.png")->height);
  CHECK(run_volute("run examples/stem.vlt --fill normal --picture w='" + folder / "w.png" + "'")
            .status == 0);

  CHECK(run_volute(edges + "--picture z=z.png").status == 2);
  CHECK_THAT(run_volute(edges + "--picture z=z.png").err,
             ContainsSubstring("no input or result 'z'"));
  CHECK(run_volute(edges + "--picture y.npy").status == 2);
  CHECK(run_volute(edges + "--picture /nowhere/y.png").status == 1);
  CHECK(run_volute(edges + "--with-inputs").status == 2);
}
