// Tensors whose elements lie more than 2^31 elements apart, in memory that is reserved and never
// filled: every address is computed in 64 bits.
#include "ir/parse.h"
#include "ir/reference.h"
#include "runtime/session.h"
#include "tests/support/catch.h"

#include <fmt/format.h>

#include <cstring>
#include <string>
#include <sys/mman.h>
#include <vector>

using namespace volute;

namespace {

/// Address space without memory behind it, but for the pages that are touched.
class Reserved {
public:
  explicit Reserved(int64_t bytes) : bytes_(static_cast<size_t>(bytes)) {
    void* at = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    data_ = at == MAP_FAILED ? nullptr : static_cast<std::byte*>(at);
  }
  Reserved(const Reserved&) = delete;
  Reserved& operator=(const Reserved&) = delete;
  ~Reserved() {
    if (data_) munmap(data_, bytes_);
  }
  std::byte* data() const { return data_; }

private:
  size_t bytes_;
  std::byte* data_;
};

/// A dense tensor of whole numbers with a view of the same elements far apart.
struct Far {
  Far(const ir::TensorType& type, const compiler::TensorStrides& strides, uint64_t stream)
      : memory(*compiler::checked_span_bytes(type, strides)), dense(*Tensor::allocate(type)),
        view(type, memory.data(), strides) {
    runtime::fill(dense, {runtime::Fill::Kind::random, 3}, stream);
    if (memory.data()) runtime::copy_elements(type, dense.data(), {}, memory.data(), strides);
  }
  ir::TensorData data() const {
    return {dense.type(), {dense.data(), dense.data() + dense.bytes()}};
  }
  Reserved memory;
  Tensor dense;
  MutableTensorView view;
};

constexpr int64_t far_apart = (int64_t{1} << 31) + 4096; // elements

/// A program of %x and %w, with the neighbours of each tensor along one extent far apart.
void check(const std::string& text, const std::string& schedule, size_t x_extent, size_t w_extent,
           size_t y_extent) {
  CAPTURE(text, schedule, x_extent, w_extent, y_extent);
  const ir::Program program = ir::parse(text).value();
  const auto apart = [](const ir::TensorType& type, size_t extent) {
    compiler::TensorStrides strides = compiler::dense_strides(type);
    for (size_t i = 0; i <= extent; ++i) strides[i] = 0;
    for (size_t i = extent + 1; i-- > 0;)
      strides[i] = i == extent ? far_apart : strides[i + 1] * type.extents[i + 1].size;
    return strides;
  };
  const ir::TensorType &xt = program.type(program.inputs[0]), &wt = program.type(program.inputs[1]),
                       &yt = program.type(program.outputs[0]);
  Far x(xt, apart(xt, x_extent), 0), w(wt, apart(wt, w_extent), 1), y(yt, apart(yt, y_extent), 2);
  if (!x.memory.data() || !w.memory.data() || !y.memory.data()) {
    WARN("this machine gives no such address space");
    return;
  }
  Session session;
  const CompileOptions options =
      CompileOptions{.schedule = schedule}.like("x", x.view).like("w", w.view).like("y", y.view);
  const Kernel kernel = session.compile(program, options);
  kernel(x.view, w.view, y.view).check();
  const ir::TensorData xd = x.data(), wd = w.data();
  const ir::TensorData wanted = ir::evaluate(program, {{"x", &xd}, {"w", &wd}})->at("y");
  Tensor found = *Tensor::allocate(yt);
  runtime::copy_elements(yt, y.view.data(), y.view.strides(), found.data(), {});
  CHECK(std::memcmp(found.data(), wanted.bytes.data(), wanted.bytes.size()) == 0);
}

} // namespace

TEST_CASE("elements more than 2^31 apart are loaded, packed and stored where they are") {
  const std::string first =
      R"(program @p(%x: f32[n=2, c=3, h=3, w=4], %w: f32[o=17, i=3, h=2, w=2]) {
    %y = conv %x, %w {pad = 1} return %y })";
  const std::string last = R"(program @p(%x: f32[n=1, h=3, w=4, c=2], %w: f32[o=3, i=2, h=2, w=2]) {
    %y = conv %x, %w : f32[n=1, h=2, w=3, c=3] return %y })";
  for (const char* schedule : {"auto", "naive"}) {
    for (size_t extent : {0, 1, 2}) check(first, schedule, extent, 0, extent);
    for (size_t extent : {1, 2}) check(last, schedule, extent, 1, extent);
  }
}

TEST_CASE("so are lanes, which then lie in as many places") {
  const std::string text =
      R"(program @p(%x: f32[n=1, c=2, h=1, w=18], %w: f32[o=2, i=2, h=1, w=2]) {
    %y = conv %x, %w return %y })";
  for (const char* schedule : {"auto", "naive"}) check(text, schedule, 3, 0, 3);
}

TEST_CASE("so are bytes and their groups") {
  for (const char* schedule : {"auto", "naive"})
    for (size_t extent : {0, 1, 2})
      check(R"(program @p(%x: u8[n=2, h=3, w=2, c=4], %w: i8[o=9, i=4, h=2, w=1]) {
        %y = conv %x, %w return %y })",
            schedule, extent, 0, extent);
}
