// A convolution of a named number of images: 3x3 with padding, bias and relu. The language of
// programs has no named extents, so its nests are made by hand.
#pragma once

#include "ir/nest.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace volute::tests {

struct NamedBatch {
  bool channels_last = false;
  ir::ParameterRange images{1, 64, 1};
  bool strided = false; // how far apart images lie is a parameter too, S of x and T of y
  bool in_two = false;  // relu is a nest of its own, and what the convolution makes lies between

  static constexpr int64_t C = 3, H = 7, W = 11, O = 20, K = 3;
  static constexpr int64_t x_image = C * H * W, y_image = O * H * W;
  static constexpr ir::ParameterRange x_strides{x_image, 400, 1}, y_strides{1544, 2000, 4};

  ir::TensorType x_type(int64_t n) const { return type(n, C); }
  ir::TensorType y_type(int64_t n) const { return type(n, O); }
  static ir::TensorType w_type() {
    using ir::Axis;
    return {ir::ElementType::f32, {{Axis::o, O}, {Axis::i, C}, {Axis::h, K}, {Axis::w, K}}};
  }
  static ir::TensorType b_type() { return {ir::ElementType::f32, {{ir::Axis::o, O}}}; }

  ir::NestProgram nests() const {
    using namespace ir;
    NestProgram program;
    program.name = "named_batch";
    program.parameters = {{"N", images}};
    if (strided) program.parameters = {{"N", images}, {"S", x_strides}, {"T", y_strides}};
    const auto parameter = [&](int32_t id) { return Affine(Var{id}); };
    const Affine of_x = strided ? parameter(1) : x_image, of_y = strided ? parameter(2) : y_image;
    program.buffers = {buffer(program, "x", Buffer::Role::input, dims(parameter(0), C, of_x)),
                       plain("w", w_type()), plain("b", b_type()),
                       buffer(program, "y", Buffer::Role::output, dims(parameter(0), O, of_y))};
    program.buffers[0].type = x_type(images.most);
    program.buffers[3].type = y_type(images.most);
    if (in_two)
      program.buffers.push_back(
          buffer(program, "t", Buffer::Role::intermediate, dims(parameter(0), O, y_image)));
    program.nests = {convolution(program)};
    if (in_two) program.nests.push_back(relu(program));
    return program;
  }

private:
  ir::TensorType type(int64_t n, int64_t c) const {
    using ir::Axis;
    if (channels_last)
      return {ir::ElementType::f32, {{Axis::n, n}, {Axis::h, H}, {Axis::w, W}, {Axis::c, c}}};
    return {ir::ElementType::f32, {{Axis::n, n}, {Axis::c, c}, {Axis::h, H}, {Axis::w, W}}};
  }

  std::vector<ir::Dim> dims(const ir::Affine& n, int64_t c, const ir::Affine& stride) const {
    std::vector<ir::Dim> image =
        ir::contiguous(channels_last ? std::vector{H, W, c} : std::vector{c, H, W});
    image.insert(image.begin(), {n, stride});
    return image;
  }

  ir::Index place(ir::Affine n, ir::Affine c, ir::Affine h, ir::Affine w) const {
    if (channels_last) return {n, h, w, c};
    return {n, c, h, w};
  }

  static ir::Buffer plain(const std::string& name, const ir::TensorType& type) {
    ir::Buffer result;
    result.name = name;
    result.elements = type.elements();
    result.type = type;
    return result;
  }
  static ir::Buffer buffer(const ir::NestProgram& program, const std::string& name,
                           ir::Buffer::Role role, std::vector<ir::Dim> dims) {
    ir::Buffer result;
    result.name = name;
    result.role = role;
    result.elements = most_elements(dims, program.parameters).value();
    result.dims = std::move(dims);
    return result;
  }

  /// Declares the program's parameters after the nest's axes; gives the place of the first.
  static int32_t declare(ir::Nest& nest, const ir::NestProgram& program) {
    const auto first = static_cast<int32_t>(nest.vars.size());
    for (const ir::Parameter& p : program.parameters) {
      nest.parameters.push_back({ir::Var{static_cast<int32_t>(nest.vars.size())}, p.range});
      nest.vars.push_back(p.name);
    }
    return first;
  }

  ir::View y_view(const std::string& name, int32_t buffer, const ir::Affine& n,
                  const ir::Affine& stride) const {
    return {name, buffer, ir::ElementType::f32, dims(n, O, stride)};
  }

  ir::Nest convolution(const ir::NestProgram& program) const {
    using namespace ir;
    constexpr ElementType f32 = ElementType::f32;
    const Var n{0}, o{1}, h{2}, w{3}, i{4}, kh{5}, kw{6};
    Nest nest;
    nest.name = "conv";
    nest.vars = {"n", "o", "h", "w", "i", "kh", "kw"};
    const int32_t first = declare(nest, program);
    const Affine N = Var{first};
    const Affine of_x = strided ? Affine(Var{first + 1}) : x_image;
    const Affine of_y = strided && !in_two ? Affine(Var{first + 2}) : y_image;
    nest.axes = {{n, N, false, AxisRole::batch},  {o, O, false, AxisRole::channel},
                 {h, H, false, AxisRole::space},  {w, W, false, AxisRole::space},
                 {i, C, true, AxisRole::channel}, {kh, K, true, AxisRole::tap},
                 {kw, K, true, AxisRole::tap}};
    nest.operands = {{"x", 0, f32, dims(N, C, of_x)},
                     {"w", 1, f32, contiguous({O, C, K, K})},
                     {"b", 2, f32, contiguous({O})},
                     in_two ? y_view("t", 4, N, y_image) : y_view("y", 3, N, of_y)};
    const Affine row = Affine(h) + kh - 1, column = Affine(w) + kw - 1;
    nest.constraints = {{row, H}, {column, W}};
    const Expr sum = acc(f32, 0);
    nest.accumulators = {
        {"acc", f32, read(f32, 2, {o}),
         fma(read(f32, 0, place(n, i, row, column)), read(f32, 1, {o, i, kh, kw}), sum)}};
    nest.writes = {{3, place(n, o, h, w), in_two ? sum : binary(BinaryFn::max, imm(0), sum)}};
    return nest;
  }

  ir::Nest relu(const ir::NestProgram& program) const {
    using namespace ir;
    constexpr ElementType f32 = ElementType::f32;
    const Var n{0}, c{1}, h{2}, w{3};
    Nest nest;
    nest.name = "relu";
    nest.vars = {"n", "c", "h", "w"};
    const int32_t first = declare(nest, program);
    const Affine N = Var{first};
    nest.axes = {{n, N, false, AxisRole::batch},
                 {c, O, false, AxisRole::channel},
                 {h, H, false, AxisRole::space},
                 {w, W, false, AxisRole::space}};
    if (channels_last) std::rotate(nest.axes.begin() + 1, nest.axes.begin() + 2, nest.axes.end());
    nest.operands = {y_view("t", 4, N, y_image),
                     y_view("y", 3, N, strided ? Affine(Var{first + 2}) : y_image)};
    nest.writes = {
        {1, place(n, c, h, w), binary(BinaryFn::max, imm(0), read(f32, 0, place(n, c, h, w)))}};
    return nest;
  }
};

} // namespace volute::tests
