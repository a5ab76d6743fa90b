#include "bench/peers/naive.h"
#include "ir/parse.h"
#include "ir/reference.h"
#include "tests/support/catch.h"

#include <algorithm>
#include <cmath>
#include <cstring>

using namespace volute;
using bench::Tensors;

namespace {

// Small whole numbers: every order of summation gives the same f32.
std::vector<double> whole_numbers(int64_t count, uint32_t seed) {
  std::vector<double> values;
  for (int64_t i = 0; i < count; ++i) {
    seed = seed * 1664525u + 1013904223u;
    values.push_back(static_cast<double>(seed >> 29) - 3); // -3 to 4
  }
  return values;
}

struct Case {
  ir::Program program;
  std::map<std::string, ir::TensorData> data;
  Tensors tensors;

  explicit Case(const std::string& text) : program(ir::parse(text).value()) {
    uint32_t seed = 7;
    for (const ir::ValueId id : program.inputs) {
      const ir::TensorType& type = program.type(id);
      add(program.name_of(id), ir::tensor_of(type, whole_numbers(type.elements(), ++seed)));
    }
    for (const ir::ValueId id : program.outputs) {
      const ir::TensorType& type = program.type(id);
      add(program.name_of(id),
          ir::tensor_of(type, std::vector<double>(static_cast<size_t>(type.elements()), NAN)));
    }
  }

  void add(const std::string& name, ir::TensorData tensor) {
    data[name] = std::move(tensor);
    tensors[name] = std::span<std::byte>(data[name].bytes);
  }

  std::map<std::string, ir::TensorData> expected() const {
    std::map<std::string, const ir::TensorData*> inputs;
    for (const ir::ValueId id : program.inputs)
      inputs[program.name_of(id)] = &data.at(program.name_of(id));
    return ir::evaluate(program, inputs).value();
  }

  // The largest difference from the reference, relative to 1 + |expected|; infinite on a NaN that
  // only one of them has.
  double difference() {
    std::unique_ptr<bench::PreparedPeer> ready =
        bench::naive_peer().prepare(program, tensors).value();
    ready->run();
    ready->run(); // a second run starts from a result that is not empty
    double most = 0;
    for (const auto& [name, tensor] : expected()) {
      const std::vector<double> want = ir::elements_of(tensor);
      const std::vector<double> have = ir::elements_of(data.at(name));
      REQUIRE(want.size() == have.size());
      for (size_t i = 0; i < want.size(); ++i) {
        if (std::isnan(want[i]) != std::isnan(have[i])) return INFINITY;
        if (std::isnan(want[i]) || want[i] == have[i]) continue;
        most = std::max(most, std::abs(want[i] - have[i]) / (1 + std::abs(want[i])));
      }
    }
    return most;
  }
};

double difference(const std::string& text) { return Case(text).difference(); }

std::string refusal(const std::string& text) {
  Case c(text);
  const auto ready = bench::naive_peer().prepare(c.program, c.tensors);
  REQUIRE_FALSE(ready);
  return to_string(ready.diagnostics().front());
}

// The order of an activation's and of a weight's axes, spelled with the extents put in.
std::string x_type(const std::string& order, int n, int c, int h, int w) {
  std::string text;
  for (const char axis : order) {
    const int size = axis == 'n' ? n : axis == 'c' ? c : axis == 'h' ? h : w;
    text += (text.empty() ? "f32[" : ", ") + std::string(1, axis) + "=" + std::to_string(size);
  }
  return text + "]";
}

} // namespace

TEST_CASE("a convolution by hand", "[naive]") {
  Case c("program @p(%x: f32[n=1, c=1, h=3, w=3], %w: f32[o=1, i=1, h=2, w=2], %b: f32[o=1]) {\n"
         "  %y = conv %x, %w, %b {pad = [(1, 0), (0, 1)]}\n  return %y\n}");
  c.add("x", ir::tensor_of(c.data["x"].type, {1, 2, 3, 4, 5, 6, 7, 8, 9}));
  c.add("w", ir::tensor_of(c.data["w"].type, {1, 10, 100, 1000}));
  c.add("b", ir::tensor_of(c.data["b"].type, {0.5}));
  CHECK(c.difference() == 0);
  CHECK(ir::elements_of(c.data["y"]) ==
        std::vector<double>{2100.5, 3200.5, 300.5, 5421.5, 6532.5, 603.5, 8754.5, 9865.5, 906.5});
}

TEST_CASE("convolutions agree with the reference in every layout", "[naive]") {
  const char* attributes[] = {
      "",
      " {stride = 2}",
      " {pad = [(2, 1), (1, 3)]}",
      " {dilation = [2, 1], pad = 2}",
      " {stride = [3, 1], pad = [1, 4], dilation = [1, 2]}",
      " {groups = 2, pad = 1}",
  };
  for (const std::string x : {"nchw", "nhwc", "chwn"})
    for (const std::string y : {"nchw", "nhwc", "hwcn"})
      for (const std::string w : {"oihw", "hwio"})
        for (const std::string attribute : attributes) {
          CAPTURE(x, y, w, attribute);
          const bool grouped = attribute.find("groups") != std::string::npos;
          std::string weight = w == "oihw" ? "f32[o=6, i=I, h=3, w=2]" : "f32[h=3, w=2, i=I, o=6]";
          weight.replace(weight.find('I'), 1, grouped ? "2" : "4");
          const std::string head = "program @p(%x: " + x_type(x, 2, 4, 11, 13) + ", %w: " + weight +
                                   ", %b: f32[o=6]) {\n  ";
          // The result's extents come from inference in the operand's order; then ask for another.
          const ir::Program plain =
              ir::parse(head + "%y = conv %x, %w, %b" + attribute + "\n  return %y\n}").value();
          const ir::TensorType& type = plain.type(plain.outputs[0]);
          const auto size = [&](ir::Axis axis) { return static_cast<int>(type.size(axis)); };
          const std::string asked =
              x_type(y, size(ir::Axis::n), size(ir::Axis::c), size(ir::Axis::h), size(ir::Axis::w));
          CHECK(difference(head + "%y = conv %x, %w, %b" + attribute + " : " + asked +
                           "\n  return %y\n}") == 0);
        }
}

TEST_CASE("depthwise and one-dimensional convolutions agree with the reference", "[naive]") {
  for (const std::string order : {"nchw", "nhwc"})
    for (const std::string stride : {"1", "2"})
      CHECK(difference("program @p(%x: " + x_type(order, 2, 5, 9, 7) +
                       ", %w: f32[o=5, i=1, h=3, w=3]) {\n  %y = conv %x, %w {groups = 5, pad = 1,"
                       " stride = " +
                       stride + "}\n  return %y\n}") == 0);
  CHECK(difference("program @p(%x: f32[n=2, c=3, w=17], %w: f32[o=4, i=3, w=5]) {\n"
                   "  %y = conv %x, %w {pad = 2, stride = 2}\n  return %y\n}") == 0);
  CHECK(difference("program @p(%x: f32[n=2, w=17, c=3], %w: f32[o=4, i=3, w=5]) {\n"
                   "  %y = conv %x, %w {pad = same}\n  return %y\n}") == 0);
}

TEST_CASE("a filter that mostly misses the input agrees with the reference", "[naive]") {
  for (const std::string order : {"nchw", "nhwc"})
    CHECK(difference("program @p(%x: " + x_type(order, 1, 2, 2, 3) +
                     ", %w: f32[o=3, i=2, h=3, w=3]) {\n"
                     "  %y = conv %x, %w {pad = 9, dilation = 4}\n  return %y\n}") == 0);
}

TEST_CASE("an empty batch is computed without touching memory", "[naive]") {
  CHECK(difference("program @p(%x: f32[n=0, c=2, h=4, w=4], %w: f32[o=3, i=2, h=3, w=3]) {\n"
                   "  %y = conv %x, %w\n  return %y\n}") == 0);
}

TEST_CASE("pools agree with the reference", "[naive]") {
  const char* attributes[] = {"kernel = 2", "kernel = [3, 2], stride = [2, 1], pad = 1",
                              "kernel = 3, stride = 2, pad = 1, ceil_mode = true",
                              "kernel = 2, dilation = 3, stride = 1",
                              "kernel = 3, stride = 2, pad = [(0, 1), (1, 0)]"};
  for (const std::string order : {"nchw", "nhwc"})
    for (const std::string attribute : attributes) {
      CAPTURE(order, attribute);
      const std::string head = "program @p(%x: " + x_type(order, 2, 3, 10, 8) + ") {\n  %y = ";
      const std::string tail = "}\n  return %y\n}";
      CHECK(difference(head + "max_pool %x {" + attribute + tail) == 0);
      CHECK(difference(head + "avg_pool %x {" + attribute + tail) < 1e-6);
      CHECK(difference(head + "avg_pool %x {count_include_pad = false, " + attribute + tail) <
            1e-6);
      CHECK(difference(head + "avg_pool %x {divisor = -3, " + attribute + tail) < 1e-6);
    }
  for (const std::string pool : {"global_avg_pool", "global_max_pool"})
    CHECK(difference("program @p(%x: f32[n=2, h=5, w=7, c=3]) {\n  %y = " + pool +
                     " %x\n  return %y\n}") < 1e-6);
}

TEST_CASE("a window without taps and a NaN come out as the language says", "[naive]") {
  CHECK(difference("program @p(%x: f32[n=1, c=1, h=1, w=2]) {\n"
                   "  %y = max_pool %x {kernel = [1, 2], dilation = 3, stride = 1, pad = [0, 1]}\n"
                   "  return %y\n}") == 0);
  CHECK(difference("program @p(%x: f32[n=1, c=1, h=1, w=2]) {\n  %y = avg_pool %x {kernel = [1, 2],"
                   " dilation = 3, stride = 1, pad = [0, 1], count_include_pad = false}\n"
                   "  return %y\n}") == 0);
  for (const std::string order : {"nchw", "nhwc"}) {
    Case c("program @p(%x: " + x_type(order, 1, 3, 5, 5) +
           ") {\n"
           "  %y = max_pool %x {kernel = 3, stride = 1}\n  return %y\n}");
    std::vector<double> values = whole_numbers(75, 3);
    values[37] = NAN;
    c.add("x", ir::tensor_of(c.data["x"].type, values));
    CHECK(c.difference() == 0);
  }
}

TEST_CASE("element-wise steps agree with the reference", "[naive]") {
  const char* unary[] = {"relu",     "relu6", "clamp",       "leaky_relu", "elu",  "sigmoid",
                         "tanh",     "silu",  "hardsigmoid", "hardswish",  "mish", "gelu",
                         "softplus", "abs",   "neg",         "exp"};
  for (const std::string order : {"nchw", "nhwc"}) {
    const std::string scaled = "program @p(%x: " + x_type(order, 2, 3, 5, 6) +
                               ", %w: f32[o=4, i=3, h=1, w=1], %k: f32[c=4]) {\n"
                               "  %s = const [0.25, 0.5, 0.125, -0.5] : f32[c=4]\n"
                               "  %0 = conv %x, %w\n  %1 = mul %0, %s\n  %2 = add %1, %k\n  %y = ";
    for (const std::string name : unary) {
      CAPTURE(order, name);
      const std::string attributes = name == "clamp" ? " {min = -1, max = 2}" : "";
      CHECK(difference(scaled + name + " %2" + attributes + "\n  return %y\n}") < 1e-5);
    }
    CHECK(difference(scaled + "gelu %2 {approximate = tanh}\n  return %y\n}") < 1e-5);
    CHECK(difference(scaled + "clamp %2 {max = 1}\n  return %y\n}") < 1e-6);
    CHECK(difference(scaled + "abs %2\n  return %y\n}") == 0);
  }
}

TEST_CASE("a second operand may have another layout and may come first", "[naive]") {
  for (const std::string order : {"nchw", "nhwc"})
    for (const std::string other : {"nchw", "nhwc"})
      for (const std::string step :
           {"add %0, %r", "sub %0, %r", "sub %r, %0", "mul %r, %0", "max %0, %r", "min %r, %0"}) {
        CAPTURE(order, other, step);
        // The result keeps the memory order of the first operand, so it is asked for by type.
        CHECK(difference("program @p(%x: " + x_type(order, 2, 3, 5, 6) +
                         ", %w: f32[o=4, i=3, h=1, w=1], %r: " + x_type(other, 2, 4, 5, 6) +
                         ") {\n  %0 = conv %x, %w\n  %y = " + step + " : " +
                         x_type(order, 2, 4, 5, 6) + "\n  return %y\n}") == 0);
      }
}

TEST_CASE("weights and biases are constant from preparation on, inputs are not", "[naive]") {
  Case c("program @p(%x: f32[n=1, c=1, h=1, w=2], %w: f32[o=1, i=1, h=1, w=1], %b: f32[o=1]) {\n"
         "  %y = conv %x, %w, %b\n  return %y\n}");
  const auto set = [&](const char* name, std::vector<float> values) {
    std::memcpy(c.data[name].bytes.data(), values.data(), values.size() * sizeof(float));
  };
  set("x", {1, 2});
  set("w", {10});
  set("b", {5});
  const auto ready = bench::naive_peer().prepare(c.program, c.tensors).value();
  set("x", {3, 4});
  set("w", {NAN});
  set("b", {NAN});
  ready->run();
  CHECK(ir::elements_of(c.data["y"]) == std::vector<double>{35, 45});
}

TEST_CASE("naive says what it has no loops for", "[naive]") {
  CHECK(refusal("program @p(%x: f64[n=1, c=1, h=3, w=3], %w: f64[o=1, i=1, h=1, w=1]) {\n"
                "  %y = conv %x, %w\n  return %y\n}") == "%x: naive computes in f32, not in f64");
  CHECK(refusal("program @p(%x: f32[n=1, c=1, d=3, h=3, w=3]) {\n"
                "  %y = max_pool %x {kernel = 2}\n  return %y\n}") ==
        "%x: naive has loops for one or two spatial axes, not for three");
  CHECK(refusal("program @p(%x: f32[n=1, c=2, h=3, w=3, c=4]) {\n"
                "  %y = max_pool %x {kernel = 2}\n  return %y\n}") ==
        "%x: naive walks whole axes, and c is split into 2 parts");
  CHECK(refusal("program @p(%x: f32[n=1, c=1, h=3, w=3], %w: f32[o=1, i=1, h=2, w=2]) {\n"
                "  %y = conv %x, %w {pad = 1, padding_mode = reflect}\n  return %y\n}") ==
        "conv: naive pads with zeros, in no other padding_mode");
}

TEST_CASE("memory that does not fit is refused before anything is computed", "[naive]") {
  Case c("program @p(%x: f32[n=1, c=1, h=3, w=3]) {\n"
         "  %y = max_pool %x {kernel = 2}\n  return %y\n}");
  const auto message = [&](const Tensors& tensors) {
    const auto ready = bench::naive_peer().prepare(c.program, tensors);
    REQUIRE_FALSE(ready);
    return to_string(ready.diagnostics().front());
  };
  Tensors tensors = c.tensors;
  tensors.erase("y");
  CHECK(message(tensors) == "%y: no memory is given for it");
  tensors = c.tensors;
  tensors["x"] = tensors["x"].first(35);
  CHECK(message(tensors) == "%x: f32[n=1, c=1, h=3, w=3] takes 36 bytes, and 35 are given");
  std::vector<float> memory(10);
  tensors["x"] = std::as_writable_bytes(std::span(memory)).subspan(1, 36);
  CHECK(message(tensors) == "%x: its address is not a multiple of 4");
}

TEST_CASE("peers are found by name", "[naive]") {
  CHECK(*bench::find_peer("naive") == &bench::naive_peer());
  CHECK_FALSE(bench::find_peer("onednnn"));
  for (const bench::PeerEntry& entry : bench::known_peers()) {
    CAPTURE(entry.name);
    const auto peer = bench::find_peer(entry.name);
    CHECK(peer.has_value() == bench::is_built(entry.name));
    if (peer)
      CHECK((*peer)->name() == entry.name);
    else
      CHECK(peer.diagnostics()[0].hint.find(entry.package) != std::string::npos);
  }
}
