// How functions find their kernels: by plain numbers, whichever thread asks, and only as long as
// the session's cache holds them.
#include "runtime/function_table.h"
#include "runtime/volute.hpp"
#include "tests/runtime/hand_assembled.h"
#include "tests/support/catch.h"

#include <atomic>
#include <thread>

using namespace volute;
using runtime::FunctionKey;
using runtime::FunctionTable;
namespace F = volute::functional;

namespace {

template <class... Parts>
std::vector<int64_t> numbers(const Parts&... parts) {
  FunctionKey key;
  (key.add(parts), ...);
  return {key.numbers().begin(), key.numbers().end()};
}

/// Whether the options' keys differ from each other, and each is the same made again.
template <class Options>
void check_all_differ(const std::vector<Options>& variants) {
  for (size_t i = 0; i < variants.size(); ++i) {
    CHECK(numbers(variants[i]) == numbers(Options(variants[i])));
    for (size_t j = 0; j < i; ++j) {
      CAPTURE(i, j);
      CHECK(numbers(variants[i]) != numbers(variants[j]));
    }
  }
}

ir::TensorType row(int64_t channels, int64_t width) {
  return {ir::ElementType::f32, {{ir::Axis::n, 1}, {ir::Axis::c, channels}, {ir::Axis::w, width}}};
}

Tensor iota(const ir::TensorType& type) {
  Tensor tensor = *Tensor::allocate(type);
  runtime::fill(tensor, {runtime::Fill::Kind::iota});
  return tensor;
}

} // namespace

TEST_CASE("keys differ where calls do") {
  const ir::TensorType type = row(2, 9);
  check_all_differ<ir::ConvOptions>({{},
                                     {.stride = 2},
                                     {.stride = {2}},
                                     {.stride = {2, 2}},
                                     {.padding = 1},
                                     {.padding = {1}},
                                     {.padding = {{0, 1}}},
                                     {.padding = ir::Padding::Rule::same},
                                     {.padding = ir::Padding::Rule::valid},
                                     {.dilation = 2},
                                     {.groups = 2},
                                     {.padding_mode = ir::PadMode::reflect},
                                     {.x_zero_point = 2},
                                     {.w_zero_point = {2}},
                                     {.w_zero_point = {0, 2}},
                                     {.type = type},
                                     {.type = row(2, 8)}});
  check_all_differ<ir::ConvTransposeOptions>({{},
                                              {.stride = 2},
                                              {.padding = 2},
                                              {.output_padding = 2},
                                              {.groups = 2},
                                              {.dilation = 2},
                                              {.x_zero_point = 2},
                                              {.w_zero_point = {2}},
                                              {.type = type}});
  check_all_differ<ir::MaxPoolOptions>(
      {{}, {.stride = 2}, {.padding = 2}, {.dilation = 2}, {.ceil_mode = true}, {.type = type}});
  check_all_differ<ir::AvgPoolOptions>({{},
                                        {.stride = 2},
                                        {.padding = 2},
                                        {.ceil_mode = true},
                                        {.count_include_pad = false},
                                        {.divisor_override = 0},
                                        {.divisor_override = 2},
                                        {.dilation = 2},
                                        {.type = type}});
  check_all_differ<ir::LpPoolOptions>(
      {{}, {.stride = 2}, {.ceil_mode = true}, {.padding = 2}, {.dilation = 2}, {.type = type}});
  check_all_differ<ir::MaxUnpoolOptions>(
      {{}, {.stride = 2}, {.padding = 2}, {.output_size = 2}, {.type = type}});

  float data[18] = {};
  const int64_t dense[] = {18, 9, 1}, apart[] = {36, 18, 2};
  const TensorRef plain = {data, type.extents.data(), nullptr, 3, ir::ElementType::f32, false};
  TensorRef elsewhere = plain, strided = plain, other_strides = plain, integers = plain,
            shorter = plain;
  elsewhere.data = data + 1;
  CHECK(numbers(elsewhere) == numbers(plain)); // the one thing that a kernel is not compiled for
  strided.strides = dense;
  other_strides.strides = apart;
  integers.element = ir::ElementType::i32;
  shorter.rank = 2;
  check_all_differ<TensorRef>({plain, strided, other_strides, integers, shorter});
  const ir::TensorType turned = {type.element, {type.extents[0], type.extents[2], type.extents[1]}};
  CHECK(numbers(turned) != numbers(type));
}

TEST_CASE("a key is as long as its call") {
  FunctionKey key;
  std::vector<int64_t> expected;
  for (int64_t i = 0; i < 1000; ++i) {
    key.add(i * i);
    expected.push_back(i * i);
    REQUIRE(std::vector<int64_t>(key.numbers().begin(), key.numbers().end()) == expected);
  }
}

TEST_CASE("the table finds kernels that live and keeps none alive") {
  FunctionTable table;
  FunctionKey key, other;
  key.add(int64_t{1});
  other.add(int64_t{2});
  std::optional<Kernel> kernel = *Kernel::load(tests::twice_image(5));
  CHECK(!table.find(key));
  table.remember(key, *kernel);
  CHECK(table.find(key));
  CHECK(!table.find(other));
  CHECK(table.hits() == 1);
  kernel.reset();
  CHECK(!table.find(key));

  for (int64_t i = 0; i < 5000; ++i) {
    FunctionKey dead;
    dead.add(i);
    table.remember(dead, *Kernel::load(tests::twice_image(5)));
  }
  CHECK(table.size() < 200);
}

#if defined(__x86_64__)

TEST_CASE("functions take their kernels from the cache, within its limit, the last used ones") {
  const Tensor a = iota(row(1, 100)), b = iota(row(1, 101)), c = iota(row(1, 102)),
               d = iota(row(1, 103));
  runtime::Options options;
  {
    Session one(options);
    (void)F::relu(one, a);
    options.memory_cache_bytes = 3 * one.cache_counters().bytes; // of such kernels
  }
  Session session(options);
  const auto compiles = [&](const Tensor& x) {
    const int64_t before = session.cache_counters().compiles;
    (void)F::relu(session, x);
    return session.cache_counters().compiles - before;
  };
  CHECK(compiles(a) == 1);
  CHECK(compiles(b) == 1);
  CHECK(compiles(c) == 1);
  CHECK(compiles(a) == 0); // used again, though the cache's own keys have not been asked for
  CHECK(compiles(d) == 1); // so it is b that goes
  CHECK(session.cache_counters().kernels == 3);
  CHECK(compiles(a) == 0);
  CHECK(compiles(b) == 1);
  session.clear_cache();
  CHECK(compiles(a) == 1);
}

TEST_CASE("sessions do not share what they have found") {
  const Tensor x = iota(row(1, 64));
  Session here{runtime::Options{}};
  Session there{runtime::Options{.target = "haswell"}};
  (void)F::relu(here, x);
  (void)F::relu(there, x);
  CHECK(here.cache_counters().compiles == 1);
  CHECK(there.cache_counters().compiles == 1);
}

TEST_CASE("many threads call functions at once, and each gets its own numbers") {
  Session session{runtime::Options{}};
  constexpr int thread_count = 6, sizes = 5;
  std::atomic<int> wrong{0};
  const auto work = [&](int first) {
    for (int round = 0; round < 200; ++round) {
      const int64_t channels = 1 + (first + round) % sizes;
      const Tensor x = iota(row(channels, 12));
      const int64_t step = 1 + round % 2;
      const Tensor y = max_pool1d(session, x, 2, {.stride = step});
      const int64_t width = step == 1 ? 11 : 6;
      for (int64_t i = 0; i < channels * width; ++i)
        wrong += y.as<float>()[i] != static_cast<float>(i / width * 12 + i % width * step + 1);
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < thread_count; ++i) threads.emplace_back(work, i);
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
  CHECK(session.cache_counters().compiles == 2 * sizes);
  CHECK(session.cache_counters().hits >= thread_count * 200 - 2 * sizes * thread_count);
}

#endif
