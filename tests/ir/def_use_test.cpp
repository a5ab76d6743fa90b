#include "ir/def_use.h"
#include "ir/parse.h"
#include "tests/support/catch.h"

using namespace volute;
using namespace volute::ir;

TEST_CASE("what is found in one walk is what a program answers value by value") {
  const Program program = parse(R"(program @p(%x: f32[n=1, c=4, w=9], %unread: f32[c=4]) {
    %k = const [1, 2, 3, 4] : f32[c=4]
    %0 = mul %x, %k
    %1 = add %0, %0
    %y = add %1, %0
    return %y, %1
  })")
                              .value();
  const DefUse all(program);
  CHECK(&all.program() == &program);
  for (size_t i = 0; i < program.values.size(); ++i) {
    const auto id = static_cast<ValueId>(i);
    CAPTURE(program.name_of(id));
    CHECK(all.definition(id) == program.definition(id));
    CHECK(all.uses(id) == program.uses(id));
  }
  const auto named = [&](const char* name) { return program.find(name).value(); };
  REQUIRE(all.readers(named("0")).size() == 2); // once each, though %1 reads it twice
  CHECK(all.readers(named("0"))[0] == all.definition(named("1")));
  CHECK(all.readers(named("0"))[1] == all.definition(named("y")));
  CHECK(all.is_returned(named("1")));
  CHECK_FALSE(all.is_returned(named("0")));
  CHECK(all.constant(named("k")) != nullptr);
  CHECK(all.constant(named("x")) == nullptr);
  CHECK(all.readers(named("unread")).empty());
}
