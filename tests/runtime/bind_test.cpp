// Inputs bound in every order and combination: what is computed then, what a call still runs, what
// the kernel keeps, and that not a bit of the results depends on any of it.
#include "ir/parse.h"
#include "ir/reference.h"
#include "runtime/session.h"
#include "tests/runtime/failure_text.h"
#include "tests/support/catch.h"
#include "tests/support/guarded_buffer.h"
#include "tests/support/whole_numbers.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <numeric>
#include <thread>

using namespace volute;
using volute::tests::failure_text;
using volute::tests::GuardedBuffer;
using Names = std::vector<std::string>;

namespace {

/// A program, whole numbers for its inputs, and what the reference makes of them.
class Case {
public:
  explicit Case(const std::string& text, uint64_t seed = 3)
      : program_(ir::parse(text).value()), inputs_(tests::whole_numbers(program_, seed)) {
    std::map<std::string, const ir::TensorData*> views;
    for (const auto& [name, tensor] : inputs_) views[name] = &tensor;
    wanted_ = ir::evaluate(program_, views).value();
  }

  const ir::Program& program() const { return program_; }
  const ir::TensorData& input(const std::string& name) const { return inputs_.at(name); }
  TensorView view(const std::string& name) const {
    return TensorView(input(name).type, input(name).bytes.data());
  }

  /// Binds from memory that ends at a wall and is gone afterwards.
  Kernel bind(const Kernel& kernel, const std::string& name,
              GuardedBuffer::Wall wall = GuardedBuffer::Wall::at_end) const {
    const std::vector<std::byte>& bytes = input(name).bytes;
    const GuardedBuffer memory(bytes.size(), wall);
    std::memcpy(memory.data(), bytes.data(), bytes.size());
    return kernel.bind(name, TensorView(input(name).type, memory.data()));
  }

  /// What is wrong with a call of the kernel, every argument between walls.
  std::string fault(const Kernel& kernel) const {
    std::vector<std::unique_ptr<GuardedBuffer>> memory;
    std::vector<std::unique_ptr<MutableTensorView>> views;
    std::vector<TensorRef> arguments;
    const auto add = [&](const std::string& name) {
      const ir::TensorType& type = kernel.type(name);
      memory.push_back(std::make_unique<GuardedBuffer>(static_cast<size_t>(type.bytes())));
      views.push_back(std::make_unique<MutableTensorView>(type, memory.back()->data()));
      arguments.push_back(*views.back());
    };
    for (const std::string& name : kernel.inputs()) {
      add(name);
      std::memcpy(memory.back()->data(), input(name).bytes.data(), memory.back()->size());
    }
    const size_t first_output = memory.size();
    for (const std::string& name : kernel.outputs()) add(name);
    // The workspace is full of NaN, so that nothing from the call before is found there.
    const GuardedBuffer workspace(static_cast<size_t>(kernel.workspace_bytes()));
    if (const Status status = kernel.call(arguments, {workspace.data(), workspace.size()}); !status)
      return status.message();
    if (!workspace.margin_is_untouched()) return "wrote outside the workspace";
    for (size_t i = 0; i < kernel.outputs().size(); ++i) {
      const GuardedBuffer& found = *memory[first_output + i];
      const std::string name = kernel.outputs()[i];
      if (!found.margin_is_untouched()) return "wrote outside %" + name;
      if (auto words =
              tests::difference(kernel.type(name), {found.data(), found.data() + found.size()},
                                wanted_.at(name).bytes, {tests::Closeness::Kind::values, 0}))
        return "%" + name + ": " + *words;
    }
    return "";
  }

private:
  ir::Program program_;
  tests::Tensors inputs_;
  std::map<std::string, ir::TensorData> wanted_;
};

// One of each way in which a kernel's steps depend on its inputs.
const char* const programs[] = {
    // A weight that is packed, or not, and a bias.
    R"(program @plain(%x: f32[n=1, h=7, w=9, c=5], %w: f32[o=19, i=5, h=3, w=3], %b: f32[o=19]) {
  %0 = conv %x, %w, %b {pad = 1}
  %y = relu %0
  return %y })",
    // A weight that is computed in two steps, from two inputs.
    R"(program @computed(%x: f32[n=1, h=7, w=9, c=5], %w: f32[o=16, i=5, h=3, w=3],
                         %s: f32[o=16, i=5, h=3, w=3], %b: f32[o=16]) {
  %0 = mul %w, %s
  %1 = reorder %0 : f32[i=5, h=3, w=3, o=16]
  %y = conv %x, %1, %b
  return %y })",
    // One weight for two convolutions, read as it is too.
    R"(program @shared(%x: f32[n=1, c=6, h=9, w=8], %w: f32[o=6, i=6, h=3, w=3],
                       %s: f32[o=6, i=6, h=3, w=3]) {
  %0 = conv %x, %w {pad = 1}
  %1 = max_pool %0 {kernel = 2, stride = 1}
  %y = conv %1, %w
  %z = add %w, %s
  return %y, %z })",
    // A computed weight that the caller wants to see.
    R"(program @returned(%x: f32[n=1, c=4, h=6, w=8], %w: f32[o=8, i=4, h=3, w=3],
                         %s: f32[o=8, i=4, h=3, w=3]) {
  %v = max %w, %s
  %y = conv %x, %v
  return %v, %y })",
    // Sums of the weight for the zero points, and a copy of the image.
    R"(program @bytes(%x: u8[n=1, h=7, w=9, c=6], %w: i8[o=16, i=6, h=3, w=3], %b: i32[o=16]) {
  %y = conv %x, %w, %b {x_zero_point = 3, w_zero_point = 2, pad = 1}
  return %y })",
    // A weight cut into phases, one of them empty.
    R"(program @phases(%x: f32[n=1, h=5, w=6, c=4], %w: f32[i=4, o=8, h=1, w=3], %b: f32[o=8]) {
  %0 = relu %w
  %y = conv_transpose %x, %0, %b {stride = [2, 2]}
  return %y })",
    // Statistics of a batch_norm, whose factors are exact for a variance that is a square.
    R"(program @normed(%x: f32[n=1, h=5, w=6, c=4], %w: f32[o=8, i=4, h=3, w=3], %s: f32[c=8],
                       %t: f32[c=8], %m: f32[c=8]) {
  %v = const [0.75, 3.75, 15.75, 63.75, 0.75, 3.75, 15.75, 63.75] : f32[c=8]
  %0 = conv %x, %w
  %1 = batch_norm %0, %s, %t, %m, %v {epsilon = 0.25}
  %y = relu %1
  return %y })",
    // Nothing but weights: even the result follows from what is bound.
    R"(program @weights(%a: f32[o=8, i=4, h=3, w=3], %b: f32[o=8, i=4, h=3, w=3],
                        %c: f32[o=8, i=4, h=3, w=3]) {
  %0 = mul %a, %b
  %1 = reorder %0 : f32[h=3, w=3, i=4, o=8]
  %2 = reorder %1 : f32[o=8, i=4, h=3, w=3]
  %y = sub %2, %c
  return %y })",
};

/// Each order of each subset.
std::vector<Names> orders(const Names& names) {
  std::vector<Names> all;
  for (size_t subset = 1; subset < size_t{1} << names.size(); ++subset) {
    Names chosen;
    for (size_t i = 0; i < names.size(); ++i)
      if (subset >> i & 1) chosen.push_back(names[i]);
    std::sort(chosen.begin(), chosen.end());
    do all.push_back(chosen);
    while (std::next_permutation(chosen.begin(), chosen.end()));
  }
  return all;
}

} // namespace

TEST_CASE("inputs bound in any order and combination change nothing but what is left to do") {
  Session session;
  for (const char* text : programs)
    for (const char* schedule : {"auto", "naive"}) {
      const Case given(text);
      const Kernel kernel = session.compile(given.program(), {.schedule = schedule});
      CAPTURE(text, schedule);
      CHECK(given.fault(kernel) == "");
      std::map<Names, Kernel> by_set;
      for (const Names& order : orders(kernel.inputs())) {
        Kernel bound = kernel;
        const auto wall =
            by_set.size() % 2 ? GuardedBuffer::Wall::at_begin : GuardedBuffer::Wall::at_end;
        for (const std::string& name : order) bound = given.bind(bound, name, wall);
        CAPTURE(order);
        CHECK(given.fault(bound) == "");
        Names set = order;
        std::sort(set.begin(), set.end());
        const Kernel& first = by_set.try_emplace(set, bound).first->second;
        CHECK(bound.steps() == first.steps());
        CHECK(bound.owned_bytes() == first.owned_bytes());
        CHECK(bound.workspace_bytes() == first.workspace_bytes());
        CHECK(bound.inputs() == first.inputs());
        CHECK(bound.steps().size() <= kernel.steps().size());
        CHECK(bound.workspace_bytes() <= kernel.workspace_bytes());
      }
      CHECK(given.fault(kernel) == ""); // as it was
    }
}

TEST_CASE("a weight that the program computes is packed when its sources are bound") {
  Session session;
  const Case given(programs[1]);
  const Kernel kernel = session.compile(given.program(), {.schedule = R"(nest conv_y:
parallel n, h
for kh, kw, i
registers w 7, o 16 vector 4
pack weight)"});
  CHECK(kernel.steps() == Names{"mul_1", "pack_%1", "conv_y"});
  CHECK(kernel.owned_bytes() == 0);
  constexpr int64_t weight = 4 * 16 * 5 * 3 * 3;
  const Kernel half = given.bind(kernel, "w");
  CHECK(half.steps() == kernel.steps());
  CHECK(half.owned_bytes() == weight);
  CHECK(half.workspace_bytes() == kernel.workspace_bytes());
  const Kernel whole = given.bind(half, "s");
  CHECK(whole.steps() == Names{"conv_y"});
  CHECK(whole.owned_bytes() == weight); // the packed one, and neither source
  CHECK(whole.workspace_bytes() == 0);
  CHECK(given.bind(whole, "b").owned_bytes() == weight + 4 * 16);
  CHECK(given.fault(whole) == "");
  // The image alone stays as it is given.
  const Kernel image = given.bind(kernel, "x");
  CHECK(image.steps() == kernel.steps());
  CHECK(image.owned_bytes() == 4 * 7 * 9 * 5);
}

TEST_CASE("a batch_norm of bound operands is one multiply-add of a call") {
  Session session;
  const Case given(programs[6]);
  const Kernel kernel = session.compile(given.program(), {.schedule = "naive"});
  CHECK(kernel.steps() == Names{"batch_norm_1_scale", "batch_norm_1_shift", "conv_y"});
  Kernel bound = given.bind(kernel, "m");
  CHECK(bound.steps() == kernel.steps());
  bound = given.bind(bound, "s");
  CHECK(bound.steps() == Names{"batch_norm_1_shift", "conv_y"});
  bound = given.bind(bound, "t");
  CHECK(bound.steps() == Names{"conv_y"});
  CHECK(bound.owned_bytes() == 2 * 4 * 8); // the two vectors, and no operand
  CHECK(given.fault(bound) == "");
}

TEST_CASE("a bound weight is in memory packed, or as it is, and not twice") {
  Session session;
  const Case given(programs[0]);
  const std::string loops = "parallel n, h, w by 3\nfor kh, kw, i\nregisters w 3, o 20 vector 4\n";
  constexpr int64_t plain = 4 * 19 * 5 * 3 * 3, packed = 4 * 20 * 5 * 3 * 3;
  const Kernel packing = session.compile(given.program(), {.schedule = loops + "pack weight"});
  CHECK(packing.steps() == Names{"pack_w", "conv_y"});
  const Kernel with_packed = given.bind(packing, "w");
  CHECK(with_packed.steps() == Names{"conv_y"});
  CHECK(with_packed.owned_bytes() == packed);
  const Kernel naive = session.compile(given.program(), {.schedule = "naive"});
  CHECK(given.bind(naive, "w").owned_bytes() == plain);
  // Read packed by one step and as it is by another.
  const Case shared(programs[2]);
  const Kernel both =
      shared.bind(session.compile(shared.program(),
                                  {.schedule = "nest conv_0:\nparallel n, h, w\nfor i, kh, kw\n"
                                               "registers o 6 vector 2\npack weight\n"
                                               "nest conv_y:\nparallel n, o, h, w\nfor i, kh, kw"}),
                  "w");
  CHECK(shared.fault(both) == "");
  CHECK(both.owned_bytes() == 2 * 4 * 6 * 6 * 3 * 3);
}

TEST_CASE("bound strided views, dense and apart, give the dense one's numbers") {
  Session session;
  const Case given(programs[1]);
  const Kernel kernel = session.compile(given.program());
  const ir::TensorData& dense = given.input("w");
  const int64_t count = dense.type.elements();
  std::vector<float> apart(static_cast<size_t>(2 * count));
  for (int64_t i = 0; i < count; ++i)
    apart[static_cast<size_t>(2 * i)] = reinterpret_cast<const float*>(dense.bytes.data())[i];
  TensorStrides strides = compiler::dense_strides(dense.type);
  for (int64_t& stride : strides) stride *= 2;
  const TensorView view(dense.type, apart.data(), strides);
  CHECK(given.fault(given.bind(kernel.bind("w", view), "s")) == "");
  CHECK(given.fault(given.bind(kernel, "s").bind("w", view)) == "");
}

TEST_CASE("steps that follow from constants alone run when the kernel is loaded") {
  Session session;
  // Without an input nothing is folded, so that there is something to look at.
  const Case given(R"(program @p() {
  %x = const [1, 2, 0, 3, 1, 4, 2, 2, 5] : f32[n=1, c=1, h=3, w=3]
  %0 = max_pool %x {kernel = 2, stride = 1}
  %1 = avg_pool %0 {kernel = 2, stride = 1}
  %y = max_pool %1 {kernel = 1}
  return %y })");
  const Kernel kernel = session.compile(given.program(), {.schedule = "naive"});
  CHECK(kernel.steps() == Names{"max_pool_y"});
  CHECK(kernel.owned_bytes() == 4);
  CHECK(kernel.workspace_bytes() == 0);
  CHECK(given.fault(kernel) == "");
  // Beside an input, too large to be a table of the image.
  const Case mixed(R"(program @p(%i: f32[n=1, c=1, h=300, w=300]) {
  %x = const [1, 2, 3, 4] : f32[n=1, c=1, h=2, w=2]
  %0 = pad %x {pad = 299}
  %1 = max_pool %0 {kernel = 2}
  %y = add %1, %i
  return %y })");
  const Kernel large = session.compile(mixed.program(), {.schedule = "naive"});
  CHECK(large.steps() == Names{"max_pool_y"});
  CHECK(large.owned_bytes() == 4 * 600 * 600);
  CHECK(large.mapped_bytes() < 3 * 4096);
  CHECK(mixed.fault(large) == "");
}

TEST_CASE("bound on one thread, called on many") {
  Session session;
  const Case given(programs[1]);
  const Kernel alone = session.compile(given.program());
  const Kernel on_three = alone.with_threads(*Threads::pool(3));
  const Kernel bound = given.bind(given.bind(on_three, "s"), "w");
  CHECK(bound.owned_bytes() == given.bind(given.bind(alone, "w"), "s").owned_bytes());
  std::vector<std::string> faults(8);
  std::vector<std::thread> threads;
  for (std::string& fault : faults)
    threads.emplace_back([&] {
      for (int call = 0; call < 20 && fault.empty(); ++call) fault = given.fault(bound);
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(faults == std::vector<std::string>(8));
  CHECK(given.fault(bound.with_threads(*Threads::pool(2))) == "");
  CHECK(bound.with_threads(*Threads::pool(2)).steps() == bound.steps());
  // Several threads bind one kernel at once.
  std::vector<std::thread> binders;
  for (std::string& fault : faults)
    binders.emplace_back([&] { fault = given.fault(given.bind(given.bind(alone, "w"), "s")); });
  for (std::thread& thread : binders) thread.join();
  CHECK(faults == std::vector<std::string>(8));
}

TEST_CASE("a step that fails when it is prepared fails the binding, in the step's words") {
  Session session;
  const ir::Program program =
      *ir::parse("program @p(%x: f32[n=1, c=2, h=2, w=2], %i: i64[n=1, c=2, h=2, w=2],"
                 "           %w: f32[o=3, i=2, h=2, w=2]) {"
                 "  %0 = max_unpool %x, %i {kernel = 2} %y = conv %0, %w return %y }");
  const Kernel kernel = session.compile(program, {.schedule = "naive"});
  const Tensor x = *Tensor::allocate(kernel.type("x")), w = *Tensor::allocate(kernel.type("w"));
  Tensor i = *Tensor::allocate(kernel.type("i")), y = *Tensor::allocate(kernel.type("y"));
  CHECK(kernel.bind("x", x).bind("i", i).steps() == Names{"conv_y"});
  CHECK(kernel.bind("x", x).bind("i", i)(w, y).ok());
  i.as<int64_t>()[5] = 16;
  const Kernel half = kernel.bind("i", i); // only copied so far
  CHECK(failure_text(half.try_bind("x", x)) ==
        "p: max_unpool_0: %i: the index 16 at [n=0, c=1, h=0, w=1] is outside the result's 16 "
        "positions");
  CHECK(half(x, w, y).code() == StatusCode::index_out_of_range);
}
