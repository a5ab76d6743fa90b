// The loops of a few small cases, as texts that are read in review: tests/golden/*.loops.
//
//     VOLUTE_UPDATE_GOLDEN=1 ctest -R compiler/specialise_golden      writes them anew

#include "compiler/pipeline.h"
#include "ir/parse.h"
#include "tests/support/catch.h"
#include "tests/support/golden.h"

#include <fstream>
#include <sstream>
#include <string>

using namespace volute;

namespace {

struct Golden {
  const char* name;
  const char* program;
  const char* schedule;
};

const Golden goldens[] = {
    {"conv_channels_last",
     "program @p(%x: f32[n=1, h=5, w=9, c=4], %k: f32[o=8, i=4, h=3, w=3], %b: f32[o=8]) {"
     " %0 = conv %x, %k, %b {pad = 1} %y = relu %0 return %y }",
     "parallel h; for w by 4, kh, kw, i unroll 2; registers w 4, o 8 vector 8; pack weight"},
    {"conv_channels_first",
     "program @p(%x: f32[n=1, c=4, h=5, w=9], %k: f32[o=8, i=4, h=3, w=3]) {"
     " %y = conv %x, %k {pad = 1} return %y }",
     "parallel o by 2, h; for w by 8, kh, i, kw; registers o 2, w 8 vector 8; pack weight"},
    {"conv_transposed_store",
     "program @p(%x: f32[n=1, c=3, h=4, w=6], %k: f32[o=8, i=3, h=1, w=1]) {"
     " %y = conv %x, %k return %y }",
     "flatten h, w; for hw by 8, i; registers hw 8, o 8 vector 8; pack weight"},
    {"depthwise_strided",
     "program @p(%x: f32[n=1, h=7, w=7, c=8], %k: f32[o=8, i=1, h=3, w=3]) {"
     " %y = conv %x, %k {groups = 8, stride = 2, pad = 1} return %y }",
     "parallel h; for w, kh, kw unroll; registers c 8 vector 8"},
    {"max_pool_clipped",
     "program @p(%x: f32[n=1, h=6, w=6, c=8]) {"
     " %y = max_pool %x {kernel = 3, stride = 2, pad = 1} return %y }",
     "parallel h; for w by 2, kh, kw; registers w 2, c 8 vector 8"},
    {"naive",
     "program @p(%x: f32[n=1, c=2, h=4, w=4], %k: f32[o=3, i=2, h=3, w=3]) {"
     " %y = conv %x, %k {pad = 1} return %y }",
     "naive"},
};

std::string loops_of(const Golden& golden) {
  compiler::CompileRequest request;
  request.target = compiler::parse_target("x86-64-v3").value();
  request.schedule = golden.schedule;
  return to_string(
      compiler::specialise_program(ir::parse(golden.program).value(), request).value().loops);
}

} // namespace

TEST_CASE("small cases specialise to the loops that were agreed upon") {
  for (const Golden& golden : goldens) {
    const std::string path =
        std::string(VOLUTE_SOURCE_DIR "/tests/golden/") + golden.name + ".loops";
    const std::string found = loops_of(golden);
    if (tests::renews_goldens()) std::ofstream(path) << found;
    std::ifstream file(path);
    std::stringstream wanted;
    wanted << file.rdbuf();
    INFO(path << " (VOLUTE_UPDATE_GOLDEN=1 writes it anew)");
    CHECK(found == wanted.str());
  }
}
