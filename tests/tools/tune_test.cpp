#include "tests/runtime/temporary_folder.h"
#include "tests/support/catch.h"
#include "tests/tools/run_tool.h"

#include <filesystem>
#include <fstream>
#include <sstream>

using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;
using volute::tests::Ran;
using volute::tests::run_volute;
using volute::tests::TemporaryFolder;

namespace {

Ran in_folder(const std::string& folder, const std::string& arguments) {
  return run_volute(arguments, "VOLUTE_DISK_CACHE=64M VOLUTE_CACHE_DIR='" + folder + "'");
}

const std::string head = "# Schedules that volute tune has measured: target, program, accuracy, "
                         "times faster, name, schedule\n";

} // namespace

TEST_CASE("tune tells of what it tried, and where it keeps what won", "[tune]") {
  const TemporaryFolder temporary;
  const std::string folder = temporary / "k";
  const Ran ran = in_folder(folder, "tune examples/first.vlt --seconds 0.5");
  INFO(ran.out << ran.err);
  CHECK(ran.status == 0);
  CHECK_THAT(ran.out, ContainsSubstring("\n@first\n"));
  CHECK_THAT(ran.out, ContainsSubstring("the model's choice: "));
  CHECK_THAT(ran.out, ContainsSubstring(" of 1 programs have a faster schedule now, in " + folder +
                                        "/tuned.txt\n"));
}

TEST_CASE("lists are shown, taken over and forgotten", "[tune]") {
  const TemporaryFolder temporary;
  const std::string folder = temporary / "k", list = temporary / "theirs.txt";
  CHECK(in_folder(folder, "tune list").out == head);
  std::ofstream(list) << "znver4\tab\t2\t1.100\tlayer\tfor w; pack weight\n";
  const Ran merged = in_folder(folder, "tune merge " + list);
  CHECK(merged.status == 0);
  CHECK(merged.out == list + ": 1 of 1 taken\n");
  CHECK(in_folder(folder, "tune list").out ==
        head + "znver4\tab\t2\t1.100\tlayer\tfor w; pack weight\n");
  CHECK(in_folder(folder, "tune merge " + list).out == list + ": 0 of 1 taken\n");
  CHECK(in_folder(folder, "tune clear").out == "1 schedules forgotten\n");
  CHECK(in_folder(folder, "tune list").out == head);
}

TEST_CASE("what tune cannot do is refused before the work", "[tune]") {
  const TemporaryFolder temporary;
  const std::string folder = temporary / "k", list = temporary / "theirs.txt";
  std::ofstream(list) << "znver4\tab\t2\t1.100\tlayer\tfor w\nmore words\n";
  const Ran broken = in_folder(folder, "tune merge " + list);
  CHECK(broken.status == 1);
  CHECK_THAT(broken.err, StartsWith("error: " + list + ": 1 lines are no records of volute tune"));
  CHECK(in_folder(folder, "tune merge " + temporary / "none.txt").status == 1);
  CHECK(!std::filesystem::exists(folder));
  CHECK(in_folder(folder, "tune examples/first.vlt --seconds 0").status == 2);
  CHECK(in_folder(folder, "tune examples/first.vlt --schedule naive").status == 2);
  CHECK(in_folder(folder, "tune examples/first.vlt --no-cache").status == 2);
  CHECK(in_folder(folder, "tune").status == 2);
  const Ran nowhere = run_volute("tune examples/first.vlt", "VOLUTE_DISK_CACHE=0");
  CHECK(nowhere.status == 1);
  CHECK_THAT(nowhere.err, StartsWith("error: kernels are kept nowhere"));
}
