#include "ir/base64.h"
#include "tests/support/catch.h"

#include <string>

using volute::ir::base64;

TEST_CASE("bytes are written as RFC 4648 has them", "[base64]") {
  const auto text = [](const std::string& bytes) {
    return base64(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size());
  };
  CHECK(text("").empty());
  CHECK(text("f") == "Zg==");
  CHECK(text("fo") == "Zm8=");
  CHECK(text("foo") == "Zm9v");
  CHECK(text("foob") == "Zm9vYg==");
  CHECK(text("fooba") == "Zm9vYmE=");
  CHECK(text("foobar") == "Zm9vYmFy");
  CHECK(text(std::string("\xff\xfe\x00", 3)) == "//4A");
}
