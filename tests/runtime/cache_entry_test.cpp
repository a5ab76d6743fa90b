#include "compiler/image/encode.h"
#include "compiler/report/encode_report.h"
#include "runtime/cache_entry.h"
#include "tests/runtime/failure_text.h"
#include "tests/support/catch.h"
#include "tests/support/dice.h"

#include <cstring>

using namespace volute;
using namespace volute::runtime;
using volute::tests::Dice;
using volute::tests::failure_text;
using Bytes = std::vector<std::byte>;

namespace {

const std::string key = "generator 0123456789abcdef, LLVM 19.1.7\ntarget haswell,l1=32K\n"
                        "schedule for w\\nfor h\naccuracy 2\ndeterministic false\n"
                        "program @edge(%x: f32[n=1]) {\n}\n";

compiler::Image image() {
  compiler::Image made;
  made.name = "edge";
  made.bytes.assign(100, std::byte{0xc3});
  made.text_bytes = 60;
  return made;
}

compiler::Report report() {
  compiler::Report made;
  made.program = "edge";
  made.multiply_adds = 1234567;
  made.nests.emplace_back().name = "conv_y";
  return made;
}

Bytes entry() { return encode_entry(key, "for h\nfor w\n", report(), image()); }

} // namespace

TEST_CASE("an entry gives back what it was made of") {
  const Bytes bytes = entry();
  const auto view = view_entry(bytes);
  REQUIRE(view);
  CHECK(view->key == key);
  CHECK(view->schedule == "for h\nfor w\n");
  CHECK(*compiler::decode(view->image) == image());
  CHECK(compiler::to_string(*compiler::decode_report(view->report)) ==
        compiler::to_string(report()));
}

TEST_CASE("every bit of an entry counts, and so does its end") {
  const Bytes whole = entry();
  for (size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    Bytes damaged = whole;
    damaged[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
    if (view_entry(damaged)) FAIL("bit " << bit << " is not missed");
  }
  for (size_t size = 0; size < whole.size(); ++size)
    if (view_entry(std::span(whole).first(size))) FAIL("cut to " << size << " bytes");
  Bytes longer = whole;
  longer.push_back({});
  CHECK(failure_text(view_entry(longer)) == "entry: it has " + std::to_string(longer.size()) +
                                                " bytes, and should have " +
                                                std::to_string(whole.size()));
  CHECK(failure_text(view_entry(Bytes(64))) == "entry: it is no kernel");
}

TEST_CASE("an entry of another format is not read") {
  Bytes other = entry();
  other[8] = std::byte{entry_format + 1};
  CHECK(failure_text(view_entry(other)) == "entry: it was written in format 2, and this is for 1");
  CHECK(!key_in(other));
}

TEST_CASE("the key is read off an entry's first bytes") {
  const Bytes whole = entry();
  CHECK(key_in(whole) == key);
  CHECK(key_in(std::span(whole).first(36 + 8 + key.size())) == key);
  CHECK(!key_in(std::span(whole).first(36 + 8 + key.size() - 1)));
  CHECK(!key_in({}));
  const auto summary = summary_of_key(key);
  REQUIRE(summary);
  CHECK(summary->program == "edge");
  CHECK(summary->target == "haswell,l1=32K");
  CHECK(summary->schedule == "for w\\nfor h");
  CHECK(summary->generator == "0123456789abcdef, LLVM 19.1.7");
  CHECK(!summary_of_key("something else"));
}

TEST_CASE("a file has its key's name, and others are none of the cache's") {
  const std::string name = entry_name(key);
  CHECK(is_entry_name(name));
  CHECK(entry_name(key) == name);
  CHECK(entry_name(key + " ") != name);
  for (const char* other : {"", "README", ".kernel", "0123.kernel", "../../etc/passwd",
                            "0123456789ABCDEF0123456789abcdef.kernel"})
    CHECK(!is_entry_name(other));
}

TEST_CASE("a report that is damaged is none, wherever it is") {
  const Bytes whole = compiler::encode_report(report());
  for (size_t size = 0; size < whole.size(); ++size)
    if (compiler::decode_report(std::span(whole).first(size))) FAIL("cut to " << size << " bytes");
  Dice dice(3);
  for (int i = 0; i < 20000; ++i) { // whatever comes of it, nothing is read beyond its end
    Bytes damaged = whole;
    for (int64_t n = dice.between(1, 4); n > 0; --n)
      damaged[static_cast<size_t>(dice.between(0, std::ssize(whole) - 1))] =
          static_cast<std::byte>(dice.bits());
    (void)compiler::decode_report(damaged);
  }
}
