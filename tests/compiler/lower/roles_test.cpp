// What axes and nests are said to be: decisions are taken by it, names are for people.

#include "compiler/lower/legalise.h"
#include "compiler/lower/lower.h"
#include "compiler/rewrites/dot_products.h"
#include "ir/parse.h"
#include "tests/support/catch.h"

#include <fmt/format.h>

#include <string>

using namespace volute;

namespace {

/// "compute: n batch, o channel, h space / i channel, kh tap", a line a nest; digits say how far
/// apart they are.
std::string roles(const ir::NestProgram& program) {
  std::string text;
  for (const ir::Nest& nest : program.nests) {
    text += fmt::format("{}:", to_string(nest.kind));
    bool reduces = false, first = true;
    for (const ir::NestAxis& axis : nest.axes) {
      const bool turn = axis.reduction && !reduces;
      reduces |= axis.reduction;
      text += fmt::format("{} {} {}",
                          turn    ? " /"
                          : first ? ""
                                  : ",",
                          nest.vars[static_cast<size_t>(axis.var.id)], to_string(axis.role));
      if (axis.digit > 1) text += fmt::format(" by {}", axis.digit);
      first = false;
    }
    text += "\n";
  }
  return text;
}

/// In the direct forms, but for convolutions of bytes.
ir::NestProgram lowered(const ir::Program& program) {
  compiler::LowerOptions options;
  for (const ir::Statement& s : program.statements)
    if (!compiler::dot_products_obstacle(program, s, compiler::parse_target("x86-64").value()))
      options.dot_products.insert(s.results.front());
  return compiler::lower(program, options).value();
}
ir::NestProgram lowered(const std::string& text) {
  return lowered(compiler::legalise(ir::parse(text).value()));
}

std::string roles_of(const std::string& text) { return roles(lowered(text)); }

/// A nest's statements, by the names of their results.
std::string statements_of(const std::string& text) {
  const ir::Program program = compiler::legalise(ir::parse(text).value());
  std::string all;
  for (const ir::Nest& nest : lowered(program).nests) {
    all += nest.name + ":";
    for (const size_t s : nest.statements)
      all += " " + program.name_of(program.statements.at(s).results.front());
    all += "\n";
  }
  return all;
}

} // namespace

TEST_CASE("axes of convolutions are images, groups, channels, space and taps") {
  CHECK(roles_of(R"(program @p(%x: f32[n=2, c=4, h=5, w=5], %k: f32[o=6, i=4, h=3, w=3]) {
    %y = conv %x, %k
    return %y })") ==
        "compute: n batch, o channel, h space, w space / i channel, kh tap, kw tap\n");
  CHECK(roles_of(R"(program @p(%x: f32[n=2, w=5, c=4], %k: f32[o=6, i=2, w=3]) {
    %y = conv %x, %k {groups = 2}
    return %y })") == "compute: n batch, g group, o channel, w space / i channel, kw tap\n");
}

TEST_CASE("the groups of a depthwise convolution are its channels") {
  CHECK(roles_of(R"(program @p(%x: f32[n=1, c=4, w=5], %k: f32[o=4, i=1, w=3]) {
    %y = conv %x, %k {groups = 4}
    return %y })") == "compute: n batch, c channel, w space / kw tap\n");
  CHECK(roles_of(R"(program @p(%x: f32[n=1, c=4, w=5], %k: f32[o=8, i=1, w=3]) {
    %y = conv %x, %k {groups = 4}
    return %y })") == "compute: n batch, c channel, o channel, w space / kw tap\n");
}

TEST_CASE("a transposed convolution has the residues of its stride") {
  CHECK(roles_of(R"(program @p(%x: f32[n=1, c=2, w=5], %k: f32[i=2, o=3, w=4]) {
    %y = conv_transpose %x, %k {stride = 2}
    return %y })") == "compute: n batch, o channel, w space, rw residue / i channel, kw tap\n");
  // Outputs that no input reaches.
  CHECK(roles_of(R"(program @p(%x: f32[n=1, c=2, w=5], %k: f32[i=2, o=3, w=1]) {
    %y = conv_transpose %x, %k {stride = 3}
    return %y })") == "compute: n batch, o channel, w space / i channel, kw tap\n"
                      "compute: n batch, c channel, w space, rw residue\n");
}

TEST_CASE("the digits of a split axis have its role and their distance") {
  CHECK(roles_of(R"(program @p(%x: f32[n=1, c=6, w=5, c=2], %k: f32[o=8, i=12, w=3]) {
    %y = conv %x, %k : f32[n=1, c=2, w=3, c=4]
    return %y })") == "compute: n batch, o channel by 4, o1 channel, w space / i channel by 2, "
                      "i1 channel, kw tap\n");
  CHECK(roles_of(R"(program @p(%x: f32[n=2, c=6, w=5, c=2, n=3]) {
    %y = relu %x
    return %y })") == "compute: n batch by 3, n1 batch, c channel by 2, c1 channel, w space\n");
}

TEST_CASE("a convolution of bytes has nests beside its own, each of its kind") {
  CHECK(roles_of(R"(program @p(%x: i8[n=1, c=6, h=5, w=5], %k: u8[o=6, i=3, h=3, w=3]) {
    %y = conv %x, %k {pad = 1, groups = 2, x_zero_point = 3, w_zero_point = 5}
    return %y })") ==
        "stage: n batch, h space, w space, g group, c channel\n"
        "offset: o channel / i channel, kh tap, kw tap\n"
        "window sum: n batch, g group, h space, w space / i channel, kh tap, kw tap\n"
        "compute: n batch, g group, o channel, h space, w space / i channel, kh tap, kw tap\n");
}

TEST_CASE("pools and unpooling walk images, channels and space") {
  const std::string window = "compute: n batch, c channel, h space, w space / kh tap, kw tap\n";
  for (const std::string op :
       {"max_pool %x {kernel = 2}", "avg_pool %x {kernel = 2}", "lp_pool %x {kernel = 2, p = 3}",
        "global_avg_pool %x", "global_max_pool %x", "adaptive_avg_pool %x {output = 3}",
        "adaptive_max_pool %x {output = [2, 4]}"})
    CHECK(roles_of("program @p(%x: f32[n=1, c=2, h=6, w=8]) { %y = " + op + " return %y }") ==
          window);
  CHECK(roles_of(R"(program @p(%x: f32[n=1, c=2, w=4], %i: i64[n=1, c=2, w=4]) {
    %y = max_unpool %x, %i {kernel = 2}
    return %y })") == "compute: n batch, c channel, w space\n"
                      "compute: n batch, c channel, w space\n");
}

TEST_CASE("what only moves elements is a copy, and no copy once something is computed on the way") {
  const auto of = [](const std::string& body) {
    return roles_of("program @p(%x: f32[n=1, c=2, w=4]) { " + body + " return %y }");
  };
  CHECK(of("%y = pad %x {pad = 1}") == "copy: n batch, c channel, w space / kw tap\n");
  CHECK(of("%y = pad %x {pad = 1, mode = replicate}") == "copy: n batch, c channel, w space\n"
                                                         "copy: n batch, c channel, w space\n"
                                                         "copy: n batch, c channel, w space\n");
  CHECK(of("%y = reorder %x : f32[n=1, w=4, c=2]") == "copy: n batch, c channel, w space\n");
  CHECK(of("%0 = pad %x {pad = 1} %y = reorder %0 : f32[n=1, w=6, c=2]") ==
        "copy: n batch, c channel, w space / kw tap\n");
  CHECK(of("%0 = pad %x {pad = 1} %y = relu %0") ==
        "compute: n batch, c channel, w space / kw tap\n");
  CHECK(of("%y = convert %x : f64[n=1, c=2, w=4]") == "compute: n batch, c channel, w space\n");
  CHECK(roles_of("program @p(%x: f32[n=1, c=2, w=4]) { return %x }") ==
        "copy: n batch, c channel, w space\n");
}

TEST_CASE("a nest knows the statements that it came from, the head first") {
  CHECK(statements_of(R"(program @p(%x: f32[n=1, c=2, w=6], %k: f32[o=2, i=2, w=3],
                                     %v: f32[c=2]) {
    %0 = conv %x, %k {padding_mode = reflect, pad = 1}
    %1 = batch_norm %0, %v, %v, %v, %v
    %2 = relu %1
    %y = max_pool %2 {kernel = 2}
    return %y, %x })") == "pad_x_padded: x_padded\n"
                          "pad_x_padded_2: x_padded\n"
                          "pad_x_padded_3: x_padded\n"
                          "batch_norm_1_scale: 1\n"
                          "batch_norm_1_shift: 1\n"
                          "conv_2: 0 1 2\n"
                          "max_pool_y: y\n"
                          "copy_x:\n");
  CHECK(statements_of(R"(program @p(%x: i8[n=1, c=4, w=5], %k: u8[o=6, i=4, w=3]) {
    %0 = conv %x, %k {x_zero_point = 3, w_zero_point = 5}
    %y = relu %0
    return %y })") == "stage_x: 0\noffset_k: 0\nconv_y_window_sum: 0 y\nconv_y: 0 y\n");
}
