// A small graph of ONNX operators, and the bytes of its file.
//
// The format is a protobuf message (onnx.proto3): fields in any order, each a number, a float or a
// text with its length before it. Writing one takes no more than that, and no library.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace volute::bench::onnx {

/// Fields of a protobuf message, in the order in which they are added.
class Message {
public:
  Message& number(int field, int64_t value);
  Message& real(int field, float value);
  Message& text(int field, std::string_view value);
  Message& message(int field, const Message& value) { return text(field, value.bytes_); }
  const std::string& bytes() const { return bytes_; }

private:
  void varint(uint64_t value);
  std::string bytes_;
};

enum class Element : uint8_t { f32 = 1, u8 = 2, i8 = 3, i32 = 6 }; // TensorProto.DataType

using Shape = std::vector<int64_t>;

/// An operator of the standard's set, or of another domain's.
class Node {
public:
  Node(std::string_view op, const std::vector<std::string>& inputs, const std::string& output,
       std::string_view domain = "");
  Node& attribute(std::string_view name, int64_t value);
  Node& attribute(std::string_view name, float value);
  Node& attribute(std::string_view name, const std::vector<int64_t>& values);
  const Message& message() const { return message_; }

private:
  Message message_;
};

/// Nodes are in the order in which they are computed.
class Model {
public:
  void input(std::string_view name, Element element, const Shape& shape);
  void output(std::string_view name, Element element, const Shape& shape);
  /// `bytes` are the elements as they lie.
  void constant(std::string_view name, Element element, const Shape& shape, std::string_view bytes);
  void node(const Node& node) { graph_.message(1, node.message()); }
  /// As a file would hold it.
  std::string bytes() const;

private:
  Message graph_;
};

} // namespace volute::bench::onnx
