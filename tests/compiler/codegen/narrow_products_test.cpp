// What convolutions of bytes and of bf16 become on each target: the instruction that it has, and
// never one that saturates at 16 bits on the way.

#include "compiler/compile.h"
#include "ir/parse.h"
#include "tests/support/catch.h"

#include <fmt/format.h>

#include <string>
#include <vector>

using namespace volute;

namespace {

struct Conv {
  std::string x, w, layout, attributes;
  int64_t inputs = 16, outputs = 32;
  std::string word = "conv";

  std::string text() const {
    const std::string shape = layout == "last" ? fmt::format("[n=1, h=7, w=7, c={}]", inputs)
                                               : fmt::format("[n=1, c={}, h=7, w=7]", inputs);
    const std::string weight = word == "conv"
                                   ? fmt::format("[o={}, i={}, h=3, w=3]", outputs, inputs)
                                   : fmt::format("[i={}, o={}, h=3, w=3]", inputs, outputs);
    return fmt::format("program @p(%x: {}{}, %w: {}{}) {{ %y = {} %x, %w {{{}}} return %y }}", x,
                       shape, w, weight, word, attributes);
  }
};

/// In the form of dot products where there is one.
compiler::Compiled compiled(const std::string& text, const std::string& target) {
  compiler::CompileRequest request;
  request.schedule = text.find("conv_transpose") == std::string::npos ? "form conv_y dot"
                                                                      : "form conv_transpose_y dot";
  request.target = compiler::parse_target(target).value();
  request.assembly = true;
  const ir::Program program = ir::parse(text).value();
  Expected<compiler::Compiled> dot = compiler::compile(program, request);
  if (dot) return std::move(*dot);
  request.schedule = "auto";
  return compiler::compile(program, request).value();
}

int64_t count(const std::string& text, const std::string& part) {
  int64_t times = 0;
  for (size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) ++times;
  return times;
}

} // namespace

TEST_CASE("no convolution of bytes saturates at 16 bits, on any target") {
  for (const char* target : {"x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4", "znver2", "znver4",
                             "alderlake", "icelake-server", "sapphirerapids"})
    for (const auto& [x, w] : {std::pair("u8", "i8"), {"i8", "i8"}, {"u8", "u8"}, {"i8", "u8"}})
      for (const Conv& conv : {Conv{x, w, "last", "x_zero_point = 3, w_zero_point = 5, pad = 1"},
                               Conv{x, w, "first", "", 5, 9},
                               Conv{x, w, "last", "stride = 2", 4, 8, "conv_transpose"}}) {
        CAPTURE(target, conv.text());
        CHECK(count(compiled(conv.text(), target).assembly, "pmaddubsw") == 0);
      }
}

TEST_CASE("targets with VNNI multiply bytes by it, whatever their signs and layout") {
  for (const char* target : {"cascadelake", "icelake-server", "znver4", "alderlake"})
    for (const auto& [x, w] : {std::pair("u8", "i8"), {"i8", "i8"}, {"u8", "u8"}, {"i8", "u8"}})
      for (const Conv& conv : {Conv{x, w, "first", "x_zero_point = 3, w_zero_point = 5, pad = 1"},
                               Conv{x, w, "last", "x_zero_point = 3, w_zero_point = 5, pad = 1"},
                               Conv{x, w, "last", "x_zero_point = 3, w_zero_point = 5, stride = 2",
                                    16, 32, "conv_transpose"}}) {
        CAPTURE(target, conv.text());
        CHECK(count(compiled(conv.text(), target).assembly, "vpdpbusd") > 0);
      }
}

TEST_CASE("targets with bf16 products use them, and others widen") {
  const Conv conv{"bf16", "bf16", "first", "pad = 1"};
  for (const char* target : {"cooperlake", "znver4", "sapphirerapids"})
    CHECK(count(compiled(conv.text(), target).assembly, "vdpbf16ps") > 0);
  for (const char* target : {"x86-64-v4", "icelake-server", "alderlake"}) {
    const std::string text = compiled(conv.text(), target).assembly;
    CAPTURE(target);
    CHECK(count(text, "vdpbf16ps") == 0);
    CHECK(count(text, "vfmadd") > 0);
  }
}

TEST_CASE("the products executed are those asked for where nothing is rounded up") {
  // Without padding, with output channels that fill vectors and input channels that fill groups.
  struct Exact {
    Conv conv;
    const char *target, *nest;
  };
  for (const Exact& exact : {Exact{{"u8", "i8", "last", ""}, "znver4", "conv_y"},
                             Exact{{"i8", "i8", "first", "stride = 2"}, "x86-64-v3", "conv_y"},
                             Exact{{"bf16", "bf16", "last", ""}, "znver4", "conv_y"},
                             Exact{{"f32", "f32", "last", ""}, "x86-64-v4", "conv_y"}}) {
    CAPTURE(exact.target, exact.conv.text());
    bool found = false;
    for (const compiler::NestReport& nest :
         compiled(exact.conv.text(), exact.target).report.nests) {
      if (nest.name != exact.nest) continue;
      found = true;
      CHECK(nest.executed_multiply_adds == nest.multiply_adds);
    }
    CHECK(found);
  }
}

TEST_CASE("input channels that do not fill a group cost the group") {
  const Conv conv{"u8", "i8", "first", "", 6, 32}; // 6 of 8
  for (const compiler::NestReport& nest : compiled(conv.text(), "znver4").report.nests)
    if (nest.name == "conv_y") CHECK(nest.executed_multiply_adds * 6 == nest.multiply_adds * 8);
}
