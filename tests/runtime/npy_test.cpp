#include "runtime/npy.h"
#include "tests/runtime/failure_text.h"
#include "tests/runtime/temporary_folder.h"
#include "tests/support/catch.h"

#include <algorithm>
#include <random>

using namespace volute;
using ir::Axis;
using ir::ElementType;
using runtime::read_npy;
using runtime::write_npy;
using volute::tests::failure_text;
using volute::tests::read_file;
using volute::tests::TemporaryFolder;
using volute::tests::write_file;

namespace {

ir::TensorType matrix(ElementType element, int64_t h, int64_t w) {
  return {element, {{Axis::h, h}, {Axis::w, w}}};
}

// A file as NumPy writes it, from its parts.
std::string npy(const std::string& header, const std::string& data, int version = 1) {
  std::string file = "\x93NUMPY";
  file += {static_cast<char>(version), '\0', static_cast<char>(header.size() & 255),
           static_cast<char>(header.size() >> 8)};
  if (version > 1) file += std::string(2, '\0');
  return file + header + data;
}

std::string header(const std::string& descr, const std::string& fortran, const std::string& shape) {
  return "{'descr': '" + descr + "', 'fortran_order': " + fortran + ", 'shape': " + shape + ", }\n";
}

template <class T>
std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

template <class T>
std::vector<T> values(const Tensor& tensor) {
  return {tensor.as<T>(), tensor.as<T>() + tensor.type().elements()};
}

// What reading such a file as a type says, without the path in front.
std::string refusal(const std::string& contents, const ir::TensorType& type) {
  const TemporaryFolder folder;
  const std::string path = folder / "in.npy";
  write_file(path, contents);
  const std::string text = failure_text(read_npy(path, type));
  return text.substr(0, path.size() + 2) == path + ": " ? text.substr(path.size() + 2) : text;
}

const ir::TensorType row = matrix(ElementType::f32, 2, 3);
const std::vector<float> row_values = {1, 2, 3, 4, 5, 6};

} // namespace

TEST_CASE("what is written is what NumPy writes") {
  const TemporaryFolder folder;
  REQUIRE(write_npy(folder / "a.npy", TensorView(row, row_values.data())).ok());
  // np.save of np.arange(1, 7, dtype='f4').reshape(2, 3), but for the padding's length.
  std::string expected = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
  expected.append(127 - 10 - expected.size(), ' ');
  expected += '\n';
  CHECK(read_file(folder / "a.npy") == npy(expected, bytes_of(row_values)));
}

TEST_CASE("every element type survives writing and reading") {
  const TemporaryFolder folder;
  const std::pair<ElementType, std::string> types[] = {
      {ElementType::f32, "<f4"},  {ElementType::f64, "<f8"}, {ElementType::f16, "<f2"},
      {ElementType::bf16, "<u2"}, {ElementType::i8, "|i1"},  {ElementType::u8, "|u1"},
      {ElementType::i32, "<i4"},  {ElementType::i64, "<i8"}};
  for (const auto& [element, descr] : types) {
    const ir::TensorType type = {element, {{Axis::n, 1}, {Axis::c, 3}, {Axis::h, 5}, {Axis::w, 7}}};
    Tensor tensor = *Tensor::allocate(type);
    runtime::fill(tensor, {runtime::Fill::Kind::random, 3});
    REQUIRE(write_npy(folder / "a.npy", tensor).ok());
    const std::string file = read_file(folder / "a.npy");
    CHECK(file.find("'" + descr + "'") != std::string::npos);
    CHECK((file.size() - static_cast<size_t>(tensor.bytes())) % 64 == 0);
    const Tensor back = *read_npy(folder / "a.npy", type);
    CHECK(back.type() == type);
    CHECK(std::equal(tensor.data(), tensor.data() + tensor.bytes(), back.data()));
  }
}

TEST_CASE("empty tensors and tensors without axes are read and written") {
  const TemporaryFolder folder;
  const ir::TensorType empty = {ElementType::f32, {{Axis::n, 0}, {Axis::c, 3}, {Axis::w, 4}}};
  REQUIRE(write_npy(folder / "e.npy", TensorView(empty, nullptr)).ok());
  CHECK(read_npy(folder / "e.npy", empty)->bytes() == 0);
  const ir::TensorType scalar = {ElementType::i64, {}};
  const int64_t value = 17;
  REQUIRE(write_npy(folder / "s.npy", TensorView(scalar, &value)).ok());
  CHECK(read_file(folder / "s.npy").find("'shape': ()") != std::string::npos);
  CHECK(values<int64_t>(*read_npy(folder / "s.npy", scalar)) == std::vector<int64_t>{17});
  const ir::TensorType list = {ElementType::f32, {{Axis::o, 6}}};
  REQUIRE(write_npy(folder / "l.npy", TensorView(list, row_values.data())).ok());
  CHECK(read_file(folder / "l.npy").find("'shape': (6,)") != std::string::npos);
  CHECK(values<float>(*read_npy(folder / "l.npy", list)) == row_values);
}

TEST_CASE("versions 1, 2 and 3 and either way of writing the header are read") {
  const TemporaryFolder folder;
  const std::string path = folder / "in.npy";
  for (const int version : {1, 2, 3}) {
    write_file(path, npy(header("<f4", "False", "(2, 3)"), bytes_of(row_values), version));
    CHECK(values<float>(*read_npy(path, row)) == row_values);
  }
  for (const char* text :
       {"{\"shape\":(2,3),\"fortran_order\":False,\"descr\":\"<f4\"}",
        "  { 'fortran_order' : False , 'shape' : ( 2L , 3L , ) , 'descr' : '=f4' }  \n\n"}) {
    write_file(path, npy(text, bytes_of(row_values)));
    CHECK(values<float>(*read_npy(path, row)) == row_values);
  }
}

TEST_CASE("Fortran order is read into the type's order") {
  const TemporaryFolder folder;
  const std::string path = folder / "in.npy";
  write_file(path, npy(header("<f4", "True", "(2, 3)"), bytes_of<float>({1, 4, 2, 5, 3, 6})));
  CHECK(values<float>(*read_npy(path, row)) == row_values);
  // Three extents, all different: element (i, j, k) is 100 i + 10 j + k.
  const ir::TensorType cube = {ElementType::i32, {{Axis::n, 2}, {Axis::c, 3}, {Axis::w, 4}}};
  std::vector<int32_t> fortran, plain;
  for (int k = 0; k < 4; ++k)
    for (int j = 0; j < 3; ++j)
      for (int i = 0; i < 2; ++i) fortran.push_back(100 * i + 10 * j + k);
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 3; ++j)
      for (int k = 0; k < 4; ++k) plain.push_back(100 * i + 10 * j + k);
  write_file(path, npy(header("<i4", "True", "(2, 3, 4)"), bytes_of(fortran)));
  CHECK(values<int32_t>(*read_npy(path, cube)) == plain);
  write_file(path, npy(header("<i4", "True", "(0, 3, 4)"), ""));
  CHECK(read_npy(path, {ElementType::i32, {{Axis::n, 0}, {Axis::c, 3}, {Axis::w, 4}}})->bytes() ==
        0);
}

TEST_CASE("big endian is read, in Fortran order too") {
  const TemporaryFolder folder;
  const std::string path = folder / "in.npy";
  const auto reversed = [](std::string data, size_t size) {
    for (size_t i = 0; i < data.size(); i += size)
      std::reverse(data.begin() + static_cast<long>(i), data.begin() + static_cast<long>(i + size));
    return data;
  };
  write_file(path, npy(header(">f4", "False", "(2, 3)"), reversed(bytes_of(row_values), 4)));
  CHECK(values<float>(*read_npy(path, row)) == row_values);
  write_file(
      path, npy(header(">f4", "True", "(2, 3)"), reversed(bytes_of<float>({1, 4, 2, 5, 3, 6}), 4)));
  CHECK(values<float>(*read_npy(path, row)) == row_values);
  const std::vector<int64_t> wide = {1, -2, int64_t{1} << 40};
  write_file(path, npy(header(">i8", "False", "(1, 3)"), reversed(bytes_of(wide), 8)));
  CHECK(values<int64_t>(*read_npy(path, matrix(ElementType::i64, 1, 3))) == wide);
  const std::vector<uint16_t> narrow = {0x3f80, 0x4000};
  write_file(path, npy(header(">u2", "False", "(1, 2)"), reversed(bytes_of(narrow), 2)));
  CHECK(values<uint16_t>(*read_npy(path, matrix(ElementType::bf16, 1, 2))) == narrow);
}

TEST_CASE("bf16 is read from uint16 and from the two plain bytes of ml_dtypes") {
  const TemporaryFolder folder;
  for (const char* descr : {"<u2", "<V2", "|V2"}) {
    write_file(folder / "in.npy",
               npy(header(descr, "False", "(1, 2)"), bytes_of<uint16_t>({0x3f80, 0x4000})));
    CHECK(values<uint16_t>(*read_npy(folder / "in.npy", matrix(ElementType::bf16, 1, 2))) ==
          std::vector<uint16_t>{0x3f80, 0x4000});
  }
}

TEST_CASE("what follows the array is not looked at") {
  const TemporaryFolder folder;
  write_file(folder / "in.npy",
             npy(header("<f4", "False", "(2, 3)"), bytes_of(row_values) + "more"));
  CHECK(values<float>(*read_npy(folder / "in.npy", row)) == row_values);
}

TEST_CASE("the header alone tells element and shape") {
  const TemporaryFolder folder;
  write_file(folder / "in.npy", npy(header(">i2", "True", "(5, 0)"), ""));
  const runtime::NpyHeader found = *runtime::read_npy_header(folder / "in.npy");
  CHECK(found.kind == 'i');
  CHECK(found.item_bytes == 2);
  CHECK(found.big_endian);
  CHECK(found.fortran_order);
  CHECK(found.shape == std::vector<int64_t>{5, 0});
  CHECK(failure_text(runtime::read_npy_header(folder / "no.npy")) ==
        folder / "no.npy" + ": No such file or directory");
}

TEST_CASE("an array of another type or shape is refused with both") {
  CHECK(refusal(npy(header("<f8", "False", "(2, 3)"), std::string(48, '\0')), row) ==
        "the elements are float64, the type is f32[h=2, w=3] (convert it with .astype('float32'))");
  CHECK(refusal(npy(header("|b1", "False", "(2, 3)"), ""), matrix(ElementType::u8, 2, 3)) ==
        "the elements are bool, the type is u8[h=2, w=3] (convert it with .astype('uint8'))");
  CHECK(refusal(npy(header("<U9", "False", "(2, 3)"), ""), row) ==
        "the elements are 'U9', the type is f32[h=2, w=3] (convert it with .astype('float32'))");
  CHECK(refusal(npy(header("<f4", "False", "(2, 3)"), ""), matrix(ElementType::bf16, 2, 3)) ==
        "the elements are float32, the type is bf16[h=2, w=3] "
        "(bf16 is stored as its 16-bit patterns, as uint16)");
  CHECK(refusal(npy(header("<f4", "False", "(3, 2)"), bytes_of(row_values)), row) ==
        "the shape is (3, 2), the type is f32[h=2, w=3]");
  CHECK(refusal(npy(header("<f4", "False", "(6,)"), bytes_of(row_values)), row) ==
        "the shape is (6,), the type is f32[h=2, w=3]");
  CHECK(refusal(npy(header("<f4", "False", "()"), bytes_of(row_values)), row) ==
        "the shape is (), the type is f32[h=2, w=3]");
}

TEST_CASE("a shape that no memory could hold is refused before any is asked for") {
  CHECK(
      refusal(npy(header("<f4", "False", "(9223372036854775807, 9223372036854775807)"), ""), row) ==
      "the shape is (9223372036854775807, 9223372036854775807), the type is f32[h=2, w=3]");
  CHECK(refusal(npy(header("<f4", "False", "(9223372036854775808, 1)"), ""), row) ==
        "the header's shape is not a tuple of whole numbers");
  const ir::TensorType huge = matrix(ElementType::u8, int64_t{1} << 31, int64_t{1} << 31);
  CHECK(refusal(npy(header("|u1", "False", "(2147483648, 2147483648)"), ""), huge) ==
        "tensor: no memory for the 4611686018427387904 bytes of u8[h=2147483648, w=2147483648]");
}

TEST_CASE("a file that ends early says where") {
  const std::string whole = npy(header("<f4", "False", "(2, 3)"), bytes_of(row_values));
  CHECK(refusal("", row) == "not a .npy file: it is empty");
  CHECK(refusal(whole.substr(0, 9), row) ==
        "the file ends 1 bytes into the header's length, which has 2");
  CHECK(refusal(whole.substr(0, 15), row) == "the file ends 5 bytes into the header, which has 60");
  CHECK(refusal(whole.substr(0, whole.size() - 1), row) ==
        "the file ends 23 bytes into the elements, which has 24");
}

TEST_CASE("a header that is not one is refused with what is wrong") {
  const std::string dictionary =
      "the header is not a dictionary of 'descr', 'fortran_order' and 'shape'";
  const std::string shape = "the header's shape is not a tuple of whole numbers";
  const std::string descr =
      "its element type is not one of NumPy's numbers (structured types are not read)";
  CHECK(refusal("PK\x03\x04 and so on", row) ==
        "not a .npy file: it does not begin with \\x93NUMPY (it is an archive, as np.savez and "
        "torch.save write; np.save writes one array)");
  CHECK(refusal(npy("{}", "", 4), row) ==
        "version 4 of the .npy format is not known (1, 2 and 3 are)");
  CHECK(refusal(npy("{}", "", 0), row) ==
        "version 0 of the .npy format is not known (1, 2 and 3 are)");
  std::string long_header = npy("{}", "", 2);
  long_header[10] = long_header[11] = '\x7f';
  CHECK(refusal(long_header, row) ==
        "the header claims 2139029506 bytes, above the limit of 65536");
  for (const char* text :
       {"", "{", "{}", "[]", "{'descr': '<f4'}", "{'descr' '<f4'}", "{descr: '<f4'}", "{'descr",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)} x",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)",
        "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), 'more': 1}",
        "{'descr': '<f4' 'fortran_order': False, 'shape': (2, 3)}"})
    CHECK(refusal(npy(text, bytes_of(row_values)), row) == dictionary);
  for (const char* text : {"2", "(2", "(2, 3", "(2 3)", "(2)", "(,)", "(2,,3)", "('2', 3)",
                           "(2.0, 3)", "[2, 3]", "(0x2, 3)"})
    CHECK(refusal(npy(header("<f4", "False", text), bytes_of(row_values)), row) == shape);
  CHECK(refusal(npy(header("<f4", "False", "(2, -3)"), ""), row) ==
        "the header's shape has the negative extent -3");
  std::string many = "(";
  for (int i = 0; i < 1000; ++i) many += "1,";
  CHECK(refusal(npy(header("<f4", "False", many + ")"), ""), row) ==
        "the header's shape has more than 64 axes");
  CHECK(refusal(npy(header("<f4", "Maybe", "(2, 3)"), ""), row) ==
        "the header's fortran_order is neither True nor False");
  for (const char* text :
       {"f4", "<f", "|O", "", "<f4x", "<M8[ns]", "<f-4", "<f99999999999999999999"})
    CHECK(refusal(npy(header(text, "False", "(2, 3)"), ""), row) == descr);
  CHECK(refusal(npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}", ""), row) ==
        descr);
}

TEST_CASE("a damaged file is refused or read, and nothing worse") {
  const TemporaryFolder folder;
  const std::string path = folder / "in.npy";
  const std::string seeds[] = {npy(header("<f4", "False", "(2, 3)"), bytes_of(row_values)),
                               npy(header(">f4", "True", "(2, 3)"), bytes_of(row_values), 2)};
  std::mt19937 random(20240501);
  int read = 0, refused = 0;
  for (int round = 0; round < 2000; ++round) {
    std::string file = seeds[round % 2];
    for (unsigned edits = 1 + random() % 3; edits > 0; --edits) {
      const size_t at = random() % file.size();
      switch (random() % 4) {
      case 0: file[at] = static_cast<char>(random()); break;
      case 1: file[at] = "0123456789(),'<>-{}: "[random() % 21]; break;
      case 2: file.erase(at, 1 + random() % 4); break;
      case 3: file.insert(at, file.substr(random() % file.size(), random() % 8)); break;
      }
      if (file.empty()) file = "x";
    }
    write_file(path, file);
    const Expected<Tensor> tensor = read_npy(path, row);
    ++(tensor ? read : refused);
    if (!tensor) {
      REQUIRE(tensor.diagnostics().front().subject == path);
      REQUIRE(!tensor.diagnostics().front().message.empty());
    }
  }
  CHECK(read > 50); // damage to the elements alone goes unseen
  CHECK(refused > 500);
}

TEST_CASE("a tensor that cannot be written is refused, and nothing appears") {
  const TemporaryFolder folder;
  const std::string path = folder / "out.npy";
  CHECK(write_npy(path, TensorView(row, nullptr)).message() ==
        path + ": the tensor is a null pointer");
  const TensorView wide(matrix(ElementType::f32, 1, int64_t{1} << 40), row_values.data());
  CHECK(write_npy(path, wide.expand(Axis::h, int64_t{1} << 40)).message() ==
        path + ": f32[h=1099511627776, w=1099511627776] is too large to write");
  CHECK(folder.files() == 0);
  CHECK(write_npy(folder / "none/out.npy", TensorView(row, row_values.data())).message() ==
        folder / "none/out.npy" + ": No such file or directory (there is no folder " +
            folder / "none" + ")");
}
