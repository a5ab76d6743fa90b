// What the fuzzer has found worth keeping, by its own harness: see texts_fuzzer.cpp.
#include "tests/support/catch.h"

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

TEST_CASE("each input of the fuzzer's corpus is read as it was", "[fuzz]") {
  int inputs = 0;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(VOLUTE_SOURCE_DIR "/tests/fuzz/corpus")) {
    if (!entry.is_regular_file()) continue;
    CAPTURE(entry.path().filename()); // it aborts where something does not hold
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string bytes(std::istreambuf_iterator<char>(file), {});
    CHECK(LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()) ==
          0);
    ++inputs;
  }
  CHECK(inputs > 200);
}
