#include "bench/peers/onnx_model.h"
#include "tests/support/catch.h"

#include <string>

using namespace volute::bench::onnx;
using namespace std::string_literals;

TEST_CASE("a message has its fields one after another, each behind its number and kind",
          "[onnx_model]") {
  CHECK(Message().bytes() == "");
  CHECK(Message().number(1, 0).bytes() == "\x08\0"s);
  CHECK(Message().number(1, 127).number(3, 128).bytes() == "\x08\x7f\x18\x80\x01"s);
  CHECK(Message().number(1, 300).bytes() == "\x08\xac\x02"s);
  CHECK(Message().number(20, 7).bytes() == "\xa0\x01\x07"s); // the field takes two bytes
  CHECK(Message().number(1, -1).bytes() == "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s);
  CHECK(Message().real(2, 1.0f).bytes() == "\x15\0\0\x80\x3f"s);
  CHECK(Message().text(1, "ab").bytes() == "\x0a\x02"s + "ab");
  CHECK(Message().text(1, std::string(200, 'a')).bytes() ==
        "\x0a\xc8\x01"s + std::string(200, 'a'));
  CHECK(Message().message(7, Message().number(1, 5)).bytes() == "\x3a\x02\x08\x05"s);
}

TEST_CASE("a model of one operator, byte by byte", "[onnx_model]") {
  Model model;
  model.node(Node("Relu", {"x"}, "y"));
  model.input("x", Element::f32, {2});
  model.output("y", Element::f32, {2});
  const std::string type_of_2_floats = "\x12\x0a\x0a\x08\x08\x01\x12\x04\x0a\x02\x08\x02"s;
  const std::string graph = "\x0a\x0f"
                            "\x0a\x01x\x12\x01y\x1a\x01y\x22\x04Relu"s +
                            "\x5a\x0f\x0a\x01x" + type_of_2_floats + "\x62\x0f\x0a\x01y" +
                            type_of_2_floats + "\x12\x05layer";
  CHECK(graph.size() == 0x3a);
  CHECK(model.bytes() == "\x08\x08" // the format
                         "\x3a\x3a"s +
                             graph +                     // what is computed
                             "\x42\x04\x0a\0\x10\x11"s + // the standard's operators
                             "\x42\x11\x0a\x0d" + "com.microsoft" + "\x10\x01");
}

TEST_CASE("constants and attributes say their types", "[onnx_model]") {
  Model model;
  model.constant("w", Element::i8, {2, 1}, "ab");
  CHECK(model.bytes().find("\x2a\x0d\x08\x02\x08\x01\x10\x03\x42\x01w\x4a\x02"s + "ab") !=
        std::string::npos);
  const auto attribute = [](const Node& node) { return node.message().bytes().substr(13); };
  const Node bare("Op", {"x"}, "y"); // 13 bytes
  CHECK(attribute(bare) == "");
  CHECK(attribute(Node("Op", {"x"}, "y").attribute("g", int64_t{4})) ==
        "\x2a\x08\x0a\x01g\xa0\x01\x02\x18\x04"s);
  CHECK(attribute(Node("Op", {"x"}, "y").attribute("a", 1.0f)) ==
        "\x2a\x0b\x0a\x01"s + "a" + "\xa0\x01\x01\x15\0\0\x80\x3f"s);
  CHECK(attribute(Node("Op", {"x"}, "y").attribute("p", std::vector<int64_t>{1, 3})) ==
        "\x2a\x0a\x0a\x01p\xa0\x01\x07\x40\x01\x40\x03"s);
}
