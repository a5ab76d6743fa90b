#include "compiler/nests/matrix_steps.h"
#include "tests/support/catch.h"

using namespace volute::compiler;

TEST_CASE("channels go in steps of the same length, none of which is nearly empty") {
  CHECK(even_steps(64, 2, 32) == 32);
  CHECK(even_steps(40, 2, 32) == 20);
  CHECK(even_steps(33, 2, 32) == 18);
  CHECK(channels_in_steps(33, 2, 32) == 36);
  CHECK(channels_in_steps(70, 4, 64) == 72);
}

TEST_CASE("rows that would fall into a few sets of L1 lie a line further apart") {
  CHECK(pitch(256, 2) == 256 + 32);
  CHECK(pitch(1024, 2) == 1024 + 32);
  CHECK(pitch(512, 1) == 512 + 64);
  CHECK(pitch(64, 2) == 64);
  CHECK(pitch(288, 2) == 288);
}
