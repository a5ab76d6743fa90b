#include "bench/peers/onnx_model.h"

#include <cstring>

namespace volute::bench::onnx {
namespace {

// onnx.proto3: the numbers of fields, and what they are called there.
constexpr int ir_version = 8;    // of the format, of 2021
constexpr int operator_set = 17; // of the operators, of 2022
enum AttributeType { type_float = 1, type_int = 2, type_ints = 7 };

Message attribute_of(std::string_view name, AttributeType type) {
  Message attribute;
  attribute.text(1, name).number(20, type);
  return attribute;
}

/// ValueInfoProto: a name, and a type that holds a type that holds a shape that holds dimensions.
Message value(std::string_view name, Element element, const Shape& shape) {
  Message dimensions, tensor, type, value;
  for (const int64_t size : shape) dimensions.message(1, Message().number(1, size));
  tensor.number(1, static_cast<int64_t>(element)).message(2, dimensions);
  type.message(1, tensor);
  value.text(1, name).message(2, type);
  return value;
}

} // namespace

void Message::varint(uint64_t value) {
  for (; value >= 128; value >>= 7) bytes_ += static_cast<char>(value | 128);
  bytes_ += static_cast<char>(value);
}

Message& Message::number(int field, int64_t value) {
  varint(static_cast<uint64_t>(field) << 3);
  varint(static_cast<uint64_t>(value));
  return *this;
}

Message& Message::real(int field, float value) {
  varint(static_cast<uint64_t>(field) << 3 | 5);
  char bytes[sizeof(float)];
  std::memcpy(bytes, &value, sizeof(float));
  bytes_.append(bytes, sizeof(float));
  return *this;
}

Message& Message::text(int field, std::string_view value) {
  varint(static_cast<uint64_t>(field) << 3 | 2);
  varint(value.size());
  bytes_ += value;
  return *this;
}

Node::Node(std::string_view op, const std::vector<std::string>& inputs, const std::string& output,
           std::string_view domain) {
  for (const std::string& input : inputs) message_.text(1, input);
  message_.text(2, output).text(3, output).text(4, op);
  if (!domain.empty()) message_.text(7, domain);
}

Node& Node::attribute(std::string_view name, int64_t value) {
  message_.message(5, attribute_of(name, type_int).number(3, value));
  return *this;
}

Node& Node::attribute(std::string_view name, float value) {
  message_.message(5, attribute_of(name, type_float).real(2, value));
  return *this;
}

Node& Node::attribute(std::string_view name, const std::vector<int64_t>& values) {
  Message attribute = attribute_of(name, type_ints);
  for (const int64_t value : values) attribute.number(8, value);
  message_.message(5, attribute);
  return *this;
}

void Model::input(std::string_view name, Element element, const Shape& shape) {
  graph_.message(11, value(name, element, shape));
}

void Model::output(std::string_view name, Element element, const Shape& shape) {
  graph_.message(12, value(name, element, shape));
}

void Model::constant(std::string_view name, Element element, const Shape& shape,
                     std::string_view bytes) {
  Message tensor;
  for (const int64_t size : shape) tensor.number(1, size);
  tensor.number(2, static_cast<int64_t>(element)).text(8, name).text(9, bytes);
  graph_.message(5, tensor);
}

std::string Model::bytes() const {
  Message graph = graph_, model;
  graph.text(2, "layer");
  model.number(1, ir_version)
      .message(7, graph)
      .message(8, Message().text(1, "").number(2, operator_set))
      .message(8, Message().text(1, "com.microsoft").number(2, 1));
  return model.bytes();
}

} // namespace volute::bench::onnx
