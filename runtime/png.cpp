#include "runtime/png.h"

#include "ir/number.h"
#include "ir/tensor_data.h"
#include "runtime/elements.h"
#include "runtime/file.h"
#include "runtime/late_library.h"
#include "runtime/replace_files.h"

#include <fmt/format.h>
#include <png.h>

#include <cerrno>
#include <cmath>
#include <vector>

namespace volute::runtime {
namespace {

// What is used of libpng, which is loaded when the first picture comes.
struct LibPng {
  LateLibrary library{VOLUTE_PNG_LIBRARY};
  decltype(png_create_info_struct)* create_info_struct =
      library.function<decltype(png_create_info_struct)>("png_create_info_struct");
  decltype(png_create_read_struct)* create_read_struct =
      library.function<decltype(png_create_read_struct)>("png_create_read_struct");
  decltype(png_create_write_struct)* create_write_struct =
      library.function<decltype(png_create_write_struct)>("png_create_write_struct");
  decltype(png_destroy_read_struct)* destroy_read_struct =
      library.function<decltype(png_destroy_read_struct)>("png_destroy_read_struct");
  decltype(png_destroy_write_struct)* destroy_write_struct =
      library.function<decltype(png_destroy_write_struct)>("png_destroy_write_struct");
  decltype(png_error)* error = library.function<decltype(png_error)>("png_error");
  decltype(png_get_bit_depth)* get_bit_depth =
      library.function<decltype(png_get_bit_depth)>("png_get_bit_depth");
  decltype(png_get_color_type)* get_color_type =
      library.function<decltype(png_get_color_type)>("png_get_color_type");
  decltype(png_get_error_ptr)* get_error_ptr =
      library.function<decltype(png_get_error_ptr)>("png_get_error_ptr");
  decltype(png_get_image_height)* get_image_height =
      library.function<decltype(png_get_image_height)>("png_get_image_height");
  decltype(png_get_image_width)* get_image_width =
      library.function<decltype(png_get_image_width)>("png_get_image_width");
  decltype(png_get_io_ptr)* get_io_ptr =
      library.function<decltype(png_get_io_ptr)>("png_get_io_ptr");
  decltype(png_get_rowbytes)* get_rowbytes =
      library.function<decltype(png_get_rowbytes)>("png_get_rowbytes");
  decltype(png_get_valid)* get_valid = library.function<decltype(png_get_valid)>("png_get_valid");
  decltype(png_init_io)* init_io = library.function<decltype(png_init_io)>("png_init_io");
  decltype(png_longjmp)* longjmp = library.function<decltype(png_longjmp)>("png_longjmp");
  decltype(png_read_end)* read_end = library.function<decltype(png_read_end)>("png_read_end");
  decltype(png_read_image)* read_image =
      library.function<decltype(png_read_image)>("png_read_image");
  decltype(png_read_info)* read_info = library.function<decltype(png_read_info)>("png_read_info");
  decltype(png_read_update_info)* read_update_info =
      library.function<decltype(png_read_update_info)>("png_read_update_info");
  decltype(png_set_IHDR)* set_IHDR = library.function<decltype(png_set_IHDR)>("png_set_IHDR");
  decltype(png_set_expand_gray_1_2_4_to_8)* set_expand_gray_1_2_4_to_8 =
      library.function<decltype(png_set_expand_gray_1_2_4_to_8)>("png_set_expand_gray_1_2_4_to_8");
  decltype(png_set_interlace_handling)* set_interlace_handling =
      library.function<decltype(png_set_interlace_handling)>("png_set_interlace_handling");
  decltype(png_set_longjmp_fn)* set_longjmp_fn =
      library.function<decltype(png_set_longjmp_fn)>("png_set_longjmp_fn");
  decltype(png_set_palette_to_rgb)* set_palette_to_rgb =
      library.function<decltype(png_set_palette_to_rgb)>("png_set_palette_to_rgb");
  decltype(png_set_read_fn)* set_read_fn =
      library.function<decltype(png_set_read_fn)>("png_set_read_fn");
  decltype(png_set_tRNS_to_alpha)* set_tRNS_to_alpha =
      library.function<decltype(png_set_tRNS_to_alpha)>("png_set_tRNS_to_alpha");
  decltype(png_write_end)* write_end = library.function<decltype(png_write_end)>("png_write_end");
  decltype(png_write_image)* write_image =
      library.function<decltype(png_write_image)>("png_write_image");
  decltype(png_write_info)* write_info =
      library.function<decltype(png_write_info)>("png_write_info");
};

const LibPng& libpng() {
  static const auto& loaded = *new LibPng; // used until the very end
  return loaded;
}

std::optional<Failure> no_libpng(const std::string& path) {
  const std::string& fault = libpng().library.fault();
  if (fault.empty()) return std::nullopt;
  return fail(path, fmt::format("pictures are read and written by libpng: {}", fault));
}

// libpng reports a fault by a function that must not return; it keeps the words here and jumps
// back to `guarded`. A jump runs no destructor, so nothing that owns anything may live in between:
// everything is owned by the Reading or Writing outside.
struct Fault {
  char words[160] = "";
};

[[noreturn]] void on_error(png_structp png, png_const_charp words) {
  auto* fault = static_cast<Fault*>(libpng().get_error_ptr(png));
  std::snprintf(fault->words, sizeof fault->words, "%s", words);
  libpng().longjmp(png, 1);
  __builtin_unreachable();
}

// A file that is being read, and how much of it may still come: one may never end.
struct Source {
  std::FILE* file = nullptr;
  int64_t left = int64_t{16} << 20; // for what a file says beside its picture
};

void read_from_file(png_structp png, png_bytep to, size_t bytes) {
  auto* source = static_cast<Source*>(libpng().get_io_ptr(png));
  if (static_cast<int64_t>(bytes) > source->left)
    libpng().error(png, "the file is longer than a picture of its size");
  source->left -= static_cast<int64_t>(bytes);
  if (std::fread(to, 1, bytes, source->file) == bytes) return;
  libpng().error(png,
                 std::ferror(source->file) ? "the file cannot be read" : "the file ends too early");
}

void on_warning(png_structp, png_const_charp) {} // the picture is read all the same

// Calls into libpng; false when it reported a fault. Never inlined: the caller's variables must
// not live in this frame's registers when the jump restores them.
template <class Body>
[[gnu::noinline]] bool guarded(png_structp png, const Body& body) {
  if (setjmp(*libpng().set_longjmp_fn(png, longjmp, sizeof(jmp_buf)))) return false;
  body();
  return true;
}

struct Reading {
  Fault fault;
  Source source;
  png_structp png = nullptr;
  png_infop info = nullptr;

  Reading() {
    png = libpng().create_read_struct(PNG_LIBPNG_VER_STRING, &fault, on_error, on_warning);
    if (png) info = libpng().create_info_struct(png);
  }
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;
  ~Reading() { libpng().destroy_read_struct(&png, &info, nullptr); }
};

struct Writing {
  Fault fault;
  png_structp png = nullptr;
  png_infop info = nullptr;

  Writing() {
    png = libpng().create_write_struct(PNG_LIBPNG_VER_STRING, &fault, on_error, on_warning);
    if (png) info = libpng().create_info_struct(png);
  }
  Writing(const Writing&) = delete;
  Writing& operator=(const Writing&) = delete;
  ~Writing() { libpng().destroy_write_struct(&png, &info); }
};

Failure png_failure(const std::string& path, const Fault& fault) {
  return fail(path, fmt::format("libpng: {}", fault.words));
}

struct Picture {
  PngSize size;
  bool has_alpha = false; // of its own, or by a palette's or colour's transparency
};

Expected<Picture> read_picture_header(Reading& reading, std::FILE* file, const std::string& path) {
  if (!reading.info) return fail(path, "no memory for libpng");
  png_structp png = reading.png;
  png_infop info = reading.info;
  reading.source.file = file;
  Source* source = &reading.source;
  const bool read = guarded(png, [=] {
    libpng().set_read_fn(png, source, read_from_file);
    libpng().read_info(png, info);
  });
  if (!read) return png_failure(path, reading.fault);
  if (libpng().get_bit_depth(png, info) == 16)
    return fail(path, "its samples have 16 bits, the values of a picture are 0..255",
                "convert it to 8 bits a sample first");
  const int color = libpng().get_color_type(png, info);
  Picture picture;
  picture.size.width = libpng().get_image_width(png, info);
  picture.size.height = libpng().get_image_height(png, info);
  picture.size.channels = (color & PNG_COLOR_MASK_COLOR) ? 3 : 1;
  picture.has_alpha =
      (color & PNG_COLOR_MASK_ALPHA) || libpng().get_valid(png, info, PNG_INFO_tRNS) != 0;
  return picture;
}

// What a type must be to hold a picture at all: one of n, c, h, w, all but n with a size of its
// own.
std::optional<Failure> check_is_picture(const std::string& path, const ir::TensorType& type) {
  using ir::Axis;
  const bool has_axes = type.has(Axis::c) && type.has(Axis::h) && type.has(Axis::w);
  const bool has_others = type.has(Axis::d) || type.has(Axis::o) || type.has(Axis::i);
  if (!has_axes || has_others)
    return fail(path, fmt::format("a picture has the axes n, c, h and w, the type is {}",
                                  ir::to_string(type)));
  if (type.size(Axis::n) != 1)
    return fail(path, fmt::format("a file holds one picture, the type {} has n={}",
                                  ir::to_string(type), type.size(Axis::n)));
  return std::nullopt;
}

std::optional<Failure> check_matches(const PngSize& size, const std::string& path,
                                     const ir::TensorType& type) {
  using ir::Axis;
  if (type.element == ir::ElementType::i8)
    return fail(path, "i8 ends at 127 and the values of a picture at 255", "u8 holds them all");
  const auto wanted_channels = type.size(Axis::c);
  if (size.channels != wanted_channels)
    return fail(path,
                fmt::format("the picture is {} and has {} channel{}, the type {} has c={}",
                            size.channels == 1 ? "grey" : "RGB", size.channels,
                            size.channels == 1 ? "" : "s", ir::to_string(type), wanted_channels));
  if (size.height != type.size(Axis::h) || size.width != type.size(Axis::w))
    return fail(path, fmt::format("the picture is {} wide and {} high, the type {} has w={}, h={}",
                                  size.width, size.height, ir::to_string(type), type.size(Axis::w),
                                  type.size(Axis::h)));
  return std::nullopt;
}

// A picture's bytes, row by row as PNG has them, and where the rows are.
struct Samples {
  AlignedMemory bytes;
  std::vector<png_bytep> rows;
  int64_t row_bytes = 0;
};

std::optional<Failure> allocate(Samples& samples, const std::string& path, int64_t height,
                                int64_t row_bytes) {
  samples.row_bytes = row_bytes;
  samples.bytes = AlignedMemory::allocate(height * row_bytes);
  if (!samples.bytes)
    return fail(path, fmt::format("no memory for the picture's {} bytes", height * row_bytes));
  for (int64_t y = 0; y < height; ++y)
    samples.rows.push_back(reinterpret_cast<png_bytep>(samples.bytes.data() + y * row_bytes));
  return std::nullopt;
}

std::optional<Failure> read_samples(Reading& reading, const Picture& picture,
                                    const std::string& path, Samples& samples) {
  png_structp png = reading.png;
  png_infop info = reading.info;
  const bool prepared = guarded(png, [=] {
    libpng().set_palette_to_rgb(png);
    libpng().set_expand_gray_1_2_4_to_8(png);
    libpng().set_tRNS_to_alpha(png);
    libpng().set_interlace_handling(png);
    libpng().read_update_info(png, info);
  });
  if (!prepared) return png_failure(path, reading.fault);
  const int64_t row_bytes =
      picture.size.width * (picture.size.channels + (picture.has_alpha ? 1 : 0));
  reading.source.left += 2 * picture.size.height * (row_bytes + 1); // no compression doubles it
  if (static_cast<int64_t>(libpng().get_rowbytes(png, info)) != row_bytes)
    return fail(path, "libpng did not bring the picture to 8 bits a sample");
  if (auto fault = allocate(samples, path, picture.size.height, row_bytes)) return fault;
  png_bytepp rows = samples.rows.data();
  const bool read = guarded(png, [=] {
    libpng().read_image(png, rows);
    libpng().read_end(png, nullptr); // checks that the file is whole
  });
  if (!read) return png_failure(path, reading.fault);
  return std::nullopt;
}

std::optional<Failure> check_opaque(const Samples& samples, const Picture& picture,
                                    const std::string& path) {
  if (!picture.has_alpha) return std::nullopt;
  const int64_t pixel = picture.size.channels + 1;
  for (size_t y = 0; y < samples.rows.size(); ++y)
    for (int64_t x = 0; x < picture.size.width; ++x)
      if (samples.rows[y][x * pixel + pixel - 1] != 255)
        return fail(path, fmt::format("the pixel at x={}, y={} is transparent", x, y),
                    "flatten the picture onto a background first");
  return std::nullopt;
}

uint8_t to_sample(const std::byte* at, ir::ElementType type) {
  if (ir::is_integer(type)) {
    const int64_t value = ir::read_integer(at, type);
    return static_cast<uint8_t>(value < 0 ? 0 : value > 255 ? 255 : value);
  }
  const double value = ir::read_real(at, type);
  if (!(value > 0)) return 0; // NaN too
  return value >= 255 ? 255 : static_cast<uint8_t>(std::nearbyint(value));
}

bool fits_sample(const std::byte* at, ir::ElementType type) {
  if (ir::is_float(type)) {
    const double value = std::nearbyint(ir::read_real(at, type));
    return value >= 0 && value <= 255; // NaN does not
  }
  const int64_t value = ir::read_integer(at, type);
  return value >= 0 && value <= 255;
}

// Calls visit(element offset, y, x, c) for every sample of a picture type.
template <class Visit>
void for_each_sample(const ir::TensorType& type, Visit visit) {
  using ir::Axis;
  const ir::Strides strides(type);
  for (int64_t y = 0; y < type.size(Axis::h); ++y)
    for (int64_t x = 0; x < type.size(Axis::w); ++x)
      for (int64_t c = 0; c < type.size(Axis::c); ++c)
        visit(strides.offset(Axis::h, y) + strides.offset(Axis::w, x) + strides.offset(Axis::c, c),
              static_cast<size_t>(y), x, c);
}

} // namespace

Expected<PngSize> read_png_size(const std::string& path) {
  if (auto fault = no_libpng(path)) return *fault;
  Expected<OpenFile> file = open_to_read(path);
  if (!file) return file.failure();
  Reading reading;
  Expected<Picture> picture = read_picture_header(reading, file->get(), path);
  if (!picture) return picture.failure();
  return picture->size;
}

Expected<Tensor> read_png(const std::string& path, const ir::TensorType& type) {
  if (auto fault = check_is_picture(path, type)) return *fault;
  if (auto fault = no_libpng(path)) return *fault;
  Expected<OpenFile> file = open_to_read(path);
  if (!file) return file.failure();
  Reading reading;
  Expected<Picture> picture = read_picture_header(reading, file->get(), path);
  if (!picture) return picture.failure();
  if (auto fault = check_matches(picture->size, path, type)) return *fault;
  Samples samples;
  if (auto fault = read_samples(reading, *picture, path, samples)) return *fault;
  if (auto fault = check_opaque(samples, *picture, path)) return *fault;

  Expected<Tensor> tensor = Tensor::allocate(type);
  if (!tensor) return fail(path, to_string(tensor.diagnostics().front()));
  const int64_t pixel = picture->size.channels + (picture->has_alpha ? 1 : 0);
  std::byte* data = tensor->data();
  for_each_sample(type, [&](int64_t offset, size_t y, int64_t x, int64_t c) {
    const uint8_t sample = samples.rows[y][x * pixel + c];
    std::byte* at = data + offset * ir::size_of(type.element);
    if (ir::is_float(type.element))
      ir::write_real(at, type.element, sample);
    else
      ir::write_integer(at, type.element, sample);
  });
  return tensor;
}

Status write_png(std::FILE* to, const std::string& path, const TensorView& tensor) {
  using ir::Axis;
  const ir::TensorType& type = tensor.type();
  const auto refuse = [](const Failure& failure) {
    return Status(StatusCode::invalid_argument, failure.diagnostics.front());
  };
  if (auto fault = check_is_picture(path, type)) return refuse(*fault);
  const int64_t width = type.size(Axis::w), height = type.size(Axis::h),
                channels = type.size(Axis::c);
  if (channels != 1 && channels != 3)
    return refuse(
        fail(path, fmt::format("a picture has 1 channel (grey) or 3 (RGB), the type {} has c={}",
                               ir::to_string(type), channels)));
  if (width < 1 || height < 1 || width > PNG_USER_WIDTH_MAX || height > PNG_USER_HEIGHT_MAX)
    return refuse(
        fail(path, fmt::format("a picture is 1 to {} pixels wide and high, the type {} has "
                               "w={}, h={}",
                               PNG_USER_WIDTH_MAX, ir::to_string(type), width, height)));
  if (!tensor.data()) return refuse(fail(path, "the tensor is a null pointer"));
  if (!tensor.is_dense()) {
    const Expected<Tensor> dense = Tensor::copy(tensor);
    if (dense) return write_png(to, path, *dense);
    return Status(StatusCode::invalid_argument,
                  {{}, path, to_string(dense.diagnostics().front()), ""});
  }

  Samples samples;
  if (auto fault = allocate(samples, path, height, width * channels))
    return Status(StatusCode::out_of_memory, fault->diagnostics.front());
  for_each_sample(type, [&](int64_t offset, size_t y, int64_t x, int64_t c) {
    samples.rows[y][x * channels + c] =
        to_sample(tensor.data() + offset * ir::size_of(type.element), type.element);
  });
  if (auto fault = no_libpng(path))
    return Status(StatusCode::file_failed, fault->diagnostics.front());
  Writing writing;
  if (!writing.info)
    return Status(StatusCode::out_of_memory, {{}, path, "no memory for libpng", ""});
  png_structp png = writing.png;
  png_infop info = writing.info;
  png_bytepp rows = samples.rows.data();
  errno = 0;
  const bool written = guarded(png, [=] {
    libpng().init_io(png, to);
    libpng().set_IHDR(png, info, static_cast<png_uint_32>(width), static_cast<png_uint_32>(height),
                      8, channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB,
                      PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    libpng().write_info(png, info);
    libpng().write_image(png, rows);
    libpng().write_end(png, nullptr);
  });
  if (written) return Status();
  if (std::ferror(to)) return Status(StatusCode::file_failed, {{}, path, system_words(errno), ""});
  return Status(StatusCode::file_failed, png_failure(path, writing.fault).diagnostics.front());
}

Status write_png(const std::string& path, const TensorView& tensor) {
  return replace_file(path, [&](std::FILE* to) { return write_png(to, path, tensor); });
}

int64_t clamped_samples(const TensorView& tensor) {
  int64_t clamped = 0;
  if (!tensor.data() || compiler::fault_in_strides(tensor.type(), tensor.strides())) return clamped;
  const ir::ElementType element = tensor.type().element;
  for_each_element(tensor.type(), tensor.strides(), tensor.data(),
                   [&](const std::byte* at) { clamped += fits_sample(at, element) ? 0 : 1; });
  return clamped;
}

} // namespace volute::runtime
