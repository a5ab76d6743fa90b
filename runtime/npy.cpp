#include "runtime/npy.h"

#include "runtime/file.h"
#include "runtime/npy_header.h"
#include "runtime/replace_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

namespace volute::runtime {
namespace {

constexpr std::string_view magic = "\x93NUMPY";
// A plain array's header is about a hundred bytes; more than this is no array of ours.
constexpr uint32_t longest_header = 1 << 16;

// How an element type is called in a file.
struct Descr {
  char kind;
  int64_t bytes;
};

Descr descr_of(ir::ElementType type) {
  const int64_t bytes = ir::size_of(type);
  if (type == ir::ElementType::bf16) return {'u', bytes};
  if (ir::is_float(type)) return {'f', bytes};
  return {type == ir::ElementType::u8 ? 'u' : 'i', bytes};
}

std::string descr_text(char kind, int64_t bytes, bool big_endian) {
  return fmt::format("{}{}{}", bytes == 1 ? '|' : big_endian ? '>' : '<', kind, bytes);
}

// "float32", as NumPy prints a dtype.
std::string numpy_name(char kind, int64_t bytes) {
  if (kind == 'b') return "bool";
  const char* family = kind == 'f' ? "float" : kind == 'i' ? "int" : kind == 'u' ? "uint" : nullptr;
  if (!family || bytes > 16) return fmt::format("'{}{}'", kind, bytes);
  return fmt::format("{}{}", family, 8 * bytes);
}

// Everything, or the reason why not; `what` is the part of the file that is being read.
std::optional<Failure> read_exactly(std::FILE* file, const std::string& path, void* to,
                                    int64_t bytes, std::string_view what) {
  errno = 0;
  const size_t got = std::fread(to, 1, static_cast<size_t>(bytes), file);
  if (got == static_cast<size_t>(bytes)) return std::nullopt;
  if (std::ferror(file)) return fail(path, system_words(errno));
  return fail(path, fmt::format("the file ends {} bytes into {}, which has {}", got, what, bytes));
}

// Files of other kinds that stand in for one, by how they begin.
std::string what_begins(const std::array<unsigned char, 8>& start) {
  constexpr std::pair<std::string_view, std::string_view> kinds[] = {
      {"PK\x03\x04",
       "it is an archive, as np.savez and torch.save write; np.save writes one array"},
      {"\x80", "it is a pickle; np.save writes an array"},
      {"\x89PNG", "it is a picture, whose name ends in .png"},
      {"\x89HDF", "it is HDF5; np.save writes an array"}};
  for (const auto& [begin, words] : kinds)
    if (std::memcmp(start.data(), begin.data(), begin.size()) == 0) return std::string(words);
  return "";
}

Expected<NpyHeader> read_header(std::FILE* file, const std::string& path) {
  std::array<unsigned char, 8> start{}; // magic, major, minor
  errno = 0;
  const size_t got = std::fread(start.data(), 1, start.size(), file);
  if (std::ferror(file)) return fail(path, system_words(errno));
  if (got == 0) return fail(path, "not a .npy file: it is empty");
  if (std::memcmp(start.data(), magic.data(), std::min(got, magic.size())) != 0)
    return fail(path, "not a .npy file: it does not begin with \\x93NUMPY", what_begins(start));
  if (got < start.size()) return fail(path, fmt::format("the file ends after {} bytes", got));
  const int major = start[6];
  if (major < 1 || major > 3)
    return fail(path,
                fmt::format("version {} of the .npy format is not known (1, 2 and 3 are)", major));

  std::array<unsigned char, 4> length{};
  const int64_t length_bytes = major == 1 ? 2 : 4; // little endian on every machine
  if (auto fault = read_exactly(file, path, length.data(), length_bytes, "the header's length"))
    return *fault;
  const uint32_t header_bytes =
      length[0] | uint32_t{length[1]} << 8 | uint32_t{length[2]} << 16 | uint32_t{length[3]} << 24;
  if (header_bytes > longest_header)
    return fail(path, fmt::format("the header claims {} bytes, above the limit of {}", header_bytes,
                                  longest_header));
  std::string text(header_bytes, '\0');
  if (auto fault = read_exactly(file, path, text.data(), header_bytes, "the header")) return *fault;
  return parse_npy_header(text, path);
}

std::optional<Failure> check_matches(const NpyHeader& header, const std::string& path,
                                     const ir::TensorType& type) {
  const Descr wanted = descr_of(type.element);
  // The bfloat16 of ml_dtypes, which JAX and TensorFlow use, is saved as two plain bytes.
  const bool is_ml_dtypes_bf16 =
      type.element == ir::ElementType::bf16 && header.kind == 'V' && header.item_bytes == 2;
  if ((header.kind != wanted.kind || header.item_bytes != wanted.bytes) && !is_ml_dtypes_bf16) {
    const std::string hint =
        type.element == ir::ElementType::bf16
            ? "bf16 is stored as its 16-bit patterns, as uint16"
            : fmt::format("convert it with .astype('{}')", numpy_name(wanted.kind, wanted.bytes));
    return fail(path,
                fmt::format("the elements are {}, the type is {}",
                            numpy_name(header.kind, header.item_bytes), ir::to_string(type)),
                hint);
  }
  std::vector<int64_t> shape;
  for (const ir::Extent& extent : type.extents) shape.push_back(extent.size);
  if (shape != header.shape)
    return fail(path, fmt::format("the shape is {}, the type is {}", python_tuple(header.shape),
                                  ir::to_string(type)));
  return std::nullopt;
}

template <size_t bytes>
void reverse_each(std::byte* data, int64_t count) {
  for (int64_t i = 0; i < count; ++i) std::reverse(data + i * bytes, data + (i + 1) * bytes);
}

void reverse_bytes(std::byte* data, int64_t count, int64_t element_bytes) {
  switch (element_bytes) {
  case 2: return reverse_each<2>(data, count);
  case 4: return reverse_each<4>(data, count);
  case 8: return reverse_each<8>(data, count);
  default: return; // one byte has no order
  }
}

// Walks the destination in its order with a counter an axis, and the source by the strides that
// Fortran order gives: 1 for the first extent, its size for the second, and so on.
void copy_from_fortran(const ir::TensorType& type, const std::byte* from, std::byte* to) {
  const size_t axes = type.extents.size();
  const auto element_bytes = static_cast<size_t>(ir::size_of(type.element));
  std::vector<size_t> strides(axes), position(axes, 0);
  size_t stride = element_bytes;
  for (size_t axis = 0; axis < axes; ++axis) {
    strides[axis] = stride;
    stride *= static_cast<size_t>(type.extents[axis].size);
  }
  size_t offset = 0;
  for (int64_t count = type.elements(); count > 0; --count, to += element_bytes) {
    std::memcpy(to, from + offset, element_bytes);
    for (size_t axis = axes; axis-- > 0;) {
      offset += strides[axis];
      if (++position[axis] < static_cast<size_t>(type.extents[axis].size)) break;
      offset -= strides[axis] * position[axis];
      position[axis] = 0;
    }
  }
}

// Version 1: two bytes of length, and spaces so that the elements begin at a multiple of 64.
std::string header_for(const ir::TensorType& type) {
  std::vector<int64_t> shape;
  for (const ir::Extent& extent : type.extents) shape.push_back(extent.size);
  const Descr descr = descr_of(type.element);
  std::string text =
      fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}",
                  descr_text(descr.kind, descr.bytes, std::endian::native == std::endian::big),
                  python_tuple(shape));
  const size_t before = magic.size() + 4;
  text.append(63 - (before + text.size()) % 64, ' ');
  text += '\n';
  std::string header(magic);
  header +=
      {'\x01', '\x00', static_cast<char>(text.size() & 0xff), static_cast<char>(text.size() >> 8)};
  return header + text;
}

} // namespace

Expected<NpyHeader> read_npy_header(const std::string& path) {
  Expected<OpenFile> file = open_to_read(path);
  if (!file) return file.failure();
  return read_header(file->get(), path);
}

Expected<Tensor> read_npy(const std::string& path, const ir::TensorType& type) {
  Expected<OpenFile> file = open_to_read(path);
  if (!file) return file.failure();
  Expected<NpyHeader> header = read_header(file->get(), path);
  if (!header) return header.failure();
  if (auto fault = check_matches(*header, path, type)) return *fault;

  Expected<Tensor> tensor = Tensor::allocate(type);
  if (!tensor) return fail(path, to_string(tensor.diagnostics().front()));
  const int64_t bytes = tensor->bytes();
  if (auto fault = read_exactly(file->get(), path, tensor->data(), bytes, "the elements"))
    return *fault;
  if (bytes == 0) return tensor;
  if (header->big_endian != (std::endian::native == std::endian::big))
    reverse_bytes(tensor->data(), type.elements(), ir::size_of(type.element));
  if (!header->fortran_order || type.extents.size() < 2) return tensor;

  Expected<Tensor> reordered = Tensor::allocate(type);
  if (!reordered) return fail(path, to_string(reordered.diagnostics().front()));
  copy_from_fortran(type, tensor->data(), reordered->data());
  return reordered;
}

Status write_npy(std::FILE* to, const std::string& path, const TensorView& tensor) {
  const std::optional<int64_t> bytes = ir::checked_bytes(tensor.type());
  const std::string header = header_for(tensor.type());
  if (!bytes || header.size() > longest_header)
    return Status(
        StatusCode::invalid_argument,
        {{}, path, fmt::format("{} is too large to write", ir::to_string(tensor.type())), ""});
  if (*bytes > 0 && !tensor.data())
    return Status(StatusCode::invalid_argument, {{}, path, "the tensor is a null pointer", ""});
  if (!tensor.is_dense()) {
    const Expected<Tensor> dense = Tensor::copy(tensor);
    if (dense) return write_npy(to, path, *dense);
    return Status(StatusCode::invalid_argument,
                  {{}, path, to_string(dense.diagnostics().front()), ""});
  }
  if (Status status = write_bytes(to, path, header.data(), header.size()); !status) return status;
  return write_bytes(to, path, tensor.data(), static_cast<size_t>(*bytes));
}

Status write_npy(const std::string& path, const TensorView& tensor) {
  return replace_file(path, [&](std::FILE* to) { return write_npy(to, path, tensor); });
}

} // namespace volute::runtime
