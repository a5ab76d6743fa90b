// Measured schedules: their lines, and what a session makes of them.
#include "compiler/compile.h"
#include "compiler/report/report.h"
#include "ir/parse.h"
#include "runtime/session.h"
#include "runtime/tuned.h"
#include "tests/runtime/temporary_folder.h"
#include "tests/support/catch.h"

#include <filesystem>
#include <fstream>

using namespace volute;
using Catch::Matchers::ContainsSubstring;
using runtime::TunedSchedule;
using runtime::TunedSchedules;
using volute::tests::TemporaryFolder;

namespace {

ir::Program layer(const std::string& name, int width = 32) {
  return *ir::parse("program @" + name + "(%x: f32[n=1, c=4, h=8, w=" + std::to_string(width) +
                    "], %w: f32[o=8, i=4, h=3, w=3]) {\n  %y = conv %x, %w\n  return %y\n}");
}

const std::string schedule =
    "parallel n, o by 4, h; for w by 16, kh, kw, i; registers o 4, w 16 vector 16; pack weight";

runtime::Options kept_in(const std::string& folder) {
  runtime::Options options;
  options.cache_dir = folder;
  options.disk_cache_bytes = 64 << 20;
  options.target = "x86-64-v4"; // the same on every machine
  return options;
}

/// What `volute tune` would write of the program.
TunedSchedule measured(const ir::Program& program, const std::string& text, double accuracy = 2) {
  runtime::CompileOptions complete;
  Session session(kept_in(""));
  complete.target = compiler::to_string(session.request(program)->target);
  return {complete.target, runtime::program_digest(program, complete),
          accuracy,        1.25,
          program.name,    text};
}

std::string note(const std::string& folder, const ir::Program& program,
                 const runtime::CompileOptions& options = {}) {
  return Session(kept_in(folder)).report(program, options).value().schedule_note;
}

} // namespace

TEST_CASE("records are lines of text, in order, and read as they are written", "[tuned]") {
  TunedSchedules some;
  some.put({"znver4", "b2", 2, 1.084, "second", "for w; pack weight"});
  some.put({"znver4", "a1", 0, 1.5, "first", "form conv_y direct"});
  some.put({"haswell", "b2", 2, 1.03, "second", "for h"});
  const std::string text = some.to_string();
  CHECK(text ==
        "# Schedules that volute tune has measured: target, program, accuracy, times faster, "
        "name, schedule\n"
        "haswell\tb2\t2\t1.030\tsecond\tfor h\n"
        "znver4\ta1\t0\t1.500\tfirst\tform conv_y direct\n"
        "znver4\tb2\t2\t1.084\tsecond\tfor w; pack weight\n");
  int64_t skipped = -1;
  CHECK(TunedSchedules::parse(text, &skipped).all() == some.all());
  CHECK(skipped == 0);
}

TEST_CASE("lines that are no records are counted and left", "[tuned]") {
  int64_t skipped = 0;
  const TunedSchedules found = TunedSchedules::parse("\n# words\nt\tp\t2\t1.1\tn\tfor w\r\n"
                                                     "t\tp2\t2\t1.1\tn\n"          // no schedule
                                                     "t\tp3\ttwo\t1.1\tn\tfor w\n" // no number
                                                     "t\tp4\t2\t-1\tn\tfor w\n"
                                                     "t\tp5\t2\tnan\tn\tfor w\n"
                                                     "\t\t\t\t\t\n"
                                                     "one word",
                                                     &skipped);
  REQUIRE(found.all().size() == 1);
  CHECK(found.all().front().schedule == "for w");
  CHECK(skipped == 6);
}

TEST_CASE("of two records for one program the one that gains more is taken over", "[tuned]") {
  TunedSchedules ours, theirs;
  ours.put({"t", "a", 2, 1.2, "n", "ours"});
  ours.put({"t", "b", 2, 1.1, "n", "ours"});
  theirs.put({"t", "a", 2, 1.1, "n", "theirs"});
  theirs.put({"t", "b", 2, 1.3, "n", "theirs"});
  theirs.put({"u", "a", 2, 1.05, "n", "theirs"});
  CHECK(ours.merge(theirs) == 2);
  REQUIRE(ours.all().size() == 3);
  CHECK(ours.all()[0].schedule == "ours");
  CHECK(ours.all()[1].schedule == "theirs");
  CHECK(ours.all()[2].target == "u");
  CHECK(ours.merge(theirs) == 0);
}

TEST_CASE("auto takes a measured schedule, whatever the program is called", "[tuned]") {
  const TemporaryFolder temporary;
  const std::string folder = temporary / "k";
  const ir::Program program = layer("one"), same = layer("two"), other = layer("one", 48);
  CHECK(note(folder, program) == "");
  TunedSchedules tuned;
  tuned.put(measured(program, schedule));
  REQUIRE(tuned.save(folder).ok());
  const std::string said = "tuned: measured 1.25 times as fast as what the model chooses";
  CHECK(note(folder, program) == said);
  CHECK(note(folder, same) == said);
  CHECK(note(folder, program) == said); // of a kernel that was on disk, too
  CHECK(note(folder, other) == "");
  CHECK(Session(kept_in(folder))
            .report(program)
            .value()
            .nests.front()
            .schedule.find("registers o 4, w 16 vector 16") != std::string::npos);
  // Whoever asks for a schedule gets that, and whoever keeps no kernels knows of nothing.
  runtime::CompileOptions naive;
  naive.schedule = "naive";
  CHECK(note(folder, program, naive) == "");
  CHECK(note("", program) == "");
  // Views with other strides are another program.
  runtime::CompileOptions strided;
  strided.strides["x"] = {2048, 512, 64, 1};
  CHECK(note(folder, program, strided) == "");
}

TEST_CASE("what was measured at an accuracy is not taken where less is allowed", "[tuned]") {
  const TemporaryFolder temporary;
  const std::string folder = temporary / "k";
  const ir::Program program = layer("one");
  TunedSchedules tuned;
  tuned.put(measured(program, schedule, 2));
  REQUIRE(tuned.save(folder).ok());
  runtime::CompileOptions options;
  options.accuracy = 0;
  CHECK(note(folder, program, options) == "");
  options.accuracy = 10;
  CHECK(note(folder, program, options) != "");
}

TEST_CASE("a measured schedule that does not fit is passed by", "[tuned]") {
  const TemporaryFolder temporary;
  const std::string folder = temporary / "k";
  const ir::Program program = layer("one");
  TunedSchedules tuned;
  tuned.put(measured(program, "parallel q; registers z 400 vector 3"));
  REQUIRE(tuned.save(folder).ok());
  CHECK(note(folder, program) == "");
  Session session(kept_in(folder));
  CHECK(session.try_compile(program).has_value());
  CHECK(session.inspect(program, session.request(program).value()).has_value());
  CHECK(session.inspect_loops(program, session.request(program).value()).has_value());
}

TEST_CASE("a list that others may write is not believed", "[tuned]") {
  const TemporaryFolder temporary;
  const std::string folder = temporary / "k";
  const ir::Program program = layer("one");
  TunedSchedules tuned;
  tuned.put(measured(program, schedule));
  REQUIRE(tuned.save(folder).ok());
  std::filesystem::permissions(folder + "/tuned.txt", std::filesystem::perms::all);
  CHECK(!TunedSchedules::load(folder));
  CHECK(note(folder, program) == "");
}
