// One kernel for a range of batch sizes, through every level: nests, loops, code, and calls that
// give the size. The convolution of tests/support/named_batch.h, in both layouts.
#include "compiler/compile.h"
#include "ir/number.h"
#include "runtime/kernel.h"
#include "tests/runtime/failure_text.h"
#include "tests/support/catch.h"
#include "tests/support/dice.h"
#include "tests/support/guarded_buffer.h"
#include "tests/support/loop_kernel.h"
#include "tests/support/named_batch.h"
#include "tests/support/stages.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

using namespace volute;
using tests::failure_text;
using tests::GuardedBuffer;
using tests::NamedBatch;

namespace {

constexpr int64_t x_stride = 251, y_stride = 1548; // of strided ones

std::vector<int64_t> parameters_of(const NamedBatch& batch, int64_t n) {
  if (batch.strided) return {n, x_stride, y_stride};
  return {n};
}

/// Inputs of n images in the nests' memory, all else NaN. Whole numbers: every sum is exact.
ir::Memory filled(const ir::NestProgram& nests, const std::vector<int64_t>& parameters) {
  ir::Memory memory = ir::allocate(nests.buffers, parameters);
  tests::Dice dice(7);
  for (size_t i = 0; i < memory.size(); ++i) {
    std::fill(memory[i].begin(), memory[i].end(), std::byte{0xff});
    if (nests.buffers[i].role != ir::Buffer::Role::input) continue;
    for (size_t at = 0; at < memory[i].size(); at += sizeof(float))
      ir::write_real(&memory[i][at], ir::ElementType::f32,
                     static_cast<double>(dice.between(-4, 4)));
  }
  return memory;
}

/// What plain loops make of image n.
float expected_at(const NamedBatch& batch, const ir::Memory& memory, int64_t n, int64_t o,
                  int64_t h, int64_t w) {
  const auto floats = [&](size_t i) { return reinterpret_cast<const float*>(memory[i].data()); };
  constexpr int64_t C = NamedBatch::C, H = NamedBatch::H, W = NamedBatch::W, K = NamedBatch::K;
  const float* x = floats(0) + n * (batch.strided ? x_stride : NamedBatch::x_image);
  float sum = floats(2)[o];
  for (int64_t i = 0; i < C; ++i)
    for (int64_t kh = 0; kh < K; ++kh)
      for (int64_t kw = 0; kw < K; ++kw) {
        const int64_t row = h + kh - 1, column = w + kw - 1;
        if (row < 0 || row >= H || column < 0 || column >= W) continue;
        const int64_t at =
            batch.channels_last ? (row * W + column) * C + i : (i * H + row) * W + column;
        sum += x[at] * floats(1)[((o * C + i) * K + kh) * K + kw];
      }
  return std::max(0.0f, sum);
}

/// "" or the first element of y that is not what plain loops make of the inputs; what lies between
/// the images must be NaN still.
std::string wrong(const NamedBatch& batch, const ir::Memory& memory, const std::byte* result,
                  int64_t images) {
  const auto* y = reinterpret_cast<const float*>(result);
  constexpr int64_t O = NamedBatch::O, H = NamedBatch::H, W = NamedBatch::W;
  const int64_t stride = batch.strided ? y_stride : NamedBatch::y_image;
  for (int64_t n = 0; n < images; ++n) {
    for (int64_t o = 0; o < O; ++o)
      for (int64_t h = 0; h < H; ++h)
        for (int64_t w = 0; w < W; ++w) {
          const int64_t at =
              n * stride + (batch.channels_last ? (h * W + w) * O + o : (o * H + h) * W + w);
          const float wanted = expected_at(batch, memory, n, o, h, w);
          if (y[at] != wanted)
            return fmt::format("y[n={}, o={}, h={}, w={}] is {}, not {}", n, o, h, w, y[at],
                               wanted);
        }
    for (int64_t gap = NamedBatch::y_image; n + 1 < images && gap < stride; ++gap)
      if (!std::isnan(y[n * stride + gap])) return fmt::format("wrote behind image {}", n);
  }
  return "";
}

std::vector<NamedBatch> batches() {
  std::vector<NamedBatch> all;
  for (const bool channels_last : {false, true})
    for (const bool strided : {false, true})
      for (const bool in_two : {false, true})
        all.push_back({channels_last, {1, 64, 1}, strided, in_two});
  all.push_back({false, {4, 64, 4}});
  all.push_back({true, {4, 64, 4}});
  return all;
}

std::vector<int64_t> sizes(const NamedBatch& batch) {
  if (batch.images.multiple == 4) return {4, 8};
  return {1, 3};
}

std::string text(const NamedBatch& batch) {
  return fmt::format("{}{}{}, {}", batch.channels_last ? "channels last" : "channels first",
                     batch.strided ? ", strided" : "", batch.in_two ? ", in two" : "",
                     to_string(batch.images));
}

compiler::Compiled compiled(const NamedBatch& batch, const std::string& target,
                            const std::string& schedule = "auto") {
  compiler::CompileRequest request = tests::request_for(target, schedule);
  return compiler::compile(batch.nests(), request).value();
}

/// The tensors of a call, each at a guard page.
struct Call {
  Call(const NamedBatch& of, const ir::Memory& memory, int64_t n, GuardedBuffer::Wall wall)
      : batch(of), images(n) {
    for (size_t i = 0; i < 4; ++i) {
      buffers.push_back(std::make_unique<GuardedBuffer>(memory[i].size(), wall));
      if (i < 3) std::memcpy(buffers[i]->data(), memory[i].data(), memory[i].size());
    }
  }
  TensorStrides strides(const ir::TensorType& type, int64_t stride) const {
    TensorStrides all = compiler::dense_strides(type);
    if (batch.strided) all[0] = stride;
    return all;
  }
  TensorView x() const {
    const ir::TensorType type = batch.x_type(images);
    return {type, buffers[0]->data(), strides(type, x_stride)};
  }
  TensorView w() const { return {NamedBatch::w_type(), buffers[1]->data()}; }
  TensorView b() const { return {NamedBatch::b_type(), buffers[2]->data()}; }
  MutableTensorView y() const {
    const ir::TensorType type = batch.y_type(images);
    return {type, buffers[3]->data(), strides(type, y_stride)};
  }

  const NamedBatch& batch;
  int64_t images;
  std::vector<std::unique_ptr<GuardedBuffer>> buffers;
};

const char* const targets[] = {"native", "haswell", "x86-64"};

} // namespace

TEST_CASE("nests of a named batch are proven for every size and evaluated for each",
          "[parameters]") {
  for (const NamedBatch& batch : batches()) {
    CAPTURE(text(batch));
    const ir::NestProgram nests = batch.nests();
    for (const Diagnostic& d : ir::verify(nests)) FAIL_CHECK(to_string(d));
    for (const int64_t n : sizes(batch)) {
      ir::Memory memory = filled(nests, parameters_of(batch, n));
      ir::evaluate(nests, memory, parameters_of(batch, n));
      CHECK(wrong(batch, memory, memory[3].data(), n) == "");
    }
  }
}

TEST_CASE("loops and code of a named batch agree bit for bit, for sizes in its range",
          "[parameters]") {
  for (const NamedBatch& batch : batches())
    for (const char* target : targets)
      for (const char* schedule : {"auto", "naive"}) {
        const auto known = compiler::parse_target(target);
        if (!compiler::runs_on(*known, compiler::host())) continue;
        if (schedule == std::string("naive") && target != targets[0]) continue;
        CAPTURE(text(batch), target, schedule);
        const compiler::Compiled kernel = compiled(batch, target, schedule);
        const ir::LoopProgram& loops = kernel.stages.loops;
        REQUIRE(ir::verify(loops).empty());
        for (const int64_t n : sizes(batch)) {
          const std::vector<int64_t> parameters = parameters_of(batch, n);
          ir::Memory memory = ir::allocate(loops.buffers, parameters);
          const ir::Memory inputs = filled(batch.nests(), parameters);
          for (size_t i = 0; i < memory.size(); ++i)
            if (i < inputs.size())
              memory[i] = inputs[i];
            else
              std::fill(memory[i].begin(), memory[i].end(), std::byte{0xff});
          CHECK(tests::disagreement(loops, memory, {target}, parameters) == "");
        }
      }
}

TEST_CASE("one kernel serves every batch size in its range, between guard pages", "[parameters]") {
  const std::vector<Threads> threads = {Threads(), Threads::pool(2).value()};
  for (const NamedBatch& batch : batches())
    for (const char* target : targets) {
      if (!compiler::runs_on(*compiler::parse_target(target), compiler::host())) continue;
      CAPTURE(text(batch), target);
      const Kernel kernel = Kernel::load(compiled(batch, target).image).value();
      CHECK(kernel.parameters() == batch.nests().parameters);
      for (const int64_t n : sizes(batch))
        for (const auto wall : {GuardedBuffer::Wall::at_end, GuardedBuffer::Wall::at_begin})
          for (const Threads& on : threads) {
            CAPTURE(n, on.count());
            const ir::Memory memory = filled(batch.nests(), parameters_of(batch, n));
            const Call call(batch, memory, n, wall);
            const Kernel here = kernel.with_threads(on);
            CHECK(here(call.x(), call.w(), call.b(), call.y()).message() == "");
            CHECK(wrong(batch, memory, call.buffers[3]->data(), n) == "");
            CHECK(call.buffers[3]->margin_is_untouched());
            std::fill_n(call.buffers[3]->data(), call.buffers[3]->size(), std::byte{0xff});
            const Kernel bound = here.bind("w", call.w());
            CHECK(bound(call.x(), call.b(), call.y()).message() == "");
            CHECK(wrong(batch, memory, call.buffers[3]->data(), n) == "");
          }
    }
}

TEST_CASE("the largest batch of the range runs, and it is the range that plans the workspace",
          "[parameters]") {
  const NamedBatch batch{true, {1, 64, 1}, false, true};
  const Kernel kernel =
      Kernel::load(compiled(batch, "native").image)
          .value()
          .bind("w", Call(batch, filled(batch.nests(), {1}), 1, GuardedBuffer::Wall::at_end).w());
  CHECK(kernel.workspace_bytes() == 64 * NamedBatch::y_image * 4);
  const ir::Memory memory = filled(batch.nests(), {64});
  const Call call(batch, memory, 64, GuardedBuffer::Wall::at_end);
  CHECK(kernel(call.x(), call.b(), call.y()).message() == "");
}

TEST_CASE("a call with a size outside the range is refused with name, range and number",
          "[parameters]") {
  const auto refusal = [](const NamedBatch& batch, int64_t x_images, int64_t y_images,
                          int64_t stride = x_stride) {
    const Kernel kernel = Kernel::load(compiled(batch, "native", "naive").image).value();
    std::vector<float> memory(400 * 66);
    const ir::TensorType x = batch.x_type(x_images), y = batch.y_type(y_images);
    TensorStrides x_strides, y_strides;
    if (batch.strided) {
      x_strides = compiler::dense_strides(x), y_strides = compiler::dense_strides(y);
      x_strides[0] = stride, y_strides[0] = y_stride;
    }
    std::vector<float> result(static_cast<size_t>(y_stride * y_images));
    return kernel(TensorView(x, memory.data(), x_strides),
                  TensorView(NamedBatch::w_type(), memory.data()),
                  TensorView(NamedBatch::b_type(), memory.data()),
                  MutableTensorView(y, result.data(), y_strides))
        .message();
  };
  const NamedBatch any{true}, fours{true, {4, 64, 4}}, strided{true, {1, 64, 1}, true};
  CHECK(refusal(any, 2, 2) == "");
  CHECK(refusal(any, 65, 65) ==
        "named_batch: %x is f32[n=65, h=7, w=11, c=3]: N is 65, not 1 to 64");
  CHECK(refusal(any, 0, 0) == "named_batch: %x is f32[n=0, h=7, w=11, c=3]: N is 0, not 1 to 64");
  CHECK(refusal(fours, 6, 6) ==
        "named_batch: %x is f32[n=6, h=7, w=11, c=3]: N is 6, not 4 to 64, a multiple of 4");
  CHECK(refusal(any, 2, 3) == "named_batch: %y is f32[n=3, h=7, w=11, c=20], not "
                              "f32[n=N, h=7, w=11, c=20], where N = 2");
  CHECK(refusal(strided, 2, 2) == "");
  CHECK(refusal(strided, 2, 2, 230) ==
        "named_batch: %x is f32[n=2, h=7, w=11, c=3] with strides [230, 33, 3, 1]: S is 230, not "
        "231 to 400");
  CHECK(refusal({false}, 2, 2) == "");
  const Kernel kernel = Kernel::load(compiled(any, "native", "naive").image).value();
  std::vector<float> memory(64 * NamedBatch::x_image);
  CHECK(failure_text(kernel.try_bind("x", TensorView(any.x_type(2), memory.data()))) ==
        "named_batch: %x has another size in each call, and cannot be bound");
}

TEST_CASE("schedules treat an axis of a named extent as one plain loop", "[parameters]") {
  const auto refusal = [](const std::string& schedule, const NamedBatch& batch = {true}) {
    compiler::CompileRequest request;
    request.schedule = schedule;
    return failure_text(compiler::specialise_nests(batch.nests(), request));
  };
  CHECK(refusal("parallel n; for h, w, o, i, kh, kw") == "no failure");
  CHECK(refusal("for h, n, w, o, i, kh, kw") == "no failure");
  const std::string rule = "the extent of n is N, a parameter, and such an axis is one plain loop, "
                           "neither tiled nor unrolled (write `parallel n`)";
  CHECK(refusal("parallel n by 4; for n, h, w, o, i, kh, kw") ==
        "schedule: nest conv: parallel n by 4: " + rule);
  CHECK(refusal("for n unroll 4, h, w, o, i, kh, kw") ==
        "schedule: nest conv: for n unroll: " + rule);
  CHECK(refusal("for n by 2, h, w, o, i, kh, kw; registers n 2") ==
        "schedule: nest conv: for n by 2: " + rule);
  CHECK(refusal("for h, w, o, i, kh, kw") ==
        "schedule: nest conv: axis n of extent N is in no loop (add it: `for n`)");
  CHECK(refusal("parallel n; for h, w by 4, o by 16, i, kh, kw; registers w 4, o 16 vector 16",
                {true, {1, 64, 1}, true}) == "no failure");
}
