#include "compiler/image/preparation.h"
#include "tests/support/catch.h"
#include "tests/support/dice.h"

#include <algorithm>
#include <set>

using namespace volute::compiler;
using volute::tests::Dice;
using Role = ImageBuffer::Role;
using Indices = std::vector<size_t>;

namespace {

ImageBuffer buffer(const std::string& name, Role role) {
  ImageBuffer result;
  result.name = name;
  result.role = role;
  result.bytes = 64;
  return result;
}

ImageStep step(const std::string& name, std::vector<int32_t> reads, std::vector<int32_t> writes) {
  return {name, 0, 1, std::move(reads), std::move(writes)};
}

/// %w2 = mul %w, %s; %y = conv %x, %w2, with the weight packed.
enum : int32_t { x, w, s, y, w2, packed };
Image computed_weight() {
  Image image;
  image.buffers = {buffer("x", Role::input),         buffer("w", Role::input),
                   buffer("s", Role::input),         buffer("y", Role::output),
                   buffer("w2", Role::intermediate), buffer("w2_packed", Role::intermediate)};
  image.steps = {step("mul", {w, s}, {w2}), step("pack", {w2}, {packed}),
                 step("conv", {x, packed}, {y})};
  return image;
}

std::vector<bool> these(const Image& image, const std::set<int32_t>& buffers) {
  std::vector<bool> flags(image.buffers.size());
  for (const int32_t b : buffers) flags[static_cast<size_t>(b)] = true;
  return flags;
}

/// The definition, tried on every step until nothing changes.
Preparation by_trying(const Image& image, const std::vector<bool>& bound) {
  std::vector<bool> waits(image.steps.size());
  const auto varies = [&](int32_t b) {
    const auto at = static_cast<size_t>(b);
    if (image.buffers[at].role == Role::input) return !bound[at];
    if (image.buffers[at].role == Role::output) return true;
    bool is_written = false, by_waiting = false;
    for (size_t i = 0; i < image.steps.size(); ++i)
      if (const auto& writes = image.steps[i].writes;
          std::find(writes.begin(), writes.end(), b) != writes.end())
        is_written = true, by_waiting |= waits[i];
    return !is_written || by_waiting;
  };
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t i = 0; i < image.steps.size(); ++i) {
      const ImageStep& at = image.steps[i];
      if (waits[i] || (std::none_of(at.reads.begin(), at.reads.end(), varies) &&
                       std::none_of(at.writes.begin(), at.writes.end(), varies)))
        continue;
      waits[i] = changed = true;
    }
  }
  Preparation result;
  for (size_t i = 0; i < image.steps.size(); ++i)
    (waits[i] ? result.each_call : result.once).push_back(i);
  for (size_t b = 0; b < image.buffers.size(); ++b) {
    const auto id = static_cast<int32_t>(b);
    result.known.push_back(!varies(id));
    result.kept.push_back(
        result.known[b] &&
        std::any_of(result.each_call.begin(), result.each_call.end(), [&](size_t i) {
          const auto& reads = image.steps[i].reads;
          return std::find(reads.begin(), reads.end(), id) != reads.end();
        }));
  }
  return result;
}

Image random_image(Dice& dice) {
  Image image;
  const auto buffers = static_cast<int32_t>(dice.between(1, 12));
  for (int32_t b = 0; b < buffers; ++b)
    image.buffers.push_back(buffer("b", static_cast<Role>(dice.between(0, 2))));
  for (int64_t steps = dice.between(0, 10); steps > 0; --steps) {
    ImageStep made = step("s", {}, {});
    for (auto* touched : {&made.reads, &made.writes})
      for (int64_t n = dice.between(0, 3); n > 0; --n) {
        const auto b = static_cast<int32_t>(dice.between(0, buffers - 1));
        if (touched == &made.reads || image.buffers[static_cast<size_t>(b)].role != Role::input)
          touched->push_back(b);
      }
    image.steps.push_back(std::move(made));
  }
  return image;
}

} // namespace

TEST_CASE("nothing bound: every step that an input reaches runs on each call") {
  const Image image = computed_weight();
  const Preparation none = prepare(image);
  CHECK(none.once.empty());
  CHECK(none.each_call == Indices{0, 1, 2});
  CHECK(none.known == std::vector<bool>(6));
  CHECK(none.kept == std::vector<bool>(6));
}

TEST_CASE("a computed weight is packed once both of its sources are bound, and alone is kept") {
  const Image image = computed_weight();
  const Preparation half = prepare(image, these(image, {w}));
  CHECK(half.once.empty());
  CHECK(half.kept == these(image, {w}));
  const Preparation whole = prepare(image, these(image, {w, s}));
  CHECK(whole.once == Indices{0, 1});
  CHECK(whole.each_call == Indices{2});
  CHECK(whole.known == these(image, {w, s, w2, packed}));
  CHECK(whole.kept == these(image, {packed}));
  // The image alone: it meets the packed weight on each call.
  CHECK(prepare(image, these(image, {x})).kept == these(image, {x}));
  // Outputs are the caller's: the step that writes them waits for a call.
  CHECK(prepare(image, these(image, {x, w, s})).each_call == Indices{2});
  CHECK(prepare(image, these(image, {x, w, s})).kept == these(image, {x, packed}));
}

TEST_CASE("what depends on constants alone runs at load") {
  Image image = computed_weight();
  image.steps[0].reads.clear(); // of tables
  CHECK(prepare(image).once == Indices{0, 1});
  CHECK(prepare(image).kept == these(image, {packed}));
}

TEST_CASE("a buffer is known when all that is written to it is") {
  Image image = computed_weight();
  image.steps.insert(image.steps.begin() + 1, step("part", {x}, {w2})); // the other half of it
  const Preparation prepared = prepare(image, these(image, {w, s}));
  CHECK(prepared.once.empty());
  CHECK(prepared.kept == these(image, {w, s}));
}

TEST_CASE("a weight that is returned is the caller's, and so is what follows from it") {
  Image image = computed_weight();
  image.buffers[w2].role = Role::output;
  CHECK(prepare(image, these(image, {w, s})).each_call == Indices{0, 1, 2});
}

TEST_CASE("what a parameter decides varies from call to call") {
  Image image = computed_weight();
  const std::vector<bool> bound = these(image, {w, s});
  image.steps[1].work_by = {volute::ir::Var{0}};
  CHECK(prepare(image, bound).once == Indices{0});
  CHECK(prepare(image, bound).kept == these(image, {w2}));
  image = computed_weight();
  image.buffers[w2].dims = {{volute::ir::Var{0}, 1}};
  CHECK(prepare(image, bound).once.empty());
}

TEST_CASE("a buffer lives from the first step of a call that touches it to the last") {
  Image image;
  for (int i = 0; i < 5; ++i) image.buffers.push_back(buffer("t", Role::intermediate));
  image.buffers.push_back(buffer("x", Role::input));
  image.steps = {step("a", {5}, {0, 1}), step("b", {1}, {2}), step("c", {2, 5}, {3}),
                 step("d", {0}, {3})};
  const auto lifetimes = [&](const Preparation& preparation) {
    std::vector<Lifetime> result;
    for (const Resident& resident : workspace_residents(image, preparation))
      if (resident.bytes > 0) result.push_back(resident.lifetime);
    return result;
  };
  CHECK(lifetimes(prepare(image)) == std::vector<Lifetime>{{0, 3}, {0, 1}, {1, 2}, {2, 3}, {}});
  image.buffers.push_back(buffer("w", Role::input));
  image.steps[0].reads = {6}; // now the first two steps follow from w
  CHECK(lifetimes(prepare(image, these(image, {6}))) == std::vector<Lifetime>{{2, 3}, {}});
}

TEST_CASE("preparation is what its definition says, of any image and whatever is bound") {
  Dice dice(5);
  int prepared_something = 0;
  for (int round = 0; round < 5000; ++round) {
    const Image image = random_image(dice);
    std::vector<bool> bound;
    for (const ImageBuffer& b : image.buffers)
      bound.push_back(b.role == Role::input && dice.once_in(2));
    const Preparation found = prepare(image, bound), expected = by_trying(image, bound);
    CHECK(found.known == expected.known);
    CHECK(found.kept == expected.kept);
    CHECK(found.once == expected.once);
    CHECK(found.each_call == expected.each_call);
    prepared_something += !found.once.empty() && !found.each_call.empty();
  }
  CHECK(prepared_something > 500);
}

TEST_CASE("a chain of 20,000 steps is prepared in a time that its length decides") {
  Image image;
  image.buffers = {buffer("w", Role::input)};
  constexpr int32_t length = 20000;
  for (int32_t i = 0; i < length; ++i) {
    image.buffers.push_back(buffer("t", Role::intermediate));
    image.steps.push_back(step("s", {i}, {i + 1}));
  }
  image.buffers.back().role = Role::output;
  CHECK(prepare(image).each_call.size() == length);
  std::vector<bool> bound(image.buffers.size());
  bound[0] = true;
  const Preparation prepared = prepare(image, bound);
  CHECK(prepared.each_call == Indices{length - 1});
  CHECK(std::count(prepared.kept.begin(), prepared.kept.end(), true) == 1);
}

TEST_CASE("a sentence says of each step that does not run on every call when it runs") {
  Image image = computed_weight();
  for (ImageBuffer& b : image.buffers)
    b.type = volute::ir::TensorType{volute::ir::ElementType::f32, {{volute::ir::Axis::c, 16}}};
  image.buffers[x].type->extents.push_back({volute::ir::Axis::n, 1});
  CHECK(prepared_steps(image) == std::vector<std::string>{"mul: once, when %w, %s are bound",
                                                          "pack: once, when %w, %s are bound"});
  image.steps[0].reads = {};
  CHECK(prepared_steps(image) == std::vector<std::string>{"mul: once, when the kernel is made",
                                                          "pack: once, when the kernel is made"});
  image.steps[1].reads = {w2, x};
  CHECK(prepared_steps(image) == std::vector<std::string>{"mul: once, when the kernel is made"});
}
